"""The request ledger: which requests were sent lately and what the server said of its limits, in one SQLite file.

What belongs here: the file, its transactions and its SQL, and mending what a wrong clock wrote. What does not: whether
a request may start, and what an answer's headers mean (gate.py).

A clock that was wrong has no lasting effect. Once it is set back, entries that are dated later than possible are moved
to the latest possible time: an answer to now, a request under way to now plus its longest duration, a pause to now plus
its own length. A clock that steps forward cannot be told from time that passed: one window may then hold the requests
of two windows, and the server's own refusals close the gate.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crm_platform.api.instants import micros
from crm_platform.errors import Busy, GiveUp
from crm_platform.sqlite_file import all_or_nothing, inode

_log = logging.getLogger(__name__)

SECOND: Final = 1_000_000  # µs; the ledger counts whole microseconds since 1970
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 3600 * SECOND
LONGEST_MINUTE: Final = 65 * SECOND
"""A server whose window ends later than this counts days, not minutes."""

# When a clock is corrected, it moves by more than this. Two processes that read it one after the other differ by less.
CLOCK_SLACK: Final = MINUTE
LOST_WHY: Final = "the account of requests is rebuilt, and some may still be under way"
_LOCK_PATIENCE: Final = 30.0  # seconds to wait for another process's transaction, which takes a millisecond
_LEAST_ROOM: Final = 100_000  # bytes that a transaction may need beside the file

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


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the server said last: the row of the table `server`."""

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
        """Its limit a minute, as far as it is still believed."""
        return self.minute_limit if self.limits_until > at else None

    def day(self, at: int) -> int | None:
        """Its limit a day, as far as it is still believed."""
        return self.day_limit if self.limits_until > at else None

    def left(self, at: int) -> int | None:
        """How many requests it still takes, by what it said."""
        return self.remaining if self.remaining_until > at else None

    def is_silent(self, at: int) -> bool:
        """Whether it limits nobody."""
        return self.closed_until <= at and self.limits_until <= at and self.remaining_until <= at


