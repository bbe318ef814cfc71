"""Counting requests: what the rate limit allows, and what the statistics say.

What belongs here: rolling windows over arrival times. What does not: answers; time comes in as Unix seconds.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crm_platform.sandbox.webhooks import WebhookStats

MINUTE: Final = 60.0  # seconds
DAY: Final = 86_400.0  # seconds

# tier → most requests in any 60 s, in any 24 h (None: no limit)
TIERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "free": (60, 1_000),
    "pro": (300, 10_000),
    "enterprise": (1_000, None),
}


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What a request is told: the tightest window's limit, what is left, and the Unix second a slot is free again."""

    is_allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int


class _Window:
    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self.taken: deque[float] = deque()

    def left(self, now: float) -> int:
        while self.taken and now - self.taken[0] >= self.seconds:
            self.taken.popleft()
        return self.limit - len(self.taken)

    def free_at(self, now: float) -> float:
        return self.taken[0] + self.seconds if self.taken else now


class RateLimit:
    """Rolling windows; a refused request takes no slot."""

    def __init__(self, *, per_minute: int | None, per_day: int | None) -> None:
        given = ((per_minute, MINUTE), (per_day, DAY))
        self._windows = [_Window(limit, seconds) for limit, seconds in given if limit is not None]

    def take(self, now: float) -> RateLimitStatus | None:
        """Take a slot if every window has one. None: there is no limit."""
        if not self._windows:
            return None
        is_allowed = all(window.left(now) > 0 for window in self._windows)
        if is_allowed:
            for window in self._windows:
                window.taken.append(now)
        tightest = min(self._windows, key=lambda window: (window.left(now), -window.seconds))
        free_at = tightest.free_at(now)
        return RateLimitStatus(
            is_allowed=is_allowed,
            limit=tightest.limit,
            remaining=tightest.left(now),
            reset=math.ceil(free_at),
            retry_after=max(1, math.ceil(free_at - now)),
        )


class _Peak:
    """The most arrivals in any rolling window so far.

    Exact up to `_EXACT` arrivals a window; beyond, those of one second share an entry, so that memory stays bounded.
    """

    _EXACT = 200_000

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, int]] = deque()
        self._count = 0
        self.most = 0

    def arrive(self, now: float) -> None:
        entries = self._entries
        while entries and now - entries[0][0] >= self._seconds:
            self._count -= entries.popleft()[1]
        self._count += 1
        if len(entries) >= self._EXACT and now - entries[-1][0] < 1:
            entries[-1] = (entries[-1][0], entries[-1][1] + 1)
        else:
            entries.append((now, 1))
        self.most = max(self.most, self._count)


@dataclass(frozen=True, slots=True)
class Stats:
    """What arrived so far.

    by_route: operation → requests. by_status: HTTP status → answers (a dropped connection counts as 0). faults: kind →
    bad answers given on purpose. webhooks: the events; None where none are posted.
    """

    requests: int
    by_route: dict[str, int]
    most_in_60s: int
    most_in_24h: int
    by_status: dict[str, int]
    faults: dict[str, int]
    webhooks: WebhookStats | None = None


class Statistics:
    """Counts requests as they arrive, and answers as they leave."""

    def __init__(self) -> None:
        self._routes: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._minute = _Peak(MINUTE)
        self._day = _Peak(DAY)

    def arrive(self, route: str, now: float) -> None:
        """A request for an operation came in."""
        self._routes[route] += 1
        self._minute.arrive(now)
        self._day.arrive(now)

    def answer(self, status: int) -> None:
        """It was answered."""
        self._statuses[str(status)] += 1

    def fault(self, kind: str) -> None:
        """It was answered badly on purpose."""
        self._faults[kind] += 1

    def read(self) -> Stats:
        """Everything so far."""
        return Stats(
            requests=self._routes.total(),
            by_route=dict(sorted(self._routes.items())),
            most_in_60s=self._minute.most,
            most_in_24h=self._day.most,
            by_status=dict(sorted(self._statuses.items())),
            faults=dict(sorted(self._faults.items())),
        )
