"""The 16 operations: envelopes, paging, errors, and writes that later reads see."""

import datetime as dt
import itertools
import re

import pytest

from crm_platform.sandbox import OPERATIONS
from crm_platform_tests.sandbox.desk import START, Desk

NUMBER = "+254712000001"


@pytest.fixture
def desk():
    return Desk()


def create(desk, **more):
    status, body = desk("POST", "/crm/chat", {"whatsapp_number": NUMBER, **more})
    assert (status, body["success"]) == (201, True)
    return body["data"]


def test_each_operation_is_answered(desk):
    for name, (method, path) in OPERATIONS.items():
        status, body = desk(method, re.sub(r"{\w+}", "x", path))
        assert status in {200, 404, 422}, name
        assert body["success"] is (status == 200)
    assert desk.sandbox.stats().by_route == dict.fromkeys(sorted(OPERATIONS), 1)


def test_contacts_are_flat_with_pagination(desk):
    status, body = desk("GET", "/crm/chat")
    assert status == 200
    assert body["pagination"] == {"page": 1, "limit": 20, "total": 40}
    assert len(body["data"]) == 20
    assert {"chat_id", "whatsapp_number", "status", "created_at"} <= body["data"][0].keys()
    assert len({one["chat_id"] for one in desk.contacts(limit=7)}) == 40
    assert desk("GET", "/crm/chat", page=99)[1]["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"page": 0},
        {"page": "x"},
        {"page": -1},
        {"limit": 0},
        {"limit": 101},
        {"limit": ""},
        {"page": "9" * 5000},
        {"page": "٣"},
    ],
)
def test_a_bad_page_or_limit_is_named(desk, query):
    status, body = desk("GET", "/crm/chat", **query)
    assert status == 422
    assert body["error"]["code"] == "VALIDATION_ERROR"
    assert body["error"]["details"][0]["field"] == next(iter(query))


def test_messages_are_nested_and_sorted_both_ways(desk):
    chat_id = max(desk.truth("message"), key=lambda one: one["timestamp"])["chat_id"]
    newest = desk.messages(chat_id)
    oldest = desk.messages(chat_id, sort="oldest", limit=13)
    assert newest[::-1] == oldest
    assert [one["timestamp"] for one in oldest] == sorted(one["timestamp"] for one in oldest)
    assert desk("GET", f"/crm/chat/{chat_id}/messages")[1]["data"]["pagination"]["limit"] == 50
    assert desk("GET", f"/crm/chat/{chat_id}/messages", sort="up")[0] == 422


@pytest.mark.parametrize("key", ["", "wrong", "sandbo", "ключ"])
def test_a_wrong_key_is_a_401(desk, key):
    desk.key = key
    for path in ("/crm/chat", "/nowhere", "/sandbox/stats"):
        status, body = desk("GET", path)
        assert (status, body["success"]) == (401, False)
        assert "developer_message" in body


def test_unknown_paths_and_methods(desk):
    assert desk("GET", "/crm/elsewhere")[0] == 404
    assert desk("GET", "/")[0] == 404
    answer = desk.answer("PUT", "/crm/chat")
    assert answer.status == 405
    assert ("allow", "GET, POST") in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/crm/chat/{}/messages"),
        ("DELETE", "/crm/chat/{}"),
        ("GET", "/crm/chat/setting/{}/custom-field"),
        ("GET", "/crm/campaign/{}/report"),
        ("POST", "/crm/campaign/{}/trigger"),
        ("DELETE", "/crm/setting/custom-field/{}"),
    ],
)
@pytest.mark.parametrize("wrong", ["x", "0" * 24, "é", "zz" * 12, ""])
def test_what_does_not_exist_is_a_404(desk, method, path, wrong):
    status, body = desk(method, path.format(wrong))
    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")


