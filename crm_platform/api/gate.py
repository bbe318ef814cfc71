"""The request gate: nobody sends a request to the CRM without a slot from here.

What belongs here: the gate's protocol, the gate of one machine, the open one, and what an answer's headers say to it.
What does not: the gate of several hosts (redis_gate.py), the ledger's file (ledger.py), what to fetch, when to try
again (connection.py), the account of what was sent (`ops.fetches`).

The promise: as counted by the server, no rolling minute and no rolling 24 hours ever holds more requests than the
limit, whoever asks and whoever crashed. The server counts a request at some moment between our asking and its answer,
so

- a slot is taken from `acquire` until the answer came *plus the window*;
- the slot of a request that was given up, or whose process died, is taken until its longest duration plus the window;
- what the server says (`X-RateLimit-*`, `Retry-After`) can only lower the limit, for every process at once.

Why the promise holds: take all requests that the server counted in one window, and among them the one that acquired its
slot last. At that moment each of the others was unanswered, or answered less than a window ago. So each was counted
here, and the limit was not exceeded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from crm_platform.api.envelopes import rate_headers, retry_after
from crm_platform.api.instants import micros
from crm_platform.api.ledger import DAY, LONGEST_MINUTE, MINUTE, SECOND, Entries, RequestLedger, ServerLimits
from crm_platform.errors import Busy, GiveUp, QuotaSpent, RateLimited

log = logging.getLogger(__name__)

# While waiting, look again this often (seconds): a slot may come back earlier than it looked.
_LONGEST_NAP: Final = 1.0
_GLANCE: Final = SECOND // 5  # how long "nothing limits anybody" is believed before the file is asked again
PAUSE_WHY: Final = "the CRM asked for a pause (HTTP {status}, Retry-After)"
_PURGE_EVERY: Final = 256  # slots between two purges of those that no window can see any more


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

    def opens_at(self) -> dt.datetime | None:
        """Say when the next request may start; None: now."""

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

    def opens_at(self) -> dt.datetime | None:
        """Say that it is open."""
        return None

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
class Bound:
    """One limit as it stands: how many may start, and if none may, when the next one can (µs).

    `closed`: nobody may send at all, whatever the limit. `problem`: the ledger cannot be asked now.
    """

    free: int
    is_day: bool
    next_at: int
    closed: Closed | None = None
    problem: Busy | None = None


_SlotT = TypeVar("_SlotT", bound="Slot")


def patiently(
    attempt: Callable[[], tuple[_SlotT | Bound, int]],
    operation: str,
    *,
    patience: float,
    sleep: Callable[[float], None],
) -> _SlotT:
    """Try for a slot until there is one, or until the wait for it is longer than `patience` (seconds).

    `attempt`: gives a slot, or the bound that forbids it for longest, and the ledger's time (µs). Raises QuotaSpent or
    RateLimited with `retry_after`, or what keeps the ledger from being asked.
    """
    while True:
        got, at = attempt()
        if not isinstance(got, Bound):
            return got
        wait = (got.next_at - at) / SECOND
        if wait > patience:
            if got.problem is not None:
                raise got.problem
            if got.is_day:
                raise QuotaSpent(f"{operation}: the day's requests are used up", retry_after=wait)
            if got.closed is not None:
                raise RateLimited(f"{operation}: the gate is closed {got.closed}", retry_after=wait)
            raise RateLimited(f"{operation}: no request is free this minute", retry_after=wait)
        nap = min(wait, _LONGEST_NAP)
        sleep(nap)
        patience -= nap  # the time slept counts: a clock may be set back meanwhile


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
        history: Callable[[], Iterable[dt.datetime]] = list,
        uncommitted: int = 0,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._per_minute = per_minute
        self._per_day = per_day
        self._reserve = reserve
        self._max_wait = max_wait
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._is_limited = per_minute is not None or per_day is not None
        self._ledger = RequestLedger(
            path,
            timeout=round(timeout_seconds * SECOND),
            is_limited=self._is_limited,
            history=history,
            uncommitted=uncommitted,
            clock=lambda: micros(self._now()),
        )
        self._unlisted: set[_Slot] = set()  # under way while there is no limit: no row is written for them
        self._noted_unlisted = False
        self._looked_at = 0  # when the server was last seen to have said nothing

    # What others call.

    def acquire(self, operation: str) -> _Slot:
        """Give a slot, after waiting where `max_wait` is long enough; where it is not, it raises at once.

        Raises QuotaSpent (the day's requests are used up) or RateLimited, both with `retry_after`.
        """
        return patiently(self._try, operation, patience=self._max_wait, sleep=self._sleep)

    def available(self) -> Allowance:
        """Say how many requests this holder may start now."""
        with self._look() as (entries, at):
            bounds = list(self._bounds(entries, at)) if entries else []
        minute = min((bound.free for bound in bounds if not bound.is_day), default=None)
        return Allowance(minute, min((bound.free for bound in bounds if bound.is_day), default=None))

    def opens_at(self) -> dt.datetime | None:
        """Say when the next request may start; None: now."""
        with self._look() as (entries, at):
            shut = [bound.next_at for bound in self._bounds(entries, at) if bound.free <= 0] if entries else []
        return dt.datetime.fromtimestamp(max(shut) / SECOND, dt.UTC) if shut else None

    def limits(self) -> Allowance:
        """Say how many requests a minute and a day may hold, for all holders together."""
        with self._look() as (entries, at):
            return stricter(self._per_minute, self._per_day, entries.server(), at) if entries else Allowance(None, None)

    def closed(self) -> Closed | None:
        """Say until when nobody may send, and why; None while the gate is open, also to who waits for a free slot."""
        with self._look() as (entries, at):
            return closed_by(entries.server(), at) if entries else None

    def rebuild(self, started: Iterable[dt.datetime], *, uncommitted: int = 0) -> None:
        """Start the ledger anew from request starts known from elsewhere: closed for a while, then counting them.

        `uncommitted` slots come on top: what may have been sent without having been recorded anywhere.
        """
        with self._lock, self._ledger.transaction(write=True) as entries:
            entries.refill(started, uncommitted=uncommitted, at=self._micros(), shut_for=self._ledger.lost_for)

    def close(self) -> None:
        """Close the file. The gate may be used again, and opens it again."""
        with self._lock:
            if self._noted_unlisted:
                with contextlib.suppress(Busy, GiveUp), self._ledger.transaction(write=True) as entries:
                    entries.passed_unlisted(self._micros())
            self._noted_unlisted = False
            self._ledger.close()

    # Deciding.

    def _micros(self) -> int:
        return micros(self._now())

    @contextlib.contextmanager
    def _look(self) -> Iterator[tuple[Entries | None, int]]:
        """Give the ledger to read in, and the time; None where there is no file, since nothing ever limited anybody."""
        at = self._micros()
        with self._lock:
            if not self._is_limited and not self._path.exists():
                yield None, at
                return
            with self._ledger.settled(at) as entries:
                yield entries, at

    def _try(self) -> tuple[_Slot | Bound, int]:
        """Take a slot, or give the bound that forbids it for the longest time; and the time."""
        at = self._micros()
        with self._lock:
            if not self._is_limited and self._nobody_limits(at):
                slot = _Slot(self, at, None)
                self._unlisted.add(slot)
                return slot, at
            with self._ledger.transaction(write=True, durable=True) as entries:
                entries.settle(at)
                shut = [bound for bound in self._bounds(entries, at) if bound.free <= 0]
                if shut:
                    return max(shut, key=lambda bound: bound.next_at), at
                slot_id = entries.begin(at)
                if slot_id % _PURGE_EVERY == 0:
                    keeps_day = self._per_day is not None or entries.server().day(at) is not None
                    entries.purge(at - (DAY if keeps_day else 2 * MINUTE) - SECOND)
                return _Slot(self, at, slot_id), at

    def _nobody_limits(self, at: int) -> bool:
        # The usual case with a sandbox: no limit is set and none was named, so only that fact is written down.
        if self._noted_unlisted:
            if self._looked_at <= at < self._looked_at + _GLANCE:
                return True
            with self._ledger.settled(at) as entries:
                is_silent = entries.server().is_silent(at)
            self._looked_at = at if is_silent else 0
            return is_silent
        with self._ledger.transaction(write=True) as entries:
            entries.settle(at)
            if not entries.server().is_silent(at):
                return False
            entries.passed_unlisted(at)
        self._noted_unlisted = True
        return True

    def _bounds(self, entries: Entries, at: int) -> Iterator[Bound]:
        server = entries.server()
        closed = closed_by(server, at)
        if server.closed_until > at:
            yield Bound(0, is_day=False, next_at=server.closed_until, closed=closed)
        limits = stricter(self._per_minute, self._per_day, server, at)
        for window, is_day, most in ((MINUTE, False, limits.minute), (DAY, True, limits.day)):
            if most is not None:
                # A reserve as large as the limit would stop its holder for ever.
                limit = max(1, most - self._reserve)
                taken = entries.taken(at - window)
                next_at = entries.leaves(at, window=window, nth=taken - limit) if taken >= limit else at
                yield Bound(max(0, limit - taken), is_day=is_day, next_at=next_at)
        left = server.left(at)
        if left is not None:
            free = max(0, left - self._reserve - entries.uncounted(server.said_for))
            yield Bound(free, is_day=server.counts_days, next_at=server.remaining_until, closed=closed)

    # What the server says.

    def _release(self, slot: _Slot, headers: Mapping[str, str] | None, status: int | None) -> None:
        now = self._now()
        at = max(micros(now), slot.acquired)
        said = {name.lower(): value for name, value in (headers or {}).items()}
        with self._lock:
            self._unlisted.discard(slot)
            speaks = any(name in said for name in ("x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"))
            if slot.id is None and not speaks:
                return
            try:
                with self._ledger.transaction(write=True) as entries:
                    if slot.id is not None and headers is None:
                        entries.lose(slot.id)
                    elif slot.id is not None:
                        entries.end(slot.id, at)
                    if speaks:
                        self._hear(entries, slot, said, status=status, at=at, now=now)
            except (Busy, GiveUp):
                # The answer must not be lost because of this. The slot stays taken for longer, which is safe.
                log.warning("the request ledger did not take note of an answer")

    def _hear(
        self,
        entries: Entries,
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
            entries.shut(at, round(pause * SECOND), PAUSE_WHY.format(status=status))
        rates = rate_headers(said, now=now)
        if rates.limit is None and rates.remaining is None:
            return
        if slot.id is None:
            # The first time that a limit is named: from here on requests are in the ledger, also those under way.
            slot.id = entries.begin(slot.acquired)
            entries.end(slot.id, at)
            for other in self._unlisted:
                other.id = entries.begin(other.acquired)
            self._unlisted.clear()
        if slot.id < entries.server().said_for:
            return  # answers may overtake each other; that of the youngest request counts
        reset_after = MINUTE if rates.reset_after is None else round(rates.reset_after * SECOND)
        counts_days = reset_after > LONGEST_MINUTE
        entries.hear(slot.id, rates.remaining, counts_days=counts_days, until=at + reset_after)
        if rates.limit is not None:
            entries.hear_limit(rates.limit, is_day=counts_days, until=at + DAY)


def stricter(per_minute: int | None, per_day: int | None, server: ServerLimits, at: int) -> Allowance:
    """Our limits and the CRM's, whichever is less."""
    minute = [limit for limit in (per_minute, server.minute(at)) if limit is not None]
    day = [limit for limit in (per_day, server.day(at)) if limit is not None]
    return Allowance(min(minute, default=None), min(day, default=None))


def closed_by(server: ServerLimits, at: int) -> Closed | None:
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
