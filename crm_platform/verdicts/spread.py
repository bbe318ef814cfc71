"""How far chance moves a figure: the arithmetic of design effects, dispersion, and draws of what the truth may be.

What belongs here: from rows to draws of a median, a rate or a count per day. What does not: which figure, seeds,
verdicts (judging.py). docs/verdicts.md says why so, and what was measured.

A rate of n independent rows is drawn from Beta(n·p + ½, n·(1 − p) + ½) (Jeffreys), which is never degenerate, not even
where all or none were answered. A median is drawn as the value at a level from Beta((n + 1)/2, (n + 1)/2), the
distribution of the order statistic in the middle. Rows of one chat are alike, so n is divided by the design effect: the
variance of the difference by a jackknife over clusters, by what it were of independent rows (Kish, Survey Sampling,
1965; of medians by the share below, Woodruff, JASA 47, 1952). That variance is an estimate, too: each draw divides it
by χ²/df, as Student's t does, with Welch's df of the effective clusters of both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from crm_platform.verdicts.rows import Floats, Integers, Side

How = Literal["median", "rate"]

DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Spread:
    """`effect`: design effect, at least 1. `freedom`: degrees of freedom of its estimate; infinite: it is known."""

    effect: float
    freedom: float


def estimate(side: Side, how: How) -> float | None:
    """Give the median, or the rate, the sum of values by the sum of what they are of; None where there is none."""
    if not side.of.sum():
        return None
    return float(np.median(side.value)) if how == "median" else float(side.value.sum() / side.of.sum())


def spread(several: tuple[Side] | tuple[Side, Side], how: How) -> Spread:
    """Estimate how much more chance moves a figure, or the difference of two sides, than if rows were independent.

    A cluster that both sides have moves them together, so its part of both is one part of the difference. The floor of
    1 keeps a variance that came out small by chance from making a claim.
    """
    numbered = [side.cluster for side in several if side.cluster is not None]
    if len(numbered) < len(several):
        return Spread(1.0, np.inf)
    clusters = 1 + max(int(cluster.max()) for cluster in numbered)
    moved = np.zeros(clusters)
    independent = alike = inverse = inverse_cubed = 0.0
    for sign, side, cluster in zip((1, -1), several, numbered, strict=False):
        score, of = _scores(side, how), side.of
        size = of.sum()
        mean = score.sum() / size
        # Sums over rows are of halves and whole numbers, so exact in whatever order rows stand.
        share = np.bincount(cluster, weights=of, minlength=clusters) / size
        residual = np.bincount(cluster, weights=score, minlength=clusters) / size - mean * share
        # The jackknife: how far the figure moves when the cluster is left out.
        moved += sign * np.divide(residual, 1 - share, out=np.zeros(clusters), where=share < 1)
        variance = (score**2).sum() / size - mean**2 if how == "median" else mean * (1 - mean)
        independent += variance / size
        concentration = float((share**2).sum())  # 1 / effective number of clusters
        alike += concentration * size
        inverse += concentration
        inverse_cubed += concentration**2 / max(1 / concentration - 1, 1e-9)
    # Nothing differs, as where all were answered: a cluster's rows are taken to be one and the same.
    effect = float((moved**2).sum()) / independent if independent > 0 else alike
    return Spread(max(1.0, effect), max(1.0, inverse**2 / inverse_cubed))


def _scores(side: Side, how: How) -> Floats:
    """Whether each row lies below the median, half where it is the median; of a rate its numerator."""
    if how == "rate":
        return side.value
    median = np.median(side.value)
    scores: Floats = (side.value < median) + 0.5 * (side.value == median)
    return scores


def certainty(rng: np.random.Generator, freedom: float, draws: int = DRAWS) -> Floats:
    """Draw χ²/df: by how much the estimate of a variance is the truth's."""
    return np.ones(draws) if np.isinf(freedom) else rng.chisquare(freedom, draws) / freedom


def drawn(side: Side, how: How, effect: float, certain: Floats, rng: np.random.Generator) -> Floats:
    """Draw what the side's median or rate may be. `certain`: the draws of `certainty`, shared by both sides."""
    size = side.of.sum() / effect * certain
    if how == "rate":
        rate = side.value.sum() / side.of.sum()
        return np.asarray(rng.beta(size * rate + 0.5, size * (1 - rate) + 0.5))
    level = rng.beta((size + 1) / 2, (size + 1) / 2)
    ordered = np.sort(side.value)
    found: Floats = ordered[np.minimum((level * len(ordered)).astype(np.int64), len(ordered) - 1)]
    return found


def weekday_shares(counts: tuple[Integers, Integers], weekdays: tuple[Integers, Integers]) -> tuple[Floats, Floats]:
    """Give how much of a mean day each day is, by its weekday: what a day counts for as exposure.

    A range of 90 days has a Sunday more than the one before. Poisson regression of side and weekday, by fitting the
    margins in turn (Deming and Stephan, Annals of Mathematical Statistics 11, 1940); where both sides have each weekday
    equally often the first round is exact. Of weekdays that one side lacks nothing is known: then all days are alike.
    """
    often = np.stack([np.bincount(of, minlength=7) for of in weekdays])
    if not ((often[0] > 0) == (often[1] > 0)).all():
        return np.ones(len(counts[0])), np.ones(len(counts[1]))
    of_side = np.array([of.sum() for of in counts], dtype=np.float64)
    of_weekday = sum(np.bincount(day, weights=of, minlength=7) for day, of in zip(weekdays, counts, strict=True))
    share = np.ones(7)
    for _ in range(20):
        expected = (of_side / (often @ share)) @ often
        share = np.divide(of_weekday, expected, out=np.zeros(7), where=expected > 0)
    share *= often.sum() / (often.sum(axis=0) @ share)
    return share[weekdays[0]], share[weekdays[1]]


def dispersion(counts: tuple[Integers, Integers], shares: tuple[Floats, Floats]) -> Spread:
    """Estimate by how much days scatter more than a Poisson count: the variance of a total by the total, at least 1.

    Days are held against what is expected of them: their side's mean by their share. It is the Pearson statistic of
    McCullagh and Nelder (Generalized Linear Models, 1989, section 6.2.3), but weighs days by what they add to the
    total: busy days scatter more. Its degrees of freedom are fewer the more unequal days are (Satterthwaite).
    """
    expected = np.concatenate([share * of.sum() / share.sum() for of, share in zip(counts, shares, strict=True)])
    squares = (np.concatenate(counts) - expected) ** 2
    alike, weekday = np.unique(np.concatenate(shares), return_inverse=True)
    freedom = len(squares) - 1 - len(alike)
    scatter = squares.sum() / expected.sum() * len(squares) / freedom
    # A weekday that is rare on one side tells little of the change: the information of all, by that of even ranges.
    first, second = (
        np.bincount(weekday[part], weights=expected[part], minlength=len(alike))
        for part in (slice(len(counts[0])), slice(len(counts[0]), None))
    )
    told = np.divide(first * second, first + second, out=np.zeros(len(alike)), where=first + second > 0).sum()
    scatter *= first.sum() * second.sum() / expected.sum() / told
    even = (expected**2).sum() ** 2 / (expected**4).sum() / len(squares)
    return Spread(max(1.0, float(scatter)), max(1.0, float(freedom * even)))


def drawn_per_day(total: int, days: float, scatter: float, certain: Floats, rng: np.random.Generator) -> Floats:
    """Draw what the mean of a day may be: Gamma(total / scatter + ½), Jeffreys' for a Poisson count."""
    scale = scatter / certain
    per_day: Floats = rng.gamma(total / scale + 0.5) * scale / days
    return per_day