class Entries:
    """What stands in the ledger, within one transaction. `timeout`: the longest a request can take (µs)."""

    def __init__(self, db: sqlite3.Connection, timeout: int) -> None:
        self._db = db
        self._timeout = timeout

    # Requests.

    def begin(self, acquired: int) -> int:
        """Note a request that begins; gives its slot's id."""
        row = self._db.execute(
            "INSERT INTO slots (acquired, until, last_id) VALUES (?, ?, ?)", (acquired, acquired + self._timeout, _OPEN)
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def end(self, slot_id: int, at: int) -> None:
        """Note that a request's answer came."""
        self._db.execute(
            "UPDATE slots SET until = ?, last_id = (SELECT max(id) FROM slots) WHERE id = ?", (at, slot_id)
        )

    def lose(self, slot_id: int) -> None:
        """Note that a request was given up, which the server may still see."""
        self._db.execute("UPDATE slots SET last_id = ? WHERE id = ?", (_LOST, slot_id))

    def taken(self, since: int) -> int:
        """Count the requests that a window from `since` on holds."""
        return self._count("until >= ?", since)

    def uncounted(self, said_for: int) -> int:
        """Count the requests that slot `said_for`'s news of what remains may not have in it: those that overlapped.

        The order of slots decides: on a clock that stands still, or is set back, times would not tell. But a request
        that never was answered overlaps with all that come after it. If the server ever saw it, then by its latest
        moment.
        """
        row = self._db.execute("SELECT min(acquired, until) FROM slots WHERE id = ?", (said_for,)).fetchone()
        began = 0 if row is None else row[0] - CLOCK_SLACK
        return self._count(f"last_id >= ? AND id <> ? AND (last_id < {_LOST} OR until >= ?)", said_for, said_for, began)

    def _count(self, condition: str, *values: int) -> int:
        number = self._db.execute(f"SELECT count(*) FROM slots WHERE {condition}", values).fetchone()[0]
        assert isinstance(number, int)
        return number

    def leaves(self, at: int, *, window: int, nth: int) -> int:
        """Give the moment when the nth (from 0) of the slots that a window holds has left it.

        For a request under way this assumes that its answer comes now: whoever waits looks again soon.
        """
        row = self._db.execute(
            f"SELECT CASE last_id WHEN {_OPEN} THEN min(until, ?) ELSE until END AS gone FROM slots WHERE until >= ? "
            "ORDER BY gone LIMIT 1 OFFSET ?",
            (at, at - window, nth),
        ).fetchone()
        assert row is not None
        return int(row[0]) + window + 1  # the window includes both its ends

    def purge(self, before: int) -> None:
        """Forget requests that no window can see any more."""
        self._db.execute("DELETE FROM slots WHERE until < ?", (before,))

    def refill(self, started: Iterable[dt.datetime], *, uncommitted: int, at: int, shut_for: int) -> None:
        """Start anew from request starts known from elsewhere, and closed for a while.

        `uncommitted` slots come on top: what may have been sent without having been recorded anywhere.
        """
        self._db.execute("DELETE FROM slots")
        moments = [micros(moment) for moment in started]
        rows = [(moment, moment + self._timeout) for moment in moments if moment > at - DAY - self._timeout]
        rows += [(at, at + self._timeout)] * uncommitted
        self._db.executemany("INSERT INTO slots (acquired, until, last_id) VALUES (?, ?, 0)", rows)
        self.shut(at, shut_for, LOST_WHY)

    # What the server said.

    def server(self) -> ServerLimits:
        """Give what it said last."""
        return ServerLimits(*self._db.execute("SELECT * FROM server").fetchone())

    def hear(self, said_for: int, remaining: int | None, *, counts_days: bool, until: int) -> None:
        """Note how many requests it still takes, by the answer to a slot's request."""
        self._db.execute(
            "UPDATE server SET said_for = ?, remaining = ?, counts_days = ?, remaining_until = ?",
            (said_for, remaining, counts_days, until),
        )

    def hear_limit(self, limit: int, *, is_day: bool, until: int) -> None:
        """Note its limit, and until when it is believed."""
        column = "day_limit" if is_day else "minute_limit"
        self._db.execute(f"UPDATE server SET {column} = ?, limits_until = ?", (limit, until))

    def shut(self, at: int, span: int, why: str) -> None:
        """Let nobody send for a while (µs, a day at most); a longer pause that is under way stays."""
        until = at + min(span, DAY)
        self._db.execute(
            "UPDATE server SET closed_until = ?, closed_at = ?, closed_why = ? WHERE closed_until < ?",
            (until, at, why, until),
        )

    def passed_unlisted(self, at: int) -> None:
        """Note that requests pass without a slot, since nothing limits anybody; 0: that none did."""
        self._db.execute("UPDATE server SET unlisted_at = ?", (at,))

    # A clock that has gone back.

    def is_ahead(self, at: int) -> bool:
        """Whether the ledger holds times that are impossible for a clock that says `at`."""
        server, soonest = self.server(), at + CLOCK_SLACK
        return (
            server.closed_at > soonest
            or server.closed_until > soonest + DAY
            or server.limits_until > soonest + DAY
            or server.remaining_until > soonest + (DAY if server.counts_days else LONGEST_MINUTE)
            or server.unlisted_at > soonest
            or self._db.execute("SELECT 1 FROM slots WHERE until > ? LIMIT 1", (soonest + self._timeout,)).fetchone()
            is not None
        )

    def settle(self, at: int) -> None:
        """Move back entries that are dated later than possible: they were written by another clock."""
        if not self.is_ahead(at):
            return
        server, soonest = self.server(), at + CLOCK_SLACK
        _log.warning("the clock has gone back: the request ledger is drawn back to it")
        self._db.execute(
            "UPDATE slots SET until = ? WHERE until > ? AND last_id BETWEEN 1 AND ?", (at, soonest, _LOST - 1)
        )
        self._db.execute("UPDATE slots SET until = ? WHERE until > ?", (at + self._timeout, soonest + self._timeout))
        pause = min(server.closed_until - server.closed_at, DAY)
        is_ahead = server.closed_at > soonest or server.closed_until > soonest + DAY
        self._db.execute(
            "UPDATE server SET closed_at = ?, closed_until = ?, limits_until = min(limits_until, ?),"
            " remaining_until = CASE WHEN remaining_until > ? THEN ? ELSE remaining_until END,"
            " unlisted_at = min(unlisted_at, ?)",
            (
                at if is_ahead else server.closed_at,
                at + pause if is_ahead else server.closed_until,
                at + DAY,
                soonest + (DAY if server.counts_days else LONGEST_MINUTE),
                at + (DAY if server.counts_days else MINUTE),
                at,
            ),
        )


class RequestLedger:
    """The file, opened when it is first needed. Use it from one thread at a time.

    `timeout`: the longest a request can take (µs). `is_limited`: whether we set a limit ourselves. `history` and
    `uncommitted`: see SqliteGate. `clock` gives the time (µs).
    """

    def __init__(
        self,
        path: Path,
        *,
        timeout: int,
        is_limited: bool,
        history: Callable[[], Iterable[dt.datetime]],
        uncommitted: int,
        clock: Callable[[], int],
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._is_limited = is_limited
        self._history = history
        self._uncommitted = uncommitted
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # process and inode the connection belongs to
        self._was_there = False  # a file that this process had open; one that is new since was lost

    @property
    def lost_for(self) -> int:
        """Requests under way when the ledger was lost may be counted until their time-out, and then for a window."""
        return self._timeout + MINUTE

    @contextlib.contextmanager
    def transaction(self, *, write: bool, durable: bool = False) -> Iterator[Entries]:
        """One short transaction. `durable`: it survives a power cut, too, as an `acquire` must; nothing else need."""
        try:
            db = self._connect()
            if write:
                db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with all_or_nothing(db, write=write):
                yield Entries(db, self._timeout)
        except sqlite3.Error as problem:
            self.close()
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

    @contextlib.contextmanager
    def settled(self, at: int) -> Iterator[Entries]:
        """A transaction to read in, after a clock that has gone back."""
        with self.transaction(write=False) as entries:
            is_ahead = entries.is_ahead(at)
            if not is_ahead:
                yield entries
        if is_ahead:  # rare: a reader writes only in this case
            with self.transaction(write=True) as entries:
                entries.settle(at)
                yield entries

    def _connect(self) -> sqlite3.Connection:
        """Give the connection, opened anew after a fork and when the file was replaced under us."""
        if self._connection is not None and self._opened == (os.getpid(), inode(self._path)):
            return self._connection
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=_LOCK_PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection = db
        db.execute("PRAGMA journal_mode = WAL")
        with all_or_nothing(db, write=True):
            entries = Entries(db, self._timeout)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                known = list(self._history()) if self._is_limited else []
                if known or (self._is_limited and self._was_there):
                    entries.refill(known, uncommitted=self._uncommitted, at=self._clock(), shut_for=self.lost_for)
            for earlier in range(version or _VERSION, _VERSION):
                for statement in _UPGRADES[earlier]:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
            if version and self._is_limited and entries.server().unlisted_at > self._clock() - DAY - self._timeout:
                # Until now nothing was limited, and nothing was listed: what was sent is on record elsewhere.
                entries.refill(self._history(), uncommitted=0, at=self._clock(), shut_for=MINUTE)
                entries.passed_unlisted(0)
        self._opened = (os.getpid(), inode(self._path))
        self._was_there = True
        return db

    def close(self) -> None:
        """Close the file. The next transaction opens it again."""
        if self._connection is not None:
            if self._opened is None or self._opened[0] == os.getpid():
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
            else:
                _FORKED.append(self._connection)
        self._connection = self._opened = None
