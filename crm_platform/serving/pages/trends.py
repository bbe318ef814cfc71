"""Charts along a line of days or months, as SVG: lines, columns, spark lines.

What belongs here: their geometry, axes and ticks. What does not: charts without a time axis (bars.py).
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

from crm_platform.serving.pages.svg import LETTER, Link, Size, linked, no_link, svg_element, svg_text

NumberFormat = Callable[[float], str]


_TIME_TICKS: Final = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)


@dataclass(frozen=True, slots=True)
class Line:
    """A line by day: a value for each, None where there is none.

    `look`: its class in the style sheet; `column`: of the chart's table, whose rows the days are.
    """

    name: str
    values: Sequence[float | None]
    look: str = "first"
    column: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A level drawn across, with its name."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Flag:
    """A note on a day: what its flag is called, and what it says."""

    name: str
    text: str


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


def _day_ticks(days: Sequence[dt.date], plane: _Plane) -> list[int]:
    """Which days are named: the first of months when there are many, else Mondays, else every few days."""
    width = plane.right - plane.left
    most = max(2, min(5, int(width / 48))) if plane.is_narrow else max(4, int(width / 75))
    firsts = [index for index, day in enumerate(days) if day.day == 1]
    mondays = [index for index, day in enumerate(days) if day.weekday() == 0]
    if len(days) <= most:
        return list(range(len(days)))
    if 2 <= len(mondays) <= most:
        return mondays
    if len(mondays) > most and len(mondays) // 2 <= most:
        return mondays[::-2][::-1]
    if 2 <= len(firsts) <= most:
        return firsts
    # Counted from the last one, which is what people came for.
    return list(range(len(days)))[:: -math.ceil(len(days) / most)][::-1]


class _Plane:
    """The area between the axes. `scale`: linear from 0, linear around the values, or logarithmic for durations."""

    def __init__(
        self, size: Size, ticks: Sequence[float], *, scale: Literal["zero", "around", "time"], right: float, left: float
    ) -> None:
        self.left, self.top, self.right, self.bottom = left, 14.0, size.width - right, size.height - 24.0
        self.ticks, self.scale = ticks, scale
        self.is_narrow, self._edge = size.is_narrow, float(size.width)
        self._low, self._high = self._place(ticks[0]), self._place(ticks[-1])

    def _place(self, value: float) -> float:
        return math.log10(max(value, 1.0)) if self.scale == "time" else value

    def y(self, value: float) -> float:
        share = (self._place(value) - self._low) / ((self._high - self._low) or 1)
        return self.bottom - max(0.0, min(1.0, share)) * (self.bottom - self.top)

    def below(self, x: float, words: str) -> str:
        """Write a name under the axis; at the drawing's right edge it ends there."""
        is_beyond = x + len(words) * LETTER / 2 > self._edge
        return svg_text(
            self._edge if is_beyond else x, self.bottom + 18, words, "tick", "end" if is_beyond else "middle"
        )

    def flags(self, flags: Mapping[int, Flag], x: Callable[[int], float]) -> list[str]:
        """Draw a small numbered flag at the top of each day with a note; where two would touch, the first has none."""
        parts, following = [], math.inf
        for index in sorted(flags, reverse=True):
            at, flag = x(index), flags[index]
            pole = f'<path class="pole" d="M{at:.1f} {self.top:.1f}V{self.bottom:.1f}"/>'
            cloth = f'<rect class="cloth" x="{at - 7:.1f}" y="0" width="14" height="14" rx="3"/>'
            number = svg_text(at, 11, flag.name, "flagged", "middle")
            shown = cloth + number if following - at >= 15 else ""
            following = at if shown else following
            parts.append(f"<g><title>{escape(flag.text)}</title>{pole}{shown}</g>")
        return parts

    def frame(self, words: NumberFormat) -> list[str]:
        parts = []
        for tick in self.ticks:
            y = self.y(tick)
            parts.append(f'<path class="grid" d="M{self.left:.1f} {y:.1f}H{self.right:.1f}"/>')
            parts.append(svg_text(self.left - 8, y + 4, words(tick), "tick", "end"))
        return parts


