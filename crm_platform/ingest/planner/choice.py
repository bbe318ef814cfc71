"""The choice: what a visit to each chat is worth, and the k best of those that may be visited.

What belongs here: the worth of the waiting that a visit ends, who may be handed out, in which order. What does not: how
many messages wait (estimate.py), how many visits k is (budget.py, plan.py).

An append-only page loses nothing by waiting, it is only late, so the worth of a visit is the waiting it ends. With M
messages expected unseen τ hours after the last visit and z = τ/H, it is their waiting spread over τ, discounted by age:

    M/τ · (H² (1 − e^(−z)(1 + z)) + ε τ²/2)  +  hours waited by the messages that events have named

Minimising the sum of delays under a budget gives visit rates ∝ √rate; greedy on accumulated waiting is the same law on
line. The classic optimum of web crawling (binary freshness) starves the hottest pages and is not used.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from crm_platform.ingest.planner.budget import Limits
from crm_platform.ingest.planner.estimate import Estimate
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import Flags, Floats

WORTH_HORIZON_HOURS: Final = 24.0
"""H at most: a message later than this is hardly worth hurrying for."""

WORTH_HORIZON_CYCLES: Final = 2.0
"""H where the quota goes round sooner, in rounds of all chats; at least one hour."""

OVERDUE_SHARE: Final = 0.05
"""ε: what waiting beyond H still counts, so that no chat starves."""

PATIENCE_HOURS: Final = 0.25
"""A chat handed out and not visited is not handed out again for so long: its batch, or the server, needs time."""

WORTH_A_VISIT: Final = 0.01
"""Expected unseen messages, where no quota forces a choice."""

_AT_ONCE: Final = 1e-9  # hours: so soon after a visit nothing has waited


class Choice:
    """Scores all chats at once, and hands out the best."""

    def __init__(self, state: State, estimate: Estimate) -> None:
        self._clock = state.clock
        self._chats = state.chats
        self._budget = state.budget
        self._audits = state.audits
        self._estimate = estimate

    def best(self, t: float, allowance: float) -> list[int]:
        """Rows of the chats to visit, best first, audits among them; at most `allowance`."""
        eligible = self.eligible(t)
        if self._budget.limits.is_free:
            eligible &= self.is_worth_a_visit(t)
            return self._best_of(t, eligible, allowance)
        count = min(math.floor(allowance + 1e-6), int(eligible.sum()))
        if count <= 0:
            return []
        audits = self._audits.draw(eligible, count)
        eligible[audits] = False
        return self._best_of(t, eligible, count - len(audits)) + audits

    def best_not_visited_since(self, moment: float, t: float, allowance: float) -> list[int]:
        """Rows of the best chats that were not visited since then; at most `allowance`."""
        chats, size = self._chats, len(self._chats)
        is_left = (chats.visited_at[:size] < moment) | ~chats.is_visited[:size]
        return self._best_of(t, self.eligible(t) & is_left, allowance)

    def hand_out(self, t: float, rows: list[int]) -> list[str]:
        """Note that these chats are to be visited now, and pay for it; gives their ids."""
        self._chats.planned_at[rows] = t
        self._budget.pay(t, len(rows))
        return [self._chats.ids[row] for row in rows]

    def eligible(self, t: float) -> Flags:
        """By row: whether the chat is there, and not handed out just now."""
        chats, size = self._chats, len(self._chats)
        result: Flags = ~chats.is_gone[:size] & (chats.planned_at[:size] <= t - PATIENCE_HOURS)
        return result

    def is_worth_a_visit(self, t: float) -> Flags:
        """By row, where no quota forces a choice: never visited, named, a message likely, or a day old."""
        chats = self._chats
        result: Flags = np.zeros(len(chats), dtype=np.bool_)
        for rows in chats.blocks():
            result[rows] = (
                ~chats.is_visited[rows]
                | (chats.hint_count[rows] > 0)
                | (t - chats.visited_at[rows] >= 24)
                | (self._estimate.unseen(t, rows) >= WORTH_A_VISIT)
            )
        return result

    def scores(self, t: float) -> Floats:
        """Worth of a visit of every row: hours of waiting it ends, discounted by age."""
        chats, size = self._chats, len(self._chats)
        worth = np.zeros(size)
        horizon = horizon_hours(self._budget.limits, chats=chats.present)
        for rows in chats.blocks():
            waited = np.maximum(t - chats.visited_at[rows], _AT_ONCE)
            z = waited * (1 / horizon)
            part = np.exp(-z)
            part *= 1 + z
            np.subtract(1, part, out=part)
            part *= horizon**2
            part /= waited
            part += waited * (OVERDUE_SHARE / 2)
            part *= self._estimate.unseen(t, rows)
            part[waited <= _AT_ONCE] = 0.0
            worth[rows] = part
        named = np.flatnonzero(chats.hint_count[:size])
        if named.size:
            # Named messages have waited since they were sent, what follows them half of that on average.
            count = chats.hint_count[named]
            waiting = count * t - chats.hint_sum[named]
            worth[named] += waiting * (1 + self._estimate.following(named, self._clock.at(t)) / (2 * count))
        return worth

    def _best_of(self, t: float, eligible: Flags, allowance: float) -> list[int]:
        rows = np.flatnonzero(eligible)
        count = rows.size if math.isinf(allowance) else math.floor(allowance)
        if count <= 0 or rows.size == 0:
            return []
        scores = self.scores(t)[rows]
        if count < rows.size:
            best = np.argpartition(-scores, count - 1)[:count]
            rows, scores = rows[best], scores[best]
            self._budget.price = float(scores.min())
        order: list[int] = rows[np.lexsort((rows, -scores))].tolist()
        return order


def horizon_hours(limits: Limits, *, chats: int) -> float:
    """H in hours: a day, or two rounds of all chats where the quota allows those sooner.

    Measured at 60 a minute: 0.4 points more within the hour at the same mean delay.
    """
    hourly = [limits.per_minute and limits.per_minute * 60, limits.per_day and limits.per_day / 24]
    known = [limit for limit in hourly if limit]
    if not known:
        return WORTH_HORIZON_HOURS
    return min(max(WORTH_HORIZON_CYCLES * chats / min(known), 1.0), WORTH_HORIZON_HOURS)
