"""The events of a world: each thing that happens is told once, however often one asks, and by the truth's own facts."""

import collections
import datetime as dt
import json

import pytest

from crm_platform.sandbox import EVENTS
from crm_platform.sandbox.chance import DAY, HOUR, MINUTE
from crm_platform.sandbox.events import EventFeed
from crm_platform.sandbox.people import AGENTS
from crm_platform.sandbox.records import iso, milliseconds
from crm_platform_tests.sandbox.desk import START, Desk

AT = milliseconds(START)
DAYS = 4
UNTIL = START + dt.timedelta(days=DAYS)
TOLD = {"message.received", "message.sent"}


def events(desk, after=START, until=UNTIL):
    return desk.sandbox.events_between(after, until)


def of(found, *names):
    return [one for one in found if one.name in names]


def written_after(desk, after=START):
    """The truth's messages since a time, by id."""
    start = after.strftime("%Y-%m-%dT%H:%M:%S")
    return {one["message_id"]: one for one in desk.truth("message") if one["timestamp"] > start}


@pytest.fixture(scope="module")
def lived():
    """A desk four days later, and what happened since."""
    desk = Desk(contacts=150)
    found = events(desk)
    desk.advance(days=DAYS)
    return desk, found


def test_every_message_is_told_once(lived):
    desk, found = lived
    told = collections.Counter(one.properties["messageId"] for one in of(found, *TOLD))
    messages = written_after(desk)
    assert len(messages) > 100
    assert told == collections.Counter(messages.keys())


def test_a_message_is_told_as_it_is(lived):
    desk, found = lived
    messages = written_after(desk)
    numbers = {one["chat_id"]: one["whatsapp_number"] for one in desk.truth("contact")}
    senders = collections.Counter()
    for one in of(found, *TOLD):
        message = messages[one.properties["messageId"]]
        assert iso(one.at)[:-1] == message["timestamp"][:-4]
        assert numbers[message["chat_id"]] == one.number
        if one.name == "message.received":
            expected = {"chatId": message["chat_id"], "contentType": message["type"]}
            assert message["direction"] == "inbound"
        else:
            expected = {} if message["written_by"] is None else {"agentId": message["written_by"]}
            if message["type"] == "template":
                expected = {"templateId": one.properties["templateId"]}
            if (named := message.get("operator_email")) is not None:
                assert named == message["written_by"]
            senders[message["type"] == "template", message["written_by"] is None] += 1
        assert one.properties == {"messageId": message["message_id"], **expected}
    assert min(senders[True, True], senders[False, True], senders[False, False]) > 0  # a campaign, the bot, people


def test_a_status_is_told_when_it_changes(lived):
    desk, found = lived
    told = {
        name: {one.properties["messageId"] for one in of(found, f"message.{name}")} for name in ("delivered", "read")
    }
    messages = written_after(desk)
    for name, message in messages.items():
        if message["direction"] == "outbound":
            assert (name in told["delivered"]) == (message["status"] in {"delivered", "read"})
            assert (name in told["read"]) == (message["status"] == "read")
    earlier = told["read"] - messages.keys()
    assert earlier, "of messages from before, too"


def test_conversations_are_taken_over_and_end(lived):
    desk, found = lived
    said = collections.defaultdict(list)
    for message in desk.truth("message"):
        said[message["chat_id"]].append(message["timestamp"])
    assert {one.name for one in found} == set(EVENTS)
    for one in of(found, "chat.assigned", "agent.handoff"):
        assert one.properties["agentId"] in AGENTS
        answers = [
            other.at
            for other in of(found, "message.sent")
            if other.number == one.number and other.properties.get("agentId") == one.properties["agentId"]
        ]
        # Within the window: an answer just after it may be missing.
        assert any(one.at <= at <= one.at + MINUTE for at in answers) or one.at > AT + DAYS * DAY - MINUTE
    for one in of(found, "chat.resolved"):
        since, then = iso(one.at - 4 * HOUR)[:-1], iso(one.at)[:-1] + "999"
        assert any(since <= at <= then for at in said[one.properties["chatId"]]), (
            "within four hours of its last message"
        )
        assert one.properties["messageCount"] >= 1
        assert one.properties["resolution"] == ("resolved" if "agentId" in one.properties else "automated")
    for one in of(found, "csat.submitted"):
        assert one.properties.keys() == {"rating"}
        assert 1 <= one.properties["rating"] <= 5
    numbers = {contact["whatsapp_number"] for contact in desk.truth("contact")}
    for one in of(found, "contact.created"):
        assert one.number in numbers
        assert len(one.properties["countryCode"]) == 2


