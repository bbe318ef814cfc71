"""The receiver: one ASGI app that answers a webhook once what it brought is on the disk.

What belongs here: routes, bounds, answers, putting many requests' events into one transaction. What does not: who may
send (signatures.py), what an event says (readings.py), the file (ingest/inbox.py), sockets (serving/server.py).

    POST /webhooks/crm        the CRM's events: one, a list, or a batch
    POST /webhooks/whatsapp   WhatsApp's Cloud API; GET answers its verification
    GET  /healthz             whether events can be kept

2xx means kept: one fsync for all that waits at the moment. Where that fails, or takes too long, the answer is 503 with
Retry-After, and the sender keeps its events. An event that comes twice is kept once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import json
import logging
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from crm_platform.errors import CrmPlatformError
from crm_platform.events.readings import Read, read_crm, read_whatsapp
from crm_platform.events.signatures import NotAllowedError, Signatures, is_verify_token
from crm_platform.ingest.inbox import Inbox, InboxEvent, RefusedEvent

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from crm_platform.settings import Settings

MOST_BODY: Final = 4 * 1024 * 1024
"""Bytes of a request's body."""

_MOST_WAITING: Final = 50_000  # events in memory that wait for the disk
_PATIENCE: Final = 10.0  # seconds that a sender waits for the disk
_RETRY_AFTER: Final = 5  # seconds
_MOST_READ: Final = 64 * 1024 * 1024  # bytes of bodies that come in at once
_TOO_DEEP: Final = "the body is nested too deeply"

_log = logging.getLogger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]


class _Refused(Exception):
    """A request that is refused, with the status and what to do."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Keeper:
    """One thread that puts what waits into the inbox, as much at once as has come meanwhile."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._count = 0
        self._lock = threading.Lock()
        self.failure: str | None = None  # why the last ones could not be kept
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def put(self, read: Read) -> concurrent.futures.Future[int]:
        """Keep what a request brought; the future tells how many events are new, -1: among those of others.

        Raises _Refused where too much waits.
        """
        job = _Job(read.events, [refused for _, refused in read.refused])
        with self._lock:
            if self._count > _MOST_WAITING:
                raise _later("more events wait for the disk than memory should hold")
            self._count += job.size
        self._waiting.put(job)
        return job.kept

    def close(self) -> None:
        """Keep what still waits, and end."""
        self._waiting.put(None)
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        is_over = False
        while not is_over:
            first = self._waiting.get()
            jobs = [first] if first is not None else []
            is_over = first is None
            size = sum(job.size for job in jobs)
            with contextlib.suppress(queue.Empty):
                while size < _MOST_WAITING:
                    job = self._waiting.get_nowait()
                    if job is None:
                        is_over = True
                    else:
                        jobs.append(job)
                        size += job.size
            if jobs:
                self._keep(jobs)
        self._inbox.close()

    def _keep(self, jobs: list[_Job]) -> None:
        events = [one for job in jobs for one in job.events]
        refused = [one for job in jobs for one in job.refused]
        try:
            new = self._inbox.put(events, refused)
        except CrmPlatformError as problem:
            self._failed(jobs, problem)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the sender must hear that nothing was kept
            if len(jobs) == 1:
                self._failed(jobs, problem)
                return
            for job in jobs:  # one of them is to blame, and the others are kept
                self._keep([job])
        else:
            self.failure = None
            self._done(jobs)
            for job in jobs:
                job.kept.set_result(new if len(jobs) == 1 else -1)

    def _failed(self, jobs: list[_Job], problem: Exception) -> None:
        if self.failure is None:
            is_known = isinstance(problem, CrmPlatformError)  # a full disk is told in words
            _log.error("events cannot be kept: %s", problem, exc_info=None if is_known else problem)
        self.failure = str(problem)
        self._done(jobs)
        for job in jobs:
            job.kept.set_exception(problem)

    def _done(self, jobs: list[_Job]) -> None:
        with self._lock:
            self._count -= sum(job.size for job in jobs)


class _Job:
    def __init__(self, events: list[InboxEvent], refused: list[RefusedEvent]) -> None:
        self.events = events
        self.refused = refused
        self.size = len(events) + len(refused)
        self.kept: concurrent.futures.Future[int] = concurrent.futures.Future()


def _later(why: str) -> _Refused:
    return _Refused(503, f"{why}: send it again later", ((b"retry-after", str(_RETRY_AFTER).encode()),))


def create_receiver(
    settings: Settings, *, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
) -> Receiver:
    """Build the app. `now`: gives an aware time."""
    return Receiver(settings, Keeper(Inbox(settings.inbox_path)), now=now)


