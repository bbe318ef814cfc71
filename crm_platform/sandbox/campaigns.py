"""Campaigns: when each is made, sent and finished, whom it reaches, and what its receivers do.

What belongs here: the world's own campaigns (one every four days and four special ones round the anchor), those made
through the API, and `outcomes`, the one function that both a chat (its template messages) and a report (its sums) are
drawn from, so that they agree. What does not: HTTP, texts of ordinary messages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from crm_platform.sandbox.chance import (
    DAY,
    HOUR,
    LOCAL_OFFSET,
    MINUTE,
    NEVER,
    SECOND,
    Hashes,
    Times,
    derive,
    lognormal,
    mix_all,
)

EVERY: Final = 4 * DAY
SETTLES_AFTER: Final = 72 * HOUR  # the longest from sending to the last reaction; the three caps below add up to it
SENDS_A_SECOND: Final = 20  # for campaigns made through the API

_DELIVERED_AFTER: Final = np.array(lognormal(6, 2.3, most=24 * 3600), dtype=np.int64)
_READ_AFTER: Final = np.array(lognormal(25 * 60, 1.9, most=40 * 3600), dtype=np.int64)
_REPLIED_AFTER: Final = np.array(lognormal(9 * 60, 1.7, most=8 * 3600), dtype=np.int64)
_FAILED_AFTER: Final = np.array(lognormal(8, 1.0, most=600), dtype=np.int64)

_CHUNK: Final = 1 << 17  # receivers counted at a time, so that a million contacts need little memory

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
class Campaign:
    """One campaign and the chances of its receivers. Times: milliseconds; chances: of 1024, `share` of 2**20.

    `scheduled_at` is what the API shows; `starts` is when it is really sent (NEVER for a draft), `stops` when it broke
    down (NEVER if it did not). `audience` bounds the contacts it could reach by index; `receivers` (index → place in
    line) is the list given through the API instead, `strangers` how many of those numbers belong to nobody.
    """

    number: int
    campaign_id: str
    name: str
    template: str
    text: str
    seed: int
    created_at: int
    scheduled_at: int | None
    starts: int
    duration: int
    stops: int
    draft_until: int
    is_drip: bool
    decimals: int
    optional_fields: bool
    share: int
    audience: int
    read_chance: int
    reply_chance: int
    fail_chance: int
    receivers: Mapping[int, int] | None = None
    strangers: int = 0
    language: str = "en"

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


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What happens to each of many (campaign, receiver) pairs; times in milliseconds, NEVER = does not happen."""

    sent: Times
    delivered: Times
    read: Times
    replied: Times
    failed: Times


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counts of a report as of a time."""

    total_recipients: int
    delivered: int
    read: int
    replied: int
    failed: int


def _column(values: Sequence[int]) -> Times:
    return np.array(values, dtype=np.int64)


class Terms:
    """Several campaigns' numbers as columns, to be set against receivers by broadcasting."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self.campaigns = tuple(campaigns)
        self.seeds: Hashes = np.array([one.seed for one in campaigns], dtype=np.uint64)
        self.starts = _column([one.starts for one in campaigns])
        self.duration = _column([one.duration for one in campaigns])
        self.stops = _column([one.stops for one in campaigns])
        self.share = _column([one.share for one in campaigns])
        self.audience = _column([one.audience for one in campaigns])
        self.read_chance = _column([one.read_chance for one in campaigns])
        self.reply_chance = _column([one.reply_chance for one in campaigns])
        self.fail_chance = _column([one.fail_chance for one in campaigns])


def _bits(draws: Hashes, shift: int, count: int) -> Times:
    return ((draws >> np.uint64(shift)) & np.uint64((1 << count) - 1)).astype(np.int64)


