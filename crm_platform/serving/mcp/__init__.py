"""Figures for assistants, by the Model Context Protocol: a question in one's own words, answered from the snapshot.

What belongs here: the tools that an assistant is offered (tools.py), what they take and give (takes.py, gives.py), how
they ask the snapshot (asking.py, figures.py, behind.py), the protocol (protocol.py). What does not: computing a figure
(receipts/, metrics/), who may come in (guard.py).

The SDK takes a second to import: this module does without it, and so do all that start `crm`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

PATH = "/mcp"


class _Endpoint:
    """The protocol over HTTP, imported by the first who asks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        protocol = await run_in_threadpool(import_module, f"{__name__}.protocol")
        await protocol.answer(scope, receive, send)


def routes() -> list[BaseRoute]:
    """One address. Nothing is kept between two requests, so there is no stream to GET and no session to DELETE."""
    return [Route(PATH, _Endpoint(), methods=["POST"])]
