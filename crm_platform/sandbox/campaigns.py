"""One campaign: what the API shows of it, and the chances of its receivers.

What belongs here: the campaign and its status. What does not: which campaigns there are (`campaign_plan.py`,
`campaign_store.py`), what becomes of their messages (`campaign_outcomes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_platform.sandbox.chance import NEVER


@dataclass(frozen=True, slots=True)
class SandboxCampaign:
    """One campaign and the chances of its receivers. Times: milliseconds; chances: of 1024, `share` of 2**20.

    `scheduled_at` is what the API shows; `starts` is when it is really sent (NEVER for a draft), `stops` when it broke
    down (NEVER if it did not). `audience` bounds the contacts it could reach by index; `receivers` (index → place in
    line) is the list given through the API instead, `strangers` how many of those numbers belong to nobody.
    """

    campaign_id: str
    name: str
    template: str
    text: str
    seed: int
    created_at: int
    scheduled_at: int | None
    starts: int
    duration: int
    draft_until: int
    decimals: int
    optional_fields: bool
    read_chance: int
    reply_chance: int
    fail_chance: int
    stops: int = NEVER
    is_drip: bool = False
    share: int = 0
    audience: int = 0
    receivers: Mapping[int, int] | None = None
    strangers: int = 0

    def status(self, at: int) -> str:
        """As of a time."""
        if at < self.draft_until:
            return "draft"
        if at < self.starts:
            return "scheduled"
        if at >= self.stops:
            return "failed"
        if at >= self.starts + self.duration:
            return "completed"
        return "active" if self.is_drip else "in_progress"
