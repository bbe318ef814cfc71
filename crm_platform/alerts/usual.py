"""What is usual: the range that a figure of one day should lie in, by what it was on days like it.

What belongs here: the arithmetic of that range. What does not: which days are like it, what is reported (watches.py).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crm_platform.schemas import Column

DEVIATIONS: Final = 5.0
_CHANCE: Final = 3.5  # standard deviations of mere counting that a floor allows for
_MAD_TO_SIGMA: Final = 1.4826  # 1 / 0.6745, for a normal distribution


def usual_range(history: Sequence[float], *, floor: float) -> tuple[float, float]:
    """Give the range a figure should lie in, by what it was before: median ± max(5 × 1.4826 × MAD, floor).

    MAD is the median absolute deviation from the median; 1.4826 × MAD estimates a standard deviation that one odd week
    among eight does not move (the modified z-score of Iglewicz and Hoaglin, How to Detect and Handle Outliers, ASQC,
    1993, chapter 3). Their cut-off of 3.5 is for long series: of eight normal values it is exceeded on one side by the
    ninth one time in 42, 5 one time in 120 (simulated), and the floor makes it rarer. Of a figure that hardly ever
    changes MAD is 0 or nearly so: `floor` is what counts as a change at all.
    """
    middle = statistics.median(history)
    spread = statistics.median(abs(value - middle) for value in history)
    reach = max(DEVIATIONS * _MAD_TO_SIGMA * spread, floor)
    return middle - reach, middle + reach


def least_reach(column: Column, middle: float, sample: float) -> float:
    """The least distance from the median that is reported, in the figure's own unit.

    Of a duration a third of it, and a minute; of a share 3.5 standard errors of a binomial share, and five points; of a
    count as many standard deviations of a Poisson count, and five.
    """
    if column.unit == "s":
        return max(60.0, middle / 3)
    if column.is_share:
        return max(0.05, _CHANCE * math.sqrt(max(0.0, middle * (1 - middle)) / max(1.0, sample)))
    return max(5.0, _CHANCE * math.sqrt(max(0.0, middle)))