def _time_ticks(values: Sequence[float]) -> list[float]:
    low, high = max(1.0, min(values)), max(values)
    first = max((index for index, tick in enumerate(_TIME_TICKS) if tick <= low), default=0)
    last = min((index for index, tick in enumerate(_TIME_TICKS) if tick >= high), default=len(_TIME_TICKS) - 1)
    return [float(tick) for tick in _TIME_TICKS[first : max(last, first + 1) + 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Lines by day, named at their end. `open_from`: the first day that is not complete: dashed to a hollow point.

    `band`: numbers of the first and last day of the chosen range, shaded when more than that is drawn; `flags`: notes,
    by the number of their day.
    """

    days: Sequence[dt.date]
    lines: Sequence[Line]
    words: NumberFormat
    day_words: Callable[[dt.date], str]
    scale: Literal["zero", "around", "time"] = "zero"
    rule: Rule | None = None
    open_from: int | None = None
    band: tuple[int, int] | None = None
    whole: bool = True
    top: float | None = None
    flags: Mapping[int, Flag] = field(default_factory=dict)

    def svg(self, size: Size, label: str, link: Link = no_link) -> str:
        """Draw it; an empty text when there is nothing to draw."""
        ticks = self._ticks()
        if not ticks:
            return ""
        left = max(len(self.words(tick)) for tick in ticks) * LETTER + 12
        names = [line.name for line in self.lines if len(self.lines) > 1] + self._rule_names(size)
        right = max((len(name) * LETTER + 14 for name in names), default=14.0)
        plane = _Plane(size, ticks, scale=self.scale, right=right, left=left)
        count = len(self.days)
        step = (plane.right - plane.left) / max(1, count - 1)

        def x(index: int) -> float:
            return plane.left + (step * index if count > 1 else (plane.right - plane.left) / 2)

        parts = []
        if self.band and (self.band[0] > 0 or self.band[1] < count - 2):  # more than it and today is drawn
            start = max(plane.left, x(self.band[0]) - step / 2)
            width = min(plane.right, x(self.band[1]) + step / 2) - start
            parts.append(
                f'<rect class="band" x="{start:.1f}" y="{plane.top}" width="{width:.1f}" '
                f'height="{plane.bottom - plane.top:.1f}"/>'
            )
        parts += plane.frame(self.words)
        for index in _day_ticks(self.days, plane):
            parts.append(plane.below(x(index), self.day_words(self.days[index])))
        parts += plane.flags(self.flags, x)
        if self.rule is not None:
            y = plane.y(self.rule.value)
            parts.append(f'<path class="rule" d="M{plane.left:.1f} {y:.1f}H{plane.right:.1f}"/>')
        for line in reversed(self.lines):
            parts += _one_line(line, plane, x, open_from=self.open_from)
        parts += self._names(plane, self._rule_names(size))
        for line in reversed(self.lines):
            parts += _points(line, plane, x, link)
        pointer = f' data-x0="{x(0):.1f}" data-step="{step:.3f}" data-rows="{count}" data-top="{plane.top}" '
        pointer += f'data-bottom="{plane.bottom}"'
        return svg_element(size, label, parts, pointer)

    def _ticks(self) -> list[float]:
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

    def _rule_names(self, size: Size) -> list[str]:
        """The rule's name, which stands at its end, where no line strikes it through; a narrow drawing breaks it."""
        if self.rule is None:
            return []
        return self.rule.name.split(" ", 1) if size.is_narrow else [self.rule.name]

    def _names(self, plane: _Plane, of_rule: Sequence[str]) -> list[str]:
        """Names at the ends of lines and rule, one below the other where they would touch."""
        ends = [(plane.y(self.rule.value), name, "rule-name") for name in of_rule] if self.rule else []
        for line in reversed(self.lines if len(self.lines) > 1 else ()):
            known = [value for value in line.values if value is not None]
            if known:
                ends.append((plane.y(known[-1]), line.name, f"name {line.look}"))
        ends.sort(key=lambda one: one[0])
        places: list[float] = []
        for y, _, _ in ends:
            places.append(max(y + 4, places[-1] + 15 if places else y))
        # The lowest stays above the names of the days, and moves up those that it would touch.
        lowest = plane.bottom + 4
        for number in reversed(range(len(places))):
            places[number] = min(places[number], lowest)
            lowest = places[number] - 15
        return [
            svg_text(plane.right + 8, place, name, look) for place, (_, name, look) in zip(places, ends, strict=True)
        ]


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


def _points(line: Line, plane: _Plane, x: Callable[[int], float], link: Link) -> list[str]:
    """Spots over the points of a line, which are drawn as links alone: nothing is seen of them."""
    places = [(index, value, link(index, line.column)) for index, value in enumerate(line.values) if value is not None]
    return [
        linked(href, f'<path d="M{x(index):.1f} {plane.y(value):.1f}h0"/>') for index, value, href in places if href
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChart:
    """Columns from 0, stacked from the first of `stacks` up; `labels` stand on top.

    `days`: what the columns stand for, when these are days: fewer of their names are written. `narrow`: on a narrow
    drawing, only so many of the last columns. `flags`: notes, by the number of their day.
    """

    names: Sequence[str]
    stacks: Sequence[Line]
    words: NumberFormat
    labels: Sequence[str] | None = None
    open_from: int | None = None
    days: Sequence[dt.date] | None = None
    narrow: int | None = None
    flags: Mapping[int, Flag] = field(default_factory=dict)

    def svg(self, size: Size, label: str, link: Link = no_link) -> str:
        """Draw it; an empty text when there is no column of any height."""
        if not any(map(self._total, range(len(self.names)))):
            return ""
        first = max(0, len(self.names) - self.narrow) if self.narrow and size.is_narrow else 0
        shown = range(first, len(self.names))
        ticks = nice_ticks(max(self._total(index) for index in shown), about=3)
        left = max(len(self.words(tick)) for tick in ticks) * LETTER + 12
        plane = _Plane(size, ticks, scale="zero", right=4, left=left)
        step = (plane.right - plane.left) / len(shown)

        def x(index: int) -> float:
            return plane.left + step * (index - first + 0.5)

        parts = plane.frame(self.words)
        for index in shown:
            parts += self._column(index, plane, x(index), min(step * (0.72 if step > 6 else 0.85), 44.0), link)
        if self.labels:
            # Where labels would touch, only every second or third column has one, the last column always.
            every = math.ceil((max(len(self.labels[index]) for index in shown) * LETTER + 4) / step)
            parts += [
                svg_text(x(index), plane.y(self._total(index)) - 5, self.labels[index], "label", "middle")
                for index in shown
                if (len(self.names) - 1 - index) % every == 0
            ]
        for index in self._named(shown, plane):
            parts.append(plane.below(x(index), self.names[index]))
        parts += plane.flags(self.flags, x)
        pointer = f' data-x0="{x(first):.1f}" data-step="{step:.3f}" data-rows="{len(shown)}" '
        pointer += f'data-row-from="{first}" data-top="{plane.top}" data-bottom="{plane.bottom}"'
        return svg_element(size, label, parts, pointer)

    def _total(self, index: int) -> float:
        return sum(line.values[index] or 0 for line in self.stacks)

    def _column(self, index: int, plane: _Plane, middle: float, width: float, link: Link) -> list[str]:
        parts, base, width = [], 0.0, max(1.0, width)
        state = " open" if self.open_from is not None and index >= self.open_from else ""
        for line in self.stacks:
            value = line.values[index]
            if not value:
                continue
            top, bottom = plane.y(base + value), plane.y(base)
            base += value
            drawn = (
                f'<rect class="bar {line.look}{state}" x="{middle - width / 2:.1f}" y="{top:.1f}" '
                f'width="{width:.1f}" height="{max(1.0, bottom - top):.1f}"/>'
            )
            parts.append(linked(link(index, line.column), drawn))
        return parts

    def _named(self, shown: range, plane: _Plane) -> Sequence[int]:
        """Which columns are named."""
        if self.days is not None:
            return _day_ticks(self.days, plane)
        longest = max(len(self.names[index]) for index in shown)
        most = max(2, int((plane.right - plane.left) / (longest * LETTER + 4)))
        return shown[:: -math.ceil(len(shown) / most)][::-1]


_SPARK_POINTS: Final = 30  # of a spark line: more of them in 104 px are a scribble


def _by_weeks(values: Sequence[float | None]) -> list[float | None]:
    """Means of the values of a week, or of some weeks where these are still too many; counted from the last."""
    size = 7 * math.ceil(len(values) / (7 * _SPARK_POINTS))
    groups = [values[max(0, end - size) : end] for end in range(len(values), 0, -size)][::-1] if values else []
    known = [[value for value in group if value is not None] for group in groups]
    return [sum(group) / len(group) if group else None for group in known]


def spark_line(values: Sequence[float | None], *, open_from: int | None = None, is_log: bool = False) -> str:
    """A line without axes, 112 by 28 px; decoration beside a figure, so hidden from screen readers.

    Of many days it draws means of weeks, which hide the weekdays' rhythm; a day that is not complete stays as it is.
    """
    if is_log:
        values = [None if value is None else math.log10(max(value, 1.0)) for value in values]
    if len(values) > _SPARK_POINTS:
        days, rest = values[:open_from], values[open_from:] if open_from is not None else []
        weeks = _by_weeks(days)
        values, open_from = [*weeks, *rest], len(weeks) if rest else None
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
