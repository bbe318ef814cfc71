"""Connections that follow from the settings: the CRM's client behind the gate, the live warehouse.

What belongs here: putting parts together the one way that all callers share. What does not: what they are used for.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crm_platform.api import CrmClient, FetchIds, SqliteGate, utc_now
from crm_platform.api.redis_gate import RedisGate
from crm_platform.errors import FixConfiguration
from crm_platform.ingest.upgrade import upgrade
from crm_platform.redis_server import RedisServer
from crm_platform.schemas import live_tables
from crm_platform.warehouse import claim, keep_private, leases_of, live_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crm_platform.api import Fetch, Gate
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Lease, Warehouse

_log = logging.getLogger(__name__)

_LEDGER_PATIENCE = 10.0
"""Seconds to wait for another process that reads or mends the gate's file."""

_REDIS_PATIENCE = 5.0
"""Seconds to wait for Redis, which answers in a millisecond."""

REQUEST_TIMEOUT = 30.0
"""Seconds to wait for the CRM before a request is given up."""

CRAWLER_RESERVE = 3
"""Requests a minute that a crawl leaves to people at a shell."""

MOST_UNCOMMITTED = 250
"""Requests that may have been sent without a record when both the gate's file and the last batch are lost."""


def open_warehouse(settings: Settings) -> Warehouse:
    """Open the live warehouse, creating what it lacks, its rows brought up to what this version keeps.

    Raises FixConfiguration when it is another CRM's.
    """
    warehouse = live_store(settings)
    warehouse.prepare(live_tables())
    claim(warehouse, settings)
    upgrade(warehouse, settings, now=utc_now())
    return warehouse


def existing_store(settings: Settings) -> Warehouse:
    """Give the live warehouse as it is. Raises FixConfiguration when there is none: none is made."""
    store = live_store(settings)
    if not store.exists():
        raise FixConfiguration(
            f"there is no warehouse at {store.describe()}: nothing was fetched yet (`crm refresh`), its disk is"
            " not mounted, or CRM_DATA_DIR names another folder"
        )
    return store


class FetchLog:
    """Collects the requests that a thread makes, so that each is committed with what it brought."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __call__(self, fetch: Fetch) -> None:
        """Note a request; outside `capture` it is forgotten."""
        collected: list[Fetch] | None = getattr(self._local, "fetches", None)
        if collected is not None:
            collected.append(fetch)

    @contextmanager
    def capture(self, fetches: list[Fetch]) -> Iterator[None]:
        """Collect this thread's requests into `fetches`."""
        self._local.fetches = fetches
        try:
            yield
        finally:
            self._local.fetches = None


def open_gate(
    settings: Settings,
    *,
    reserve: int = 0,
    max_wait: float = 90.0,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Gate:
    """Open the ledger that all processes share, of this data folder, or of all hosts where a Redis is configured.

    `reserve`: requests a minute left to others; `max_wait`: the longest wait for a slot (seconds). A ledger that was
    lost is rebuilt from ops.fetches, and so is a file that is damaged. Raises FixConfiguration where Redis's client is
    not installed.
    """
    keep_private(settings.root)
    if settings.redis_url is not None:
        server = RedisServer(settings, patience=_REDIS_PATIENCE)
        _remove(settings.gate_path)  # it knows nothing of what passes in Redis: who comes back to it begins anew
        return RedisGate(
            server,
            per_minute=settings.minute_limit,
            per_day=settings.day_limit,
            reserve=reserve,
            max_wait=max_wait,
            history=lambda: _requests_of_a_day(settings),
            uncommitted=MOST_UNCOMMITTED,
            host=_folder_id(settings),
            now=now,
            sleep=sleep,
        )
    gate = SqliteGate(
        settings.gate_path,
        per_minute=settings.minute_limit,
        per_day=settings.day_limit,
        reserve=reserve,
        max_wait=max_wait,
        history=lambda: _requests_of_a_day(settings),
        uncommitted=MOST_UNCOMMITTED,
        now=now,
        sleep=sleep,
    )
    if _is_damaged(settings.gate_path):
        with leases_of(settings).take("gate", purpose="making the request ledger anew", wait=_LEDGER_PATIENCE):
            if _is_damaged(settings.gate_path):  # nobody else has mended it meanwhile
                _set_aside(settings.gate_path)
                gate.rebuild(_requests_of_a_day(settings), uncommitted=MOST_UNCOMMITTED)
    return gate


def gate_to_look_at(settings: Settings, *, now: Callable[[], datetime] = utc_now, patience: float = 0.5) -> Gate | None:
    """Open the ledger for a reader that sends nothing and changes nothing; None where nothing was ever sent.

    `patience`: seconds to wait for Redis, where that is where it is.
    """
    minute, day = settings.minute_limit, settings.day_limit
    if settings.redis_url is not None:
        return RedisGate(RedisServer(settings, patience=patience), per_minute=minute, per_day=day, now=now)
    if settings.gate_path.exists():
        return SqliteGate(settings.gate_path, per_minute=minute, per_day=day, now=now)
    return None


def _folder_id(settings: Settings) -> str:
    """What this data folder is called where several hosts share a gate: made once, kept in a file."""
    path = settings.root / "gate.id"
    draft = path.with_name(f"gate.id.{secrets.token_hex(8)}")
    if not path.exists():
        draft.write_text(secrets.token_hex(8), encoding="ascii")
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="ascii")


def _is_damaged(path: Path) -> bool:
    """Whether a file is there that SQLite cannot read; one that is locked or not ours to open is another matter."""
    if not path.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_LEDGER_PATIENCE)) as db:
            return bool(db.execute("pragma quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def _set_aside(path: Path) -> None:
    aside = path.with_name(f"{path.name}.damaged")
    _log.warning("the request ledger %s is damaged: it is kept as %s and made anew, closed for a while", path, aside)
    path.replace(aside)
    _remove(path)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _requests_of_a_day(settings: Settings) -> list[datetime]:
    """Starts of the requests recorded in the 24 hours up to the newest one."""
    if not live_store(settings).exists():
        return []
    with open_warehouse(settings).reading() as session:
        newest = session.query("select max(started_at) as started_at from ops.fetches")["started_at"].to_pylist()[0]
        if newest is None:
            return []
        since = newest - timedelta(days=1)
        rows = session.query("select started_at from ops.fetches where started_at >= ? order by started_at", [since])
    return [started_at.replace(tzinfo=UTC) for started_at in rows["started_at"].to_pylist()]


def open_client(
    settings: Settings,
    *,
    reserve: int = 0,
    retries: int = 4,
    on_fetch: Callable[[Fetch], None],
    holder: Lease | None = None,
) -> CrmClient:
    """Open the CRM's client behind the shared ledger; `retries`: how often a read is tried again.

    `holder`: the lease that it works under, if any; requests are told apart by its number, on whichever host they are.
    Raises FixConfiguration when the data folder is another CRM's: what is asked could not be kept there.
    """
    store = live_store(settings)
    if store.exists():
        claim(store, settings)
    return CrmClient(
        settings.crm_url,
        settings.crm_key,
        gate=open_gate(settings, reserve=reserve),
        on_fetch=on_fetch,
        timeout=REQUEST_TIMEOUT,
        retries=retries,
        new_id=FetchIds(number=leases_of(settings).next_epoch() if holder is None else holder.epoch),
    )
