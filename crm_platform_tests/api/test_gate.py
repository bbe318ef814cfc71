"""The gate's promise: as the server counts, no rolling window ever holds more than the limit."""

from __future__ import annotations

import bisect
import contextlib
import datetime as dt
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_platform.api import SqliteGate
from crm_platform.api.gate import OpenGate
from crm_platform.errors import GiveUp, QuotaSpent, RateLimited
from crm_platform.sandbox import ManualClock, Sandbox, SandboxOptions
from crm_platform_tests.api.inprocess import SandboxTransport, connect

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@dataclass
class Clock:
    """A clock that moves when somebody sleeps."""

    seconds: float = 0.0
    naps: list[float] = field(default_factory=list)

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


def most_in(moments: list[float], window: float) -> int:
    """The largest number of moments in any window that includes both its ends."""
    ordered = sorted(moments)
    return max((index + 1 - bisect.bisect_left(ordered, end - window) for index, end in enumerate(ordered)), default=0)


def make(path, clock: Clock, **options) -> SqliteGate:
    options = {"per_minute": 5, "per_day": None, "timeout_seconds": 30.0, "max_wait": 0.0} | options
    return SqliteGate(path / "gate.sqlite", now=clock.now, sleep=clock.sleep, **options)


def spend(gate: SqliteGate, count: int, *, headers=None, status=200) -> None:
    for _ in range(count):
        gate.acquire("list_messages").release(headers or {}, status)


def test_it_says_when_the_next_request_may_start(tmp_path):
    """Kind 15: whoever waits can say for how long."""
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=5, per_day=7)
    assert gate.opens_at() is None
    spend(gate, 5)
    clock.sleep(20)
    assert (gate.opens_at() - clock.now()).total_seconds() == pytest.approx(40, abs=0.01)
    clock.sleep(40.01)
    assert gate.opens_at() is None
    spend(gate, 2)
    day = dt.timedelta(days=1).total_seconds()
    assert (gate.opens_at() - START).total_seconds() == pytest.approx(day, abs=0.01), "the day's are used up"