def test_an_id_of_another_world_is_unknown(desk):
    other = Desk(seed=8).contacts()[0]["chat_id"]
    assert desk("GET", f"/crm/chat/{other}/messages")[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "whatsapp_number"),
        ({"whatsapp_number": "0712345678"}, "whatsapp_number"),
        ({"whatsapp_number": 254712345678}, "whatsapp_number"),
        ({"whatsapp_number": "+254712345678", "email": "nobody"}, "email"),
        ({"whatsapp_number": "+254712345678", "name": 5}, "name"),
        ({"whatsapp_number": "+254712345678", "custom_fields": {"VIP": True}}, "custom_fields"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"whatsapp_number": "+254712345678", "name": "\\ud800"}', "body"),
        (b"[" * 100_000, "body"),
    ],
)
def test_a_bad_contact_is_a_422_that_names_the_field(desk, body, field):
    status, answer = desk("POST", "/crm/chat", body)
    assert status == 422
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]


def test_a_created_contact_is_first_and_has_an_empty_chat(desk):
    before = desk.contacts()
    made = create(desk, name="Zoë 🦋", email="z@mail.example", custom_fields={"VIP": "Yes", "Unheard of": "x"})
    assert made["custom_fields"] == {"VIP": "Yes"}
    assert desk.contacts() == [made, *before]
    assert desk.messages(made["chat_id"]) == []
    values = desk("GET", f"/crm/chat/setting/{made['chat_id']}/custom-field")[1]["data"]
    assert {one["field_name"]: one["value"] for one in values}["VIP"] == "Yes"
    assert desk("POST", "/crm/chat", {"whatsapp_number": NUMBER})[0] == 422  # it is a contact already
    desk.advance(days=30)
    assert desk.messages(made["chat_id"]) == []


def test_a_deleted_contact_is_gone_and_may_come_back_as_another(desk):
    made = create(desk)
    old = desk.contacts()[20]
    for gone in (made, old):
        assert desk("DELETE", f"/crm/chat/{gone['chat_id']}")[0] == 200
        assert desk("DELETE", f"/crm/chat/{gone['chat_id']}")[0] == 404
        assert desk("GET", f"/crm/chat/{gone['chat_id']}/messages")[0] == 404
    assert {made["chat_id"], old["chat_id"]}.isdisjoint(one["chat_id"] for one in desk.contacts())
    assert create(desk)["chat_id"] != made["chat_id"]
    assert desk("POST", "/crm/chat", {"whatsapp_number": old["whatsapp_number"]})[0] == 201


@pytest.mark.parametrize(
    ("condition", "cut"),
    [
        ("equal to", lambda n: n),
        ("contains", lambda n: n[3:9]),
        ("starts with", lambda n: n[:9]),
        ("ends with", lambda n: n[-6:]),
    ],
)
def test_search(desk, condition, cut):
    contact = desk.contacts()[5]
    query = {"search_field": "whatsapp_number", "condition": condition, "search_value": cut(contact["whatsapp_number"])}
    status, body = desk("GET", "/crm/chat/search", **query)
    assert status == 200
    assert contact in body["data"]


def test_search_finds_what_was_created_whatever_the_case(desk):
    made = create(desk, name="Łukasz Ñandú", email="lukasz@mail.example")
    for field, value in (("name", "łukasz ÑA"), ("email", "LUKASZ@")):
        query = {"search_field": field, "condition": "starts with", "search_value": value}
        assert desk("GET", "/crm/chat/search", **query)[1]["data"] == [made]
    assert desk("GET", "/crm/chat/search", search_field="city", search_value="x")[0] == 422
    assert desk("GET", "/crm/chat/search", search_field="name")[0] == 422


