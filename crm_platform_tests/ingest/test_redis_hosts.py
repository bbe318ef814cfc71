"""Two hosts with data folders of their own crawl one CRM through one gate in Redis.

Their clock is virtual. Where one of them sleeps, all that Redis knows grows older by as much.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from crm_platform.api.redis_gate import RedisGate
from crm_platform.ingest.connect import MOST_UNCOMMITTED, gate_to_look_at, open_gate
from crm_platform_tests.api.test_redis_gate import Shared
from crm_platform_tests.in_process import VirtualTime, world
from crm_platform_tests.redis_process import running

pytestmark = pytest.mark.services

LIMIT, DAY = 40, 100_000
CRM = {"base_url": "http://127.0.0.1:1", "api_key": "sandbox"}


@dataclass
class Both(VirtualTime):
    """The time of two hosts and of their Redis."""

    shared: Shared | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.shared is None or not seconds:
            return
        if self.shared.process.process is None:
            self.shared.process.start()  # it was killed, and is there again when somebody has waited
        self.shared.sleep(seconds)


@pytest.fixture
def shared(tmp_path):
    with running(tmp_path / "redis") as server:
        yield Shared(server, settings=CRM)


@pytest.fixture
def hosts(tmp_path, shared):
    limits = {"requests_per_minute": LIMIT, "requests_per_day": DAY, "redis_url": shared.process.url}
    first, second = (world(tmp_path / name, limits=limits) for name in ("first", "second"))
    second.sandbox = first.sandbox
    first.time.__class__ = second.time.__class__ = Both
    second.time = first.time
    first.time.shared = shared
    return first, second


def sent(host) -> int:
    return host.rows("select count(*) as n from ops.fetches")[0]["n"]


def test_both_make_progress_and_together_they_keep_the_limit(hosts, shared):
    first, second = hosts
    for host in hosts:
        assert open_gate(host.settings).closed() is not None, "no host knows what another has sent"
    first.time.sleep(181)
    for _ in range(3):
        first.crawl(requests=35)
        second.crawl(requests=30)
    assert sent(first) == 3 * 35
    assert sent(second) == 3 * 30
    counted = first.sandbox.stats()
    assert counted.most_in_60s <= LIMIT
    assert all(host.rows("select count(*) as n from raw.messages")[0]["n"] for host in hosts)
    assert not any(host.settings.gate_path.exists() for host in hosts), "nothing is counted in a file besides"
    left = [open_gate(host.settings).available().day for host in hosts]
    assert left == [DAY - 3 * 65 - 2 * MOST_UNCOMMITTED] * 2, "one account of the day, for both"


def test_a_crawl_outlives_its_redis(hosts, shared):
    first, second = hosts
    open_gate(first.settings).closed()
    first.time.sleep(181)
    asked = iter(range(10**6))

    def kill() -> None:
        if next(asked) in {10, 60}:
            shared.process.kill()

    first.on_request = kill
    outcomes = first.crawl(minutes=12)
    assert shared.process.process is not None
    assert sent(first) > 100, "it goes on by itself, after each closed time"
    assert first.sandbox.stats().most_in_60s <= LIMIT
    assert any(outcome.table.table == "messages" for outcome in outcomes)
    assert second.rows("select count(*) as n from ops.fetches")[0]["n"] == 0


def test_after_a_loss_a_reader_sees_it_and_who_sends_tells_the_day(hosts, shared):
    with shared.server.asking() as client:
        client.flushall()
    looked = gate_to_look_at(hosts[0].settings)
    assert "rebuilt" in str(looked.closed())
    assert looked.available().day == DAY, "a reader tells nothing"
    left = [open_gate(host.settings).available().day for host in hosts]
    assert left == [DAY - MOST_UNCOMMITTED, DAY - 2 * MOST_UNCOMMITTED]


def test_who_comes_back_to_a_file_begins_anew(hosts, shared):
    first, _ = hosts
    alone = first.settings.model_copy(update={"redis_url": None})
    with contextlib.closing(open_gate(alone)) as gate:
        gate.acquire("x").release({}, 200)
    open_gate(first.settings)
    assert not list(first.settings.root.glob("gate.sqlite*"))
    first.time.sleep(181)
    first.crawl(requests=5)
    assert open_gate(alone).closed() is not None


def test_a_data_folder_keeps_its_name(hosts):
    names = [[open_gate(host.settings)._host for _ in range(2)] for host in hosts]
    assert names[0][0] == names[0][1] != names[1][0] == names[1][1]
    assert all(isinstance(open_gate(host.settings), RedisGate) for host in hosts)
    assert [path.name for path in hosts[0].settings.root.glob("gate.*")] == ["gate.id"]
