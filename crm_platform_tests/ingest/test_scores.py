"""Scores of events: a typed column beside what else an event said, also of whom the contact list names later."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from crm_platform.events.readings import read_crm
from crm_platform.ingest import open_warehouse
from crm_platform.ingest.events import find_whose, take_in
from crm_platform.ingest.inbox import Inbox
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform.warehouse import Lease, one_commit
from crm_platform_tests.models.worlds import provenance

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
HOLDER = Lease("crawl", epoch=1)
READ = (
    ({"rating": 5}, 5),
    ({"rating": "4", "feedback": "quick"}, 4),
    ({"rating": 1.0}, 1),
    ({"score": 3}, 3),
    ({"rating": "none", "score": " 2 "}, 2),
    ({"rating": 4.5}, None),
    ({"rating": 0}, None),
    ({"rating": 6}, None),
    ({"rating": True}, None),
    ({"rating": [5]}, None),
    ({"feedback": "5"}, None),
    ({}, None),
)


def test_what_is_a_whole_number_from_1_to_5_is_a_score(tmp_path: Path):
    warehouse = open_warehouse(Settings(data_dir=tmp_path))
    inbox = Inbox(tmp_path / "inbox.sqlite")
    events = [
        {
            "event_id": str(number),
            "event": "csat_submitted",
            "timestamp": NOW.isoformat(),
            "userId": "+254712345678",
            "properties": told,
        }
        for number, (told, _) in enumerate(READ)
    ]
    read = read_crm(events, at=NOW)
    assert read.refused == []
    order = [event.event_id for event in read.events]
    inbox.put(read.events)

    def scores() -> list[object]:
        with warehouse.reading() as session:
            rows = session.query("select event_id, score from raw.events").to_pylist()
        found = {row["event_id"]: row["score"] for row in rows}
        return [found[event_id] for event_id in order]

    take_in(inbox, warehouse, HOLDER)
    assert scores() == [score for _, score in READ]
    with one_commit(warehouse, purpose="a contact") as commit:
        contact = {"chat_id": "a", "whatsapp_number": "+254712345678", "created_at_was_naive": False}
        commit.append(raw.Contacts, raw.Contacts.rows([contact | provenance(NOW)]))
    assert find_whose(warehouse, HOLDER, at=NOW) == len(READ)
    assert scores() == [score for _, score in READ]
    with warehouse.reading() as session:
        kept = session.query("select properties from raw.events where score = 4")["properties"].to_pylist()
    assert [json.loads(one) for one in kept] == [{"rating": "4", "feedback": "quick"}]
    inbox.close()
