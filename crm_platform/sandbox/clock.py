"""The world's time.

What belongs here: clocks. What does not: sleeping; nothing in this package sleeps but the HTTP server.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable


class SandboxClock:
    """World time, aware, and the Unix seconds by which requests are counted (`wall`; None: world time, too)."""

    def __init__(self, now: Callable[[], dt.datetime], *, wall: Callable[[], float] | None = None) -> None:
        self.now = now
        self.wall = wall or (lambda: now().timestamp())


def running_clock(start: dt.datetime, *, speed: float) -> SandboxClock:
    """World time = `start` + elapsed × `speed`; requests are counted by the machine's time."""
    began = time.monotonic()
    return SandboxClock(lambda: start + dt.timedelta(seconds=(time.monotonic() - began) * speed), wall=time.time)


class ManualClock(SandboxClock):
    """A clock that stands still until it is set."""

    def __init__(self, start: dt.datetime) -> None:
        super().__init__(lambda: self._now)
        self._now = start

    def set(self, now: dt.datetime) -> None:
        """Go forward to a time. Raises ValueError on one in the past: answers that were given cannot be taken back."""
        if now < self._now:
            msg = "the world's time only moves forward"
            raise ValueError(msg)
        self._now = now

    def advance(self, seconds: float) -> None:
        """Go forward."""
        self.set(self._now + dt.timedelta(seconds=seconds))
