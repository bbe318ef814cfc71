"""What the pages read of a snapshot, read once: a published snapshot never changes.

What belongs here: rows of published tables, and the pooled figures of a range of days, which no average of daily
figures gives. What does not: how anything looks.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import threading
from collections.abc import Iterable
from typing import Any, Final
from zoneinfo import ZoneInfo

from crm_platform.serving.pages.period import Period
from crm_platform.serving.snapshots import OpenSnapshot
from crm_platform.tables import TABLES

Row = dict[str, Any]

LONGEST: Final = 300
"""So many characters of a text a page shows."""

# First waits as response_times_daily counts them: of conversations whose beginning is known.
_FIRST: Final = "is_first and not is_left_truncated and waiting_since >= ? and waiting_since < ?"


class Book:
    """One snapshot's tables by name, kept in memory once read. Threads may share it."""

    def __init__(self, opened: OpenSnapshot) -> None:
        self.opened = opened
        self.zone = ZoneInfo(opened.manifest.timezone)
        self._kept: dict[object, list[Row]] = {}
        self._lock = threading.Lock()

    @property
    def as_of(self) -> dt.datetime:
        """The cut, aware."""
        return self.opened.manifest.as_of

    @property
    def today(self) -> dt.date:
        """The local day that holds the cut."""
        return self.as_of.astimezone(self.zone).date()

    def _asked(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Row]:
        key = (sql, parameters)
        if key not in self._kept:
            with self._lock:
                if key not in self._kept:
                    # Of ranges that people typed in, which give a row each; tables come back in milliseconds.
                    if len(self._kept) > 200:
                        self._kept.clear()
                    self._kept[key] = [_short(row) for row in self.opened.rows(sql, parameters)]
        return self._kept[key]

    def rows(self, table: str) -> list[Row]:
        """All rows of a KPI table by its short name, in the order of its key; none if the snapshot lacks it."""
        name = f"kpi.{table}"
        if name not in self.opened.manifest.tables:
            return []
        order = ", ".join(TABLES[name].key) or "as_of"
        return self._asked(f"select * from {name} order by {order}")

    def one(self, table: str) -> Row:
        """The row of a table that has one; empty when it has none."""
        return next(iter(self.rows(table)), {})

    def by_day(self, table: str, days: Iterable[dt.date]) -> list[Row]:
        """Rows of a table by day for these days; an empty one where there is none."""
        known = {row["day"]: row for row in self.rows(table)}
        return [known.get(day, {}) for day in days]

    def coverage(self, period: Period) -> float | None:
        """Share of the messages of a range that is stored, by docs/definitions.md; None where it is not known.

        Of the whole range, not of its worst day: when nobody wrote, a thousandth of a message is expected all the same.
        """
        if "core.coverage_daily" not in self.opened.manifest.tables:  # published by an earlier version
            return smallest_coverage(self.by_day("response_times_daily", period.days))
        known = self._asked("select day, stored, expected_unseen, history_remainder from core.coverage_daily")
        rows = [row for row in known if period.start <= row["day"] <= period.end]
        if not rows or any(row["expected_unseen"] is None for row in rows):
            return None
        stored = sum(row["stored"] for row in rows)
        # What is missing of a chat's history counts for every day before its oldest stored message.
        unseen = sum(row["expected_unseen"] for row in rows) + max(row["history_remainder"] for row in rows)
        return stored / (stored + unseen) if stored + unseen else 1.0

    def median_first_response(self, period: Period, *, column: str = "response_seconds") -> float | None:
        """Median seconds over the pooled first answered waits of a range."""
        (row,) = self._asked(
            f"select quantile_cont({column}, 0.5) as median from core.response_waits "
            f"where state = 'answered' and {_FIRST}",
            period.bounds(self.zone),
        )
        return None if row["median"] is None else float(row["median"])

    @functools.cached_property
    def campaign_names(self) -> dict[str, str | None]:
        """Names of the campaigns by id; None for one that has none."""
        return {row["campaign_id"]: row["name"] for row in self.rows("campaign_performance")}

    @property
    def first_day(self) -> dt.date | None:
        """The oldest day whose messages are known; None before there is one."""
        return next((row["day"] for row in self.rows("response_times_daily")), None)

    def within_target(self, period: Period, target_seconds: float) -> int:
        """First waits of a range that were answered within so many seconds."""
        (row,) = self._asked(
            f"select count(*) as n from core.response_waits "
            f"where state = 'answered' and response_seconds <= {target_seconds} and {_FIRST}",
            period.bounds(self.zone),
        )
        return int(row["n"])

    def first_responses(self, period: Period, edges: tuple[float, ...]) -> list[int]:
        """First answered waits of a range by response time: one count below each edge and one beyond, then missed."""
        bands = enumerate(itertools.pairwise((0.0, *edges, 1e12)))
        answered = "count(*) filter (where state = 'answered' and response_seconds"
        cases = ", ".join(
            f"{answered} >= {low} and response_seconds < {high}) as b{number}" for number, (low, high) in bands
        )
        (row,) = self._asked(
            f"select {cases}, count(*) filter (where state = 'missed') as missed "
            f"from core.response_waits where {_FIRST}",
            period.bounds(self.zone),
        )
        return [int(count) for count in row.values()]

    def open_waits_by_age(self, edges: tuple[float, ...]) -> list[int]:
        """Open waits by how long they have stood at the cut: one count below each edge in seconds, and one beyond."""
        cut = self.as_of.astimezone(dt.UTC).replace(tzinfo=None)
        age = "epoch(?::timestamp - waiting_since)"
        bands = list(itertools.pairwise((-1e12, *edges, 1e12)))
        cases = ", ".join(
            f"count(*) filter (where age >= {low} and age < {high}) as b{number}"
            for number, (low, high) in enumerate(bands)
        )
        (row,) = self._asked(
            f"select {cases} from (select {age} as age from core.response_waits where state = 'open')", (cut,)
        )
        return [int(count) for count in row.values()]


def short(text: str) -> str:
    """A text that fits a page: of one that is too long, the beginning and a mark."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _short(row: Row) -> Row:
    for name, value in row.items():
        if isinstance(value, str) and len(value) > LONGEST:
            row[name] = short(value)
    return row


def total(rows: Iterable[Row], column: str) -> int | None:
    """Sum of a column over rows; None when no row has it."""
    values = [row[column] for row in rows if row.get(column) is not None]
    return sum(values) if values else None


def share(part: int | None, rest: int | None) -> float | None:
    """Part / (part + rest); None on a zero denominator."""
    if part is None or rest is None or part + rest == 0:
        return None
    return part / (part + rest)


def smallest_coverage(rows: Iterable[Row]) -> float | None:
    """Smallest coverage of rows; None when it is not known of one, or there is none."""
    values = [row["coverage"] for row in rows if row]
    return None if not values or None in values else min(values)
