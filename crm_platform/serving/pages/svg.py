"""What every drawing is made of: a size, the SVG svg_element, text. Charts are drawn as SVG, at the server.

What belongs here: what charts by day (trends.py) and ranked bars and heat maps (bars.py) share. What does not: data,
words, colours (static/pages.css holds those, by class, because the pages' content policy allows no inline style).

A drawing describes what is drawn; its `svg` gives the element as text, `role="img"` with a label. The numbers
themselves stand in the table under each chart. A drawing is made once wide and once narrow, and CSS shows the one that
fits: text keeps its size on a phone. Altair and vl-convert took 45 to 95 ms for one such line chart, these take under 1
ms.

Shapes that stand for a row of the chart's table carry `data-row`; a chart by day carries `data-x0`, `data-step` and
`data-rows` instead, so that the pointer and the keys find the nearest day (static/pages.js).

A shape that stands for a figure is a link to the rows behind it. It is no tab stop: a chart has hundreds, and the same
figures are links in its table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

Link = Callable[[int, str], str]
"""Address of the rows behind a figure, by the number of its row and its column; empty where there is none."""

LETTER: Final = 6.5  # px: mean width of a character at 12 px


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a drawing in px."""

    width: int
    height: int

    @property
    def is_narrow(self) -> bool:
        """Drawn for a phone."""
        return self.width < 480


def svg_element(size: Size, label: str, parts: Sequence[str], attributes: str = "") -> str:
    """Put parts into a drawing's element. `label`: what is said of it to who cannot see it; links say nothing more."""
    drawn = "".join(parts)
    if "<a " in drawn:
        drawn = f'<g aria-hidden="true">{drawn}</g>'
    return (
        f'<svg class="chart" viewBox="0 0 {size.width} {size.height}" width="{size.width}" height="{size.height}" '
        f'role="img" aria-label="{escape(label)}"{attributes}>{drawn}</svg>'
    )


def no_link(_row: int, _column: str) -> str:
    """Of a drawing whose shapes lead nowhere."""
    return ""


def linked(href: str, shape: str) -> str:
    """Make a shape a link; without an address it stays what it is."""
    return f'<a href="{escape(href)}" tabindex="-1">{shape}</a>' if href else shape


def svg_text(x: float, y: float, words: str, look: str = "", anchor: str = "start") -> str:
    """Write words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{look}" text-anchor="{anchor}">{escape(words)}</text>'
