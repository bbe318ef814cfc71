"""What leaves of a build, as Parquet files: which tables, columns and rows, in what order, with ids as pseudonyms.

What belongs here: this, and sharing the files whose rows have not changed. What does not: the order of steps
that a crash cannot break (snapshot.py), the DuckDB file that is made of these files (database.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from crm_platform.clock import instant_of
from crm_platform.publish.files import is_whole, link_or_copy, literal
from crm_platform.publish.manifest import MANIFEST, FileEntry, Manifest, MonthEntry
from crm_platform.publish.masking import masked_sql
from crm_platform.publish.pseudonyms import kept_sql, pseudonym_sql
from crm_platform.schemas import Column, CoreTable, KpiTable, Table, Type, ops
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbSession
from crm_platform.warehouse.beside import each_beside
from crm_platform.warehouse.digests import digest_sql, line_sql

# Large, and old months hardly change: Parquet by local month of this column. Each of the recent days is a file by
# itself: some change with each snapshot, and the month that they are of has many rows.
BY_MONTH = {
    "core.contact_days": "day",
    "core.conversations": "started_at",
    "core.fetches": "started_at",
    "core.messages": "timestamp",
    "core.reply_credit": "replied_at",
    "core.response_waits": "waiting_since",
    "core.work": "done_at",
}

# Pages ask for ranges of days. In the order of this column the engine reads those days and passes over the others: of
# 1.7 million waits a week's median takes 3 ms, not 13.
BY_TIME = {"core.response_waits": "waiting_since"}


Differing = Callable[[DuckDbSession, type[Table]], str | None]
"""Gives the relation of a table's rows that differ from the previous snapshot's, before and now (`is_put_in`)."""

_BY_DAY = dt.timedelta(days=7)
"""So many days are files of their own at most: a clock that is wrong dates messages anywhere."""

_ANY = "'any'"  # text, by whose pseudonym another key is noticed


@dataclass(frozen=True, slots=True)
class Renewal:
    """What of a table is not the previous snapshot's: all of it, or some months, or nothing.

    `months`: their files, by path in the snapshot, with the condition that tells a month's rows.
    """

    is_whole: bool = False
    months: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Parquet:
    """What was written of one table, or of several, by full name.

    Of core tables the `months`, or else the digest of their rows (`contents`), and how many `rows` they are.
    `shared`: the previous snapshot's files that were taken, by their path inside it. `is_by_instants`: whether every
    month is what lies between two instants; where a clock goes back over its first midnight, it is not.
    """

    months: dict[str, dict[str, MonthEntry]] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    shared: dict[str, FileEntry] = field(default_factory=dict)
    is_by_instants: bool = True

    def add(self, other: Parquet) -> None:
        """Add what was written of another table."""
        self.months |= other.months
        self.contents |= other.contents
        self.rows |= other.rows
        self.shared |= other.shared
        self.is_by_instants &= other.is_by_instants


@dataclass(frozen=True, slots=True)
class Clocks:
    """Local time in a snapshot: the SQL of what clocks show at an instant, their zone.

    `recent`: the first of the days whose rows are a file of their own. `is_night`: everything is looked at again.
    """

    local: Callable[[str], str]
    zone: ZoneInfo
    recent: dt.date
    is_night: bool


def published_tables() -> list[type[Table]]:
    """The declared tables that a snapshot holds: all KPIs, and core but for its internal tables."""
    return [
        table
        for table in TABLES.values()
        if issubclass(table, KpiTable) or (issubclass(table, CoreTable) and table.is_published)
    ]


def published_columns(table: type[Table]) -> dict[str, Column]:
    """The columns of a table that a snapshot holds."""
    return {name: column for name, column in table.columns.items() if column.published != "no"}


def write_parquet(
    sessions: Sequence[DuckDbSession],
    tables: Sequence[type[Table]],
    building: Path,
    *,
    previous: tuple[Path, Manifest] | None,
    clocks: Clocks,
    differing: Differing,
    tell: Callable[[type[Table], Renewal], None],
) -> Parquet:
    """Write the Parquet files, streaming, but for those that are the same in `previous`: these are shared.

    `previous`: a snapshot of the same frame, if there is one; `differing`: what differs from it. `tell` hears what of
    each table is not the same there. `sessions`: the pseudonyms' key is bound to them. As many tables are written at a
    time where most is shared: then their rows fit into memory.
    """
    for schema in {table.schema for table in tables}:
        (building / schema).mkdir(exist_ok=True)

    def write(table: type[Table], session: DuckDbSession) -> Parquet:
        writer = _Writer(session, building, previous, clocks, differing(session, table), Parquet())
        tell(table, writer.write_by_month(table) if table.full_name() in BY_MONTH else writer.write(table))
        return writer.written

    written, is_little = Parquet(), previous is not None and not clocks.is_night
    for one in list(each_beside(sessions if is_little else sessions[:1], tables, write)):
        written.add(one)
    return written


@dataclass(frozen=True, slots=True)
class _Writer:
    session: DuckDbSession
    building: Path
    previous: tuple[Path, Manifest] | None
    clocks: Clocks
    differing: str | None
    written: Parquet

    def write(self, table: type[Table]) -> Renewal:
        """Write a table as one file."""
        name, inside = table.full_name(), f"{table.schema}/{table.table}.parquet"
        if not issubclass(table, KpiTable):  # each row of those names its cut
            self.written.rows[name], self.written.contents[name] = self._content(table)
        before = self.previous[1].contents.get(name) if self.previous is not None else None
        if before is not None and before == self.written.contents.get(name) and self._share(inside):
            return Renewal()
        self._copy(f"from {_published(table)} order by {_order(table)}", inside)
        return Renewal(is_whole=True)

    def write_by_month(self, table: type[Table]) -> Renewal:
        """Write a table as a file for each local month."""
        name, folder = table.full_name(), f"{table.schema}/{table.table}"
        (self.building / folder).mkdir()
        known = self.previous[1].months_of(name) if self.previous is not None else {}
        months = self.written.months[name] = {}
        renewed: dict[str, str] = {}
        for month, (entry, where) in (self._months_renewed(table, known) or self._months(table)).items():
            months[month] = entry
            inside = f"{folder}/{month}.parquet"
            if known.get(month) != entry or not self._share(inside):
                renewed[inside] = where
                self._copy(f"from {_published(table, where=where)} order by {_order(table)}", inside)
        self.written.rows[name] = sum(entry.rows for entry in months.values())
        if not months:
            # Readers of folder/*.parquet find the columns all the same.
            self._copy(f"from {_published(table)}", f"{folder}/empty.parquet")
        # The rows of a month that is gone are nowhere any more.
        is_whole = not known or not known.keys() <= months.keys()
        return Renewal(is_whole, {} if is_whole else renewed)

    def _content(self, table: type[Table]) -> tuple[int, str]:
        """How many rows a table has, and their digest, whatever their order."""
        name = table.full_name()
        if self.previous is not None and self.differing is not None and name in self.previous[1].contents:
            differ = self.session.connection.execute(f"select 1 from {self.differing} limit 1").fetchall()
            if not differ:
                return self.previous[1].tables[name].rows, self.previous[1].contents[name]
        rows = _keyed(table, name)
        found = self.session.connection.execute(f"select count(*), {_digest(table)} from {rows}").fetchall()
        return found[0][0], _sha256(*found)

    def _months(self, table: type[Table]) -> dict[str, tuple[MonthEntry, str]]:
        """Of each local month its rows, their digest, whatever their order, and the condition that tells them."""
        name, month, moment = table.full_name(), self._month_sql(table), f'"{BY_MONTH[table.full_name()]}"'
        found = self.session.connection.execute(
            f"select {month} as month, min({moment}), max({moment}), {_digest(table)}"
            f" from {_keyed(table, name)} group by month order by month"
        ).fetchall()
        months = {}
        for first_day, first, last, lines in found:
            begins, ends, where = self._between(table, first_day)
            if not begins <= first <= last < ends:
                self.written.is_by_instants = False
                where = f"{month} = '{first_day}'"
            entry = _month_entry(table, where, lines, is_between=begins <= first <= last < ends)
            months[_month_name(first_day)] = entry, where
        return months

    def _months_renewed(
        self, table: type[Table], known: Mapping[str, MonthEntry]
    ) -> dict[str, tuple[MonthEntry, str]] | None:
        """The same, by the snapshot before and the rows that differ from it; None where that cannot be."""
        if self.differing is None or not known or not all(entry.lines for entry in known.values()):
            return None
        moment, line = f'"{BY_MONTH[table.full_name()]}"', line_sql(_digested(table))
        found = self.session.connection.execute(
            f"select {self._month_sql(table)} as month, is_put_in, min({moment}), max({moment}), count(*), sum({line}),"
            f" bit_xor({line}) from {_keyed(table, self.differing)} group by month, is_put_in"
        ).fetchall()
        lines = {dt.date.fromisoformat(f"{month}-01"[:10]): entry.lines for month, entry in known.items()}
        for first_day, is_put_in, first, last, *differing in found:
            begins, ends, _ = self._between(table, first_day)
            if not begins <= first <= last < ends:
                return None
            count, total, either = map(int, lines.get(first_day, "0 0 0").split())
            sign = 1 if is_put_in else -1
            now = count + sign * differing[0], total + sign * int(differing[1]), either ^ differing[2]
            lines[first_day] = " ".join(map(str, now))
        months = {}
        for first_day in sorted(day for day, its in lines.items() if not its.startswith("0 ")):
            where = self._between(table, first_day)[2]
            months[_month_name(first_day)] = _month_entry(table, where, lines[first_day]), where
        return months

    def _month_sql(self, table: type[Table]) -> str:
        """The first day of the local month of a row, or its own, if that is recent."""
        column, recent, ahead = BY_MONTH[table.full_name()], self.clocks.recent, self.clocks.recent + _BY_DAY
        moment = f'"{column}"' if table.columns[column].type is Type.DATE else self.clocks.local(f'"{column}"')
        day = f"cast({moment} as date)"
        month = f"date_trunc('month', {day})::date"
        return (
            f"case when {day} < '{recent}' then {month} when {day} < '{ahead}' then {day}"
            f" else greatest({month}, date '{ahead}') end"
        )

    def _between(self, table: type[Table], first_day: dt.date) -> tuple[Any, Any, str]:
        """Where a month, or a recent day, begins and the next one does, and the condition on its rows."""
        column, recent, zone = BY_MONTH[table.full_name()], self.clocks.recent, self.clocks.zone
        next_month = (first_day.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
        if first_day < recent:
            next_day = min(recent, next_month)
        else:
            next_day = first_day + dt.timedelta(days=1) if first_day < recent + _BY_DAY else next_month
        begins, ends = (
            day if table.columns[column].type is Type.DATE else instant_of(day, 0, zone).replace(tzinfo=None)
            for day in (first_day, next_day)
        )
        return begins, ends, f"\"{column}\" >= '{begins}' and \"{column}\" < '{ends}'"

    def _share(self, inside: str) -> bool:
        """Take a file from the previous snapshot, if it is still what was published; returns whether it was."""
        if self.previous is None:
            return False
        path, known = self.previous[0] / inside, self.previous[1].files.get(inside)
        sealed_by = None if self.clocks.is_night else self.previous[0] / MANIFEST
        if known is None or not is_whole(path, known, sealed_by=sealed_by):
            return False
        link_or_copy(path, self.building / inside)
        self.written.shared[inside] = known
        return True

    def _copy(self, select: str, inside: str) -> None:
        file = literal(str(self.building / inside))
        self.session.execute(f"copy ({select}) to {file} (format parquet, compression zstd)")


def _order(table: type[Table]) -> str:
    first = [BY_TIME[table.full_name()]] if table.full_name() in BY_TIME else []
    columns = first + [column for column in table.key if column in published_columns(table)]
    return ", ".join(f'"{column}"' for column in columns) or "all"


def _month_name(first_day: dt.date) -> str:
    return f"{first_day:%Y-%m}" if first_day.day == 1 else f"{first_day}"


def _month_entry(table: type[Table], where: str, lines: str, *, is_between: bool = True) -> MonthEntry:
    """`lines`: the digest of its rows; `is_between`: `where` is what lies between two instants."""
    content = _sha256(BY_MONTH[table.full_name()], where, lines)
    return MonthEntry(rows=int(lines.split(maxsplit=1)[0]), content=content, lines=lines if is_between else "")


def _kept(chats: str = "") -> str:
    """Join the pseudonyms that are kept. `chats`: a condition on which are needed."""
    return f"left join (from {ops.Pseudonyms.full_name()} {chats}) as kept on kept.chat_id = t.chat_id"


def _keyed(table: type[Table], rows: str) -> str:
    """Rows with pseudonyms in the place of chats: their digest tells nothing to who tries all ids."""
    if "chat_id" not in published_columns(table):
        return rows
    return f"(select t.* replace ({kept_sql('t.chat_id')} as chat_id) from {rows} as t {_kept()})"


def _digested(table: type[Table]) -> list[str]:
    """What is digested of rows: what leaves, before ids of messages are made pseudonyms: that takes longest."""
    parts = [f'"{name}"' for name in published_columns(table)]
    return parts + [
        f"({one.masked_where})" for one in published_columns(table).values() if one.masked_where is not None
    ]


def _digest(table: type[Table]) -> str:
    """SQL of a digest of rows, as an aggregate."""
    return digest_sql(line_sql(_digested(table)))


def frame_of(session: DuckDbSession, tables: Sequence[type[Table]]) -> str:
    """Digest of what decides files but their rows: the engine, what is declared, how it leaves, the key, the order."""
    (key,) = session.connection.execute(f"select {pseudonym_sql(_ANY, 'chat')}").fetchall()
    declared = [
        (
            _published(table),
            _order(table),
            _digest(table),
            _keyed(table, "rows"),
            table.description(),
            getattr(table, "version", None),
            [(one.type, one.description, one.unit, one.published) for one in published_columns(table).values()],
        )
        for table in tables
    ]
    return _sha256(duckdb.__version__, key, declared)  # hash() may change its meaning between DuckDB versions


def _sha256(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _published(table: type[Table], *, where: str = "true") -> str:
    """What leaves of a table, as a relation: its published columns, ids as pseudonyms.

    `where`: which rows. It stands inside, because DuckDB makes the pseudonyms of all rows before it looks outside.
    """
    declared = published_columns(table)
    source = f"(select * from {table.full_name()} where {where}) as t"
    expressions = {name: _expression(name, column) for name, column in declared.items()}
    if "chat_id" in declared:
        chats = "" if where == "true" else f"where chat_id in (select chat_id from {table.full_name()} where {where})"
        source += f" {_kept(chats)}"
    columns = ", ".join(f'{expression} as "{name}"' for name, expression in expressions.items())
    return f"(select {columns} from {source})"


def _expression(column: str, declared: Column) -> str:
    name = f'"{column}"'
    if declared.published == "masked":
        masked = masked_sql(name)
        where = declared.masked_where
        return masked if where is None else f"case when {where} then {masked} else {name} end"
    if declared.published == "chat":
        return kept_sql(f"t.{column}")
    return pseudonym_sql(name, "message") if declared.published == "message" else name
