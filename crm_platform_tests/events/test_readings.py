"""What an event says, in every spelling that senders use."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.events import read_crm, read_whatsapp
from crm_platform.ingest.inbox import Inbox, InboxEvent

AT = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
RECEIVED = {
    "event": "message.received",
    "userId": "+254700000001",
    "timestamp": "2026-11-20T08:59:58Z",
    "properties": {"messageId": "wamid.1", "chatId": "chat-1", "contentType": "text"},
    "context": {"channel": "whatsapp"},
}


def one(payload: object, **options: bool) -> InboxEvent:
    read = read_crm(payload, at=AT, **options)
    assert read.refused == []
    (event,) = read.events
    return event


def micros(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def test_the_crms_own_form():
    event = one(RECEIVED)
    assert (event.event, event.source) == ("message.received", "crm")
    assert (event.chat_id, event.message_id, event.whatsapp_number) == ("chat-1", "wamid.1", "+254700000001")
    assert event.happened_at == micros(AT - dt.timedelta(seconds=2))
    assert event.received_at == micros(AT)
    assert json.loads(event.properties or "") == {"contentType": "text"}


@pytest.mark.parametrize("number", ["254700000001", "+254 700 000 001", 254700000001, "254700000001@c.us"])
def test_the_collectors_envelope_in_snake_case(number):
    record = {
        "event_id": "8f0c",
        "event_name": "message_received",
        "event_type": "track",
        "timestamp": 1795510798000,
        "user_id": number,
        "context": {"channel": "web"},
        "properties": {"message_id": "wamid.1", "chat_id": "chat-1"},
    }
    event = one({"batch": [record], "sent_at": "2026-11-20T09:00:00Z"})
    assert (event.event, event.whatsapp_number) == ("message.received", "+254700000001")
    assert json.loads(event.properties or "") == {"channel": "web"}
    again = one([record | {"timestamp": "2026-11-20T08:59:59Z"}])
    assert again.event_id == event.event_id, "the id it bears says that it is the same"


def test_who_wrote_is_the_address_where_an_id_stands_beside_it():
    event = one({"event": "chat.assigned", "timestamp": "2026-11-20T08:00:00Z",
                 "properties": {"chatId": 7, "agentId": "a-3", "agentEmail": "Jane@Shop.example"}})  # fmt: skip
    assert (event.chat_id, event.agent) == ("7", "Jane@Shop.example")
    assert json.loads(event.properties or "")["agents"] == ["Jane@Shop.example", "a-3"]


def test_no_text_of_a_message_is_kept():
    told = RECEIVED | {"properties": {"chatId": "c", "text": "my PIN is 1234", "body": "1234", "feedback": "good"}}
    event = one(told)
    assert json.loads(event.properties or "") == {"feedback": "good"}
    assert one(told, keep_text=False).properties is None
    read = read_crm({"event": "", "text": "1234", "properties": {"body": "1234"}}, at=AT)
    ((_, refused),) = read.refused
    assert "1234" not in refused.raw


def test_an_event_without_an_id_is_the_same_if_it_says_the_same():
    assert one(RECEIVED).event_id == one(dict(reversed(RECEIVED.items()))).event_id
    assert one(RECEIVED).event_id != one(RECEIVED | {"userId": "+254700000002"}).event_id
    assert one(RECEIVED).event_id != one(RECEIVED | {"event": "message.read"}).event_id


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("text", "it is no object"),
        (None, "it is no object"),
        ({}, "it names no event"),
        ({"event": "x" * 101, "timestamp": 1}, "it names no event"),
        ({"event": "a\nb", "timestamp": 1}, "it names no event"),
        ({"event": 7}, "it names no event"),
        ({"event": "message.sent"}, "it does not say when it happened"),
        ({"event": "message.sent", "timestamp": "yesterday"}, "it does not say when it happened"),
        ({"event": "message.sent", "timestamp": 5}, "a time that nobody believes"),
        ({"event": "message.sent", "timestamp": "2999-01-01"}, "a time that nobody believes"),
    ],
)
def test_what_is_no_event_is_refused_by_its_reason_and_the_others_are_kept(record, reason):
    read = read_crm([RECEIVED, record], at=AT)
    assert len(read.events) == 1
    ((place, refused),) = read.refused
    assert place == 1
    assert reason in refused.reason
    json.loads(refused.raw)


@pytest.mark.parametrize("payload", ["text", 7, None, True])
def test_what_holds_no_events_is_said(payload):
    with pytest.raises(ValueError, match="send one event"):
        read_crm(payload, at=AT)
    with pytest.raises(ValueError, match="Cloud API"):
        read_whatsapp(payload, at=AT)


def test_half_a_letter_a_nul_and_what_is_no_number_do_no_harm():
    told = {"chatId": "a\x00b", "feedback": "nice \ud83d", "\ud83d": [float("nan"), 1e400]}
    event = one(RECEIVED | {"properties": told})
    assert event.chat_id == "ab"
    assert json.loads(event.properties or "") == {"feedback": "nice \ufffd", "\ufffd": ["nan", "inf"]}
    read = read_crm({"x": "\ud83d"}, at=AT)
    assert "\ufffd" in read.refused[0][1].raw


def test_unknown_events_are_kept_under_their_name():
    assert one(RECEIVED | {"event": "Catalog_Viewed"}).event == "catalog_viewed"


def test_whatsapps_own_messages_echoes_and_statuses():
    value = {
        "messages": [{"id": "wamid.1", "from": "254700000001", "timestamp": "1795510798", "type": "text",
                      "text": {"body": "my PIN is 1234"}}],
        "smb_message_echoes": [{"id": "wamid.2", "to": "254700000001", "timestamp": "1795510799", "type": "image"}],
        "statuses": [
            {"id": "wamid.2", "status": "read", "timestamp": "1795510800", "recipient_id": "254700000001"},
            {"id": "wamid.2", "status": "warned", "timestamp": "1795510800"},
        ],
        "contacts": [{"profile": {"name": "Amina"}}],
    }  # fmt: skip
    read = read_whatsapp({"object": "w", "entry": [{"changes": [{"field": "messages", "value": value}]}]}, at=AT)
    assert [(event.event, event.message_id) for event in read.events] == [
        ("message.received", "wamid.1"),
        ("message.sent", "wamid.2"),
        ("message.read", "wamid.2"),
    ]
    assert {event.whatsapp_number for event in read.events} == {"+254700000001"}
    assert "1234" not in str(read)
    ((place, refused),) = read.refused
    assert (place, refused.reason) == (3, "its status is none of sent, delivered, read and failed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["event", "timestamp", "properties", "userId", "chatId", "batch", "entry", "changes", "value",
                         "messages", "statuses", "id", "context", "agentId", "x"]),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    with contextlib.closing(Inbox(tmp_path_factory.mktemp("any") / "inbox.sqlite")) as inbox:
        yield inbox


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_nothing_at_all_is_misunderstood(inbox, payload):
    """Whatever comes is kept, refused by its reason, or said to be none; and what is kept can be stored."""
    for read in (read_crm, read_whatsapp):
        try:
            found = read(payload, at=AT)
        except ValueError:
            continue
        inbox.put(found.events, [one for _, one in found.refused])
