"""The snapshot that requests are answered from: opened once, turned when a new one is published.

What belongs here: following `published/current`, one read-only connection a snapshot, queries by cursor. What does not:
what is asked.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from crm_platform.errors import GiveUp
from crm_platform.publish import Manifest, Snapshot, current, read_manifest
from crm_platform.publish.manifest import CURRENT, MANIFEST
from crm_platform.receipts.behind import Connection, rows_of
from crm_platform.receipts.choices import Choice, choices
from crm_platform.receipts.narrowed import Narrowing, narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from crm_platform.settings import Settings

NARROWED_KEPT: Final = 8
"""So many narrowed snapshots stay open: those looked at last."""


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """A snapshot that can be asked. Threads may share it; it stays whole after a newer one was published."""

    snapshot: Snapshot
    manifest: Manifest
    connection: Connection

    @property
    def as_of(self) -> str:
        """The cut, as JSON writes it: 2026-11-22T08:00:00Z."""
        return _written(self.manifest.as_of)

    @property
    def confirmed_at(self) -> str | None:
        """When its figures were last found to stand, as JSON writes it; None: never since they were published."""
        moment = self.manifest.confirmed_at
        return None if moment is None else _written(moment)

    @property
    def version(self) -> str:
        """What an answer is kept by: the snapshot's id, and when it was confirmed."""
        return f"{self.snapshot.id} {self.confirmed_at or ''}"

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Run a SELECT on tables such as `kpi.response_times_daily`; instants come as UTC without a zone."""
        return self.connection.cursor().sql(sql, params=list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run a SELECT; one dict a row."""
        return rows_of(self.connection.cursor().execute(sql, list(parameters)))


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


class Snapshots:
    """Gives the current snapshot, opened. A request asks once and keeps what it got until it is answered.

    `problem`: why the newest snapshot cannot be read while an older one goes on being shown; empty when all is well.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._link = settings.published_dir / CURRENT
        self._lock = threading.Lock()
        self._open: OpenSnapshot | None = None
        self._target = ""
        self._manifest = 0
        # Apart from the other lock: whoever asks for the current snapshot does not wait until one is narrowed.
        self._narrowing = threading.Lock()
        self._narrowed: OrderedDict[tuple[str, Narrowing], OpenSnapshot] = OrderedDict()
        self._choices: tuple[str, list[Choice]] = ("", [])
        self.problem = ""

    def current(self) -> OpenSnapshot | None:
        """The published snapshot, None before the first.

        When the newest is broken, the last good one. Raises GiveUp when there is none of those either.
        """
        with self._lock:
            try:
                self._turn()
                self.problem = ""
            except GiveUp as problem:
                self.problem = str(problem)
                if self._open is None:
                    raise
            return self._open

    def choices(self, opened: OpenSnapshot) -> list[Choice]:
        """What a snapshot can be narrowed to, found once."""
        with self._narrowing:
            if self._choices[0] != opened.snapshot.id:
                self._choices = (opened.snapshot.id, choices(opened))
            return self._choices[1]

    def narrowed(self, opened: OpenSnapshot, narrowing: Narrowing) -> OpenSnapshot:
        """A snapshot of some contacts, agents, teams or origins alone; what was narrowed last stays at hand."""
        if not narrowing:
            return opened
        key = (opened.version, narrowing)
        with self._narrowing:
            found = self._narrowed.get(key)
            if found is None:
                manifest, connection = narrow(opened, narrowing)
                found = self._narrowed[key] = replace(opened, manifest=manifest, connection=connection)
                if len(self._narrowed) > NARROWED_KEPT:
                    self._narrowed.popitem(last=False)
            self._narrowed.move_to_end(key)
            return found

    def _turn(self) -> None:
        if not self._link.is_symlink():
            if self._open is not None:
                raise GiveUp(f"{self._link} is gone: publish again (crm build)")
            return
        target = str(self._link.readlink())
        if self._open is not None and target == self._target:
            self._confirm(self._open)
            return
        snapshot = current(self._settings)
        if snapshot is None:
            return
        # By its real path: a process that once opened `current/…` would go on seeing what stood there first.
        # The old connection is left to whoever still reads from it, and closed when nobody does.
        try:
            connection = duckdb.connect(str(snapshot.database), read_only=True)
        except duckdb.Error as problem:
            name = type(problem).__name__
            raise GiveUp(f"the snapshot {snapshot.id} cannot be opened ({name}): publish again (crm build)") from None
        connection.execute("set timezone = 'UTC'")
        self._manifest = _file_of(snapshot)
        self._open = OpenSnapshot(snapshot, read_manifest(snapshot.path), connection)
        self._target = target

    def _confirm(self, opened: OpenSnapshot) -> None:
        """Read the manifest again where another took its place: its figures were confirmed."""
        file = _file_of(opened.snapshot)
        if file and file != self._manifest:
            self._open, self._manifest = replace(opened, manifest=read_manifest(opened.snapshot.path)), file


def _file_of(snapshot: Snapshot) -> int:
    """The inode of a snapshot's manifest, 0 where it is not to be had."""
    try:
        return (snapshot.path / MANIFEST).stat().st_ino
    except OSError:
        return 0
