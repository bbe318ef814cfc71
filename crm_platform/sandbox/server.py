"""The sandbox over HTTP.

What belongs here: ASGI, sleeping a response's delay, cutting a connection. What does not: what is answered, the socket.
Bare ASGI: a page of messages costs about a millisecond, and a framework would add a third to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from crm_platform.sandbox.app import Sandbox
from crm_platform.sandbox.delivery import Delivery
from crm_platform.sandbox.responses import SandboxResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            return b"".join(parts)


async def _send(response: SandboxResponse, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    if response.chunks is not None:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        for chunk in response.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)  # let other requests in between
        await send({"type": "http.response.body"})
        return
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.cut is None:
        await send({"type": "http.response.body", "body": response.body})
    else:
        # Fewer bytes than announced, and then nothing: the server closes the connection.
        await send({"type": "http.response.body", "body": response.body[: response.cut], "more_body": True})


def asgi(sandbox: Sandbox) -> ASGIApp:
    """An ASGI application around a sandbox."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        response = sandbox.handle(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body
        )
        if response.delay:
            await asyncio.sleep(response.delay)
        await _send(response, send)

    return app


def serve(sandbox: Sandbox, listening: socket.socket) -> None:
    """Serve, and post webhooks, until interrupted (SIGINT, SIGTERM)."""
    config = uvicorn.Config(
        asgi(sandbox),
        log_level="critical",  # a dropped connection is not worth a line: we do that on purpose
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    with (
        Delivery(sandbox),
        contextlib.suppress(KeyboardInterrupt),
    ):  # uvicorn has shut down by then, and raises it once more
        uvicorn.Server(config).run(sockets=[listening])
