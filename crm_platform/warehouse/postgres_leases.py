"""The leases of several hosts, in Postgres.

What belongs here: leases as advisory locks, numbers from a sequence. What does not: the leases of one host (locks.py),
which these take besides.

A lock belongs to a session: it is free as soon as its holder's connection ends, which a killed process ends at once,
and a host that is gone after 25 s (postgres.py). A pooler that gives each transaction another session would lose it; it
is found out and refused.

A data folder's own lock is taken first. So a shell that knows nothing of Postgres cannot work beside, and when Postgres
itself is gone for a while, what is at work in this folder still has it for itself. Its lock in Postgres is gone then,
and taken again within seconds of the server's return, unless another host was faster: a store that both write to tells
the older holder by its smaller number.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, get_args

from crm_platform.errors import Busy, CrmPlatformError, FixConfiguration
from crm_platform.warehouse.locks import CALLED
from crm_platform.warehouse.port import Lease, Work
from crm_platform.warehouse.postgres import IDLE, connected, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import SecretStr

    from crm_platform.warehouse.locks import FileLeases

_log = logging.getLogger(__name__)

SETTING: Final = "CRM_COORDINATION_URL"
_SEQUENCE: Final = "crm_platform_epochs"
_EVERY: Final = 0.25  # seconds between looks whether a lease is free. A blocking question would keep Ctrl-C waiting
_LOOK: Final = 5.0  # seconds between looks whether a lock's connection is still there
_NAME: Final = 63  # bytes that Postgres shows of a session's name
_HOST: Final = 20  # of these, for the host's

_HOLDERS: Final = """
select (l.classid::bigint << 32) | l.objid::bigint as key, a.application_name, a.backend_start at time zone 'UTC'
from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
"""


def _number(name: str) -> int:
    """Give a lock's number, of 64 bits, from its name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


class PostgresLeases:
    """The leases of a CRM, in a database that several hosts use; `whose`: the CRM's name, `files`: this host's own."""

    def __init__(self, url: SecretStr, *, whose: str, files: FileLeases) -> None:
        self._url = url
        self._files = files
        self._locks: Mapping[Work, int] = {work: _number(f"crm_platform {whose} {work}") for work in get_args(Work)}

    @contextlib.contextmanager
    def take(
        self, work: Work, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] | None = None
    ) -> Iterator[Lease]:
        """Be the only one at a kind of work, over all hosts."""
        deadline = time.monotonic() + wait
        with (
            self._files.holding(work, purpose=purpose, wait=wait, on_wait=on_wait),
            self._session(purpose) as session,
        ):
            is_told = False
            while not self._is_locked(session, work):
                holder = self._holders(session).get(work, "another process")
                if time.monotonic() >= deadline:
                    raise Busy(f"{work} is already at work elsewhere", holder=holder)
                if on_wait is not None and not is_told:
                    on_wait(holder)
                is_told = True
                time.sleep(_EVERY)
            lease = Lease(work, epoch=self._draw(session))
            with self._kept(work, purpose, session):
                yield lease

    def next_epoch(self) -> int:
        """Count on, in the database."""
        with self._session("a number") as session:
            return self._draw(session)

    def held_by(self, work: Work) -> str | None:
        """Say who is at a kind of work; None: nobody."""
        here = self._files.held_by(work)
        if here is not None:
            return here
        with self._session("a look") as session:
            return self._holders(session).get(work)

    def at_work(self) -> dict[str, str]:
        """Say what is under way on any host, as people call it, and who does it."""
        with self._session("a look") as session:
            holders = self._holders(session)
        return {CALLED[work]: holder for work, holder in holders.items() if work in CALLED} | self._files.at_work()

    def _is_locked(self, session: Any, work: Work) -> bool:  # noqa: ANN401 - psycopg2's connection
        return bool(_one(session, "select pg_try_advisory_lock(%s)", self._locks[work]))

    @contextlib.contextmanager
    def _kept(self, work: Work, purpose: str, session: Any) -> Iterator[None]:  # noqa: ANN401
        """Look after a lock while its holder works."""
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(work, purpose, session, ended), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _keep(self, work: Work, purpose: str, session: Any, ended: threading.Event) -> None:  # noqa: ANN401
        def watch(session: Any) -> None:  # noqa: ANN401
            while not ended.wait(_LOOK) and is_alive(session):
                pass

        watch(session)
        while not ended.is_set():
            # Where it is away, or refuses us meanwhile: tried again.
            with contextlib.suppress(CrmPlatformError), self._session(purpose) as again:
                if self._is_locked(again, work):
                    _log.warning("%s: the lease was lost with a connection to Postgres, and is taken again", purpose)
                    watch(again)
                else:
                    _log.warning("%s: the lease was lost, and %s has it", purpose, self._holders(again).get(work))
            ended.wait(_LOOK)

    @contextlib.contextmanager
    def _session(self, purpose: str) -> Iterator[Any]:
        process = f" (process {os.getpid()} on {socket.gethostname()[:_HOST]})"
        name = f"{purpose[: _NAME - len(process)]}{process}"
        with connected(self._url, setting=SETTING, name=name, is_watched=True) as session:
            # A pooler may let the question pass and keep it to itself: the server then does not know it.
            if _one(session, "select current_setting('tcp_keepalives_idle')") != str(IDLE):
                raise FixConfiguration(
                    f"{SETTING} leads to a pooler such as PgBouncer; name the Postgres server itself"
                )
            yield session

    def _holders(self, session: Any) -> dict[Work, str]:  # noqa: ANN401 - psycopg2's connection
        works = {number: work for work, number in self._locks.items()}
        with session.cursor() as cursor:
            cursor.execute(_HOLDERS)
            return {
                works[number]: f"{name.removesuffix(')')}, since {since:%Y-%m-%d %H:%M:%S} UTC)"
                for number, name, since in cursor.fetchall()
                if number in works
            }

    def _draw(self, session: Any) -> int:  # noqa: ANN401
        """Give a number that is greater than any before: of this sequence, and of this folder's own count."""
        least = self._files.next_epoch()
        with session.cursor() as cursor:
            cursor.execute("begin")
            # One draws at a time: to lift the sequence would else take back what another has drawn meanwhile.
            cursor.execute("select pg_advisory_xact_lock(%s)", (_number(_SEQUENCE),))
            cursor.execute("select to_regclass(%s)", (_SEQUENCE,))
            if cursor.fetchone() == (None,):
                cursor.execute(f"create sequence {_SEQUENCE}")
            cursor.execute(f"select setval('{_SEQUENCE}', greatest(nextval('{_SEQUENCE}'), %s))", (least,))
            (number,) = cursor.fetchone()
            cursor.execute("commit")
        if number > least:
            self._files.next_epoch(least=number)
        return int(number)


def _one(session: Any, sql: str, *parameters: object) -> Any:  # noqa: ANN401
    with session.cursor() as cursor:
        cursor.execute(sql, parameters)
        (value,) = cursor.fetchone()
    return value
