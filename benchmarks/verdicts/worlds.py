"""Worlds in which the truth is known: pairs of ranges of waits, campaigns and days, and equals of which none is best.

What belongs here: drawing rows. Nothing of it follows the arithmetic of `crm_platform.verdicts`: waits are drawn one by
one from log-normal distributions about their chat's own, campaigns from beta, days from gamma and Poisson.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from crm_platform.schemas.figures import Good
from crm_platform.verdicts import Candidate, Question, Ranges, Rows, whole_ranges

END = dt.date(2026, 3, 1)
MEDIAN = 300.0  # seconds
WEEKDAYS = np.array([1.2, 1.1, 1.0, 1.0, 1.1, 0.6, 0.3])


def ranges(days: int = 28) -> Ranges:
    return whole_ranges(END - dt.timedelta(days=days - 1), END)


def question(figure: str, good: Good = "up", *, days: int = 28) -> Question:
    return Question(figure=figure, good=good, ranges=ranges(days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Two ranges of waits. Chats have effects of their own and write very differently often.

    `alike`: correlation of the log seconds of two waits of a chat; `per_chat`: waits a chat on average; `shared`: part
    of the chats that write in both ranges; `giant`: part of a range's waits that one chat has (in each range its own,
    or the same where chats are shared); `rounded`: seconds that stamps are rounded to.
    """

    current: int = 500
    base: int = 500
    sigma: float = 1.0
    alike: float = 0.1
    per_chat: float = 2.0
    shared: float = 0.5
    giant: float = 0.0
    rounded: float = 1.0

    def drawn(self, rng: np.random.Generator, *, times: float = 1.0) -> tuple[Rows, Rows]:
        """Give rows of seconds; `times`: the current median by the base's."""
        first, second = self._normal(rng)
        return self._seconds(*first, times), self._seconds(*second, 1.0)

    def answered(self, rng: np.random.Generator, rate: float, *, current: float | None = None) -> tuple[Rows, Rows]:
        """Give rows of yes and no; of both sides `rate` are yes, unless the current one differs."""
        sides = self._normal(rng)
        limits = [_limit(rate if current is None else current), _limit(rate)]
        first, second = (
            Rows(value=values < limit * self.sigma, cluster=chats)
            for (chats, values), limit in zip(sides, limits, strict=True)
        )
        return first, second

    def _seconds(self, chats: npt.NDArray[np.int64], values: npt.NDArray[np.float64], times: float) -> Rows:
        seconds = np.round(MEDIAN * times * np.exp(values) / self.rounded) * self.rounded
        return Rows(value=seconds, cluster=chats)

    def _normal(self, rng: np.random.Generator) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], ...]:
        sizes = [max(2, round(waits / self.per_chat)) for waits in (self.current, self.base)]
        both = round(self.shared * min(sizes))
        effect = rng.normal(0, self.sigma * np.sqrt(self.alike), sum(sizes))
        activity = rng.gamma(0.7, size=sum(sizes))
        found = []
        for waits, chats in zip(
            (self.current, self.base),
            (np.arange(sizes[0]), np.arange(sizes[0] - both, sizes[0] - both + sizes[1])),
            strict=True,
        ):
            often = activity[chats] / activity[chats].sum() * (1 - self.giant)
            # The last chat of the current range, which is the last of the base's that are shared.
            often[-1 if chats[0] == 0 else max(both - 1, 0)] += self.giant
            chat = rng.choice(chats, size=waits, p=often / often.sum())
            found.append((chat, effect[chat] + rng.normal(0, self.sigma * np.sqrt(1 - self.alike), waits)))
        return tuple(found)


def _limit(rate: float) -> float:
    return NormalDist().inv_cdf(rate) if 0 < rate < 1 else (np.inf if rate else -np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigns:
    """Two ranges of campaigns. `differ`: standard deviation of their own rates; `sizes`: of the logarithm of sizes."""

    current: int = 12
    base: int = 12
    rate: float = 0.3
    differ: float = 0.08
    sizes: float = 1.0

    def drawn(self, rng: np.random.Generator, *, current_rate: float | None = None) -> tuple[Rows, Rows]:
        return (
            self._one(rng, self.current, self.rate if current_rate is None else current_rate),
            self._one(rng, self.base, self.rate, first=self.current),
        )

    def _one(self, rng: np.random.Generator, campaigns: int, rate: float, *, first: int = 0) -> Rows:
        delivered = np.maximum(20, rng.lognormal(6, self.sizes, campaigns)).astype(np.int64)
        weight = rate * (1 - rate) / self.differ**2 - 1  # of the beta distribution with that deviation
        own = rng.beta(rate * weight, (1 - rate) * weight, campaigns)
        return Rows(value=rng.binomial(delivered, own), of=delivered, cluster=first + np.arange(campaigns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Counts of two ranges of days with quiet week-ends. `scatter`: variance of a day by its mean; 1: Poisson.

    `lasting`: correlation of what one day and the next have too much, as no claim by days foresees it.
    """

    days: int = 28
    mean: float = 60.0
    scatter: float = 3.0
    lasting: float = 0.0

    def drawn(self, rng: np.random.Generator, *, times: float = 1.0) -> tuple[dict[dt.date, int], dict[dt.date, int]]:
        both = ranges(self.days)
        days = (*both.base.kept, *both.current.kept)
        expected = self.mean * WEEKDAYS[[day.weekday() for day in days]]
        expected[self.days :] *= times
        if self.scatter > 1:
            normal = rng.normal(size=len(days))
            for number in range(1, len(days)):
                normal[number] = self.lasting * normal[number - 1] + np.sqrt(1 - self.lasting**2) * normal[number]
            # Log-normal with mean 1 and, at the mean day, the variance that makes the scatter.
            sigma = np.sqrt(np.log1p((self.scatter - 1) / self.mean))
            expected *= np.exp(sigma * normal - sigma**2 / 2)
        counts = rng.poisson(expected).tolist()
        found = dict(zip(days, counts, strict=True))
        return {day: found[day] for day in both.current.kept}, {day: found[day] for day in both.base.kept}


def equal_agents(rng: np.random.Generator, agents: int, *, waits: int = 80) -> dict[str, Candidate]:
    """Agents of whom none answers more often; chats have effects of their own, and some talk with several agents."""
    ((chats, values), _) = Waits(current=agents * waits, base=10)._normal(rng)  # noqa: SLF001 - a world of this module
    agent = rng.integers(agents, size=len(chats))
    return {
        f"agent {number}": Candidate(rows=Rows(value=values[agent == number] < 1, cluster=chats[agent == number]))
        for number in range(agents)
    }


def equal_times(rng: np.random.Generator, times: int, *, campaigns: int = 4) -> dict[str, Candidate]:
    """Times to send of which none is better, though campaigns differ; a third has too few campaigns."""
    found = {}
    for number in range(times):
        several = campaigns if number % 3 else 2
        rows, _ = Campaigns(current=several, base=1).drawn(rng)
        found[f"time {number}"] = Candidate(
            rows=Rows(value=rows.value, of=rows.of, cluster=[f"{number}-{one}" for one in range(several)]),
            has_enough=several > 2,
        )
    return found


def equal_campaigns(rng: np.random.Generator, campaigns: int, *, rate: float = 0.3) -> dict[str, Candidate]:
    """Campaigns whose recipients all read with one and the same chance."""
    sizes = np.maximum(50, rng.lognormal(6, 1, campaigns)).astype(np.int64)
    return {
        f"campaign {number}": Candidate(rows=Rows(value=[rng.binomial(size, rate)], of=[size]))
        for number, size in enumerate(sizes)
    }
