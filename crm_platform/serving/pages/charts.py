"""Charts as SVG, drawn at the server: lines, columns, ranked bars, a heat map, spark lines.

What belongs here: geometry. What does not: data, words, colours (static/pages.css holds those, by class, because the
pages' content policy allows no inline style). A chart describes what is drawn, its `svg` gives the element as text,
`role="img"` with a title and a description; the numbers themselves stand in the table under each chart.

A drawing is made once wide and once narrow, and CSS shows the one that fits: text keeps its size on a phone. Altair and
vl-convert took 45 to 95 ms for one such line chart, these take under 1 ms.

Shapes that stand for a row of the chart's table carry `data-row`; a chart by day carries `data-x0`, `data-step` and
`data-rows` instead, so that the pointer and the keys find the nearest day (static/pages.js).
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

Words = Callable[[float], str]

_LETTER: Final = 6.5  # px: mean width of a character at 12 px
_TIME_TICKS: Final = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)


@dataclass(frozen=True, slots=True)
class Line:
    """A line by day: a value for each, None where there is none. `look`: its class in the style sheet."""

    name: str
    values: Sequence[float | None]
    look: str = "first"


@dataclass(frozen=True, slots=True)
class Rule:
    """A level drawn across, with its name."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A ranked bar. `low`, `high`: an interval drawn over it; `text`: what stands at its end."""

    name: str
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    look: str = "first"


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a drawing in px."""

    width: int
    height: int

    @property
    def is_narrow(self) -> bool:
        """Drawn for a phone."""
        return self.width < 480


def _svg(size: Size, title: str, description: str, parts: Sequence[str], attributes: str = "") -> str:
    told = f"{title}{'' if title.endswith('?') else '.'} {description}"
    return (
        f'<svg class="chart" viewBox="0 0 {size.width} {size.height}" width="{size.width}" height="{size.height}" '
        f'role="img" aria-label="{escape(told)}"{attributes}>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: str, look: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{look}" text-anchor="{anchor}">{escape(words)}</text>'


def _name(y: float, words: str, width: float) -> str:
    """Write a name at the left edge; one that is too long is cut, whatever the font, and whole in its tool tip."""
    most = max(3, int(width / _LETTER))
    if len(words) <= most:
        return _text(0, y, words, "name plain")
    cut = _text(0, 12, words[: most - 1].rstrip() + "…", "name plain")
    return f'<svg y="{y - 12:.1f}" width="{width:.1f}" height="16"><title>{escape(words)}</title>{cut}</svg>'


def nice_ticks(top: float, *, about: int = 4, whole: bool = True) -> list[float]:
    """Round steps from 0 up to at least `top`."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    if whole:
        step = max(1.0, math.ceil(step))
    return [step * number for number in range(math.ceil(top / step - 1e-9) + 1)]


