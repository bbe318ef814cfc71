"""The budget: requests that may be spent now, under limits of a minute and of a day.

What belongs here: the limits, tokens and their pace along the day, what the rolling windows have left, and the shares
that others than chats may take. What does not: what the tokens buy (choice.py, sweeps.py), the gate that every request
passes (api/gate.py).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from crm_platform.ingest.planner.clock import WeekClock
from crm_platform.ingest.planner.units import MOMENT

# Shares of the quota that others than chats may take at most; the caller books them with `spent`.
SWEEP_SHARE: Final = 0.10
CAMPAIGN_LIST_SHARE: Final = 0.05
REPORT_SHARE: Final = 0.05
HISTORY_SHARE: Final = 0.10

LONGEST_TICK_MINUTES: Final = 15.0
"""A plan may hold the work of a whole cadence, never the backlog of a night without a crawler: it would be stale."""

PACE_LAG_HOURS: Final = 1
"""The quota follows the messages: they must be there to be fetched."""

DAY_RESERVE: Final = 0.01
"""Of a day's quota, for further pages and reports that fall due when the day is full."""

STARTING_SHARE: Final = 1 / 24
"""Of a day's quota, at hand at once, so that a new installation shows something."""

BURST_HOURS: Final = 2
"""So many hours' part of a day's quota tokens may grow to while the day is full: else a burst would echo for ever."""

CLOSE_HOURS: Final = frozenset({21, 22, 23, 0, 1})
"""Local hours before the full KPI build at 02:00, for which a share of the day is kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a minute and a day; None: no limit of that kind. Raises ValueError on limits below 1."""

    per_minute: int | None
    per_day: int | None

    def __post_init__(self) -> None:
        for limit in (self.per_minute, self.per_day):
            if limit is not None and limit < 1:
                raise ValueError("a limit is at least one request; None means no limit")

    @property
    def is_free(self) -> bool:
        """Neither limits anything."""
        return self.per_minute is None and self.per_day is None

    @property
    def is_paced(self) -> bool:
        """The day's requests run out before the minutes' do. A minute's are lost unused, a day's kept for later."""
        return self.per_day is not None and (self.per_minute is None or self.per_day < self.per_minute * 1440)

    @property
    def day_quota(self) -> int:
        """Requests of a day that are planned with; the reserve is for what others spend, known only afterwards."""
        return max(math.floor((self.per_day or 0) * (1 - DAY_RESERVE)), 1)


class Ledger:
    """Requests of the last `span` hours by moment, for the promise about rolling windows."""

    def __init__(self, *, span: float) -> None:
        self.span = span
        self.entries: deque[tuple[float, int]] = deque()
        self.total = 0

    def add(self, at: float, requests: int) -> None:
        """Book requests; moments never run backwards here, an earlier one is booked at the latest known."""
        if requests <= 0:
            return
        self.total += requests
        if self.entries and at <= self.entries[-1][0]:
            latest, known = self.entries[-1]
            self.entries[-1] = (latest, known + requests)
        else:
            self.entries.append((at, requests))

    def within(self, at: float) -> int:
        """Requests of the whole span up to `at`."""
        while self.entries and self.entries[0][0] <= at - self.span + MOMENT:
            self.total -= self.entries.popleft()[1]
        return self.total

    def draw_back(self, t: float) -> None:
        """No request was after t."""
        self.entries = deque((min(moment, t), requests) for moment, requests in self.entries)


class Budget:
    """Tokens, one a request, that come with time and go with requests."""

    def __init__(self, clock: WeekClock, limits: Limits, *, close_share: float) -> None:
        self._clock = clock
        self.limits = limits
        self.close_share = close_share
        self.accrued_at = clock.start
        self.planned_at = clock.start
        # A day's quota begins with a part of it, a minute's with a minute's.
        self.tokens = (limits.per_day or 0) * STARTING_SHARE if limits.is_paced else float(limits.per_minute or 0)
        self.price = 0.0  # worth of the last visit bought
        self.minute_ledger = Ledger(span=1 / 60)
        self.day_ledger = Ledger(span=24.0)

    @property
    def at_hand(self) -> float:
        """Tokens that may be spent, whatever the windows say."""
        return math.inf if self.limits.is_free else self.tokens

    def accrue(self, t: float, *, sweep_fund: float) -> float:
        """Add the tokens of the time since the last call, and give their number; `sweep_fund` of them are put by."""
        limits = self.limits
        begin, self.accrued_at = self.accrued_at, t
        minutes = (t - begin) * 60
        income = math.inf if limits.per_minute is None else minutes * limits.per_minute
        if limits.is_paced:
            # After days of silence there is nothing to release that the day's limit would not refuse.
            income = min(income, limits.day_quota * self._share_of_day(max(begin, t - 24), t))
        if limits.is_free:
            return income
        self.tokens += income
        if limits.per_minute is not None and not limits.is_paced:
            self.tokens = min(self.tokens, self._minute_cap(t, limits.per_minute))
        if limits.per_day is not None:
            # Tokens that fall due while the day is full are lost, but for a few hours'.
            kept = limits.day_quota * BURST_HOURS / 24 + sweep_fund
            self.tokens = min(self.tokens, max(self.day_room(t), kept))
        return income

    def pay(self, t: float, requests: int) -> None:
        """Take requests off the tokens, and book them in the windows."""
        if requests <= 0:
            return
        if not self.limits.is_free:
            self.tokens -= requests
        if self.limits.per_minute is not None:
            self.minute_ledger.add(t, requests)
        if self.limits.per_day is not None:
            # Booked at the end of its five minutes: 288 entries a day to keep, and never too early.
            self.day_ledger.add(math.ceil(t * 12) / 12, requests)

    def minute_room(self, t: float, available: int | None) -> float:
        """Requests that neither the rolling minute nor the gate, which has `available` left, refuses."""
        room = math.inf if available is None else float(max(available, 0))
        if self.limits.per_minute is not None:
            room = min(room, self._minute_cap(t, self.limits.per_minute) - self.minute_ledger.within(t))
        return max(room, 0.0)

    def day_room(self, t: float) -> float:
        """Requests that the rolling day has left."""
        if self.limits.per_day is None:
            return math.inf
        return max(float(self.limits.day_quota - self.day_ledger.within(t)), 0.0)

    def draw_back(self, t: float) -> None:
        """Nothing was planned or paid after t."""
        self.accrued_at = min(self.accrued_at, t)
        self.planned_at = min(self.planned_at, t)
        self.minute_ledger.draw_back(t)
        self.day_ledger.draw_back(t)

    def _minute_cap(self, t: float, per_minute: int) -> float:
        """Requests that a plan may hand out for the time since the plan before."""
        return per_minute * min(max((t - self.planned_at) * 60, 1.0), LONGEST_TICK_MINUTES)

    def _share_of_day(self, begin: float, end: float) -> float:
        """Share of a day's quota released in [begin, end): along the profile, `close_share` in the closing hours."""
        # One pattern for all days: a rolling 24 hours can be full all the time only if each repeats the one before.
        profile = self._clock.profile
        day = profile.reshape(7, 24).sum(axis=0) / profile.sum()
        share = 0.0
        while begin < end:
            until = min(end, math.floor(begin) + 1.0)
            hour = self._clock.hour_of_week(begin) % 24
            rate = (1 - self.close_share) * day[hour - PACE_LAG_HOURS]
            if hour in CLOSE_HOURS:
                rate += self.close_share / len(CLOSE_HOURS)
            share += float(rate) * (until - begin)
            begin = until
        return share
