"""What a sandbox can be told.

What belongs here: the options, their defaults and their checks. What does not: the command line that fills them.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from crm_platform.errors import FixConfiguration
from crm_platform.sandbox.limits import TIERS
from crm_platform.sandbox.shapes import ALL, SHAPES
from crm_platform.settings import is_loopback

FAULTS: Final = {
    "429": "too many requests, with Retry-After",
    "429-bare": "the same without Retry-After",
    "500": "INTERNAL_ERROR (a write may have been applied all the same)",
    "503": "a proxy's HTML page",
    "truncated": "200 with half of the JSON",
    "drop": "the connection closes in mid-answer (a write may have been applied)",
    "false": "200 with success: false",
}
WEBHOOK_SHAPES: Final = {
    "crm": "an event as {event, userId, …}; several at once as a list",
    "batch": "the collectors' envelope {batch: [{event_id, event_name, …}], sent_at}",
    "mixed": "either, of one event or many",
}
WEBHOOK_IDS: Final = {
    "api": "the API's message ids and times",
    "other": "other ids, and times that differ by up to two seconds",
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

    webhook_url: where events are posted (None: nowhere); a secret signs them. webhook_shape, webhook_ids: keys of
    `WEBHOOK_SHAPES`, `WEBHOOK_IDS`. Shares of events: lost, doubled, delayed by a minute to an hour, reordered (the
    next one comes first).
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
    webhook_url: str | None = field(default=None, repr=False)  # its query may hold a token
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_shape: str = "crm"
    webhook_ids: str = "api"
    webhook_lost: float = 0.0
    webhook_doubled: float = 0.0
    webhook_delayed: float = 0.0
    webhook_reordered: float = 0.0

    def __post_init__(self) -> None:
        """Check every option."""
        faults, shapes = set(self.faults) - set(FAULTS), set(self.shapes) - set(SHAPES) - {ALL}
        limits, moments = (self.requests_per_minute, self.requests_per_day), (self.start, self.began)
        webhook_shares = (self.webhook_lost, self.webhook_doubled, self.webhook_delayed, self.webhook_reordered)
        receiver = None if self.webhook_url is None else _host(self.webhook_url)
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
            (
                self.webhook_url is None or receiver,
                "the webhook URL must be an address such as http://127.0.0.1:8090/webhooks/crm, without a user",
            ),
            (
                not receiver or is_loopback(receiver) or self.webhook_secret is not None,
                "a receiver that is not on this machine needs --webhook-secret or CRM_WEBHOOK_SECRET",
            ),
            (self.webhook_secret != "", "the webhook secret is empty; leave it out for none"),
            (
                self.webhook_shape in WEBHOOK_SHAPES,
                f"unknown webhook shape {self.webhook_shape!r}; there are {', '.join(WEBHOOK_SHAPES)}",
            ),
            (
                self.webhook_ids in WEBHOOK_IDS,
                f"unknown webhook ids {self.webhook_ids!r}; there are {', '.join(WEBHOOK_IDS)}",
            ),
            (
                all(0 <= share <= 1 for share in webhook_shares),
                "what webhooks lose, double, delay and reorder are shares between 0 and 1",
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


def _host(url: str) -> str | None:
    """The host of a receiver's address; None when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # a wrong one is a ValueError
    except ValueError:
        return None
    is_right = parts.scheme in {"http", "https"} and "@" not in parts.netloc and re.fullmatch(r"[!-~]+", url)
    return parts.hostname if is_right else None
