"""What the assets are given: stores, settings, a clock, somebody to report to, and the lease of a build.

What belongs here: Dagster resources. What does not: what is done with them. Settings travel as the plain object they
are (`ResourceParam`), so that no secret ever becomes a run's configuration.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from crm_platform.errors import Breach, CrmPlatformError
from crm_platform.ingest import Outcome, Progress
from crm_platform.models import validate
from crm_platform.schemas import Table, live_tables
from crm_platform.settings import Settings
from crm_platform.warehouse import Models, Session, Store, Warehouse, leases_of, live_store, open_store
from crm_platform.warehouse.duckdb import PATIENCE, SMALL

Answer = TypeVar("Answer")

# Seconds a sensor waits for a file that somebody writes to; it looks again at its next tick anyway.
SENSOR_PATIENCE: Final = 2.0


class WarehouseResource(DuckDBResource):
    """One DuckDB file of the platform, or the live store that CRM_WAREHOUSE_URL names.

    Configured as any DuckDBResource. Its own `get_connection` is not for use: sessions are opened by the store
    alone, under the lock that keeps writers and readers apart.
    """

    settings: dg.ResourceDependency[Settings]
    lock_dir: str = Field(description="Where the file's lock lives.")
    memory: int = Field(default=SMALL, description="Bytes that the engine takes at most before it spills to disk.")
    is_derived: bool = Field(default=False, description="Made anew when it is damaged: it follows from another file.")
    is_elsewhere: bool = Field(default=False, description="It is no file: CRM_WAREHOUSE_URL names the store.")

    def warehouse(self, *, timeout: float = PATIENCE) -> Store:
        """Hand out the store. `timeout`: seconds to wait for the file's lock before Busy is raised."""
        return open_store(
            Path(self.database),
            lock_dir=Path(self.lock_dir),
            timeout=timeout,
            is_derived=self.is_derived,
            memory=self.memory,
            leases=leases_of(self.settings),
        )

    def _store(self, *, timeout: float = PATIENCE) -> Warehouse:
        return live_store(self.settings, timeout=timeout) if self.is_elsewhere else self.warehouse(timeout=timeout)

    def look(self, question: Callable[[Session], Answer], *, otherwise: Answer) -> Answer:
        """Ask the store briefly, as a sensor may: `otherwise` when there is none yet. Raises Busy within 2 s."""
        store = self._store(timeout=SENSOR_PATIENCE)
        if not store.exists():
            return otherwise
        with store.reading() as session:
            return question(session)

    def existing(self) -> Warehouse:
        """Hand out the store, prepared only if there is none yet: reading must not wait for a writer's turn."""
        store = self._store()
        return store if store.exists() else self.prepared()

    def prepared(self) -> Warehouse:
        """Hand out the store with every table of the live warehouse in it."""
        store = self._store()
        store.prepare(live_tables())
        return store


class BuildLease(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One build at a time: held from the first table that a process builds to the end of its run.

    Two builds at once would mix two cuts in one file. Publishing would refuse that; the lease saves the work.
    """

    settings: dg.ResourceDependency[Settings]
    wait_seconds: float = Field(default=600.0, description="Seconds to wait for another build before giving way to it.")
    _held: contextlib.ExitStack = PrivateAttr(default_factory=contextlib.ExitStack)
    _is_held: bool = PrivateAttr(default=False)
    _sound: set[str] = PrivateAttr(default_factory=set)

    def hold(self, purpose: str) -> None:
        """Take the lease unless this run has it. Raises Busy, naming the holder, after `wait_seconds`."""
        if not self._is_held:
            self._held.enter_context(leases_of(self.settings).take("build", purpose=purpose, wait=self.wait_seconds))
            self._is_held = True

    def breaches_of(self, models: Models, table: type[Table]) -> list[Breach]:
        """Find the table's breaches, once a run: while the lease is held nobody else changes the table."""
        if table.full_name() in self._sound:
            return []
        breaches = validate(models, table)
        self.note(table, breaches)
        return breaches

    def note(self, table: type[Table], breaches: Sequence[Breach]) -> None:
        """Note what was found of a table, so that the run does not look again."""
        self._sound.discard(table.full_name())
        if self._is_held and not breaches:
            self._sound.add(table.full_name())

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Let go at the end of the run."""
        self._held.close()
        self._is_held = False
        self._sound.clear()


class SystemClock:
    """The time, for sensors and checks; a test sets its own."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)


class Reporter:
    """Who hears how a run goes: by default nobody; `crm refresh` draws a bar and keeps the reason of a failure.

    `retries`: whether an error that may pass is tried again by Dagster (in the UI), or told at once (in a shell).
    """

    retries: bool = True
    wait_seconds: float = 0.0

    def waiting(self, holder: str) -> None:
        """Hear who is waited for."""

    def progress(self, progress: Progress) -> None:
        """Hear how far a stage of ingest is; called often."""

    def fetched(self, outcome: Outcome) -> None:
        """Hear what a refresh did for one raw table."""

    def checked(self, breaches: Sequence[Breach]) -> None:
        """Hear which rules a table of the build breaks."""

    def built(self, table: str, *, seconds: float) -> None:
        """Hear that a table of the build is there."""

    def failed(self, problem: CrmPlatformError) -> None:
        """Hear why a step failed."""
