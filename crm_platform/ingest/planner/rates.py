"""The rates that visits teach: a weight for each echo, the base rate, what a first visit finds.

What belongs here: the sums of what was found and what it was exposed to, and the rates made of them once an hour. What
does not: which terms promised what a visit found (learning.py), the activity profile (clock.py).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from crm_platform.ingest.planner.echoes import BASE_PER_HOUR, ECHOES, SEEN, WEIGHTS
from crm_platform.ingest.planner.units import Floats

FIRST_VISIT_MESSAGES: Final = 4.0
"""Expected on a chat never visited, until first visits have taught better."""

PRIOR_EXPOSURE: Final = 5.0
"""Pseudo-counters behind each prior weight."""

PRIOR_BASE_HOURS: Final = 3600.0
"""Pseudo-hours behind the base rate."""

KEPT_PER_HOUR: Final = 0.995
"""Of the sums, from one hour to the next: a half-life of 138 hours, about six days."""

LONGEST_FORGETTING_HOURS: Final = 24
"""At once: a clock that is wrong by months must not wipe out what was learnt."""


class Rates:
    """What was found and what it was exposed to, as sums that fade, and the rates in use until the next full hour."""

    def __init__(self, *, start: float) -> None:
        self.weights = WEIGHTS.copy()
        self.base = BASE_PER_HOUR
        self.found_by_echo = np.zeros(ECHOES)
        self.exposed_by_echo = np.zeros(ECHOES)
        self.found_by_base = 0.0
        self.exposed_by_base = 0.0
        self.first_found = np.zeros(2)  # on first visits to newcomers, to chats of the cold start
        self.first_visits = np.zeros(2)
        self.learnt_hour = math.floor(start)

    def first_visit_means(self) -> Floats:
        """Messages expected at a first visit: of a newcomer, of a chat of the cold start."""
        means: Floats = (self.first_found + PRIOR_EXPOSURE * FIRST_VISIT_MESSAGES) / (
            self.first_visits + PRIOR_EXPOSURE
        )
        return means

    def found_first(self, found: float, *, is_cold: bool) -> None:
        """A first visit found so many messages."""
        kind = int(is_cold)
        self.first_found[kind] += found
        self.first_visits[kind] += 1

    def found_again(self, found: float, *, hinted: float, exposure: Floats, lag: float) -> float:
        """Split what a later visit found among the terms in proportion to what they promised; gives their sum.

        One step of expectation-maximisation of a Poisson mixture. `exposure`: by echo, counters times the part that has
        decayed; `lag`: operating hours. The `hinted` messages that events have named promise themselves.
        """
        promised = exposure * self.weights
        base = self.base * lag
        expected = float(promised.sum()) + base
        if expected > 0:
            ratio = max(found - hinted, 0.0) / expected
            if hinted > 0:
                # The other weights are those of chats that no event has named: where events come, these are quiet.
                promised[:SEEN] = exposure[:SEEN] = base = lag = 0.0
            self.found_by_echo += ratio * promised
            self.found_by_base += ratio * base
            self.exposed_by_echo += exposure
            self.exposed_by_base += lag
        return expected

    def relearn(self, t: float) -> int:
        """Once an hour: new weights, and let the sums fade. Gives the hours that all sums are to fade by, mostly 0."""
        hour = math.floor(t)
        passed = hour - self.learnt_hour
        if passed <= 0:
            return 0
        self.learnt_hour = hour
        self.weights = (self.found_by_echo + PRIOR_EXPOSURE * WEIGHTS) / (self.exposed_by_echo + PRIOR_EXPOSURE)
        self.base = (self.found_by_base + PRIOR_BASE_HOURS * BASE_PER_HOUR) / (self.exposed_by_base + PRIOR_BASE_HOURS)
        passed = min(passed, LONGEST_FORGETTING_HOURS)
        kept = KEPT_PER_HOUR**passed
        self.found_by_echo *= kept
        self.exposed_by_echo *= kept
        self.found_by_base *= kept
        self.exposed_by_base *= kept
        return passed

    def draw_back(self, t: float) -> None:
        """No hour was learnt from after t."""
        self.learnt_hour = min(self.learnt_hour, math.floor(t))