def test_a_stretch_may_be_cut_anywhere(lived):
    desk, found = lived
    again = Desk(contacts=150)
    feed = EventFeed(again.sandbox.world, after=AT)
    pieces = [one for hour in range(1, DAYS * 24 + 1, 5) for one in feed.until(AT + hour * HOUR)]
    pieces += feed.until(AT + DAYS * DAY)
    assert pieces == found
    assert feed.until(AT + DAYS * DAY) == feed.until(AT) == []
    middle = START + dt.timedelta(hours=31)
    assert events(again, until=middle) + events(again, after=middle) == found
    assert events(desk) == found, "also when the time has passed"


def test_another_seed_has_other_events(lived):
    _, found = lived
    assert len({one.event_id for one in found}) == len(found)
    assert not {one.event_id for one in found} & {one.event_id for one in events(Desk(contacts=150, seed=8))}
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert all(AT < one.at <= AT + DAYS * DAY for one in found)


def test_what_is_written_through_the_api_is_told():
    desk = Desk()
    feed = EventFeed(desk.sandbox.world, after=AT)
    chat_id = desk.contacts()[-2]["chat_id"]
    feed.until(AT)
    made = desk("POST", "/crm/chat", {"whatsapp_number": "+254712000001"})[1]["data"]
    desk("POST", f"/crm/chat/setting/{chat_id}/operator/assign_chat", {"operator_email": "zuri@example.com"})
    desk.advance(seconds=90)
    body = {"metadata": {"resolution_notes": "paid"}}
    desk("POST", f"/crm/chat/setting/{chat_id}/operator/mark_as_done", body)
    desk("POST", f"/crm/chat/setting/{made['chat_id']}/operator/mark_as_done")
    found = [one for one in feed.until(AT + 90_000) if one.number == made["whatsapp_number"]]
    assert [(one.at, one.name, one.properties) for one in found] == [
        (AT, "contact.created", {"source": "api", "countryCode": "KE"}),
        (
            AT + 90_000,
            "chat.resolved",
            {"chatId": made["chat_id"], "messageCount": 0, "durationMinutes": 0, "resolution": "resolved"},
        ),
    ]
    number = next(one["whatsapp_number"] for one in desk.contacts() if one["chat_id"] == chat_id)
    told = [one for one in events(desk, START - dt.timedelta(seconds=1)) if one.number == number]
    assert ("chat.assigned", {"chatId": chat_id, "agentId": "zuri@example.com"}) in [
        (one.name, one.properties) for one in told
    ]
    done = next(one for one in told if one.at == AT + 90_000 and one.name == "chat.resolved")
    assert done.properties["agentId"] == "zuri@example.com"
    assert done.properties["resolution"] == "paid"
    assert done.properties["messageCount"] >= 1


def test_who_is_assigned_through_the_api_writes_from_then_on():
    desk = Desk()
    lively = desk.contacts()[-2]
    before = [one for one in events(desk) if one.number == lively["whatsapp_number"]]
    path = f"/crm/chat/setting/{lively['chat_id']}/operator/assign_chat"
    desk("POST", path, {"operator_email": "zuri@example.com"})
    after = [one for one in events(desk, START) if one.number == lively["whatsapp_number"]]
    agents = {one.properties["agentId"] for one in of(after, "message.sent") if "templateId" not in one.properties}
    assert agents == {"zuri@example.com"}
    assert of(before, "chat.assigned")
    assert not of(after, "chat.assigned", "agent.handoff"), "it is assigned already"
    desk.advance(days=DAYS)
    messages = written_after(desk)
    for one in of(after, "message.sent"):
        assert messages[one.properties["messageId"]]["written_by"] == one.properties.get("agentId")


