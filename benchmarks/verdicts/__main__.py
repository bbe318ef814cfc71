"""`python -m benchmarks.verdicts`: false alarms and power of the verdicts, by kind, and how long a verdict takes."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from benchmarks.verdicts.worlds import (
    Campaigns,
    Days,
    Waits,
    equal_agents,
    equal_campaigns,
    equal_times,
    question,
)
from crm_platform.verdicts import Claim, Rows, best, count, median, on_one_page, rate

MOST_FALSE = 0.065
LEAST_POWER = 0.8
Judge = Callable[[np.random.Generator], bool]


def is_called(claim: Claim) -> bool:
    return claim.verdict in {"better", "worse"}


def of_median(world: Waits, rng: np.random.Generator, *, times: float = 1.0) -> bool:
    return is_called(median(question("median", "down"), *world.drawn(rng, times=times)))


def of_rate(world: Waits, share: float, rng: np.random.Generator, *, current: float | None = None) -> bool:
    return is_called(rate(question("rate"), *world.answered(rng, share, current=current)))


def of_campaigns(world: Campaigns, rng: np.random.Generator, *, current: float | None = None) -> bool:
    return is_called(rate(question("read"), *world.drawn(rng, current_rate=current)))


def of_days(world: Days, rng: np.random.Generator, *, times: float = 1.0) -> bool:
    return is_called(count(question("resolved", days=world.days), *world.drawn(rng, times=times)))


def of_page(rng: np.random.Generator) -> bool:
    """A page of nine claims: three of one set of waits, one of others, two of campaigns, three of days."""
    waits = Waits(current=400, base=450)
    seconds = waits.drawn(rng)
    within = tuple(Rows(value=np.asarray(rows.value) <= 600, cluster=rows.cluster) for rows in seconds)
    soon = tuple(Rows(value=np.asarray(rows.value) <= 120, cluster=rows.cluster) for rows in seconds)
    claims = [
        median(question("median", "down"), *seconds),
        rate(question("within"), within[0], within[1]),
        rate(question("soon"), soon[0], soon[1]),
        rate(question("answered"), *waits.answered(rng, 0.9)),
        rate(question("read"), *Campaigns(current=8, base=9).drawn(rng)),
        rate(question("replied"), *Campaigns(current=8, base=9, rate=0.05, differ=0.02).drawn(rng)),
        *(count(question(name), *Days(mean=mean).drawn(rng)) for name, mean in (("a", 60), ("b", 20), ("c", 5))),
    ]
    return any(map(is_called, on_one_page(claims)))


def of_best(world: Callable[..., dict], many: int, rng: np.random.Generator) -> bool:
    return best("best", world(rng, many), good="up", how="rate").verdict == "named"


def plain(draw: Callable[[np.random.Generator], tuple[Rows, Rows]], rng: np.random.Generator) -> bool:
    """What a plain percentile bootstrap over clusters, 1,000 draws, would have said of two ratios of sums."""
    drawn = []
    for rows in draw(rng):
        _, cluster = np.unique(np.asarray(rows.cluster), return_inverse=True)
        value = np.bincount(cluster, weights=np.asarray(rows.value, dtype=np.float64))
        of = np.bincount(cluster, weights=None if rows.of is None else np.asarray(rows.of, dtype=np.float64))
        often = rng.multinomial(len(of), np.full(len(of), 1 / len(of)), 1000)
        drawn.append((often @ value) / (often @ of))
    low, high = np.quantile(drawn[0] - drawn[1], (0.025, 0.975))
    return bool(low > 0 or high < 0)


W, C, D = Waits, Campaigns, Days
ALIKE = {"alike": 0.5, "per_chat": 5.0, "shared": 0.0}


def equals() -> Iterator[tuple[str, str, Judge, Judge | None]]:
    """Where nothing changed: kind, what, how it is judged, how a plain bootstrap judges it."""
    for sigma in (0.5, 1.0, 1.5, 2.0):
        yield "median", f"500 waits a side, σ {sigma}", partial(of_median, W(sigma=sigma)), None
    for name, world in (
        ("500, chats more alike (0.2)", W(alike=0.2)),
        ("500, other chats in each range", W(shared=0.0)),
        ("500, the same chats in both", W(shared=1.0)),
        ("10 a side", W(current=10, base=10, shared=0.0)),
        ("30 a side", W(current=30, base=30, shared=0.0)),
        ("30 a side, 5 a chat, much alike", W(current=30, base=30, **ALIKE)),
        ("300 a side, 5 a chat, much alike", W(current=300, base=300, **ALIKE)),
        ("15 against 1,000", W(current=15, base=1000)),
        ("200 a side, whole minutes", W(current=200, base=200, rounded=60.0)),
        ("100 a side, 40 of one chat", W(current=100, base=100, giant=0.4)),
        ("100 a side, 40 of one chat each", W(current=100, base=100, giant=0.4, shared=0.0)),
    ):
        yield "median", name, partial(of_median, world), None
    for name, world, share in (
        ("80 % of 500", W(), 0.8),
        ("80 % of 15", W(current=15, base=15, shared=0.0), 0.8),
        ("90 % of 30, 5 a chat, much alike", W(current=30, base=30, **ALIKE), 0.9),
        ("97 % of 60", W(current=60, base=60), 0.97),
        ("99 % of 15 against 1,000", W(current=15, base=1000), 0.99),
        ("all of 40", W(current=40, base=40), 1.0),
        ("80 % of 100, 40 of one chat each", W(current=100, base=100, giant=0.4, shared=0.0), 0.8),
    ):
        yield "rate", name, partial(of_rate, world, share), partial(plain, partial(world.answered, rate=share))
    for name, sent in (
        ("5 a side", C(current=5, base=5)),
        ("5 against 30", C(current=5, base=30)),
        ("5 a side, sizes very different", C(current=5, base=5, sizes=1.8)),
        ("12 a side", C()),
        ("12 a side, 3 % reply", C(rate=0.03, differ=0.015)),
        ("30 a side", C(current=30, base=30)),
    ):
        yield "campaigns", name, partial(of_campaigns, sent), partial(plain, sent.drawn)
    for name, days in (
        ("7 days", D(days=7)),
        ("10 days, weekdays unequal", D(days=10)),
        ("28 days", D()),
        ("30 days of 1,000", D(days=30, mean=1000.0)),
        ("28 days, Poisson, 3 a day", D(mean=3.0, scatter=1.0)),
        ("28 days, much scatter", D(scatter=15.0)),
        ("7 days, much scatter", D(days=7, scatter=15.0)),
        ("90 days", D(days=90)),
    ):
        yield "count", name, partial(of_days, days), None
    yield "page", "9 claims, Holm", of_page, None
    for name, candidates, many in (
        ("of 3 agents", equal_agents, 3),
        ("of 10 agents", equal_agents, 10),
        ("of 40 times to send", equal_times, 40),
        ("of 12 campaigns", equal_campaigns, 12),
    ):
        yield "best", name, partial(of_best, candidates, many), None


def changes() -> Iterator[tuple[str, str, Judge]]:
    """Where something changed, and by how much."""
    for sigma in (0.5, 1.0, 1.5, 2.0):
        yield "median", f"+30 %, 500 waits a side, σ {sigma}", partial(of_median, W(sigma=sigma), times=1.3)
    yield "median", "−30 %, 500 waits a side, σ 1.0", partial(of_median, W(), times=0.7)
    for name, world in (
        ("+30 %, 500, σ 1.0, chats more alike (0.2)", W(alike=0.2)),
        ("+30 %, 500, σ 1.0, other chats in each range", W(shared=0.0)),
        ("+30 %, 500, σ 1.0, the same chats in both", W(shared=1.0)),
        ("+30 %, 500, σ 1.0, chats more alike (0.2), other chats", W(alike=0.2, shared=0.0)),
        ("+30 %, 100, σ 1.0", W(current=100, base=100)),
        ("+30 %, 2,000, σ 1.5", W(current=2000, base=2000, sigma=1.5)),
    ):
        yield "median", name, partial(of_median, world, times=1.3)
    yield "median", "twice, 30 waits a side, σ 1.0", partial(of_median, W(current=30, base=30), times=2.0)
    yield "rate", "80 to 88 %, 500 a side", partial(of_rate, W(), 0.8, current=0.88)
    yield "rate", "70 to 95 %, 50 a side", partial(of_rate, W(current=50, base=50), 0.7, current=0.95)
    yield "campaigns", "30 to 40 %, 12 a side", partial(of_campaigns, C(), current=0.4)
    yield "campaigns", "30 to 60 %, 5 a side", partial(of_campaigns, C(current=5, base=5), current=0.6)
    yield "count", "+30 %, 7 days of 60", partial(of_days, D(days=7), times=1.3)
    yield "count", "+10 %, 28 days of 60", partial(of_days, D(), times=1.1)


def foretold() -> Iterator[tuple[str, str, Judge]]:
    """Where no promise is made: what is too much on one day lasts into the next."""
    for lasting in (0.3, 0.6):
        yield "count", f"28 days, correlation of a day and the next {lasting}", partial(of_days, D(lasting=lasting))


def share(judge: Judge, pairs: int) -> float:
    return statistics.fmean(judge(np.random.default_rng([pairs, number])) for number in range(pairs))


def milliseconds(waits: int, chats: int) -> float:
    """CPU time of one verdict on a median, the middle one of nine; chats are named in a pyarrow column."""
    world = Waits(current=waits, base=waits, per_chat=waits / chats, shared=1.0)
    both = [
        Rows(value=rows.value, cluster=pa.array([f"254700{chat:06d}" for chat in np.asarray(rows.cluster)]))
        for rows in world.drawn(np.random.default_rng(1))
    ]
    took = []
    for _ in range(9):
        began = time.process_time()
        median(question("median", "down"), both[0], both[1])
        took.append(1000 * (time.process_time() - began))
    return statistics.median(took)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100, help="pairs of ranges a line (default %(default)s)")
    asked = parser.parse_args()

    print(f"Nothing changed: called better or worse, of {asked.pairs:,} pairs; at most {MOST_FALSE:.1%}\n")
    print("| kind | ranges | false alarms | plain bootstrap |\n| --- | --- | --- | --- |")
    worst = 0.0
    for kind, what, judge, other in equals():
        false = share(judge, asked.pairs)
        worst = max(worst, false)
        beside = "" if other is None else f"{share(other, asked.pairs):.1%}"
        print(f"| {kind} | {what} | {false:.1%} | {beside} |", flush=True)
    print("\nNo promise:\n\n| kind | ranges | false alarms |\n| --- | --- | --- |")
    for kind, what, judge in foretold():
        print(f"| {kind} | {what} | {share(judge, asked.pairs):.1%} |", flush=True)
    print("\nSomething changed:\n\n| kind | change | called |\n| --- | --- | --- |")
    for kind, what, judge in changes():
        print(f"| {kind} | {what} | {share(judge, asked.pairs):.1%} |", flush=True)
    print("\nOne verdict on a median:\n\n| waits a side | chats | CPU ms |\n| --- | --- | --- |")
    for waits, chats in ((2_500, 2_000), (5_000, 2_000), (100_000, 20_000)):
        print(f"| {waits:,} | {chats:,} | {milliseconds(waits, chats):.1f} |", flush=True)
    return 0 if worst <= MOST_FALSE or asked.pairs < 2000 else 1


if __name__ == "__main__":
    sys.exit(main())
