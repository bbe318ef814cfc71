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
from crm_platform.api.decoding import decode
from crm_platform.api.instants import Believable, parse_timestamp
from crm_platform.api.scalars import parse_int

MOMENT = dt.datetime(2026, 3, 2, 6, 31, 22, tzinfo=dt.UTC)
ASKED_AT = MOMENT + dt.timedelta(hours=1)
BELIEVED = Believable.at(ASKED_AT)
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
        ("Mon, 02 Mar 2026 09:31:22 +0300", MOMENT, False),
        ("Mon, 2 Mar 2026 06:31:22 GMT", MOMENT, False),
        ("2 March 2026 06:31:22", MOMENT, True),
        ("Mon Mar 02 2026 09:31:22 GMT+0300 (East Africa Time)", MOMENT, False),
        ("March 2, 2026, 6:31:22 UTC", MOMENT, False),
        ("2026-03-02 09:31:22 +0300", MOMENT, False),
        ("2026-03-02 09:31:22 +03:00", MOMENT, False),
        ("2026-03-02 06:31:22 UTC", MOMENT, False),
        ("2026-03-02 06:31:22.250 +0000 UTC", MOMENT.replace(microsecond=250_000), False),
        ("2026/03/02 06:31:22", MOMENT, True),
        ("2026-03-02T09:31:22+03:00[Africa/Nairobi]", MOMENT, False),
        ("20260302063122", MOMENT, True),
        ("20260302", MOMENT.replace(hour=0, minute=0, second=0), True),
        (1772433082000250, MOMENT.replace(microsecond=250), False),
        ("1772433082000250", MOMENT.replace(microsecond=250), False),
        (1772433082000250000, MOMENT.replace(microsecond=250), False),
        ("1772433082000250000", MOMENT.replace(microsecond=250), False),
        (1.772433082e18, MOMENT, False),
        ("/Date(1772433082000)/", MOMENT, False),
        ("/Date(1772433082000+0300)/", MOMENT, False),
    ],
)
def test_timestamps_are_read(value, moment, naive):
    assert parse_timestamp(value) == (moment, naive)


@pytest.mark.parametrize(
    "value",
    [None, "", "yesterday", True, [], {}, "2026-13-01T00:00:00Z", float("nan"), "2026-03-02T06:31:60Z", "١٧٧٢٤٣٣٠٨٢",
     "Fri, 20 Nov 2026 10:00:00 EAT", "32 Nov 2026 10:00", "20 Foo 2026 10:00", "2026-11-20 10:00:00 CAT", "²" * 9,
     "20261320250000", "/Date(soon)/", "1 " * 50_000, "9" * 50_000],
)  # fmt: skip
def test_timestamps_that_are_none(value):
    assert parse_timestamp(value) is None


def test_a_message():
    assert p.parse_message(MESSAGE, BELIEVED) == Message(
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
        ({"timestamp": 1772433082000000001}, {"extra": {"timestamp": 1772433082000000001}}),
        ({"timestamp": "1772433082000000001"}, {"extra": {"timestamp": "1772433082000000001"}}),
        ({"timestamp": 1772433082000000000}, {}),
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
    plain = p.parse_message(MESSAGE, BELIEVED)
    read = p.parse_message(MESSAGE | change, BELIEVED)
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
        ({"direction": "sideways"}, "unknown direction", "wamid.1"),
        ({"direction": "user"}, "unknown direction", "wamid.1"),
        ({"direction": "x" * 100_000}, "unknown direction", "wamid.1"),
        ({"direction": ""}, "unknown direction", "wamid.1"),
        ({"message_id": "x" * 513}, "no message_id", None),
        ({"direction": None}, "unknown direction", "wamid.1"),
        ({"direction": ["inbound"]}, "unknown direction", "wamid.1"),
    ],
)
def test_messages_that_cannot_be_kept(change, reason, record_id):
    raw = MESSAGE | change
    rejected = p.parse_message(raw, BELIEVED)
    assert rejected == Rejected(reason, json.dumps(raw, ensure_ascii=False), record_id)