def test_campaigns_of_the_api_are_told():
    desk = Desk()
    feed = EventFeed(desk.sandbox.world, after=AT - 1)
    feed.until(AT)
    numbers = [one["whatsapp_number"] for one in desk.contacts()]
    receivers = [{"whatsapp_number": number} for number in (*numbers, "+254712000009")]
    body = {"name": "n", "template_name": "greeting", "receivers": receivers}
    campaign_id = desk("POST", "/crm/campaign", body)[1]["data"]["campaign_id"]
    desk("POST", f"/crm/campaign/{campaign_id}/trigger")
    sent = [one for one in feed.until(AT + HOUR) if one.properties.get("templateId") == "greeting"]
    assert sorted(one.number for one in sent) == sorted(numbers), "but the one that is nobody's"
    desk.advance(hours=1)
    assert {one.properties["messageId"] for one in sent} <= written_after(desk, START - dt.timedelta(seconds=1)).keys()


def test_a_contact_who_is_gone_is_silent():
    desk = Desk()
    lively = desk.contacts()[-2]
    assert of([one for one in events(desk) if one.number == lively["whatsapp_number"]], *TOLD)
    feed = EventFeed(desk.sandbox.world, after=AT)
    feed.until(AT)
    desk("DELETE", f"/crm/chat/{lively['chat_id']}")
    for found in (events(desk), feed.until(AT + DAYS * DAY)):
        assert not [one for one in found if one.number == lively["whatsapp_number"]]


def test_a_message_in_two_chats_is_told_once():
    desk = Desk(shapes=("merged-contacts",), contacts=100)
    found = events(desk)
    desk.advance(days=DAYS)
    messages = [one for one in desk.truth("message") if one["timestamp"] > "2026-03-04T09:30:00"]
    told = collections.Counter(one.properties["messageId"] for one in of(found, *TOLD))
    assert len(messages) > len(told)
    assert told == collections.Counter({one["message_id"] for one in messages})


def test_the_sandbox_tells_its_events_beside_the_contract():
    desk = Desk()
    desk.advance(days=1)
    answer = desk.answer("GET", "/sandbox/events")
    lines = [json.loads(line) for line in b"".join(answer.chunks).splitlines()]
    found = events(desk, START - dt.timedelta(milliseconds=1), START + dt.timedelta(days=1))
    assert [one["event_id"] for one in lines] == [one.event_id for one in found]
    assert lines[0] == {
        "kind": "event",
        "event": found[0].name,
        "userId": found[0].number,
        "timestamp": iso(found[0].at),
        "properties": found[0].properties,
        "context": {"channel": "whatsapp"},
        "event_id": found[0].event_id,
        "message_id": found[0].properties.get("messageId"),
        "fates": [],
    }
    some = desk.answer("GET", "/sandbox/events", after=iso(AT + HOUR), until=iso(AT + 2 * HOUR))
    hour = events(desk, START + dt.timedelta(hours=1), START + dt.timedelta(hours=2))
    assert len(b"".join(some.chunks).splitlines()) == len(hour) > 0
    assert desk("GET", "/sandbox/events", after="soon")[0] == 422


@pytest.mark.slow
def test_a_larger_world_with_every_shape_is_told_whole():
    desk = Desk(contacts=800, days=90, shapes=("all",))
    feed = EventFeed(desk.sandbox.world, after=AT)
    found = [one for hour in range(6, 11 * 24, 6) for one in feed.until(AT + hour * HOUR)]
    desk.advance(hours=11 * 24 - 6)
    told = collections.Counter(one.properties["messageId"] for one in of(found, *TOLD))
    assert max(told.values()) == 1
    messages = [one for one in desk.sandbox.truth() if one["kind"] == "message"]
    assert {one["message_id"] for one in messages if one["timestamp"] > "2026-03-04T09:30:00.000000Z"} <= told.keys()
