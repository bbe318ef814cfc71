"""The sandbox over HTTP.

What belongs here: ASGI, sleeping an answer's delay, cutting a connection. What does not: what is answered, the socket.
Bare ASGI: a page of messages costs about a millisecond, and a framework would add a third to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

import uvicorn

from crm_platform.sandbox.app import Answer, Sandbox

Scope: TypeAlias = MutableMapping[str, Any]  # ASGI's own types
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            return b"".join(parts)


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


async def _send(answer: Answer, send: Send) -> None:
    headers = _raw(answer.headers)
    if answer.chunks is not None:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)  # let other requests in between
        await send({"type": "http.response.body"})
        return
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.cut is None:
        await send({"type": "http.response.body", "body": answer.body})
    else:
        # Fewer bytes than announced, and then nothing: the server closes the connection.
        await send({"type": "http.response.body", "body": answer.body[: answer.cut], "more_body": True})


def asgi(sandbox: Sandbox) -> AsgiApp:
    """An ASGI application around a sandbox."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer = sandbox.handle(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        await _send(answer, send)

    return app


def serve(sandbox: Sandbox, listening: socket.socket) -> None:
    """Serve until interrupted (SIGINT, SIGTERM)."""
    config = uvicorn.Config(
        asgi(sandbox),
        log_level="critical",  # a dropped connection is not worth a line: we do that on purpose
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and raises it once more
        uvicorn.Server(config).run(sockets=[listening])
