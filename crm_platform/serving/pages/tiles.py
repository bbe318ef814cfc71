"""A figure on a page: its value, where it comes from, what it was before, and whether that is better.

What belongs here: what a tile is, and what is said of it, each with its source, so that a reader (and a test) can find
it in the published tables. What does not: HTML (templates/), the tiles themselves: those of replies.py, contacts.py and
campaign_tiles.py, or of the page that alone shows one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from crm_platform.languages import N_, Words
from crm_platform.schemas import WELL_COVERED
from crm_platform.schemas.figures import Good
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.trends import spark_line
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.serving.pages.view import View

Subject = Literal["support", "contacts", "campaigns"]
How = Literal["cell", "sum", "share", "median", "within", "people", "returned", "count", "ratio", "return"]


# Less than half a point of a rate, or a hundredth of anything else, is called no change.
_LEAST_POINTS: Final = 0.005
_LEAST_PART: Final = 0.01


SEEN_WORDS: Final[Mapping[str, str]] = {
    "messages": N_("{share} of the messages that should be there are fetched"),
    "now": N_("{share} of the messages that should be there, today's with them, are fetched"),
    "contacts": N_("{share} of the contacts that the CRM says it has are fetched"),
    "campaigns": N_("{share} of the campaigns that the CRM lists are fetched"),
    "least": N_("{share}, the smallest of the shares of messages, contacts and reports that are fetched"),
    "reports": N_("{share} of the campaigns have a report that is newer than their last change"),
}


@dataclass(frozen=True, slots=True)
class TileWords:
    """What is said of a tile, in the terms of docs/definitions.md; the page of all figures says it, too.

    `name`: stands in addresses; `{target}` in words is the first response target. `columns`: figures of tables that a
    receipt calls and explains so; `seen_of`: what its coverage is a share of: a key of SEEN_WORDS.
    """

    name: str
    subject: Subject
    title: Words
    meaning: str
    use: str
    columns: tuple[str, ...] = ()
    seen_of: str = "messages"

    def __post_init__(self) -> None:
        TILES.append(self)


TILES: Final[list[TileWords]] = []
"""What is said of each tile, in the order of their declaration."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands: a cell of `table`, or what follows from its rows of the days from `start` to `end`.

    `how`: the `cell` itself, the `sum` of a column, one sum's `share` of two columns', the `median` of pooled first
    answered waits, the share of first waits answered `within` the target, the `people` who wrote, or those of them who
    `returned` after 30 days. Of campaigns, the `count`, `sum` or
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
class Tile:
    """One figure. `window`: which days, in words; `base`: n and of what, in words."""

    words: TileWords
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
    why: str = ""  # why it has no value, where the reason is its own
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
    def rises(self) -> bool:
        """Whether it went up."""
        return self.value is not None and self.previous is not None and self.value > self.previous

    @property
    def spark_svg(self) -> str:
        """Its spark line; of durations, which go from minutes to days, on a logarithmic scale."""
        return spark_line(self.spark, open_from=self.spark_open, is_log=self.kind == "seconds")


def over_days(view: View, words: TileWords, table: str, column: str, source: Source, *, base: str = "") -> Tile:
    """A figure of a daily table over the rows of the chosen days; the spark line shows the column day by day.

    A count of a day that is not over is not compared with those of whole days.
    """
    published, period, before = view.published, view.period, view.period.previous()
    kind, good = _declared(table, column)
    days_before = published.by_day(table, before.days)
    is_compared = all(days_before) and not (kind == "count" and period.holds_today)
    seen = published.coverage(period)
    first, after = period.span
    zone = view._("days by {zone} time", zone=published.zone.key)
    return Tile(
        words=words,
        kind=kind,
        value=published.value(table, column, period) if any(published.by_day(table, period.days)) else None,
        # A range before that reaches past the first known day is no fair comparison.
        previous=published.value(table, column, before) if days_before and is_compared else None,
        source=replace(source, start=period.start, end=period.end),
        good=good,
        window=f"{view.window}; {zone}",
        base=base,
        coverage=seen,
        is_provisional=seen is None or seen < WELL_COVERED or period.holds_today,
        spark=[row.get(column) for row in published.by_day(table, period.days)],
        spark_open=period.open_from(period.days),
        receipt=Source(f"kpi.{table}", column, key=(("day_from", str(first)), ("day_to", str(after)))),
    )


def of_one_row(view: View, words: TileWords, table: str, column: str, **told: Any) -> Tile:  # noqa: ANN401
    """A figure of a table of one row, and the one before where the table has it. `told`: what else the tile says."""
    row = view.published.one(table)
    kind, good = _declared(table, column)
    told = {"coverage": row.get("coverage"), "is_provisional": bool(row.get("is_provisional", True)), **told}
    return Tile(
        words=words,
        kind=told.pop("kind", kind),
        value=row.get(column),
        previous=row.get(f"{column}_previous"),
        source=Source(f"kpi.{table}", column),
        good=good,
        **told,
    )


def _declared(table: str, column: str) -> tuple[numbers.Kind, Good]:
    """What kind of value a figure is, and whether more of it is better."""
    declared = TABLES[f"kpi.{table}"].columns[column]
    assert declared.figure is not None, f"{table}.{column} declares no rows"
    kind: numbers.Kind = "seconds" if declared.unit == "s" else "rate" if declared.is_share else "count"
    return kind, declared.figure.good


def receipt_href(table: str, column: str, key: Mapping[str, object]) -> str:
    """Address of a figure's page."""
    return "/receipt?" + urlencode({"table": table, "column": column, **{name: str(key[name]) for name in key}})
