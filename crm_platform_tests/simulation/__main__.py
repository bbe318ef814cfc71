# ruff: noqa: T201 - a report is what this is for
"""`python -m crm_platform_tests.simulation`: replay a seed, or run many and report.

What belongs here: the command line and the report. What does not: the simulation (run.py).
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import get_args

from crm_platform_tests.simulation.run import Result, StoreName, simulate
from crm_platform_tests.simulation.scenario import (
    CLOCK_STEPS,
    COMMIT_TROUBLES,
    ODDITIES,
    REQUEST_TROUBLES,
    WORLD_CHANGES,
    Scenario,
)

MANY = 100  # seeds that meet every kind of trouble, or something is wrong with the trouble

REPLAY = "python -m crm_platform_tests.simulation --seed"


def _results(seeds: range, store: StoreName, jobs: int) -> Iterator[Result]:
    run = functools.partial(simulate, store=store)
    if jobs == 1:
        yield from map(run, seeds)
        return
    # Each process afresh: a fork would carry the database's threads along.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run, seeds)


def _replay(seed: int, store: StoreName) -> int:
    print(Scenario.of(seed))
    result = simulate(seed, store=store, tells=True)
    print("\n".join(result.story))
    print(f"seed {seed}: {result.requests} requests, {result.lives} processes, {result.virtual_hours:.1f} h of virtual")
    print(f"time, {result.seconds:.1f} s; digest {result.digest}")
    print("\n".join(result.broken) or "every invariant holds")
    return bool(result.broken)


def _many(first: int, count: int, store: StoreName, jobs: int) -> int:
    began = time.perf_counter()
    troubles: Counter[str] = Counter()
    seconds, cpu, requests, lives, hours = [], 0.0, 0, 0, 0.0
    failed = []
    for done, result in enumerate(_results(range(first, first + count), store, jobs), start=1):
        troubles += result.troubles
        seconds.append(result.seconds)
        cpu += result.cpu_seconds
        requests += result.requests
        lives += result.lives
        hours += result.virtual_hours
        if result.broken:
            failed.append(result.seed)
            print(f"seed {result.seed} fails:", *result.broken, sep="\n  ", flush=True)
            print(f"  replay: {REPLAY} {result.seed} --store {store}", flush=True)
        if done % 25 == 0 or done == count:
            print(f"{done} of {count} seeds, {len(failed)} failed, {time.perf_counter() - began:.0f} s", flush=True)
    print(f"\n{requests:,} requests by {lives:,} processes in {hours / 24:,.0f} virtual days")
    print(f"{sum(seconds) / len(seconds):.2f} s a seed, {max(seconds):.1f} s at most; of processor", end=" ")
    print(f"{cpu / len(seconds):.2f} s\n")
    for name, times in troubles.most_common():
        print(f"{times:>8,}  {name}")
    kinds = {*REQUEST_TROUBLES, *COMMIT_TROUBLES, *WORLD_CHANGES, *CLOCK_STEPS, *ODDITIES}
    unmet = sorted(kinds - troubles.keys())
    if unmet and count >= MANY:
        print(f"\nnever met: {', '.join(unmet)}")
    if failed:
        print(f"\n{len(failed)} seeds fail: {', '.join(map(str, failed))}")
    return bool(failed or (unmet and count >= MANY))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m crm_platform_tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one and tell its story")
    parser.add_argument("--seeds", type=int, default=20, help="run so many")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--store", choices=get_args(StoreName), default="duckdb", help="run on this one")
    given = parser.parse_args()
    if given.seed is not None:
        return _replay(given.seed, given.store)
    return _many(given.first, given.seeds, given.store, given.jobs)


if __name__ == "__main__":
    sys.exit(main())
