"""Every odd shape is read exactly, or kept as it came."""

from __future__ import annotations

import datetime as dt
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.api import Campaign, CampaignReport, Contact, CustomField, CustomFieldValue, Message, Rejected
from crm_platform.api import parsing as p

MOMENT = dt.datetime(2026, 3, 2, 6, 31, 22, tzinfo=dt.UTC)
MESSAGE = {
    "message_id": "wamid.1",
    "type": "text",
    "content": "Habari",
    "direction": "inbound",
    "status": "received",
    "timestamp": "2026-03-02T06:31:22Z",
}


@pytest.mark.parametrize(
    ("value", "moment", "naive"),
    [
        ("2026-03-02T06:31:22Z", MOMENT, False),
        ("2026-03-02T06:31:22z", MOMENT, False),
        ("2026-03-02T09:31:22+03:00", MOMENT, False),
        ("2026-03-02T09:31:22+0300", MOMENT, False),
        ("2026-03-02 06:31:22", MOMENT, True),
        (" 2026-03-02T06:31:22 ", MOMENT, True),
        ("2026-03-02T06:31:22.250Z", MOMENT.replace(microsecond=250_000), False),
        ("2026-03-02T06:31:22.123456789Z", MOMENT.replace(microsecond=123_456), False),
        (1772433082, MOMENT, False),
        ("1772433082", MOMENT, False),
        (1772433082000, MOMENT, False),
        ("1772433082250", MOMENT.replace(microsecond=250_000), False),
        (1772433082.25, MOMENT.replace(microsecond=250_000), False),
        ("1772433082.25", MOMENT.replace(microsecond=250_000), False),
        ("20260302T063122Z", MOMENT, False),
        ("2026-03-02", MOMENT.replace(hour=0, minute=0, second=0), True),
    ],
)
def test_timestamps_are_read(value, moment, naive):
    assert p.parse_timestamp(value) == (moment, naive)


@pytest.mark.parametrize(
    "value",
    [None, "", "yesterday", "0", 0, -5, True, [], {}, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 10**18,
     float("inf"), float("nan"), "2026-03-02T06:31:60Z", "١٧٧٢٤٣٣٠٨٢"],
)  # fmt: skip
def test_timestamps_that_are_none(value):
    assert p.parse_timestamp(value) is None


def test_a_message():
    assert p.parse_message(MESSAGE) == Message(
        message_id="wamid.1",
        type="text",
        content="Habari",
        direction="inbound",
        status="received",
        timestamp=MOMENT,
        timestamp_was_naive=False,
        sender=None,
        extra={},
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"message_id": 4711}, {"message_id": "4711"}),
        ({"type": "TEXT", "direction": "INBOUND ", "status": "Received"}, {}),
        ({"type": "Sticker"}, {"type": "sticker"}),
        ({"content": ""}, {"content": None}),
        ({"content": "  "}, {"content": "  "}),
        ({"content": 7}, {"content": "7"}),
        ({"content": {"body": "x"}}, {"content": None, "extra": {"content": {"body": "x"}}}),
        ({"type": 3, "status": ["read"]}, {"type": None, "status": None, "extra": {"type": 3, "status": ["read"]}}),
        ({"status": None}, {"status": None}),
        ({"timestamp": "2026-03-02T06:31:22"}, {"timestamp_was_naive": True}),
        (
            {"timestamp": "2026-03-02T06:31:22.0000001Z"},
            {"extra": {"timestamp": "2026-03-02T06:31:22.0000001Z"}},
        ),
        ({"timestamp": "2026-03-02T06:31:22.000000000Z"}, {}),
        ({"timestamp": "20260302T063122.0000001+00:00"}, {"extra": {"timestamp": "20260302T063122.0000001+00:00"}}),
        ({"operator_email": "a@example.com"}, {"sender": "a@example.com"}),
        ({"agentId": 12}, {"sender": "12"}),
        ({"operator_email": "", "agentId": "a1"}, {"sender": "a1"}),
        ({"operator_email": {"id": 1}}, {"extra": {"operator_email": {"id": 1}}}),
        (
            {"operator_email": "a@example.com", "agentId": "a1"},
            {"sender": "a@example.com", "extra": {"agentId": "a1"}},
        ),
        ({"reactions": [1], "new": None}, {"extra": {"reactions": [1], "new": None}}),
        ({"extra": 1, "sender": "me"}, {"extra": {"extra": 1, "sender": "me"}}),
    ],
)
def test_messages_of_odd_shape(change, expected):
    plain = p.parse_message(MESSAGE)
    read = p.parse_message(MESSAGE | change)
    assert isinstance(read, Message)
    for name in Message.__slots__:
        assert getattr(read, name) == expected.get(name, getattr(plain, name)), name