def _around_ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Round steps around a range that need not begin at 0: for lines, never for bars."""
    spread = max(high - low, abs(high) * 0.01, 1.0)
    step = nice_ticks(spread, about=about)[1]
    first = max(0.0, math.floor(low / step) * step)
    return [first + step * number for number in range(math.ceil((high - first) / step) + 1)]


def _runs(values: Sequence[float | None]) -> list[list[int]]:
    """Neighbouring days that have a value: a line is broken where one is missing."""
    known = [(index, value is not None) for index, value in enumerate(values)]
    return [[index for index, _ in run] for has, run in itertools.groupby(known, key=lambda one: one[1]) if has]


def _day_ticks(days: Sequence[dt.date], size: Size) -> list[int]:
    """Which days are named: the first of months when there are many, else Mondays, else every few days."""
    most = 5 if size.is_narrow else max(4, int(size.width / 90))
    every = [
        [index for index, day in enumerate(days) if day.day == 1],
        [index for index, day in enumerate(days) if day.weekday() == 0],
    ]
    mondays = every[1]
    if len(days) <= most:
        return list(range(len(days)))
    if 2 <= len(mondays) <= most:
        return mondays
    if len(mondays) > most and len(mondays) // 2 <= most:
        return mondays[::2]
    if 2 <= len(every[0]) <= most:
        return every[0]
    step = math.ceil(len(days) / most)
    return list(range(0, len(days), step))


class _Plane:
    """The area between the axes. `scale`: linear from 0, linear around the values, or logarithmic for durations."""

    def __init__(
        self, size: Size, ticks: Sequence[float], *, scale: Literal["zero", "around", "time"], right: float, left: float
    ) -> None:
        self.left, self.top, self.right, self.bottom = left, 14.0, size.width - right, size.height - 24.0
        self.ticks, self.scale = ticks, scale
        self._low, self._high = self._place(ticks[0]), self._place(ticks[-1])

    def _place(self, value: float) -> float:
        return math.log10(max(value, 1.0)) if self.scale == "time" else value

    def y(self, value: float) -> float:
        share = (self._place(value) - self._low) / ((self._high - self._low) or 1)
        return self.bottom - max(0.0, min(1.0, share)) * (self.bottom - self.top)

    def frame(self, words: Words) -> list[str]:
        parts = []
        for tick in self.ticks:
            y = self.y(tick)
            parts.append(f'<path class="grid" d="M{self.left:.1f} {y:.1f}H{self.right:.1f}"/>')
            parts.append(_text(self.left - 8, y + 4, words(tick), "tick", "end"))
        return parts


def _time_ticks(values: Sequence[float]) -> list[float]:
    low, high = max(1.0, min(values)), max(values)
    first = max((index for index, tick in enumerate(_TIME_TICKS) if tick <= low), default=0)
    last = min((index for index, tick in enumerate(_TIME_TICKS) if tick >= high), default=len(_TIME_TICKS) - 1)
    return [float(tick) for tick in _TIME_TICKS[first : max(last, first + 1) + 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Lines by day, named at their end. `open_from`: the first day that is not complete: dashed to a hollow point.

    `band`: numbers of the first and last day of the chosen range, shaded when more than that is drawn.
    """

    title: str
    description: str
    days: Sequence[dt.date]
    lines: Sequence[Line]
    words: Words
    day_words: Callable[[dt.date], str]
    scale: Literal["zero", "around", "time"] = "zero"
    rule: Rule | None = None
    open_from: int | None = None
    band: tuple[int, int] | None = None
    whole: bool = True
    top: float | None = None

    @property
    def shaded(self) -> tuple[int, int] | None:
        """The band, where more than it and today is drawn."""
        if self.band and (self.band[0] > 0 or self.band[1] < len(self.days) - 2):
            return self.band
        return None

    def svg(self, size: Size) -> str:
        """Draw it; an empty text when there is nothing to draw."""
        ticks = self.ticks
        if not ticks:
            return ""
        left = max(len(self.words(tick)) for tick in ticks) * _LETTER + 12
        right = max((len(line.name) * _LETTER + 14 for line in self.lines if len(self.lines) > 1), default=14.0)
        plane = _Plane(size, ticks, scale=self.scale, right=right, left=left)
        count = len(self.days)
        step = (plane.right - plane.left) / max(1, count - 1)

        def x(index: int) -> float:
            return plane.left + (step * index if count > 1 else (plane.right - plane.left) / 2)

        parts = []
        if self.shaded:
            start = max(plane.left, x(self.shaded[0]) - step / 2)
            width = min(plane.right, x(self.shaded[1]) + step / 2) - start
            parts.append(
                f'<rect class="band" x="{start:.1f}" y="{plane.top}" width="{width:.1f}" '
                f'height="{plane.bottom - plane.top:.1f}"/>'
            )
        parts += plane.frame(self.words)
        for index in _day_ticks(self.days, size):
            parts.append(_text(x(index), size.height - 6, self.day_words(self.days[index]), "tick", "middle"))
        if self.rule is not None:
            y = plane.y(self.rule.value)
            parts.append(f'<path class="rule" d="M{plane.left:.1f} {y:.1f}H{plane.right:.1f}"/>')
            parts.append(_text(plane.left + 6, y - 5, self.rule.name, "rule-name"))
        for line in reversed(self.lines):
            parts += _one_line(line, plane, x, open_from=self.open_from)
        parts += self._names(plane)
        pointer = f' data-x0="{x(0):.1f}" data-step="{step:.3f}" data-rows="{count}" data-top="{plane.top}" '
        pointer += f'data-bottom="{plane.bottom}"'
        return _svg(size, self.title, self.description, parts, pointer)

    @property
    def ticks(self) -> list[float]:
        """Levels that hold every line and the rule; none when there is nothing to draw."""
        known = [value for line in self.lines for value in line.values if value is not None]
        if self.rule is not None:
            known.append(self.rule.value)
        if not known or not self.days:
            return []
        if self.scale == "time":
            return _time_ticks(known)
        if self.scale == "around":
            return _around_ticks(min(known), max(known))
        return nice_ticks(self.top or max(known), whole=self.whole)

    def _names(self, plane: _Plane) -> list[str]:
        """Names at the lines' ends, one below the other where they would touch."""
        if len(self.lines) < 2:
            return []
        ends = []
        for line in reversed(self.lines):
            known = [value for value in line.values if value is not None]
            if known:
                ends.append((plane.y(known[-1]), line))
        parts, placed = [], -1e9
        for y, line in sorted(ends, key=lambda one: one[0]):
            placed = max(y + 4, placed + 15)
            parts.append(_text(plane.right + 8, placed, line.name, f"name {line.look}"))
        return parts


