"""How long a plan takes with many chats, and the coverage of many days: CPU time, so that neighbours do not matter."""

from __future__ import annotations

import datetime as dt
import random
import time

from benchmarks.crawl.world import START
from crm_platform.ingest.planner import CrawlPlanner, SeenMessage

TARGET_MS = 20.0


def filled(chats: int, *, seed: int = 1) -> CrawlPlanner:
    """A planner that has visited so many chats once, a few messages each."""
    dice = random.Random(seed)
    planner = CrawlPlanner(requests_per_minute=1_000, requests_per_day=None, start=START)
    names = [f"c{chat}" for chat in range(chats)]
    planner.sighted(names, at=START)
    for name in names:
        moments = (START - dt.timedelta(hours=dice.random() * 1_000) for _ in range(dice.randrange(4)))
        planner.visited(name, at=START, new_messages=[SeenMessage(one, "inbound", False) for one in moments])
    planner.campaign_sent(at=START, recipients=chats // 3)
    planner.swept(at=START, requests=0)
    return planner


def measure(chats: int = 125_000, *, plans: int = 15) -> tuple[float, float]:
    """Median milliseconds of a plan over `chats`, and of 200 daily spans of expected_unseen over 10,000 chats."""
    planner = filled(chats)
    took = []
    for minute in range(1, plans + 1):
        at = START + dt.timedelta(minutes=minute)
        began = time.process_time()
        planner.plan(at)
        took.append((time.process_time() - began) * 1_000)
    small = filled(10_000)
    at = START + dt.timedelta(hours=12)
    edges = [at - dt.timedelta(days=day) for day in range(200, -1, -1)]
    began = time.process_time()
    small.expected_unseen_by(at, edges)
    return sorted(took)[len(took) // 2], (time.process_time() - began) * 1_000