@pytest.mark.parametrize("raw", [None, 1, "text", [], True])
@pytest.mark.parametrize(
    "parse", [p.parse_message, p.parse_contact, p.parse_campaign, p.parse_custom_field, p.parse_custom_field_value]
)
def test_what_is_no_object_is_rejected(parse, raw):
    assert parse(raw, BELIEVED) == Rejected("not an object", json.dumps(raw))


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
    assert parse({"name": "x"}, BELIEVED) == Rejected(f"no {key}", '{"name": "x"}')


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
        },
        BELIEVED,
    ) == Contact(
        chat_id="77",
        whatsapp_number="254712345678",
        email=None,
        name="Zoë 💼",
        custom_fields={"VIP": "true", "Points": "12", "List": ["1"], "City": "Nakuru"},
        status="active",
        created_at=MOMENT,
        created_at_was_naive=False,
        extra={"lastSeen": "x"},
    )
    bare = p.parse_contact({"chat_id": "c", "created_at": "soon", "custom_fields": [{"a": 1}]}, BELIEVED)
    assert isinstance(bare, Contact)
    assert (bare.created_at, bare.custom_fields) == (None, {})
    assert bare.extra == {"created_at": "soon", "custom_fields": [{"a": 1}]}


def test_a_campaign_of_odd_shape():
    assert p.parse_campaign(
        {"campaign_id": 9, "name": "", "status": "In_Progress", "scheduled_at": None, "total_recipients": "1200",
         "created_at": "2026-03-02T06:31:22"},
        BELIEVED,
    ) == Campaign("9", None, "in_progress", MOMENT, True, None, False, 1200, {})  # fmt: skip
    odd = p.parse_campaign({"campaign_id": "9", "total_recipients": 2**63}, BELIEVED)
    assert isinstance(odd, Campaign)
    assert (odd.total_recipients, odd.extra) == (None, {"total_recipients": 2**63})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5), ("5", 5), (" -5 ", -5), (5.0, 5), (5.5, None), ("5.5", None), (True, None),
        ("9" * 19, None), ("٥", None),
        ("5.0", 5), ("1,234", 1234), ("1 234 567", 1234567), ("1'234", 1234), ("1\u00a0234", 1234),
        ("1.234.567", 1234567),
        ("1,234.00", 1234), ("1.234", None), ("1,23", None), ("1,234 567", None), ("98 %", None), ("many", None),
        ("1" * 100_000, None), (" " * 100_000 + "1", None), (1e30, None), (float("inf"), None),
    ],
)  # fmt: skip
def test_whole_numbers(value, number):
    assert parse_int(value) == number


# Believable instants.

UNBELIEVABLE = [
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59+14:00", "10000-01-01T00:00:00Z",
    "+012026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "0001-01-03", "0001-01-01T00:00:00+14:00",
    "0000-00-00 00:00:00", "-0044-03-15T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z",
    "Sat, 01 Jan 1900 00:00:00 GMT", 0, "0", -5, "-1772433082", 86400, 10**20, -(10**20), 10**400, 1e300, -1e300,
    float("inf"), float("-inf"), "/Date(-62135596800000)/", "/Date(9999999999999999)/",
]  # fmt: skip


@pytest.mark.parametrize("value", UNBELIEVABLE)
def test_a_message_of_an_unbelievable_time_is_rejected(value):
    """Field cases 1 and 2, and variants of them."""
    rejected = p.parse_message(MESSAGE | {"timestamp": value}, BELIEVED)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.record_id) == ("timestamp out of range", "wamid.1")


@pytest.mark.parametrize("value", UNBELIEVABLE)
def test_an_optional_instant_that_is_not_believed_is_absent_and_kept_beside(value):
    """Field cases 3 and 4, and variants of them."""
    contact = p.parse_contact({"chat_id": "c", "created_at": value}, BELIEVED)
    assert isinstance(contact, Contact)
    assert (contact.created_at, contact.created_at_was_naive, contact.extra) == (None, False, {"created_at": value})
    campaign = p.parse_campaign({"campaign_id": "k", "created_at": value, "scheduled_at": value}, BELIEVED)
    assert isinstance(campaign, Campaign)
    assert (campaign.created_at, campaign.scheduled_at) == (None, None)
    assert campaign.extra == {"created_at": value, "scheduled_at": value}


def test_the_edges_of_what_is_believed():
    """2000-01-01 ≤ t < request + 5 years; a creation at most 5 minutes after the request."""

    def message(moment: dt.datetime) -> bool:
        return isinstance(p.parse_message(MESSAGE | {"timestamp": moment.isoformat()}, BELIEVED), Message)

    tick = dt.timedelta(microseconds=1)
    first, until = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), ASKED_AT.replace(year=2031)
    assert [message(at) for at in (first - tick, first, until - tick, until)] == [False, True, True, False]
    latest = ASKED_AT + dt.timedelta(minutes=5)
    for at, is_there in ((first, True), (latest, True), (latest + tick, False)):
        contact = p.parse_contact({"chat_id": "c", "created_at": at.isoformat()}, BELIEVED)
        campaign = p.parse_campaign(
            {"campaign_id": "k", "created_at": at.isoformat(), "scheduled_at": at.isoformat()}, BELIEVED
        )
        assert isinstance(contact, Contact)
        assert isinstance(campaign, Campaign)
        assert (contact.created_at is not None, campaign.created_at is not None) == (is_there, is_there)
        assert campaign.scheduled_at == at
    leap = Believable.at(dt.datetime(2028, 2, 29, 12, tzinfo=dt.UTC))
    assert leap.until == dt.datetime(2033, 2, 28, 12, tzinfo=dt.UTC)


