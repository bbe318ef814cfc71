"""Dagster's storage in Postgres, with its connections kept open and looked at before they are used again.

What belongs here: how a process connects to the database. What does not: what is in it, which is Dagster's; naming it
in dagster.yaml (dagster_home.py).

Dagster's own Postgres storage opens a connection for every statement or two, 890 for a refresh, each a process of the
server's. Its web server keeps some open, and answers with an error for each that broke when Postgres was started anew:
a run that is launched by such a request is never started. Here every process keeps its connections, and replaces one
that broke.
"""

from __future__ import annotations

import contextlib
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster import Field, StringSource
from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError, OperationalError

from crm_platform.settings.values import secret_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

# Connections of a process for events, and as many for the rest. A thread needs one or two at a time; what is beyond
# those that are kept is closed when it is not needed.
_KEPT: Final = 2
_MORE: Final = 10

_PATIENCE: Final = 20.0  # seconds that a server may be away: to start it anew takes one to ten
_AGAIN: Final = 0.2  # seconds between two tries
_WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "NOTIFY"})
_CONNECTING: Final = 5  # seconds that one try may take

# SQLAlchemy 2.1 takes `postgresql://` for a newer driver than Dagster's storage speaks to.
_DRIVER: Final = "postgresql+psycopg2"

GONE: Final = (DagsterPostgresException, OperationalError)
"""What a statement raises where Postgres has been away for longer than that, or went away while it ran."""


def _require_open(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - psycopg2's
    """Have the pool replace a connection that the server has ended. To ask it would double a run's questions.

    A server says nothing unasked to an idle connection, but that it ends.
    """
    said = select.poll()
    said.register(connection, select.POLLIN)
    if said.poll(0):
        raise DisconnectionError


def _without_waiting(
    _connection: object, _cursor: object, statement: str, parameters: object, _context: object, _many: object
) -> tuple[str, object]:
    """Have a write be done before it is on the disk, in its own transaction alone: a pooler may stand in between."""
    if statement.lstrip()[:6].upper() in _WRITES:
        statement = f"set local synchronous_commit = off; {statement}"
    return statement, parameters


class _Pool:
    """Connections of one process. `waits`: for the server's disk, at each write.

    A server that is away is waited for once, not by each statement anew: a run that ends writes dozens of events, and
    would take minutes to fail.
    """

    def __init__(self, address: str, *, waits: bool) -> None:
        self.engine = create_engine(
            address,
            isolation_level="AUTOCOMMIT",
            pool_size=_KEPT,
            max_overflow=_MORE,
            connect_args={"connect_timeout": _CONNECTING},
        )
        event.listen(self.engine, "checkout", _require_open)
        if not waits:
            event.listen(self.engine, "before_cursor_execute", _without_waiting, retval=True)
        self._away_since: float | None = None

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        with self._connected() as connection:
            yield connection

    def _connected(self) -> Connection:
        while True:
            try:
                connection = self.engine.connect()
            except OperationalError:
                now = time.monotonic()
                self._away_since = since = self._away_since or now
                if now - since > _PATIENCE:
                    raise
                time.sleep(_AGAIN)
            else:
                self._away_since = None
                return connection


class _Kept:
    """Takes its connections from a pool, whatever a web server would change for itself."""

    def __init__(self, address: str, pool: _Pool) -> None:
        self._pool = pool
        super().__init__(address)  # type: ignore[call-arg]  # the storage that this is mixed into
        self._engine = pool.engine  # theirs opens and closes a connection each time

    def connect(self, run_id: str | None = None) -> AbstractContextManager[Connection]:  # noqa: ARG002
        return self._pool.connection()

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Leave the connections as they are."""


class _Runs(_Kept, PostgresRunStorage):  # type: ignore[misc]
    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


class _Schedules(_Kept, PostgresScheduleStorage):  # type: ignore[misc]
    pass


class _Events(_Kept, PostgresEventLogStorage):  # type: ignore[misc]
    def _connect(self) -> AbstractContextManager[Connection]:
        return self.connect()

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


class PooledPostgres(DagsterStorage, ConfigurableClass):
    """Dagster's Postgres storage, but for how it connects. Dagster makes it, from what dagster.yaml names."""

    def __init__(self, url: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        address = make_url(url).set(drivername=_DRIVER).render_as_string(hide_password=False)
        # A refresh writes a thousand events, and to wait for the disk at each may take as long as all the rest. A run's
        # state is waited for, and with it whatever was written before: what is lost with a server that dies are the
        # last 0.6 s of events of runs that are under way.
        waiting, events = _Pool(address, waits=True), _Pool(address, waits=False)
        self._runs, self._events, self._schedules = (
            _Runs(address, waiting),
            _Events(address, events),
            _Schedules(address, waiting),
        )
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml says of it: where the URL is found, never the URL."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """One of the two, as the settings have it."""
        return {"url": Field(StringSource, is_required=False), "url_file": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledPostgres:
        """Make it, as Dagster asks for it."""
        file = config_value.get("url_file")
        return cls(secret_in(Path(file)) if file else config_value["url"], inst_data=inst_data)

    @property
    def run_storage(self) -> _Runs:
        """Runs."""
        return self._runs

    @property
    def event_log_storage(self) -> _Events:
        """Events."""
        return self._events

    @property
    def schedule_storage(self) -> _Schedules:
        """Schedules, sensors and their ticks."""
        return self._schedules