def test_without_a_limit_it_is_open(tmp_path):
    assert make(tmp_path, Clock(), per_minute=None).opens_at() is None


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), per_minute=st.integers(1, 7), day=st.sampled_from([None, 9, 30]))
def test_no_rolling_window_is_ever_over_the_limit(tmp_path_factory, seed, per_minute, day):
    """Three processes, answers that take long or are given up, kills and restarts; the server counts when it likes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crm_platform.api.gate._PURGE_EVERY", 4)  # forget as early as it is allowed to
        live_through(tmp_path_factory, seed, per_minute, day)


def live_through(tmp_path_factory, seed, per_minute, day):
    chance = random.Random(seed)
    clock, path = Clock(), tmp_path_factory.mktemp("gate")
    timeout, patience = 20.0, 6.0

    def start() -> SqliteGate:
        return make(path, clock, per_minute=per_minute, per_day=day, timeout_seconds=timeout)

    gates = [start() for _ in range(3)]
    under_way: list[tuple[int, float, object]] = []
    counted: list[float] = []

    def pass_time(seconds: float) -> None:
        clock.seconds += seconds
        for one in [one for one in under_way if clock.seconds - one[1] > patience]:
            under_way.remove(one)  # given up; it stands in a queue somewhere
            counted.append(one[1] + timeout * chance.random())
            one[2].release(None, None)

    for _ in range(100):
        what = chance.random()
        if what < 0.55:
            holder = chance.randrange(3)
            try:
                under_way.append((holder, clock.seconds, gates[holder].acquire("x")))
            except (RateLimited, QuotaSpent):
                pass_time(chance.choice([0.5, 5, 40]))
        elif what < 0.85:
            pass_time(chance.choice([0, 0.3, 3]))
            if under_way:
                _, since, slot = under_way.pop(chance.randrange(len(under_way)))
                counted.append(chance.choice([since, clock.seconds, chance.uniform(since, clock.seconds)]))
                slot.release({}, 200)
        elif what < 0.9:  # a kill: nothing is released, the server may still count what was on its way
            dead = chance.randrange(3)
            counted += [since + chance.random() * timeout for holder, since, _ in under_way if holder == dead]
            under_way = [one for one in under_way if one[0] != dead]
            gates[dead].close()
            gates[dead] = start()
        else:
            pass_time(chance.choice([0.1, 1, 7, 20, 59, 3600, 20_000]))
    for gate in gates:
        gate.close()
    assert most_in(counted, 60) <= per_minute
    assert day is None or most_in(counted, 86_400) <= day


@pytest.mark.parametrize(("headers", "free_at"), [(None, 120 + 60), ({}, 30 + 60)])
def test_what_was_given_up_may_still_be_counted(tmp_path, headers, free_at):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=1, max_wait=0, timeout_seconds=120)
    slot = gate.acquire("x")
    clock.seconds = 30
    slot.release(headers, None)
    with pytest.raises(RateLimited) as limited:
        gate.acquire("x")
    assert limited.value.retry_after == pytest.approx(free_at - 30, abs=0.01)
    clock.seconds = free_at + 0.001
    gate.acquire("x")
    gate.close()


def test_a_gate_that_waits_gives_all_the_limit_allows(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=10, max_wait=90)
    started = []
    for _ in range(50):
        slot = gate.acquire("x")
        started.append(clock.seconds)
        slot.release({}, 200)
    assert most_in(started, 60) == 10
    assert clock.seconds == pytest.approx(240, abs=0.1)
    assert max(clock.naps) <= 1
    gate.close()


def test_a_killed_holder_frees_after_timeout_and_window(tmp_path):
    clock = Clock()
    killed = make(tmp_path, clock, per_minute=1)
    killed.acquire("x")
    killed.close()
    gate = make(tmp_path, clock, per_minute=1)
    clock.seconds = 89.9
    with pytest.raises(RateLimited):
        gate.acquire("x")
    clock.seconds = 90.001
    gate.acquire("x").release({}, 200)
    gate.close()


def test_errors_say_which_window_and_how_long(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=3, per_day=5, max_wait=90)
    hasty = make(tmp_path, clock, per_minute=3, per_day=5, max_wait=0)
    spend(gate, 3)
    with pytest.raises(RateLimited) as minute:
        hasty.acquire("x")
    hasty.close()
    assert minute.value.retry_after == pytest.approx(60, abs=0.01)
    spend(gate, 2)
    with pytest.raises(QuotaSpent) as day:
        gate.acquire("x")
    assert day.value.retry_after == pytest.approx(86_400 - 60, abs=1)
    assert not clock.naps[70:]  # it did not wait for the day
    gate.close()


def test_a_reserve_is_left_to_others_but_shuts_nobody_out(tmp_path):
    clock = Clock()
    crawler = make(tmp_path, clock, per_minute=5, per_day=100, reserve=2)
    person = make(tmp_path, clock, per_minute=5, per_day=100)
    assert (crawler.available().minute, crawler.available().day) == (3, 98)
    spend(crawler, 3)
    with pytest.raises(RateLimited):
        crawler.acquire("x")
    assert person.available().now == 2
    spend(person, 2)
    clock.seconds = 61
    greedy = make(tmp_path, clock, per_minute=5, per_day=None, reserve=50)
    spend(greedy, 1)
    for gate in (crawler, person, greedy):
        gate.close()


def slots_in(path) -> int:
    with sqlite3.connect(path / "gate.sqlite") as ledger:
        return ledger.execute("select count(*) from slots").fetchone()[0]


def test_without_limits_no_request_is_listed(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=None, per_day=None)
    spend(gate, 1000, headers={"Content-Type": "application/json"})
    assert gate.available().now is None
    assert slots_in(tmp_path) == 0
    OpenGate().acquire("x").release(None, None)


def test_a_ledger_that_was_never_needed_is_not_a_lost_one(tmp_path):
    clock = Clock(seconds=1000)
    gate = make(tmp_path, clock, per_minute=None, per_day=None, history=lambda: [START], uncommitted=250)
    spend(gate, 1, headers={"Retry-After": "2"}, status=429)
    clock.seconds += 2.1
    spend(gate, 50)
    assert clock.naps == []


def test_a_limit_that_comes_after_a_time_without_one_counts_what_was_sent(tmp_path):
    clock = Clock(seconds=100)
    sent = [START + dt.timedelta(seconds=second) for second in range(8)]
    free = make(tmp_path, clock, per_minute=None, per_day=None)
    spend(free, 8)
    free.close()
    gate = make(tmp_path, clock, per_minute=None, per_day=10, history=lambda: sent, uncommitted=250)
    assert gate.available().now == 0, "closed for a minute: what was under way may still be on its way"
    clock.seconds += 61
    spend(gate, 2)
    with pytest.raises(QuotaSpent):
        gate.acquire("list_messages")


def test_a_pause_that_the_crm_asked_for_is_named_as_such(tmp_path):
    gate = make(tmp_path, Clock())
    spend(gate, 1, headers={"Retry-After": "86400"}, status=429)
    with pytest.raises(RateLimited, match="asked for a pause") as refused:
        gate.acquire("list_messages")
    assert refused.value.retry_after > 80_000


def limits(clock: Clock, remaining: int, *, limit=10, after=60.0) -> dict[str, str]:
    reset = (clock.now() + dt.timedelta(seconds=after)).timestamp()
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": f"{reset:.0f}",
    }


def test_the_servers_word_binds_every_process(tmp_path):
    clock = Clock()
    one, other = (make(tmp_path, clock, per_minute=None, per_day=None) for _ in range(2))
    overlapping = other.acquire("x")
    under_way = one.acquire("x")
    spend(one, 1, headers=limits(clock, 4, after=30))
    # `under_way` may not be in the server's four; `overlapping`, of a process that had heard of no limit, is unknown.
    assert one.available().minute == other.available().minute == 3
    spend(other, 3)
    with pytest.raises(RateLimited):
        one.acquire("x")
    under_way.release({}, 200)
    overlapping.release({}, 200)
    clock.seconds = 30.001
    assert one.available().minute == 10 - 5  # the limit is believed, and what passed since is known
    for gate in (one, other):
        gate.close()


def test_the_server_cannot_raise_the_limit(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=5, per_day=None)
    spend(gate, 5, headers=limits(clock, 900, limit=1000))
    with pytest.raises(RateLimited):
        gate.acquire("x")
    gate.close()


@pytest.mark.parametrize("is_day", [False, True])
@pytest.mark.parametrize("is_given_up", [False, True])
def test_requests_that_never_were_answered_are_taken_off_what_remains_only_while_they_may_be_seen(
    tmp_path, is_given_up, is_day
):
    """Each kill and each timeout lowered what the server said it takes, for good: ten of them, and a crawl stood."""
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=None)

    def say(remaining: int) -> None:
        spend(gate, 1, headers=limits(clock, remaining, limit=100, after=86_400 if is_day else 60))

    say(9)
    for _ in range(4):
        slot = gate.acquire("list_messages")
        if is_given_up:
            slot.release(None, None)
    say(8)
    assert gate.available().now == 4, "the server may still come to see the four"
    clock.sleep(30 + 60 + 1)  # their longest duration, and what a clock may go back by unnoticed
    say(7)
    assert gate.available().now == 7
    gate.close()


def test_an_older_answer_does_not_overrule_a_younger_one(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=20, per_day=None)
    older = gate.acquire("x")
    clock.seconds = 1
    spend(gate, 1, headers=limits(clock, 2))
    older.release(limits(clock, 9), 200)
    assert gate.available().minute == 1  # two left, and the older one may not be among those counted
    gate.close()


def test_a_day_used_up_by_the_servers_word_is_quota_spent(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=None, per_day=None, max_wait=90)
    spend(gate, 1, headers=limits(clock, 0, limit=1000, after=7200))
    with pytest.raises(QuotaSpent) as spent:
        gate.acquire("x")
    assert spent.value.retry_after == pytest.approx(7200, abs=1)
    assert gate.available().day == 0
    gate.close()


@pytest.mark.parametrize(
    ("status", "headers", "closed"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {"retry-after": "Sun, 01 Mar 2026 00:00:09 GMT"}, 9),
        (503, {"Retry-After": "3"}, 3),
        (429, {}, 0),
        (429, {"Retry-After": "soon"}, 0),
        (200, {"Retry-After": "7"}, 0),
        (429, {"Retry-After": "999999999"}, 86_400),
        (429, {"Retry-After": "1000000000000"}, 86_400),
        (429, {"Retry-After": "9" * 400}, 86_400),
        (429, {"Retry-After": "-5"}, 0),
        (429, {"Retry-After": "1.5"}, 1.5),
        (429, {"Retry-After": "Sunday, 01-Mar-26 00:00:09 GMT"}, 9),
        (429, {"Retry-After": "Sun Mar  1 00:00:09 2026"}, 9),
        (429, {"Retry-After": "Sun, 01 Mar 2026 03:00:09 +0300"}, 9),
        (429, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
        (429, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0),
        (429, {"Retry-After": "Sun, 01 Mar 10000 00:00:00 GMT"}, 0),
    ],
)
def test_retry_after_closes_the_gate_for_all(tmp_path, status, headers, closed):
    clock = Clock()
    one, other = (make(tmp_path, clock, per_minute=None, per_day=None) for _ in range(2))
    spend(one, 1, headers=headers, status=status)
    if closed:
        with pytest.raises(RateLimited) as limited:
            other.acquire("x")
        assert limited.value.retry_after == pytest.approx(closed, abs=0.01)
    clock.seconds = closed + 0.001
    spend(other, 1)
    for gate in (one, other):
        gate.close()


def test_a_lost_file_is_rebuilt_from_what_is_on_record(tmp_path):
    clock = Clock()
    earlier = [START - dt.timedelta(hours=hours) for hours in (1, 2, 30)]
    gate = make(tmp_path, clock, per_minute=5, per_day=10, history=lambda: earlier, uncommitted=3)
    with pytest.raises(RateLimited):
        gate.acquire("x")
    clock.seconds = 91
    assert gate.available().day == 10 - 2 - 3
    (tmp_path / "gate.sqlite").unlink()  # under a running process
    with pytest.raises(RateLimited):
        gate.acquire("x")
    gate.rebuild([], uncommitted=4)
    clock.seconds = 200
    assert gate.available().day == 6
    gate.close()


def test_after_a_loss_nobody_sends_before_time_out_and_window(tmp_path):
    """What was under way when the file was lost is counted until its time-out, and then for a window."""
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=5, timeout_seconds=30, history=lambda: [START])
    closed = gate.closed()
    assert closed is not None
    assert closed.until == START + dt.timedelta(seconds=90)
    assert "rebuilt" in closed.why
    clock.seconds = 89.9
    with pytest.raises(RateLimited, match="closed until 2026-03-01 00:01:30 UTC"):
        gate.acquire("x")
    clock.seconds = 90.001
    spend(gate, 4)
    gate.close()


def test_a_file_lost_under_a_running_process_is_a_loss_even_where_nothing_is_on_record(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=5, timeout_seconds=30)
    spend(gate, 5)
    (tmp_path / "gate.sqlite").unlink()
    assert gate.closed().until == START + dt.timedelta(seconds=90)
    with pytest.raises(RateLimited):
        gate.acquire("x")
    clock.seconds = 90.001
    spend(gate, 5)
    gate.close()


DAY = 86_400.0


@pytest.mark.parametrize("ahead", [7200.0, 30 * DAY, 4000 * DAY])
@pytest.mark.parametrize("answered", [True, False])
def test_a_clock_that_ran_ahead_costs_no_more_than_a_window(tmp_path, ahead, answered):
    """Field case 65: the gate was shut for the thirty days that the clock had been ahead."""
    clock = Clock(seconds=ahead)
    gate = make(tmp_path, clock, per_minute=3, timeout_seconds=30)
    slots = [gate.acquire("x") for _ in range(3)]
    for slot in slots if answered else ():
        slot.release({}, 200)
    clock.seconds = 5.0
    with pytest.raises(RateLimited):
        gate.acquire("x")
    clock.seconds = 5.0 + 60 + (0 if answered else 30) + 0.001
    spend(gate, 3)
    gate.close()


@pytest.mark.parametrize("pause", [7, 30_000, 10**12])
def test_a_pause_asked_for_under_a_clock_that_ran_ahead_keeps_its_length(tmp_path, pause):
    """Field case 65: closings follow the clock, too."""
    clock = Clock(seconds=30 * DAY)
    gate = make(tmp_path, clock, per_minute=None)
    spend(gate, 1, headers={"Retry-After": str(pause)}, status=429)
    clock.seconds = 100
    closed = gate.closed()
    assert closed is not None
    assert closed.until == clock.now() + dt.timedelta(seconds=min(pause, DAY))
    clock.seconds += min(pause, DAY) + 0.001
    spend(gate, 1)
    gate.close()


@pytest.mark.parametrize("remaining", [0, 2])
def test_what_the_server_said_under_another_clock_is_not_believed_for_long(tmp_path, remaining):
    clock = Clock(seconds=30 * DAY)
    gate = make(tmp_path, clock, per_minute=None)
    spend(gate, 1, headers=limits(clock, remaining))
    clock.seconds = 100
    gate.available()
    clock.seconds += 61
    spend(gate, 5)
    assert gate.limits().minute == 10
    clock.seconds += DAY
    assert gate.limits().minute is None
    gate.close()


def test_a_clock_that_starts_in_1970_and_is_set_right_shuts_nobody_out(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=2, per_day=50)
    spend(gate, 2)
    clock.seconds = -START.timestamp() + 1
    with pytest.raises(RateLimited):
        gate.acquire("x")
    clock.seconds += 61
    spend(gate, 2)
    clock.seconds = 200
    spend(gate, 2)
    gate.close()


def test_who_waits_for_a_slot_while_the_clock_is_set_back_waits_no_longer(tmp_path):
    """Patience is counted in naps: by a clock that is set back it would last until the clock is there again."""
    clock = Clock(seconds=30 * DAY)
    gate = make(tmp_path, clock, per_minute=1, per_day=1, max_wait=10)
    spend(gate, 1)

    def set_back(seconds: float) -> None:
        clock.sleep(seconds)
        clock.seconds = min(clock.seconds, 1000 * len(clock.naps))

    gate._sleep = set_back
    with pytest.raises((QuotaSpent, RateLimited)):
        gate.acquire("x")
    assert sum(clock.naps) <= 10
    gate.close()


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), per_minute=st.integers(1, 5))
def test_however_the_clock_steps_the_limit_holds_but_across_a_step_forward(tmp_path_factory, seed, per_minute):
    """Answers and slots under steps of hours and months, both ways; real time never stands still or runs back."""
    chance = random.Random(seed)
    clock, timeout = Clock(), 20.0
    gate = make(tmp_path_factory.mktemp("gate"), clock, per_minute=per_minute, timeout_seconds=timeout)
    real, stretches, longest = 0.0, [[]], 0.0
    under_way = []

    def pass_time(seconds: float) -> None:
        nonlocal real
        real += seconds
        clock.seconds += seconds
        for one in [one for one in under_way if real - one[0] > 6]:
            under_way.remove(one)
            stretches[-1].append(one[0] + 6)
            one[1].release({}, None)

    for _ in range(80):
        what = chance.random()
        if what < 0.5:
            try:
                under_way.append((real, gate.acquire("x")))
            except RateLimited as limited:
                longest = max(longest, limited.retry_after)
                pass_time(chance.choice([0.5, 5, 40]))
        elif what < 0.7 and under_way:
            since, slot = under_way.pop(chance.randrange(len(under_way)))
            stretches[-1].append(chance.uniform(since, real))
            slot.release({}, 200)
        elif what < 0.85:
            pass_time(chance.choice([0.3, 1, 7, 59]))
        else:
            step = chance.choice([-4000 * DAY, -30 * DAY, -7200, -90, -20, 90, 7200, 30 * DAY])
            if step > 0:
                pass_time(7)  # what was under way is over
                stretches.append([])
            clock.seconds += step
    gate.close()
    assert longest <= 60 + 60 + timeout + 1, "shut for no longer than a window, a time-out and the slack of clocks"
    assert all(most_in(stretch, 60) <= per_minute for stretch in stretches)


def test_a_closed_gate_says_until_when_and_why(tmp_path):
    """Field case 24: one 429 with `Retry-After: 30000`, and nobody said until when."""
    clock = Clock()
    gate = make(tmp_path, clock)
    assert gate.closed() is None
    assert OpenGate().closed() is None
    spend(gate, 1, headers={"Retry-After": "30000"}, status=429)
    other = make(tmp_path, clock)
    closed = other.closed()
    assert closed is not None
    assert closed.until == START + dt.timedelta(seconds=30_000)
    assert str(closed) == "until 2026-03-01 08:20:00 UTC: the CRM asked for a pause (HTTP 429, Retry-After)"
    with pytest.raises(RateLimited, match="until 2026-03-01 08:20:00 UTC"):
        other.acquire("list_messages")
    clock.seconds = 30_000.001
    assert other.closed() is None
    for one in (gate, other):
        one.close()


def test_a_gate_that_the_rate_headers_closed_says_so(tmp_path):
    """Field case 24, of a server that sends no Retry-After."""
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=None)
    spend(gate, 1, headers=limits(clock, 0, limit=1000, after=7200), status=429)
    closed = gate.closed()
    assert closed is not None
    assert closed.until == START + dt.timedelta(hours=2)
    assert "this day (X-RateLimit-Remaining: 0)" in closed.why
    gate.close()


def test_a_shorter_pause_does_not_end_a_longer_one(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=None)
    long, short = gate.acquire("x"), gate.acquire("x")
    long.release({"Retry-After": "600"}, 429)
    short.release({"Retry-After": "5"}, 503)
    closed = gate.closed()
    assert closed is not None
    assert closed.until == START + dt.timedelta(seconds=600)
    assert "429" in closed.why
    gate.close()


SERVER_OF_VERSION_1 = """
CREATE TABLE server (               -- what the server said last, one row
    closed_until INTEGER NOT NULL,  -- Retry-After: nobody sends before
    said_for INTEGER NOT NULL,      -- slot whose answer carried what follows
    minute_limit INTEGER,
    day_limit INTEGER,
    limits_until INTEGER NOT NULL,  -- limits are believed for a day after they were last heard
    remaining INTEGER,              -- requests that the server still takes
    counts_days INTEGER NOT NULL,   -- whether `remaining` is of a day
    remaining_until INTEGER NOT NULL,
    unlisted_at INTEGER NOT NULL    -- when requests last passed without a slot, since nothing limited anybody
)
"""


def test_a_ledger_of_the_version_before_is_taken_over(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=2)
    spend(gate, 2)
    gate.close()
    with sqlite3.connect(tmp_path / "gate.sqlite") as ledger:
        ledger.execute("DROP TABLE server")
        ledger.execute(SERVER_OF_VERSION_1)
        closed_until = round((START.timestamp() + 600) * 1_000_000)
        ledger.execute("INSERT INTO server VALUES (?, 0, NULL, NULL, 0, NULL, 0, 0, 0)", (closed_until,))
        ledger.execute("PRAGMA user_version = 1")
    later = make(tmp_path, clock, per_minute=2)
    closed = later.closed()
    assert closed is not None
    assert closed.until == START + dt.timedelta(seconds=600)
    clock.seconds = 601
    spend(later, 2)
    later.close()


def test_a_first_start_is_not_a_loss(tmp_path):
    gate = make(tmp_path, Clock(), per_minute=5, per_day=10, history=list)
    spend(gate, 5)
    gate.close()


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "gate.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(GiveUp, match="move it away"):
        make(tmp_path, Clock()).acquire("x")


def test_a_full_disk_is_no_damaged_file(tmp_path, monkeypatch):
    (tmp_path / "gate.sqlite").write_bytes(b"no database" * 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(GiveUp, match="its disk is full: make room"):
        make(tmp_path, Clock()).acquire("x")


def test_a_ledger_that_cannot_be_written_loses_no_answer(tmp_path, caplog):
    gate = make(tmp_path, Clock(), per_minute=5)
    slot = gate.acquire("x")
    gate.close()
    (tmp_path / "gate.sqlite").write_bytes(b"no database" * 1000)
    for leftover in ("gate.sqlite-wal", "gate.sqlite-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    slot.release({}, 200)
    assert "did not take note" in caplog.text


def test_old_slots_are_purged(tmp_path):
    clock = Clock()
    gate = make(tmp_path, clock, per_minute=1000, per_day=None)
    for _ in range(4):
        spend(gate, 65)
        clock.seconds += 200
    gate.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "gate.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM slots").fetchone()[0] < 130


HOLDER = """
import datetime as dt, random, sys, threading, time
from pathlib import Path
from crm_platform.api import SqliteGate

