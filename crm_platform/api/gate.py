"""The request gate: nobody sends a request to the CRM without a slot from here.

What belongs here: the gate's protocol and its two kinds. What does not: what to fetch, when to try again
(connection.py), the account of what was sent (`ops.fetches`).

The promise: as counted by the server, no rolling minute and no rolling 24 hours ever holds more requests than the
limit, whoever asks and whoever crashed. The server counts a request at some moment between our asking and its answer,
so

- a slot is taken from `acquire` until the answer came *plus the window*;
- the slot of a request that was given up, or whose process died, is taken until its longest duration plus the window;
- what the server says (`X-RateLimit-*`, `Retry-After`) can only lower the limit, for every process at once.

A clock that was wrong has no lasting effect. Once it is set back, entries that are dated later than possible are moved
to the latest possible time: an answer to now, a request under way to now plus its longest duration, a pause to now plus
its own length. A clock that steps forward cannot be told from time that passed: one window may then hold the requests
of two windows, and the server's own refusals close the gate.

Why the promise holds: take all requests that the server counted in one window, and among them the one that acquired its
slot last. At that moment each of the others was unanswered, or answered less than a window ago. So each was counted
here, and the limit was not exceeded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from crm_platform.api.envelopes import rate_headers, retry_after
from crm_platform.errors import Busy, GiveUp, QuotaSpent, RateLimited

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000  # µs; the ledger counts whole microseconds since 1970
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 24 * 3600 * _SECOND
# A server whose window ends later than this (seconds) counts days, not minutes.
_LONGEST_MINUTE: Final = 65.0
_LONGEST_RESET: Final = round(_LONGEST_MINUTE * _SECOND)
# While waiting, look again this often (seconds): a slot may come back earlier than it looked.
_LONGEST_NAP: Final = 1.0
# When a clock is corrected, it moves by more than this. Two processes that read it one after the other differ by less.
_CLOCK_SLACK: Final = _MINUTE
_LOCK_PATIENCE: Final = 30.0  # seconds to wait for another process's transaction, which takes a millisecond
_GLANCE: Final = _SECOND // 5  # how long "nothing limits anybody" is believed before the file is asked again
_LEAST_ROOM: Final = 100_000  # bytes that a transaction may need beside the file
_PURGE_EVERY: Final = 256  # slots between two purges of those that no window can see any more

# A parent's connections, in a forked child. SQLite forbids even to close them there, and garbage collection would.
_FORKED: Final[list[sqlite3.Connection]] = []

_OPEN: Final = 2**63 - 1  # `last_id` of a slot without an answer
_LOST: Final = _OPEN - 1  # the same where none will come, and the server may still see the request

_SCHEMA: Final = """
CREATE TABLE slots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    acquired INTEGER NOT NULL,
    until INTEGER NOT NULL,         -- when the answer came; while it has not, the latest moment it could
    last_id INTEGER NOT NULL        -- the newest slot when the answer came; while it has not, beyond every id
);
CREATE INDEX slots_until ON slots (until);
CREATE INDEX slots_last_id ON slots (last_id);
CREATE TABLE server (               -- what the server said last, one row
    closed_until INTEGER NOT NULL,  -- Retry-After: nobody sends before
    said_for INTEGER NOT NULL,      -- slot whose answer carried what follows
    minute_limit INTEGER,
    day_limit INTEGER,
    limits_until INTEGER NOT NULL,  -- limits are believed for a day after they were last heard
    remaining INTEGER,              -- requests that the server still takes
    counts_days INTEGER NOT NULL,   -- whether `remaining` is of a day
    remaining_until INTEGER NOT NULL,
    unlisted_at INTEGER NOT NULL,   -- when requests last passed without a slot, since nothing limited anybody
    closed_at INTEGER NOT NULL DEFAULT 0,       -- when the gate was closed
    closed_why TEXT NOT NULL DEFAULT 'a pause'  -- in words
);
INSERT INTO server (closed_until, said_for, limits_until, counts_days, remaining_until, unlisted_at)
VALUES (0, 0, 0, 0, 0, 0);
"""
_VERSION: Final = 2
# What a ledger of an earlier version lacks, by the number of that version.
_UPGRADES: Final = {
    1: (
        "ALTER TABLE server ADD COLUMN closed_at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE server ADD COLUMN closed_why TEXT NOT NULL DEFAULT 'a pause'",
    ),
}


class Slot(Protocol):
    """The right to send one request."""

    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        """Say that the request is over: the answer's headers and status; ({}, None) = without an answer.

        (None, None) says that it was given up while under way: the server may still receive it.
        """


class Gate(Protocol):
    """An object that hands out slots."""

    def acquire(self, operation: str) -> Slot:
        """Give a slot, perhaps after waiting. Raises RateLimited or QuotaSpent if that would take too long."""

    def available(self) -> Allowance:
        """Say how many requests may start now."""

    def limits(self) -> Allowance:
        """Say how many requests a minute and a day may hold: the smaller of ours and the server's."""

    def closed(self) -> Closed | None:
        """Say until when nobody may send, and why; None while the gate is open."""

    def close(self) -> None:
        """Let go of what is held open."""


