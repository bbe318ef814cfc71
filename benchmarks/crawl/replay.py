"""Drive a crawler through a world, minute by minute, and measure when each message was seen."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.crawl.crawlers import Crawler
from benchmarks.crawl.world import World, newest_before
from crm_platform.api import Allowance
from crm_platform.ingest.hint_budget import HintBudget
from crm_platform.ingest.planner import CrawlPlanner

PAGE = 100
CAMPAIGN_POLL_HOURS = 0.5  # also at most 5 % of the quota
REPORT_HOURS = 6.0


@dataclass(frozen=True, slots=True)
class CoverageCheck:
    """A day's coverage at its end: what the planner says and what is true."""

    estimated: float
    true: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """`delays` in hours, one a measured message (inf: never seen); `horizon` = hours from the message to the end."""

    delays: npt.NDArray[np.float64]
    horizon: npt.NDArray[np.float64]
    requests: int
    most_in_a_day: int
    checks: list[CoverageCheck]

    def share_within(self, hours: float) -> float:
        """Share of messages seen within so many hours, of those old enough to have been."""
        old_enough = self.horizon >= hours
        return float((self.delays[old_enough] <= hours).mean())

    @property
    def mean_delay(self) -> float:
        """Hours; a message never seen counts with its wait until the end, which flatters a crawler that is late."""
        return float(np.minimum(self.delays, self.horizon).mean())


def replay(
    world: World,
    crawler: Crawler,
    *,
    requests_per_day: float,
    tick_minutes: float = 1.0,
    per_minute: int,
    hints: float = 0.0,
    follow: bool = False,
    seed: int = 0,
) -> Outcome:
    """Known at the start: the newest page of each chat.

    `hints`: share of inbound messages with an event; `follow`: whether the chat is read at once, as `crm live` does
    within the events' share of the quota.
    """
    planner = crawler if isinstance(crawler, CrawlPlanner) else None
    begin = world.at(0.0)
    times = world.times.tolist()
    unseen = np.empty(len(world.joined), dtype=np.intp)  # first message of the chat that is not seen
    captured = np.full(len(times), np.inf)
    known = int((world.joined < 0).sum())
    crawler.sighted([f"c{chat}" for chat in range(known)], at=begin)
    for chat in range(len(world.joined)):
        first, stop = newest_before(world, chat, 0.0)
        unseen[chat] = stop
        if chat < known:
            crawler.visited(f"c{chat}", at=begin, new_messages=world.seen(max(first, stop - PAGE), stop))
    crawler.swept(at=begin, requests=0)

    events: list[tuple[float, int, float]] = []
    if hints and planner is not None:
        draw = np.random.default_rng(seed + 10_000)
        named = np.flatnonzero(world.inbound & world.talk & (draw.random(len(times)) < hints))
        chat_of = np.searchsorted(world.first, named, side="right") - 1
        late = draw.exponential(0.01, len(named))
        arrive = (world.times[named] + late).tolist()
        events = sorted(zip(arrive, chat_of.tolist(), world.times[named].tolist(), strict=True))
    campaigns = [one for one in world.campaigns if one.sent_at >= -72]
    told = sum(one.sent_at < 0 for one in campaigns)
    poll_hours = max(CAMPAIGN_POLL_HOURS, 24 / (0.05 * requests_per_day))
    next_poll = next_report = poll_hours
    checks: list[CoverageCheck] = []
    spent: list[int] = []
    rate = min(per_minute, requests_per_day / 1440)
    budget = HintBudget(Allowance(per_minute, round(requests_per_day)), per_minute=rate)
    event = 0

    def visit(chat: int, now: float) -> int:
        """Read the newest end of a chat; gives the requests that takes."""
        at = world.at(now)
        start = int(unseen[chat])
        end = int(world.first[chat + 1])
        if start >= end or times[start] > now:
            crawler.visited(f"c{chat}", at=at, new_messages=())
            return 1
        stop = bisect.bisect_right(times, now, start, end)
        captured[start:stop] = now
        unseen[chat] = stop
        pages = math.ceil((stop - start) / PAGE)
        crawler.visited(f"c{chat}", at=at, new_messages=world.seen(start, stop), requests=pages)
        return pages

    ticks = round(world.days * 1440 / tick_minutes)
    talk = world.talk
    for tick in range(1, ticks + 1):
        now = tick * tick_minutes / 60
        at = world.at(now)
        requests = 0
        while event < len(events) and events[event][0] <= now:
            came, chat, dated = events[event]
            assert planner is not None
            planner.hinted(f"c{chat}", message_at=world.at(dated), at=at)
            budget.named([world.at(came)], at=at)
            event += 1
            is_seen = int(unseen[chat]) >= int(world.first[chat + 1]) or times[int(unseen[chat])] > dated
            if follow and chat < known and not is_seen and budget.room(world.at(came)) != 0:
                taken = visit(chat, came)
                budget.spent(taken)
                requests += taken
                crawler.spent(at=at, requests=taken)
        if now >= next_poll:
            next_poll += poll_hours
            requests += 1
            crawler.spent(at=at, requests=1)
            while told < len(campaigns) and campaigns[told].sent_at <= now:
                if planner is not None:
                    one = campaigns[told]
                    planner.campaign_sent(at=world.at(one.sent_at), recipients=len(one.chats))
                told += 1
        if now >= next_report:
            next_report += max(REPORT_HOURS, poll_hours)
            running = sum(now - 72 < one.sent_at <= now for one in campaigns)
            if running:
                requests += running
                crawler.spent(at=at, requests=running)
        plan = crawler.plan(at)
        for chat_id in plan.chats:
            requests += visit(int(chat_id[1:]), now)
        if plan.sweep:
            arrived = int(np.searchsorted(world.joined, now, side="right"))
            crawler.sighted([f"c{chat}" for chat in range(known, arrived)], at=at)
            known = arrived
            requests += math.ceil(known / PAGE)
            crawler.swept(at=at, requests=math.ceil(known / PAGE))
        spent.append(requests)
        if planner is not None and tick % round(1440 / tick_minutes) == 0:
            span = talk & (world.times >= now - 24) & (world.times < now)
            stored = int((captured[span] <= now).sum())
            expected = planner.expected_unseen(at, since=world.at(now - 24))
            checks.append(CoverageCheck(stored / max(stored + expected, 1e-9), stored / max(int(span.sum()), 1)))
    running_total = np.concatenate(([0], np.cumsum(spent)))
    day = round(1440 / tick_minutes)
    return Outcome(
        delays=(captured - world.times)[talk],
        horizon=(world.days * 24 - world.times)[talk],
        requests=int(running_total[-1]),
        most_in_a_day=int((running_total[day:] - running_total[:-day]).max()),
        checks=checks,
    )
