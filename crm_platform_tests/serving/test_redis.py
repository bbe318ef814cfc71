"""Answers that stand ready in Redis, and word of a new snapshot, with a real server that comes and goes."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import threading
import time

import httpx
import pytest

from crm_platform.serving import kpi_api
from crm_platform.serving.hot import Hot, place_of
from crm_platform.serving.queries import kpi_tables
from crm_platform.serving.turned import tell_turned
from crm_platform.settings import load_settings
from crm_platform_tests.redis_process import RedisProcess, connected, running
from crm_platform_tests.serving.published import NOW, client_of, publish_rows
from crm_platform_tests.serving.running import running_server

pytestmark = pytest.mark.services

ADDRESSES = ["/api/v1/kpis", *(f"/api/v1/kpis/{name}" for name in kpi_tables())]


@pytest.fixture
def redis(tmp_path):
    with running(tmp_path / "redis") as process:
        yield process


@pytest.fixture
def settings(tmp_path, redis):
    made = load_settings(data_dir=tmp_path / "data", redis_url=redis.url)
    publish_rows(made)
    tell_turned(made)
    return made


def keys(redis: RedisProcess, ending: str = "*") -> list[bytes]:
    with connected(redis).asking() as client:
        return client.keys(connected(redis).key(ending))


def told(client: httpx.Client, address: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    answer = client.get(address)
    unlike = {"date"}
    return answer.status_code, answer.content, [item for item in answer.headers.multi_items() if item[0] not in unlike]


@pytest.fixture
def from_file(monkeypatch):
    """How many answers were made of the snapshot's file."""
    made: list[str] = []
    read, listed = kpi_api._read, kpi_api._list_answer
    monkeypatch.setattr(kpi_api, "_read", lambda query, *rest: (made.append(query.table.table), read(query, *rest))[1])
    monkeypatch.setattr(kpi_api, "_list_answer", lambda found: (made.append("list"), listed(found))[1])
    return made


def test_an_answer_is_the_same_to_the_byte_whether_redis_has_it_or_not(settings, redis, from_file):
    plain = client_of(settings.root)
    before = {address: told(plain, address) for address in ADDRESSES}
    from_file.clear()
    hot = client_of(settings.root, redis_url=redis.url)
    assert {address: told(hot, address) for address in ADDRESSES} == before
    assert from_file == [], "none of it was read from the file"
    assert all(status == 200 for status, _, _ in before.values())
    assert plain.get(f"{ADDRESSES[1]}?format=csv").content == hot.get(f"{ADDRESSES[1]}?format=csv").content
    assert from_file, "other forms are read from the file"


def test_pages_that_follow_are_there_too(settings, redis, from_file, monkeypatch):
    monkeypatch.setattr("crm_platform.serving.queries.DEFAULT_LIMIT", 50)
    tell_turned(settings)
    plain, hot = client_of(settings.root), client_of(settings.root, redis_url=redis.url)
    address, pages = "/api/v1/kpis/message_volume_hourly", 0
    from_file.clear()
    while address:
        before, after = plain.get(address), hot.get(address)
        assert before.content == after.content
        assert before.headers.get("link") == after.headers.get("link")
        address, pages = after.json()["next"], pages + 1
    assert pages == 4
    assert len(from_file) == 4, "once a page, for the one that has no Redis"


@pytest.mark.parametrize("harm", ["killed", "frozen", "emptied", "another snapshot"])
def test_where_redis_has_no_answer_the_file_gives_it_without_a_word(settings, redis, from_file, harm, caplog):
    plain = client_of(settings.root)
    before = {address: told(plain, address) for address in ADDRESSES}
    hot = client_of(settings.root, redis_url=redis.url)
    if harm == "killed":
        redis.kill()
    elif harm == "frozen":
        redis.signal(signal.SIGSTOP)
    elif harm == "emptied":
        with connected(redis).asking() as client:
            client.flushall()
    else:
        publish_rows(settings, now=NOW + dt.timedelta(minutes=5))
        before = {address: told(client_of(settings.root), address) for address in ADDRESSES}
    from_file.clear()
    began = time.monotonic()
    assert {address: told(hot, address) for address in ADDRESSES} == before
    assert time.monotonic() - began < 5, "who is away is asked once, and then left alone"
    assert from_file
    assert harm in {"emptied", "another snapshot"} or len(from_file) == len(ADDRESSES)
    assert caplog.text == ""


def test_a_redis_that_comes_back_empty_is_filled_by_who_reads(settings, redis, from_file):
    with connected(redis).asking() as client:
        client.flushall()
    hot = client_of(settings.root, redis_url=redis.url)
    hot.get(ADDRESSES[1])
    deadline = time.monotonic() + 10
    while not keys(redis, "answers:*") and time.monotonic() < deadline:
        time.sleep(0.02)
    from_file.clear()
    assert hot.get(ADDRESSES[2]).status_code == 200
    assert from_file == []


def test_a_server_that_did_not_answer_is_asked_again_after_a_rest(settings, redis):
    now = [0.0]
    hot = Hot(settings)
    hot._rests._clock = lambda: now[0]
    found = client_of(settings.root)._transport.app.state.snapshots.current()
    place = place_of(kpi_api._list_key(found))

    def get():
        return hot.get(found.version, place, otherwise=dict)

    assert get() is not None
    redis.restart()
    tell_turned(settings)
    hot._rests._server.close()
    redis.signal(signal.SIGSTOP)
    assert get() is None
    redis.signal(signal.SIGCONT)
    assert get() is None, "it rests"
    now[0] += 6
    assert get() is not None


def test_answers_of_the_snapshot_before_go_after_a_while(settings, redis):
    (first,) = keys(redis, "answers:*")
    publish_rows(settings, now=NOW + dt.timedelta(minutes=5))
    tell_turned(settings)
    assert len(keys(redis, "answers:*")) == 2
    with connected(redis).asking() as client:
        assert 0 < client.ttl(first) <= 60
        (second,) = set(client.keys(connected(redis).key("answers:*"))) - {first}
        assert client.ttl(second) > 86_400


def test_who_publishes_goes_on_without_redis(settings, redis, caplog):
    redis.kill()
    tell_turned(settings)
    assert "Redis was not told" in caplog.text


def listen(url: str, seen: list[tuple[float, str]], *, enough: int) -> None:
    with httpx.stream("GET", f"{url}/turns", headers={"Accept": "text/event-stream"}, timeout=20) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append((time.monotonic(), line.removeprefix("data: ")))
                if len(seen) == enough:
                    return


@pytest.mark.parametrize("is_there", [True, False])
def test_open_pages_of_several_processes_turn_within_a_second(settings, redis, is_there):
    if not is_there:
        redis.kill()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running_server(settings.root, redis_url=redis.url)) for _ in range(2)]
        seen: list[list[tuple[float, str]]] = [[], []]
        threads = [
            threading.Thread(target=listen, args=(server.url, told), kwargs={"enough": 2}, daemon=True)
            for server, told in zip(servers, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while not all(seen) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)  # by now word from Redis is listened to, where there is one
        snapshot = publish_rows(settings, now=NOW + dt.timedelta(minutes=5))
        published_at = time.monotonic()
        tell_turned(settings)
        for thread in threads:
            thread.join(20)
    for one in seen:
        assert one[-1][1] == snapshot.id
        assert one[-1][0] - published_at < 1.5