class _OpenSlot:
    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        """Nobody counts."""


class OpenGate:
    """No limit at all: every request passes, none is counted."""

    def __init__(self) -> None:
        self._slot = _OpenSlot()

    def acquire(self, operation: str) -> Slot:  # noqa: ARG002
        """Give a slot at once."""
        return self._slot

    def available(self) -> Allowance:
        """Say that nothing limits anybody."""
        return Allowance(None, None)

    limits = available

    def closed(self) -> Closed | None:
        """Say that it is open."""
        return None

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many requests: of a minute, of a day; None = no limit is known."""

    minute: int | None
    day: int | None

    @property
    def now(self) -> int | None:
        """The smaller of the two; None = no limit."""
        known = [one for one in (self.minute, self.day) if one is not None]
        return min(known) if known else None


@dataclass(frozen=True, slots=True)
class Closed:
    """Nobody may send before `until` (aware, UTC). `why`: in words."""

    until: dt.datetime
    why: str

    def __str__(self) -> str:
        """Read as a part of a sentence."""
        return f"until {self.until:%Y-%m-%d %H:%M:%S} UTC: {self.why}"


@dataclass(frozen=True, slots=True)
class _Server:
    """The row of the table `server`."""

    closed_until: int
    said_for: int
    minute_limit: int | None
    day_limit: int | None
    limits_until: int
    remaining: int | None
    counts_days: bool
    remaining_until: int
    unlisted_at: int
    closed_at: int
    closed_why: str

    def minute(self, at: int) -> int | None:
        return self.minute_limit if self.limits_until > at else None

    def day(self, at: int) -> int | None:
        return self.day_limit if self.limits_until > at else None

    def left(self, at: int) -> int | None:
        return self.remaining if self.remaining_until > at else None

    def is_silent(self, at: int) -> bool:
        return self.closed_until <= at and self.limits_until <= at and self.remaining_until <= at


@dataclass(frozen=True, slots=True)
class _Bound:
    """One limit as it stands: how many may start, and if none may, when the next one can (µs)."""

    free: int
    is_day: bool
    next_at: int
    closed: Closed | None = None  # nobody may send at all, whatever the limit


class _Slot:
    __slots__ = ("_gate", "acquired", "id")

    def __init__(self, gate: SqliteGate, acquired: int, id: int | None) -> None:  # noqa: A002
        self._gate: SqliteGate | None = gate
        self.acquired = acquired
        self.id = id  # None: not in the ledger, because there is no limit

    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate._release(self, headers, status)  # noqa: SLF001 - the gate's own slot


class SqliteGate:
    """A gate that all processes of this machine share through one SQLite file, and that survives restarts and kills.

    `per_minute`, `per_day`: our own limits, None = none. `timeout_seconds`: the longest a request can take before the
    server has seen it. `reserve`: slots of each window that this holder leaves to others. `max_wait` (seconds): how
    long `acquire` waits for a slot. `history`: the start of each request of the last 24 hours that is known from
    elsewhere. It is asked when there is a limit but no file: if there were requests, the file was lost, and the gate
    opens as `rebuild` says, with `uncommitted` requests on top; and when a limit comes after a time without one.

    Threads may share one. Raises Busy when the file stays locked, GiveUp when it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        per_minute: int | None,
        per_day: int | None,
        timeout_seconds: float = 120.0,
        reserve: int = 0,
        max_wait: float = 90.0,
        history: Callable[[], Iterable[dt.datetime]] | None = None,
        uncommitted: int = 0,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = Path(path)
        self._per_minute = per_minute
        self._per_day = per_day
        self._timeout = round(timeout_seconds * _SECOND)
        self._reserve = reserve
        self._max_wait = max_wait
        self._history = history
        self._uncommitted = uncommitted
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # process and inode the connection belongs to
        self._unlisted: set[_Slot] = set()  # under way while there is no limit: no row is written for them
        self._noted_unlisted = False
        self._looked_at = 0  # when the server was last seen to have said nothing

    # What others call.

    def acquire(self, operation: str, *, max_wait: float | None = None) -> Slot:
        """Give a slot, waiting up to `max_wait` seconds; where that is too short, it raises at once.

        Raises QuotaSpent (the day's requests are used up) or RateLimited, both with `retry_after`.
        """
        patience = self._max_wait if max_wait is None else max_wait
        while True:
            at = self._micros()
            got = self._try(at)
            if isinstance(got, _Slot):
                return got
            wait = (got.next_at - at) / _SECOND
            if wait > patience:
                if got.is_day:
                    raise QuotaSpent(f"{operation}: the day's requests are used up", retry_after=wait)
                if got.closed is not None:
                    raise RateLimited(f"{operation}: the gate is closed {got.closed}", retry_after=wait)
                raise RateLimited(f"{operation}: no request is free this minute", retry_after=wait)
            nap = min(wait, _LONGEST_NAP)
            self._sleep(nap)
            patience -= nap  # the time slept counts: a clock may be set back meanwhile

    def available(self, now: dt.datetime | None = None) -> Allowance:
        """Say how many requests this holder may start now."""
        at = self._micros(now)
        with self._lock:
            if not self._is_limited and not self._path.exists():
                return Allowance(None, None)
            with self._settled(at) as db:
                bounds = list(self._bounds(db, at))
        minute = [bound.free for bound in bounds if not bound.is_day]
        day = [bound.free for bound in bounds if bound.is_day]
        return Allowance(min(minute) if minute else None, min(day) if day else None)

    def opens_at(self, now: dt.datetime | None = None) -> dt.datetime | None:
        """Say when the next request may start; None: now."""
        at = self._micros(now)
        with self._lock:
            if not self._is_limited and not self._path.exists():
                return None
            with self._transaction(write=False) as db:
                shut = [bound.next_at for bound in self._bounds(db, at) if bound.free <= 0]
        return dt.datetime.fromtimestamp(max(shut) / _SECOND, dt.UTC) if shut else None

    def limits(self, now: dt.datetime | None = None) -> Allowance:
        """Say how many requests a minute and a day may hold, for all holders together."""
        at = self._micros(now)
        with self._lock:
            if not self._is_limited and not self._path.exists():
                return Allowance(None, None)
            with self._settled(at) as db:
                server = _server(db)
        return self._stricter(server, at)

    def closed(self, now: dt.datetime | None = None) -> Closed | None:
        """Say until when nobody may send, and why; None while the gate is open, also to who waits for a free slot."""
        at = self._micros(now)
        with self._lock:
            if not self._is_limited and not self._path.exists():
                return None
            with self._settled(at) as db:
                return _closed(_server(db), at)

    def rebuild(self, started: Iterable[dt.datetime], *, uncommitted: int = 0) -> None:
        """Start the ledger anew from request starts known from elsewhere: closed for a while, then counting them.

        `uncommitted` slots come on top: what may have been sent without having been recorded anywhere.
        """
        with self._lock, self._transaction(write=True) as db:
            db.execute("DELETE FROM slots")
            self._refill(db, started, uncommitted=uncommitted, shut_for=self._lost_for)

    def close(self) -> None:
        """Close the file. The gate may be used again, and opens it again."""
        with self._lock:
            if self._noted_unlisted:
                with contextlib.suppress(Busy, GiveUp), self._transaction(write=True) as db:
                    db.execute("UPDATE server SET unlisted_at = ?", (self._micros(),))
            self._noted_unlisted = False
            self._disconnect()

    # Deciding.

    @property
    def _is_limited(self) -> bool:
        return self._per_minute is not None or self._per_day is not None

    @property
    def _lost_for(self) -> int:
        """Requests under way when the ledger was lost may be counted until their time-out, and then for a window."""
        return self._timeout + _MINUTE

    def _micros(self, moment: dt.datetime | None = None) -> int:
        return _micros(moment or self._now())

    @contextlib.contextmanager
    def _settled(self, at: int) -> Iterator[sqlite3.Connection]:
        """A transaction to read in, after a clock that has gone back."""
        with self._transaction(write=False) as db:
            is_ahead = self._is_ahead(db, at)
            if not is_ahead:
                yield db
        if is_ahead:  # rare: a reader writes only in this case
            with self._transaction(write=True) as db:
                self._settle(db, at)
                yield db

    def _is_ahead(self, db: sqlite3.Connection, at: int) -> bool:
        """Whether the ledger holds times that are impossible for a clock that says `at`."""
        server, soonest = _server(db), at + _CLOCK_SLACK
        return (
            server.closed_at > soonest
            or server.closed_until > soonest + _DAY
            or server.limits_until > soonest + _DAY
            or server.remaining_until > soonest + (_DAY if server.counts_days else _LONGEST_RESET)
            or server.unlisted_at > soonest
            or db.execute("SELECT 1 FROM slots WHERE until > ? LIMIT 1", (soonest + self._timeout,)).fetchone()
            is not None
        )

    def _settle(self, db: sqlite3.Connection, at: int) -> None:
        """Move back entries that are dated later than possible: they were written by another clock."""
        if not self._is_ahead(db, at):
            return
        server, soonest = _server(db), at + _CLOCK_SLACK
        log.warning("the clock has gone back: the request ledger is drawn back to it")
        db.execute("UPDATE slots SET until = ? WHERE until > ? AND last_id BETWEEN 1 AND ?", (at, soonest, _LOST - 1))
        db.execute("UPDATE slots SET until = ? WHERE until > ?", (at + self._timeout, soonest + self._timeout))
        pause = min(server.closed_until - server.closed_at, _DAY)
        is_ahead = server.closed_at > soonest or server.closed_until > soonest + _DAY
        remains = _DAY if server.counts_days else _MINUTE
        db.execute(
            "UPDATE server SET closed_at = ?, closed_until = ?, limits_until = min(limits_until, ?),"
            " remaining_until = CASE WHEN remaining_until > ? THEN ? ELSE remaining_until END,"
            " unlisted_at = min(unlisted_at, ?)",
            (
                at if is_ahead else server.closed_at,
                at + pause if is_ahead else server.closed_until,
                at + _DAY,
                soonest + (_DAY if server.counts_days else _LONGEST_RESET),
                at + remains,
                at,
            ),
        )

    def _try(self, at: int) -> _Slot | _Bound:
        """Take a slot, or give the bound that forbids it for the longest time."""
        with self._lock:
            if not self._is_limited and self._nobody_limits(at):
                slot = _Slot(self, at, None)
                self._unlisted.add(slot)
                return slot
            with self._transaction(write=True, durable=True) as db:
                self._settle(db, at)
                shut = [bound for bound in self._bounds(db, at) if bound.free <= 0]
                if shut:
                    return max(shut, key=lambda bound: bound.next_at)
                slot = _Slot(self, at, self._insert(db, at))
                if slot.id is not None and slot.id % _PURGE_EVERY == 0:
                    self._purge(db, at)
                return slot

    def _nobody_limits(self, at: int) -> bool:
        # The usual case with a sandbox: no limit is set and none was named, so only that fact is written down.
        if self._noted_unlisted:
            if self._looked_at <= at < self._looked_at + _GLANCE:
                return True
            with self._settled(at) as db:
                is_silent = _server(db).is_silent(at)
            self._looked_at = at if is_silent else 0
            return is_silent
        with self._transaction(write=True) as db:
            self._settle(db, at)
            if not _server(db).is_silent(at):
                return False
            db.execute("UPDATE server SET unlisted_at = ?", (at,))
        self._noted_unlisted = True
        return True

    def _stricter(self, server: _Server, at: int) -> Allowance:
        """Our limits and the CRM's, whichever is less."""
        minute = [limit for limit in (self._per_minute, server.minute(at)) if limit is not None]
        day = [limit for limit in (self._per_day, server.day(at)) if limit is not None]
        return Allowance(min(minute, default=None), min(day, default=None))

    def _bounds(self, db: sqlite3.Connection, at: int) -> Iterator[_Bound]:
        server = _server(db)
        closed = _closed(server, at)
        if server.closed_until > at:
            yield _Bound(0, is_day=False, next_at=server.closed_until, closed=closed)
        limits = self._stricter(server, at)
        for window, is_day, most in ((_MINUTE, False, limits.minute), (_DAY, True, limits.day)):
            if most is not None:
                # A reserve as large as the limit would stop its holder for ever.
                limit = max(1, most - self._reserve)
                taken = _count(db, "until >= ?", at - window)
                next_at = _leaves(db, at, window=window, nth=taken - limit) if taken >= limit else at
                yield _Bound(max(0, limit - taken), is_day=is_day, next_at=next_at)
        left = server.left(at)
        if left is not None:
            free = max(0, left - self._reserve - _uncounted(db, server.said_for))
            yield _Bound(free, is_day=server.counts_days, next_at=server.remaining_until, closed=closed)

    def _insert(self, db: sqlite3.Connection, acquired: int) -> int:
        row = db.execute(
            "INSERT INTO slots (acquired, until, last_id) VALUES (?, ?, ?)",
            (acquired, acquired + self._timeout, _OPEN),
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def _purge(self, db: sqlite3.Connection, at: int) -> None:
        keeps_day = self._per_day is not None or _server(db).day(at) is not None
        db.execute("DELETE FROM slots WHERE until < ?", (at - (_DAY if keeps_day else 2 * _MINUTE) - _SECOND,))

    # What the server says.

    def _release(self, slot: _Slot, headers: Mapping[str, str] | None, status: int | None) -> None:
        now = self._now()
        at = max(_micros(now), slot.acquired)
        said = {name.lower(): value for name, value in (headers or {}).items()}
        with self._lock:
            self._unlisted.discard(slot)
            speaks = any(name in said for name in ("x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"))
            if slot.id is None and not speaks:
                return
            try:
                with self._transaction(write=True) as db:
                    if slot.id is not None and headers is None:
                        db.execute("UPDATE slots SET last_id = ? WHERE id = ?", (_LOST, slot.id))
                    elif slot.id is not None:
                        _answered(db, slot.id, at)
                    if speaks:
                        self._hear(db, slot, said, status=status, at=at, now=now)
            except (Busy, GiveUp):
                # The answer must not be lost because of this. The slot stays taken for longer, which is safe.
                log.warning("the request ledger did not take note of an answer")

    def _hear(
        self,
        db: sqlite3.Connection,
        slot: _Slot,
        said: Mapping[str, str],
        *,
        status: int | None,
        at: int,
        now: dt.datetime,
    ) -> None:
        self._looked_at = 0
        pause = retry_after(said, now=now) if status in (429, 503) else None
        if pause is not None:
            self._shut(db, at, round(pause * _SECOND), f"the CRM asked for a pause (HTTP {status}, Retry-After)")
        rates = rate_headers(said, now=now)
        if rates.limit is None and rates.remaining is None:
            return
        if slot.id is None:
            # The first time that a limit is named: from here on requests are in the ledger, also those under way.
            slot.id = self._insert(db, slot.acquired)
            _answered(db, slot.id, at)
            for other in self._unlisted:
                other.id = self._insert(db, other.acquired)
            self._unlisted.clear()
        server = _server(db)
        if slot.id < server.said_for:
            return  # answers may overtake each other; that of the youngest request counts
        reset_after = rates.reset_after if rates.reset_after is not None else _MINUTE / _SECOND
        counts_days = reset_after > _LONGEST_MINUTE
        db.execute(
            "UPDATE server SET said_for = ?, remaining = ?, counts_days = ?, remaining_until = ?",
            (slot.id, rates.remaining, counts_days, at + round(reset_after * _SECOND)),
        )
        if rates.limit is not None:
            column = "day_limit" if counts_days else "minute_limit"
            db.execute(f"UPDATE server SET {column} = ?, limits_until = ?", (rates.limit, at + _DAY))

    def _shut(self, db: sqlite3.Connection, at: int, span: int, why: str) -> None:
        """Let nobody send for a while (µs, a day at most); a longer pause that is under way stays."""
        db.execute(
            "UPDATE server SET closed_until = ?, closed_at = ?, closed_why = ? WHERE closed_until < ?",
            (at + min(span, _DAY), at, why, at + min(span, _DAY)),
        )

    # The file.

    def _refill(
        self, db: sqlite3.Connection, started: Iterable[dt.datetime], *, uncommitted: int, shut_for: int
    ) -> None:
        at = self._micros()
        moments = [_micros(moment) for moment in started]
        rows = [(moment, moment + self._timeout) for moment in moments if moment > at - _DAY - self._timeout]
        rows += [(at, at + self._timeout)] * uncommitted
        db.executemany("INSERT INTO slots (acquired, until, last_id) VALUES (?, ?, 0)", rows)
        self._shut(db, at, shut_for, "the account of requests is rebuilt, and some may still be under way")

    @contextlib.contextmanager
    def _transaction(self, *, write: bool, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One short transaction. `durable`: it survives a power cut, too, as an `acquire` must; nothing else need."""
        try:
            db = self._connect()
            if write:
                db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        except sqlite3.Error as problem:
            self._disconnect()
            if isinstance(problem, sqlite3.OperationalError) and "locked" in str(problem):
                raise Busy("another process holds the request ledger", holder=str(self._path)) from problem
            # SQLite says "disk I/O error" of a full disk, too: moving the file away would be no help there.
            is_full = shutil.disk_usage(self._path.parent).free < _LEAST_ROOM
            what_to_do = (
                "its disk is full: make room"
                if is_full
                else "if the file is damaged, move it away: it is rebuilt from the requests on record"
            )
            raise GiveUp(f"the request ledger {self._path} cannot be used ({problem}); {what_to_do}") from problem

    def _connect(self) -> sqlite3.Connection:
        """Give the connection, opened anew after a fork and when the file was replaced under us."""
        if self._connection is not None and self._opened == (os.getpid(), _inode(self._path)):
            return self._connection
        self._disconnect()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=_LOCK_PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection = db
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                known = list(self._history()) if self._history and self._is_limited else []
                if known:
                    self._refill(db, known, uncommitted=self._uncommitted, shut_for=self._lost_for)
            for earlier in range(version or _VERSION, _VERSION):
                for statement in _UPGRADES[earlier]:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
            if version and self._is_limited and _server(db).unlisted_at > self._micros() - _DAY - self._timeout:
                # Until now nothing was limited, and nothing was listed: what was sent is on record elsewhere.
                db.execute("DELETE FROM slots")
                self._refill(db, self._history() if self._history else (), uncommitted=0, shut_for=_MINUTE)
                db.execute("UPDATE server SET unlisted_at = 0")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        self._opened = (os.getpid(), _inode(self._path))
        return db

    def _disconnect(self) -> None:
        if self._connection is not None:
            if self._opened is None or self._opened[0] == os.getpid():
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
            else:
                _FORKED.append(self._connection)
        self._connection = self._opened = None


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _closed(server: _Server, at: int) -> Closed | None:
    """The pause that lasts longest of those that the server asked for, None without one."""
    pauses = [(server.closed_until, server.closed_why)] if server.closed_until > at else []
    if server.left(at) == 0:
        span = "day" if server.counts_days else "minute"
        pauses.append(
            (server.remaining_until, f"the CRM takes no more requests this {span} (X-RateLimit-Remaining: 0)")
        )
    if not pauses:
        return None
    until, why = max(pauses)
    return Closed(dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=until), why)


def _server(db: sqlite3.Connection) -> _Server:
    return _Server(*db.execute("SELECT * FROM server").fetchone())


def _answered(db: sqlite3.Connection, slot_id: int, at: int) -> None:
    db.execute("UPDATE slots SET until = ?, last_id = (SELECT max(id) FROM slots) WHERE id = ?", (at, slot_id))


def _count(db: sqlite3.Connection, condition: str, *values: int) -> int:
    number = db.execute(f"SELECT count(*) FROM slots WHERE {condition}", values).fetchone()[0]
    assert isinstance(number, int)
    return number


def _uncounted(db: sqlite3.Connection, said_for: int) -> int:
    """Count the requests that slot `said_for`'s news of what remains may not have in it: those that overlapped with it.

    The order of slots decides: on a clock that stands still, or is set back, times would not tell. But a request that
    never was answered overlaps with all that come after it. If the server ever saw it, then by its latest moment.
    """
    row = db.execute("SELECT min(acquired, until) FROM slots WHERE id = ?", (said_for,)).fetchone()
    began = 0 if row is None else row[0] - _CLOCK_SLACK
    return _count(db, f"last_id >= ? AND id <> ? AND (last_id < {_LOST} OR until >= ?)", said_for, said_for, began)


def _leaves(db: sqlite3.Connection, at: int, *, window: int, nth: int) -> int:
    """Give the moment when the nth (from 0) of the slots that a window holds has left it.

    For a request under way this assumes that its answer comes now: whoever waits looks again soon.
    """
    row = db.execute(
        f"SELECT CASE last_id WHEN {_OPEN} THEN min(until, ?) ELSE until END AS gone FROM slots WHERE until >= ? "
        "ORDER BY gone LIMIT 1 OFFSET ?",
        (at, at - window, nth),
    ).fetchone()
    assert row is not None
    return int(row[0]) + window + 1  # the window includes both its ends
