"""The interval of one rate: how far chance alone may have moved it.

What belongs here: the interval of a single sample, as a ranking draws it. What does not: what is said of a change
(judging.py), or of the best of several (best.py).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Final

from crm_platform.verdicts.claim import LEVEL
from crm_platform.verdicts.judging import LEAST, LEAST_CLUSTERS
from crm_platform.verdicts.rows import Rows, alone
from crm_platform.verdicts.spread import Spread, estimate, spread

_Z: Final = statistics.NormalDist().inv_cdf(1 - LEVEL / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A rate (0 to 1) over `n` rows with its 95 % interval.

    `low` and `high` are None where the rows are too few to say: under 10, or of fewer than 5 chats or campaigns.
    """

    rate: float | None
    n: int
    low: float | None = None
    high: float | None = None


def interval(rows: Rows) -> Interval:
    """Give a rate with its interval. `value` of the rows is the numerator, `of` the denominator (else 1 each).

    Wilson's (JASA 22, 1927) with n divided by the design effect of its clusters, and Student's quantile for that of the
    normal distribution, as the design effect is an estimate (Korn and Graubard, Survey Methodology 24, 1998, do so with
    the exact interval). Raises ValueError on rows that `alone` does not take.
    """
    side = alone(rows)
    rate, n = estimate(side, "rate"), int(side.of.sum())
    if rate is None or n < LEAST or side.clusters < LEAST_CLUSTERS:
        return Interval(rate=rate, n=n)
    chance = spread((side,), "rate")
    wide = _student(chance) ** 2 / (n / chance.effect)
    middle = (rate + wide / 2) / (1 + wide)
    reach = math.sqrt(wide * (rate * (1 - rate) + wide / 4)) / (1 + wide)
    # At 0 and 1 the interval ends there, whatever the arithmetic of floating points leaves of it.
    return Interval(rate=rate, n=n, low=max(0.0, min(rate, middle - reach)), high=min(1.0, max(rate, middle + reach)))


def _student(chance: Spread) -> float:
    """Student's quantile by Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5): to 1 % from 3 on."""
    freedom = max(3.0, chance.freedom)
    first = (_Z**3 + _Z) / 4
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    return _Z + first / freedom + second / freedom**2
