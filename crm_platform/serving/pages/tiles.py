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

from crm_platform.languages import N_, Words
from crm_platform.schemas import WELL_COVERED
from crm_platform.schemas.figures import Good
from crm_platform.serving.pages import claims, numbers
from crm_platform.serving.pages.trends import spark_line
from crm_platform.tables import TABLES
from crm_platform.verdicts import Claim, Verdict, is_told_as_numbers
from crm_platform.verdicts import on_one_page as decided

if TYPE_CHECKING:
    from crm_platform.serving.pages.view import View

Trend = Literal["better", "worse", "more", "fewer", "same", "unmoved", "few", "unjudged", "unknown"]
Subject = Literal["support", "contacts", "campaigns"]
How = Literal[
    "cell",
    "sum",
    "share",
    "median",
    "later",
    "resolution",
    "handoff",
    "within",
    "people",
    "returned",
    "count",
    "ratio",
    "settled",
    "return",
]


_TRENDS: Final[Mapping[Verdict, Trend]] = {
    "better": "better",
    "worse": "worse",
    "about_the_same": "same",
    "too_few": "few",
    "not_judged": "unjudged",
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

    `how`: the `cell` itself, the `sum` of a column, one sum's `share` of two columns' or `ratio` to another's, the
    `median` of pooled first answered waits, of `later` ones, of what the `resolution` of conversations or the reply
    after a `handoff` took, the share of first waits answered `within` the target, the `people` who wrote, or those of
    them who `returned` after 30 days. Of campaigns, the `count`, `sum` or `ratio` of sums over those sent on these
    days, or over the ids of `key`; `settled`: the ratio over those that are. `return` is (value − cost) / cost.
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
    claim: Claim | None = None  # what may be said of the change; without one nothing is called better or worse

    @property
    def trend(self) -> Trend:
        """What may be said of the change. A verdict is the claim's alone; what has none has merely more or fewer."""
        now, before = self.compared
        if self.value is None or now is None or before is None:
            return "unknown"
        if self.claim is not None and self.claim.verdict != "no_verdict":
            return _TRENDS[self.claim.verdict]
        return "unmoved" if now == before else "more" if now > before else "fewer"

    @property
    def compared(self) -> tuple[float | None, float | None]:
        """The figure and the one before, of days that are held against each other."""
        if self.claim is None:
            return self.value, self.previous
        return self.claim.current, self.claim.base

    @property
    def counts(self) -> tuple[int, int] | None:
        """Both counts, of a count that is too small for a per cent."""
        if self.kind != "count":
            return None
        both = (self.value, self.previous) if self.claim is None else (self.claim.n_current, self.claim.n_base)
        if both[0] is None or both[1] is None or not is_told_as_numbers(both[0], both[1]):
            return None
        return int(both[0]), int(both[1])

    @property
    def rises(self) -> bool:
        """Whether it went up."""
        now, before = self.compared
        return now is not None and before is not None and now > before

    @property
    def version(self) -> int:
        """Version of the definition of the table that it stands in; of campaigns summed up, that of their sums."""
        table = TABLES.get((self.receipt or self.source).table)
        declared = getattr(table, "version", None)
        is_own = self.source.how == "cell" or getattr(table, "period", None) == "day"
        return declared if declared is not None and is_own else 2

    @property
    def spark_svg(self) -> str:
        """Its spark line; of durations, which go from minutes to days, on a logarithmic scale."""
        return spark_line(self.spark, open_from=self.spark_open, is_log=self.kind == "seconds")


def over_days(view: View, words: TileWords, table: str, column: str, source: Source, *, base: str = "") -> Tile:
    """A figure of a daily table over the rows of the chosen days; the spark line shows the column day by day.

    Days that are not known, and a day that is not over, are compared with none.
    """
    published, period, before = view.published, view.period, view.period.previous()
    kind, good = _declared(table, column)
    seen = published.coverage(period)
    zone = view._("days by {zone} time", zone=published.zone.key)
    return Tile(
        words=words,
        kind=kind,
        value=published.value(table, column, period) if any(published.by_day(table, period.days)) else None,
        # A range before that reaches past the first known day is no fair comparison.
        previous=published.value(table, column, before) if all(published.by_day(table, before.days)) else None,
        # People of a range are no sum of its days, which is what counts are judged by.
        claim=None if source.how in {"people", "returned"} else claims.over_days(published, table, column, period),
        source=replace(source, start=period.start, end=period.end),
        good=good,
        window=f"{view.window}; {zone}",
        base=base,
        coverage=seen,
        is_provisional=seen is None or seen < WELL_COVERED or period.holds_today,
        spark=[row.get(column) for row in published.by_day(table, period.days)],
        spark_open=period.open_from(period.days),
        receipt=Source(f"kpi.{table}", column, key=tuple((name, str(day)) for name, day in period.key.items())),
    )


def on_one_page(tiles: Sequence[Tile]) -> list[Tile]:
    """Decide together what a page's tiles may claim: where many are judged, one is off by chance."""
    judged = iter(decided([tile.claim for tile in tiles if tile.claim is not None]))
    return [tile if tile.claim is None else replace(tile, claim=next(judged)) for tile in tiles]


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
