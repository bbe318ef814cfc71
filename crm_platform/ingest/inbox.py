"""The inbox: events that came and are not in the warehouse yet, in a file of their own.

What belongs here: keeping them until a crawl has them, so that nothing is lost whoever is killed when. What does not:
what an event says (events/), what becomes of it (events.py).

The receiver writes while a crawl holds the warehouse, so the inbox is SQLite, in a mode where many small transactions
are cheap and each is on the disk when it ends. What is taken out is dropped only once the warehouse has it: a kill
between the two lets it be taken once more, and its key makes that harmless.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Final

from crm_platform.errors import Busy, GiveUp
from crm_platform.sqlite_file import all_or_nothing, inode
from crm_platform.warehouse import keep_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PATIENCE: Final = 10.0
"""Seconds to wait for whoever writes at the moment."""


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event as it was understood. Instants are microseconds since 1970 UTC; `properties` is JSON."""

    event_id: str
    event: str
    source: str
    chat_id: str | None
    message_id: str | None
    agent: str | None
    whatsapp_number: str | None
    happened_at: int
    received_at: int
    properties: str | None


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """What came and is no event: the record as JSON, and why. `received_at` in microseconds since 1970 UTC."""

    reason: str
    raw: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Events out of the inbox, in the order they came. `until`, `refused_until`: their last places in it."""

    events: list[InboxEvent]
    refused: list[RefusedEvent]
    until: int = 0
    refused_until: int = 0

    def __bool__(self) -> bool:
        return bool(self.events or self.refused)


@dataclass(frozen=True, slots=True)
class InboxState:
    """How many events wait, and when the newest that ever came did (microseconds since 1970 UTC)."""

    waiting: int
    newest_at: int | None


_FIELDS: Final = tuple(field.name for field in fields(InboxEvent))
_SCHEMA: Final = f"""
create table if not exists events (
    seq integer primary key autoincrement,
    {", ".join(f"{name} {'integer not null' if name.endswith('_at') else 'text'}" for name in _FIELDS)},
    unique (event_id)
);
create table if not exists refused (
    seq integer primary key autoincrement, reason text not null, raw text not null, received_at integer not null
);
create table if not exists newest (received_at integer not null)
"""
_PUT: Final = f"insert or ignore into events ({', '.join(_FIELDS)}) values ({', '.join('?' * len(_FIELDS))})"


class Inbox:
    """The file, opened when it is first needed. Use it from one thread at a time.

    Raises GiveUp when it cannot be written (a full disk, a damaged file), and Busy when another holds it for long.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._opened_by = (0, -1)

    def put(self, events: Sequence[InboxEvent], refused: Sequence[RefusedEvent] = ()) -> int:
        """Keep these; they are on the disk when this returns. Gives how many events were not in it already."""
        with self._transaction() as db:
            before = db.total_changes
            db.executemany(_PUT, map(astuple, events))
            new = db.total_changes - before
            db.executemany("insert into refused (reason, raw, received_at) values (?, ?, ?)", map(astuple, refused))
            if events:
                newest = max(one.received_at for one in events)
                if not db.execute("update newest set received_at = max(received_at, ?)", (newest,)).rowcount:
                    db.execute("insert into newest values (?)", (newest,))
        return new

    def take(self, most: int) -> Taken:
        """Give the oldest events, at most so many, and what was refused meanwhile; all of it stays until `drop`."""
        if not self._path.exists():
            return Taken([], [])
        with self._transaction(write=False) as db:
            rows = db.execute(f"select seq, {', '.join(_FIELDS)} from events order by seq limit ?", (most,)).fetchall()
            bad = db.execute(
                "select seq, reason, raw, received_at from refused order by seq limit ?", (most,)
            ).fetchall()
        return Taken(
            [InboxEvent(*row[1:]) for row in rows],
            [RefusedEvent(*row[1:]) for row in bad],
            until=max((row[0] for row in rows), default=0),
            refused_until=max((row[0] for row in bad), default=0),
        )

    def drop(self, taken: Taken) -> None:
        """Forget what was taken: the warehouse has it."""
        with self._transaction() as db:
            db.execute("delete from events where seq <= ?", (taken.until,))
            db.execute("delete from refused where seq <= ?", (taken.refused_until,))

    def is_in_use(self) -> bool:
        """Whether anything was ever received here."""
        return self._path.exists()

    def has_events(self) -> bool:
        """Whether anything waits."""
        if not self._path.exists():
            return False
        with self._transaction(write=False) as db:
            found = db.execute("select exists (select 1 from events) or exists (select 1 from refused)").fetchone()
        return bool(found[0])

    def state(self) -> InboxState:
        """How much waits, and how old the newest is."""
        if not self._path.exists():
            return InboxState(0, None)
        with self._transaction(write=False) as db:
            waiting = db.execute("select count(*) from events").fetchone()[0]
            newest = db.execute("select max(received_at) from newest").fetchone()[0]
        return InboxState(waiting, newest)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        db, self._db = self._db, None
        if db is not None and self._opened_by[0] == os.getpid():
            db.close()

    @contextlib.contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            db = self._connect()
            with all_or_nothing(db, write=write):
                yield db
        except sqlite3.Error as problem:
            self.close()
            if isinstance(problem, sqlite3.OperationalError) and "locked" in str(problem):
                raise Busy("another process holds the inbox of events", holder=str(self._path)) from problem
            raise GiveUp(
                f"the inbox of events {self._path} cannot be used ({problem}): make room on its disk; if it is damaged,"
                " move it away, what waited in it is then lost"
            ) from problem

    def _connect(self) -> sqlite3.Connection:
        if self._db is not None and self._opened_by == (os.getpid(), inode(self._path)):
            return self._db
        self.close()
        keep_private(self._path.parent)
        db = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        self._db, self._opened_by = db, (os.getpid(), inode(self._path))
        return db