class Receiver:
    """The ASGI app. `keeper`: what keeps events; whoever made it closes it."""

    def __init__(self, settings: Settings, keeper: Keeper, *, now: Callable[[], dt.datetime]) -> None:
        self.keeper = keeper
        self._settings = settings
        self._now = now
        self._reading = 0  # bytes of bodies that are coming in
        self._keeps_text = settings.message_text == "keep"
        self._crm = Signatures.of_crm(settings)
        self._whatsapp = Signatures.of_whatsapp(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: Headers = ()
        answer: dict[str, object] | str
        try:
            status, answer = await self._answer(scope, receive)
        except Exception as problem:  # noqa: BLE001 - after a bug, too, the sender must keep its events
            if not isinstance(problem, _Refused):
                _log.error("a webhook could not be answered", exc_info=problem)
                problem = _later("this server has a defect")
            status, answer, headers = problem.status, {"success": False, "error": str(problem)}, problem.headers
        is_text = isinstance(answer, str)
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False).encode()
        kind = b"text/plain; charset=utf-8" if is_text else b"application/json"
        fixed = ((b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, object] | str]:
        path, method = scope["path"].rstrip("/"), scope["method"]
        if path == "/healthz" and method in {"GET", "HEAD"}:
            if self.keeper.failure is not None:  # is it over? Whoever goes by this answer sends nothing that would tell
                with contextlib.suppress(_Refused):
                    await self._kept(Read())
            failure = self.keeper.failure
            return (200, {"status": "ok"}) if failure is None else (503, {"status": "unwell", "why": failure})
        if path == "/webhooks/whatsapp" and method == "GET":
            return self._verify(scope["query_string"])
        if path not in {"/webhooks/crm", "/webhooks/whatsapp"}:
            raise _Refused(404, "events go to POST /webhooks/crm or /webhooks/whatsapp")
        if method != "POST":
            raise _Refused(405, "events are posted", ((b"allow", b"POST"),))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        signatures = self._crm if path == "/webhooks/crm" else self._whatsapp
        try:
            signatures.check_sender(headers, client=scope["client"][0] if scope.get("client") else "")
            body = await self._body(headers, receive)
            at = self._now()
            signatures.check(headers, body, at=at)
        except NotAllowedError as problem:
            raise _Refused(401, str(problem)) from None
        read = self._read(path, body, at)
        new = await self._kept(read) if read.events or read.refused else 0
        answer: dict[str, object] = {"success": True, "received": len(read.events) + len(read.refused)}
        if new >= 0:
            answer["new"] = new
        if read.refused:
            answer["refused"] = [{"index": place, "reason": one.reason} for place, one in read.refused]
        return 200, answer

    def _read(self, path: str, body: bytes, at: dt.datetime) -> Read:
        try:
            payload = json.loads(body)
        except ValueError:
            raise _Refused(400, "the body is no JSON") from None
        except RecursionError:
            raise _Refused(400, _TOO_DEEP) from None
        try:
            if path == "/webhooks/crm":
                return read_crm(payload, at=at, keep_text=self._keeps_text)
            return read_whatsapp(payload, at=at)
        except ValueError as problem:
            raise _Refused(400, str(problem)) from None
        except RecursionError:
            raise _Refused(400, _TOO_DEEP) from None

    async def _kept(self, read: Read) -> int:
        try:
            # Given up by us it may still be kept: the sender sends it again, and it is kept once.
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self.keeper.put(read))), _PATIENCE)
        except TimeoutError:
            raise _later("the disk is too slow at the moment") from None
        except CrmPlatformError:
            raise _later("events cannot be kept at the moment") from None

    def _verify(self, query: bytes) -> tuple[int, str]:
        """Answer WhatsApp's question whether this is the right place."""
        given = {name: values[0] for name, values in parse_qs(query.decode("latin-1")).items()}
        challenge = given.get("hub.challenge", "")
        is_right = given.get("hub.mode") == "subscribe" and is_verify_token(
            self._settings, given.get("hub.verify_token", "")
        )
        if not is_right or not (challenge.isascii() and challenge.isalnum() and len(challenge) <= 200):
            raise _Refused(403, "this is not the token of CRM_WHATSAPP_VERIFY_TOKEN")
        return 200, challenge

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """A request's body. Raises _Refused when it is too large, and when too much comes in at once."""
        too_large = _Refused(413, f"send at most {MOST_BODY} bytes at once")
        told = headers.get("content-length", "0")
        if told.isdigit() and int(told) > MOST_BODY:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Refused(400, "the request ended before its body")
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self._reading += len(part)
                if size > MOST_BODY:
                    raise too_large
                if self._reading > _MOST_READ:
                    raise _later("too much comes in at once")
                if not message.get("more_body"):
                    return b"".join(parts)
        finally:
            self._reading -= size
