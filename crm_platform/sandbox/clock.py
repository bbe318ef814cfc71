"""The world's time.

What belongs here: clocks. What does not: sleeping; nothing in this package sleeps but the HTTP server.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """World time, and the time by which limits and statistics count (the same but in a faster world)."""

    def now(self) -> dt.datetime:
        """World time, aware."""
        ...

    def wall(self) -> float:
        """Unix seconds."""
        ...


class RunningClock:
    """World time = `start` + elapsed × `speed`; limits count real seconds."""

    def __init__(
        self,
        start: dt.datetime,
        *,
        speed: float = 1.0,
        elapsed: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._start = start
        self._speed = speed
        self._elapsed = elapsed
        self._wall = wall
        self._began = elapsed()

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._start + dt.timedelta(seconds=(self._elapsed() - self._began) * self._speed)

    def wall(self) -> float:
        """Unix seconds of the machine."""
        return self._wall()


class FollowingClock:
    """World time is whatever a function says: a simulation's virtual clock."""

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        self._now = now

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._now()

    def wall(self) -> float:
        """Unix seconds of the world."""
        return self._now().timestamp()


class ManualClock:
    """A clock that stands still until it is set."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = start

    def now(self) -> dt.datetime:
        """World time, aware."""
        return self._now

    def wall(self) -> float:
        """Unix seconds of the world."""
        return self._now.timestamp()

    def set(self, now: dt.datetime) -> None:
        """Go forward to a time. Raises ValueError on one in the past: answers that were given cannot be taken back."""
        if now < self._now:
            msg = "the world's time only moves forward"
            raise ValueError(msg)
        self._now = now

    def advance(self, seconds: float) -> None:
        """Go forward."""
        self.set(self._now + dt.timedelta(seconds=seconds))
