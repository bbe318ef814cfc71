"""The days a page looks at.

What belongs here: reading a range out of the address, the range before it. What does not: what happened in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from crm_platform.serving.pages.words import BadAddress

LENGTHS: Final[dict[str, int]] = {"7d": 7, "28d": 28, "90d": 90}
NAMES: Final = (*LENGTHS, "month", "custom")
_LONGEST: Final = 3660  # days: ten years; more is a slip of the keyboard
_FIRST: Final = dt.date(2000, 1, 1)  # by its definition no message is older, and below year 1 there are no days


@dataclass(frozen=True, slots=True)
class Period:
    """Local days from `start` to `end`, both included. `today`: the day that holds the cut, which is not over."""

    name: str
    start: dt.date
    end: dt.date
    today: dt.date

    @property
    def length(self) -> int:
        """Number of days."""
        return (self.end - self.start).days + 1

    @property
    def days(self) -> list[dt.date]:
        """Every day, in order."""
        return [self.start + dt.timedelta(days=number) for number in range(self.length)]

    @property
    def is_current(self) -> bool:
        """Whether it reaches up to the last complete day, so that figures of now belong to it."""
        return self.end >= self.today - dt.timedelta(days=1)

    @property
    def holds_today(self) -> bool:
        """Whether its last day is still running."""
        return self.end >= self.today

    def previous(self) -> Period:
        """As many days just before."""
        one = dt.timedelta(days=1)
        return Period(self.name, self.start - self.length * one, self.start - one, self.today)

    def up_to_today(self) -> Period:
        """The same with today, when it reaches up to it."""
        return replace(self, end=self.today) if self.end == self.today - dt.timedelta(days=1) else self

    def shown(self, *, least: int = 1) -> list[dt.date]:
        """Days a chart draws: the range, at least so many, and today when the range reaches up to it."""
        last = self.up_to_today().end
        first = min(self.start, self.end - dt.timedelta(days=least - 1))
        return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]

    def open_from(self, days: Sequence[dt.date]) -> int | None:
        """Number of the first of these days that is not over; None when all are."""
        return next((number for number, day in enumerate(days) if day >= self.today), None)

    def bounds(self, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
        """Its first instant and the one just after it, in UTC without a zone, as published tables hold instants."""
        first, after = (
            dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC).replace(tzinfo=None)
            for day in (self.start, self.end + dt.timedelta(days=1))
        )
        return first, after


def read_period(query: Mapping[str, str], *, today: dt.date, default: str) -> Period:
    """Read `range`, and `from` and `to` when it is custom. Raises BadAddress with what to write instead.

    The named ranges end with the last complete day. `month` on its first day, before any day is complete, is that day.
    """
    yesterday = today - dt.timedelta(days=1)
    name = query.get("range") or ("custom" if query.get("from") or query.get("to") else default)
    if name in LENGTHS:
        return Period(name, today - dt.timedelta(days=LENGTHS[name]), yesterday, today)
    if name == "month":
        return Period(name, today.replace(day=1), max(today.replace(day=1), yesterday), today)
    if name != "custom":
        raise BadAddress("bad.range", name=name)
    start = _date(query, "from", yesterday - dt.timedelta(days=6))
    end = min(_date(query, "to", yesterday), today)
    if start > end:
        raise BadAddress("bad.order", start=start, end=end, today=today)
    if (end - start).days >= _LONGEST:
        raise BadAddress("bad.length", start=start, end=end)
    if start < _FIRST:
        raise BadAddress("bad.early", start=start, first=_FIRST)
    return Period(name, start, end, today)


def _date(query: Mapping[str, str], name: str, default: dt.date) -> dt.date:
    text = query.get(name, "")
    if not text:
        return default
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadAddress("bad.date", name=name, text=text[:20]) from None
