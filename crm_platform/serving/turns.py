"""Word of a new snapshot, as it stands: server-sent events that open pages listen to.

What belongs here: the stream. What does not: what a page does then (static/pages.js), where the snapshot comes from
(snapshots.py), word from Redis (notices.py). A page that nobody tells asks by itself each minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from crm_platform.publish.manifest import CURRENT
from crm_platform.serving.server import most_connections

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from crm_platform.serving.notices import Notices

MOST_LISTENERS: Final = 200
"""Pages that are told, or half of the connections that there is room for; one more asks each minute."""

_STREAM: Final = "text/event-stream"
_LOOK_EVERY: Final = 0.1  # seconds: a look at where a link leads
_LOOK_SOMETIMES: Final = 1.0  # the same where Redis tells of a turn
_LIVES: Final = 240.0  # seconds a stream lasts: less than an answer may take (server.ANSWERING); the page opens another
_ALIVE_EVERY: Final = 20.0  # seconds: a proxy closes what is silent for longer


def routes() -> list[BaseRoute]:
    """The stream."""
    listeners = 0

    async def turns(request: Request) -> Response:
        nonlocal listeners
        link = request.app.state.settings.published_dir / CURRENT
        if _STREAM not in request.headers.get("accept", ""):  # who does not listen is told once
            return JSONResponse({"snapshot": _name(link)})
        if listeners >= min(MOST_LISTENERS, most_connections() // 2):
            return Response(status_code=503, headers={"Retry-After": "60"})

        notices: Notices = request.app.state.notices

        async def told() -> AsyncIterator[str]:
            nonlocal listeners
            listeners += 1
            try:
                async for words in _told(link, notices):
                    yield words
            finally:
                listeners -= 1

        return StreamingResponse(told(), media_type=_STREAM, headers={"X-Accel-Buffering": "no"})

    return [Route("/turns", turns, methods=["GET"])]


async def _told(link: Path, notices: Notices) -> AsyncIterator[str]:
    """The current snapshot's name, and each that takes its place."""
    loop = asyncio.get_running_loop()
    ends_at, alive_at = loop.time() + _LIVES, loop.time()
    yield "retry: 2000\n\n"
    shown: str | None = None
    while loop.time() < ends_at:
        name = _name(link)
        if name != shown:
            shown, alive_at = name, loop.time()
            yield f"data: {name}\n\n"
        elif loop.time() - alive_at >= _ALIVE_EVERY:
            alive_at = loop.time()
            yield ":\n\n"
        await notices.wait(_LOOK_SOMETIMES if notices.is_heard else _LOOK_EVERY)


def _name(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""
