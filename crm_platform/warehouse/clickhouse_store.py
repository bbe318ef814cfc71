"""The live warehouse in ClickHouse: commits without transactions, and a copy at hand for what computes in a file.

What belongs here: the port's promises, kept by a redo row. What does not: connections and values
(clickhouse_client.py), DDL (clickhouse.py), what a merge is (duckdb.py).

One commit at a time is written, under a lease of its own (`commit`). It gathers first: the stored rows of the keys that
come are asked for, and DuckDB merges them in memory, by the same statements as in its own file. What is another then is
what gets written:

1. one row of `_commits` that holds all of it: there as a whole, or not at all;
2. each table's rows, with the commit's number as their version, the journal of changes last;
3. the row of `_commits` again, without the rows: it is done.

Whoever commits next finds one that was not done, and does it again: of each key the newest version counts, so twice is
as good as once. Versions only grow. Who was taken for dead and goes on writing has an older one, and changes nothing
that was written since; its next commit is refused.

Rows that are no more are written as such (`_deleted`), without what they held; the server drops what was before them
when it merges its parts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from crm_platform.errors import Busy
from crm_platform.schemas import TABLES, Type, ops
from crm_platform.warehouse.clickhouse import DELETED, DIALECT, VERSION, create_live, live_name
from crm_platform.warehouse.clickhouse_client import ClickHouseClient
from crm_platform.warehouse.duckdb import PATIENCE, TYPES, DuckDbSession, scratch
from crm_platform.warehouse.journal import KEPT, note
from crm_platform.warehouse.locks import FileLeases
from crm_platform.warehouse.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from crm_platform.schemas import Column, Table
    from crm_platform.warehouse.clickhouse_client import Address
    from crm_platform.warehouse.port import Lease, Leases, Written

_COMMITS: Final = "_commits"
_BEGUN, _DONE = 1, 2
_CREATE_COMMITS: Final = """
    create table if not exists {database}._commits (
        version UInt64 codec(Delta, ZSTD(1)),
        stage UInt8,
        at DateTime64(6, 'UTC') codec(Delta, ZSTD(1)),
        work LowCardinality(String),
        holder String,
        tables Array(LowCardinality(String)),
        rows Array(String) codec(NONE)
    ) engine = ReplacingMergeTree(stage) order by version
"""
_CHANCE_BITS: Final = 20
"""Of a version: no two commits have one, also where two hosts do not know of each other's leases."""

_STORED: Final = "stored"
"""Schema of the scratch engine: rows as the server has them."""

_NOTHING: Final = {
    Type.TEXT: "''",
    Type.JSON: "''",
    Type.INTEGER: "0",
    Type.FLOAT: "0",
    Type.BOOLEAN: "false",
    Type.TIMESTAMP: "timestamp '1970-01-01'",
    Type.DATE: "date '1970-01-01'",
}
"""What stands in a column of a row that is no more, where NULL may not."""


