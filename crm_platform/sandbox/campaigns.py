"""The campaigns: what one is, and those that a world makes by itself, one every four days and four round the anchor.

What belongs here: when a campaign is made and sent, its status, its chances; all of the world's own follows from the
seed. What does not: keeping campaigns, those made through the API among them (`campaign_store.py`), what becomes of
their messages (`campaign_outcomes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.chance import DAY, HOUR, LOCAL_OFFSET, MINUTE, NEVER, SECOND, derive

_EVERY: Final = 4 * DAY

_TOPICS = (
    (
        "Mwezi Mpya offers",
        "monthly_offers",
        "Habari! New month, new offers: up to 30% off 🎉 Reply YES to see the list.",
    ),
    ("Delivery update", "delivery_update", "Your order is on its way 🚚 We will call you when we are near."),
    ("Loyalty points", "loyalty_points", "You have points that expire soon. Reply POINTS to redeem them."),
    ("Feedback", "feedback_request", "How did we do? Reply 1 to 5 ⭐ Asante!"),
    ("Back in stock", "back_in_stock", "Good news: it is back in stock 😊 Shall we reserve one for you?"),
    ("Holiday greetings", "holiday_greetings", "Heri ya sikukuu from all of us 🙏"),
    ("Price list", "price_list", "Here is the wholesale price list you asked for. Any questions?"),
)


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


class CampaignPlan:
    """The world's own campaigns by their number.

    `count_at` tells how many contacts there were at a time: a campaign reaches only contacts older than itself.
    """

    def __init__(self, seed: int, *, began: int, anchor: int, count_at: Callable[[int], int]) -> None:
        self._seed = derive(seed, "campaigns")
        self._began = began
        self._anchor = anchor
        self._count_at = count_at

    def special(self) -> Iterator[SandboxCampaign]:
        """At the anchor something of everything goes on."""
        # One is being sent, one runs for two weeks, one is about to start, one is a draft.
        anchor = self._anchor
        sending, drip, soon = anchor - 40 * MINUTE, max(anchor - 5 * DAY, self._began + HOUR), anchor + 2 * HOUR
        yield self._build(-1, created_at=sending - DAY, scheduled_at=sending, starts=sending, duration=3 * HOUR)
        yield self._build(-2, created_at=drip - DAY, scheduled_at=None, starts=drip, duration=14 * DAY, is_drip=True)
        yield self._build(-3, created_at=anchor - DAY, scheduled_at=soon, starts=soon, duration=30 * MINUTE)
        yield self._build(-4, created_at=anchor - 3 * DAY, scheduled_at=None, starts=NEVER, duration=0)

    def is_due(self, number: int, until: int) -> bool:
        """Whether a regular campaign may be seen, or send anything, by then."""
        # It is made at its slot's beginning at the earliest, less the two days it may be made ahead.
        return self._began + number * _EVERY - 2 * DAY <= until

    def regular(self, number: int) -> SandboxCampaign:
        """Number k: its slot is the k-th stretch of four days after `began`."""
        draw = derive(self._seed, "slot", number)
        day = self._began + number * _EVERY + (draw % 4) * DAY
        hour = (8, 9, 9, 10, 10, 11, 12, 14, 15, 16, 17, 17, 18, 18, 19, 20)[(draw >> 4) % 16]
        sends_at = _local_hour(day, hour, (draw >> 8) % 4 * 15) + DAY
        created_at = sends_at - (2 + (draw >> 12) % 40) * HOUR - (draw >> 20) % 3600 * SECOND
        kind = (draw >> 32) % 100
        duration = (10 + (draw >> 40) % 80) * MINUTE
        if kind < 6:  # planned and forgotten
            return self._build(number, created_at=created_at, scheduled_at=None, starts=NEVER, duration=0)
        is_drip = number % 15 == 7
        return self._build(
            number,
            created_at=created_at,
            scheduled_at=None if kind < 18 else sends_at,
            starts=sends_at,
            duration=14 * DAY if is_drip else duration,
            stops=sends_at + duration // 3 if 18 <= kind < 22 and not is_drip else NEVER,
            is_drip=is_drip,
        )

    def _build(
        self,
        number: int,
        *,
        created_at: int,
        scheduled_at: int | None,
        starts: int,
        duration: int,
        stops: int = NEVER,
        is_drip: bool = False,
    ) -> SandboxCampaign:
        seed = derive(self._seed, "campaign", number)
        title, template, text = _TOPICS[seed % len(_TOPICS)]
        evening = starts < NEVER and (starts + LOCAL_OFFSET) % DAY >= 17 * HOUR
        return SandboxCampaign(
            campaign_id=f"cmp_{seed & 0xFFFFFFFFFFFF:012x}",
            name=f"{title} {number + 1}" if number >= 0 else f"{title} {'ABCD'[-1 - number]}",
            template=template,
            text=text,
            seed=seed,
            created_at=created_at,
            scheduled_at=scheduled_at,
            starts=starts,
            duration=duration,
            stops=stops,
            # A campaign without a planned time is a draft until somebody triggers it.
            draft_until=starts if scheduled_at is None else created_at + (scheduled_at - created_at) // 5,
            is_drip=is_drip,
            decimals=(seed >> 8) % 2,
            optional_fields=(seed >> 9) % 4 > 0,
            share=(4 + (seed >> 12) % 20) * (1 << 20) // 100,
            audience=self._count_at(created_at),
            read_chance=500 + (seed >> 20) % 350 + (80 if evening else 0),
            reply_chance=25 + (seed >> 32) % 110 + (25 if evening else 0),
            fail_chance=8 + (seed >> 44) % 40,
        )


def _local_hour(day_start: int, hour: int, minute: int) -> int:
    local_midnight = (day_start + LOCAL_OFFSET) // DAY * DAY
    return local_midnight + hour * HOUR + minute * MINUTE - LOCAL_OFFSET