def _one_line(line: Line, plane: _Plane, x: Callable[[int], float], *, open_from: int | None) -> list[str]:
    parts = []
    for run in _runs(line.values):
        points = [(index, f"{x(index):.1f} {plane.y(line.values[index] or 0):.1f}") for index in run]
        whole = [place for index, place in points if open_from is None or index < open_from]
        tail = [place for index, place in points if open_from is not None and index >= open_from - 1]
        if len(whole) > 1:
            parts.append(f'<path class="line {line.look}" d="M{"L".join(whole)}"/>')
        elif whole:
            parts.append(
                f'<circle class="dot {line.look}" r="2.5" cx="{whole[0].split()[0]}" cy="{whole[0].split()[1]}"/>'
            )
        if open_from is not None and points[-1][0] >= open_from:
            if len(tail) > 1:
                parts.append(f'<path class="line open {line.look}" d="M{"L".join(tail)}"/>')
            end = points[-1][1].split()
            parts.append(f'<circle class="hollow {line.look}" r="3.5" cx="{end[0]}" cy="{end[1]}"/>')
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChart:
    """Columns from 0, stacked from the first of `stacks` up; `labels` stand on top.

    `days`: what the columns stand for, when these are days: fewer of their names are written. `narrow`: on a narrow
    drawing, only so many of the last columns.
    """

    title: str
    description: str
    names: Sequence[str]
    stacks: Sequence[Line]
    words: Words
    labels: Sequence[str] | None = None
    open_from: int | None = None
    days: Sequence[dt.date] | None = None
    narrow: int | None = None

    def svg(self, size: Size) -> str:
        """Draw it; an empty text when there are no columns."""
        if not self.names:
            return ""
        first = max(0, len(self.names) - self.narrow) if self.narrow and size.is_narrow else 0
        shown = range(first, len(self.names))
        ticks = self.ticks(shown)
        left = max(len(self.words(tick)) for tick in ticks) * _LETTER + 12
        plane = _Plane(size, ticks, scale="zero", right=4, left=left)
        step = (plane.right - plane.left) / len(shown)

        def x(index: int) -> float:
            return plane.left + step * (index - first + 0.5)

        parts = plane.frame(self.words)
        for index in shown:
            parts += self._column(index, plane, x(index), min(step * (0.72 if step > 6 else 0.85), 44.0))
        if self.labels:
            # Where labels would touch, only every second or third column has one, the last column always.
            every = math.ceil((max(len(self.labels[index]) for index in shown) * _LETTER + 4) / step)
            parts += [
                _text(x(index), plane.y(self._total(index)) - 5, self.labels[index], "label", "middle")
                for index in shown
                if (len(self.names) - 1 - index) % every == 0
            ]
        for index in self._named(shown, plane, size):
            parts.append(_text(x(index), size.height - 6, self.names[index], "tick", "middle"))
        pointer = f' data-x0="{x(first):.1f}" data-step="{step:.3f}" data-rows="{len(shown)}" '
        pointer += f'data-row-from="{first}" data-top="{plane.top}" data-bottom="{plane.bottom}"'
        return _svg(size, self.title, self.description, parts, pointer)

    def ticks(self, shown: range | None = None) -> list[float]:
        """Levels from 0 that hold the columns, or some of them."""
        return nice_ticks(max((self._total(index) for index in shown or range(len(self.names))), default=0), about=3)

    def _total(self, index: int) -> float:
        return sum(line.values[index] or 0 for line in self.stacks)

    def _column(self, index: int, plane: _Plane, middle: float, width: float) -> list[str]:
        parts, base, width = [], 0.0, max(1.0, width)
        state = " open" if self.open_from is not None and index >= self.open_from else ""
        for line in self.stacks:
            value = line.values[index]
            if not value:
                continue
            top, bottom = plane.y(base + value), plane.y(base)
            base += value
            parts.append(
                f'<rect class="bar {line.look}{state}" x="{middle - width / 2:.1f}" y="{top:.1f}" '
                f'width="{width:.1f}" height="{max(1.0, bottom - top):.1f}"/>'
            )
        return parts

    def _named(self, shown: range, plane: _Plane, size: Size) -> Sequence[int]:
        """Which columns are named."""
        if self.days is not None:
            return _day_ticks(self.days, size)
        longest = max(len(self.names[index]) for index in shown)
        most = max(2, int((plane.right - plane.left) / (longest * _LETTER + 10)))
        return shown[:: math.ceil(len(shown) / most)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Ranked bars from 0, one below the other; so many px apart. A narrow drawing has the name above its bar."""

    title: str
    description: str
    bars: Sequence[Bar]
    row: int = 30

    @property
    def most(self) -> float:
        """Where the axis ends: the longest bar or interval; 1 when all are 0."""
        return max((bar.high if bar.high is not None else bar.value or 0 for bar in self.bars), default=0) or 1

    def svg(self, size: Size) -> str:
        """Draw it as high as its bars ask for; an empty text when there are none."""
        if not self.bars:
            return ""
        narrow, width = size.is_narrow, size.width
        row = 44 if narrow else self.row
        names = 0.0 if narrow else min(width * 0.36, max(len(bar.name) for bar in self.bars) * (_LETTER + 0.4) + 12)
        room = width - names - max(len(bar.text) for bar in self.bars) * (_LETTER + 0.2) - 12
        most = self.most
        parts = []
        for index, bar in enumerate(self.bars):
            y = row * index + (20 if narrow else 7)
            parts.append(_name(y - 6, bar.name, width) if narrow else _name(y + 12, bar.name, names - 8))
            long = room * min(1.0, (bar.value or 0) / most)
            box = f'x="{names:.1f}" y="{y:.1f}"'
            parts.append(f'<rect class="track" data-row="{index}" {box} width="{room:.1f}" height="16"/>')
            if bar.value is not None:
                parts.append(f'<rect class="bar {bar.look}" {box} width="{max(1.0, long):.1f}" height="16"/>')
            if bar.low is not None and bar.high is not None:
                low, high = names + room * min(1.0, bar.low / most), names + room * min(1.0, bar.high / most)
                parts.append(
                    f'<path class="interval" d="M{low:.1f} {y + 8:.1f}H{high:.1f}'
                    f'M{low:.1f} {y + 4:.1f}v8M{high:.1f} {y + 4:.1f}v8"/>'
                )
            parts.append(_text(names + room + 8, y + 12, bar.text, "label"))
        return _svg(Size(width, row * len(self.bars) + 4), self.title, self.description, parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Shade each cell in nine steps of one hue. `marks`: cells with too little behind them, struck through.

    `row_of`: the row of the chart's table that stands for a cell; by default row by row.
    """

    title: str
    description: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[float | None]]
    marks: Sequence[Sequence[bool]] | None = None
    low: float = 0.0
    row_of: Callable[[int, int], int] | None = None

    @property
    def high(self) -> float | None:
        """The darkest cell; None when no cell has a value."""
        return max((value for line in self.cells for value in line if value is not None), default=None)

    def row(self, line: int, column: int) -> int:
        """The row of the chart's table that stands for a cell."""
        return self.row_of(line, column) if self.row_of else line * len(self.columns) + column

    def svg(self, size: Size) -> str:
        """Draw it; an empty text when no cell has a value."""
        high = self.high
        if high is None:
            return ""
        left = max(len(name) for name in self.rows) * _LETTER + 10
        wide, tall = (size.width - left) / len(self.columns), (size.height - 22) / len(self.rows)
        parts: list[str] = []
        for line, name in enumerate(self.rows):
            parts.append(_text(left - 8, tall * line + tall / 2 + 4, name, "tick", "end"))
            for column in range(len(self.columns)):
                value = self.cells[line][column]
                x, y = left + wide * column, tall * line
                box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{wide - 2:.1f}" height="{tall - 2:.1f}" rx="2"'
                if value is None:
                    parts.append(f'<rect class="heat none" {box}/>')
                    continue
                number = self.row(line, column)
                level = 0 if high <= self.low else min(8, int((value - self.low) / (high - self.low) * 8.999))
                few = self.marks is not None and self.marks[line][column]
                look = f"heat h{max(0, level)}{' thin' if few else ''}"
                parts.append(f'<rect class="{look}" data-row="{number}" {box}/>')
                if few:
                    stroke = f"M{x + 2:.1f} {y + tall - 2:.1f}L{x + wide - 2:.1f} {y + 2:.1f}"
                    parts.append(f'<path class="few" d="{stroke}"/>')
        every = 3 if len(self.columns) > 12 else 1
        parts += [
            _text(left + wide * (index + 0.5), size.height - 6, self.columns[index], "tick", "middle")
            for index in range(0, len(self.columns), every)
        ]
        return _svg(size, self.title, self.description, parts)


