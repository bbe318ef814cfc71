"""All campaigns of a world, what their reports count, and what a contact is sent.

What belongs here: keeping the world's own campaigns and those made through the API, and asking for their outcomes. What
does not: what follows from the seed (`campaigns.py`), drawing the outcomes (`campaign_outcomes.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from crm_platform.sandbox.campaign_outcomes import SETTLES_AFTER, Outcomes, Terms, outcomes, recipients
from crm_platform.sandbox.campaigns import CampaignPlan, SandboxCampaign
from crm_platform.sandbox.chance import MINUTE, NEVER, Times

_CHUNK: Final = 1 << 17  # receivers counted at a time, so that a million contacts need little memory


class CampaignMetrics(NamedTuple):
    """Counts of a report as of a time; named as in the contract."""

    total_recipients: int
    delivered: int
    read: int
    replied: int
    failed: int


class CampaignStore:
    """The campaigns, by id; each exists from its `created_at` on."""

    def __init__(self, plan: CampaignPlan) -> None:
        self._plan = plan
        self._by_id: dict[str, SandboxCampaign] = {}
        self._totals: dict[str, int] = {}
        self._terms: Terms | None = None  # of the world's own
        self._planned = 0  # how many of the regular campaigns exist already
        for special in plan.special():
            self.add(special)

    def _ensure(self, until: int) -> None:
        """Make every regular campaign that can be seen, or sends anything, by then."""
        while self._plan.is_due(self._planned, until):
            self.add(self._plan.regular(self._planned))
            self._planned += 1

    # What the API sees

    def visible(self, at: int) -> list[SandboxCampaign]:
        """Campaigns made by then, newest first."""
        self._ensure(at)
        found = [one for one in self._by_id.values() if one.created_at <= at]
        return sorted(found, key=lambda one: (-one.created_at, one.campaign_id))

    def find(self, campaign_id: str, at: int) -> SandboxCampaign | None:
        """A campaign made by then."""
        self._ensure(at)
        campaign = self._by_id.get(campaign_id)
        return campaign if campaign is not None and campaign.created_at <= at else None

    def made_through_api(self) -> int:
        """How many."""
        return sum(one.receivers is not None for one in self._by_id.values())

    def add(self, campaign: SandboxCampaign) -> None:
        """Keep a campaign, or its new version."""
        self._by_id[campaign.campaign_id] = campaign
        self._terms = None

    def trigger(self, campaign: SandboxCampaign, *, at: int) -> SandboxCampaign:
        """The same campaign, sent from now on. The caller has checked that it was not sent before."""
        duration = campaign.duration or 30 * MINUTE
        sent = dataclasses.replace(campaign, starts=at, duration=duration, draft_until=min(campaign.draft_until, at))
        self.add(sent)
        return sent

    # Receivers

    @staticmethod
    def _parts(campaign: SandboxCampaign) -> Iterator[Times]:
        """Indexes that a campaign of the world's may reach, so many at a time."""
        for start in range(0, campaign.audience, _CHUNK):
            yield np.arange(start, min(start + _CHUNK, campaign.audience), dtype=np.int64)

    def outcomes(self, campaign: SandboxCampaign) -> Iterator[tuple[Times, Outcomes]]:
        """What becomes of it: indexes of contacts, and what happens to each, so many at a time."""
        terms = Terms([campaign])
        if campaign.receivers is None:
            yield from ((part, outcomes(terms, part)) for part in self._parts(campaign))
        elif campaign.receivers:
            places = np.fromiter(campaign.receivers.values(), dtype=np.int64, count=len(campaign.receivers))
            indexes = np.fromiter(campaign.receivers, dtype=np.int64, count=len(campaign.receivers))
            yield indexes, outcomes(terms, indexes, places=places, of=len(indexes))

    def total_recipients(self, campaign: SandboxCampaign) -> int:
        """How many a campaign reaches (0 while nothing says when it is sent)."""
        if campaign.receivers is not None:
            return len(campaign.receivers) + campaign.strangers
        if campaign.starts == NEVER:
            return 0
        total = self._totals.get(campaign.campaign_id)
        if total is None:
            terms = Terms([campaign])
            total = sum(int(recipients(terms, part)[0].sum()) for part in self._parts(campaign))
            self._totals[campaign.campaign_id] = total
        return total

    def metrics(self, campaign: SandboxCampaign, at: int) -> CampaignMetrics:
        """The report's counts as of a time; all zero for a draft."""
        if campaign.status(at) == "draft":
            return CampaignMetrics(0, 0, 0, 0, 0)
        delivered = read = replied = failed = 0
        if at >= campaign.starts:
            failed = campaign.strangers
            for _, part in self.outcomes(campaign):
                delivered += int((part.delivered <= at).sum())
                read += int((part.read <= at).sum())
                replied += int((part.replied <= at).sum())
                failed += int((part.failed <= at).sum())
        return CampaignMetrics(self.total_recipients(campaign), delivered, read, replied, failed)

    def live(self, after: int, until: int) -> Iterator[SandboxCampaign]:
        """Campaigns of which something may be sent, delivered, read or replied to in (after, until]."""
        self._ensure(until)
        for campaign in self._by_id.values():
            if campaign.starts <= until and campaign.starts + campaign.duration + SETTLES_AFTER > after:
                yield campaign

    def reaching(self, index: int, *, until: int) -> Iterator[tuple[SandboxCampaign, list[int]]]:
        """What one contact is sent by then: the campaign, and the times of its `Outcomes`."""
        self._ensure(until)
        if self._terms is None:
            self._terms = Terms([one for one in self._by_id.values() if one.receivers is None])
        receiver = np.array([index], dtype=np.int64)
        found = outcomes(self._terms, receiver)
        for k in np.flatnonzero(found.sent <= until):
            yield self._terms.campaigns[k], [int(times[k]) for times in found]
        for campaign in self._by_id.values():
            if campaign.receivers is None or index not in campaign.receivers or campaign.starts > until:
                continue
            place = np.array([campaign.receivers[index]], dtype=np.int64)
            one = outcomes(Terms([campaign]), receiver, places=place, of=len(campaign.receivers))
            if one.sent[0] <= until:
                yield campaign, [int(times[0]) for times in one]
