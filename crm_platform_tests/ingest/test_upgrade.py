"""Rows of earlier versions: what is not believed any more is moved once, and nothing else is touched."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from crm_platform.api import Rejected
from crm_platform.ingest import open_warehouse, upgrade
from crm_platform.ingest.batch import rejected_key
from crm_platform.models import freeze
from crm_platform.schemas import Table, live_tables, ops, raw
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.models.worlds import World, provenance

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
FETCHED = NOW - dt.timedelta(days=1)
FAR = [
    dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    dt.datetime(1, 1, 3, tzinfo=dt.UTC),
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2031, 11, 20, 9, tzinfo=dt.UTC),
    dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
]
NEAR = [dt.datetime(2000, 1, 1, tzinfo=dt.UTC), NOW, dt.datetime(2031, 11, 20, 8, tzinfo=dt.UTC)]


@pytest.fixture
def world(tmp_path) -> World:
    """A warehouse as an earlier version left it."""
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for number, at in enumerate([*FAR, *NEAR]):
        world.message(f"chat{number}", "m", at, "inbound", content="hi", extra='{"odd": 1}', **provenance(FETCHED))
        world.contact(f"chat{number}", FETCHED, created_at=at, created_at_was_naive=True)
        world.campaign(f"k{number}", [(FETCHED, "completed")], scheduled_at=at, created_at=FETCHED)
    world.message("chat0", "n", NOW, "outbound", **provenance(FETCHED))
    world.report("k0", FETCHED, total_recipients=1, content_hash="of old")
    world.store()
    return world


def rows(store: DuckDbWarehouse, table: type[Table]) -> list[dict[str, object]]:
    with store.reading() as session:
        return session.query(f"select * from {table.full_name()} order by all").to_pylist()


def test_stored_instants_that_are_not_believed_are_moved_once(world):
    """Field cases 2, 3 and 4: what an earlier version stored hurts nobody."""
    upgrade(world.live, world.settings, now=NOW)
    kept = rows(world.live, raw.Messages)
    assert sorted(one["timestamp"].replace(tzinfo=dt.UTC) for one in kept) == sorted([*NEAR, NOW])
    quarantined = {one["target"]: one for one in rows(world.live, ops.Quarantine)}
    assert len(quarantined) == len(FAR)
    first = quarantined["chat0"]
    key = rejected_key(Rejected("", "", "m"), operation="list_messages", target="chat0")
    assert (first["record_key"], first["reason"]) == (key, "timestamp out of range")
    assert (first["operation"], first["first_fetched_at"]) == ("list_messages", FETCHED.replace(tzinfo=None))
    assert json.loads(str(first["raw"])) == {
        "message_id": "m", "type": "text", "content": "hi", "direction": "inbound", "status": "received",
        "timestamp": "0001-01-01T00:00:00Z", "odd": 1,
    }  # fmt: skip
    contacts = {one["chat_id"]: one for one in rows(world.live, raw.Contacts)}
    assert [one["created_at"] is None for one in contacts.values()] == [True] * 5 + [False, False, True]
    assert json.loads(str(contacts["chat1"]["extra"])) == {"created_at": "0001-01-03T00:00:00"}
    assert contacts["chat1"]["created_at_was_naive"] is False
    campaigns = {one["campaign_id"]: one for one in rows(world.live, raw.Campaigns)}
    assert [one["scheduled_at"] is None for one in campaigns.values()] == [True] * 5 + [False] * 3
    assert all(one["created_at"] is not None for one in campaigns.values())
    assert json.loads(str(campaigns["k4"]["extra"])) == {"scheduled_at": "9999-12-31T23:59:59Z"}
    assert rows(world.live, raw.CampaignReports)[0]["content_hash"] != "of old"
    # Once: what is stored later is this version's own doing.
    before = [rows(world.live, table) for table in (ops.Quarantine, raw.Contacts, raw.Messages)]
    upgrade(world.live, world.settings, now=NOW + dt.timedelta(days=9000))
    assert [rows(world.live, table) for table in (ops.Quarantine, raw.Contacts, raw.Messages)] == before
    with world.live.writing() as session:
        session.execute("delete from ops.meta")
    upgrade(world.live, world.settings, now=NOW)
    assert [rows(world.live, table) for table in (ops.Quarantine, raw.Contacts, raw.Messages)] == before


@pytest.mark.slow
def test_an_incremental_build_notices_the_chats_that_changed(world):
    freeze(world.models, world.live, settings=world.settings, as_of=None, now=NOW, expected_unseen=None)
    upgrade(world.live, world.settings, now=NOW)
    later = NOW + dt.timedelta(minutes=1)
    changed = freeze(world.models, world.live, settings=world.settings, as_of=None, now=later, expected_unseen=None)
    assert changed.changed_chats in (len(FAR) + 1, changed.chats)


def test_a_warehouse_of_an_earlier_version_is_upgraded_when_it_is_opened(world):
    with world.live.writing() as session:
        session.execute("drop table ops.meta")
    opened = open_warehouse(world.settings)
    assert len(rows(opened, ops.Quarantine)) >= 4
    assert {(one["name"], one["value"]) for one in rows(opened, ops.Meta)} >= {("crm", "(sandbox)"), ("rows", "2")}


@pytest.mark.slow
def test_what_is_derived_from_stored_rows_is_filled_in(tmp_path):
    """Columns of this version: staff's keys, opt-outs by the texts that are kept, messages that stand in two chats."""
    world = World(tmp_path, Settings(data_dir=tmp_path))
    texts = {"a": "STOP!", "b": "Hi", "c": None}
    for number, (name, content) in enumerate(texts.items()):
        for chat in ("old", "new"):
            later = provenance(FETCHED + dt.timedelta(hours=chat == "new"))
            world.message(chat, name, NOW - dt.timedelta(hours=number), "inbound", content=content, **later)
    world.message("old", "d", NOW, "outbound", content="stop", sender="Jane@Shop.example ", **provenance(FETCHED))
    world.message("old", "e", NOW, "outbound", sender="JANE@shop.example", **provenance(FETCHED))
    world.event("assigned", "old", FETCHED, agent="Jane@Shop.example")
    world.store()
    with world.live.writing() as session:  # as an earlier version left them
        session.execute("drop table ops.meta")
        for column in ("is_opt_out", "opt_out_word", "sender_key", "duplicate_of"):
            session.execute(f"alter table raw.messages drop column {column}")
        session.execute("alter table raw.operator_events drop column agent_key")
    opened = open_warehouse(world.settings)
    found = {(row["chat_id"], row["message_id"]): row for row in rows(opened, raw.Messages)}
    assert {key[1] for key, row in found.items() if row["is_opt_out"]} == {"a"}
    assert {row["is_opt_out"] for row in found.values()} == {True, False}
    assert found["old", "a"]["opt_out_word"] == "stop"
    assert {row["sender_key"] for row in found.values()} == {None, "jane@shop.example"}
    assert found["old", "d"]["sender"] == "Jane@Shop.example ", "as it came"
    assert {key for key, row in found.items() if row["duplicate_of"] == "new"} == {("old", name) for name in texts}
    assert [row["agent_key"] for row in rows(opened, raw.OperatorEvents)] == ["jane@shop.example"]
    before = rows(opened, raw.Messages)
    with opened.writing() as session:
        session.execute("drop table ops.meta")
    assert rows(open_warehouse(world.settings), raw.Messages) == before, "twice does no harm"


def test_a_clock_that_has_gone_back_moves_nothing(world):
    """A variant of field case 65: the upgrade believes the newest request more than a clock that is behind it."""
    world.fetch("list_messages", "chat0", FETCHED)
    world.store()
    upgrade(world.live, world.settings, now=dt.datetime(1990, 1, 1, tzinfo=dt.UTC))
    assert len(rows(world.live, raw.Messages)) >= 3


def test_an_empty_warehouse_only_gets_its_number(tmp_path):
    store = open_warehouse(Settings(data_dir=tmp_path))
    filled = [table for table in live_tables() if rows(store, table)]
    assert filled == [ops.Meta]