class ClickHouseSession:
    """A Session: every query sees what is stored at that moment."""

    dialect = DIALECT

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run a SELECT."""
        return self._client.query(sql, parameters, tables=tables)

    def has(self, table: type[Table]) -> bool:
        """Whether there is such a table."""
        return live_name(table) in self._client.tables()


class ClickHouseCommit(ClickHouseSession):
    """What is to be committed: gathered in a scratch engine, held against what is stored."""

    def __init__(self, client: ClickHouseClient, scratch: DuckDbSession) -> None:
        super().__init__(client)
        self._scratch = scratch
        self._tables: list[type[Table]] = []

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        """Upsert by key."""
        self._fetch(table, rows)
        return self._scratch.merge(table, rows)

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows."""
        self._know(table)
        self._scratch.append(table, rows)

    def touch(self, table: type[Table], rows: pa.Table) -> None:
        """Set columns of stored rows."""
        self._fetch(table, rows)
        self._scratch.touch(table, rows)

    def erase(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove rows by one column."""
        gone = list(values)
        self._know(table)
        if gone:
            wanted = pa.table({"wanted": pa.array(gone, table.columns[column].arrow)})
            select = f'select * from {table.full_name()} where "{column}" in (select wanted from wanted_values)'
            self._hold(table, self.query(select, tables={"wanted_values": wanted}))
        self._scratch.erase(table, column=column, values=gone)

    def note_changes(self) -> int | None:
        """Note in the journal which chats are another; gives the commit's number there, None where it has none."""
        touched = self._scratch.touched
        if not touched.chats and not touched.others:
            return None
        self._know(ops.Changes)
        name = ops.Changes.full_name()
        self._hold(ops.Changes, self.query(f"select * from {name} order by number desc limit 1"))
        note(self._scratch, touched.chats, others=touched.others)
        newest = self._scratch.query(f"select max(number) as newest from {name}")
        return int(newest["newest"][0].as_py())

    def writes(self, version: int) -> dict[str, pa.Table]:
        """The rows to be written, by the name of their table, in the order that the tables were written to."""
        found = {table.full_name(): self._differing(table, version) for table in self._tables}
        return {name: rows for name, rows in found.items() if rows.num_rows}

    def _know(self, table: type[Table]) -> None:
        """Have the table in the scratch engine, twice: as it is stored, and as it is to be."""
        if table not in self._tables:
            self._tables.append(table)
            self._scratch.create(table)
            self._scratch.execute(f"create schema if not exists {_STORED}")
            self._scratch.execute(f"create table {_stored(table)} as from {table.full_name()}")

    def _fetch(self, table: type[Table], rows: pa.Table) -> None:
        """Ask for the stored rows of the keys of these rows."""
        self._know(table)
        if not rows.num_rows:
            return
        keys = rows.select(list(table.key)).group_by(list(table.key)).aggregate([])
        named = ", ".join(f'"{key}"' for key in table.key)
        select = f"select * from {table.full_name()} where ({named}) in (select {named} from wanted_keys)"
        self._hold(table, self.query(select, tables={"wanted_keys": keys}))

    def _hold(self, table: type[Table], found: pa.Table) -> None:
        """Put stored rows into the scratch engine; those that it has stay as they are."""
        keys = ", ".join(f'"{key}"' for key in table.key)
        with self._scratch.shown({"found": found}):
            unknown = f"select * from found anti join {_stored(table)} using ({keys})"
            self._scratch.execute(f"insert into {table.full_name()} by name {unknown}")
            self._scratch.execute(f"insert into {_stored(table)} by name {unknown}")

    def _differing(self, table: type[Table], version: int) -> pa.Table:
        """Rows that are not as they are stored, and those that are to be no more."""
        name, stored = table.full_name(), _stored(table)
        keys = ", ".join(f'"{key}"' for key in table.key)
        columns = ", ".join(f'"{column}"' for column in table.columns)
        gone = ", ".join(f'"{one}"' if one in table.key else _nothing(column) for one, column in table.columns.items())
        rows = self._scratch.query(
            f"""
            select {columns}, 0 as {DELETED} from (from {name} except from {stored})
            union all
            select {gone}, 1 from {stored} anti join {name} using ({keys})
            """
        )
        arrays = {one: rows[one].cast(column.arrow) for one, column in table.columns.items()}
        arrays[DELETED] = rows[DELETED].cast(pa.uint8())
        arrays[VERSION] = pa.array([version] * rows.num_rows, pa.uint64())
        return pa.table(arrays)


def _nothing(column: Column) -> str:
    return "null" if column.nullable else f"cast({_NOTHING[column.type]} as {TYPES[column.type]})"


def _stored(table: type[Table]) -> str:
    return f'{_STORED}."{table.full_name()}"'


@dataclass(frozen=True, slots=True)
class Redo:
    """A commit that may be half done. `holder`: whose, as told by `recover`."""

    version: int
    work: str
    holder: str
    writes: Mapping[str, pa.Table] = field(repr=False)


class ClickHouseWarehouse:
    """A Warehouse in one database of a ClickHouse server. `timeout`: seconds to wait for others who commit.

    `mirror`: the file in which a copy is kept for builds, see `at_hand`.
    """

    dialect = DIALECT

    def __init__(
        self,
        address: Address,
        *,
        lock_dir: Path,
        mirror: Path,
        timeout: float = PATIENCE,
        leases: Leases | None = None,
    ) -> None:
        self.leases: Leases = leases or FileLeases(lock_dir)
        self.client = ClickHouseClient(address)
        self._lock_dir = lock_dir
        self._mirror = mirror
        self._timeout = timeout
        self._database = address.database
        self._holders: dict[Lease, str] = {}

    def exists(self) -> bool:
        """Whether the database holds our tables."""
        return _COMMITS in self.client.tables()

    def describe(self) -> str:
        """Name the server and the database."""
        return str(self.client.address)

    def state(self) -> str:
        """The newest commit that changed anything."""
        return f"commit {self._number('maxIf(version, notEmpty(tables))')}" if self.exists() else "none"

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """Make the database, the tables and the columns that are not there."""
        known = self.client.tables()
        if not known:
            self.client.execute(f"create database if not exists {self._database}")
        if _COMMITS not in known:
            self.client.execute(_CREATE_COMMITS.format(database=self._database))
        for table in tables:
            for statement in create_live(table, self._database, known.get(live_name(table), ())):
                self.client.execute(statement)

    @contextlib.contextmanager
    def reading(self) -> Iterator[ClickHouseSession]:
        """Open for reading."""
        yield ClickHouseSession(self.client)

    @contextlib.contextmanager
    def committing(self, holder: Lease) -> Iterator[ClickHouseCommit]:
        """Open for one commit; others wait meanwhile."""
        with self._one_at_a_time(f"a commit ({holder.work})") as turn, scratch() as engine:
            self._refuse_the_dead(holder)
            commit = self.commit_of(engine)
            yield commit
            number = commit.note_changes()
            writes = commit.writes(turn.version)
            self.carry_out(Redo(turn.version, holder.work, self._holders.get(holder, ""), writes))
            if number is not None and number % KEPT == 0:
                changes = f"{self._database}.{live_name(ops.Changes)}"
                self.client.execute(f"delete from {changes} where number <= {number - KEPT}")

    def recover(self, holder: Lease) -> None:
        """Finish what a killed holder left half done, and be the holder from now on."""
        with self._one_at_a_time(f"a look at what was left ({holder.work})") as turn:
            token = secrets.token_hex(8)
            self._note(Redo(turn.version, holder.work, token, {}), _DONE)
            self._holders = {lease: held for lease, held in self._holders.items() if lease.work != holder.work}
            self._holders[holder] = token

    def commit_of(self, scratch: DuckDbSession) -> ClickHouseCommit:
        """Begin a commit."""
        return ClickHouseCommit(self.client, scratch)

    def carry_out(self, redo: Redo) -> None:
        """Write a commit."""
        for _ in self.steps(redo):
            pass

    replay = carry_out

    def steps(self, redo: Redo) -> Iterator[str]:
        """Write a commit step by step; gives what was done after each."""
        if redo.writes:
            self._note(redo, _BEGUN)
        yield "redo"
        for name, rows in redo.writes.items():
            self.client.insert(live_name(TABLES[name]), rows)
            yield name
        if redo.writes:
            self._note(redo, _DONE)
        yield "done"

    def at_hand(self) -> Mirror:
        """Bring the copy of this host up to date: whole commits alone, of those that it has not seen."""
        mirror = Mirror(self._mirror, client=self.client, lock_dir=self._lock_dir, timeout=self._timeout)
        known = mirror.version
        if known is None or self._commits_until(known.version) != known.commits:
            with self._one_at_a_time("a copy for builds begins") as turn:
                until = turn.newest
            mirror.begin(until, commits=self._commits_until(until))  # without the lease: it may take minutes
        with self._one_at_a_time("a copy for a build") as turn:
            mirror.go_on(turn.newest, commits=self._commits_until(turn.newest))
            mirror.stands_for = self.state()
        return mirror

    @contextlib.contextmanager
    def _one_at_a_time(self, purpose: str) -> Iterator[_Turn]:
        """Be the only one who commits, with all commits before done."""
        with self.leases.take("commit", purpose=purpose, wait=self._timeout) as lease:
            (found,) = self.client.query(
                f"select max(version) as newest, groupArrayIf(version, stage = {_BEGUN}) as begun"
                f" from {self._database}.{_COMMITS}"
            ).to_pylist()
            for version in sorted(found["begun"] or ()):
                self.replay(self._redo(version))
            newest = found["newest"] or 0
            # The lease's number tells it from one that was taken for dead; after a loss of the folder it begins anew.
            number = max(lease.epoch, (newest >> _CHANCE_BITS) + 1)
            yield _Turn(newest, version=(number << _CHANCE_BITS) + secrets.randbits(_CHANCE_BITS))

    def _refuse_the_dead(self, holder: Lease) -> None:
        """Raise Busy for a holder that another one has taken for dead."""
        mine = self._holders.get(holder)
        if mine is None:
            return
        commits = f"{self._database}.{_COMMITS}"
        last = f"select argMax(holder, version) as last from {commits} where work = ? and holder != ''"
        if self.client.query(last, [holder.work])["last"].to_pylist() != [mine]:
            raise Busy(f"the lease {holder.work} is another process's by now")

    def _note(self, redo: Redo, stage: int) -> None:
        """Write the row of `_commits`, one row in one insert: there as a whole, or not at all."""
        rows = [_packed(rows) for rows in redo.writes.values()] if stage == _BEGUN else []
        texts = pa.list_(pa.string())
        self.client.insert(
            _COMMITS,
            pa.table(
                {
                    "version": pa.array([redo.version], pa.uint64()),
                    "stage": pa.array([stage], pa.uint8()),
                    "at": pa.array([dt.datetime.now(dt.UTC)], pa.timestamp("us")),
                    "work": [redo.work],
                    "holder": [redo.holder],
                    "tables": pa.array([list(redo.writes)], texts),
                    "rows": pa.array([rows], pa.list_(pa.binary())),
                }
            ),
        )

    def _redo(self, version: int) -> Redo:
        (row,) = self.client.raw(
            f"select work, holder, tables, rows from {self._database}.{_COMMITS} where version = {version}"
        ).to_pylist()
        names = [name.decode() for name in row["tables"]]
        writes = {name: _unpacked(rows) for name, rows in zip(names, row["rows"], strict=True)}
        return Redo(version, row["work"].decode(), row["holder"].decode(), writes)

    def _number(self, expression: str) -> int:
        return int(self.client.query(f"select {expression} as n from {self._database}.{_COMMITS}")["n"][0].as_py() or 0)

    def _commits_until(self, version: int) -> int:
        return self._number(f"countIf(version <= {version})")


@dataclass(frozen=True, slots=True)
class _Turn:
    """To commit is ours. `newest`: the last commit, which is done; `version`: of the one that is made now."""

    newest: int
    version: int


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _unpacked(packed: bytes) -> pa.Table:
    with pa.ipc.open_stream(packed) as reader:
        return reader.read_all()
