"""The estimate: how many messages hide in each chat, and among newcomers that no sweep has found.

What belongs here: M(t), the messages expected unseen, by chat and by date. What does not: the counters and weights it
is made of (echoes.py, rates.py, campaigns.py), what the waiting of these messages is worth (choice.py).

How many messages hide in a chat is a mixture of decaying echoes of what was seen there. With U(t) the operating-hours
clock (clock.py), d = U(t) − U(last visit) and counters a_k that decay with TH_k (echoes.py):

    M(t) = w0 d + Σ_k w_k a_k (1 − e^(−d/TH_k)) + w_copy · (copies of a campaign that may have been sent since)

Messages that events have named are counted one by one, and those expected to follow them as an echo of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from crm_platform.ingest.planner.echoes import COPY, ECHO_HOURS, ECHOES, NAMED, SEEN, messages_to_come
from crm_platform.ingest.planner.state import State
from crm_platform.ingest.planner.units import NEVER, Floats, Rows

COLD_START_HOURS: Final = 240.0
"""How far back the messages expected at a first visit reach when there was no sweep before."""


class Estimate:
    """Messages other than templates that are expected unseen, by what the planner knows; changes nothing of it."""

    def __init__(self, state: State) -> None:
        self._clock = state.clock
        self._chats = state.chats
        self._campaigns = state.campaigns
        self._rates = state.rates
        self._sweeps = state.sweeps

    # The terms.

    def to_come(self, lag: Floats, counters: Floats) -> Floats:
        """Messages expected in `lag` operating hours after visits that left these counters, at the rates learnt."""
        return messages_to_come(lag, counters, weights=self._rates.weights, base=self._rates.base)

    def answers(self, rows: Rows, moment: float) -> Floats:
        """Answers expected by `moment` to the campaigns sent since the last visit."""
        return self._campaigns.answers(rows, moment, weight=self._rates.weights[COPY])

    def following(self, rows: Rows, u: float) -> Floats:
        """Messages expected by operating hour u to follow those that events have named."""
        chats = self._chats
        age = np.maximum(u - chats.hint_u[rows], 0.0)
        expected: Floats = self._rates.weights[NAMED] * (
            chats.hint_count[rows] - chats.hint_decayed[rows] * np.exp(age / -ECHO_HOURS[NAMED])
        )
        return expected

    def exposure(self, row: int, t: float, *, u: float, kept: Floats) -> Floats:
        """By echo, what its weight is multiplied with in M(t), u = U(t); `kept`: what is left of each counter."""
        chats, weights = self._chats, self._rates.weights
        exposure = np.zeros(ECHOES)
        exposure[:SEEN] = chats.counters[:, row] * (1 - kept)
        if chats.hint_count[row] > 0:
            exposure[NAMED] = float(self.following(np.array([row]), u)[0]) / weights[NAMED]
        if self._campaigns.any_after(chats.visited_at[row]):
            exposure[COPY] += float(self.answers(np.array([row]), t)[0]) / weights[COPY]
        return exposure

    # As of now.

    def unseen(self, t: float, rows: slice) -> Floats:
        """Expected unseen of these rows as of t, what events have named not counted."""
        chats = self._chats
        lag = np.maximum(self._clock.at(t) - chats.visited_u[rows], 0.0)
        expected = self.to_come(lag, chats.counters[:, rows])
        never = np.flatnonzero(~chats.is_visited[rows])
        if never.size:
            expected[never] = self._rates.first_visit_means()[chats.is_cold[rows][never].astype(np.intp)]
        expected += self.answers(np.arange(rows.start, rows.stop), t)
        return expected

    def optimal_delay(self, t: float, *, visits_per_day: float) -> float | None:
        """Least mean delay in hours of any fixed schedule: (Σ√λ)² / (2 B Σλ), B visits an hour; None: no messages."""
        chats, size = self._chats, len(self._chats)
        lag = np.maximum(self._clock.at(t) - chats.visited_u[:size], 0.0)
        counters = chats.counters[:, :size]
        rates = (self.to_come(lag + 24, counters) - self.to_come(lag, counters)) / 24
        rates = rates[~chats.is_gone[:size]]
        if not rates.sum() or visits_per_day <= 0:
            return None
        return float(np.sqrt(rates).sum() ** 2 / (2 * visits_per_day / 24 * rates.sum()))

    # By date.

    def total(self, t: float, *, since: float | None, until: float | None) -> float:
        """Messages dated in [since, until) unseen as of t, in all chats that are present and in those not found yet."""
        end = t if until is None else min(until, t)
        begin = NEVER if since is None else min(since, end)
        not_found = self.not_found_before(end, t) - self.not_found_before(begin, t)
        return float(self.by_row(self._chats.present_rows(), t, since=since, until=until).sum()) + not_found

    def by_row(self, rows: Rows, t: float, *, since: float | None, until: float | None) -> Floats:
        """Messages of these rows dated in [since, until) that are unseen as of t."""
        end = t if until is None else min(until, t)
        expected = self.dated_before(rows, end, t)
        begin = NEVER
        if since is not None:
            begin = min(since, end)
            expected -= self.dated_before(rows, begin, t)
        np.maximum(expected, 0.0, out=expected)
        if self._chats.hints:
            place = np.full(len(self._chats), -1, dtype=np.intp)
            place[rows] = np.arange(len(rows))
            last = math.inf if until is None else until
            for row, moments in self._chats.hints.items():
                if place[row] >= 0:
                    expected[place[row]] += sum(begin <= moment < last for moment in moments)
        return expected

    def by_span(self, t: float, edges: Sequence[float]) -> list[float]:
        """Messages unseen as of t by span between neighbouring `edges` (ascending): one value less than edges."""
        rows = self._chats.present_rows()
        moments = [min(edge, t) for edge in edges]

        def dated_before(moment: float) -> float:
            return float(self.dated_before(rows, moment, t).sum()) + self.not_found_before(moment, t)

        # Until the first thing we know of, the sum is a straight line: a history of decades costs what its ends do.
        first_known = self._first_known(rows)
        quiet = sum(moment <= first_known for moment in moments)
        before = [dated_before(moment) for moment in moments[max(quiet - 1, 0) :]]
        if quiet > 1:
            ends = [moments[0], moments[quiet - 1]]
            line = np.interp(moments[: quiet - 1], ends, [dated_before(moments[0]), before[0]])
            before = [*line.tolist(), *before]
        hints = np.sort(np.array([moment for times in self._chats.hints.values() for moment in times]))
        named = np.searchsorted(hints, edges)
        return [
            max(later - earlier, 0.0) + float(named_later - named_earlier)
            for earlier, later, named_earlier, named_later in zip(
                before[:-1], before[1:], named[:-1], named[1:], strict=True
            )
        ]

    def dated_before(self, rows: Rows, moment: float, t: float) -> Floats:
        """Of what is unseen in these rows as of t, the part dated since the last visit and before `moment` ≤ t."""
        chats = self._chats
        expected = np.zeros(len(rows))
        visited = chats.is_visited[rows]
        recent = np.flatnonzero(visited & (chats.visited_at[rows] < moment))
        some = rows[recent]
        u = self._clock.at(moment)
        lag = np.maximum(u - chats.visited_u[some], 0.0)
        expected[recent] = self.to_come(lag, chats.counters[:, some])
        expected += self.answers(rows, moment)
        named = np.flatnonzero((chats.hint_count[rows] > 0) & (chats.hint_at[rows] < moment))
        if named.size:
            expected[named] += self.following(rows[named], u)
        never = np.flatnonzero(~visited)
        if never.size:
            some = rows[never]
            begin, is_cold = chats.visited_at[some], chats.is_cold[some]
            span = np.where(is_cold, COLD_START_HOURS, np.maximum(t - begin, 1e-9))
            part = (moment - begin) / span
            # A newcomer said nothing before it came; a chat of the cold start talked before as it does now (negative).
            part = np.where(is_cold, np.where(moment == NEVER, 0.0, part), np.maximum(part, 0.0))
            expected[never] += self._rates.first_visit_means()[is_cold.astype(np.intp)] * part
        return expected

    def not_found_before(self, moment: float, t: float) -> float:
        """Messages dated before `moment` of newcomers that no sweep has found as of t."""
        sweeps = self._sweeps
        arrivals = sweeps.arrivals_per_hour
        if arrivals is None or moment <= sweeps.swept_at:
            return 0.0
        per_hour = arrivals * float(self._rates.first_visit_means()[0])
        return per_hour * (self._clock.at(min(moment, t)) - self._clock.at(sweeps.swept_at))

    def _first_known(self, rows: Rows) -> float:
        """When the first of the visits, sightings, campaigns and events was that these rows' estimates rest on."""
        chats = self._chats
        some = rows[chats.is_visited[rows] | ~chats.is_cold[rows]]
        named = rows[chats.hint_count[rows] > 0]
        moments = [chats.visited_at[some], chats.hint_at[named], np.array([one.at for one in self._campaigns.sent])]
        if self._sweeps.swept_at != NEVER:
            moments.append(np.array([self._sweeps.swept_at]))
        return min((float(part.min()) for part in moments if part.size), default=math.inf)