# The words of other systems.


@pytest.mark.parametrize(
    ("word", "direction"),
    [
        ("incoming", "inbound"), ("IN", "inbound"), ("Received", "inbound"), ("from_contact", "inbound"),
        ("fromCustomer", "inbound"), ("from-client", "inbound"), ("user_to_business", "inbound"), (" MO ", "inbound"),
        ("outgoing", "outbound"), ("out", "outbound"), ("SENT", "outbound"), ("to contact", "outbound"),
        ("from_agent", "outbound"), ("business", "outbound"), ("Out-Bound", "outbound"),
    ],
)  # fmt: skip
def test_directions_are_read_in_the_words_of_other_systems(word, direction):
    """Field case 21."""
    message = p.parse_message(MESSAGE | {"direction": word}, BELIEVED)
    assert isinstance(message, Message)
    assert (message.direction, message.extra) == (direction, {})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("254712345678@c.us", "+254712345678"), ("254712345678@s.whatsapp.net", "+254712345678"),
        ("254712345678:12@s.whatsapp.net", "+254712345678"), ("whatsapp:+254712345678", "+254712345678"),
        ("WhatsApp: +254 712 345 678", "+254712345678"), ("tel:+254-712-345-678;ext=1", "+254712345678"),
        ("https://wa.me/254712345678", "+254712345678"),
        ("00254712345678", "+254712345678"), ("+254 (0) 712-345678", "+254712345678"),
        ("254 712 345 678", "+254712345678"), ("+254\u00a0712\u2011345\u2011678\u200e", "+254712345678"),
        ("12345678901234@lid", None), ("123@lid", None), ("12345678901234", None), (12345678901234, None),
        ("+123456789012345", None), ("1203630-1234@g.us", None), ("status@broadcast", None),
        ("12345678901234@s.whatsapp.net", None),
    ],
)  # fmt: skip
def test_numbers_are_cleaned_and_ids_are_none(value, number):
    """Field case 26, and variants of it."""
    contact = p.parse_contact({"chat_id": "c", "whatsapp_number": value}, BELIEVED)
    assert isinstance(contact, Contact)
    assert (contact.whatsapp_number, contact.extra) == (number, {"whatsapp_number": value})


@pytest.mark.parametrize("value", ["+254712345678", "254712345678", "0712345678", "0712 345 678", "unknown", "Jane"])
def test_numbers_that_cannot_be_said_otherwise_stay_as_they_came(value):
    contact = p.parse_contact({"chat_id": "c", "whatsapp_number": value}, BELIEVED)
    assert isinstance(contact, Contact)
    assert (contact.whatsapp_number, contact.extra) == (value, {})


@pytest.mark.parametrize(
    ("value", "fields", "extra"),
    [
        ({"Plan": ["gold", "silver"]}, {"Plan": ["gold", "silver"]}, {}),
        ({"Plan": ["gold", 3, True, None, ""]}, {"Plan": ["gold", "3", "true"]}, {}),
        ({"Plan": [], "City": " "}, {"City": " "}, {}),
        ({"Plan": [["deep"]]}, {}, {"custom_fields": {"Plan": [["deep"]]}}),
        ({"Plan": {"a": 1}, "City": "Embu"}, {"City": "Embu"}, {"custom_fields": {"Plan": {"a": 1}}}),
        ([{"field_name": "Plan", "value": "gold"}, {"name": "City", "value": ["a"]}],
         {"Plan": "gold", "City": ["a"]}, {}),
        ([{"field_name": "Plan"}], {}, {"custom_fields": [{"field_name": "Plan"}]}),
    ],
)  # fmt: skip
def test_custom_fields_may_hold_lists(value, fields, extra):
    """Field case 27."""
    contact = p.parse_contact({"chat_id": "c", "custom_fields": value}, BELIEVED)
    assert isinstance(contact, Contact)
    assert (contact.custom_fields, contact.extra) == (fields, extra)


# Bounds.


