"""The planner's state, by owner: each number has one place that keeps it, and all the others ask there.

What belongs here: putting the owners together. What does not: what each of them keeps (its own module), how all of it
is saved (persistence.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from crm_platform.ingest.planner.audit import Audits
from crm_platform.ingest.planner.budget import Budget, Limits
from crm_platform.ingest.planner.campaigns import SentCampaigns
from crm_platform.ingest.planner.chats import TrackedChats
from crm_platform.ingest.planner.clock import WeekClock
from crm_platform.ingest.planner.nightly import NightlyScan
from crm_platform.ingest.planner.rates import Rates
from crm_platform.ingest.planner.sweeps import Sweeps


@dataclass(slots=True)
class State:
    """All that the planner knows. `mode`: continuous, or nightly."""

    mode: str
    clock: WeekClock
    chats: TrackedChats
    campaigns: SentCampaigns
    rates: Rates
    budget: Budget
    sweeps: Sweeps
    audits: Audits
    scan: NightlyScan

    @classmethod
    def begin(cls, *, clock: WeekClock, limits: Limits, mode: str, close_share: float, audit_share: float) -> Self:
        """Nothing is known yet but the limits and the hours."""
        chats = TrackedChats(clock)
        budget = Budget(clock, limits, close_share=close_share)
        return cls(
            mode=mode,
            clock=clock,
            chats=chats,
            campaigns=SentCampaigns(clock, chats),
            rates=Rates(start=clock.start),
            budget=budget,
            sweeps=Sweeps(clock, chats, budget),
            audits=Audits(chats, share=audit_share),
            scan=NightlyScan(),
        )

    def draw_back(self, t: float) -> None:
        """Take the clock back to `t`: what lies after it was learnt while the clock ran ahead, and is of now."""
        for owner in (self.chats, self.budget, self.sweeps, self.scan, self.rates):
            owner.draw_back(t)
        self.chats.recompute_operating_hours()
