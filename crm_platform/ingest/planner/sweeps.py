"""Sweeps of the contact list: when one is due, what it costs, and the newcomers that no sweep has found yet.

What belongs here: the sweeps' own fund, their cost and times, and the rate at which newcomers arrive. What does not:
reading the list (ingest/sweep.py), the tokens of all (budget.py).
"""

from __future__ import annotations

import math
from typing import Final

from crm_platform.ingest.planner.budget import SWEEP_SHARE, Budget, Ledger
from crm_platform.ingest.planner.chats import TrackedChats
from crm_platform.ingest.planner.clock import WeekClock
from crm_platform.ingest.planner.rates import KEPT_PER_HOUR
from crm_platform.ingest.planner.units import MOMENT, NEVER

SWEEP_INTERVAL_HOURS: Final = 0.5
"""At least this long between two sweeps."""

SWEEP_AT_LEAST_HOURS: Final = 24.0
"""At most this long between two sweeps: growth is a daily figure."""

CONTACTS_PER_SWEEP_REQUEST: Final = 100


class Sweeps:
    """When the list was swept and asked for, what that costs, and what it has found."""

    def __init__(self, clock: WeekClock, chats: TrackedChats, budget: Budget) -> None:
        self._clock = clock
        self._chats = chats
        self._budget = budget
        self.asked_at = NEVER
        self.swept_at = NEVER
        self.swept_before = NEVER  # the sweep before that
        self.requests = 0  # of the last complete one
        self.fund = 0.0  # tokens put by
        self.ledger = Ledger(span=24.0)
        self.arrivals = 0.0  # newcomers since the last sweep, then by operating hour
        self.arrivals_found = 0.0
        self.arrivals_exposed = 0.0

    # What became of them.

    def completed(self, t: float, requests: int) -> None:
        """A sweep is complete."""
        if self.swept_at != NEVER:
            self.arrivals_found += self.arrivals
            self.arrivals_exposed += max(self._clock.at(t) - self._clock.at(self.swept_at), 0.0)
        self.arrivals = 0.0
        self.swept_before, self.swept_at = self.swept_at, t
        self.asked_at = max(self.asked_at, t)
        self.requests = requests
        self._pay(t, requests)

    def broke_off(self, t: float, requests: int) -> None:
        """A sweep broke off: under a quota the next one comes as soon as the fund has bought it."""
        if not self._budget.limits.is_free:
            self.asked_at = max(self.swept_at, t - SWEEP_INTERVAL_HOURS)
        self._pay(t, requests)

    def _pay(self, t: float, requests: int) -> None:
        self.fund = max(self.fund - requests, -float(requests))
        self.ledger.add(t, requests)
        self._budget.pay(t, requests)

    def draw_back(self, t: float) -> None:
        """No sweep was after t."""
        self.asked_at = min(self.asked_at, t)
        self.swept_at = min(self.swept_at, t)
        self.swept_before = min(self.swept_before, t)
        self.ledger.draw_back(t)

    # What they cost.

    @property
    def cost(self) -> int:
        """Requests of the next sweep: what the last one took, at least ⌈contacts/100⌉."""
        return max(self.requests, math.ceil(self._chats.present / CONTACTS_PER_SWEEP_REQUEST), 1)

    def put_by(self, income: float) -> None:
        """Add the sweeps' share of new tokens to their fund, which holds one sweep at most."""
        self.fund = min(self.fund + SWEEP_SHARE * income, float(self.cost))

    def kept_of_day(self, t: float) -> float:
        """Of the fund, what the day's room must keep: less what the room comes back with in time from the last ones."""
        allotted = max(SWEEP_SHARE * self._budget.limits.day_quota, float(self.cost))
        return min(max(self.fund, 0.0), max(allotted - self.ledger.within(t), 0.0))

    def is_due(self, t: float, *, minute_room: float, day_room: float, unfound: float) -> bool:
        """Whether to sweep now. `unfound`: messages expected of newcomers that no sweep has found."""
        cost, limits = self.cost, self._budget.limits
        if day_room < cost:
            return False
        # No sweep takes the last request; one longer than a minute begins with half a minute's, else it never would.
        # With nothing known there is nothing else to do.
        needed = cost + 1 if limits.per_minute is None else min(cost + 1, max(limits.per_minute // 2, 1))
        if minute_room < (needed if self._chats.present else 1):
            return False
        if self.asked_at == NEVER:
            return True
        if t - self.asked_at < SWEEP_INTERVAL_HOURS - MOMENT:
            return False
        if not limits.is_free and self.fund < cost:
            return False
        # Newcomers wait like others: sweep when its requests end as much waiting as the last visits bought. Measured at
        # 60 a minute: 1 point more within the hour than a sweep every 30 minutes; at 10,000 a day 0.2 h less delay.
        since = t - max(self.swept_at, self.asked_at)
        waiting = unfound * since / 2
        is_known = self.arrivals_exposed >= SWEEP_AT_LEAST_HOURS
        return not is_known or since >= SWEEP_AT_LEAST_HOURS or waiting >= self._budget.price * cost

    # Newcomers.

    def arrived(self, t: float) -> float:
        """Count a chat first sighted at `t`; gives the sweep before, which did not find it; NEVER: there was none."""
        previous = self.swept_at if self.swept_at < t else self.swept_before
        self.arrivals += previous != NEVER
        return previous

    @property
    def arrivals_per_hour(self) -> float | None:
        """Newcomers an operating hour since the last sweep; None before two sweeps have told."""
        if self.swept_at == NEVER or self.arrivals_exposed <= 0:
            return None
        return self.arrivals_found / self.arrivals_exposed

    def forget(self, hours: int) -> None:
        """Let the sums of arrivals fade by so many hours."""
        kept = KEPT_PER_HOUR**hours
        self.arrivals_found *= kept
        self.arrivals_exposed *= kept
