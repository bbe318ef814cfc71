"""The process's end of the wire: sockets, how long a client may take, how many come at once.

What belongs here: uvicorn, and what it leaves open. What does not: what is answered (app.py), how large a request may
be once its head is read (bounds.py).

A request has to be whole, and an answer taken, in a given time; an idle connection is closed. There are never more
connections than the limit of open files leaves room for: for one too many, the one that has been waiting longest for
its client goes, so that whoever holds hundreds open and says nothing keeps nobody else out.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import resource
import socket
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

RECEIVING: Final = 15.0  # seconds from a request's first byte, or a connection's beginning, to the request's last
ANSWERING: Final = 300.0  # seconds from there to the answer's last
_LONGEST_HEAD: Final = 65_536  # bytes of a request's line and headers
_MOST: Final = 2_000  # connections, however many files may be open
_BACKLOG: Final = 128  # connections that the kernel keeps for us: so many may come in at once
_EVERY: Final = 60.0  # seconds between two lines of the log about the same

_log = logging.getLogger(__name__)


def most_connections() -> int:
    """How many connections fit beside the files that this process needs."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    return max(8, min(_MOST, soft - max(_backlog(soft) + 64, soft // 4)))


def _backlog(soft: int) -> int:
    return max(4, min(_BACKLOG, soft // 8))


class Room:
    """The connections that wait for their client, longest first, and the bound on all of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Patient, None] = {}
        self._told_at = float("-inf")

    def enter(self, one: Patient, *, count: int, now: float) -> None:
        """Let a connection in, the last of `count`; where there is no room, another one goes, or it does."""
        if count > self._most:
            (next(iter(self._waiting), one)).leave()
            if now - self._told_at >= _EVERY:
                self._told_at = now
                _log.warning(
                    "%d connections are open, and the limit of open files (ulimit -n) leaves room for no more: those"
                    " that have been silent longest are closed for new ones",
                    self._most,
                )
        if not one.is_gone:
            self._waiting[one] = None

    def waits(self, one: Patient) -> None:
        """It is the client's turn."""
        self._waiting[one] = None

    def waits_no_more(self, one: Patient) -> None:
        """It is our turn, or the connection is gone."""
        self._waiting.pop(one, None)


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    def __init__(self, *args: Any, room: Room, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self._room = room
        self._end: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of a request that came before its head was whole
        self.is_gone = False

    def leave(self) -> None:
        """End the connection at once."""
        self.is_gone = True
        self._room.waits_no_more(self)
        self._stop()
        self.transport.abort()

    # What the connection tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._room.enter(self, count=len(self.connections), now=self.loop.time())
        if not self.is_gone:
            self._expect(RECEIVING)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.is_gone = True
        self._room.waits_no_more(self)
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but no head without an end."""
        if self.is_gone:
            return
        self._head += len(data)
        super().data_received(data)
        if self._head > _LONGEST_HEAD:
            self._refuse(431, "Request Header Fields Too Large")

    # What the parser tells.

    def on_message_begin(self) -> None:
        """A request has begun: it has to come whole in time."""
        super().on_message_begin()
        if self.cycle is None or self.cycle.response_complete:
            self._room.waits(self)
            self._expect(RECEIVING)

    def on_headers_complete(self) -> None:
        """What comes from here on is its body, which whoever reads it bounds."""
        super().on_headers_complete()
        self._head = 0

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: it is our turn to answer."""
        super().on_message_complete()
        self._head = 0
        if self.cycle is None or self.cycle.response_complete:  # it was answered before its body had come
            self._room.waits(self)
            self._expect(RECEIVING)
        else:
            self._room.waits_no_more(self)
            self._expect(ANSWERING)

    def on_response_complete(self) -> None:
        """The answer is given: uvicorn closes the connection when nothing follows."""
        super().on_response_complete()
        if self.is_gone or self.cycle is None:
            return
        if not self.cycle.response_complete:  # the next one waits already
            self._expect(ANSWERING)
        elif not self.cycle.more_body:
            self._room.waits(self)
            self._stop()

    def handle_websocket_upgrade(self) -> None:
        """The connection lives on under another protocol."""
        self._room.waits_no_more(self)
        self._stop()
        super().handle_websocket_upgrade()

    # Time.

    def _expect(self, seconds: float) -> None:
        self._stop()
        self._end = self.loop.call_later(seconds, self._late)

    def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(408, "Request Timeout")
        else:
            self.leave()

    def _refuse(self, status: int, words: str) -> None:
        if self.is_gone or self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            head = f"HTTP/1.1 {status} {words}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head.encode("ascii"))
            self._stop()
            self.transport.close()
        else:
            self.leave()


def config_for(app: ASGIApp, *, has_websockets: bool = False) -> uvicorn.Config:
    """How a server of ours runs an app."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    protocol = functools.partial(Patient, room=Room(most_connections()))
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        ws="auto" if has_websockets else "none",
        ws_max_size=1 << 20,
        backlog=_BACKLOG if soft == resource.RLIM_INFINITY else _backlog(soft),
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # guard.Forwarded believes whom the settings name
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def run(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until interrupted (SIGINT, SIGTERM)."""
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and raises it once more
        uvicorn.Server(config_for(app)).run(sockets=[listening])
