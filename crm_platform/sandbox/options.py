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
        faults, shapes = set(self.faults) - set(FAULTS), set(self.shapes) - set(SHAPES) - {ALL}
        limits, moments = (self.requests_per_minute, self.requests_per_day), (self.start, self.began)
        checks = (
            (10 <= self.contacts <= MOST_CONTACTS, f"contacts must be between 10 and {MOST_CONTACTS:,}"),
            (1 <= self.days <= 3650, "days must be between 1 and 3,650"),
            (self.key and self.key.isascii(), "the key must be plain text and not empty"),
            (0 < self.speed <= 1_000_000, "speed must be above 0"),
            (self.tier in {None, *TIERS}, f"there is no tier {self.tier!r}; tiers are {', '.join(TIERS)}"),
            (
                all(one is None or one >= 1 for one in limits),
                "a request limit must be at least 1; leave it out for none",
            ),
            (0 <= self.latency_ms <= 600_000, "latency cannot be negative, nor longer than ten minutes"),
            (0 <= self.fault_rate <= 1, "the fault rate is a share between 0 and 1"),
            (not faults, f"unknown faults {', '.join(sorted(faults))}; there are {', '.join(FAULTS)}"),
            (not shapes, f"unknown shapes {', '.join(sorted(shapes))}; there are {', '.join((*SHAPES, ALL))}"),
            (
                all(one is None or one.tzinfo for one in moments),
                "start and began need a time zone, for example 2026-01-05T00:00:00Z",
            ),
        )
        for is_right, problem in checks:
            if not is_right:
                raise FixConfiguration(problem)

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """Requests in any 60 s and in any 24 h; None = no limit."""
        per_minute, per_day = TIERS[self.tier] if self.tier else (None, None)
        return self.requests_per_minute or per_minute, self.requests_per_day or per_day
