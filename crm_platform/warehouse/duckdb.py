"""The embedded engine: one DuckDB file, opened for one short piece of work at a time.

What belongs here: opening and locking the file, declared types as DuckDB types, the merge. It is the only place of the
product that calls `duckdb.connect` on a live file. What does not: what is stored, KPI logic.

DuckDB is one writing process or many readers a file. So every session opens the file under an inter-process
reader/writer lock and closes it at the end; nobody may hold a session while waiting for the network. What is kept
between sessions is the engine without a file: to start it takes 15 ms of CPU, to attach a file less than one.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import duckdb

from crm_platform.schemas import Type
from crm_platform.warehouse.locks import file_lock
from crm_platform.warehouse.port import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from crm_platform.schemas import Table

TYPES: dict[Type, str] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.FLOAT: "DOUBLE",
    Type.BOOLEAN: "BOOLEAN",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.JSON: "JSON",
}

# How far a delivery status has come: it never moves backwards, and failed is final.
STATUS_RANK = "case {} when 'sent' then 1 when 'delivered' then 2 when 'read' then 3 when 'failed' then 4 else 0 end"

# Columns that say where a version came from: a record whose other columns are the same has not changed.
_PROVENANCE = frozenset({"fetched_at", "fetch_id", "first_fetched_at", "first_fetch_id"})

# What a record says beyond the contract may differ each time it is sent: it is kept at its newest, and is no change.
_VOLATILE = "extra"
# How much later than a batch a stored version may be: what commits of two processes may overtake each other by.
_CLOCK_SLACK = "interval 5 minutes"

# The other file, while a writing session reads from it. Not `raw`: a catalogue and a schema of one name clash.
SOURCE_ALIAS = "live"


class DuckDbSession:
    """A Session on an open connection."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Run a SELECT."""
        return self.connection.sql(sql, params=list(parameters)).to_arrow_table()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement."""
        self.connection.execute(sql, list(parameters))

    def create(self, table: type[Table]) -> None:
        """Create the table, or add the columns it lacks."""
        self.connection.execute(f"create schema if not exists {table.schema}")
        self.connection.execute(f"create table if not exists {table.full_name()} ({_definition(table)})")
        columns = self.connection.execute("select name from pragma_table_info(?)", [table.full_name()]).fetchall()
        known = {name for (name,) in columns}
        for name, column in table.columns.items():
            if name not in known:
                self.connection.execute(f'alter table {table.full_name()} add column "{name}" {TYPES[column.type]}')

    def replace(self, table: type[Table], select: str, parameters: Sequence[object] = ()) -> int:
        """Make the table hold just the rows of a SELECT; its columns are matched by name."""
        self.connection.execute(f"create schema if not exists {table.schema}")
        self.connection.execute(f"create or replace table {table.full_name()} ({_definition(table)})")
        names = ", ".join(f'"{name}"' for name in table.columns)
        # Read to the end: the connection refuses other work while a result is left half read.
        ((inserted,),) = self.connection.execute(
            f"insert into {table.full_name()} ({names}) select {names} from ({select})", list(parameters)
        ).fetchall()
        return int(inserted)

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        """Upsert by key in one pass."""
        if rows.num_rows == 0:
            return Written()
        keys = ", ".join(f'"{key}"' for key in table.key)
        self.connection.register("incoming", rows)
        distinct = self._count(f"select distinct {keys} from incoming")
        before = self._count(f"from {table.full_name()}")
        is_distinct = distinct == rows.num_rows
        ((written,),) = self.connection.execute(_merge_sql(table, is_distinct=is_distinct)).fetchall()
        inserted = self._count(f"from {table.full_name()}") - before
        if written < distinct and _has_volatile(table):
            self.connection.execute(_freshen_sql(table, is_distinct=is_distinct))
        self.connection.unregister("incoming")
        return Written(inserted=inserted, updated=written - inserted, unchanged=distinct - written)

    def _count(self, select: str) -> int:
        ((number,),) = self.connection.execute(f"select count(*) from ({select})").fetchall()
        return int(number)

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows."""
        if rows.num_rows:
            self.connection.register("incoming", rows)
            self.connection.execute(f"insert into {table.full_name()} by name select * from incoming")
            self.connection.unregister("incoming")

    def delete(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove rows by one column."""
        self.connection.execute(
            f'delete from {table.full_name()} where "{column}" in (select unnest(?))', [list(values)]
        )


def _definition(table: type[Table]) -> str:
    return ", ".join(
        f'"{name}" {TYPES[column.type]}{"" if column.nullable else " not null"}'
        for name, column in table.columns.items()
    )


def _has_volatile(table: type[Table]) -> bool:
    return _VOLATILE in table.columns and "fetched_at" in table.columns


def _freshen_sql(table: type[Table], *, is_distinct: bool) -> str:
    """Keep the newest of what may differ each time, of records that are stored and have not changed."""
    keys = ", ".join(f'"{key}"' for key in table.key)
    newest = "" if is_distinct else f"qualify row_number() over (partition by {keys} order by fetched_at desc) = 1"
    return f"""
        update {table.full_name()} as t set {_VOLATILE} = i.{_VOLATILE}
        from (select {keys}, {_VOLATILE}, fetched_at from incoming {newest}) as i
        where {" and ".join(f't."{key}" = i."{key}"' for key in table.key)}
            and i.fetched_at >= t.fetched_at and i.{_VOLATILE} is distinct from t.{_VOLATILE}
    """


def _merge_sql(table: type[Table], *, is_distinct: bool) -> str:
    """One MERGE: what is new is inserted, what changed is updated, what is known is left alone.

    `is_distinct`: no key comes twice, which spares the look for each key's newest version.
    """
    name = table.full_name()
    keys = ", ".join(f'"{key}"' for key in table.key)
    is_versioned = "fetched_at" in table.columns
    newest_first = "fetched_at desc" if is_versioned else "1"
    # A version from later than all that comes now was stored by a clock that has gone back: there the order of commits
    # decides, or it would win until the clock is there again.
    is_newer = f"(i.fetched_at >= t.fetched_at or t.fetched_at > i.newest_at + {_CLOCK_SLACK})"
    incoming, sets, changed = [], [], []
    for column_name, declared in table.columns.items():
        column = f'"{column_name}"'
        if column_name in table.key:
            incoming.append(column)
        elif declared.merge == "first":
            incoming.append(f"min({column}) over (partition by {keys}) as {column}")
            sets.append(f"{column} = least(t.{column}, i.{column})")
        elif declared.merge == "status":
            rank = STATUS_RANK.format(column)
            incoming.append(
                f"first_value({column}) over (partition by {keys} order by {rank} desc, {newest_first}) as {column}"
            )
            further = f"{STATUS_RANK.format(f'i.{column}')} > {STATUS_RANK.format(f't.{column}')}"
            sets.append(f"{column} = case when {further} then i.{column} else t.{column} end")
            changed.append(further)
        else:
            incoming.append(column)
            newer = f"case when {is_newer} then i.{column} else t.{column} end"
            sets.append(f"{column} = {newer if is_versioned else f'i.{column}'}")
            if column_name not in _PROVENANCE and not (column_name == _VOLATILE and _has_volatile(table)):
                differs = f"i.{column} is distinct from t.{column}"
                changed.append(f"({is_newer} and {differs})" if is_versioned else differs)
    newest = f"qualify row_number() over (partition by {keys} order by {newest_first}) = 1"
    if is_versioned:
        incoming.append("max(fetched_at) over () as newest_at")
    distinct = f"select *{', max(fetched_at) over () as newest_at' if is_versioned else ''} from incoming"
    source = distinct if is_distinct else f"select {', '.join(incoming)} from incoming {newest}"
    columns = [f'"{name}"' for name in table.columns]
    matched = f"when matched and ({' or '.join(changed)}) then update set {', '.join(sets)}" if changed else ""
    return f"""
        merge into {name} as t
        using ({source}) as i
        on {" and ".join(f't."{key}" = i."{key}"' for key in table.key)}
        {matched}
        when not matched then insert ({", ".join(columns)}) values ({", ".join(f"i.{column}" for column in columns)})
    """


class DuckDbWarehouse:
    """A Warehouse in one DuckDB file. `memory_limit`: most memory the engine takes before it spills to disk."""

    dialect = "duckdb"

    def __init__(
        self,
        path: Path,
        *,
        lock_dir: Path,
        timeout: float = 120.0,
        memory_limit: str = "256MB",
        threads: int = 2,
    ) -> None:
        self.path = path
        self._lock = lock_dir / f"{path.stem}.lock"
        self._timeout = timeout
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "storage_compatibility_version": "latest",
            "temp_directory": f"{path}.tmp",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        # By process: the threads of a parent's engine did not come along into its fork.
        self._engines: dict[int, duckdb.DuckDBPyConnection] = {}

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """Create the file and what it lacks."""
        with self.writing() as session:
            known: dict[str, set[str]] = {}
            for name, column in session.connection.execute(
                "select schema_name || '.' || table_name, column_name from duckdb_columns()"
                " where database_name = current_database()"
            ).fetchall():
                known.setdefault(name, set()).add(column)
            for table in tables:
                if not table.columns.keys() <= known.get(table.full_name(), set()):
                    session.create(table)

    @contextlib.contextmanager
    def reading(self) -> Iterator[DuckDbSession]:
        """Open read-only under the shared lock."""
        with file_lock(self._lock, exclusive=False, timeout=self._timeout), self._open(read_only=True) as session:
            yield session

    @contextlib.contextmanager
    def writing(self, *, source: DuckDbWarehouse | None = None) -> Iterator[DuckDbSession]:
        """Open for one transaction. With a `source`, its tables can be read as `live.<schema>.<table>` meanwhile."""
        with contextlib.ExitStack() as stack:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(file_lock(self._lock, exclusive=True, timeout=self._timeout))
            session = stack.enter_context(self._open(read_only=False))
            if source is not None:
                stack.enter_context(file_lock(source._lock, exclusive=False, timeout=self._timeout))  # noqa: SLF001
                path = str(source.path).replace("'", "''")
                session.connection.execute(f"attach '{path}' as {SOURCE_ALIAS} (read_only)")
                stack.callback(lambda: session.connection.execute(f"detach {SOURCE_ALIAS}"))
            session.connection.begin()
            try:
                yield session
            except BaseException:
                session.connection.rollback()
                raise
            session.connection.commit()

    @contextlib.contextmanager
    def _open(self, *, read_only: bool) -> Iterator[DuckDbSession]:
        engine = self._engines.pop(os.getpid(), None) or duckdb.connect(config=self._config)
        name, path = self.path.stem, str(self.path).replace("'", "''")
        try:
            with engine.cursor() as connection:
                connection.execute(f"attach '{path}' as \"{name}\" (read_{'only' if read_only else 'write'})")
                connection.execute(f'use "{name}"')
                connection.execute("set timezone = 'UTC'")
                # Gives idle memory back: for the whole process, until any engine in it closes. So it is said each time.
                connection.execute("set allocator_background_threads = true")
                yield DuckDbSession(connection)
            engine.execute(f'detach "{name}"')
        except BaseException:
            engine.close()  # whatever state it is in, the file is let go
            raise
        self._engines[os.getpid()] = engine
