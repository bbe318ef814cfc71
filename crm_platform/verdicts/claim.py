"""What may be said of a change, and the rule that all claims of a page stand under together.

What belongs here: the result of judging one figure, Holm's rule over a page, when a change is told as two numbers. What
does not: the judging (judging.py), sentences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from crm_platform.schemas.figures import Good
from crm_platform.verdicts.days import Ranges

Verdict = Literal["better", "worse", "about_the_same", "too_few", "not_judged", "no_verdict"]

LEVEL: Final = 0.05
"""How often, at most, chance alone may make a page say better or worse."""
FEW: Final = 20
"""A count below which a change is two numbers: "3, was 1"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What may be said of a figure against the range before.

    `current`, `base`: the figure on each side, None where there is none; of a count its mean a known day. `change`:
    their `difference`, or their `ratio`, with its 95 % interval from `low` to `high`; `p_value`, two-sided: where these
    are None nothing is claimed. `n_current`, `n_base`: waits, campaigns or counted things. `ranges`: the dates of both
    sides, and the days that were dropped, with reasons.
    """

    figure: str
    good: Good
    verdict: Verdict
    ranges: Ranges
    measure: Literal["difference", "ratio"]
    current: float | None = None
    base: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_current: int = 0
    n_base: int = 0

    def judged(self, *, agreed: bool) -> Claim:
        """Decide what its interval says, given that the page's other claims agree to one, or do not."""
        if self.p_value is None or self.low is None or self.high is None:
            return self
        same = 1.0 if self.measure == "ratio" else 0.0
        verdict: Verdict = "about_the_same"
        if agreed and not self.low <= same <= self.high:
            verdict = "better" if (self.low > same) == (self.good == "up") else "worse"
        return replace(self, verdict=verdict)


def on_one_page(claims: Sequence[Claim]) -> list[Claim]:
    """Decide which claims of a page stand, in their order: Holm's step-down rule over all that have a p value.

    The chance that a page without any real change says better or worse anywhere stays below LEVEL, however its figures
    hang together (Holm, Scandinavian Journal of Statistics 6, 1979). Judging a page again changes nothing.
    """
    places = sorted(
        (place for place, claim in enumerate(claims) if claim.p_value is not None),
        key=lambda place: (claims[place].p_value, place),
    )
    agreed: set[int] = set()
    for number, place in enumerate(places):
        p_value = claims[place].p_value
        assert p_value is not None
        if p_value > LEVEL / (len(places) - number):
            break
        agreed.add(place)
    return [claim.judged(agreed=place in agreed) for place, claim in enumerate(claims)]


def is_told_as_numbers(current: float, base: float) -> bool:
    """Whether a change of a count is told as "3, was 1" and never in per cent: where either is below 20.

    Raises ValueError on what is no count.
    """
    if not all(math.isfinite(count) and count >= 0 for count in (current, base)):
        raise ValueError(f"counts are numbers from 0, not {current} and {base}")
    return min(current, base) < FEW
