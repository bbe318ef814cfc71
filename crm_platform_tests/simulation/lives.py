"""The platform between two restarts: its objects, and how it dies.

What belongs here: the warehouse, gate and client of one life, each of which is of no use once the life is over. What
does not: when it is over (run.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn

import duckdb
import pyarrow as pa
from pydantic import SecretStr

from crm_platform.api import CrmClient, Fetch
from crm_platform.api.gate import Allowance, Closed, Slot
from crm_platform.errors import Busy
from crm_platform.ingest import Outcome, connect, crawl, refresh
from crm_platform.schemas import Table, live_tables
from crm_platform.warehouse import DuckDbWarehouse, Lease, Session
from crm_platform.warehouse.clickhouse_client import Address
from crm_platform.warehouse.clickhouse_store import ClickHouseCommit, ClickHouseWarehouse
from crm_platform.warehouse.clickhouse_store import Redo as StoredRedo
from crm_platform.warehouse.duckdb import DuckDbSession
from crm_platform.warehouse.port import Warehouse, Written
from crm_platform_tests.simulation.crm import TIMEOUT, Wire
from crm_platform_tests.warehouse.in_memory import MemoryCommit, MemoryStore, MemoryWarehouse, Redo

if TYPE_CHECKING:
    from crm_platform_tests.simulation.run import Simulation


AnyRedo = Redo | StoredRedo


class Killed(BaseException):
    """The process is no more. Not an Exception: nobody may catch it."""


class DiskFull(OSError):
    """Our own ENOSPC, told from a real one."""


class DiskFullInside(duckdb.IOException):
    """The same, as the database reports it."""


class Life:
    """One process of the platform."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.is_dead = False
        self._last_id = 0
        self.jitter = random.Random(f"jitter {simulation.scenario.seed} {simulation.lives}")
        self.warehouse: MortalWarehouse | MortalMemory | MortalClickHouse
        if simulation.memory is not None:
            self.warehouse = MortalMemory(self, simulation.memory)
        elif simulation.address is not None:
            self.warehouse = MortalClickHouse(self, simulation.address)
        else:
            self.warehouse = MortalWarehouse(self)

    def _prepare(self) -> None:
        """As open_warehouse does, but not again for a file that is complete: to see that takes a tenth of a second."""
        if not self.simulation.is_prepared:
            self.warehouse.prepare(live_tables())
            self.simulation.is_prepared = True

    def check(self) -> None:
        """The dead do nothing."""
        if self.is_dead:
            raise Killed

    def die(self, how: str) -> NoReturn:
        """End here, with nothing cleaned up."""
        self.simulation.note(how)
        self.is_dead = True
        raise Killed(how)

    def commit_boundary(self, where: str) -> None:
        """A place in a transaction at which trouble may come."""
        self.check()
        trouble = self.simulation.trouble_with_commit(where)
        if trouble is None:
            return
        if trouble.startswith("kill"):
            self.die(trouble)
        self.simulation.note(trouble)
        if trouble == "disk full before a commit":
            raise DiskFull(errno.ENOSPC, "No space left on device")
        raise DiskFullInside("IO Error: No space left on device")

    # Clocks.

    def now(self) -> dt.datetime:
        """The platform's time, right or wrong."""
        return self.simulation.platform_now()

    def _new_id(self) -> int:
        """As FetchIds does; a process's number comes from the simulation, and a frozen clock repeats nothing."""
        micros = (self.now() - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        fresh = micros * 1024 + (self.simulation.lives & 1023)
        last = self.simulation.last_frozen_id if self.simulation.crm.clock.frozen_at else self._last_id
        self._last_id = fresh if fresh > last else last + 1024
        if self.simulation.crm.clock.frozen_at:
            self.simulation.last_frozen_id = self._last_id
        return self._last_id

    # Work.

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Look at what is stored, as the next crawl would find it."""
        self._prepare()
        with self.warehouse.leases.take("crawl", purpose="a look") as holder:
            self.warehouse.recover(holder)
        if isinstance(self.warehouse, MortalClickHouse):  # the questions of the invariants are DuckDB's
            with copied(self.warehouse) as session:
                yield session
            return
        with self.warehouse.reading() as session:
            yield session

    def connect(self, on_fetch: Callable[[Fetch], None]) -> CrmClient:
        simulation = self.simulation
        return CrmClient(
            "http://127.0.0.1:1",
            SecretStr("sandbox"),
            transport=Wire(simulation, self),
            gate=MortalGate(self),
            on_fetch=on_fetch,
            timeout=TIMEOUT,
            now=self.now,
            sleep=simulation.back_off,
            jitter=self.jitter,
            new_id=self._new_id,
        )

    def crawl(self, **options) -> list[Outcome]:
        self._prepare()
        options = {"connect": self.connect, "now": self.now, "sleep": self.simulation.time.sleep, **options}
        return list(crawl(self.simulation.settings, self.warehouse, workers=1, **options))

    def refresh(self, **options) -> list[Outcome]:
        self._prepare()
        options = {"connect": self.connect, "now": self.now, **options}
        return list(refresh(self.simulation.settings, self.warehouse, workers=1, **options))


class MortalGate:
    """The shared gate, held by one life: a slot that it had when it died is never given back."""

    def __init__(self, life: Life) -> None:
        self._life = life
        simulation = life.simulation
        self._gate = connect.open_gate(
            simulation.settings,
            reserve=connect.CRAWLER_RESERVE,
            now=simulation.gate_now,
            sleep=simulation.time.sleep,
        )

    def acquire(self, operation: str) -> Slot:
        self._life.check()
        if self._life.simulation.is_ledger_locked():
            raise Busy("another process holds the request ledger", holder="the simulation")
        return MortalSlot(self._life, self._gate.acquire(operation))

    def available(self) -> Allowance:
        self._life.check()
        return self._gate.available()

    def limits(self) -> Allowance:
        self._life.check()
        return self._gate.limits()

    def closed(self) -> Closed | None:
        return self._gate.closed()

    def close(self) -> None:
        self._gate.close()


class MortalSlot:
    def __init__(self, life: Life, slot: Slot) -> None:
        self._life = life
        self._slot = slot

    def release(self, headers, status) -> None:
        if not self._life.is_dead:
            self._slot.release(headers, status)


class MortalSession(DuckDbSession):
    """A session with a place for trouble before each table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, life: Life) -> None:
        super().__init__(connection)
        self._life = life

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        self._life.commit_boundary("between two tables")
        return super().merge(table, rows)


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    """The engine of all lives of a process that keep their file open: to start one takes longer than many of them."""
    engine = duckdb.connect(config={"threads": 1, "preserve_insertion_order": False})
    engine.execute("set global timezone = 'UTC'")
    return engine


