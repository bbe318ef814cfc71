"""The world's time.

What belongs here: clocks. What does not: sleeping; nothing in this room sleeps but the HTTP server.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable


class SandboxClock:
    """World time, and the time by which limits and statistics count (the same but in a faster world)."""

    def now(self) -> dt.datetime:
        """World time, aware."""
        raise NotImplementedError

    def wall(self) -> float:
        """Unix seconds by which requests are counted."""
        return self.now().timestamp()


class RunningClock(SandboxClock):
    """World time = `start` + elapsed × `speed`; requests are counted by the machine's time."""

    def __init__(self, start: dt.datetime, *, speed: float) -> None:
        self._start = start
        self._speed = speed
        self._began = time.monotonic()

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._start + dt.timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def wall(self) -> float:
        """Unix seconds of the machine."""
        return time.time()


class FollowingClock(SandboxClock):
    """World time is whatever a function says: a simulation's virtual clock."""

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        self._now = now

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._now()


class ManualClock(SandboxClock):
    """A clock that stands still until it is set."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = start

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._now

    def set(self, now: dt.datetime) -> None:
        """Go forward to a time. Raises ValueError on one in the past: answers that were given cannot be taken back."""
        if now < self._now:
            msg = "the world's time only moves forward"
            raise ValueError(msg)
        self._now = now

    def advance(self, seconds: float) -> None:
        """Go forward."""
        self.set(self._now + dt.timedelta(seconds=seconds))
