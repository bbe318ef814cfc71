"""The sandbox CRM: a request in, a response out.

What belongs here: the order in which key, limit, fault and contract are looked at, and what is beside the contract.
What does not: the operations (`operations.py`), sockets and sleeping (`server.py`); `handle` does neither, so that a
simulation can drive it on a clock of its own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hmac
import threading
from collections.abc import Iterator, Mapping

from crm_platform.sandbox.arguments import Arguments, parse_moment
from crm_platform.sandbox.chance import DAY
from crm_platform.sandbox.clock import ManualClock, SandboxClock, running_clock
from crm_platform.sandbox.events import EventFeed, SandboxEvent
from crm_platform.sandbox.faults import Faults, spoilt
from crm_platform.sandbox.limits import RateLimit, Statistics, Stats
from crm_platform.sandbox.operations import Operations
from crm_platform.sandbox.options import SandboxOptions
from crm_platform.sandbox.records import Record, encode, milliseconds, moment_of, ndjson
from crm_platform.sandbox.responses import JSON, Headers, RequestRefused, SandboxResponse, error, invalid
from crm_platform.sandbox.routing import EXTRAS, UNKNOWN, refuse_unknown, route
from crm_platform.sandbox.shapes import Shapes
from crm_platform.sandbox.truth import event_line, truth
from crm_platform.sandbox.webhooks import Posting, Webhooks
from crm_platform.sandbox.world import World


class Sandbox:
    """A made-up CRM. Calls may come from several threads; they are served one after the other.

    options: see `SandboxOptions`. clock: the world's time (None: as the options say).
    """

    def __init__(self, options: SandboxOptions | None = None, *, clock: SandboxClock | None = None) -> None:
        self.options = options = options or SandboxOptions()
        if clock is None:
            start = options.start or dt.datetime.now(dt.UTC)
            clock = ManualClock(start) if options.clock == "manual" else running_clock(start, speed=options.speed)
        self.clock = clock
        days = options.days * DAY
        began = milliseconds(options.began) if options.began else milliseconds(options.start or clock.now()) - days
        self.shapes = Shapes(options.shapes)
        self.world = World(
            seed=options.seed,
            contacts=options.contacts,
            began=began,
            anchor=began + days,
            merges_contacts=self.shapes.merges_contacts,
        )
        self._faults = Faults(options.seed, rate=options.fault_rate, kinds=options.faults)
        per_minute, per_day = options.limits
        self._limit = RateLimit(per_minute=per_minute, per_day=per_day)
        self._statistics = Statistics()
        self._requests = 0
        self._lock = threading.Lock()
        self._key = options.key.encode()
        self._latency = options.latency_ms / 1000
        self._started = self._now - 1  # events after it are told: also what is written while the clock stands there
        self.webhooks = Webhooks(self.world, options, after=self._started) if options.webhook_url else None

    @property
    def began(self) -> dt.datetime:
        """When history begins: as `SandboxOptions.began` it gives the same world again."""
        return moment_of(self.world.began)

    @property
    def _now(self) -> int:
        return milliseconds(self.clock.now())

    def stats(self) -> Stats:
        """What arrived so far, and what was posted."""
        with self._lock:
            return self._stats()

    def _stats(self) -> Stats:
        webhooks = None if self.webhooks is None else self.webhooks.stats()
        return dataclasses.replace(self._statistics.read(), webhooks=webhooks)

    def size(self) -> tuple[int, int]:
        """How many contacts there are, and roughly (from a sample) how many messages."""
        now = self._now
        with self._lock:
            contacts = self.world.roster.count_at(now)
            sample = range(0, contacts, max(1, contacts // 200))
            messages = sum(len(self.world.every_message(index, now)) for index in sample)
            return self.world.roster.total(now), round(messages / len(sample) * contacts)

    def truth(self, at: dt.datetime | None = None) -> Iterator[Record]:
        """What a perfect sync would hold at a time (default: now); see `truth.py`."""
        return truth(self.world, self.shapes, at=milliseconds(at or self.clock.now()))

    def _stats_record(self) -> Record:
        record: Record = dataclasses.asdict(self._stats())
        if self.webhooks is None:
            del record["webhooks"]
        return record

    def events_between(self, after: dt.datetime, until: dt.datetime) -> list[SandboxEvent]:
        """What happens in (after, until], in order, as webhooks tell it when nothing goes wrong; see `events.py`."""
        with self._lock:
            return self._events(milliseconds(after), milliseconds(until))

    def _events(self, after: int, until: int) -> list[SandboxEvent]:
        return EventFeed(self.world, after=after).until(until)

    def postings(self) -> tuple[list[Posting], bool]:
        """Webhooks that are due now, in order, and whether there is more to ask for at once."""
        with self._lock:
            return ([], False) if self.webhooks is None else self.webhooks.step(self._now)

    def handle(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> SandboxResponse:
        """Answer one request; never raises.

        path: percent-decoded. query: without the question mark. headers: names in lower case.
        """
        key = (headers or {}).get("api-key", "")
        arguments = Arguments(query, body)
        with self._lock:
            operation, path_arguments = route(method, path)
            if operation in EXTRAS:
                return self._beside(operation, key, arguments)
            return self._contract(operation, path_arguments, method, key, arguments)

    # In order: count, key, limit, fault, contract.

    def _contract(
        self, operation: str, path_arguments: tuple[str, ...], method: str, key: str, arguments: Arguments
    ) -> SandboxResponse:
        wall = self.clock.wall()
        self._statistics.arrive(operation, wall)
        self._requests += 1
        fault = None
        headers: Headers = ()
        record: Record
        try:
            self._check_key(key)
            headers = self._take_slot(wall)
            if operation == UNKNOWN:
                refuse_unknown(method, allowed=path_arguments)
            fault = self._faults.choose(self._requests)
            status, record = 200, {"success": True}
            if fault is None or fault.is_applied:
                operations = Operations(self.world, self.shapes, self._now, arguments)
                status, record = operations.answer(operation, *path_arguments)
        except RequestRefused as refused:
            status, record, headers = refused.status, refused.body, (*refused.headers, *headers)
        response = SandboxResponse(status, encode(record).encode(), (JSON, *headers), delay=self._latency)
        if fault is not None:
            self._statistics.fault(fault.kind)
            response = spoilt(response, fault)
        self._statistics.answer(0 if response.cut is not None else response.status)
        return response

    def _check_key(self, key: str) -> None:
        if not hmac.compare_digest(key.encode(), self._key):
            raise RequestRefused(401, {"success": False, "developer_message": "The API key is missing or wrong"})

    def _take_slot(self, wall: float) -> Headers:
        """Take a slot of the rate limit; the headers that tell of it."""
        status = self._limit.take(wall)
        if status is None:
            return ()
        headers = (
            ("x-ratelimit-limit", str(status.limit)),
            ("x-ratelimit-remaining", str(status.remaining)),
            ("x-ratelimit-reset", str(status.reset)),
        )
        if not status.is_allowed:
            retry_after = ("retry-after", str(status.retry_after))
            raise RequestRefused(429, error("RATE_LIMITED", "Too many requests"), (retry_after, *headers))
        return headers

    def _beside(self, operation: str, key: str, arguments: Arguments) -> SandboxResponse:
        try:
            self._check_key(key)
            if operation == "truth":
                at = arguments.moment("at")
                return _lines(truth(self.world, self.shapes, at=self._now if at is None else at))
            if operation == "events":
                after, until = arguments.moment("after"), arguments.moment("until")
                after = self._started if after is None else after
                events = self._events(after, self._now if until is None else until)
                return _lines(event_line(event, self.webhooks) for event in events)
            record = self._stats_record() if operation == "stats" else self._set_clock(arguments)
            return SandboxResponse(200, encode(record).encode())
        except RequestRefused as refused:
            return SandboxResponse(refused.status, encode(refused.body).encode())

    def _set_clock(self, arguments: Arguments) -> Record:
        if not isinstance(self.clock, ManualClock):
            invalid(("now", "this sandbox's clock runs by itself; start it with --clock manual"))
        given = arguments.body.get("advance")
        try:
            if isinstance(given, int | float):
                self.clock.advance(given)
            else:
                self.clock.set(moment_of(parse_moment("now", arguments.text("now"))))
        except (ValueError, OverflowError) as problem:
            invalid(("now", str(problem)))
        return {"success": True, "now": self.clock.now().isoformat()}


def _lines(records: Iterator[Record]) -> SandboxResponse:
    return SandboxResponse(200, b"", (("content-type", "application/x-ndjson"),), chunks=ndjson(records))
