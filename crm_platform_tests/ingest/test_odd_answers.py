"""A CRM that answers oddly, crawled and built from beginning to end: what is odd is left out, and stops nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_platform.api import CrmClient, Fetch
from crm_platform.errors import GiveUp
from crm_platform.ingest import PlannerStore, expected_unseen
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.connect import FetchLog
from crm_platform.ingest.crawler import Crawler
from crm_platform.ingest.inbox import Inbox
from crm_platform.ingest.trouble import TroubleRegister
from crm_platform.ingest.workers import LOOKAHEAD
from crm_platform.models import build_order, build_within, freeze, validate
from crm_platform.sandbox import SandboxOptions
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.in_process import CRAWL, START, World

Alter = Callable[[str, dict[str, Any]], object]


class OddTransport(httpx.BaseTransport):
    """Hands answers on, altered by `alter` (path, body)."""

    def __init__(self, inner: httpx.BaseTransport, alter: Alter) -> None:
        self._inner = inner
        self._alter = alter

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        body = self._alter(request.url.path, json.loads(answer.read()))
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, content=json.dumps(body).encode())


class OddWorld(World):
    """A sandbox whose answers are altered."""

    alter: Alter

    def connect(self, on_fetch: Callable[[Fetch], None]) -> CrmClient:
        client = super().connect(on_fetch)
        client._transport = OddTransport(client._transport, self.alter)
        return client

    def build(self) -> dict[str, list[dict[str, Any]]]:
        """Freeze, build and check all, as `crm build` does."""
        now = self.time.now
        unseen = expected_unseen(self.settings, self.warehouse, as_of=now)
        store = DuckDbWarehouse(self.settings.models_path, lock_dir=self.settings.lock_dir)
        freeze(store, self.warehouse, settings=self.settings, as_of=None, now=now, expected_unseen=unseen)
        with store.writing() as session:
            for table in build_order():
                build_within(session, table, settings=self.settings)
        assert [str(one) for table in build_order() for one in validate(store, table)] == []
        with store.reading() as session:
            return {
                table.full_name(): session.query(f"select * from {table.full_name()}").to_pylist()
                for table in build_order()
            }


def odd_world(root: Path, alter: Alter, **limits: int) -> OddWorld:
    world = OddWorld(root, SandboxOptions(contacts=12, days=20, start=START), limits)
    world.alter = alter
    return world


def messages_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    data = body.get("data")
    return data["messages"] if isinstance(data, dict) else data or []


def is_messages(path: str) -> bool:
    return path.endswith("/messages")


@pytest.mark.slow
def test_odd_dates_size_nothing_and_stop_nothing(tmp_path):
    """Field cases 1 to 4: far dates of messages, contacts, campaigns; each was one that stopped everything for good."""
    far = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-03T00:00:00Z", "1970-01-01T00:00:00Z", -1]
    ahead = (START + dt.timedelta(days=1500)).isoformat()  # believed, but not by what plans

    def alter(path: str, body: dict[str, Any]) -> object:
        if is_messages(path):
            for message, stamp in zip(messages_of(body), [*far, ahead], strict=False):
                message["timestamp"] = stamp
        if path == "/crm/chat":
            for contact, stamp in zip(body["data"], far, strict=False):
                contact["created_at"] = stamp
        if path == "/crm/campaign":
            for campaign, stamp in zip(body["data"], [*far, ahead], strict=False):
                campaign |= {"scheduled_at": stamp, "status": "active", "created_at": stamp}
        return body

    world = odd_world(tmp_path, alter, requests_per_minute=120)
    for _ in range(2):
        world.crawl(minutes=3)
    reasons = {row["reason"] for row in world.rows("from ops.quarantine")}
    assert reasons == {"timestamp out of range"}
    assert len(world.rows("from raw.messages")) > 50
    assert [row["n"] for row in world.rows("select count(created_at) as n from raw.contacts")] == [12 - len(far)]
    (scheduled,) = world.rows("select count(scheduled_at) as n, count(created_at) as m from raw.campaigns")
    assert scheduled == {"n": len(world.rows("from raw.campaigns")) - len(far), "m": scheduled["n"] - 1}
    drift = {(row["record"], row["field"]) for row in world.rows("from ops.drift")}
    assert {("contact", "created_at"), ("campaign", "scheduled_at")} <= drift
    tables = world.build()
    assert len(tables["kpi.contact_growth_daily"]) < 1_000
    assert len(tables["core.coverage_daily"]) < 1_000


@pytest.mark.slow
def test_a_report_beyond_all_counting_is_shown_and_flagged(tmp_path):
    """Field case 67, and variants of it."""
    counts = [{"delivered": 9 * 10**18}, {"total_recipients": 9 * 10**18, "delivered": 9 * 10**18, "failed": 10**18},
              {"failed": -9 * 10**18, "delivered": -9 * 10**18}, {"read": 1e30}]  # fmt: skip
    seen: dict[str, dict[str, Any]] = {}

    def alter(path: str, body: dict[str, Any]) -> object:
        if path.endswith("/report"):
            holder = body.get("data", body)
            odd = seen.setdefault(path, counts[len(seen)] if len(seen) < len(counts) else {})
            holder["metrics"] |= odd
        if path == "/crm/campaign":
            for campaign in body["data"]:
                campaign |= {"status": "completed", "scheduled_at": (START - dt.timedelta(days=9)).isoformat()}
        return body

    world = odd_world(tmp_path, alter)
    world.crawl()
    tables = world.build()
    odd = {path.split("/")[3]: counts for path, counts in seen.items() if counts}
    assert len(odd) >= 3
    shown = {row["campaign_id"]: row for row in tables["kpi.campaign_performance"]}
    for campaign_id, given in odd.items():
        row = shown[campaign_id]
        assert row["is_consistent"] is not True
        assert all(row[name] == value for name, value in given.items() if value != 1e30)
        assert row["in_flight"] is None or abs(row["in_flight"]) < 10**12
    assert any(row["is_consistent"] is False for row in shown.values())
    assert all(row["delivered"] < 10**12 for row in tables["kpi.engagement_monthly"])


@pytest.mark.slow
def test_directions_and_dates_of_another_system_are_read(tmp_path):
    """Field case 21."""
    words = {"inbound": "incoming", "outbound": "Outgoing"}

    def alter(path: str, body: dict[str, Any]) -> object:
        for message in messages_of(body) if is_messages(path) else ():
            message["direction"] = words[message["direction"]]
            moment = dt.datetime.fromisoformat(message["timestamp"])
            message["timestamp"] = moment.strftime("%a, %d %b %Y %H:%M:%S +0000")
        return body

    world = odd_world(tmp_path, alter)
    world.crawl()
    assert world.rows("from ops.quarantine") == []
    directions = {row["direction"] for row in world.rows("select distinct direction from raw.messages")}
    assert directions == {"inbound", "outbound"}
    assert not world.rows("from raw.messages where timestamp_was_naive")


@pytest.mark.slow
def test_a_run_that_keeps_nothing_of_what_it_read_says_so(tmp_path):
    """Field case 21: all quarantined, and it was called current."""

    def alter(path: str, body: dict[str, Any]) -> object:
        for message in messages_of(body) if is_messages(path) else ():
            message["direction"] = "sideways"
        return body

    world = odd_world(tmp_path, alter)
    for run in (world.crawl, lambda: world.refresh(full_refresh=True)):
        with pytest.raises(GiveUp, match=r"raw.messages: \d+ records, unknown direction"):
            run()
    assert world.rows("from raw.contacts")


@pytest.mark.parametrize("empty", [None, *(pytest.param(empty, marks=pytest.mark.slow) for empty in ({}, ""))])
def test_empty_chats_in_any_spelling_are_read_once(tmp_path, empty):
    """Field case 9: 20 of 60 chats were empty, and not a message was read."""
    some: set[str] = set()

    def alter(path: str, body: dict[str, Any]) -> object:
        if is_messages(path) and (path in some or len(some) < 4):
            some.add(path)
            return {"success": True, "data": empty}
        return body

    world = odd_world(tmp_path, alter)
    world.crawl()
    assert world.rows("from ops.fetches where outcome <> 'ok'") == []
    assert len(world.rows("select distinct chat_id from raw.messages")) >= 3


@pytest.mark.slow
def test_a_report_that_only_says_when_it_was_made_is_the_same(tmp_path):
    """Field case 27: a report with `generated_at` was a new snapshot at each fetch; and volatile fields elsewhere."""
    clock = iter(range(10**6))

    def alter(path: str, body: dict[str, Any]) -> object:
        if path.endswith("/report"):
            body["generated_at"] = body["request_id"] = next(clock)
        for record in messages_of(body) if is_messages(path) else body["data"] if path == "/crm/chat" else ():
            record["updated_at"] = next(clock)
        return body

    world = odd_world(tmp_path, alter)
    world.crawl()
    before = len(world.rows("from raw.campaign_reports"))
    contacts = world.rows("select chat_id, fetch_id, extra from raw.contacts order by chat_id")
    changed = {one.table.__name__: one.updated for one in world.refresh(full_refresh=True)}
    assert len(world.rows("from raw.campaign_reports")) == before
    assert (changed["Contacts"], changed["Messages"]) == (0, 0)
    again = world.rows("select chat_id, fetch_id, extra from raw.contacts order by chat_id")
    assert [row["fetch_id"] for row in again] == [row["fetch_id"] for row in contacts]
    assert all(row["extra"] != old["extra"] for row, old in zip(again, contacts, strict=True)), "kept at its newest"


def test_heavy_results_are_not_fetched_far_ahead(tmp_path):
    """Field case 16: what waits to be stored is bounded by its bytes, too."""
    world = odd_world(tmp_path, lambda _path, body: body)
    planner_store = PlannerStore.load(world.settings, world.warehouse, at=START)
    log = FetchLog()
    crawler = Crawler(
        client=world.connect(log),
        warehouse=world.warehouse,
        holder=CRAWL,
        planner_store=planner_store,
        troubles=TroubleRegister([]),
        inbox=Inbox(world.settings.inbox_path),
        fetch_log=log,
        batch=Batch(),
        progress=lambda _: None,
        now=world.time,
        workers=2,
    )
    begun: list[int] = []
    ahead = []
    for taken, _ in enumerate(crawler.workers.each(begun.append, range(200), is_limited=False), start=1):
        ahead.append(len(begun) - taken)
        crawler.recorder.batch.bytes += 8 * 1024 * 1024
    assert len(ahead) == 200
    assert max(ahead[LOOKAHEAD + 2 :]) <= 4


@pytest.mark.slow
def test_a_batch_is_full_by_its_bytes(tmp_path, monkeypatch):
    """Field case 16: thousands of messages of 50 kB."""

    def alter(path: str, body: dict[str, Any]) -> object:
        for message in messages_of(body) if is_messages(path) else ():
            message["content"] = "x" * 50_000
        return body

    largest, bound = 0, 1_000_000
    world = odd_world(tmp_path, alter)
    monkeypatch.setattr("crm_platform.ingest.recorder.BATCH_BYTES", bound)
    commit = Batch.commit

    def watched(batch: Batch, *args: Any, **options: Any) -> Any:
        nonlocal largest
        largest = max(largest, batch.bytes)
        return commit(batch, *args, **options)

    monkeypatch.setattr(Batch, "commit", watched)
    world.crawl()
    (stored,) = world.rows("select sum(length(content)) as n from raw.messages")
    assert stored["n"] > 3 * bound
    assert bound <= largest < 3 * bound, "beyond it by a chat's visit"