@pytest.mark.parametrize(
    ("change", "reason", "record_id"),
    [
        ({"message_id": None}, "no message_id", None),
        ({"message_id": "  "}, "no message_id", None),
        ({"message_id": 1.5}, "no message_id", None),
        ({"message_id": True}, "no message_id", None),
        ({"timestamp": None}, "no usable timestamp", "wamid.1"),
        ({"timestamp": "soon"}, "no usable timestamp", "wamid.1"),
        ({"direction": "in"}, "unknown direction", "wamid.1"),
        ({"direction": None}, "unknown direction", "wamid.1"),
        ({"direction": ["inbound"]}, "unknown direction", "wamid.1"),
    ],
)
def test_messages_that_cannot_be_kept(change, reason, record_id):
    raw = MESSAGE | change
    rejected = p.parse_message(raw)
    assert rejected == Rejected(reason, json.dumps(raw, ensure_ascii=False), record_id)


@pytest.mark.parametrize("raw", [None, 1, "text", [], True])
@pytest.mark.parametrize(
    "parse", [p.parse_message, p.parse_contact, p.parse_campaign, p.parse_custom_field, p.parse_custom_field_value]
)
def test_what_is_no_object_is_rejected(parse, raw):
    assert parse(raw) == Rejected("not an object", json.dumps(raw))


@pytest.mark.parametrize(
    ("parse", "key"),
    [
        (p.parse_contact, "chat_id"),
        (p.parse_campaign, "campaign_id"),
        (p.parse_custom_field, "custom_field_id"),
        (p.parse_custom_field_value, "field_id"),
    ],
)
def test_a_record_without_its_key_is_rejected(parse, key):
    assert parse({"name": "x"}) == Rejected(f"no {key}", '{"name": "x"}')


def test_a_contact_of_odd_shape():
    assert p.parse_contact(
        {
            "chat_id": 77,
            "whatsapp_number": 254712345678,
            "email": "",
            "name": "Zoë 💼",
            "custom_fields": {"VIP": True, "Points": 12, "Empty": "", "None": None, "List": [1], "City": "Nakuru"},
            "status": "ACTIVE",
            "created_at": 1772433082,
            "lastSeen": "x",
        }
    ) == Contact(
        chat_id="77",
        whatsapp_number="254712345678",
        email=None,
        name="Zoë 💼",
        custom_fields={"VIP": "true", "Points": "12", "City": "Nakuru"},
        status="active",
        created_at=MOMENT,
        created_at_was_naive=False,
        extra={"lastSeen": "x", "custom_fields": {"List": [1]}},
    )
    bare = p.parse_contact({"chat_id": "c", "created_at": "soon", "custom_fields": [{"a": 1}]})
    assert isinstance(bare, Contact)
    assert (bare.created_at, bare.custom_fields) == (None, {})
    assert bare.extra == {"created_at": "soon", "custom_fields": [{"a": 1}]}


def test_a_campaign_of_odd_shape():
    assert p.parse_campaign(
        {"campaign_id": 9, "name": "", "status": "In_Progress", "scheduled_at": None, "total_recipients": "1200",
         "created_at": "2026-03-02T06:31:22"}
    ) == Campaign("9", None, "in_progress", MOMENT, True, None, False, 1200, {})  # fmt: skip
    odd = p.parse_campaign({"campaign_id": "9", "total_recipients": 2**63})
    assert isinstance(odd, Campaign)
    assert (odd.total_recipients, odd.extra) == (None, {"total_recipients": 2**63})


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (" -5 ", -5), (5.0, 5), (5.5, None), ("5.5", None), (True, None), ("9" * 19, None), ("٥", None)],
)
def test_whole_numbers(value, number):
    assert p.parse_int(value) == number


