"""Bad answers on purpose.

What belongs here: which requests are hit, and how. What does not: making the answers (`app.py`). Whether request number
n is hit follows from the seed and n alone, so a failing run can be run again.
"""

from __future__ import annotations

from dataclasses import dataclass

from crm_platform.sandbox.chance import derive, mix


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad answer.

    kind: a key of `FAULTS`. is_applied: a write takes effect all the same. variant: which of several ways. part: how
    much of the body gets through (0 to 1).
    """

    kind: str
    is_applied: bool
    variant: int
    part: float


class Faults:
    """Chooses. `rate`: share of requests; `kinds`: keys of `FAULTS`, equally likely."""

    def __init__(self, seed: int, *, rate: float, kinds: tuple[str, ...]) -> None:
        self._seed = derive(seed, "faults")
        self._rate = rate if kinds else 0.0
        self._kinds = kinds

    def choose(self, number: int) -> Fault | None:
        """What happens to the n-th request; None: nothing bad."""
        if not self._rate:
            return None
        draw = mix(self._seed ^ number)
        if (draw >> 11) / (1 << 53) >= self._rate:
            return None
        draw = mix(draw)
        kind = self._kinds[draw % len(self._kinds)]
        # 429, 503 and success: false mean clearly that nothing was done. Half an answer means that it was done.
        is_applied = kind == "truncated" or (kind in {"500", "drop"} and bool(draw >> 20 & 1))
        return Fault(kind=kind, is_applied=is_applied, variant=draw >> 24 & 0xFF, part=(draw >> 32 & 0xFF) / 256)
