"""What leaves of a build, as Parquet files: which tables, columns and rows, in what order, with ids as pseudonyms.

What belongs here: this, and sharing the months of messages that have not changed. What does not: the order of steps
that a crash cannot break (snapshot.py), the DuckDB file that is made of these files (database.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from crm_platform.publish.files import entry_of, link_or_copy, literal
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
) -> tuple[dict[str, MonthEntry], dict[str, FileEntry]]:
    """Write the Parquet files, streaming; returns the months, and the files shared with `previous`.

    `local`: the SQL of what local clocks show at an instant.
    """
    months: dict[str, MonthEntry] = {}
    linked: dict[str, FileEntry] = {}
    for table in tables:
        name = table.full_name()
        folder = building / table.schema
        folder.mkdir(exist_ok=True)
        order = ", ".join(f'"{column}"' for column in _order(table)) or "all"
        if name not in BY_MONTH:
            _copy(session, f"from {_published(table)} order by {order}", folder / f"{table.table}.parquet")
            continue
        folder = folder / table.table
        folder.mkdir()
        month_of = f"""strftime({local(f'"{BY_MONTH[name]}"')}, '%Y-%m')"""
        for month, (entry, where) in _months(session, table, month_of).items():
            months[month] = entry
            file = folder / f"{month}.parquet"
            inside = file.relative_to(building).as_posix()
            if previous is not None and previous[1].months.get(month) == entry:
                source, known = previous[0] / inside, previous[1].files.get(inside)
                if known is not None and _is_whole(source, known):
                    link_or_copy(source, file)
                    linked[inside] = known
                    continue
            _copy(session, f"from {_published(table, where=where)} order by {order}", file)
        if not any(folder.iterdir()):
            # Readers of folder/*.parquet find the columns all the same.
            _copy(session, f"from {_published(table)}", folder / "empty.parquet")
    return months, linked


def _order(table: type[Table]) -> list[str]:
    first = [BY_TIME[table.full_name()]] if table.full_name() in BY_TIME else []
    return first + [column for column in table.key if column in published_columns(table)]


def _is_whole(file: Path, known: FileEntry) -> bool:
    try:
        return entry_of(file) == known
    except OSError:
        return False


def _months(session: DuckDbSession, table: type[Table], month_of: str) -> dict[str, tuple[MonthEntry, str]]:
    """Of each local month rows and content digest, whatever the order of its rows, and which rows these are."""
    columns = ", ".join(f'"{column}"' for column in published_columns(table))
    moment = f'"{BY_MONTH[table.full_name()]}"'
    rows = session.connection.execute(
        f"select {month_of} as month, count(*), sum(hash({columns}))::varchar, bit_xor(hash({columns}))::varchar,"
        f" min({moment})::varchar, max({moment})::varchar"
        f" from {_published(table)} group by month order by month"
    ).fetchall()
    # What else decides a file's content; hash() may change its meaning between DuckDB versions.
    frame = f"{duckdb.__version__}|{month_of}|{columns}"
    return {
        month: (
            MonthEntry(rows=count, content=hashlib.sha256(f"{frame}|{count}|{total}|{mix}".encode()).hexdigest()),
            # Instants are cheaper to compare than to name the month of: it is named only for those between.
            f"{moment} between '{first}' and '{last}' and {month_of} = '{month}'",
        )
        for month, count, total, mix, first, last in rows
    }


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
