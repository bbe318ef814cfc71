"""The embedded engine: one DuckDB file, opened for one short piece of work at a time.

What belongs here: opening and locking the file, declared types as DuckDB types, the merge. It is the only place of the
product that calls `duckdb.connect` on a live file. What does not: what is stored, KPI logic.

DuckDB allows one writing process or many readers for a file. So every session opens the file under a reader/writer lock
between processes and closes it at the end. Nobody may hold a session while waiting for the network. Between sessions
the engine is kept without a file: starting it takes 15 ms of CPU, attaching a file less than one.

When another program holds the file without that lock (a DuckDB shell, a notebook), a session waits a while and then
names it. An error says in one line why a file cannot be opened. A damaged file whose content follows from other files
(`is_derived`) is removed and made anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Final

import duckdb

from crm_platform.errors import Busy, CrmPlatformError, Discarded, FixConfiguration, GiveUp, no_room, no_room_in
from crm_platform.schemas import Type, ops, raw
from crm_platform.warehouse.folder import keep_private, state_of
from crm_platform.warehouse.journal import ANY, Touched, chat_column, note
from crm_platform.warehouse.locks import FileLeases, file_lock
from crm_platform.warehouse.port import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from crm_platform.schemas import Table
    from crm_platform.warehouse.port import Lease, Leases, Warehouse

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

# Fields beyond the contract may differ each time a record is sent: the newest are kept, and they count as no change.
_VOLATILE = "extra"
# Of versions in one batch; two that were fetched at one instant differ by their requests.
_NEWEST_FIRST = "fetched_at desc, fetch_id desc"
# How much later than a batch a stored version may be: the commits of two processes may overtake each other by so much.
_CLOCK_SLACK = "interval 5 minutes"
_log = logging.getLogger(__name__)

# Seconds to wait for a program that holds the file without our lock. It may hold it for days.
_STRANGERS_PATIENCE: Final = 15.0
_LOOK_AGAIN: Final = 0.1

_HELD: Final = "Could not set lock on file"
_HOLDER: Final = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_DAMAGED: Final = (
    "Corrupt database file",
    "Could not read enough bytes",
    "not a valid DuckDB database file",
    "Failure while replaying WAL",
    "Failed to load metadata pointer",
)

PATIENCE: Final = 120.0
"""Seconds to wait for others."""

# Bytes that are enough for what is written and asked row by row, or chat by chat.
SMALL: Final = 256_000_000

# The other file, while a writing session reads from it. Not `raw`: a catalogue and a schema of one name clash.
SOURCE_ALIAS = "live"


class DuckDbSession:
    """A Session on an open connection."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, memory: int = SMALL) -> None:
        self.connection = connection
        self.memory = memory
        self.touched = Touched()

    @contextlib.contextmanager
    def beside(self) -> Iterator[DuckDbSession]:
        """Another session on the same file, for another thread: it sees what is committed."""
        ((name,),) = self.connection.execute("select current_database()").fetchall()
        with _cursor(self.connection, name) as connection:
            yield DuckDbSession(connection, memory=self.memory)

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run a SELECT."""
        with self.shown(tables or {}):
            return self.connection.sql(sql, params=list(parameters)).to_arrow_table()

    def has(self, table: type[Table]) -> bool:
        """Whether there is such a table."""
        found = self.connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database()"
            " and schema_name = ? and table_name = ?",
            [table.schema, table.table],
        )
        return bool(found.fetchall())

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement."""
        # To the end: a count of rows that nobody reads would stand in the way of what comes next.
        self.connection.execute(sql, list(parameters)).fetchall()

    @contextlib.contextmanager
    def shown(self, tables: Mapping[str, pa.Table]) -> Iterator[None]:
        """Let SQL read rows by a name."""
        for name, rows in tables.items():
            self.connection.register(name, rows)
        try:
            yield
        finally:
            for name in tables:
                self.connection.unregister(name)

    def create(self, table: type[Table]) -> None:
        """Create the table, or add the columns it lacks."""
        self.connection.execute(f"create schema if not exists {table.schema}")
        self.connection.execute(f"create table if not exists {table.full_name()} ({_definition(table)})")
        columns = self.connection.execute("select name from pragma_table_info(?)", [table.full_name()]).fetchall()
        known = {name for (name,) in columns}
        for name, column in table.columns.items():
            if name not in known:
                self.connection.execute(f'alter table {table.full_name()} add column "{name}" {TYPES[column.type]}')

    def replace(self, table: type[Table], select: str) -> int:
        """Make the table hold just the rows of a SELECT; its columns are matched by name."""
        self.connection.execute(f"create schema if not exists {table.schema}")
        self.connection.execute(f"create or replace table {table.full_name()} ({_definition(table)})")
        return self.extend(table, select)

    def extend(self, table: type[Table], select: str) -> int:
        """Add the rows of a SELECT; its columns are matched by name."""
        names = ", ".join(f'"{name}"' for name in table.columns)
        # Read to the end: the connection refuses other work while a result is only half read.
        ((inserted,),) = self.connection.execute(
            f"insert into {table.full_name()} ({names}) select {names} from ({select})"
        ).fetchall()
        return int(inserted)

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        """Upsert by key in one pass."""
        if rows.num_rows == 0:
            return Written()
        keys = ", ".join(f'"{key}"' for key in table.key)
        with self.shown({"incoming": rows}):
            ((distinct,),) = self.connection.execute(
                f"select count(*) from (select distinct {keys} from incoming)"
            ).fetchall()
            is_distinct = distinct == rows.num_rows
            left = self._chats_left(table)
            written = self.connection.execute(_merge_sql(table, is_distinct=is_distinct)).fetchall()
            inserted = sum(is_new for is_new, _ in written)
            if len(written) < distinct and _has_volatile(table):
                self.connection.execute(_freshen_sql(table, is_distinct=is_distinct))
        if written and chat_column(table) is not None:
            self.touched.named(table, [*left, *(chat for _, chat in written)])
        return Written(inserted=inserted, updated=len(written) - inserted, unchanged=distinct - len(written))

    def _chats_left(self, table: type[Table]) -> list[str]:
        """The chats of stored rows whose incoming versions are another chat's, as events of a number that moved are."""
        if table not in raw.BY_CHAT or "chat_id" in table.key:
            return []
        matched = " and ".join(f't."{key}" = i."{key}"' for key in table.key)
        found = self.connection.execute(
            f"select distinct t.chat_id from {table.full_name()} as t join incoming as i on {matched}"
            " where t.chat_id is not null and t.chat_id is distinct from i.chat_id"
        )
        return [chat_id for (chat_id,) in found.fetchall()]

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows."""
        if rows.num_rows:
            self.touched.rows(table, rows)
            with self.shown({"incoming": rows}):
                self.connection.execute(f"insert into {table.full_name()} by name select * from incoming")

    def touch(self, table: type[Table], rows: pa.Table) -> None:
        """Set columns of stored rows."""
        if rows.num_rows:
            self.touched.rows(table, rows)
            self.touched.rewritten(table)
            sets = ", ".join(f'"{name}" = i."{name}"' for name in rows.column_names if name not in table.key)
            matched = " and ".join(f't."{key}" = i."{key}"' for key in table.key)
            with self.shown({"incoming": rows}):
                self.connection.execute(
                    f"update {table.full_name()} as t set {sets} from incoming as i where {matched}"
                )

    def erase(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove rows by one column."""
        gone = list(values)
        if gone:
            self.touched.values(table, column=column, values=gone)
            self.touched.rewritten(table)
        self.connection.execute(f'delete from {table.full_name()} where "{column}" in (select unnest(?))', [gone])


