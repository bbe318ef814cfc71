"""A figure on a page: its value, where it comes from, what it was before, and whether that is better.

What belongs here: figures over a range of days, each with its source, so that a reader (and a test) can find it in the
published tables. What does not: HTML (templates/), what a figure is called and
means (figure_words.py).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from crm_platform.languages import N_
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import charts, numbers
from crm_platform.serving.pages.book import Book, Row, share, total
from crm_platform.serving.pages.period import Period

Good = Literal["up", "down", "neither"]
How = Literal["cell", "sum", "share", "median", "within", "count", "ratio", "return"]


# Less than half a point of a rate, or a hundredth of anything else, is called no change.
_LEAST_POINTS: Final = 0.005
_LEAST_PART: Final = 0.01


# What coverage is a share of, by figure or by its table, where that is not messages.
_SEEN_OF: Final = {
    "open_waits": "now",
    "windows": "now",
    "total_contacts": "contacts",
    "growth": "contacts",
    "active_campaigns": "campaigns",
    "kpi.campaign_performance": "reports",
    "read_rate_settled": "least",
    "reply_rate_settled": "least",
}


SEEN_WORDS: Final[Mapping[str, str]] = {
    "messages": N_("{share} of the messages that should be there are fetched"),
    "now": N_("{share} of the messages that should be there, today's with them, are fetched"),
    "contacts": N_("{share} of the contacts that the CRM says it has are fetched"),
    "campaigns": N_("{share} of the campaigns that the CRM lists are fetched"),
    "least": N_("{share}, the smallest of the shares of messages, contacts and reports that are fetched"),
    "reports": N_("{share} of the campaigns have a report that is newer than their last change"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands: a cell of `table`, or what follows from its rows of the days from `start` to `end`.

    `how`: the `cell` itself, the `sum` of a column, one sum's `share` of two columns', the `median` of pooled first
    answered waits, or the share of first waits answered `within` the target. Of campaigns, the `count`, `sum` or
    `ratio` of sums over those sent on these days, or over the ids of `key`; `return` is (value − cost) / cost.
    """

    table: str
    column: str
    how: How = "cell"
    start: dt.date | None = None
    end: dt.date | None = None
    key: tuple[tuple[str, str], ...] = ()

    def attributes(self) -> dict[str, str]:
        """`data-…` attributes that name the source."""
        told = {"data-table": self.table, "data-column": self.column, "data-how": self.how}
        if self.start and self.end:
            told |= {"data-from": self.start.isoformat(), "data-to": self.end.isoformat()}
        if self.key:
            told["data-key"] = json.dumps(dict(self.key))
        return told


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `name`: that of FIGURE_WORDS; `window`: which days, in words; `base`: n and of what, in words."""

    name: str
    kind: numbers.Kind
    value: float | None
    source: Source
    good: Good
    previous: float | None = None
    window: str = ""
    base: str = ""
    coverage: float | None = None
    is_provisional: bool = False
    spark: Sequence[float | None] = field(default=())
    spark_open: int | None = None
    has_history: bool = True  # False: published for now only, so there is nothing to compare with
    tag: str = ""  # what it holds for, in a word or two, when that is not the chosen days
    facts: Sequence[tuple[str, str]] = ()  # what else a reader asks of it: label and words
    receipt: Source | None = None  # the figure, or all rows behind it, as receipts know it

    @property
    def trend(self) -> Literal["better", "worse", "more", "fewer", "same", "unknown"]:
        """What the change means; one that is too small to speak of is none."""
        if self.value is None or self.previous is None:
            return "unknown"
        least = _LEAST_POINTS if self.kind in {"rate", "growth", "gap"} else _LEAST_PART * abs(self.previous)
        if self.value == self.previous or abs(self.value - self.previous) < least:
            return "same"
        rises = self.value > self.previous
        if self.good == "neither":
            return "more" if rises else "fewer"
        return "better" if rises == (self.good == "up") else "worse"

    @property
    def seen_of(self) -> str:
        """What its coverage is a share of: a key of SEEN_WORDS."""
        return _SEEN_OF.get(self.name) or _SEEN_OF.get(self.source.table, "messages")

    @property
    def rises(self) -> bool:
        """Whether it went up."""
        return self.value is not None and self.previous is not None and self.value > self.previous

    @property
    def spark_svg(self) -> str:
        """Its spark line; of durations, which go from minutes to days, on a logarithmic scale."""
        return charts.spark_line(self.spark, open_from=self.spark_open, is_log=self.kind == "seconds")


class Ranged:
    """Figures over a range of days and the range before, from daily tables and pooled waits."""

    def __init__(self, book: Book, period: Period, *, window: str) -> None:
        self.book, self.period, self.before = book, period, period.previous()
        self.window = window

    def sum(self, name: str, table: str, column: str, *, good: Good, base: str = "") -> Figure:
        """Sum of a column of a daily table. A day that is not over is not compared with whole ones."""
        figure = self._figure(
            name, "count", table, Source(f"kpi.{table}", column, "sum"), column, good=good, base=base,
            value=lambda _, rows: total(rows, column),
        )  # fmt: skip
        return replace(figure, previous=None) if self.period.holds_today else figure

    def share(self, name: str, table: str, part: str, rest: str, daily: str, *, good: Good, base: str) -> Figure:
        """Part / (part + rest) over the sums of both; the spark line shows the column `daily`."""
        return self._figure(
            name, "rate", table, Source(f"kpi.{table}", f"{part},{rest}", "share"), daily, good=good, base=base,
            value=lambda _, rows: share(total(rows, part), total(rows, rest)),
        )  # fmt: skip

    def first_response(self, *, base: str) -> Figure:
        """Median first response time over the pooled waits."""
        return self._figure(
            "first_response", "seconds", "response_times_daily",
            Source("core.response_waits", "response_seconds", "median"), "first_response_seconds_median",
            good="down", base=base,
            value=lambda period, _: self.book.median_first_response(period),
        )  # fmt: skip

    def within_target(self, target_seconds: float, *, base: str) -> Figure:
        """Share of first waits that were answered within the target, of those answered or missed."""

        def rate(period: Period, rows: list[Row]) -> float | None:
            of = (total(rows, "first_answered_waits") or 0) + (total(rows, "missed_waits") or 0)
            return self.book.within_target(period, target_seconds) / of if of else None

        return self._figure(
            "within_target", "rate", "response_times_daily",
            Source("core.response_waits", "response_seconds", "within"), "first_within_target_rate",
            good="up", base=base, value=rate,
        )  # fmt: skip

    def _figure(
        self,
        name: str,
        kind: numbers.Kind,
        table: str,
        source: Source,
        daily: str,
        *,
        good: Good,
        base: str,
        value: Callable[[Period, list[Row]], float | None],
    ) -> Figure:
        """Compute `value` of the range and of the one before; the spark line shows the column `daily` of `table`."""
        days, rows = self.period.days, self.book.by_day(table, self.period.days)
        before = self.book.by_day(table, self.before.days)
        seen = self.book.coverage(self.period)
        after = self.period.end + dt.timedelta(days=1)
        return Figure(
            name=name,
            kind=kind,
            value=value(self.period, rows),
            previous=self._if_whole(before, value(self.before, before)),
            source=replace(source, start=self.period.start, end=self.period.end),
            good=good,
            window=self.window,
            base=base,
            coverage=seen,
            is_provisional=seen is None or seen < WELL_COVERED or self.period.holds_today,
            spark=[row.get(daily) for row in rows],
            spark_open=self.period.open_from(days),
            receipt=Source(f"kpi.{table}", daily, key=(("day_from", str(self.period.start)), ("day_to", str(after)))),
        )

    @staticmethod
    def _if_whole(before: list[Row], value: float | None) -> float | None:
        """A range before that reaches past the first known day is no fair comparison."""
        return value if before and all(before) else None
