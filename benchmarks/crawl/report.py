"""Runs the comparison and shows it: the table of targets, the table of figures, the plot.

What belongs here: which crawlers run under which quota, what the targets are, how figures are shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.crawl.crawlers import Baseline, Crawler, Nightly
from benchmarks.crawl.replay import Outcome, replay
from benchmarks.crawl.world import START, World, build
from crm_platform.ingest.planner import CrawlPlanner

HOURS = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0)  # where the plot's curves are drawn


@dataclass(frozen=True, slots=True)
class Tier:
    """A quota. `per_day` None: only the minute counts."""

    name: str
    per_minute: int
    per_day: int | None
    hints: float = 0.0  # share of inbound messages with an event
    follow: bool = False  # whether the chat that one names is read at once

    @property
    def requests_per_day(self) -> int:
        return self.per_day or self.per_minute * 1440


TIERS = (
    Tier("10,000 a day", 300, 10_000),
    Tier("1,000 a day", 60, 1_000),
    Tier("60 a minute", 60, None),
    Tier("1,000 a day, events", 60, 1_000, hints=0.95),
    Tier("1,000 a day, followed", 60, 1_000, hints=0.95, follow=True),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One crawler under one quota, the mean of the seeds."""

    tier: str
    crawler: str
    within: dict[float, float]  # hours → share of messages
    mean_delay: float  # hours
    coverage_estimated: float | None
    coverage_true: float | None
    coverage_daily_error: float | None  # mean of |estimate − truth| over days
    requests_used: float  # share of the quota


def planner(tier: Tier) -> CrawlPlanner:
    return CrawlPlanner(
        requests_per_minute=tier.per_minute, requests_per_day=tier.per_day, start=START, close_share=0.0
    )


def crawlers(tier: Tier, world: World) -> Iterator[tuple[str, Callable[[], Crawler]]]:
    """Who competes under a quota, by name."""
    chats, quota = len(world.joined), tier.requests_per_day
    if not tier.hints:
        yield "nightly", lambda: Nightly(requests_per_day=quota, requests_per_minute=tier.per_minute, chats=chats)
        yield "round-robin", lambda: Baseline(requests_per_day=quota, chats=chats)
        yield "√rate, true rates", lambda: Baseline(requests_per_day=quota, chats=chats, rates=world.rates)
    yield "planner", lambda: planner(tier)


def average(tier: Tier, name: str, outcomes: list[Outcome], *, days: int) -> Figures:
    checks = [check for one in outcomes for check in one.checks]
    return Figures(
        tier=tier.name,
        crawler=name,
        within={hours: float(np.mean([one.share_within(hours) for one in outcomes])) for hours in HOURS},
        mean_delay=float(np.mean([one.mean_delay for one in outcomes])),
        coverage_estimated=float(np.mean([check.estimated for check in checks])) if checks else None,
        coverage_true=float(np.mean([check.true for check in checks])) if checks else None,
        coverage_daily_error=float(np.mean([abs(one.estimated - one.true) for one in checks])) if checks else None,
        requests_used=float(np.mean([one.requests for one in outcomes])) / (tier.requests_per_day * days),
    )


def run(
    *, seeds: int, days: int, tick_minutes: float, tiers: tuple[Tier, ...] = TIERS, say: Callable[[str], None] = print
) -> list[Figures]:
    """Every tier's crawlers on every seed's world."""
    outcomes: dict[tuple[Tier, str], list[Outcome]] = {}
    for seed in range(1, seeds + 1):
        world = build(seed, days=days)
        for tier in tiers:
            for name, make in crawlers(tier, world):
                began = time.perf_counter()
                outcome = replay(
                    world,
                    make(),
                    requests_per_day=tier.requests_per_day,
                    tick_minutes=tick_minutes,
                    per_minute=tier.per_minute,
                    hints=tier.hints,
                    follow=tier.follow,
                    seed=seed,
                )
                outcomes.setdefault((tier, name), []).append(outcome)
                say(
                    f"seed {seed}, {tier.name}, {name}: {outcome.share_within(6):.1%} within 6 h, "
                    f"mean delay {outcome.mean_delay:.2f} h ({time.perf_counter() - began:.0f} s)"
                )
    return [average(tier, name, found, days=days) for (tier, name), found in outcomes.items()]