class MortalWarehouse(DuckDbWarehouse):
    """The live warehouse of one life."""

    def __init__(self, life: Life) -> None:
        settings = life.simulation.settings
        super().__init__(settings.warehouse_path, lock_dir=settings.lock_dir, threads=1)
        self._life = life
        self._is_attached = False

    def close(self) -> None:
        """Let go of the file, as the end of a process does."""
        if self._is_attached:
            _engine().execute(f"detach {self.path.stem}")
            self._is_attached = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[DuckDbSession]:
        self._life.check()
        with super().reading() as session:
            yield session

    @contextlib.contextmanager
    def _transaction(self, *, source: Warehouse | None = None) -> Iterator[DuckDbSession]:
        self._life.commit_boundary("before a commit")
        with super()._transaction(source=source) as session:
            yield session
            self._life.commit_boundary("at COMMIT")
        self._life.simulation.commits += 1
        self._life.simulation.note("committed")
        self._life.commit_boundary("after COMMIT")

    @contextlib.contextmanager
    def _open(self, *, read_only: bool) -> Iterator[DuckDbSession]:
        if self._life.simulation.scenario.opens_files:
            with super()._open(read_only=read_only) as session:
                yield MortalSession(session.connection, self._life)
            return
        if not self._is_attached:
            _engine().execute(f"attach '{self.path}' (storage_version 'latest')")
            self._is_attached = True
        with _engine().cursor() as connection:
            connection.execute(f"use {self.path.stem}")
            yield MortalSession(connection, self._life)


