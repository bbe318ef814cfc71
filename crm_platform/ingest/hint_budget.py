"""How much of the quota events may take: their share, and what is kept free for them.

Where a day's events name more chats than their share of the day's quota, none is read at once: the planner, which waits
until a chat is worth its request, then sees more of the messages in time (benchmarks/crawl compares the two).

What belongs here: the arithmetic of both. What does not: which chats events name (events.py), visiting them
(crawl_run.py), which chat is worth a visit (planner/).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crm_platform.api import Allowance

HINTS_OF: Final = timedelta(minutes=10)
"""What is kept free for events follows from how many chats they named in so long."""

MOST_RESERVED: Final = 0.7
"""Share of the requests that events may take, or that is kept free for them: lists and the other chats go on."""

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


class HintBudget:
    """The requests that events may take under a quota. `per_minute`: what the limits come to, None: no limit."""

    def __init__(self, limits: Allowance, *, per_minute: float | None) -> None:
        self.set_limits(limits, per_minute=per_minute)
        self._named: deque[datetime] = deque()  # when events named a chat: a day's
        self._lately: deque[datetime] = deque()  # of these, those of late
        self._fund = 0.0
        self._funded_at: datetime | None = None

    def set_limits(self, limits: Allowance, *, per_minute: float | None) -> None:
        """Go by other limits from now on."""
        self._limits, self._per_minute = limits, per_minute

    def named(self, moments: Iterable[datetime], *, at: datetime) -> None:
        """Events that came at these moments named a chat each."""
        came = sorted(moments)
        for known, span in ((self._named, _DAY), (self._lately, HINTS_OF)):
            known.extend(came)
            while known and at - known[0] > span:
                known.popleft()

    def room(self, at: datetime) -> int | None:
        """Requests that events may take now: their share of what the limits allow, an hour's of a day's at most."""
        if self._per_minute is None:
            return None
        if self._are_too_many():
            return 0
        most = MOST_RESERVED * min(self._limits.minute or math.inf, (self._limits.day or math.inf) / 24)
        elapsed = HINTS_OF if self._funded_at is None else at - self._funded_at
        self._funded_at = at
        self._fund = min(max(1.0, most), self._fund + MOST_RESERVED * self._per_minute * (elapsed / _MINUTE))
        return max(0, int(self._fund))

    def spent(self, requests: int) -> None:
        """So many were sent for events."""
        self._fund -= requests

    def reserved(self) -> int:
        """Requests of this minute that are kept free for what events will name."""
        if not self._lately or self._limits.minute is None or self._are_too_many():
            return 0
        a_minute = len(self._lately) / (HINTS_OF / _MINUTE)
        return min(int(MOST_RESERVED * self._limits.minute), math.ceil(1.5 * a_minute) + 1)

    def _are_too_many(self) -> bool:
        """Whether following them all would take more than their share of a day."""
        return self._limits.day is not None and len(self._named) > MOST_RESERVED * self._limits.day
