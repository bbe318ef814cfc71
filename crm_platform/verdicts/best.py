"""Naming the best of several: a time to send, an agent, a campaign; or that none can be named.

What belongs here: the rule. What does not: which candidates there are, and which have enough data (metrics/, pages).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from crm_platform.verdicts.claim import LEVEL
from crm_platform.verdicts.judging import LEAST, Filters, difference, seeded, tail
from crm_platform.verdicts.rows import Rows, alone, pooled, sides
from crm_platform.verdicts.spread import How, estimate

LEAST_CANDIDATES: Final = 3
LEAST_OF_ONE: Final = 3
"""Chats, or campaigns, below which a candidate is not looked at, whatever its caller says."""
_DRAWS: Final = 40_000  # of 168 times to send the share 0.05 / 168 of them is 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several, its rows, and whether they are enough to be named; others count with the rest."""

    rows: Rows
    has_enough: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The candidate that leads, and whether it may be `named`; `unclear`: its lead may be chance.

    `name`: whom it is about, empty where fewer than three have enough data (`too_few`). `value`: its figure, `rest`
    that of all others as one, `low` and `high`: the interval of their difference, as wide as the number of candidates
    asks for. `candidates`: how many have enough data.
    """

    verdict: Literal["named", "unclear", "too_few"]
    candidates: int
    name: str = ""
    value: float | None = None
    rest: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def best(
    figure: str,
    candidates: Mapping[str, Candidate],
    *,
    good: Literal["up", "down"],
    how: How,
    filters: Filters | None = None,
) -> Best:
    """Name the best of candidates where its interval lies beyond what the rest have together.

    Who leads was not known before, so that among m equals the luckiest is looked at. The interval therefore leaves out
    LEVEL / m on each side (Bonferroni), and among equals one is named at most as often as LEVEL says. A chat may count
    for several candidates. Raises ValueError on candidates whose rows have different columns.
    """
    known = {
        name: value
        for name in sorted(candidates)
        if candidates[name].has_enough and (value := _figure(candidates[name].rows, how)) is not None
    }
    if len(known) < LEAST_CANDIDATES:
        return Best(verdict="too_few", candidates=len(known))
    sign = 1 if good == "up" else -1
    leader = max(known, key=lambda name: sign * known[name])
    others = pooled([candidates[name].rows for name in sorted(candidates) if name != leader])
    both = sides(candidates[leader].rows, others)
    rng = seeded(figure, dict(filters or {}), leader, [side.digest for side in both])
    ahead = sign * difference(both, how, rng, draws=_DRAWS)
    p_value = tail(ahead)
    share = LEVEL / len(known)
    low, high = (float(end) for end in np.quantile(ahead, (share, 1 - share)))
    return Best(
        verdict="named" if low > 0 and p_value <= share else "unclear",
        candidates=len(known),
        name=leader,
        value=known[leader],
        rest=estimate(both[1], how),
        low=min(sign * low, sign * high),
        high=max(sign * low, sign * high),
        p_value=p_value,
    )


def _figure(rows: Rows, how: How) -> float | None:
    """Give a candidate's median or rate; None where its rows are too few to say how much they differ."""
    side = alone(rows)
    is_enough = side.of.sum() >= LEAST and (side.cluster is None or side.clusters >= LEAST_OF_ONE)
    return estimate(side, how) if is_enough else None