METRICS = {"total_recipients": 100, "delivered": "98", "read": 76.0, "replied": -1, "failed": None}


@pytest.mark.parametrize("is_nested", [True, False])
def test_a_report_of_either_shape(is_nested):
    raw = {"success": True, "campaign_id": "c", "delivery_rate": "98%", "read_rate": 76.5, "note": "x"}
    raw |= {"metrics": METRICS} if is_nested else METRICS
    assert p.parse_report(raw, campaign_id="c") == CampaignReport(
        "c", None, 100, 98, 76, -1, None, "98%", "76.5", None, {"note": "x"}
    )


def test_a_report_keeps_what_it_cannot_convert():
    report = p.parse_report({"metrics": {"delivered": "many", "opened": 3}}, campaign_id="c")
    assert report is not None
    assert report.extra == {"metrics": {"opened": 3, "delivered": "many"}}
    assert p.parse_report({"success": True, "campaign_id": "c"}, campaign_id="c") is None


def test_custom_fields():
    assert p.parse_custom_field(
        {"custom_field_id": 1, "name": "VIP", "type": "Boolean", "required": "true", "options": []}
    ) == CustomField("1", "VIP", "boolean", True, {"options": []})
    assert p.parse_custom_field_value({"field_id": "1", "field_name": "VIP", "value": 3}) == CustomFieldValue(
        "1", "VIP", None, "3", {}
    )


def test_what_utf8_cannot_hold_is_mended_and_kept():
    body = rb'[{"message_id": "a", "timestamp": 1772433082, "direction": "inbound", "content": "half \ud83d"}]'
    document, torn = p.decode(body)
    (message,), rejected = p.parse_all(document, p.parse_message, torn=torn)
    assert torn
    assert not rejected
    assert message.content == "half \ufffd"
    assert message.extra == {"content": r'"half \ud83d"'}
    document, torn = p.decode(b'[{"message_id": "a\xff"}]')  # a broken byte
    _, (rejected,) = p.parse_all(document, p.parse_message, torn=torn)
    assert rejected.reason == "no usable timestamp"
    assert json.loads(json.loads(rejected.raw)) == {"message_id": "a\udcff"}


def test_whole_emoji_are_not_torn():
    assert p.decode(json.dumps(["🙏"]).encode()) == (["🙏"], False)
    assert p.decode('\ufeff["🙏"]'.encode()) == (["🙏"], False)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"[" * 100_000, b"9" * 5000])
def test_what_is_not_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        p.decode(body)


def test_numbers_that_json_cannot_say_again_stay_texts():
    document, _ = p.decode(b"[NaN, 1e400, -Infinity, 1.5]")
    assert document == ["NaN", "1e400", "-Infinity", 1.5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    raw=st.fixed_dictionaries(
        {}, optional=dict.fromkeys([*Message.__slots__, *Contact.__slots__, *Campaign.__slots__, "metrics"], JSON)
    )
)
def test_nothing_a_server_sends_raises_and_nothing_is_lost(raw):
    for parse in (p.parse_message, p.parse_contact, p.parse_campaign, p.parse_custom_field, p.parse_custom_field_value):
        record = parse(raw)
        if isinstance(record, Rejected):
            assert record.reason
            continue
        for name, value in raw.items():
            if value is None or value in ("", {}, []) or (name == "custom_fields" and isinstance(value, dict)):
                continue  # nothing was said; custom fields have a test of their own
            assert name in record.extra or getattr(record, name) is not None, (name, value)
    p.parse_report(raw, campaign_id="c")


def test_a_page_of_messages_is_cheap():
    raws = [MESSAGE | {"message_id": f"wamid.{number}"} for number in range(1000)]
    best = min(_seconds(lambda: p.parse_all(raws, p.parse_message)) for _ in range(5))
    assert best / 1000 < 40e-6  # measured: 4.6 µs; the bound leaves room for a busy machine


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
