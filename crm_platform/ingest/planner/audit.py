"""Audits: visits to chats drawn evenly at random, the unbiased check of what the planner expects.

What belongs here: the draw, and what was found against what was expected. What does not: all other visits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from crm_platform.ingest.planner.chats import TrackedChats
from crm_platform.ingest.planner.units import Flags

_NORMAL_975: Final = 1.959963984540054  # quantile of the normal distribution: both sides of a 95 % interval
_MISSES: Final = 50  # a few (gone, in flight) are normal, so many mean that nobody is there


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """What visits to chats drawn at random found, against what was expected there: the unbiased check.

    `ratio` = found / expected (None before anything was expected), with a 95 % interval from the spread between visits.
    """

    visits: int
    found: float
    expected: float
    ratio: float | None
    low: float | None
    high: float | None


class Audits:
    """The audits drawn and made; `share`: of all visits handed out."""

    def __init__(self, chats: TrackedChats, *, share: float) -> None:
        self._chats = chats
        self.share = share
        self.credit = 0.0  # audits that are to be drawn
        self.drawn = 0  # numbers drawn, misses too
        self.visits = 0
        self.sums = np.zeros(5)  # n, m, n², m², n·m over audit visits: n found, m expected

    def draw(self, eligible: Flags, count: int) -> list[int]:
        """Rows drawn evenly from the visited chats; about `share` of the `count` visits that are handed out."""
        self.credit += self.share * count
        drawn: list[int] = []
        candidates = eligible & self._chats.is_visited[: len(self._chats)]
        while self.credit >= 1 and len(drawn) < count:
            self.credit -= 1
            for _ in range(_MISSES):  # rejection keeps the draw even
                self.drawn += 1
                row = _random(self.drawn) % len(eligible)
                if candidates[row]:
                    candidates[row] = False
                    drawn.append(row)
                    break
        self._chats.is_audit[drawn] = True
        return drawn

    def record(self, found: float, expected: float) -> None:
        """Take in an audit visit."""
        self.visits += 1
        self.sums += (found, expected, found * found, expected * expected, found * expected)

    def summary(self) -> AuditSummary:
        """Compare what audit visits found with what was expected of them: a ratio of sums, its error by linearising."""
        visits = self.visits
        found, expected, found2, expected2, product = self.sums.tolist()
        if expected <= 0 or visits < 2:
            return AuditSummary(visits, found, expected, None, None, None)
        ratio = found / expected
        spread = max(found2 - 2 * ratio * product + ratio * ratio * expected2, 0.0) * visits / (visits - 1)
        error = _NORMAL_975 * math.sqrt(spread) / expected
        return AuditSummary(visits, found, expected, ratio, max(ratio - error, 0.0), ratio + error)


def _random(counter: int) -> int:
    """SplitMix64: the n-th draw of the audit, the same in every process."""
    mask = (1 << 64) - 1
    z = (counter * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)
