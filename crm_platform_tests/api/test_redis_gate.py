"""The gate that several hosts share, in a real Redis: what it says and keeps (its promise: test_redis_promise.py)."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import socket
import time

import pytest

from crm_platform.api.redis_gate import RedisGate
from crm_platform.errors import Busy, FixConfiguration, QuotaSpent, RateLimited
from crm_platform_tests.alerts.mailbox import CERTIFICATE
from crm_platform_tests.redis_process import RedisProcess, connected, running

pytestmark = pytest.mark.services

TIMES = (
    "at",
    "since",
    "day_asked",
    "closed_until",
    "closed_at",
    "limits_until",
    "remaining_until",
    "said_began",
    "forgot_at",
)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


class Shared:
    """One ledger. Time passes by making all that it knows older."""

    def __init__(self, process: RedisProcess, *, settings: dict[str, str] | None = None) -> None:
        self.process = process
        self.server = connected(process, **(settings or {}))
        with self.server.asking() as client:
            client.flushall()

    def gate(self, *, opened: bool = True, **options) -> RedisGate:
        options = {"per_minute": 5, "per_day": None, "timeout_seconds": 30.0, "max_wait": 0.0, "host": "a"} | options
        gate = RedisGate(self.server, **options)
        if opened and gate.closed():
            gate.available()
            self.sleep(30 + 60.1)
        return gate

    def sleep(self, seconds: float) -> None:
        micros = round(seconds * 1e6)
        hash_, slots = self.server.key("gate"), self.server.key("gate:slots")
        with self.server.asking() as client, client.pipeline() as step:
            for name, known in client.hgetall(hash_).items():
                if name.decode() in TIMES and int(known):
                    step.hincrby(hash_, name, -micros)
            older = {slot: until - micros for slot, until in client.zrange(slots, 0, -1, withscores=True)}
            if older:
                step.zadd(slots, older)
            step.execute()


@pytest.fixture
def shared(process):
    return Shared(process)


def spend(gate, count, *, headers=None, status=200):
    for _ in range(count):
        gate.acquire("x").release(headers or {}, status)


def wait_of(gate) -> float:
    return (gate.opens_at() - dt.datetime.now(dt.UTC)).total_seconds()


def test_a_minute_holds_its_limit_for_all_holders_together(shared):
    one, other = shared.gate(), shared.gate()
    spend(one, 3)
    spend(other, 2)
    assert one.available().minute == other.available().minute == 0
    with pytest.raises(RateLimited, match="no request is free this minute") as refused:
        one.acquire("x")
    assert refused.value.retry_after == pytest.approx(60, abs=2)
    shared.sleep(60.1)
    assert one.available().minute == 5
    spend(other, 5)


def test_a_day_is_quota_spent(shared):
    gate = shared.gate(per_minute=None, per_day=7)
    spend(gate, 7)
    with pytest.raises(QuotaSpent) as refused:
        gate.acquire("x")
    assert refused.value.retry_after == pytest.approx(86_400, abs=2)
    shared.sleep(86_000)
    assert gate.available().day == 0
    shared.sleep(401)
    assert gate.available().day == 7


def test_a_slot_is_taken_until_the_answer_and_then_for_a_window(shared):
    gate = shared.gate(per_minute=1)
    slot = gate.acquire("x")
    shared.sleep(25)
    slot.release({}, 200)
    shared.sleep(59)
    assert gate.available().minute == 0
    shared.sleep(2)
    assert gate.available().minute == 1


def test_a_killed_holder_frees_after_timeout_and_window(shared):
    gate = shared.gate(per_minute=1)
    gate.acquire("x")
    assert wait_of(gate) == pytest.approx(60, abs=1), "its answer may come now"
    shared.sleep(89)
    assert gate.available().minute == 0
    shared.sleep(2)
    assert gate.available().minute == 1


def test_what_was_given_up_may_still_be_counted(shared):
    gate = shared.gate(per_minute=1)
    gate.acquire("x").release(None, None)
    assert wait_of(gate) == pytest.approx(90, abs=1)
    shared.sleep(89)
    assert gate.available().minute == 0
    shared.sleep(2)
    assert gate.available().minute == 1


def test_a_reserve_is_left_to_others_but_shuts_nobody_out(shared):
    crawler, person = shared.gate(reserve=3), shared.gate()
    spend(crawler, 2)
    with pytest.raises(RateLimited):
        crawler.acquire("x")
    spend(person, 3)
    shared.sleep(60.1)
    assert shared.gate(per_minute=2, reserve=3).available().minute == 1


def test_without_limits_everything_passes_and_nothing_is_asked(shared):
    gate = shared.gate(per_minute=None, opened=False, history=lambda: pytest.fail("nobody needs it"))
    spend(gate, 50)
    assert (gate.available().now, gate.closed(), gate.opens_at()) == (None, None, None)
    assert gate.limits().now is None


def test_the_servers_word_binds_every_process_and_never_raises_the_limit(shared):
    one, other = shared.gate(), shared.gate()
    spend(one, 1, headers={"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "60"})
    assert other.limits().minute == 3
    assert other.available().minute == 2
    spend(other, 2)
    with pytest.raises(RateLimited):
        one.acquire("x")
    shared.sleep(60.1)
    spend(one, 1, headers={"X-RateLimit-Limit": "3000"})
    assert other.limits().minute == 5


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_closes_the_gate_for_all(shared, status):
    one, other = shared.gate(), shared.gate()
    spend(one, 1, headers={"Retry-After": "600"}, status=status)
    assert "the CRM asked for a pause" in str(other.closed())
    with pytest.raises(RateLimited, match="the gate is closed until") as refused:
        other.acquire("x")
    assert refused.value.retry_after == pytest.approx(600, abs=2)
    shared.sleep(601)
    assert other.closed() is None


def test_what_remains_counts_those_under_way_and_those_that_never_were_answered(shared):
    gate = shared.gate(per_minute=50)
    lost, under_way = gate.acquire("x"), gate.acquire("x")
    lost.release(None, None)
    spend(gate, 1, headers={"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "10", "X-RateLimit-Reset": "60"})
    assert gate.available().minute == 8, "the server may not have counted two of them yet"
    under_way.release({}, 200)
    shared.sleep(31)
    spend(gate, 1, headers={"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "60"})
    assert gate.available().minute == 9, "what was given up longer ago than it can take is counted or was never sent"


def test_an_older_answer_does_not_overrule_a_younger_one(shared):
    gate = shared.gate(per_minute=50)
    older, younger = gate.acquire("x"), gate.acquire("x")
    younger.release({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "60"}, 200)
    older.release({"X-RateLimit-Remaining": "40", "X-RateLimit-Reset": "60"}, 200)
    # The older came after the younger was counted or not: it is taken off.
    assert gate.available().minute in {2, 3}


def test_a_day_used_up_by_the_servers_word_is_quota_spent(shared):
    gate = shared.gate(per_minute=50)
    spend(gate, 1, headers={"X-RateLimit-Limit": "500", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7200"})
    assert "takes no more requests this day" in str(gate.closed())
    with pytest.raises(QuotaSpent) as refused:
        gate.acquire("x")
    assert refused.value.retry_after == pytest.approx(7200, abs=2)


def lose_by_emptying(shared):
    with shared.server.asking() as client:
        client.flushall()


def lose_by_starting_again(shared):
    shared.process.restart()
    shared.server.close()


def lose_by_a_clock_set_back(shared):
    shared.sleep(-3600)


def lose_by_a_clock_that_steps_forward(shared):
    shared.sleep(-40)


def lose_by_a_state_of_before(shared):
    with shared.server.asking() as client:
        client.save()
    shared.gate(opened=False).acquire("x")
    lose_by_starting_again(shared)
    with shared.server.asking() as client:
        assert client.zcard(shared.server.key("gate:slots")) == 1, "its own file came back, from before that request"


LOSSES = [
    lose_by_emptying,
    lose_by_starting_again,
    lose_by_a_state_of_before,
    lose_by_a_clock_set_back,
    lose_by_a_clock_that_steps_forward,
]


@pytest.mark.parametrize("lose", LOSSES)
def test_after_a_loss_nobody_sends_before_time_out_and_window(shared, lose):
    gate = shared.gate()
    slot = gate.acquire("x")
    lose(shared)
    closed = gate.closed()
    assert "the account of requests is rebuilt" in str(closed)
    assert (closed.until - dt.datetime.now(dt.UTC)).total_seconds() == pytest.approx(30 + 60, abs=2)
    slot.release({"Retry-After": "200"}, 429)
    assert gate.closed().until > closed.until, "what the CRM says to a request from before still binds"
    shared.sleep(201)
    spend(gate, 5)
    with pytest.raises(RateLimited):
        gate.acquire("x")


def test_the_first_host_on_a_new_server_waits_too(shared):
    assert shared.gate(opened=False).closed() is not None


def test_the_days_count_is_told_by_each_host_once(shared):
    now = dt.datetime.now(dt.UTC)
    asked = []

    def sent(name, count):
        def history():
            asked.append(name)
            return [now - dt.timedelta(hours=1, seconds=number, microseconds=len(name)) for number in range(count)]

        return history

    first = shared.gate(per_day=100, host="a", history=sent("a", 30), uncommitted=4)
    assert first.available().day == 100 - 34
    again = shared.gate(per_day=100, host="a", history=sent("again", 30), uncommitted=4)
    assert again.available().day == 100 - 34
    other = shared.gate(per_day=100, host="other", history=sent("other", 20), uncommitted=4)
    assert other.available().day == first.available().day == 100 - 34 - 24
    same_store = shared.gate(per_day=100, host="c", history=sent("a", 30), uncommitted=0)
    assert same_store.available().day == 100 - 34 - 24, "hosts with one warehouse tell the same requests"
    assert asked == ["a", "other", "a"]


def test_a_long_history_is_told_in_parts(shared):
    now = dt.datetime.now(dt.UTC)
    history = [now - dt.timedelta(hours=2)] * 3 + [now - dt.timedelta(seconds=3600 + n) for n in range(12_000)]
    history += [now - dt.timedelta(days=3), now + dt.timedelta(hours=1)]
    gate = shared.gate(per_minute=None, per_day=20_000, history=lambda: history)
    assert gate.available().day == 20_000 - 12_003


def test_what_is_told_while_the_server_loses_it_is_told_again(shared):
    told = []

    def history():
        told.append(len(told))
        if len(told) == 1:
            lose_by_emptying(shared)
        return [dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)] * 40

    gate = shared.gate(per_day=50, opened=False, history=history)
    gate.available()
    assert gate.available().day == 10
    assert told == [0, 1]


def test_a_limit_a_day_that_comes_after_a_time_without_one_reads_as_a_loss(shared):
    gate = shared.gate()
    for _ in range(3):
        spend(gate, 5)
        shared.sleep(300)
    spend(gate, 1)
    history = [dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)] * 40
    limited = shared.gate(per_day=50, opened=False, history=lambda: history)
    assert limited.closed() is not None
    assert limited.available().day == 10


def test_old_slots_are_forgotten(shared):
    gate = shared.gate(per_minute=100)
    for _ in range(4):
        spend(gate, 30)
        shared.sleep(200)
    with shared.server.asking() as client:
        assert client.zcard(shared.server.key("gate:slots")) <= 60
        assert client.zcard(shared.server.key("gate:lasts")) <= 60


def test_a_server_that_is_away_is_waited_for(tmp_path, caplog):
    naps = []
    with running(tmp_path) as process:
        gate = RedisGate(connected(process, patience=0.3), per_minute=5, per_day=None, host="a", max_wait=0.0)
        process.kill()
        with pytest.raises(Busy, match=f"Redis at 127.0.0.1:{process.port} does not answer"):
            gate.acquire("x")

        def nap(seconds):
            naps.append(seconds)
            if len(naps) == 3:
                process.start()

        patient = RedisGate(
            connected(process, patience=0.3), per_minute=None, per_day=None, host="a", max_wait=30.0, sleep=nap
        )
        slot = patient.acquire("x")
        assert len(naps) == 3
        process.kill()
        slot.release({}, 200)
        assert "did not take note of an answer" in caplog.text


def test_a_frozen_server_delays_nobody_for_longer_than_its_patience(tmp_path):
    with running(tmp_path) as process:
        gate = RedisGate(connected(process, patience=0.3), per_minute=5, per_day=None, max_wait=0.0)
        assert gate.closed() is not None
        process.signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Busy):
            gate.available()
        assert time.monotonic() - began < 3
        process.signal(signal.SIGCONT)
        assert gate.available().minute == 0


def test_a_password_is_used_and_never_shown(tmp_path, caplog):
    with running(tmp_path, password="hunter2-of-redis") as process:
        wrong = f"redis://:wrong-word@127.0.0.1:{process.port}/0"
        for settings in ({}, {"redis_url": wrong}, {"redis_password": "wrong-word"}):
            gate = RedisGate(connected_with(process, settings), per_minute=5, per_day=None, max_wait=0.0)
            with pytest.raises(FixConfiguration, match="CRM_REDIS_PASSWORD") as refused:
                gate.available()
            assert "wrong-word" not in str(refused.value)
            assert refused.value.__cause__ is None
        for settings in (
            {"redis_password": "hunter2-of-redis"},
            {"redis_url": wrong.replace("wrong-word", "hunter2-of-redis")},
        ):
            server = connected_with(process, settings)
            assert RedisGate(server, per_minute=5, per_day=None).closed() is not None
            with server.asking() as client:
                assert "hunter2" not in repr(client) + repr(server) + repr(server.__dict__)
    assert "hunter2" not in caplog.text


def test_over_tls_only_to_a_server_whose_certificate_is_known(tmp_path, monkeypatch):
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    own = (
        "--tls-cert-file",
        str(CERTIFICATE),
        "--tls-key-file",
        str(CERTIFICATE),
        "--tls-ca-cert-file",
        str(CERTIFICATE),
    )
    with running(tmp_path, "--tls-port", str(port), *own, "--tls-auth-clients", "no") as process:
        address = {"redis_url": f"rediss://localhost:{port}/0"}
        with pytest.raises(FixConfiguration, match="SSL_CERT_FILE"):
            RedisGate(connected_with(process, address), per_minute=5, per_day=None).closed()
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert RedisGate(connected_with(process, address), per_minute=5, per_day=None).closed() is not None


def connected_with(process, settings):
    from crm_platform.redis_server import RedisServer
    from crm_platform.settings import Settings

    return RedisServer(Settings(**{"redis_url": process.url} | settings), patience=2.0)


def test_hosts_of_another_crm_have_a_gate_of_their_own(shared):
    gate = shared.gate()
    spend(gate, 5)
    other = connected(shared.process, base_url="https://crm.example.com", api_key="k")
    with contextlib.closing(RedisGate(other, per_minute=5, per_day=None, host="a")) as apart:
        assert apart.closed() is not None
    assert gate.closed() is None
