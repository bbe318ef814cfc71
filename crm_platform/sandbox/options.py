"""What a sandbox can be told.

What belongs here: the options, their defaults and their checks. What does not: the command line that fills them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

from crm_platform.errors import FixConfiguration
from crm_platform.sandbox.limits import TIERS
from crm_platform.sandbox.shapes import ALL, SHAPES

FAULTS: Final = {
    "429": "too many requests, with Retry-After",
    "429-bare": "the same without Retry-After",
    "500": "INTERNAL_ERROR (a write may have been applied all the same)",
    "503": "a proxy's HTML page",
    "truncated": "200 with half of the JSON",
    "drop": "the connection closes in mid-answer (a write may have been applied)",
    "false": "200 with success: false",
}
MOST_CONTACTS: Final = 5_000_000  # seven digits of a phone number tell ten million apart


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """A sandbox's options. Raises FixConfiguration when one makes no sense.

    contacts: how many there are at `began` + `days`. days: history before that. key: the API key.
    start: the world's first now (None: the machine's). began: when history begins (None: `days` before start); give it
    to get the same world again after a restart on another day. speed: world seconds a real second. clock: `manual`
    stands still until it is set. Limits: requests in any 60 s and 24 h; None takes the tier's, no tier means no limit.
    latency_ms: how long an answer waits. fault_rate: share of requests answered badly. shapes: keys of `SHAPES`, `all`.
    """

    contacts: int = 2000
    days: int = 180
    seed: int = 7
    key: str = "sandbox"
    start: dt.datetime | None = None
    began: dt.datetime | None = None
    speed: float = 1.0
    clock: Literal["real", "manual"] = "real"
    tier: str | None = None
    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    latency_ms: float = 0.0
    fault_rate: float = 0.0
    faults: tuple[str, ...] = tuple(FAULTS)
    shapes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every option."""
        wrong = None
        if not 10 <= self.contacts <= MOST_CONTACTS:
            wrong = f"contacts must be between 10 and {MOST_CONTACTS:,}"
        elif not 1 <= self.days <= 3650:
            wrong = "days must be between 1 and 3,650"
        elif not self.key or not self.key.isascii():
            wrong = "the key must be plain text and not empty"
        elif not 0 < self.speed <= 1_000_000:
            wrong = "speed must be above 0"
        elif self.tier is not None and self.tier not in TIERS:
            wrong = f"there is no tier {self.tier!r}; tiers are {', '.join(TIERS)}"
        elif any(limit is not None and limit < 1 for limit in (self.requests_per_minute, self.requests_per_day)):
            wrong = "a request limit must be at least 1; leave it out for none"
        elif not 0 <= self.latency_ms <= 600_000:
            wrong = "latency cannot be negative, nor longer than ten minutes"
        elif not 0 <= self.fault_rate <= 1:
            wrong = "the fault rate is a share between 0 and 1"
        elif unknown := set(self.faults) - set(FAULTS):
            wrong = f"unknown faults {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}"
        elif unknown := set(self.shapes) - set(SHAPES) - {ALL}:
            wrong = f"unknown shapes {', '.join(sorted(unknown))}; there are {', '.join((*SHAPES, ALL))}"
        elif any(moment is not None and moment.tzinfo is None for moment in (self.start, self.began)):
            wrong = "start and began need a time zone, for example 2026-01-05T00:00:00Z"
        if wrong:
            raise FixConfiguration(wrong)

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """Requests in any 60 s and in any 24 h; None = no limit."""
        per_minute, per_day = TIERS[self.tier] if self.tier else (None, None)
        return self.requests_per_minute or per_minute, self.requests_per_day or per_day
