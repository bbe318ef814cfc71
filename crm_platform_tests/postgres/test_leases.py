"""Leases of several hosts: one at work at a time, named to the others, free when it dies, numbered for ever upwards."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from crm_platform.cli.status import status_lines
from crm_platform.errors import Busy, FixConfiguration, RetryLater
from crm_platform.settings import environment_with, load_settings
from crm_platform.warehouse import FileLeases, Leases, leases_of

pytestmark = pytest.mark.services

_HOLD = """
import sys
from crm_platform.settings import load_settings
from crm_platform.warehouse import leases_of

with leases_of(load_settings()).take("crawl", purpose="crm crawl") as lease:
    print(lease.epoch, flush=True)
    sys.stdin.readline()
"""


class Hosts:
    """Hosts with data folders of their own, and one database."""

    def __init__(self, url: SecretStr, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def environment(self, name: str, *, crm: str = "https://crm.example.com") -> dict[str, str]:
        secret = self.folder / "secret"
        secret.write_text(self.url.get_secret_value(), encoding="utf-8")
        return {
            "CRM_DATA_DIR": str(self.folder / name),
            "CRM_BASE_URL": crm,
            "CRM_API_KEY": "key",
            "CRM_COORDINATION_URL_FILE": str(secret),
        }

    def leases(self, name: str, **more: str) -> Leases:
        """The leases as a host knows them."""
        given = {key.removeprefix("CRM_").lower(): value for key, value in self.environment(name, **more).items()}
        return leases_of(load_settings(**given))

    def process(self, name: str) -> subprocess.Popen[str]:
        """A process on a host that holds the crawl until it reads a line, or is killed."""
        return subprocess.Popen(
            [sys.executable, "-c", _HOLD],
            env=environment_with() | self.environment(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def hosts(database, tmp_path) -> Hosts:
    return Hosts(database, tmp_path)


@pytest.fixture
def holder(hosts) -> Iterator[subprocess.Popen[str]]:
    process = hosts.process("one")
    yield process
    process.kill()
    process.communicate()


def _free_after(leases: Leases, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while leases.held_by("crawl") is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_second_host_hears_who_is_at_work(hosts, holder):
    epoch = int(holder.stdout.readline())
    other, told = hosts.leases("two"), []
    said = other.held_by("crawl")
    assert f"crm crawl (process {holder.pid} on " in said
    assert said.endswith(" UTC)")
    assert other.at_work() == {"crawl": said}
    waiting = other.take("crawl", purpose="crm crawl", wait=0.5, on_wait=told.append)
    with pytest.raises(Busy, match="crawl is already at work") as caught, waiting:
        pass
    assert caught.value.holder == said
    assert told == [said]
    with other.take("build", purpose="crm build") as build:
        assert build.epoch > epoch, "another kind of work goes on beside"
    assert str(hosts.url.get_secret_value()) not in Path(f"/proc/{holder.pid}/cmdline").read_text(encoding="utf-8")


def test_it_is_free_when_its_holder_is_killed(hosts, holder):
    epoch = int(holder.stdout.readline())
    other = hosts.leases("two")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert _free_after(other, 5)
    with other.take("crawl", purpose="crm crawl") as lease:
        assert lease.epoch > epoch
    assert other.at_work() == {}


def test_who_waits_gets_it_as_soon_as_it_is_free(hosts, holder):
    epoch = int(holder.stdout.readline())
    threading.Timer(0.5, holder.kill).start()
    with hosts.leases("two").take("crawl", purpose="crm crawl", wait=30) as lease:
        assert lease.epoch > epoch


def test_another_crm_has_leases_of_its_own(hosts):
    other = hosts.leases("two", crm="https://other.example.com")
    with hosts.leases("one").take("crawl", purpose="one") as first, other.take("crawl", purpose="two") as second:
        assert first.epoch != second.epoch
        assert set(other.at_work()) == {"crawl"}


def test_numbers_grow_over_all_hosts_and_from_files_and_back(hosts, tmp_path):
    files = FileLeases(tmp_path / "one" / "locks")
    for _ in range(5):
        last = files.next_epoch()
    one, two = hosts.leases("one"), hosts.leases("two")
    drawn = [two.next_epoch(), two.next_epoch()]
    with one.take("crawl", purpose="one") as lease:
        assert lease.epoch > max(last, *drawn), "this folder had counted further than the database"
    drawn = [lease.epoch, *(leases.next_epoch() for leases in (two, two, two, one))]
    assert drawn == sorted(set(drawn))
    assert files.next_epoch() > drawn[-1], "a folder that goes back to files goes on from there"


def test_hosts_that_draw_at_once_never_draw_the_same(hosts):
    def count(leases: Leases) -> list[int]:
        return [leases.next_epoch() for _ in range(20)]

    several = [hosts.leases(name) for name in ("one", "two", "three", "four")]
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(count, several))
    assert all(numbers == sorted(numbers) for numbers in drawn)
    assert len({number for numbers in drawn for number in numbers}) == 80


def test_a_shell_that_knows_nothing_of_postgres_cannot_work_beside(hosts, tmp_path):
    files = FileLeases(tmp_path / "one" / "locks")
    with hosts.leases("one").take("crawl", purpose="crm crawl"):
        with pytest.raises(Busy), files.take("crawl", purpose="a shell"):
            pass
        assert "crm crawl" in (files.held_by("crawl") or "")
    with files.take("crawl", purpose="a shell"), pytest.raises(Busy), hosts.leases("one").take("crawl", purpose="x"):
        pass


def test_a_restart_of_postgres_takes_no_number_back_and_leaves_no_lock(server, hosts):
    one, two = hosts.leases("one"), hosts.leases("two")
    with one.take("crawl", purpose="crm crawl") as lease:
        server.kill()
        with pytest.raises(RetryLater, match="does not answer"):
            two.held_by("crawl")
        server.start()
        # The lock is gone with the server; the data folder's own is not.
        with pytest.raises(Busy), one.take("crawl", purpose="another here"):
            pass
        with two.take("crawl", purpose="another host") as later:
            assert later.epoch > lease.epoch
    assert two.held_by("crawl") is None


def test_a_lock_that_was_lost_with_the_server_is_taken_again(server, hosts, monkeypatch):
    """A live process holds its leases for days: one restart of Postgres must not let another host in for good."""
    monkeypatch.setattr("crm_platform.warehouse.postgres_leases._LOOK", 0.05)
    one, two = hosts.leases("one"), hosts.leases("two")
    for _ in range(2):
        with one.take("crawl", purpose="crm live"):
            for _ in range(2):
                server.kill()
                server.start()
                deadline = time.monotonic() + 30
                while two.held_by("crawl") is None:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                with pytest.raises(Busy), two.take("crawl", purpose="crm crawl"):
                    pass
        assert two.held_by("crawl") is None


def test_a_lock_that_another_host_took_meanwhile_is_not_taken_from_it(server, hosts, monkeypatch, caplog):
    monkeypatch.setattr("crm_platform.warehouse.postgres_leases._LOOK", 0.5)
    monkeypatch.setattr("crm_platform.warehouse.postgres_leases._EVERY", 0.001)
    one, two = hosts.leases("one"), hosts.leases("two")

    def breaks(_holder: str) -> None:
        server.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'crm live%'")

    with (
        one.take("crawl", purpose="crm live") as older,
        # Who waits has a connection already, and is faster.
        two.take("crawl", purpose="crm crawl", wait=30, on_wait=breaks) as newer,
    ):
        assert newer.epoch > older.epoch
        deadline = time.monotonic() + 30
        while "crm live: the lease was lost, and crm crawl (process" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "crm crawl" in two.held_by("crawl")


def test_the_server_is_told_to_look_whether_a_host_is_alive(hosts, server):
    """A host that lost its power says nothing: after 25 s the server gives it up. Not timed here, but set."""
    with hosts.leases("one")._session("a look") as session, session.cursor() as cursor:
        names = ("idle", "interval", "count")
        found = []
        for name in names:
            cursor.execute(f"show tcp_keepalives_{name}")
            found.append(int(cursor.fetchone()[0]))
    assert found[0] + found[1] * found[2] == 25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("crm:p", "crm:q"), "refuses it .password authentication failed"),
        (lambda url: url.replace("/test_", "/best_"), 'database "best_.*" does not exist'),
    ],
)
def test_what_is_wrong_is_told_without_the_password(hosts, server, change, words):
    hosts.url = SecretStr(change(hosts.url.get_secret_value()))
    with pytest.raises(FixConfiguration, match=f"CRM_COORDINATION_URL: .*{words}") as refused:
        hosts.leases("one").next_epoch()
    assert server.password not in str(refused.value)
    assert server.password not in repr(refused.value.__context__)


def test_status_tells_the_rest_where_they_are_away(hosts, server):
    given = {key.removeprefix("CRM_").lower(): value for key, value in hosts.environment("one").items()}
    settings = load_settings(**given)
    server.kill()
    lines = dict(status_lines(settings, now=dt.datetime.now(dt.UTC)))
    server.start()
    assert "does not answer" in lines["problem"]
    assert lines["snapshot"] == "none yet: run `crm refresh`"


@pytest.mark.parametrize("ignored", ["", "options"])
def test_a_pooler_is_found_out(hosts, server, ignored):
    """PgBouncer gives each transaction another session: a lock would be left behind in one, and held by nobody."""
    with server.pooled(hosts.url, ignored=ignored) as url:
        hosts.url = url
        with pytest.raises(FixConfiguration, match="PgBouncer; name the Postgres server itself"):
            hosts.leases("one").next_epoch()


def test_a_role_that_may_make_nothing_is_told(hosts, server):
    database = hosts.url.get_secret_value().rpartition("/")[2]
    server.query("create role guest login password 'a long word'")
    server.query("revoke create on schema public from public", database=database)
    hosts.url = SecretStr(f"postgresql://guest:a%20long%20word@127.0.0.1:{server.port}/{database}")
    with pytest.raises(FixConfiguration, match="CRM_COORDINATION_URL: permission denied"):
        hosts.leases("one").next_epoch()
