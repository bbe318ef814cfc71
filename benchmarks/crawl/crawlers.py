"""The crawlers that are compared: the product's planner, and three that somebody might have written instead.

All speak the planner's language (sighted, plan, visited, swept, spent), get the same quota, spend a tenth of it at most
on sweeps of the contact list (at most every 30 minutes) and pay for the same campaign list.

- nightly: one scan a night that ends at 02:00, as any batch connector would;
- round-robin: always the chat that was looked at longest ago;
- √rate: visits proportional to the square root of each chat's **true** rate in the measured time, which no crawler can
  know: the best that a fixed schedule can do for the sum of delays.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.crawl.world import START
from crm_platform.ingest.planner import SWEEP_INTERVAL_HOURS, SWEEP_SHARE, Plan, SeenMessage


class Crawler(Protocol):
    """What the replay drives."""

    def sighted(self, chat_ids: Iterable[str], *, at: dt.datetime) -> None: ...
    def plan(self, at: dt.datetime) -> Plan: ...
    def visited(
        self, chat_id: str, *, at: dt.datetime, new_messages: Sequence[SeenMessage], requests: int = 1
    ) -> None: ...
    def swept(self, *, at: dt.datetime, requests: int) -> None: ...
    def spent(self, *, at: dt.datetime, requests: int) -> None: ...


def _hours(at: dt.datetime) -> float:
    return (at - START).total_seconds() / 3600


class Baseline:
    """Round-robin, and √rate when `rates` are given: the largest waiting × √rate is next; a newcomer
    queues from when it was found."""

    def __init__(self, *, requests_per_day: float, chats: int, rates: npt.NDArray[np.float64] | None = None) -> None:
        self.per_hour = requests_per_day / 24
        self.visited_at = np.full(chats, np.inf)  # inf: not known yet
        self.pull = np.ones(chats) if rates is None else np.sqrt(rates + 1e-5)
        self.known = 0
        self.tokens = 0.0
        self.fund = 0.0
        self.now = 0.0
        self.swept_at = 0.0

    def sighted(self, chat_ids: Iterable[str], *, at: dt.datetime) -> None:
        for chat_id in chat_ids:
            row = int(chat_id[1:])
            if np.isinf(self.visited_at[row]):
                self.visited_at[row] = _hours(at)
                self.known += 1

    def _sweep_cost(self) -> int:
        return math.ceil(self.known / 100)

    def _earn(self, now: float) -> None:
        income = (now - self.now) * self.per_hour
        self.now = now
        self.tokens += income
        self.fund = min(self.fund + SWEEP_SHARE * income, self._sweep_cost())

    def plan(self, at: dt.datetime) -> Plan:
        now = _hours(at)
        self._earn(now)
        sweep = now - self.swept_at >= SWEEP_INTERVAL_HOURS - 1e-9 and self.fund >= self._sweep_cost()
        if sweep:
            self.swept_at = now
        count = min(math.floor(self.tokens - (self._sweep_cost() if sweep else self.fund) + 1e-6), self.known)
        return Plan(sweep, self._next(now, count))

    def _next(self, now: float, count: int) -> list[str]:
        if count <= 0:
            return []
        self.tokens -= count
        score = np.where(np.isinf(self.visited_at), -np.inf, (now - self.visited_at) * self.pull)
        best = np.argpartition(-score, count - 1)[:count] if count < len(score) else np.flatnonzero(score > -np.inf)
        return [f"c{row}" for row in best.tolist()]

    def visited(self, chat_id: str, *, at: dt.datetime, new_messages: Sequence[SeenMessage], requests: int = 1) -> None:  # noqa: ARG002
        self.visited_at[int(chat_id[1:])] = _hours(at)
        self.tokens -= requests - 1

    def swept(self, *, at: dt.datetime, requests: int) -> None:  # noqa: ARG002
        self.tokens -= requests
        self.fund -= requests

    def spent(self, *, at: dt.datetime, requests: int) -> None:  # noqa: ARG002
        self.tokens -= requests


class Nightly(Baseline):
    """One scan a night, as fast as the server allows, begun so that it ends at 02:00."""

    def __init__(self, *, requests_per_day: float, requests_per_minute: float, chats: int) -> None:
        super().__init__(requests_per_day=requests_per_day, chats=chats)
        self.per_minute = requests_per_minute
        self.night = -1.0

    def plan(self, at: dt.datetime) -> Plan:
        now = _hours(at)
        passed, self.now = now - self.now, now
        cost = min(self.known + self._sweep_cost(), self.per_hour * 24)
        ends = (math.floor((now - 2) / 24) + 1) * 24 + 2.0
        begins = ends - cost / self.per_minute / 60
        if now < begins - 1e-9:
            return Plan(sweep=False, chats=[])
        sweep = self.night != ends
        if sweep:
            self.night, self.tokens = ends, self.per_hour * 24
        due = int((self.visited_at < begins).sum())
        count = min(math.floor(self.tokens), round(self.per_minute * passed * 60), due)
        return Plan(sweep, self._next(now, count))