class MortalCommit(MemoryCommit):
    """A commit with a place for trouble before each table."""

    def __init__(self, store: MemoryStore, life: Life) -> None:
        super().__init__(store)
        self._life = life

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        self._life.commit_boundary("between two tables")
        return super().merge(table, rows)


class StepByStep:
    """The troubles of a store that writes a commit step by step, held by one life. Stands before the store's class.

    It meets the same troubles as MortalWarehouse, so that a seed runs alike on all. What is trouble after COMMIT there
    comes here anywhere between the redo row and the mark that the commit is done: nobody may tell the difference. And
    who recovers is killed at it now and then, and does it again.
    """

    def __init__(self, life: Life, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)
        self._life = life
        self._chance = random.Random(f"steps {life.simulation.scenario.seed} {life.simulation.lives}")

    def steps_of(self, redo: AnyRedo) -> Iterator[str]:
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to let go of."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        self._life.check()
        with super().reading() as session:
            yield session

    @contextlib.contextmanager
    def committing(self, holder: Lease) -> Iterator[MemoryCommit | ClickHouseCommit]:
        self._life.commit_boundary("before a commit")
        with super().committing(holder) as commit:
            yield commit
            self._life.commit_boundary("at COMMIT")

    def carry_out(self, redo: AnyRedo) -> None:
        steps = self.steps_of(redo)
        next(steps)
        self._committed()
        try:
            self._life.commit_boundary("after COMMIT")
        except BaseException:
            self._do_some(steps, of=redo)
            raise
        for _ in steps:
            pass

    def replay(self, redo: AnyRedo) -> None:
        while self._chance.random() < 0.5:
            self._do_some(self.steps_of(redo), of=redo)
        super().replay(redo)

    def _committed(self) -> None:
        self._life.simulation.commits += 1
        self._life.simulation.note("committed")

    def _do_some(self, steps: Iterator[str], *, of: AnyRedo) -> None:
        done = self._chance.randrange(len(of.writes) + 1)
        for _ in range(done):
            next(steps)


class MortalMemory(StepByStep, MemoryWarehouse):
    """The store without transactions."""

    def __init__(self, life: Life, store: MemoryStore) -> None:
        super().__init__(life, store, lock_dir=life.simulation.settings.lock_dir)

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """In a transaction there, with its places for trouble."""
        with self.committing(Lease("write", epoch=self.leases.next_epoch())):
            super().prepare(tables)

    def commit_of(self) -> MemoryCommit:
        return MortalCommit(self.store, self._life)

    def steps_of(self, redo: Redo) -> Iterator[str]:
        return self.store.steps(redo)


class MortalClickHouseCommit(ClickHouseCommit):
    """A commit with a place for trouble before each table."""

    life: Life

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        self.life.commit_boundary("between two tables")
        return super().merge(table, rows)


class MortalClickHouse(StepByStep, ClickHouseWarehouse):
    """The store in ClickHouse.

    So a holder is killed at any write of a commit: after the row that says what is to be written, after each table, and
    before the row that says that all is.
    """

    steps_of = ClickHouseWarehouse.steps

    def __init__(self, life: Life, address: Address) -> None:
        settings = life.simulation.settings
        super().__init__(life, address, lock_dir=settings.lock_dir, mirror=settings.root / "mirror.duckdb")
        self.client = life.simulation.client(address)

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """In a transaction there, with its places for trouble."""
        self._life.commit_boundary("before a commit")
        super().prepare(tables)
        self._life.commit_boundary("at COMMIT")
        self._committed()
        self._life.commit_boundary("after COMMIT")

    def commit_of(self, scratch: DuckDbSession) -> ClickHouseCommit:
        commit = MortalClickHouseCommit(self.client, scratch)
        commit.life = self._life
        return commit


@contextlib.contextmanager
def copied(store: ClickHouseWarehouse) -> Iterator[Session]:
    """Every row of the live tables, in an engine of ours."""
    with duckdb.connect(config={"threads": 1}) as engine, store.reading() as there:
        engine.execute("set timezone = 'UTC'")
        session = DuckDbSession(engine)
        for table in live_tables():
            session.create(table)
            session.append(table, there.query(f"select * from {table.full_name()}"))
        yield session
