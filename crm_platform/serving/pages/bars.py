"""Charts of rows side by side, as SVG: ranked bars, heat maps.

What belongs here: their geometry. What does not: charts along a line of days (trends.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from crm_platform.serving.pages.svg import LETTER, Link, Size, linked, no_link, svg_element, svg_text


@dataclass(frozen=True, slots=True)
class Bar:
    """A ranked bar. `low`, `high`: an interval drawn over it; `text`: what stands at its end."""

    name: str
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    look: str = "first"


def _name(y: float, words: str, width: float) -> str:
    """Write a name at the left edge; one that is too long is cut, whatever the font, and whole in its tool tip."""
    most = max(3, int(width / LETTER))
    if len(words) <= most:
        return svg_text(0, y, words, "name plain")
    cut = svg_text(0, 12, words[: most - 1].rstrip() + "…", "name plain")
    return f'<svg y="{y - 12:.1f}" width="{width:.1f}" height="16"><title>{escape(words)}</title>{cut}</svg>'


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Ranked bars from 0, one below the other; at least so many px apart, where there is room up to twice as many.

    A narrow drawing has the name above its bar. `column`: of the chart's table, whose rows they stand for in their
    order. `top`: the end of the axis; 0: that of the longest bar or interval.
    """

    bars: Sequence[Bar]
    column: str = ""
    row: int = 30
    top: float = 0.0

    def svg(self, size: Size, label: str, link: Link = no_link) -> str:
        """Draw it as high as its bars ask for, few of them to fill the height; an empty text when there are none."""
        if not self.bars:
            return ""
        narrow, width = size.is_narrow, size.width
        # A card beside a taller one is not half empty: few bars stand further apart, and are thicker.
        row = 44 if narrow else min(max(self.row, size.height // len(self.bars)), 2 * self.row)
        thick = 16 if narrow else max(16, row // 2)
        names = 0.0 if narrow else min(width * 0.36, max(len(bar.name) for bar in self.bars) * (LETTER + 0.4) + 12)
        room = width - names - max(len(bar.text) for bar in self.bars) * (LETTER + 0.2) - 12
        longest = max(bar.high if bar.high is not None else bar.value or 0 for bar in self.bars)
        most = self.top or longest or 1
        parts = []
        for index, bar in enumerate(self.bars):
            y = row * index + (20 if narrow else (row - thick) / 2)
            middle = y + thick / 2
            parts.append(_name(y - 6, bar.name, width) if narrow else _name(middle + 4, bar.name, names - 8))
            long = room * min(1.0, (bar.value or 0) / most)
            box = f'x="{names:.1f}" y="{y:.1f}"'
            drawn = f'<rect class="track" data-row="{index}" {box} width="{room:.1f}" height="{thick}"/>'
            if bar.value is not None:
                drawn += f'<rect class="bar {bar.look}" {box} width="{max(1.0, long):.1f}" height="{thick}"/>'
            parts.append(linked(link(index, self.column) if bar.value is not None else "", drawn))
            if bar.low is not None and bar.high is not None:
                low, high = names + room * min(1.0, bar.low / most), names + room * min(1.0, bar.high / most)
                parts.append(
                    f'<path class="interval" d="M{low:.1f} {middle:.1f}H{high:.1f}'
                    f'M{low:.1f} {middle - 4:.1f}v8M{high:.1f} {middle - 4:.1f}v8"/>'
                )
            parts.append(svg_text(names + room + 8, middle + 4, bar.text, "label"))
        return svg_element(Size(width, row * len(self.bars) + 4), label, parts)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a heat map.

    `row`: of the chart's table; `is_thin`: too little is behind it; `is_plain`: so little that it has no shade;
    `texts`: what stands in it, the first that fits.
    """

    value: float
    row: int
    is_thin: bool = False
    is_plain: bool = False
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Shade each cell in nine steps of one hue, from `low` to the largest value; strike through those that are thin.

    A line may be shorter than there are columns. `row`: px of a line, where the height follows from them. `column`: of
    the chart's table, that the cells show.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell | None]]
    low: float = 0.0
    row: int = 0
    column: str = ""

    def svg(self, size: Size, label: str, link: Link = no_link) -> str:
        """Draw it; an empty text when no cell has a value."""
        known = [cell for line in self.cells for cell in line if cell]
        if not known:
            return ""
        high = max((cell.value for cell in known if not cell.is_plain), default=self.low)
        if self.row:
            size = Size(size.width, self.row * len(self.rows) + 22)
        left = max(len(name) for name in self.rows) * LETTER + 10
        wide, tall = (size.width - left) / len(self.columns), (size.height - 22) / len(self.rows)
        parts: list[str] = []
        for line, name in enumerate(self.rows):
            parts.append(svg_text(left - 8, tall * line + tall / 2 + 4, name, "tick", "end"))
            for column, cell in enumerate(self.cells[line]):
                x, y = left + wide * column, tall * line
                box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{wide - 2:.1f}" height="{tall - 2:.1f}" rx="2"'
                if cell is None:
                    parts.append(f'<rect class="heat none" {box}/>')
                    continue
                level = 0 if high <= self.low else min(8, int((cell.value - self.low) / (high - self.low) * 8.999))
                shade = "none" if cell.is_plain else f"h{max(0, level)}"
                look = f"heat {shade}{' thin' if cell.is_thin else ''}"
                drawn = f'<rect class="{look}" data-row="{cell.row}" {box}/>'
                parts.append(linked(link(cell.row, self.column), drawn))
                fits = next((text for text in cell.texts if len(text) * LETTER + 6 <= wide), "")
                if fits:
                    parts.append(svg_text(x + wide / 2, y + tall / 2 + 4, fits, f"in {shade}", "middle"))
                if cell.is_thin:
                    stroke = f"M{x + 2:.1f} {y + tall - 2:.1f}L{x + wide - 2:.1f} {y + 2:.1f}"
                    parts.append(f'<path class="scarce" d="{stroke}"/>')
        every = 3 if len(self.columns) > 12 else 1
        parts += [
            svg_text(left + wide * (index + 0.5), size.height - 6, self.columns[index], "tick", "middle")
            for index in range(0, len(self.columns), every)
        ]
        return svg_element(size, label, parts)
