"""The days a page looks at.

What belongs here: reading a range out of the address, the range before it. What does not: what happened in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from crm_platform.clock import start_of_day
from crm_platform.errors import CrmPlatformError
from crm_platform.languages import N_
from crm_platform.receipts.keys import RANGE

LENGTHS: Final[dict[str, int]] = {"7d": 7, "28d": 28, "90d": 90}
RANGES: Final[Mapping[str, str]] = {
    "today": N_("Today"),
    "yesterday": N_("Yesterday"),
    "7d": N_("7 d"),
    "28d": N_("28 d"),
    "90d": N_("90 d"),
    "month": N_("This month"),
    # Translators: a range of days that the reader chooses
    "custom": N_("Custom"),
}
DEFAULT: Final = "28d"
BASES: Final[Mapping[str, str]] = {
    "before": N_("the days just before"),
    "weekdays": N_("the same weekdays before"),
    # Translators: 52 weeks, so that weekdays are the same
    "year": N_("the same weekdays a year before"),
}
"""What a range is held against, as `against=` in an address names it."""
_YEAR: Final = 364  # days: 52 weeks, the same weekdays
_LONGEST: Final = 3660  # days: ten years; more is a slip of the keyboard
_FIRST: Final = dt.date(2000, 1, 1)  # by its definition no message is older, and below year 1 there are no days


class BadAddress(CrmPlatformError):
    """The address asks for what cannot be shown: `words`, with `places` to fill, say what to write."""

    def __init__(self, words: str, **places: object) -> None:
        super().__init__(words.format(**places))
        self.words = words
        self.places = places


@dataclass(frozen=True, slots=True)
class Period:
    """Local days from `start` to `end`, both included.

    `today`: the day that holds the cut, which is not over; `against`: which earlier days it is held against, of BASES.
    """

    name: str
    start: dt.date
    end: dt.date
    today: dt.date
    against: str = "before"

    @property
    def length(self) -> int:
        """Number of days."""
        return (self.end - self.start).days + 1

    @property
    def eve(self) -> dt.date:
        """The last of the days that it is held against: what stands now is held against the end of that day."""
        return self.previous().end

    @property
    def span(self) -> tuple[dt.date, dt.date]:
        """Its first day, and the one after its last."""
        return self.start, self.end + dt.timedelta(days=1)

    @property
    def key(self) -> dict[str, object]:
        """Its days as they name a figure over them."""
        return dict(zip(RANGE, self.span, strict=True))

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
        """The days that it is held against: as many, just before unless `against` says otherwise."""
        weeks = -(-self.length // 7) * 7
        back = dt.timedelta(days={"weekdays": weeks, "year": _YEAR}.get(self.against, self.length))
        return replace(self, start=self.start - back, end=self.end - back)

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
        first, after = (start_of_day(day, zone).replace(tzinfo=None) for day in self.span)
        return first, after


def read_period(query: Mapping[str, str], *, today: dt.date) -> Period:
    """Read `range`, and `from` and `to` when it is custom. Raises BadAddress with what to write instead.

    Where none is named it is the same on all pages, so that no figure has two values. Ranges of several days end with
    the last complete day. `month` on its first day, before any day is complete, is that day.
    """
    against = query.get("against", "before")
    if against not in BASES:
        raise BadAddress(
            N_("against={name} is not known; write one of {names}"), name=against[:20], names=", ".join(BASES)
        )
    return replace(_range(query, today=today), against=against)


def _range(query: Mapping[str, str], *, today: dt.date) -> Period:
    yesterday = today - dt.timedelta(days=1)
    name = query.get("range") or ("custom" if query.get("from") or query.get("to") else DEFAULT)
    if name in LENGTHS:
        return Period(name, today - dt.timedelta(days=LENGTHS[name]), yesterday, today)
    if name in {"today", "yesterday"}:
        day = today if name == "today" else yesterday
        return Period(name, day, day, today)
    if name == "month":
        return Period(name, today.replace(day=1), max(today.replace(day=1), yesterday), today)
    if name != "custom":
        raise BadAddress(
            N_(
                "range={name} is not known; write range=today, yesterday, 7d, 28d, 90d, month, or from= and to= with"
                " dates"
            ),
            name=name,
        )
    start = _date(query, "from", yesterday - dt.timedelta(days=6))
    end = min(_date(query, "to", yesterday), today)
    if start > end:
        raise BadAddress(
            N_("from={start} is after to={end}; swap them, or choose days up to {today}"),
            start=start,
            end=end,
            today=today,
        )
    if (end - start).days >= _LONGEST:
        raise BadAddress(N_("from={start} to={end} is longer than ten years; choose fewer days"), start=start, end=end)
    if start < _FIRST:
        raise BadAddress(
            N_("from={start} is before {first}, and no message is that old; write a later day"),
            start=start,
            first=_FIRST,
        )
    return Period(name, start, end, today)


def _date(query: Mapping[str, str], name: str, default: dt.date) -> dt.date:
    text = query.get(name, "")
    if not text:
        return default
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadAddress(N_("{name}={text} is no date; write {name}=2026-11-01"), name=name, text=text[:20]) from None
