"""The echoes: decaying counters of what was seen in a chat, and the messages that they let expect.

What belongs here: the terms of the mixture, their time constants, their prior weights, and their sum. What does not:
which chat has which counters (chats.py), what a visit leaves in them (learning.py), how weights are learnt (rates.py).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from crm_platform.ingest.planner.units import Floats

# In operating hours: a burst, a day's talk, some days', a regular, an unanswered question (a flag, not a count), a
# campaign's copy, a newcomer, a message that an event named. WEIGHTS are messages to come per unit of counter: priors,
# relearnt every hour.
ECHO_HOURS: Final = np.array([1.0, 8.0, 72.0, 720.0, 4.0, 12.0, 96.0, 1.0])
WEIGHTS: Final = np.array([0.35, 0.15, 0.15, 0.3, 0.8, 0.3, 1.0, 0.5])

BASE_PER_HOUR: Final = 2e-4
"""Messages an operating hour of a chat in which nothing was seen: a prior, relearnt every hour."""

ECHOES: Final = len(ECHO_HOURS)
TALK: Final = 4
"""Echoes 0..3 count messages other than templates."""

UNANSWERED, COPY, NEWCOMER, NAMED = 4, 5, 6, 7

SEEN: Final = 7
"""Echoes 0..6 are of what a visit saw, the last one of what it will see."""


def messages_to_come(lag: Floats, counters: Floats, *, weights: Floats, base: float) -> Floats:
    """Messages expected in `lag` operating hours after visits that left these counters (a row an echo).

    base · lag + Σ_k w_k a_k (1 − e^(−lag/TH_k)).
    """
    expected: Floats = base * lag
    for hours, weight, counter in zip(ECHO_HOURS.tolist(), weights.tolist(), counters, strict=False):
        echo = np.expm1(lag * (-1 / hours))
        echo *= counter
        echo *= -weight
        expected += echo
    return expected
