"""Judging one figure against the range before: medians and rates over waits, rates over campaigns, counts, stocks.

What belongs here: from rows of both sides to a claim, and its seed. What does not: the arithmetic of chance
(spread.py), which days are compared (days.py), several figures together (claim.py), naming the best of several
(best.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from crm_platform.schemas.figures import Good
from crm_platform.verdicts.claim import LEVEL, Claim, Verdict
from crm_platform.verdicts.days import Ranges, Span
from crm_platform.verdicts.rows import Floats, Integers, Rows, Side, sides
from crm_platform.verdicts.spread import (
    DRAWS,
    How,
    certainty,
    dispersion,
    drawn,
    drawn_per_day,
    estimate,
    spread,
    weekday_shares,
)

LEAST: Final = 10
"""Waits, or counted things, below which a side says too little."""
LEAST_CLUSTERS: Final = 5
"""Campaigns, or chats, below which a side says too little: how much they differ cannot be seen from fewer."""
LEAST_DAYS: Final = 3
"""Days below which a side's counts say too little, for the same reason."""

Filters = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which figure, whether more of it is better, over which days, and narrowed by what."""

    figure: str
    good: Good
    ranges: Ranges
    filters: Filters = field(default_factory=dict)


def median(question: Question, current: Rows, base: Rows) -> Claim:
    """Judge the difference of two medians of seconds; `value` of the rows is seconds, `cluster` the chat."""
    return _compared(question, current, base, "median")


def rate(question: Question, current: Rows, base: Rows) -> Claim:
    """Judge the difference of two rates.

    Over waits, `value` of the rows is 1 or 0, `cluster` the chat. Over settled campaigns, `value` is the numerator,
    `of` the denominator, `cluster` the campaign. Raises ValueError where a numerator is above its denominator.
    """
    return _compared(question, current, base, "rate")


def count(question: Question, current: Mapping[dt.date, int], base: Mapping[dt.date, int]) -> Claim:
    """Judge the ratio of two means a known day, from the counts of days; where one side has more Sundays, evened out.

    Raises ValueError where a day that counts has no count: one on which nothing happened has 0.
    """
    spans = (question.ranges.current, question.ranges.base)
    days = [_counts(span, counts) for span, counts in zip(spans, (current, base), strict=True)]
    totals = [int(counts.sum()) for counts in days]
    means = [float(counts.mean()) if len(counts) else None for counts in days]
    claim = Claim(
        figure=question.figure,
        good=question.good,
        ranges=question.ranges,
        verdict="no_verdict",
        measure="ratio",
        current=means[0],
        base=means[1],
        change=means[0] / means[1] if means[0] is not None and means[1] else None,
        n_current=totals[0],
        n_base=totals[1],
    )
    is_enough = min(totals) >= LEAST and min(map(len, days)) >= LEAST_DAYS
    if (verdict := _withheld(question, is_enough=is_enough)) is not None:
        return replace(claim, verdict=verdict)
    weekdays = [np.array([day.weekday() for day in span.kept]) for span in spans]
    shares = weekday_shares((days[0], days[1]), (weekdays[0], weekdays[1]))
    per_day = [total / share.sum() for total, share in zip(totals, shares, strict=True)]
    claim = replace(claim, change=per_day[0] / per_day[1])
    chance = dispersion((days[0], days[1]), shares)
    rng, order = _chance(question, [_digest(counts) for counts in days])
    certain = certainty(rng, chance.freedom)
    found = {
        side: drawn_per_day(totals[side], float(shares[side].sum()), chance.effect, certain, rng) for side in order
    }
    return _claimed(claim, np.log(found[0]) - np.log(found[1]))


def stock(question: Question, current: float | None, base: float | None) -> Claim:
    """Give no verdict: what stands at one instant (contacts, open waits) has no rows that chance could draw anew."""
    return Claim(
        figure=question.figure,
        good=question.good,
        ranges=question.ranges,
        verdict="no_verdict",
        measure="difference",
        current=current,
        base=base,
        change=None if current is None or base is None else current - base,
    )


def _compared(question: Question, current: Rows, base: Rows, how: How) -> Claim:
    both = sides(current, base, question.ranges)
    if how == "rate" and any((side.value > side.of).any() for side in both):
        raise ValueError(f"{question.figure}: a numerator is above its denominator; leave such rows out")
    figures = [estimate(side, how) for side in both]
    sizes = [side.clusters if current.of is not None else len(side.value) for side in both]
    claim = Claim(
        figure=question.figure,
        good=question.good,
        ranges=question.ranges,
        verdict="no_verdict",
        measure="difference",
        current=figures[0],
        base=figures[1],
        change=None if figures[0] is None or figures[1] is None else figures[0] - figures[1],
        n_current=sizes[0],
        n_base=sizes[1],
    )
    least = LEAST_CLUSTERS if current.of is not None else LEAST
    is_enough = None not in figures and min(sizes) >= least and min(side.clusters for side in both) >= LEAST_CLUSTERS
    if (verdict := _withheld(question, is_enough=is_enough)) is not None:
        return replace(claim, verdict=verdict)
    rng, order = _chance(question, [side.digest for side in both])
    return _claimed(claim, difference(both, how, rng, order))


def difference(
    both: tuple[Side, Side], how: How, rng: np.random.Generator, order: Sequence[int] = (0, 1), draws: int = DRAWS
) -> Floats:
    """Draw what the difference of two sides may be; `order`: which of them is drawn first."""
    chance = spread(both, how)
    certain = certainty(rng, chance.freedom, draws)
    found = {side: drawn(both[side], how, chance.effect, certain, rng) for side in order}
    return found[0] - found[1]


def tail(draws: Floats) -> float:
    """Share of draws at or below 0; never quite 0."""
    return (int((draws <= 0).sum()) + 1) / (len(draws) + 1)


def seeded(*told: object) -> np.random.Generator:
    """Give the generator that SHA-256 of what is told seeds: the same for the same."""
    text = json.dumps(told, sort_keys=True, default=str)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))


def _withheld(question: Question, *, is_enough: bool) -> Verdict | None:
    """Say why nothing is claimed; None: something may be."""
    if not question.ranges.are_judged:
        return "not_judged"
    if not is_enough:
        return "too_few"
    return "no_verdict" if question.good == "neither" else None


def _chance(question: Question, digests: Sequence[str]) -> tuple[np.random.Generator, list[int]]:
    """Seed the draws, and say which side is drawn first: the same of its data wherever it stands."""
    spans = (question.ranges.current, question.ranges.base)
    keys = [(str(span.start), str(span.end), digest) for span, digest in zip(spans, digests, strict=True)]
    return seeded(question.figure, dict(question.filters), sorted(keys)), sorted((0, 1), key=lambda side: keys[side])


def _claimed(claim: Claim, draws: Floats) -> Claim:
    """Add the interval and the p value that draws of the change give, of a ratio its logarithm."""
    low, high = (float(end) for end in np.quantile(draws, (LEVEL / 2, 1 - LEVEL / 2)))
    p_value = min(1.0, 2 * min(tail(draws), tail(-draws)))
    if claim.measure == "ratio":
        low, high = math.exp(low), math.exp(high)
    found = replace(claim, low=low, high=high, p_value=p_value)
    return found.judged(agreed=p_value <= LEVEL)


def _counts(span: Span, counts: Mapping[dt.date, int]) -> Integers:
    if missing := [day for day in span.kept if day not in counts]:
        raise ValueError(f"{missing[0]} has no count; a day on which nothing happened has 0")
    found = np.array([counts[day] for day in span.kept], dtype=np.int64)
    if (found < 0).any():
        raise ValueError("counts of days are numbers from 0")
    return found


def _digest(counts: Integers) -> str:
    return hashlib.sha256(counts.tobytes()).hexdigest()
