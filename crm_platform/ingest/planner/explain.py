"""What the planner says in words: why a chat is or is not next, and which mode would serve better.

What belongs here: sentences. What does not: the decisions that they tell of (choice.py, plan.py).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from crm_platform.ingest.planner.choice import PATIENCE_HOURS, Choice
from crm_platform.ingest.planner.estimate import Estimate
from crm_platform.ingest.planner.state import State

FULL_SCAN_MARGIN: Final = 1.01
"""N visits and the N/100 pages of a sweep."""


def advice(state: State) -> str | None:
    """Say so if a nightly scan would serve those who only look in the morning better than a continuous crawl."""
    limits, present = state.budget.limits, state.chats.present
    daily = [limit for limit in (limits.per_day, limits.per_minute and limits.per_minute * 1440) if limit]
    if state.mode == "nightly" or not present or (daily and min(daily) < FULL_SCAN_MARGIN * present):
        return None
    return (
        f"The quota covers a whole scan of {present} chats a day. If nobody looks at the figures by day, "
        "CRM_CRAWL_MODE=nightly (one scan that ends at 02:00) is complete every night and asks the CRM for less."
    )


def explain(state: State, chat_id: str, t: float, *, estimate: Estimate, choice: Choice) -> str:
    """Say why a chat is or is not next."""
    chats, budget = state.chats, state.budget
    row = chats.row_of.get(chat_id)
    if row is None:
        return "This chat is not known: no sweep and no event has named it yet."
    if chats.is_gone[row]:
        return "This chat is gone: it is not planned until a sweep or an event sights it again."
    why = _expectation(state, row, t, estimate=estimate)
    eligible = choice.eligible(t)
    if not eligible[row]:
        minutes = (t - float(chats.planned_at[row])) * 60
        if minutes < 0:
            rest = PATIENCE_HOURS * 60 - minutes
            return f"Not next: it could not be had, and rests for {rest:.0f} minutes; {why}."
        return f"Not next: handed out {minutes:.0f} minutes ago and not visited yet; {why}."
    scores = np.where(eligible, choice.scores(t), -np.inf)
    rank = int((scores > scores[row]).sum() + (scores[:row] == scores[row]).sum()) + 1
    at_hand = max(math.floor(budget.tokens), 0)
    is_free = budget.limits.is_free
    is_next = bool(choice.is_worth_a_visit(t)[row]) if is_free else rank <= at_hand
    return (
        f"{'Next' if is_next else 'Not next'}: rank {rank} of {int(eligible.sum())} with "
        f"{'no quota' if is_free else f'{at_hand} requests at hand'} (score {scores[row]:.3g}); {why}."
    )


def _expectation(state: State, row: int, t: float, *, estimate: Estimate) -> str:
    """What is expected of a chat that is there."""
    chats = state.chats
    waited = t - float(chats.visited_at[row])
    expected = float(estimate.unseen(t, slice(row, row + 1))[0])
    since = "it was last visited" if chats.is_visited[row] else "the sweep before it was found; it was never visited"
    words = f"{expected:.2f} messages are expected unseen, over {waited:.1f} h since {since}"
    if chats.hint_count[row]:
        waiting = t - float(chats.hint_sum[row] / chats.hint_count[row])
        words += f"; {chats.hint_count[row]:.0f} named by events have waited {waiting:.1f} h on average"
    return words
