"""Word from Redis that a new snapshot stands, for who waits for one.

What belongs here: listening, from the first one that waits on, and waking all. What does not: who tells (hot.py), what
is shown then (turns.py). Where there is no Redis, or none that answers, who waits looks at the link by himself.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from crm_platform.errors import CrmPlatformError
from crm_platform.redis_server import RedisServer
from crm_platform.serving.hot import TURNED

if TYPE_CHECKING:
    from crm_platform.settings import Settings

_PATIENCE: Final = 2.0  # seconds for a connection
_AGAIN: Final = 2.0  # seconds before a server that is away is tried again
_LISTENS: Final = 10.0  # seconds without word after which the connection is tried


class Notices:
    """Wakes who waits when a snapshot stands. `is_heard`: whether that is told now."""

    def __init__(self, settings: Settings) -> None:
        self._server = RedisServer(settings, patience=_PATIENCE) if settings.redis_url else None
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_heard = False

    async def wait(self, seconds: float) -> None:
        """Wait until a snapshot stands, or so long."""
        if self._server is None:
            await asyncio.sleep(seconds)
            return
        one = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiting.add(one)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, args=(self._server,), daemon=True)
                self._thread.start()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one[1].wait(), seconds)
        finally:
            with self._lock:
                self._waiting.discard(one)

    def _listen(self, server: RedisServer) -> None:
        while True:
            with contextlib.suppress(CrmPlatformError), server.asking() as client, client.pubsub() as word:
                word.subscribe(server.key(TURNED))
                while True:
                    told = word.get_message(timeout=_LISTENS)
                    if told is None:
                        word.ping()
                        continue
                    self.is_heard = True
                    if told["type"] == "message":
                        self._wake()
            self.is_heard = False
            self._wake()
            time.sleep(_AGAIN)

    def _wake(self) -> None:
        with self._lock:
            for loop, event in self._waiting:
                with contextlib.suppress(RuntimeError):  # a loop that has ended
                    loop.call_soon_threadsafe(event.set)