path, zero = Path(sys.argv[1]), float(sys.argv[2])
limit, speed, seconds = int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
passed = lambda: (time.time() - zero) * speed
gate = SqliteGate(path, per_minute=limit, per_day=None, timeout_seconds=30, max_wait=1e6,
                  now=lambda: start + dt.timedelta(seconds=passed()), sleep=lambda s: time.sleep(min(s, 5) / speed))

until = passed() + seconds  # from here: on a busy machine the start alone may take that long

def work(seed):
    chance = random.Random(seed)
    while passed() < until:
        slot = gate.acquire("x")
        print(f"{passed():.6f}", flush=True)    # the server counts it here at the earliest
        time.sleep(chance.random() * 4 / speed)
        slot.release({}, 200)

threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.slow
def test_real_processes_and_threads_share_one_limit(tmp_path):
    """Two processes of three threads, one killed on the way, at 100 times the speed of life."""
    zero, speed, limit, seconds = time.time(), 100.0, 8, 150.0
    path = tmp_path / "gate.sqlite"

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(path), str(zero), str(limit), str(speed), str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first, second = start(), start()
    time.sleep(0.8)
    first.send_signal(signal.SIGKILL)
    third = start()
    told = [holder.communicate(timeout=60) for holder in (first, second, third)]
    assert not any(errors for _, errors in told)  # nobody was refused the file
    sent = [float(line) for lines, _ in told for line in lines.split()]
    assert len(sent) > limit  # the window moved on at least once
    assert most_in(sent, 60) <= limit
    assert third.returncode == second.returncode == 0


@pytest.mark.parametrize(("ours", "refusals"), [(None, 1), (30, 0)])
def test_the_limit_of_a_crm_is_kept(tmp_path, ours, refusals):
    """100 requests at a CRM that takes 30 a minute: spread over the minutes, hardly ever refused.

    Where the limit is not configured the first word of it comes with the first answer.
    """
    clock = Clock()
    world = ManualClock(START)
    sandbox = Sandbox(
        SandboxOptions(contacts=10, days=5, start=START, clock="manual", requests_per_minute=30), clock=world
    )

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        world.set(clock.now())

    gate = SqliteGate(tmp_path / "gate.sqlite", per_minute=ours, per_day=None, now=clock.now, sleep=sleep)
    with connect(SandboxTransport(sandbox), gate=gate, now=clock.now, sleep=sleep) as client:
        for _ in range(100):
            client.list_custom_fields()
    gate.close()
    stats = sandbox.stats()
    assert stats.most_in_60s <= 30
    assert stats.by_status.get("429", 0) <= refusals
    assert clock.seconds < 184
