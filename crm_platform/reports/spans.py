"""The days of a report: a week from Monday to Sunday, or a month, by the tenant's clock.

What belongs here: their names (`2026-W47`, `2026-11`), reading one, which are over. What does not: what is known of
their days (holding.py).
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from crm_platform.errors import quoted
from crm_platform.languages import N_
from crm_platform.serving.pages.period import Period

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crm_platform.languages import Language

Every = Literal["week", "month"]
EVERY: Final[tuple[Every, ...]] = get_args(Every)

_YEARS: Final = range(2000, 2200)
_TITLES: Final[Mapping[Every, str]] = {
    "week": N_("Weekly report: {from_} to {to}"),
    "month": N_("Monthly report: {from_} to {to}"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from `start` to `end`, both included. `name`: `2026-W47` or `2026-11`; names sort by time."""

    name: str
    every: Every
    start: dt.date
    end: dt.date

    def title(self, language: Language) -> str:
        """Say what a report over these days is called."""
        return language.gettext(_TITLES[self.every], from_=language.day(self.start), to=language.day(self.end))

    def period(self, *, today: dt.date) -> Period:
        """The days as pages know them, none after `today`, the local day that holds the cut."""
        return Period("custom", self.start, min(self.end, today), today)

    @property
    def eve(self) -> dt.date:
        """The day before its first."""
        return self.start - dt.timedelta(days=1)


def span_of(every: Every, day: dt.date) -> Span:
    """Give the week or month that holds a day."""
    if every == "week":
        year, week, weekday = day.isocalendar()
        monday = day - dt.timedelta(days=weekday - 1)
        return Span(f"{year}-W{week:02d}", every, monday, monday + dt.timedelta(days=6))
    last = calendar.monthrange(day.year, day.month)[1]
    return Span(f"{day:%Y-%m}", every, day.replace(day=1), day.replace(day=last))


def read_span(every: Every, text: str) -> Span:
    """Read the name of a week or a month. Raises ValueError with what to write."""
    shape = "2026-W47" if every == "week" else "2026-11"
    found = re.fullmatch(r"([0-9]{4})-W([0-9]{2})" if every == "week" else r"([0-9]{4})-([0-9]{2})", text)
    year, number = map(int, found.groups()) if found else (0, 0)
    try:
        day = dt.date.fromisocalendar(year, number, 1) if every == "week" else dt.date(year, number, 1)
    except ValueError:
        day = dt.date.min
    if day.year not in _YEARS:
        raise ValueError(f"{quoted(text)} is no {every}; write one such as {shape}")
    return span_of(every, day)


def finished(every: Every, today: dt.date, *, most: int) -> list[Span]:
    """Give the last weeks or months that are over on a day, oldest first, at most so many."""
    found: list[Span] = []
    for _ in range(most):
        found.insert(0, span_of(every, found[0].eve if found else span_of(every, today).eve))
    return found
