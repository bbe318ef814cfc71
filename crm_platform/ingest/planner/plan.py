"""One tick: the tokens at hand divided between a sweep and visits.

What belongs here: the order of a tick, and what is put by for sweeps. What does not: each part of the answer
(budget.py, sweeps.py, choice.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from crm_platform.ingest.planner.choice import Choice
from crm_platform.ingest.planner.estimate import Estimate
from crm_platform.ingest.planner.learning import Learning
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import NEVER


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: whether to sweep the contact list, and the chats to visit, best first."""

    sweep: bool
    chats: list[str]


class Planning:
    """Makes the plan of a tick, in either mode."""

    def __init__(self, state: State, *, estimate: Estimate, choice: Choice, learning: Learning) -> None:
        self._state = state
        self._estimate = estimate
        self._choice = choice
        self._learning = learning

    def plan(self, t: float, *, available: int | None) -> Plan:
        """Spend the tokens at hand, at most `available` of them, on a sweep if one is due and on the best chats."""
        state = self._state
        budget, sweeps = state.budget, state.sweeps
        t = max(t, budget.accrued_at)
        income = budget.accrue(t, sweep_fund=sweeps.fund)
        if not budget.limits.is_free:
            sweeps.put_by(income)
        self._learning.learn(t)
        minute_room, day_room = budget.minute_room(t, available), budget.day_room(t)
        budget.planned_at = t
        if state.mode == "nightly":
            return self._nightly(t, min(minute_room, day_room))
        unfound = self._estimate.not_found_before(t, t)
        if sweep := sweeps.is_due(t, minute_room=minute_room, day_room=day_room, unfound=unfound):
            sweeps.asked_at = t
            # The caller pays when the sweep is done; this plan must leave it the room.
            allowance = min(minute_room, day_room, budget.at_hand) - sweeps.cost
        elif budget.limits.is_paced:
            # Put by for the next sweep.
            saved = max(sweeps.fund, 0.0)
            allowance = min(minute_room, day_room - sweeps.kept_of_day(t), budget.at_hand - saved)
        else:  # a minute's unused requests are lost, nothing can be put by
            allowance = min(minute_room, day_room, budget.at_hand)
        return Plan(sweep, self._choice.hand_out(t, self._choice.best(t, allowance)))

    def _nightly(self, t: float, room: float) -> Plan:
        """One scan of every chat, begun so that it ends at 02:00 local; what is left by then is still fetched."""
        state = self._state
        scan, sweeps, limits = state.scan, state.sweeps, state.budget.limits
        requests = state.chats.present + sweeps.cost
        scan.begin_if_due(t, requests=requests, per_minute=limits.per_minute, zone=state.clock.zone)
        if scan.started_at == NEVER:
            return Plan(sweep=False, chats=[])
        sweep = sweeps.asked_at < scan.started_at and room >= 1
        if sweep:
            sweeps.asked_at = t
            room -= sweeps.cost
        chats = self._choice.best_not_visited_since(scan.started_at, t, room)
        return Plan(sweep, self._choice.hand_out(t, chats))
