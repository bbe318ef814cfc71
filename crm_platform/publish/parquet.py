"""What leaves of a build, as Parquet files: which tables, columns and rows, in what order, with ids as pseudonyms.

What belongs here: this, and sharing the files whose rows have not changed. What does not: the order of steps
that a crash cannot break (snapshot.py), the DuckDB file that is made of these files (database.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from crm_platform.publish.files import is_whole, link_or_copy, literal
from crm_platform.publish.manifest import FileEntry, Manifest, MonthEntry
from crm_platform.publish.masking import masked_sql
from crm_platform.publish.pseudonyms import pseudonym_sql
from crm_platform.schemas import Column, CoreTable, KpiTable, Table
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbSession

# Large, and old months hardly change: Parquet by local month of this column.
BY_MONTH = {"core.messages": "timestamp"}

# Pages ask for ranges of days. In the order of this column the engine reads those days and passes over the others: of
# 1.7 million waits a week's median takes 3 ms, not 13.
BY_TIME = {"core.response_waits": "waiting_since"}


_ANY = "'any'"  # text, by whose pseudonym another key is noticed


@dataclass(frozen=True, slots=True)
class Parquet:
    """What was written: the `months` of messages, of other core tables the digests of their rows, how many they are.

    `tables`: full names of those that the previous snapshot has just so; `shared`: its files, by their path inside it.
    `frame`: digest of all that decides a file but its rows.
    """

    frame: str
    months: dict[str, MonthEntry] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    shared: dict[str, FileEntry] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    def is_shared(self, table: type[Table]) -> bool:
        """Whether all of a table is the previous snapshot's."""
        return table.full_name() in self.tables


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
    session: DuckDbSession,
    tables: Sequence[type[Table]],
    building: Path,
    *,
    previous: tuple[Path, Manifest] | None,
    local: Callable[[str], str],
) -> Parquet:
    """Write the Parquet files, streaming, but for those that are the same in `previous`: these are shared.

    `local`: the SQL of what local clocks show at an instant.
    """
    written = Parquet(_frame(session, tables))
    if previous is not None and previous[1].frame != written.frame:
        previous = None

    def put(file: Path, select: str, *, is_same: bool) -> bool:
        """Take a file from the previous snapshot, where its rows are the same and it is whole, else write it.

        Returns whether it was taken.
        """
        inside = file.relative_to(building).as_posix()
        known = previous[1].files.get(inside) if previous is not None and is_same else None
        if previous is None or known is None or not is_whole(previous[0] / inside, known):
            _copy(session, select, file)
            return False
        link_or_copy(previous[0] / inside, file)
        written.shared[inside] = known
        return True

    for table in tables:
        name = table.full_name()
        folder = building / table.schema
        folder.mkdir(exist_ok=True)
        order = ", ".join(f'"{column}"' for column in _order(table)) or "all"
        if name not in BY_MONTH:
            file = folder / f"{table.table}.parquet"
            if not issubclass(table, KpiTable):  # each row of those names its cut
                written.rows[name], written.contents[name] = _content(session, table)
            is_same = previous is not None and previous[1].contents.get(name) == written.contents.get(name, "")
            if put(file, f"from {_published(table)} order by {order}", is_same=is_same):
                written.tables.add(name)
            continue
        folder = folder / table.table
        folder.mkdir()
        month_of = f"""strftime({local(f'"{BY_MONTH[name]}"')}, '%Y-%m')"""
        months = _months(session, table, month_of)
        written.rows[name] = sum(entry.rows for entry, _ in months.values())
        is_shared = previous is not None and previous[1].months.keys() == months.keys()
        for month, (entry, where) in months.items():
            written.months[month] = entry
            file = folder / f"{month}.parquet"
            is_same = previous is not None and previous[1].months.get(month) == entry
            is_shared &= put(file, f"from {_published(table, where=where)} order by {order}", is_same=is_same)
        if is_shared:
            written.tables.add(name)
        if not any(folder.iterdir()):
            # Readers of folder/*.parquet find the columns all the same.
            _copy(session, f"from {_published(table)}", folder / "empty.parquet")
    return written


def _order(table: type[Table]) -> list[str]:
    first = [BY_TIME[table.full_name()]] if table.full_name() in BY_TIME else []
    return first + [column for column in table.key if column in published_columns(table)]


def _months(session: DuckDbSession, table: type[Table], month_of: str) -> dict[str, tuple[MonthEntry, str]]:
    """Of each local month rows and content digest, whatever the order of its rows, and which rows these are."""
    moment = f'"{BY_MONTH[table.full_name()]}"'
    rows = session.connection.execute(
        f"select {month_of} as month, count(*), {_digest(table)}, min({moment})::varchar, max({moment})::varchar"
        f" from {table.full_name()} group by month order by month"
    ).fetchall()
    return {
        month: (
            MonthEntry(rows=count, content=_sha256(month_of, count, digest)),
            # Instants are cheaper to compare than to name the month of: it is named only for those between.
            f"{moment} between '{first}' and '{last}' and {month_of} = '{month}'",
        )
        for month, count, digest, first, last in rows
    }


def _content(session: DuckDbSession, table: type[Table]) -> tuple[int, str]:
    """How many rows a table has, and their digest, whatever their order."""
    found = session.connection.execute(f"select count(*), {_digest(table)} from {table.full_name()}").fetchall()
    return found[0][0], _sha256(*found)


def _digest(table: type[Table]) -> str:
    """SQL of a digest of rows, as an aggregate. Of what leaves, before ids are made pseudonyms: that takes longest."""
    parts = [f'"{name}"' for name in published_columns(table)]
    parts += [f"({one.masked_where})" for one in published_columns(table).values() if one.masked_where is not None]
    # Twice: the engine joins the columns' hashes by exclusive or, so the same change in two rows could cancel out.
    line = f"hash(hash({', '.join(parts)}))"
    return f"concat_ws(' ', count(*), sum({line}), bit_xor({line}))"


def _frame(session: DuckDbSession, tables: Sequence[type[Table]]) -> str:
    """Digest of what decides files but their rows: the engine, what is declared, how it leaves, the key, the order."""
    key = session.connection.execute(f"select {pseudonym_sql(_ANY, 'chat')}").fetchone()
    declared = [
        (
            _published(table),
            _order(table),
            table.description(),
            [(one.type, one.description, one.unit, one.published) for one in published_columns(table).values()],
        )
        for table in tables
    ]
    return _sha256(duckdb.__version__, key, declared)  # hash() may change its meaning between DuckDB versions


def _sha256(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _copy(session: DuckDbSession, select: str, file: Path) -> None:
    session.execute(f"copy ({select}) to {literal(str(file))} (format parquet, compression zstd)")


def _published(table: type[Table], *, where: str = "true") -> str:
    """What leaves of a table, as a relation: its published columns, ids as pseudonyms.

    `where`: which rows. It stands inside, because DuckDB makes the pseudonyms of all rows before it looks outside.
    """
    columns = ", ".join(f'{_expression(name, column)} as "{name}"' for name, column in published_columns(table).items())
    return f"(select {columns} from {table.full_name()} where {where})"


def _expression(column: str, declared: Column) -> str:
    name = f'"{column}"'
    if declared.published == "masked":
        masked = masked_sql(name)
        where = declared.masked_where
        return masked if where is None else f"case when {where} then {masked} else {name} end"
    return pseudonym_sql(name, declared.published) if declared.published in ("chat", "message") else name
