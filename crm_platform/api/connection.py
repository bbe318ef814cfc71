"""Sending: each request passes the gate, is tried again where that may help, and is put on record (`Fetch`).

What belongs here: one attempt at a request, its time and its record, what became of one without an answer, when the
next attempt follows. What does not: which requests there are (client.py), what answers mean (answers.py), proxies and
certificates (wire.py), how many requests may be sent (gate.py).

Reads are tried again when the server is busy or broken. **A write is sent once**: if no clear answer comes, the error
says that it may have been applied (`WriteUncertain`), and only a look at the CRM can tell.

No exception that leaves this module carries frames of the HTTP library: their local variables hold the key.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr

from crm_platform.api.answers import Document, Failure, Parsed, RawAnswer, understood
from crm_platform.api.envelopes import clock_skew
from crm_platform.api.gate import Allowance, Closed, Gate, OpenGate
from crm_platform.api.operations import OPERATIONS, Operation
from crm_platform.api.records import Fetch
from crm_platform.api.wire import Deadline, TooLargeError, body_of, open_transport, setting_to_fix, why_not
from crm_platform.errors import (
    CrmPlatformError,
    FixConfiguration,
    RateLimited,
    RetryLater,
    ServerUnavailable,
    WriteUncertain,
)
from crm_platform.scrub import scrub_http_logs

T = TypeVar("T")

# Seconds before the first retry; each further one waits twice as long. A 429 without Retry-After waits longer,
# because the window has to move on.
_FIRST_BACKOFF: Final = 0.5
_FIRST_RATE_BACKOFF: Final = 2.0
_LONGEST_BACKOFF: Final = 30.0
# When the server asks for a longer pause than this (seconds), we do not wait: the caller has other things to do.
_LONGEST_RETRY_AFTER: Final = 60.0
# Seconds; a shorter wait is the gate's own work, not a wait for a slot.
_SHORTEST_WAIT: Final = 0.05
# Seconds to wait for a connection. One that works comes at once.
_LONGEST_CONNECT: Final = 10.0

# Errors of the transport that come before a byte of the request has left.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def utc_now() -> dt.datetime:
    """Give the time, aware and in UTC."""
    return dt.datetime.now(dt.UTC)


class FetchIds:
    """Ids of requests: 63 bits, sortable by time, increasing, and unique where each client has its own `number`.

    `number`: its last ten bits count; clients that are open at once and are recorded in one place differ in them.
    """

    def __init__(self, now: Callable[[], dt.datetime] = utc_now, *, number: int = 0) -> None:
        self._now = now
        self._number = number & 1023
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Give the next: microseconds since 1970 × 1024 + the client's number; a microsecond on where that repeats."""
        micros = (self._now() - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        fresh = micros * 1024 + self._number
        with self._lock:
            self._last = fresh if fresh > self._last else self._last + 1024
            return self._last


@dataclass(frozen=True, slots=True)
class Call:
    """One request, which may be sent several times. `name`: its operation; `target`: what stands in its path."""

    name: str
    target: str | None = None
    page: int | None = None
    limit: int | None = None
    sort: str | None = None
    search: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    retries: int | None = None

    @property
    def operation(self) -> Operation:
        """The operation that it asks for."""
        return OPERATIONS[self.name]

    @property
    def path(self) -> str:
        """Path and query, percent-encoded."""
        path = re.sub(r"\{\w+\}", lambda _: quote(self.target or "", safe=""), self.operation.path)
        query = {"page": self.page, "limit": self.limit, "sort": self.sort, **(self.search or {})}
        given = {name: value for name, value in query.items() if value is not None}
        return f"{path}?{urlencode(given, quote_via=quote)}" if given else path


class Connection:
    """A connection to one CRM. Threads may share it; close it, or use it as a context manager.

    `gate` is passed by every attempt of every request; `on_fetch` is told of every attempt, in the thread that made it.
    `timeout` (seconds, by the monotonic `clock`) bounds a whole exchange; `retries` counts what follows the first try
    of a read. At most `max_connections` requests are under way at once. `now`, `clock`, `sleep`, `jitter` and `new_id`
    are there to be set by tests.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        gate: Gate | None = None,
        on_fetch: Callable[[Fetch], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        now: Callable[[], dt.datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
        new_id: Callable[[], int] | None = None,
        max_connections: int = 8,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        if not re.fullmatch(r"[\x21-\x7e]+", api_key.get_secret_value()):
            raise FixConfiguration("CRM_API_KEY is empty or holds characters that no header can carry")
        self._key = api_key
        self._gate: Gate = gate or OpenGate()
        self._on_fetch = on_fetch or (lambda _: None)
        self._retries = retries
        self._timeout = timeout
        self._now = now
        self._sleep = sleep
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._new_id = new_id or FetchIds(now)
        # Taken before the gate's slot: a request that has its slot leaves at once, and httpx never queues one.
        self._places = threading.BoundedSemaphore(max_connections)
        self._counting = threading.Lock()
        self.seconds_throttled = 0.0  # waited for the gate, by all threads together
        scrub_http_logs()
        # Only the library's transport is used. The contract knows no cookies, redirects or other authentication, and
        # the library's client would double the cost of a request.
        self._deadline = Deadline(clock)
        self._transport = transport or open_transport(self._base_url, self._deadline, max_connections=max_connections)
        self._headers = httpx.Headers(
            {
                "API-KEY": api_key.get_secret_value(),
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "crm_platform",
            }
        )
        self._extensions = {"timeout": httpx.Timeout(timeout, connect=min(timeout, _LONGEST_CONNECT)).as_dict()}

    def __repr__(self) -> str:
        """Name the CRM, never the key."""
        return f"{type(self).__name__}({self._base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the gate."""
        self._transport.close()
        self._gate.close()

    def available(self) -> int | None:
        """How many requests may start now by the gate; None = no limit."""
        return self._gate.available().now

    def closed(self) -> Closed | None:
        """Until when nobody may send, and why; None while the gate is open."""
        return self._gate.closed()

    def limits(self) -> Allowance:
        """How many requests a minute and a day may hold by the gate: the smaller of ours and the server's."""
        return self._gate.limits()

    def _ask(self, call: Call, parse: Callable[[Document], Parsed[T]]) -> tuple[Parsed[T], Fetch]:
        """Send until it is answered: a write once, a read as often as the call or else the client allows.

        Raises the last error.
        """
        retries = self._retries if call.retries is None else call.retries
        most = 0 if call.operation.is_write else retries
        for attempt in itertools.count(1):
            outcome, fetch = self._attempt(call, parse, attempt=attempt)
            if isinstance(outcome, Parsed):
                return outcome, fetch
            pause = self._pause(outcome.error, attempt, most=most)
            if pause is None:
                raise outcome.error
            self._sleep(pause)
        raise AssertionError  # itertools.count does not end

    def _pause(self, error: CrmPlatformError, attempt: int, *, most: int) -> float | None:
        """Seconds before the next try; None = no further try."""
        if not isinstance(error, RetryLater) or attempt > most:
            return None
        first = _FIRST_RATE_BACKOFF if isinstance(error, RateLimited) else _FIRST_BACKOFF
        pause = min(_LONGEST_BACKOFF, first * 2.0 ** (attempt - 1)) * self._jitter.uniform(0.5, 1.0)
        if error.retry_after is None:
            return pause
        if error.retry_after > _LONGEST_RETRY_AFTER:
            return None
        # Never earlier than the server said, and a little later, so that not everybody comes back at the same moment.
        return error.retry_after + min(pause, 1.0)

    def _attempt(
        self, call: Call, parse: Callable[[Document], Parsed[T]], *, attempt: int
    ) -> tuple[Parsed[T] | Failure, Fetch]:
        """Send the request once, read the answer, and report both to the gate and to `on_fetch`."""
        with self._places:
            asked_at = self._now()
            slot = self._gate.acquire(call.name)
            headers: Mapping[str, str] | None = None
            status: int | None = None
            started_at = self._now()
            waited = (started_at - asked_at).total_seconds()
            if waited >= _SHORTEST_WAIT:
                with self._counting:
                    self.seconds_throttled += waited
            try:
                answer = self._send(call)
                if isinstance(answer, RawAnswer):
                    headers, status = answer.headers, answer.status
                elif answer.is_over:
                    headers = {}
            finally:
                finished_at = self._now()
                slot.release(headers, status)
        outcome: Parsed[T] | Failure = (
            understood(
                answer,
                parse,
                call.operation,
                is_about_one=call.target is not None,
                asked_at=started_at,
                now=self._now(),
                secret=self._key,
            )
            if isinstance(answer, RawAnswer)
            else answer
        )
        parsed = outcome if isinstance(outcome, Parsed) else None
        fetch = Fetch(
            fetch_id=self._new_id(),
            operation=call.name,
            target=call.target,
            page=call.page,
            page_size=call.limit,
            sort=call.sort,
            attempt=attempt,
            started_at=started_at,
            finished_at=finished_at,
            http_status=status,
            outcome="ok" if isinstance(outcome, Parsed) else outcome.outcome,
            records=parsed.records if parsed else 0,
            total=parsed.total if parsed else None,
            server_clock_skew_seconds=clock_skew(headers or {}, started_at=started_at, finished_at=finished_at),
        )
        self._on_fetch(fetch)
        return outcome, fetch

    def _send(self, call: Call) -> RawAnswer | Failure:
        """Send, and give the whole answer or what became of it. No exception of the HTTP library leaves this method."""
        what = call.operation.words
        try:
            return self._exchange(call)
        except _NEVER_SENT as problem:
            kind, sent, wrong = type(problem).__name__, False, setting_to_fix(problem, self._base_url)
            why = why_not(problem)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as problem:
            kind, sent, wrong = type(problem).__name__, True, None
        is_over = not (sent and kind.endswith("Timeout"))
        outcome = "timeout" if kind.endswith("Timeout") else "disconnected"
        error: CrmPlatformError
        if kind in ("InvalidURL", "UnsupportedProtocol", "LocalProtocolError"):
            outcome = "rejected"
            error = FixConfiguration(f"{what}: the request cannot be made; check CRM_BASE_URL")
        elif wrong is not None:
            error = FixConfiguration(f"{what}: {wrong}")
        elif not sent:
            place = urlsplit(self._base_url)
            error = ServerUnavailable(f"{what}: no connection to {place.scheme}://{place.netloc} ({why})")
        elif call.operation.is_write:
            error = WriteUncertain(f"{what}: sent, but no answer came ({kind}); it may have been done")
        else:
            error = ServerUnavailable(f"{what}: no whole answer came ({kind})")
        return Failure(outcome, error, is_over)

    def _exchange(self, call: Call) -> RawAnswer:
        self._deadline.begin(self._timeout)
        request = httpx.Request(
            call.operation.method,
            self._base_url + call.path,  # with its query: the library would parse the whole address once more
            headers=self._headers,
            json=call.body,
            extensions=self._extensions,
        )
        with contextlib.closing(self._transport.handle_request(request)) as response:
            body: bytes | None = None
            with contextlib.suppress(TooLargeError):
                body = body_of(response, self._deadline)
            return RawAnswer(response.status_code, response.headers, body)
