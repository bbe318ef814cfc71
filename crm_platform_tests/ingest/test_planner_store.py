"""The planner's state in the warehouse: what is read back is what was saved, in whatever blocks it is read."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest

from crm_platform.ingest import open_warehouse, planner_store
from crm_platform.ingest.planner import CrawlPlanner, SeenMessage
from crm_platform.ingest.planner_store import PlannerStore
from crm_platform.schemas import ops, raw
from crm_platform.settings import Settings

NOW = dt.datetime(2026, 11, 22, 8, 0, tzinfo=dt.UTC)
CHATS = 11


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A warehouse in which a planner's state is saved: eleven chats, in no order, one erased since."""
    settings = Settings(data_dir=tmp_path)
    planner = CrawlPlanner(
        requests_per_minute=settings.minute_limit,
        requests_per_day=settings.day_limit,
        start=NOW - dt.timedelta(days=2),
        timezone=settings.timezone,
    )
    planner.sighted([f"chat-{number}" for number in range(CHATS)], at=NOW - dt.timedelta(days=1))
    for number in range(5):
        seen = [
            SeenMessage(NOW - dt.timedelta(hours=hours), "inbound", is_template=False) for hours in range(1, number)
        ]
        planner.visited(f"chat-{number}", at=NOW, new_messages=seen)
    planner.hinted("chat-7", message_at=NOW, at=NOW)
    state = planner.to_arrow()
    chats = [row for row in state.chats.to_pylist() if row["chat_id"] != "chat-4"]
    (whole,) = state.planner.to_pylist()
    with open_warehouse(settings).writing() as session:
        saved = [{"chat_id": row["chat_id"], "state": json.dumps(row)} for row in sorted(chats, key=str, reverse=True)]
        session.append(ops.PlannerChats, ops.PlannerChats.rows(saved))
        session.append(
            ops.PlannerState,
            ops.PlannerState.rows([{"name": "planner", "state": json.dumps(whole), "saved_at": NOW}]),
        )
    return settings


def test_it_is_the_same_in_whatever_blocks_it_is_read(settings, monkeypatch):
    warehouse = open_warehouse(settings)
    whole = PlannerStore.load(settings, warehouse, at=NOW).planner
    by_blocks = PlannerStore.load(settings, warehouse, at=NOW).planner
    assert by_blocks.to_arrow() == whole.to_arrow()
    rows = by_blocks.to_arrow().chats.to_pylist()
    assert [row["chat_id"] for row in rows] == [f"chat-{number}" for number in range(CHATS) if number != 4]
    assert [row["position"] for row in rows] == list(range(CHATS - 1))
    assert [row["is_visited"] for row in rows] == [True] * 4 + [False] * 6
    assert [row["counters"] for row in rows if row["chat_id"] == "chat-3"] != [[0.0] * 7]


def test_a_state_of_another_version_is_left_alone(settings, monkeypatch, caplog):
    with open_warehouse(settings).writing() as session:
        session.append(ops.PlannerChats, ops.PlannerChats.rows([{"chat_id": "old", "state": '{"chat_id": "old"}'}]))
    with caplog.at_level(logging.WARNING):
        loaded = PlannerStore.load(settings, open_warehouse(settings), at=NOW)
    assert "another version" in caplog.text
    assert loaded.planner.to_arrow().chats.num_rows == 0


@pytest.mark.slow
@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_an_odd_message_makes_no_list_of_days(settings, year):
    """Field case 2: `OverflowError` at every later build, or a row a day since the year 1."""
    warehouse = open_warehouse(settings)
    message = {
        "chat_id": "chat-1",
        "message_id": "m",
        "timestamp": dt.datetime(year, 1, 3, tzinfo=dt.UTC),
        "timestamp_was_naive": False,
        "is_future_dated": False,
        "is_opt_out": False,
        "direction": "inbound",
        "first_fetched_at": NOW,
        "fetched_at": NOW,
        "first_fetch_id": 1,
        "fetch_id": 1,
    }
    with warehouse.writing() as session:
        session.append(raw.Messages, raw.Messages.rows([message]))
    days = planner_store.expected_unseen(settings, warehouse, as_of=NOW)
    assert days is not None
    assert len(days) == 1
