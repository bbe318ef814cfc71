"""A store without transactions, in memory: what the port promises, kept by a redo row alone.

What belongs here: a Warehouse of plain dictionaries that writes a commit table by table, in whatever order, and may be
left at any step. What does not: who is killed, and when (simulation/).

A commit is first written as one redo row, which is there whole or not at all. Then it goes into the tables, one after
the other, and at last it is marked as done, by taking the redo row away. Who finds one does the same again: rows go in
by key with the commit's version, and never in the place of a later one. So a holder that was taken for dead, and was
not, changes nothing any more.

Reads are SQL, as everywhere: DuckDB answers them over what is in the tables at that moment, no more.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from crm_platform.errors import Busy
from crm_platform.schemas import Table, Type
from crm_platform.warehouse import DuckDbWarehouse, FileLeases, Lease, Written
from crm_platform.warehouse.port import Work

Row = dict[str, object]
Key = tuple[object, ...]
Writes = dict[type[Table], dict[Key, Row | None]]
"""Rows to be stored by table and key; None: the row is to be no more."""

SLACK = dt.timedelta(minutes=5)
RANK = {"sent": 1, "delivered": 2, "read": 3, "failed": 4}
PROVENANCE = {"fetched_at", "fetch_id", "first_fetched_at", "first_fetch_id"}


@dataclass(frozen=True)
class Redo:
    """A commit that may be half done."""

    version: int
    work: Work
    writes: Writes


@dataclass
class MemoryStore:
    """What stays when a process is gone. `order`: chance, which decides in what order tables are written."""

    order: random.Random = field(default_factory=random.Random)
    tables: dict[type[Table], dict[Key, tuple[int, Row | None]]] = field(default_factory=dict)
    redo: dict[int, Redo] = field(default_factory=dict)
    epochs: dict[Work, int] = field(default_factory=dict)
    last_version: int = 0

    def __post_init__(self) -> None:
        self._changed: set[type[Table]] = set()
        self._engine = duckdb.connect(config={"threads": 1})
        self._engine.execute("set timezone = 'UTC'")

    def prepare(self, table: type[Table]) -> None:
        if table in self.tables:
            return
        self.tables[table] = {}
        self._changed.add(table)
        self._show()
        columns = ", ".join(
            f'cast("{name}" as json) as "{name}"' if column.type is Type.JSON else f'"{name}"'
            for name, column in table.columns.items()
        )
        self._engine.execute(f"create schema if not exists {table.schema}")
        self._engine.execute(f'create view {table.full_name()} as select {columns} from "{table.full_name()}"')

    def rows(self, table: type[Table]) -> list[Row]:
        return [row for _, row in self.tables[table].values() if row is not None]

    def query(self, sql: str, parameters: Sequence[object], tables: Mapping[str, pa.Table]) -> pa.Table:
        self._show()
        for name, rows in tables.items():
            self._engine.register(name, rows)
        try:
            return self._engine.sql(sql, params=list(parameters)).to_arrow_table()
        finally:
            for name in tables:
                self._engine.unregister(name)

    def _show(self) -> None:
        for table in self._changed:
            self._engine.register(table.full_name(), table.rows(self.rows(table)))
        self._changed.clear()

    def next_version(self) -> int:
        self.last_version += 1
        return self.last_version

    def steps(self, redo: Redo) -> Iterator[str]:
        """Carry a commit out, step by step; gives what was done after each."""
        self.redo[redo.version] = redo
        yield "redo"
        for table in self.order.sample(list(redo.writes), len(redo.writes)):
            stored = self.tables[table]
            for key, row in redo.writes[table].items():
                if key not in stored or stored[key][0] <= redo.version:
                    stored[key] = redo.version, row
            self._changed.add(table)
            yield table.full_name()
        self.redo.pop(redo.version, None)
        yield "done"


class MemoryCommit:
    """What is to be committed: gathered first, against what is stored."""

    dialect = "duckdb"

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.writes: Writes = defaultdict(dict)

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        return self._store.query(sql, parameters, tables or {})

    def has(self, table: type[Table]) -> bool:
        return table in self._store.tables

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        written = Written()
        incoming = rows.to_pylist()
        newest_at = (
            max((row["fetched_at"] for row in incoming), default=None) if "fetched_at" in table.columns else None
        )
        for key, versions in _by_key(table, incoming).items():
            new, stored = _of_one_key(table, versions), self._stored(table, key)
            if stored is None:
                self.writes[table][key] = new
                written += Written(inserted=1)
                continue
            merged = _merged(table, stored, new, newest_at)
            if merged is not None:
                written += Written(updated=1)
            else:
                written += Written(unchanged=1)
                merged = _freshened(table, stored, new)
            if merged is not None:
                self.writes[table][key] = merged
        return written

    def append(self, table: type[Table], rows: pa.Table) -> None:
        for row in rows.to_pylist():
            self.writes[table][_key(table, row)] = {name: row.get(name) for name in table.columns}

    def touch(self, table: type[Table], rows: pa.Table) -> None:
        for row in rows.to_pylist():
            stored = self._stored(table, _key(table, row))
            if stored is not None:
                self.writes[table][_key(table, row)] = stored | row

    def erase(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        gone = set(values)
        for row in self._store.rows(table):
            key = _key(table, row)
            now = self._stored(table, key)
            if now is not None and now[column] in gone:
                self.writes[table][key] = None

    def _stored(self, table: type[Table], key: Key) -> Row | None:
        written = self.writes[table]
        return written[key] if key in written else self._store.tables[table].get(key, (0, None))[1]


class MemoryWarehouse:
    """The store as one process holds it."""

    dialect = "duckdb"

    def __init__(self, store: MemoryStore, *, lock_dir: Path) -> None:
        self.store = store
        self.leases = FileLeases(lock_dir)

    def exists(self) -> bool:
        return bool(self.store.tables)

    def describe(self) -> str:
        return "memory"

    def state(self) -> str:
        return str(self.store.last_version)

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        for table in tables:
            self.store.prepare(table)

    @contextlib.contextmanager
    def reading(self) -> Iterator[MemoryCommit]:
        yield MemoryCommit(self.store)

    @contextlib.contextmanager
    def committing(self, holder: Lease) -> Iterator[MemoryCommit]:
        # The version first: who is taken for dead from here on has an earlier one than whoever comes after.
        version = self.store.next_version()
        if self.store.epochs.get(holder.work, 0) > holder.epoch:
            raise Busy(f"the lease {holder.work} is another process's by now")
        commit = self.commit_of()
        yield commit
        self.carry_out(Redo(version, holder.work, {table: rows for table, rows in commit.writes.items() if rows}))

    def recover(self, holder: Lease) -> None:
        self.store.epochs[holder.work] = max(holder.epoch, self.store.epochs.get(holder.work, 0))
        for version in sorted(self.store.redo):
            if self.store.redo[version].work == holder.work:
                self.replay(self.store.redo[version])

    def commit_of(self) -> MemoryCommit:
        return MemoryCommit(self.store)

    def carry_out(self, redo: Redo) -> None:
        for _ in self.store.steps(redo):
            pass

    replay = carry_out


def copy_to_duckdb(store: MemoryStore, into: DuckDbWarehouse) -> None:
    """Put every row into a file."""
    into.prepare(store.tables)
    with into.writing() as session:
        for table in store.tables:
            session.append(table, table.rows(store.rows(table)))


# The merge of the port, rule by rule.


def _key(table: type[Table], row: Row) -> Key:
    return tuple(row[name] for name in table.key)


def _by_key(table: type[Table], rows: Iterable[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(_key(table, row), []).append(row)
    return found


def _rank(status: object) -> int:
    return RANK.get(str(status), 0)


def _least(values: Iterable[object]) -> object:
    return min((value for value in values if value is not None), default=None)


def _of_one_key(table: type[Table], versions: list[Row]) -> Row:
    """What several versions of a row in one batch come to."""
    if len(versions) > 1 and "fetched_at" in table.columns:
        versions = sorted(versions, key=lambda row: (row["fetched_at"], row["fetch_id"]), reverse=True)
    row = {name: versions[0].get(name) for name in table.columns}
    for name, column in table.columns.items():
        if column.merge == "first":
            row[name] = _least(one[name] for one in versions)
        elif column.merge == "status":
            row[name] = max(versions, key=lambda one: _rank(one[name]))[name]
    return row


def _merged(table: type[Table], stored: Row, new: Row, newest_at: dt.datetime | None) -> Row | None:
    """The stored row after a new version of it; None where that is no change."""
    of = {rule: [n for n, c in table.columns.items() if c.merge == rule] for rule in ("newest", "first", "status")}
    values = [name for name in of["newest"] if name not in table.key]
    volatile = {"extra"} if "fetched_at" in table.columns else set()
    differs = any(new[name] != stored[name] for name in values if name not in PROVENANCE | volatile)
    is_further = any(_rank(new[name]) > _rank(stored[name]) for name in of["status"])
    is_newer = newest_at is None or (
        new["fetched_at"] >= stored["fetched_at"] or stored["fetched_at"] > newest_at + SLACK
    )
    if not (is_further or (is_newer and differs)):
        return None
    row = stored | {name: _least((stored[name], new[name])) for name in of["first"] if name not in table.key}
    row |= {name: new[name] for name in of["status"] if _rank(new[name]) > _rank(stored[name])}
    return row | {name: new[name] for name in values} if is_newer else row


def _freshened(table: type[Table], stored: Row, new: Row) -> Row | None:
    """An unchanged row with the newest of what may differ each time; None where it is the same."""
    if not {"extra", "fetched_at"} <= table.columns.keys():
        return None
    is_other = new["fetched_at"] >= stored["fetched_at"] and new["extra"] != stored["extra"]
    return stored | {"extra": new["extra"]} if is_other else None