def test_custom_fields_come_and_go(desk):
    status, body = desk("POST", "/crm/setting/custom-field", {"name": "Tier", "type": "text", "default_value": "none"})
    assert status == 201
    made = body["data"]
    assert made["required"] is False
    assert made in desk("GET", "/crm/setting/custom-field")[1]["data"]
    chat_id = desk.contacts()[0]["chat_id"]
    values = desk("GET", f"/crm/chat/setting/{chat_id}/custom-field")[1]["data"]
    assert {"field_id": made["custom_field_id"], "field_name": "Tier", "field_type": "text", "value": "none"} in values
    assert desk("POST", "/crm/setting/custom-field", {"name": "Tier", "type": "text"})[0] == 422
    segment = next(one for one in desk("GET", "/crm/setting/custom-field")[1]["data"] if one["name"] == "Segment")
    assert any("Segment" in one.get("custom_fields", {}) for one in desk.contacts())
    assert desk("DELETE", f"/crm/setting/custom-field/{segment['custom_field_id']}")[0] == 200
    assert not any("Segment" in one.get("custom_fields", {}) for one in desk.contacts())


def test_an_assigned_chat_carries_its_operator_from_then_on():
    desk = Desk()
    by_chat = {}
    for one in desk.truth("message"):
        by_chat[one["chat_id"]] = by_chat.get(one["chat_id"], 0) + 1
    chat_id = max(by_chat, key=by_chat.__getitem__)
    before = desk.messages(chat_id)
    path = f"/crm/chat/setting/{chat_id}/operator/assign_chat"
    assert desk("POST", path, {"operator_email": "nobody"})[0] == 422
    status, body = desk("POST", path, {"operator_email": "me@team.example", "pause_automation": True})
    assert (status, body["data"]) == (200, {"assigned_to": "me@team.example"})
    desk.advance(days=10)
    after = desk.messages(chat_id)
    senders = {one.get("operator_email") for one in before}
    assert "me@team.example" not in senders
    new = after[: len(after) - len(before)]
    answers = [one for one in new if one["direction"] == "outbound" and one["type"] != "template"]
    assert answers
    assert {one.get("operator_email") for one in answers} == {"me@team.example"}
    assert [event["event"] for event in desk.truth("operator_event")] == ["assigned"]
    assert desk.truth("operator_event", START - dt.timedelta(hours=1)) == []


def test_marking_as_done(desk):
    contact = desk.contacts()[3]
    path = f"/crm/chat/setting/{contact['chat_id']}/operator/mark_as_done"
    assert desk("POST", path)[0] == 200
    assert desk("POST", path, {"metadata": {"resolution_notes": "all well"}})[0] == 200
    assert desk("POST", path, {"metadata": "x"})[0] == 422
    assert desk.contacts()[3]["status"] == "resolved"
    assert [event["resolution_notes"] for event in desk.truth("operator_event")] == [None, "all well"]


def test_campaigns_are_of_every_kind_and_flat(desk):
    status, body = desk("GET", "/crm/campaign", limit=5, page=2)
    assert (status, body["page"], body["rows"], len(body["data"])) == (200, 2, 5, 5)
    everything = desk("GET", "/crm/campaign", limit=100)[1]
    assert everything["count"] == len(everything["data"])
    statuses = {one["status"] for one in everything["data"]}
    assert statuses >= {"draft", "scheduled", "active", "in_progress", "completed"}
    for one in everything["data"]:
        status, report = desk("GET", f"/crm/campaign/{one['campaign_id']}/report")
        metrics = report["metrics"]
        assert "data" not in report
        assert 0 <= metrics["replied"] <= metrics["read"] <= metrics["delivered"]
        assert metrics["delivered"] + metrics["failed"] <= metrics["total_recipients"]
        if one["status"] == "draft":
            assert set(metrics.values()) == {0}
        else:
            assert metrics["total_recipients"] == one["total_recipients"]
        whole = metrics["total_recipients"]
        ours = 100 * metrics["delivered"] / whole if whole else 0
        text = report["delivery_rate"].removesuffix("%")
        assert abs(ours - float(text)) <= 0.5 * 10 ** -len(text.partition(".")[2]) + 1e-9