def test_long_texts_are_cut_and_say_how_long_they_were():
    """Field case 16: one text of a megabyte; and variants of it."""
    (message,), _ = p.parse_all(
        [MESSAGE | {"content": "x" * 1_000_000, "odd": "y" * 1_000_000}], p.parse_message, BELIEVED
    )
    assert message.content is not None
    assert (len(message.content), message.content[-2:]) == (p.LONGEST_CONTENT, "x…")
    assert message.extra["content"] == {"characters": 1_000_000}
    assert message.extra["odd"]["characters"] == 1_000_000
    assert len(message.extra["odd"]["cut"]) == p.LONGEST_EXTRA
    raw = {"chat_id": "c", "name": "n" * 5_000, "status": "s" * 5_000, "custom_fields": {"Plan": "z" * 5_000}}
    (contact,), _ = p.parse_all([raw], p.parse_contact, BELIEVED)
    assert contact.name == "n" * (p.LONGEST_TEXT - 1) + "…"
    assert contact.status is None
    assert contact.custom_fields == {"Plan": "z" * (p.LONGEST_TEXT - 1) + "…"}
    assert contact.extra == {key: raw[key] for key in ("name", "status", "custom_fields")}
    rejected = p.parse_message({"content": "x" * 1_000_000}, BELIEVED)
    assert isinstance(rejected, Rejected)
    assert len(json.loads(rejected.raw)) == p.LONGEST_REJECTED


def test_many_unknown_fields_are_told_apart_to_a_bound():
    (message,), _ = p.parse_all(
        [MESSAGE | {f"f{number}": number for number in range(1_000)}], p.parse_message, BELIEVED
    )
    assert len(message.extra) == p.MOST_EXTRA + 1
    assert message.extra["…"][0] == ["f100", 100]
    (message,), _ = p.parse_all([MESSAGE | {"n" * 100_000: 1}], p.parse_message, BELIEVED)
    assert max(map(len, message.extra)) == 200


@pytest.mark.parametrize("depth", [100, 400, 900])
def test_what_is_nested_deeply_harms_no_other_record(depth):
    """Field case 66: a nesting bomb that JSON can still say."""
    bomb = json.loads("[" * depth + "]" * depth)
    raws = [MESSAGE | {"odd": bomb}, MESSAGE | {"direction": bomb}, MESSAGE]
    for torn in (False, True):
        kept, rejected = p.parse_all(raws, p.parse_message, BELIEVED, torn=torn)
        assert kept[-1].message_id == "wamid.1"
        assert len(kept) + len(rejected) == 3
        json.dumps([message.extra for message in kept])


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
        {"custom_field_id": 1, "name": "VIP", "type": "Boolean", "required": "true", "options": []}, BELIEVED
    ) == CustomField("1", "VIP", "boolean", True, {"options": []})
    assert p.parse_custom_field_value({"field_id": "1", "field_name": "VIP", "value": 3}, BELIEVED) == CustomFieldValue(
        "1", "VIP", None, "3", {}
    )


def test_what_utf8_cannot_hold_is_mended_and_kept():
    body = rb'[{"message_id": "a", "timestamp": 1772433082, "direction": "inbound", "content": "half \ud83d"}]'
    document, torn = decode(body)
    (message,), rejected = p.parse_all(document, p.parse_message, BELIEVED, torn=torn)
    assert torn
    assert not rejected
    assert message.content == "half \ufffd"
    assert message.extra == {"content": r'"half \ud83d"'}
    document, torn = decode(b'[{"message_id": "a\xff"}]')  # a broken byte
    _, (rejected,) = p.parse_all(document, p.parse_message, BELIEVED, torn=torn)
    assert rejected.reason == "no usable timestamp"
    assert json.loads(json.loads(rejected.raw)) == {"message_id": "a\udcff"}


def test_whole_emoji_are_not_torn():
    assert decode(json.dumps(["🙏"]).encode()) == (["🙏"], False)
    assert decode('\ufeff["🙏"]'.encode()) == (["🙏"], False)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"[" * 100_000, b"9" * 5000])
def test_what_is_not_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        decode(body)


def test_numbers_that_json_cannot_say_again_stay_texts():
    document, _ = decode(b"[NaN, 1e400, -Infinity, 1.5]")
    assert document == ["NaN", "1e400", "-Infinity", 1.5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    raw=st.fixed_dictionaries(
        {}, optional=dict.fromkeys([*Message.__slots__, *Contact.__slots__, *Campaign.__slots__, "metrics"], JSON)
    )
)
def test_nothing_a_server_sends_raises_and_nothing_is_lost(raw):
    for parse in (p.parse_message, p.parse_contact, p.parse_campaign, p.parse_custom_field, p.parse_custom_field_value):
        record = parse(raw, BELIEVED)
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
    best = min(_seconds(lambda: p.parse_all(raws, p.parse_message, BELIEVED)) for _ in range(5))
    assert best / 1000 < 40e-6  # measured: 4.6 µs; the bound leaves room for a busy machine


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