def figures_table(figures: list[Figures]) -> str:
    """Markdown: one line a crawler and quota."""
    lines = [
        "| quota | crawler | within 1 h | within 6 h | within 24 h | mean delay | quota used | coverage, said / true |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in figures:
        said = "" if one.coverage_true is None else f"{one.coverage_estimated:.1%} / {one.coverage_true:.1%}"
        lines.append(
            f"| {one.tier} | {one.crawler} | {one.within[1.0]:.1%} | {one.within[6.0]:.1%} | {one.within[24.0]:.1%} "
            f"| {one.mean_delay:.2f} h | {one.requests_used:.1%} | {said} |"
        )
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Target:
    """What has to hold, what was found."""

    text: str
    found: float
    bound: float
    is_least: bool

    @property
    def is_met(self) -> bool:
        return self.found >= self.bound if self.is_least else self.found <= self.bound


def targets(figures: list[Figures]) -> list[Target]:
    """The targets that the planner is held to."""
    by = {(one.tier, one.crawler): one for one in figures}
    daily, free, minute, events, followed = (tier.name for tier in TIERS)

    def times(tier: str, crawler: str) -> float:
        return by[tier, "planner"].within[6.0] / by[tier, crawler].within[6.0]

    def error(tier: str) -> float:
        one = by[tier, "planner"]
        assert one.coverage_estimated is not None
        assert one.coverage_true is not None
        return abs(one.coverage_estimated - one.coverage_true) * 100

    return [
        Target("10,000 a day: within 6 h, times nightly", times(daily, "nightly"), 8.0, True),
        Target("10,000 a day: within 6 h, times round-robin", times(daily, "round-robin"), 3.3, True),
        Target("1,000 a day: within 6 h, times round-robin", times(free, "round-robin"), 9.0, True),
        Target("60 a minute: mean delay, hours", by[minute, "planner"].mean_delay, 0.6, False),
        Target("60 a minute: share within the hour", by[minute, "planner"].within[1.0], 0.85, True),
        Target("1,000 a day with events: share within 6 h", by[events, "planner"].within[6.0], 0.94, True),
        Target("1,000 a day, events followed: share within 6 h", by[followed, "planner"].within[6.0], 0.94, True),
        Target("10,000 a day: coverage, points off", error(daily), 1.0, False),
        Target("1,000 a day: coverage, points off", error(free), 6.0, False),
    ]


def targets_table(found: list[Target]) -> str:
    lines = ["| target | bound | found | |", "| --- | --- | --- | --- |"]
    for one in found:
        sign = "≥" if one.is_least else "≤"
        lines.append(f"| {one.text} | {sign} {one.bound:g} | {one.found:.3g} | {'met' if one.is_met else 'MISSED'} |")
    return "\n".join(lines)


COLOURS = {"nightly": "#9a9a9a", "round-robin": "#d08a2c", "√rate, true rates": "#3a8f5c", "planner": "#2f5fd0"}


def plot(figures: list[Figures], path: Path) -> None:
    """Share captured against delay, a panel a quota, as SVG."""
    tiers = list(dict.fromkeys(one.tier for one in figures))
    width, height, left, top, gap = 300, 220, 50, 40, 65
    low, high = np.log(HOURS[0]), np.log(HOURS[-1])
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + (width + gap) * len(tiers)} {height + 130}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    parts = [head]
    for panel, tier in enumerate(tiers):
        x0 = left + panel * (width + gap)

        def x(hours: float, x0: float = x0) -> float:
            return x0 + (np.log(hours) - low) / (high - low) * width

        def y(share: float) -> float:
            return top + (1 - share) * height

        parts.append(f'<text x="{x0}" y="{top - 14}" font-weight="bold">{tier}</text>')
        for share in (0, 0.25, 0.5, 0.75, 1):
            parts.append(f'<path d="M{x0} {y(share):.1f}h{width}" stroke="#ddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
        for hours in (0.25, 1, 6, 24, 96):
            parts.append(f'<path d="M{x(hours):.1f} {top}v{height}" stroke="#eee"/>')
            parts.append(f'<text x="{x(hours):.1f}" y="{top + height + 18}" text-anchor="middle">{hours:g} h</text>')
        for one in figures:
            if one.tier == tier:
                line = " ".join(f"{x(hours):.1f},{y(share):.1f}" for hours, share in one.within.items())
                parts.append(
                    f'<polyline points="{line}" fill="none" stroke="{COLOURS[one.crawler]}" stroke-width="2"/>'
                )
    for place, (name, colour) in enumerate(COLOURS.items()):
        x0, y0 = left + place * 150, height + top + 50
        parts.append(f'<path d="M{x0} {y0}h24" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x0 + 30}" y="{y0 + 4}">{name}</text>')
    parts.append(f'<text x="{left}" y="{height + top + 80}">share of messages seen within so many hours</text></svg>')
    path.write_text("\n".join(parts), encoding="utf-8")
