"""What the pages read of a snapshot, read once: a published snapshot never changes.

What belongs here: rows of published tables, and figures over a range of days, which no average of daily figures gives,
as receipts/ computes them. What does not: how a figure is computed (metrics/), how anything looks.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from crm_platform.clock import zone_of
from crm_platform.errors import GiveUp
from crm_platform.receipts.behind import SnapshotReader
from crm_platform.receipts.choices import Choice, choices, chosen_of
from crm_platform.receipts.keys import find_kpi
from crm_platform.receipts.narrowed import Narrowing
from crm_platform.serving.pages.period import Period
from crm_platform.serving.snapshots import OpenSnapshot
from crm_platform.tables import TABLES

Row = dict[str, Any]

_NOTHING: Final = Narrowing()
_EVER: Final = (dt.date(1, 1, 1), dt.date(9999, 1, 1))

_UNKNOWN: Final = object()
_MOST_KEPT: Final = 2000
"""So many answers a snapshot remembers: the pages ask for some 250 of a range of days."""

LONGEST: Final = 300
"""So many characters of a text a page shows."""


class PublishedFigures:
    """One snapshot's tables by name, kept in memory once read. Threads may share it.

    `narrowing`: what it is narrowed to; `everyone`: the same of all.
    """

    def __init__(
        self, opened: OpenSnapshot, narrowing: Narrowing = _NOTHING, everyone: PublishedFigures | None = None
    ) -> None:
        self.opened = opened
        self.narrowing = narrowing
        self.everyone = everyone or self
        self.zone = zone_of(opened.manifest.timezone)
        self._kept: dict[object, Any] = {}
        self._lock = threading.RLock()  # what is asked may ask for more

    @functools.cached_property
    def asked(self) -> SnapshotReader | None:
        """Its figures over ranges of days; None of a snapshot from before there were receipts."""
        try:
            return SnapshotReader.of(self.opened)
        except GiveUp:
            return None

    @functools.cached_property
    def choices(self) -> list[Choice]:
        """What it can be narrowed to."""
        return choices(self.opened)

    @property
    def chosen(self) -> list[Choice]:
        """What it is narrowed to."""
        return chosen_of(self.narrowing, self.everyone.choices)

    def tells(self, table: str, columns: str = "") -> bool:
        """Whether figures can be told of what it is narrowed to. `table`: its full name; `columns`: with commas."""
        return all(self.narrowing.tells(table, column) for column in columns.split(","))

    @property
    def as_of(self) -> dt.datetime:
        """The cut, aware."""
        return self.opened.manifest.as_of

    @property
    def today(self) -> dt.date:
        """The local day that holds the cut."""
        return self.as_of.astimezone(self.zone).date()

    def remembered(self, key: object, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - rows, a figure, counts
        """What a snapshot says, asked once; beyond so much what was asked first is forgotten."""
        found = self._kept.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            with self._lock:
                found = self._kept.get(key, _UNKNOWN)
                if found is _UNKNOWN:
                    found = self._kept[key] = ask()
                    while len(self._kept) > _MOST_KEPT:
                        del self._kept[next(iter(self._kept))]
        return found

    def rows(self, table: str) -> list[Row]:
        """All rows of a KPI table by its short name, in the order of its key; none if the snapshot lacks it."""
        name = f"kpi.{table}"
        if name not in self.opened.manifest.tables:
            return []
        order = ", ".join(TABLES[name].key) or "as_of"
        sql = f"select * from {name} order by {order}"
        found: list[Row] = self.remembered(name, lambda: [_short(row) for row in self.opened.rows(sql)])
        return found

    def ask(self, key: str, sql: str) -> list[Row]:
        """Rows of a SELECT of a page's own over published tables, asked once."""
        found: list[Row] = self.remembered(key, lambda: self.opened.rows(sql))
        return found

    def months(self, table: str) -> list[Row]:
        """The last twelve rows of a table by month."""
        return self.rows(table)[-12:]

    def one(self, table: str) -> Row:
        """The row of a table that has one; empty when it has none."""
        return next(iter(self.rows(table)), {})

    def by_day(self, table: str, days: Iterable[dt.date]) -> list[Row]:
        """Rows of a table by day for these days; an empty one where there is none."""
        known: dict[dt.date, Row] = self.remembered(
            ("by day", table), lambda: {row["day"]: row for row in self.rows(table)}
        )
        return [known.get(day, {}) for day in days]

    def coverage(self, period: Period) -> float | None:
        """Share of the messages of a range that is stored, by docs/definitions.md; None where it is not known.

        Of everyone's messages, whoever it is narrowed to, and of the whole range, not of its worst day: when nobody
        wrote, a thousandth of a message is expected all the same.
        """
        if self.narrowing:
            return self.everyone.coverage(period)
        asked = self.asked
        if asked is None or "core.coverage_daily" not in self.opened.manifest.tables:
            return smallest_coverage(self.by_day("response_times_daily", period.days))
        seen: float | None = self.remembered(("coverage", *period.span), lambda: asked.coverage(*period.span))
        return seen

    def value(self, table: str, column: str, period: Period, *, campaigns: Sequence[str] = ()) -> Any:  # noqa: ANN401
        """A figure over the rows of a range of days, or over those of some campaigns alone; None where there is none.

        `table`: a KPI table by its short name.
        """
        asked = self.asked
        if asked is None:
            return None
        span = _EVER if campaigns else period.span

        def ask() -> Any:  # noqa: ANN401
            line = asked.lineage(find_kpi(table), column)
            assert line is not None, f"{table}.{column} declares no rows"
            if campaigns:
                return asked.value(asked.over(line, *span, only={"campaign_id": campaigns}))
            values = asked.values(line, *span)
            for name in values.keys() - {column}:
                self._kept[table, name, *span] = values[name]
            return values[column]

        return self.remembered((table, column, *span, *campaigns), ask)

    def value_by(self, table: str, column: str, period: Period, expression: str) -> dict[Any, Any]:
        """A figure over a range of days by the values of an expression over its rows, in the words of the templates."""
        asked = self.asked

        def ask() -> dict[Any, Any]:
            line = asked.lineage(find_kpi(table), column) if asked else None
            if asked is None or line is None or line.source.full_name() not in self.opened.manifest.tables:
                return {}
            return asked.value_by(asked.over(line, *period.span), asked.expand(expression))

        found: dict[Any, Any] = self.remembered((table, column, *period.span, expression), ask)
        return found

    def bands(
        self, table: str, column: str, measure: str, edges: Sequence[float], period: Period | None = None
    ) -> list[int]:
        """A count by a measure of its rows: below each edge, and one beyond.

        Over a range of days, or over those of the table's one row.
        """
        asked = self.asked

        def ask() -> list[int]:
            declared = find_kpi(table)
            line = asked.lineage(declared, column) if asked else None
            if asked is None or line is None:
                return [0] * (len(edges) + 1)
            behind = asked.over(line, *period.span) if period else asked.behind(line, asked.own(declared, {}))
            expression = asked.expand(line.figure.rows.measures[measure])
            cases = " ".join(f"when {expression} < {edge} then {n}" for n, edge in enumerate(edges))
            counts: dict[Any, Any] = asked.value_by(behind, f"case {cases} else {len(edges)} end")
            return [int(counts.get(number) or 0) for number in range(len(edges) + 1)]

        found: list[int] = self.remembered((table, column, measure, *edges, *(period.span if period else ())), ask)
        return found

    @functools.cached_property
    def campaign_names(self) -> dict[str, str | None]:
        """Names of the campaigns by id; None for one that has none."""
        return {row["campaign_id"]: row["name"] for row in self.rows("campaign_performance")}

    @property
    def first_day(self) -> dt.date | None:
        """The oldest day whose messages are known; None before there is one."""
        return next((row["day"] for row in self.rows("response_times_daily")), None)

    @functools.cached_property
    def open_waits(self) -> list[Row]:
        """The open waits, oldest first, each with its chat's `last_inbound_at` and whom it is `assigned_to` now.

        Instants are UTC without a zone, as published tables hold them.
        """
        if not {"core.response_waits", "core.chats", "core.assignments"} <= self.opened.manifest.tables.keys():
            return []
        found = self.opened.rows(
            """
            select waits.*, chats.last_inbound_at, assigned.agent as assigned_to
            from core.response_waits as waits
            join core.chats as chats on chats.chat_id = waits.chat_id
            left join (
                select chat_id, arg_max(struct_pack(agent := agent), number).agent as agent
                from core.assignments group by chat_id
            ) as assigned on assigned.chat_id = waits.chat_id
            where waits.state = 'open'
            order by waits.waiting_since, waits.chat_id
            """
        )
        return [_short(row) for row in found]

    @functools.cached_property
    def note_ids(self) -> frozenset[int]:
        """The notes on days that it holds."""
        if "core.notes" not in self.opened.manifest.tables:
            return frozenset()
        return frozenset(row["note_id"] for row in self.opened.rows("select note_id from core.notes"))

    @functools.cached_property
    def judged_campaigns(self) -> frozenset[str]:
        """Ids of the campaigns that engagement is judged by."""
        asked = self.asked
        line = asked.lineage(find_kpi("engagement_monthly"), "campaigns") if asked else None
        if asked is None or line is None:
            return frozenset()
        behind = asked.over(line, *_EVER)
        found = asked.query(behind.asking("select campaign_id from behind"), behind.parameters)
        return frozenset(found["campaign_id"].to_pylist())


def short(text: str) -> str:
    """A text that fits a page: of one that is too long, the beginning and a mark."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _short(row: Row) -> Row:
    for name, value in row.items():
        if isinstance(value, str) and len(value) > LONGEST:
            row[name] = short(value)
    return row


def open_month(months: Sequence[Row]) -> int | None:
    """Number of the last of these months when it is provisional; None when it is not."""
    return len(months) - 1 if months and months[-1]["is_provisional"] else None


def total(rows: Iterable[Row], column: str) -> int | None:
    """Sum of a column over rows; None when no row has it."""
    values = [row[column] for row in rows if row.get(column) is not None]
    return sum(values) if values else None


def smallest_coverage(rows: Iterable[Row]) -> float | None:
    """Smallest coverage of rows; None when it is not known of one, or there is none."""
    values = [row["coverage"] for row in rows if row]
    return None if not values or None in values else min(values)
