"""Learning: what a visit tells of its chat, and of the rates of all; and the hourly turn.

What belongs here: splitting what a visit found among what had promised it, and leaving it in the chat's counters. What
does not: the sums and the weights made of them (rates.py), the estimate itself (estimate.py).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm_platform.ingest.planner.echoes import COPY, ECHO_HOURS, NEWCOMER, SEEN, TALK, UNANSWERED
from crm_platform.ingest.planner.estimate import Estimate
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import Flags, Floats, hours_of


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """What the planner learns of one message. `timestamp` is aware UTC; `direction` is inbound or outbound."""

    timestamp: dt.datetime
    direction: str
    is_template: bool


class Learning:
    """Takes in visits, and turns what they taught into rates once an hour."""

    def __init__(self, state: State, estimate: Estimate) -> None:
        self._state = state
        self._estimate = estimate

    def learn(self, t: float) -> None:
        """Once an hour: new weights; a new profile when enough was counted to move it."""
        state = self._state
        passed = state.rates.relearn(t)
        if passed:
            state.sweeps.forget(passed)
            if state.clock.forget(passed):
                state.chats.recompute_operating_hours()

    def visited(self, row: int, t: float, new_messages: Sequence[SeenMessage]) -> None:
        """A chat was read up to `t`; `new_messages` were not known before."""
        clock, chats = self._state.clock, self._state.chats
        previous = float(chats.visited_at[row])
        t = max(t, previous)
        u = clock.at(t)
        is_first = not chats.is_visited[row]
        lag = max(u - float(chats.visited_u[row]), 0.0)
        kept = np.exp(lag / -ECHO_HOURS[:SEEN])
        # What is dated ahead was sent by now all the same.
        moments = np.minimum(np.array([hours_of(message.timestamp) for message in new_messages]), t)
        is_talk = np.array([not message.is_template for message in new_messages], dtype=bool)
        found = float((is_talk & (moments > previous)).sum()) if new_messages else 0.0

        if is_first:
            self._state.rates.found_first(found, is_cold=bool(chats.is_cold[row]))
        else:
            self._learn_rates(row, found, t=t, u=u, lag=lag, kept=kept)
        chats.is_audit[row] = False

        if not is_first:
            chats.counters[:, row] *= kept
        if new_messages:
            self._count(row, new_messages, moments, is_talk, u=u)
        if is_first and not chats.is_cold[row]:
            oldest = clock.at(float(moments.min())) if new_messages else float(chats.visited_u[row])
            chats.counters[NEWCOMER, row] = math.exp(-max(u - oldest, 0.0) / ECHO_HOURS[NEWCOMER])
        chats.is_visited[row] = True
        chats.visited_at[row], chats.visited_u[row] = t, u
        self._state.campaigns.visited(row, since=previous, t=t)
        chats.forget_hints(row, until=t)

    def _learn_rates(self, row: int, found: float, *, t: float, u: float, lag: float, kept: Floats) -> None:
        """Messages that events have named promise themselves; an audit counts all."""
        chats = self._state.chats
        hinted = float(chats.hint_count[row])
        exposure = self._estimate.exposure(row, t, u=u, kept=kept)
        expected = self._state.rates.found_again(found, hinted=hinted, exposure=exposure, lag=lag)
        if chats.is_audit[row]:
            self._state.audits.record(found, expected + hinted)

    def _count(
        self, row: int, new_messages: Sequence[SeenMessage], moments: Floats, is_talk: Flags, *, u: float
    ) -> None:
        """Count what was seen into the chat's counters, each message as old as it is at operating hour u."""
        clock, chats = self._state.clock, self._state.chats
        counters = chats.counters[:, row]
        ages = np.maximum(u - clock.at_many(moments), 0.0)
        counters[:TALK] += np.exp(ages[is_talk, None] / -ECHO_HOURS[:TALK]).sum(axis=0)
        counters[COPY] += np.exp(ages[~is_talk] / -ECHO_HOURS[COPY]).sum()
        chats.copies_seen[row] += float((~is_talk).sum())
        if is_talk.any():
            last = int(np.flatnonzero(is_talk)[np.argmax(moments[is_talk])])
            is_waiting = new_messages[last].direction == "inbound"
            counters[UNANSWERED] = math.exp(-ages[last] / ECHO_HOURS[UNANSWERED]) if is_waiting else 0.0
            clock.count(moments[is_talk])
