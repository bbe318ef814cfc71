"""Like with like: which days of a range, and of another one, may be held against each other.

What belongs here: when a day is known, what is dropped with it and why, when too little is left. What does not: reading
days from a table, saying in words what was dropped.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crm_platform.schemas import WELL_COVERED

OPEN_SHARE: Final = 0.01
"""Share of a day's first waits that may be open; of those that stay open longest the slow are still to come."""
LEFT_SHARE: Final = 0.5
"""Share of a range's days that has to be left."""

Reason = Literal["no data", "coverage", "open waits", "both sides", "counterpart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What is known of a local day: coverage (0 to 1, None: not known), its first waits, how many of them are open.

    Open waits of chats that are gone, or that the CRM refuses, are left out by the caller: they never close.
    """

    day: dt.date
    coverage: float | None
    first_waits: int
    open_first_waits: int

    def __post_init__(self) -> None:
        if not 0 <= self.open_first_waits <= self.first_waits:
            raise ValueError(f"{self.day}: {self.open_first_waits} of {self.first_waits} first waits cannot be open")

    def lacks(self) -> Reason | None:
        """Say why it is not known; None: it is."""
        if self.coverage is None or self.coverage < WELL_COVERED:
            return "coverage"
        return "open waits" if self.open_first_waits > OPEN_SHARE * self.first_waits else None


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from `start` to `end`, both included, and those of them that count; `every`: of a weekday alone, 7."""

    start: dt.date
    end: dt.date
    kept: tuple[dt.date, ...]
    every: int = 1

    @property
    def length(self) -> int:
        """Number of days, counted or not."""
        return (self.end - self.start).days // self.every + 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """A day that does not count, and why; `of`: the day whose counterpart it is."""

    day: dt.date
    reason: Reason
    of: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Ranges:
    """The two sides of a comparison, and the days of both that were dropped, in order."""

    current: Span
    base: Span
    dropped: tuple[Dropped, ...] = ()

    @property
    def are_judged(self) -> bool:
        """Whether half of each side is left, or more."""
        return all(len(span.kept) >= LEFT_SHARE * span.length for span in (self.current, self.base))

    def swapped(self) -> Ranges:
        """The same with the sides exchanged."""
        return Ranges(self.base, self.current, self.dropped)


def _days(start: dt.date, end: dt.date) -> list[dt.date]:
    if end < start:
        raise ValueError(f"a range ends on or after its first day: {start} to {end} does not")
    return [start + dt.timedelta(days=number) for number in range((end - start).days + 1)]


def whole_ranges(start: dt.date, end: dt.date, *, base: tuple[dt.date, dt.date] | None = None) -> Ranges:
    """Give a range and its base with all their days: of campaigns, which are settled or not, whatever their day is.

    `base`: its first and last day; as many days just before unless said. Raises ValueError where a range has no day.
    """
    days = _days(start, end)
    before = _days(*base) if base else [day - dt.timedelta(days=len(days)) for day in days]
    return Ranges(Span(start, end, tuple(days)), Span(before[0], before[-1], tuple(before)))


def like_with_like(
    start: dt.date, end: dt.date, days: Iterable[Day], *, base: tuple[dt.date, dt.date] | None = None
) -> Ranges:
    """Compare the days from `start` to `end` with those of `base`, as many just before, by the days that are known.

    `days`: in any order; others are ignored, and one that is not there is not known. A day's counterpart is the other
    side's day of the same weekday: the first Monday of one is the first Monday's of the other. A day on both sides
    counts on neither. Raises ValueError where a range has no day.
    """
    whole = whole_ranges(start, end, base=base)
    known = {day.day: day.lacks() for day in days}
    sides = (whole.current.kept, whole.base.kept)
    reasons: dict[dt.date, tuple[Reason, dt.date | None]] = {}
    for day in set(sides[0]).intersection(sides[1]):
        reasons[day] = ("both sides", None)
    for day in (*sides[0], *sides[1]):
        if (reason := known.get(day, "no data")) is not None:
            reasons[day] = (reason, None)
    for one, other in _counterparts(*sides):
        for day, of in ((one, other), (other, one)):
            if of in reasons and reasons[of][1] is None:
                reasons.setdefault(day, ("counterpart", of))
    left = [
        Span(span.start, span.end, tuple(day for day in span.kept if day not in reasons))
        for span in (whole.current, whole.base)
    ]
    return Ranges(left[0], left[1], tuple(Dropped(day, *reasons[day]) for day in sorted(reasons)))


def _counterparts(one: Sequence[dt.date], other: Sequence[dt.date]) -> Iterable[tuple[dt.date, dt.date]]:
    """Pairs of the same weekday, the first with the first; a day may have none."""
    by_weekday: defaultdict[int, list[dt.date]] = defaultdict(list)
    for day in other:
        by_weekday[day.weekday()].append(day)
    for day in one:
        if of := by_weekday[day.weekday()]:
            yield day, of.pop(0)