def campaign(desk, **more):
    numbers = [one["whatsapp_number"] for one in desk.contacts()]
    receivers = [{"whatsapp_number": number, "variables": {"1": "x"}} for number in numbers]
    body = {"name": "Karibu", "template_name": "welcome", "receivers": receivers, **more}
    status, answer = desk("POST", "/crm/campaign", body)
    assert status == 201
    return answer["data"]


def status_of(desk, made):
    listed = desk("GET", "/crm/campaign", limit=100)[1]["data"]
    return next(one["status"] for one in listed if one["campaign_id"] == made["campaign_id"])


def test_a_triggered_campaign_is_sent_and_its_report_moves(desk):
    made = campaign(desk)
    assert (made["status"], made["total_recipients"]) == ("draft", 40)
    path = f"/crm/campaign/{made['campaign_id']}"
    assert desk("GET", f"{path}/report")[1]["metrics"]["total_recipients"] == 0
    chat_id = desk.contacts()[0]["chat_id"]
    before = desk.messages(chat_id)
    assert desk("POST", f"{path}/trigger")[1]["data"] == {"campaign_id": made["campaign_id"], "status": "in_progress"}
    assert desk("POST", f"{path}/trigger")[0] == 422
    reports = []
    for hours in (0.1, 2, 30, 60):
        desk.advance(hours=hours)
        reports.append(desk("GET", f"{path}/report")[1]["metrics"])
    assert status_of(desk, made) == "completed"
    for earlier, later in itertools.pairwise(reports):
        assert all(earlier[name] <= later[name] for name in earlier)
    assert reports[0] != reports[-1]
    assert reports[-1]["delivered"] + reports[-1]["failed"] == 40
    templates = [one for one in desk.messages(chat_id) if one["type"] == "template" and one["content"] == "[welcome]"]
    assert len(templates) == 1
    assert templates[0] not in before


def test_a_scheduled_campaign_starts_by_itself(desk):
    made = campaign(desk, scheduled_at=(START + dt.timedelta(hours=5)).isoformat())
    assert made["status"] == "scheduled"

    desk.advance(hours=5)
    assert status_of(desk, made) == "in_progress"
    desk.advance(hours=1)
    assert status_of(desk, made) == "completed"


def test_a_clone_is_a_draft_and_strangers_fail(desk):
    source = desk("GET", "/crm/campaign")[1]["data"][2]
    body = {
        "source_campaign_id": source["campaign_id"],
        "new_name": "Again",
        "receivers": [{"whatsapp_number": "+15005550006"}, {"whatsapp_number": desk.contacts()[0]["whatsapp_number"]}],
    }
    status, answer = desk("POST", "/crm/campaign/clone", body)
    assert (status, answer["data"]["status"], answer["data"]["name"]) == (201, "draft", "Again")
    path = f"/crm/campaign/{answer['data']['campaign_id']}"
    desk("POST", f"{path}/trigger")
    desk.advance(days=4)
    metrics = desk("GET", f"{path}/report")[1]["metrics"]
    assert metrics["total_recipients"] == 2
    assert metrics["failed"] >= 1
    assert desk("POST", "/crm/campaign/clone", {**body, "source_campaign_id": "nope"})[0] == 404


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"receivers": []}, "receivers"),
        ({"receivers": [{"whatsapp_number": "12"}]}, "receivers[0].whatsapp_number"),
        ({"receivers": ["x"]}, "receivers[0].whatsapp_number"),
        ({"receivers": [{"whatsapp_number": NUMBER, "variables": 1}]}, "receivers[0].variables"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": "0001-01-01T00:00:00+14:00"}, "scheduled_at"),
        ({"name": " "}, "name"),
    ],
)
def test_a_bad_campaign_is_a_422(desk, more, field):
    body = {"name": "n", "template_name": "t", "receivers": [{"whatsapp_number": NUMBER}], **more}
    status, answer = desk("POST", "/crm/campaign", body)
    assert status == 422
    assert answer["error"]["details"][0]["field"] == field
