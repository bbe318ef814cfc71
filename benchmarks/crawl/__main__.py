"""`python -m benchmarks.crawl`: the crawl planner against what somebody might have written instead."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.crawl import report, speed


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crawl", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="worlds to average over (default %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="days to crawl (default %(default)s)")
    parser.add_argument("--tick", type=float, default=1.0, help="minutes between plans (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one world, 5 days, a plan every 5 minutes; no verdict")
    parser.add_argument("--tier", choices=[tier.name for tier in report.TIERS], help="only this quota (no verdict)")
    parser.add_argument("--plot", type=Path, default=Path("data/crawl.svg"), help="the plot (default %(default)s)")
    parser.add_argument("--speed", action="store_true", help="only measure how long a plan of 125,000 chats takes")
    asked = parser.parse_args()

    plan_ms, spans_ms = speed.measure()
    print(f"a plan of 125,000 chats: {plan_ms:.1f} ms of CPU (target: under {speed.TARGET_MS:.0f} ms)")
    print(f"expected unseen of 200 days over 10,000 chats: {spans_ms:.1f} ms\n")
    if asked.speed:
        return 0
    seeds, days, tick = (1, 5, 5.0) if asked.quick else (asked.seeds, asked.days, asked.tick)
    tiers = tuple(tier for tier in report.TIERS if asked.tier in {None, tier.name})
    figures = report.run(seeds=seeds, days=days, tick_minutes=tick, tiers=tiers, say=say)
    print("\n" + report.figures_table(figures))
    report.plot(figures, asked.plot)
    print(f"\nplot: {asked.plot}")
    if asked.tier or asked.quick:
        return 0
    found = report.targets(figures)
    print("\n" + report.targets_table(found))
    return 0 if all(one.is_met for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
