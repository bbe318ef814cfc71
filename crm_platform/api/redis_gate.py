"""A gate that several hosts share: its ledger stands in Redis.

What belongs here: the gate of one process there, and telling a server that lost its state what was sent before. What
does not: the promise, and what both kinds share (gate.py), the ledger's script (redis_gate.lua), the connection
(redis_server.py).

Time is Redis's, so hosts need no common clock. A server that was started again, emptied, restored from its own files or
whose clock was set back by more than a minute does not know what was sent meanwhile: the gate is closed until requests
that may be under way have ended and a window has passed since, and each host tells its own requests of the last day
before it sends the next. The same where its clock stepped forward, as a process notices that has asked before.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from crm_platform.api.envelopes import rate_headers, retry_after
from crm_platform.api.gate import PAUSE_WHY, Allowance, Bound, Closed, closed_by, patiently, stricter
from crm_platform.api.instants import micros
from crm_platform.api.ledger import CLOCK_SLACK, DAY, LONGEST_MINUTE, LOST_WHY, MINUTE, SECOND, ServerLimits
from crm_platform.errors import Busy, CrmPlatformError
from crm_platform.redis_server import RedisServer

_log = logging.getLogger(__name__)

_TOLD_AT_ONCE: Final = 5000  # requests of a history in one question
_ASK_AGAIN: Final = 1.0  # seconds, of a server that does not answer
_STEP: Final = 2.0  # seconds by which a clock that is right never runs ahead, and a thousandth of the time beside them


def _elapsed() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class _Reply:
    """What the script says: how it stands, and the slot where one was asked for and is free."""

    at: int
    epoch: str
    since: int
    wants_history: bool
    slot: int
    minute: int | None
    day: int | None
    next_at: int
    next_is_day: bool
    next_is_pause: bool
    server: ServerLimits

    @classmethod
    def of(cls, told: list[Any]) -> _Reply:
        at, epoch, since, wants, slot, minute, day, next_at, next_is_day, next_is_pause, *said = told
        closed_until, said_for, minute_limit, day_limit, limits_until, *said = said
        remaining, counts_days, remaining_until, closed_at, closed_why = said
        server = ServerLimits(
            closed_until=closed_until,
            said_for=said_for,
            minute_limit=_known(minute_limit),
            day_limit=_known(day_limit),
            limits_until=limits_until,
            remaining=_known(remaining),
            counts_days=bool(counts_days),
            remaining_until=remaining_until,
            unlisted_at=0,  # all that passes is listed
            closed_at=closed_at,
            closed_why=closed_why.decode(),
        )
        return cls(
            at=at,
            epoch=epoch.decode(),
            since=since,
            wants_history=bool(wants),
            slot=slot,
            minute=_known(minute),
            day=_known(day),
            next_at=next_at,
            next_is_day=bool(next_is_day),
            next_is_pause=bool(next_is_pause),
            server=server,
        )


class _Slot:
    __slots__ = ("_gate", "acquired", "epoch", "id")

    def __init__(self, gate: RedisGate, reply: _Reply) -> None:
        self._gate: RedisGate | None = gate
        self.id, self.epoch, self.acquired = reply.slot, reply.epoch, reply.at

    def release(self, headers: Mapping[str, str] | None, status: int | None) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate._release(self, headers, status)  # noqa: SLF001 - the gate's own slot


class RedisGate:
    """A gate that all processes of all hosts share which name the same server and CRM.

    `per_minute`, `per_day`, `timeout_seconds`, `reserve`, `max_wait`, `history` and `uncommitted`: as SqliteGate has
    them; all hosts should have the same limits. `host`: who tells a history, a name that differs between data folders;
    None: this process only looks. `timeout_seconds` is longer than a request and the server's patience together.
    `windows`: what a minute and a day are, in seconds. `now`: this machine's clock, by which dates in headers are read.

    Threads may share one. Raises Busy when Redis does not answer within `max_wait`, FixConfiguration and GiveUp as
    RedisServer.asking does.
    """

    def __init__(
        self,
        server: RedisServer,
        *,
        per_minute: int | None,
        per_day: int | None,
        timeout_seconds: float = 120.0,
        reserve: int = 0,
        max_wait: float = 90.0,
        history: Callable[[], Iterable[dt.datetime]] = list,
        uncommitted: int = 0,
        host: str | None = None,
        windows: tuple[float, float] = (MINUTE / SECOND, DAY / SECOND),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._per_minute = per_minute
        self._per_day = per_day
        self._max_wait = max_wait
        self._history = history
        self._uncommitted = uncommitted
        self._host = host
        self._now = now
        self._sleep = sleep
        self._telling = threading.Lock()
        self._seen: tuple[_Reply, float] | None = None  # the last reply, and when it was asked for
        self._keys = [server.key(f"gate{part}") for part in ("", ":slots", ":lasts")]
        self._given = {
            "per_minute": per_minute,
            "per_day": per_day,
            "is_limited": per_minute is not None or per_day is not None,
            "timeout": round(timeout_seconds * SECOND),
            "reserve": reserve,
            "host": host,
            "minute": round(windows[0] * SECOND),
            "day": round(windows[1] * SECOND),
            "slack": CLOCK_SLACK,
            "lost_why": LOST_WHY,
        }

    # What others call.

    def acquire(self, operation: str) -> _Slot:
        """Give a slot, after waiting where `max_wait` is long enough; where it is not, it raises at once.

        Raises QuotaSpent (the day's requests are used up) or RateLimited, both with `retry_after`.
        """
        until = _elapsed() + self._max_wait
        return patiently(lambda: self._try(until), operation, patience=self._max_wait, sleep=self._sleep)

    def available(self) -> Allowance:
        """Say how many requests this holder may start now."""
        reply = self._look()
        return Allowance(reply.minute, reply.day)

    def opens_at(self) -> dt.datetime | None:
        """Say when the next request may start; None: now."""
        next_at = self._look().next_at
        return dt.datetime.fromtimestamp(next_at / SECOND, dt.UTC) if next_at else None

    def limits(self) -> Allowance:
        """Say how many requests a minute and a day may hold, for all holders together."""
        reply = self._look()
        return stricter(self._per_minute, self._per_day, reply.server, reply.at)

    def closed(self) -> Closed | None:
        """Say until when nobody may send, and why; None while the gate is open, also to who waits for a free slot."""
        reply = self._look()
        return closed_by(reply.server, reply.at)

    def close(self) -> None:
        """Let go of the connections. The gate may be used again, and opens them again."""
        self._server.close()

    # Asking.

    def _ask(self, question: str, **given: object) -> _Reply:
        said = {name: value for name, value in {**self._given, **given, "ask": question}.items() if value is not None}
        began = _elapsed()
        with self._server.asking() as client:
            reply = _Reply.of(client.register_script(_script())(keys=self._keys, args=[json.dumps(said)]))
        before, self._seen = self._seen, (reply, began)
        if before is not None and before[0].epoch == reply.epoch:
            # The server's clock went on for no longer than from before that question until now, if nobody set it.
            most = (_elapsed() - before[1]) * 1.001 + _STEP
            if reply.at - before[0].at > most * SECOND:
                _log.warning("the clock of Redis has stepped forward: what was sent is counted anew")
                return self._ask("lose", epoch=reply.epoch)
        return reply

    def _look(self) -> _Reply:
        reply = self._ask("look")
        return self._told(reply) if reply.wants_history else reply

    def _try(self, until: float) -> tuple[_Slot | Bound, int]:
        """Take a slot, or give the bound that forbids it, and the time; `until`: as long as an answer is waited for."""
        try:
            reply = self._ask("acquire")
            if reply.wants_history:
                self._told(reply)
                reply = self._ask("acquire")
        except Busy as problem:  # it may be starting again: asked anew as long as the caller waits
            if _elapsed() > until:
                raise
            return Bound(0, is_day=False, next_at=round(_ASK_AGAIN * SECOND), problem=problem), 0
        if reply.slot:
            return _Slot(self, reply), reply.at
        closed = closed_by(reply.server, reply.at) if reply.next_is_pause else None
        next_at = max(reply.next_at, reply.at)  # now, where it lost again what it was just told
        return Bound(0, is_day=reply.next_is_day, next_at=next_at, closed=closed), reply.at

    def _told(self, reply: _Reply) -> _Reply:
        """Tell what this host sent before the server lost what it knew. None of it was sent after that."""
        with self._telling:
            reply = self._ask("look")
            if not reply.wants_history:
                return reply
            _log.warning("the request gate in Redis knows nothing of this host: it is told what was sent in a day")
            timeout, minute, day = (round(float(str(self._given[name]))) for name in ("timeout", "minute", "day"))
            # Nobody sends for a while after a loss: the middle of it parts before from after, however clocks differ.
            first, last = reply.since - day - timeout, reply.since + (timeout + minute) // 2
            moments = [moment for moment in map(micros, self._history()) if first < moment < last]
            requests = [(f"at:{moment}:{number}", moment) for moment, number in _numbered(moments)]
            requests += [(f"of:{self._host}:{number}", reply.since) for number in range(self._uncommitted)]
            epoch = reply.epoch  # of a server that loses what it knows meanwhile, nothing is taken for told
            for start in range(0, max(1, len(requests)), _TOLD_AT_ONCE):
                some = requests[start : start + _TOLD_AT_ONCE]
                is_all = start + _TOLD_AT_ONCE >= len(requests)
                reply = self._ask("refill", epoch=epoch, requests=some, is_all=is_all or None)
            return reply

    # What the CRM says.

    def _release(self, slot: _Slot, headers: Mapping[str, str] | None, status: int | None) -> None:
        now = self._now()
        said = {name.lower(): value for name, value in (headers or {}).items()}
        pause = retry_after(said, now=now) if status in (429, 503) else None
        rates = rate_headers(said, now=now)
        reset_after = MINUTE if rates.reset_after is None else round(rates.reset_after * SECOND)
        try:
            self._ask(
                "release",
                slot=slot.id,
                epoch=slot.epoch,
                acquired=slot.acquired,
                is_given_up=True if headers is None else None,
                pause=None if pause is None else round(pause * SECOND),
                pause_why=None if pause is None else PAUSE_WHY.format(status=status),
                limit=rates.limit,
                remaining=rates.remaining,
                reset_after=reset_after,
                counts_days=True if reset_after > LONGEST_MINUTE else None,
            )
        except CrmPlatformError as problem:
            # The answer must not be lost because of this. The slot stays taken for longer, which is safe.
            _log.warning("the request gate did not take note of an answer: %s", problem)


def _known(number: int) -> int | None:
    return None if number < 0 else number


def _numbered(moments: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Each moment with a number that tells it from others of that moment."""
    seen: dict[int, int] = {}
    for moment in moments:
        seen[moment] = seen.get(moment, -1) + 1
        yield moment, seen[moment]


@functools.cache
def _script() -> str:
    return resources.files("crm_platform.api").joinpath("redis_gate.lua").read_text(encoding="utf-8")