Drawing = LineChart | ColumnChart | BarChart | HeatMap


def spark_line(values: Sequence[float | None], *, open_from: int | None = None, is_log: bool = False) -> str:
    """A line without axes, 112 by 28 px; decoration beside a figure, so hidden from screen readers."""
    if is_log:
        values = [None if value is None else math.log10(max(value, 1.0)) for value in values]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    step = 104 / (len(values) - 1)

    def place(index: int) -> str:
        share = 0.5 if high == low else ((values[index] or 0) - low) / (high - low)
        return f"{4 + step * index:.1f} {24 - 20 * share:.1f}"

    parts = []
    for run in _runs(values):
        whole = [place(index) for index in run if open_from is None or index < open_from]
        if len(whole) > 1:
            parts.append(f'<path class="line first" d="M{"L".join(whole)}"/>')
    last = max(index for index, value in enumerate(values) if value is not None)
    if open_from is not None and last >= open_from:
        if last > 0 and values[last - 1] is not None:
            parts.append(f'<path class="line open first" d="M{place(last - 1)}L{place(last)}"/>')
        look = "hollow"
    else:
        look = "dot"
    x, y = place(last).split()
    parts.append(f'<circle class="{look} first" r="2.5" cx="{x}" cy="{y}"/>')
    return f'<svg class="spark" viewBox="0 0 112 28" width="112" height="28" aria-hidden="true">{"".join(parts)}</svg>'