def _first_draw(terms: Terms, indexes: Times) -> Hashes:
    return mix_all(terms.seeds + indexes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _is_chosen(terms: Terms, indexes: Times, draws: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (_bits(draws, 0, 20) < terms.share) & (indexes < terms.audience)


def outcomes(terms: Terms, indexes: Times, *, places: Times | None = None, of: int = 1) -> Outcomes:
    """Draw what happens: one campaign × many receivers, or many campaigns × one receiver (broadcast).

    `places`: each receiver's place in line of `of`, for a list given through the API; None draws both the choice of
    receivers and their order.
    """
    first = _first_draw(terms, indexes)
    second = mix_all(first)
    if places is None:
        receives = _is_chosen(terms, indexes, first)
        sent = terms.starts + (_bits(first, 20, 20) * terms.duration >> 20)
    else:
        receives = np.ones(len(indexes), dtype=np.bool_)
        sent = terms.starts + places * terms.duration // of
    is_sent = receives & (terms.starts < NEVER) & (sent < terms.stops)
    fails = is_sent & (_bits(first, 40, 10) < terms.fail_chance)
    arrives = is_sent & ~fails
    delivered = sent + _DELIVERED_AFTER[_bits(second, 0, 10)]
    reads = arrives & (_bits(second, 10, 10) < terms.read_chance)
    read = delivered + _READ_AFTER[_bits(second, 20, 10)]
    replies = reads & (_bits(second, 30, 10) < terms.reply_chance)
    replied = read + _REPLIED_AFTER[_bits(second, 40, 10)]
    failed = sent + _FAILED_AFTER[_bits(second, 50, 10)]
    return Outcomes(
        sent=np.where(is_sent, sent, NEVER),
        delivered=np.where(arrives, delivered, NEVER),
        read=np.where(reads, read, NEVER),
        replied=np.where(replies, replied, NEVER),
        failed=np.where(fails, failed, NEVER),
    )


class Reached(NamedTuple):
    """A campaign's message to one contact; times in milliseconds, NEVER for what does not happen."""

    campaign: Campaign
    sent: int
    delivered: int
    read: int
    replied: int
    failed: int


def _reached(campaign: Campaign, found: Outcomes, k: int | np.intp) -> Reached:
    columns = (found.sent, found.delivered, found.read, found.replied, found.failed)
    return Reached(campaign, *(int(column[k]) for column in columns))


def _local_hour(day_start: int, hour: int, minute: int) -> int:
    local_midnight = (day_start + LOCAL_OFFSET) // DAY * DAY
    return local_midnight + hour * HOUR + minute * MINUTE - LOCAL_OFFSET


class Campaigns:
    """All campaigns of a world: those that follow from the seed, and those made through the API.

    `count_at` tells how many contacts there were at a time: a campaign reaches only contacts older than itself.
    """

    def __init__(self, seed: int, *, began: int, anchor: int, count_at: Callable[[int], int]) -> None:
        self._seed = derive(seed, "campaigns")
        self._began = began
        self._count_at = count_at
        self._made_by_world: list[Campaign] = []
        self._made_by_api: dict[str, Campaign] = {}
        self._by_id: dict[str, Campaign] = {}
        self._totals: dict[str, int] = {}
        self._terms: Terms | None = None
        self._planned = 0  # how many of the regular campaigns exist already
        # At the anchor something of everything is going on: one campaign being sent, one running for two weeks, one
        # about to start, one draft.
        sending, drip, soon = anchor - 40 * MINUTE, max(anchor - 5 * DAY, began + HOUR), anchor + 2 * HOUR
        for special in (
            self._build(-1, created_at=sending - DAY, scheduled_at=sending, starts=sending, duration=3 * HOUR),
            self._build(-2, created_at=drip - DAY, scheduled_at=None, starts=drip, duration=14 * DAY, is_drip=True),
            self._build(-3, created_at=anchor - DAY, scheduled_at=soon, starts=soon, duration=30 * MINUTE),
            self._build(-4, created_at=anchor - 3 * DAY, scheduled_at=None, starts=NEVER, duration=0),
        ):
            self._keep(special)

    def _regular(self, number: int) -> Campaign:
        """Number k: its slot is the k-th stretch of four days after `began`."""
        draw = derive(self._seed, "slot", number)
        day = self._began + number * EVERY + (draw % 4) * DAY
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
            scheduled_at=None if 6 <= kind < 18 else sends_at,
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
    ) -> Campaign:
        seed = derive(self._seed, "campaign", number)
        title, template, text = _TOPICS[seed % len(_TOPICS)]
        evening = starts < NEVER and (starts + LOCAL_OFFSET) % DAY >= 17 * HOUR
        return Campaign(
            number=number,
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

    def _keep(self, campaign: Campaign) -> None:
        self._made_by_world.append(campaign)
        self._by_id[campaign.campaign_id] = campaign
        self._terms = None

    def ensure(self, until: int) -> None:
        """Make every regular campaign that can be seen, or sends anything, by then."""
        # Slot k's campaign is made at its slot's beginning at the earliest, less the two days it may be made ahead.
        while self._began + self._planned * EVERY - 2 * DAY <= until:
            self._keep(self._regular(self._planned))
            self._planned += 1

    # What the API sees

    def visible(self, at: int) -> list[Campaign]:
        """Campaigns made by then, newest first."""
        self.ensure(at)
        found = [one for one in (*self._made_by_world, *self._made_by_api.values()) if one.created_at <= at]
        found.sort(key=lambda one: (-one.created_at, one.campaign_id))
        return found

    def find(self, campaign_id: str, at: int) -> Campaign | None:
        """A campaign made by then."""
        self.ensure(at)
        campaign = self._made_by_api.get(campaign_id) or self._by_id.get(campaign_id)
        return campaign if campaign is not None and campaign.created_at <= at else None

    def made_through_api(self) -> int:
        """How many."""
        return len(self._made_by_api)

    def add(self, campaign: Campaign) -> None:
        """Keep a campaign made through the API, or its new version."""
        self._made_by_api[campaign.campaign_id] = campaign
        self._totals.pop(campaign.campaign_id, None)

    def trigger(self, campaign: Campaign, *, at: int) -> Campaign:
        """The same campaign, sent from now on. The caller has checked that it was not sent before."""
        if campaign.receivers is None:
            duration = campaign.duration or 30 * MINUTE
        else:
            duration = max(MINUTE, len(campaign.receivers) * SECOND // SENDS_A_SECOND)
        sent = dataclasses.replace(campaign, starts=at, duration=duration, draft_until=min(campaign.draft_until, at))
        if campaign.receivers is None:
            self._made_by_world[self._made_by_world.index(campaign)] = sent
            self._by_id[campaign.campaign_id] = sent
            self._terms = None
        else:
            self.add(sent)
        return sent

    # Receivers

    @staticmethod
    def _parts(campaign: Campaign) -> Iterator[Times]:
        """Indexes that a campaign of the world's may reach, so many at a time."""
        for start in range(0, campaign.audience, _CHUNK):
            yield np.arange(start, min(start + _CHUNK, campaign.audience), dtype=np.int64)

    def _outcomes(self, campaign: Campaign) -> Iterator[Outcomes]:
        terms = Terms([campaign])
        if campaign.receivers is None:
            yield from (outcomes(terms, part) for part in self._parts(campaign))
        elif campaign.receivers:
            places = np.fromiter(campaign.receivers.values(), dtype=np.int64, count=len(campaign.receivers))
            indexes = np.fromiter(campaign.receivers, dtype=np.int64, count=len(campaign.receivers))
            yield outcomes(terms, indexes, places=places, of=len(indexes))

    def total_recipients(self, campaign: Campaign) -> int:
        """How many a campaign reaches (0 while nothing says when it is sent)."""
        if campaign.receivers is not None:
            return len(campaign.receivers) + campaign.strangers
        if campaign.starts == NEVER:
            return 0
        total = self._totals.get(campaign.campaign_id)
        if total is None:
            terms = Terms([campaign])
            chosen = (_is_chosen(terms, part, _first_draw(terms, part)) for part in self._parts(campaign))
            total = self._totals[campaign.campaign_id] = sum(int(part.sum()) for part in chosen)
        return total

    def metrics(self, campaign: Campaign, at: int) -> Metrics:
        """The report's counts as of a time; all zero for a draft."""
        if campaign.status(at) == "draft":
            return Metrics(0, 0, 0, 0, 0)
        delivered = read = replied = 0
        failed = campaign.strangers if at >= campaign.starts else 0
        if at >= campaign.starts:
            for part in self._outcomes(campaign):
                delivered += int((part.delivered <= at).sum())
                read += int((part.read <= at).sum())
                replied += int((part.replied <= at).sum())
                failed += int((part.failed <= at).sum())
        return Metrics(self.total_recipients(campaign), delivered, read, replied, failed)

    def reaching(self, index: int, *, until: int) -> Iterator[Reached]:
        """What one contact is sent by then."""
        self.ensure(until)
        if self._terms is None:
            self._terms = Terms(self._made_by_world)
        receiver = np.array([index], dtype=np.int64)
        found = outcomes(self._terms, receiver)
        for k in np.flatnonzero(found.sent <= until):
            yield _reached(self._terms.campaigns[k], found, k)
        for campaign in self._made_by_api.values():
            if campaign.receivers is None or index not in campaign.receivers or campaign.starts > until:
                continue
            place = np.array([campaign.receivers[index]], dtype=np.int64)
            one = outcomes(Terms([campaign]), receiver, places=place, of=len(campaign.receivers))
            if one.sent[0] <= until:
                yield _reached(campaign, one, 0)
