"""Dagster's SQLite storage with its connections kept open: for the runs of one `crm` process.

What belongs here: how this process connects to the files. What does not: what is in them, which is Dagster's.

Dagster's own storage opens a connection for every statement or two. Each time SQLAlchemy compiles the statement anew,
and SQLite writes its journal back when the last connection closes: 1,400 connections and a third of the CPU of a
refresh that finds nothing new. The UI and the daemon read the same files, and see every event at once.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dagster._core.instance.ref import InstanceRef
    from sqlalchemy.engine import Connection, Engine


def with_kept_connections(ref: InstanceRef) -> InstanceRef:
    """Name this storage in place of Dagster's SQLite; an instance that is stored elsewhere stays as it is."""
    stored = ref.storage_data
    if stored is None or stored.class_name != DagsterSqliteStorage.__name__:
        return ref
    return ref._replace(storage_data=ConfigurableClassData(__name__, KeptOpen.__name__, stored.config_yaml))


def _engine(address: str) -> Engine:
    """Make connections that are used again. No commit waits for the disk: power may fail before an event is on it."""
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", lambda connection, _record: connection.execute("pragma synchronous = normal"))
    return engine


class _Events(SqliteEventLogStorage):
    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: dict[str, bool] = {}
        super().__init__(base_dir)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                engine = _engine(self.conn_string_for_shard(shard))
                self._initdb(engine)
                self._engines[shard] = engine
            with self._engines[shard].begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables:
            self._tables[table_name] = super().has_table(table_name)
        return self._tables[table_name]

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        super().dispose()


class _Runs(SqliteRunStorage):
    @functools.cached_property
    def _engine(self) -> Engine:
        return _engine(self._conn_string)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


class KeptOpen(DagsterSqliteStorage):
    """Dagster's storage, but for how it connects. Dagster makes it, from the name that the instance gives."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = _Events(self._event_log_storage._base_dir)  # noqa: SLF001 - one of Dagster's own
        self._run_storage = _Runs(self._run_storage._conn_string)  # noqa: SLF001

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> KeptOpen:
        """Make it, as Dagster asks for it."""
        return cls(inst_data=inst_data, **config_value)