@contextlib.contextmanager
def _cursor(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Another connection to the same engine, to one of its files."""
    with connection.cursor() as other:
        other.execute(f'use "{database}"')
        other.execute("set timezone = 'UTC'")
        yield other


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
    newest = "" if is_distinct else f"qualify row_number() over (partition by {keys} order by {_NEWEST_FIRST}) = 1"
    return f"""
        update {table.full_name()} as t set {_VOLATILE} = i.{_VOLATILE}
        from (select {keys}, {_VOLATILE}, fetched_at from incoming {newest}) as i
        where {" and ".join(f't."{key}" = i."{key}"' for key in table.key)}
            and i.fetched_at >= t.fetched_at and i.{_VOLATILE} is distinct from t.{_VOLATILE}
    """


def _merge_sql(table: type[Table], *, is_distinct: bool) -> str:
    """One MERGE: what is new is inserted, what changed is updated, what is known is left alone.

    It gives a row for each that was written: whether it is new, and of which chat, where the journal knows that.

    `is_distinct`: no key comes twice, so nobody has to look for each key's newest version.
    """
    name = table.full_name()
    keys = ", ".join(f'"{key}"' for key in table.key)
    is_versioned = "fetched_at" in table.columns
    newest_first = _NEWEST_FIRST if is_versioned else "1"
    # A stored version that is later than all of this batch was written by a clock that has been set back since. Then
    # the order of commits decides; otherwise that version would win until the clock reaches its time again.
    is_newer = f"(i.fetched_at >= t.fetched_at or t.fetched_at > i.newest_at + {_CLOCK_SLACK})"
    incoming, values, sets, differs, further = [], [], [], [], []
    for column_name, declared in table.columns.items():
        column = f'"{column_name}"'
        if column_name in table.key or declared.merge == "decided":
            incoming.append(column)
        elif declared.merge == "first":
            incoming.append(f"min({column}) over (partition by {keys}) as {column}")
            sets.append(f"{column} = least(t.{column}, i.{column})")
        elif declared.merge == "status":
            rank = STATUS_RANK.format(column)
            incoming.append(
                f"first_value({column}) over (partition by {keys} order by {rank} desc, {newest_first}) as {column}"
            )
            is_further = f"{STATUS_RANK.format(f'i.{column}')} > {STATUS_RANK.format(f't.{column}')}"
            sets.append(f"{column} = case when {is_further} then i.{column} else t.{column} end")
            further.append(is_further)
        else:
            incoming.append(column)
            values.append(f"{column} = i.{column}")
            if column_name not in _PROVENANCE and not (column_name == _VOLATILE and _has_volatile(table)):
                differs.append(f"i.{column} is distinct from t.{column}")
    newest = f"qualify row_number() over (partition by {keys} order by {newest_first}) = 1"
    if is_versioned:
        incoming.append("max(fetched_at) over () as newest_at")
    distinct = f"select *{', max(fetched_at) over () as newest_at' if is_versioned else ''} from incoming"
    source = distinct if is_distinct else f"select {', '.join(incoming)} from incoming {newest}"
    columns = [f'"{name}"' for name in table.columns]
    changed, newer = " or ".join([*differs, *further]), f"{is_newer} and " if is_versioned else ""
    matched = f"when matched and {newer}({changed}) then update set {', '.join([*values, *sets])}" if changed else ""
    if is_versioned and further:  # an older version may be further
        matched += f" when matched and ({' or '.join(further)}) then update set {', '.join(sets)}"
    return f"""
        merge into {name} as t
        using ({source}) as i
        on {" and ".join(f't."{key}" = i."{key}"' for key in table.key)}
        {matched}
        when not matched then insert ({", ".join(columns)}) values ({", ".join(f"i.{column}" for column in columns)})
        returning merge_action = 'INSERT', {chat_column(table) or "null"}
    """


class DuckDbWarehouse:
    """A Warehouse in one DuckDB file. `memory`: bytes that the engine takes at most before it spills to disk.

    `timeout`: seconds to wait for others. `leases`: files in `lock_dir`, where there are no others. `is_derived`: its
    content follows from other files, so a damaged one is removed and made anew. Opening raises Busy (somebody has the
    file), FixConfiguration (it is not there, or is not ours to open) and GiveUp (it is damaged); Discarded for a
    derived file that is found damaged while it is used.
    """

    dialect = "duckdb"

    def __init__(
        self,
        path: Path,
        *,
        lock_dir: Path,
        timeout: float = PATIENCE,
        memory: int = SMALL,
        threads: int = 2,
        is_derived: bool = False,
        leases: Leases | None = None,
    ) -> None:
        self.path = path
        self.leases = leases or FileLeases(lock_dir)
        self._is_derived = is_derived
        self._lock = lock_dir / f"{path.stem}.lock"
        self._timeout = timeout
        self._memory = memory
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory}B",
            "threads": threads,
            "storage_compatibility_version": "latest",
            "temp_directory": f"{path}.tmp",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        # By process: a forked child does not have the threads of its parent's engine.
        self._engines: dict[int, duckdb.DuckDBPyConnection] = {}
        self._held: dict[int, duckdb.DuckDBPyConnection] = {}

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def describe(self) -> str:
        """Name the file."""
        return str(self.path)

    def state(self) -> str:
        """Inode, size and time of the file and of its log."""
        return " ".join(map(state_of, (self.path, self.path.with_name(f"{self.path.name}.wal"))))

    def at_hand(self) -> DuckDbWarehouse:
        """Give the file itself."""
        return self

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """Create the file and what it lacks."""
        with self._transaction() as session:
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
    def held(self) -> Iterator[None]:
        """Keep the file open, and to this process, over all sessions until the end: opening it for each costs more.

        For what a build computes in: others wait until the end, and nobody should wait so long for the live file. One
        thread holds it. Held already, it stays so.
        """
        process = os.getpid()
        if process in self._held:
            yield
            return
        keep_private(self.path.parent)
        with (
            file_lock(self._lock, exclusive=True, timeout=self._timeout),
            self._open(read_only=False) as session,
        ):
            self._held[process] = session.connection
            try:
                yield
            finally:
                del self._held[process]

    @contextlib.contextmanager
    def reading(self) -> Iterator[DuckDbSession]:
        """Open read-only under the shared lock."""
        with self._opened(read_only=True) as session:
            yield session

    @contextlib.contextmanager
    def committing(self, holder: Lease) -> Iterator[DuckDbSession]:  # noqa: ARG002 - the port's
        """Open for one transaction, which notes the chats that it changes."""
        with self._transaction() as session:
            yield session
            note(session, session.touched.chats, others=session.touched.others)

    def recover(self, holder: Lease) -> None:
        """Nothing is left half done: a transaction is committed or not, and the engine mends the file."""

    @contextlib.contextmanager
    def writing(self, *, source: Warehouse | None = None) -> Iterator[DuckDbSession]:
        """Open for one transaction. With a `source`, its tables can be read as `live.<schema>.<table>` meanwhile.

        What is written so to a warehouse may be of any chat.
        """
        with self._transaction(source=source) as session:
            yield session
            if not self._is_derived and session.has(ops.Changes):
                note(session, [ANY])

    @contextlib.contextmanager
    def _transaction(self, *, source: Warehouse | None = None) -> Iterator[DuckDbSession]:
        with contextlib.ExitStack() as stack:
            keep_private(self.path.parent)
            session = stack.enter_context(self._opened(read_only=False))
            if source is not None:
                assert isinstance(source, DuckDbWarehouse), "a file reads from a file"
                stack.enter_context(file_lock(source._lock, exclusive=False, timeout=self._timeout))  # noqa: SLF001
                source._attach(session.connection, SOURCE_ALIAS, read_only=True)  # noqa: SLF001
                stack.callback(lambda: session.connection.execute(f"detach {SOURCE_ALIAS}"))
            session.connection.begin()
            try:
                yield session
            except BaseException:
                session.connection.rollback()
                raise
            session.connection.commit()

    @contextlib.contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[DuckDbSession]:
        """A session under the lock: on the file that is held, else on one that is opened for it."""
        held = self._held.get(os.getpid())
        if held is None:
            with (
                file_lock(self._lock, exclusive=not read_only, timeout=self._timeout),
                self._open(read_only=read_only) as session,
            ):
                yield session
            return
        with _cursor(held, self.path.stem) as connection:
            yield DuckDbSession(connection, memory=self._memory)

    @contextlib.contextmanager
    def _open(self, *, read_only: bool) -> Iterator[DuckDbSession]:
        engine = self._engines.pop(os.getpid(), None) or duckdb.connect(config=self._config)
        name = self.path.stem
        try:
            with engine.cursor() as connection:
                self._attach(connection, name, read_only=read_only)
                connection.execute(f'use "{name}"')
                connection.execute("set timezone = 'UTC'")
                # Gives idle memory back. It holds for the whole process until any engine in it closes, so it is set
                # each time.
                connection.execute("set allocator_background_threads = true")
                yield DuckDbSession(connection, memory=self._memory)
            engine.execute(f'detach "{name}"')
        except BaseException as problem:
            engine.close()  # whatever its state, the file must be closed
            if not isinstance(problem, duckdb.Error):
                raise
            if _is_damage(problem):
                raise self._damaged(problem) from problem
            if why := no_room_in(str(problem)):
                raise no_room(self.path, why) from problem
            raise
        self._engines[os.getpid()] = engine

    def _attach(self, connection: duckdb.DuckDBPyConnection, alias: str, *, read_only: bool) -> None:
        """Attach the file; wait for a program that holds it without our lock."""
        path = str(self.path).replace("'", "''")
        attach = f"attach '{path}' as \"{alias}\" (type duckdb, read_{'only' if read_only else 'write'})"
        give_up_at = time.monotonic() + min(self._timeout, _STRANGERS_PATIENCE)
        while True:
            try:
                connection.execute(attach)
            except duckdb.Error as problem:
                if _HELD not in str(problem):
                    if not read_only and self._is_derived and _is_damage(problem) and self.path.is_file():
                        self._discard(problem)
                        continue
                    raise self._unusable(problem) from problem
                if time.monotonic() >= give_up_at:
                    found = _HOLDER.search(str(problem))
                    holder = f"process {found['pid']} ({found['program']})" if found else "an unknown process"
                    raise Busy(f"another program holds {self.path} open: end it first", holder=holder) from problem
                time.sleep(_LOOK_AGAIN)
            else:
                return

    def _unusable(self, problem: duckdb.Error) -> CrmPlatformError:
        """Say in a line why the file cannot be opened, and what to do."""
        path, words = self.path, _first_line(problem)
        if path.is_dir():
            return FixConfiguration(f"{path} is a folder where a database file belongs: move it away")
        if not path.exists():
            return FixConfiguration(
                f"{path} is not there ({words}): nothing was fetched yet (`crm refresh`), its disk is not mounted, or"
                " CRM_DATA_DIR names another folder"
                if not words.startswith("Cannot open file")
                else f"{path} cannot be made ({words}): set CRM_DATA_DIR to a folder of yours"
            )
        try:
            with path.open("rb"):
                pass
        except OSError as refused:
            return FixConfiguration(f"{path} cannot be read ({refused.strerror}): give it back to who runs this")
        if _is_damage(problem):
            return self._damaged(problem)
        if "version" in words:
            return FixConfiguration(f"{path} was written by another version of DuckDB ({words}): update crm_platform")
        return GiveUp(f"{path} cannot be opened: {words}")

    def _damaged(self, problem: duckdb.Error) -> CrmPlatformError:
        """Say that the file is damaged, and remove it if it is derived."""
        if self._is_derived and self.path.is_file():
            self._discard(problem)
            return Discarded(f"{self.path} was damaged and is removed: the next build makes it anew")
        return GiveUp(
            f"{self.path} is damaged, or no DuckDB file ({_first_line(problem)}): restore it from a backup, or move it"
            " away and fetch everything anew with `crm refresh`"
        )

    def _discard(self, problem: duckdb.Error) -> None:
        _log.warning("%s is damaged (%s) and made anew", self.path, _first_line(problem))
        for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch() -> Iterator[DuckDbSession]:
    """A session on an engine without a file: what is put there is gone at the end."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": f"{SMALL}B",
        "preserve_insertion_order": False,
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("set timezone = 'UTC'")
        yield DuckDbSession(connection)


def ask(sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """Run a SELECT, in DuckDB's words, over rows of the caller's alone."""
    with scratch() as session:
        return session.query(sql, tables=tables)


def _is_damage(problem: duckdb.Error) -> bool:
    return any(sign in str(problem) for sign in _DAMAGED)


def _first_line(problem: duckdb.Error) -> str:
    """DuckDB's own message, without the kind of error, and without the path, which the reader knows already."""
    line = str(problem).partition("\n")[0]
    return re.sub(r'^[A-Z]\w+ Error: |( from)?( file)? "/[^"]*"', "", line)[:200]
