"""Faults, odd shapes, rate limits."""

import collections
import datetime as dt
import itertools
import json

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.sandbox import FAULTS, SHAPES, SandboxOptions
from crm_platform.sandbox.limits import RateLimit, Statistics
from crm_platform_tests.sandbox.desk import START, Desk


def kind_of(answer):
    """What a client sees of an answer."""
    headers = dict(answer.headers)
    if answer.cut is not None:
        assert answer.cut < len(answer.body)
        return "drop"
    if answer.status == 429:
        return "429" if "retry-after" in headers else "429-bare"
    if answer.status == 503:
        assert headers["content-type"] == "text/html"
        return "503"
    try:
        body = json.loads(answer.body)
    except ValueError:
        return "truncated"
    if answer.status == 500:
        assert body["error"]["code"] == "INTERNAL_ERROR"
        return "500"
    return "fine" if body["success"] else "false"


@pytest.mark.slow
def test_faults_come_at_the_rate_and_of_the_kinds_asked_for():
    desk = Desk(fault_rate=0.2)
    seen = collections.Counter(kind_of(desk.answer("GET", "/crm/chat", limit=3)) for _ in range(2000))
    assert set(seen) == {"fine", *FAULTS}
    assert 300 < 2000 - seen["fine"] < 500
    stats = desk.sandbox.stats()
    assert stats.faults == {kind: seen[kind] for kind in sorted(FAULTS)}
    assert sum(stats.by_status.values()) == stats.requests == 2000


def test_only_the_faults_named():
    desk = Desk(fault_rate=1, faults=("429-bare", "503"))
    assert {kind_of(desk.answer("GET", "/crm/chat")) for _ in range(50)} == {"429-bare", "503"}


def test_the_message_of_a_false_answer_comes_in_five_places():
    desk = Desk(fault_rate=1, faults=("false",))
    bodies = {desk.answer("GET", "/crm/chat").body for _ in range(100)}
    keys = {next(key for key in json.loads(body) if key != "success") for body in bodies}
    assert keys == {"error", "message", "developer_message", "title", "data"}


@pytest.mark.parametrize(
    ("kind", "applied"),
    [
        ("429", {False}),
        ("503", {False}),
        ("false", {False}),
        ("truncated", {True}),
        ("drop", {True, False}),
        ("500", {True, False}),
    ],
)
def test_a_fault_may_hide_that_a_write_was_applied(kind, applied):
    desk = Desk(fault_rate=1, faults=(kind,), contacts=10)
    seen = set()
    for n in range(40):
        number = f"+2547120009{n:02}"
        desk.answer("POST", "/crm/chat", {"whatsapp_number": number})
        contacts = itertools.takewhile(lambda one: one["kind"] == "contact", desk.sandbox.truth())
        seen.add(number in {one["whatsapp_number"] for one in contacts})
    assert seen == applied


def test_faults_follow_from_the_seed():
    def seen(seed):
        desk = Desk(fault_rate=0.5, seed=seed)
        return [kind_of(desk.answer("GET", "/crm/chat")) for _ in range(60)]

    assert seen(1) == seen(1) != seen(2)


# Shapes


def first_chats(desk, count=8):
    return [one["chat_id"] for one in desk.truth("contact")[:count]]


def stamps(desk):
    return [one.get("timestamp") for chat_id in first_chats(desk) for one in desk.messages(chat_id)]


def test_flat_nested_and_mixed_messages():
    def nested(*shapes):
        desk = Desk(shapes=shapes)
        data = [desk("GET", f"/crm/chat/{chat_id}/messages")[1]["data"] for chat_id in first_chats(desk, 20)]
        return {isinstance(one, dict) for one in data}

    assert nested() == nested("nested-messages") == {True}
    assert nested("flat-messages") == {False}
    assert nested("mixed-messages") == {True, False}


def test_wrapped_reports():
    desk = Desk(shapes=("wrapped-reports",))
    campaign_id = desk.truth("campaign")[0]["campaign_id"]
    assert desk("GET", f"/crm/campaign/{campaign_id}/report")[1]["data"]["campaign_id"] == campaign_id


def test_no_created_at():
    desk = Desk(shapes=("no-created-at",))
    assert not any("created_at" in one for one in desk.contacts())
    assert all("created_at" in one for one in desk.truth("contact"))


@pytest.mark.parametrize("shape", ["epoch", "offset", "naive"])
def test_odd_timestamps_name_the_same_moment(shape):
    desk = Desk(shapes=(shape,))
    chat_id = first_chats(desk)[1]
    listed = {one["message_id"]: one["timestamp"] for one in desk.messages(chat_id)}
    forms = set()
    for one in desk.truth("message"):
        if one["chat_id"] == chat_id:
            given = listed[one["message_id"]]
            if shape == "epoch":
                number = int(given)
                forms.add((type(given), number > 10**11))
                moment = dt.datetime.fromtimestamp(number / (1000 if number > 10**11 else 1), tz=dt.UTC)
            else:
                moment = dt.datetime.fromisoformat(given)
                assert (moment.tzinfo is None) == (shape == "naive")
                moment = moment.replace(tzinfo=dt.UTC) if shape == "naive" else moment
            assert abs(moment - dt.datetime.fromisoformat(one["timestamp"])) < dt.timedelta(microseconds=500)
    if shape == "epoch":
        assert forms == {(int, True), (int, False), (str, True), (str, False)}


def test_upper_case_and_unknown_fields():
    desk = Desk(shapes=("upper", "unknown-fields"))
    message = desk.messages(first_chats(desk)[1])[0]
    assert message["direction"] in {"INBOUND", "OUTBOUND"}
    assert {"labels", "_internal"} <= message.keys()
    assert desk("GET", "/crm/campaign")[1]["data"][0]["status"].isupper()
    assert "cost" in desk("GET", f"/crm/campaign/{desk.truth('campaign')[0]['campaign_id']}/report")[1]


@pytest.mark.slow
def test_broken_records_are_named_in_the_truth():
    desk = Desk(shapes=("broken",), contacts=700, days=40)
    broken = desk.truth("broken")
    assert {(one["of"], one["field"]) for one in broken} >= {
        ("contact", "chat_id"),
        ("message", "message_id"),
        ("message", "timestamp"),
        ("message", "direction"),
    }
    clean = desk.truth("message")
    usable = bad = 0
    for chat_id in {one["chat_id"] for one in broken if one["of"] == "message"}:
        for one in desk.messages(chat_id):
            is_good = one.get("message_id") and one.get("direction") in {"inbound", "outbound"}
            is_good = is_good and str(one.get("timestamp")).startswith("20")
            usable += bool(is_good)
            bad += not is_good
        usable -= sum(one["chat_id"] == chat_id for one in clean)
        bad -= sum(one["of"] == "message" and one["chat_id"] == chat_id for one in broken)
    assert usable == bad == 0
    listed = [one.get("chat_id") for one in desk.contacts()]
    assert {one["chat_id"] for one in desk.truth("contact")} == set(filter(None, listed))
    assert sum(not one for one in listed) == sum(one["of"] == "contact" for one in broken)


def test_all_shapes_together_mix_timestamps():
    def form(stamp):
        text = str(stamp)
        return (
            "epoch"
            if text.isdigit()
            else "offset"
            if text.endswith("+03:00")
            else "Z"
            if text.endswith("Z")
            else "naive"
        )

    found = collections.Counter(
        form(stamp) for stamp in stamps(Desk(shapes=("all",))) if stamp not in {None, "yesterday"}
    )
    assert min(found[name] for name in ("epoch", "offset", "naive", "Z")) > 20


# Limits


def test_a_tier_limits_any_rolling_minute_and_says_so():
    desk = Desk(tier="free")
    for n in range(60):
        answer = desk.answer("GET", "/crm/chat", limit=1)
        assert answer.status == 200
        assert dict(answer.headers)["x-ratelimit-remaining"] == str(59 - n)
        desk.advance(seconds=0.5)
    answer = desk.answer("GET", "/crm/chat")
    headers = dict(answer.headers)
    assert answer.status == 429
    assert json.loads(answer.body)["error"]["code"] == "RATE_LIMITED"
    assert headers["x-ratelimit-limit"] == "60"
    assert headers["x-ratelimit-reset"] == str(int(START.timestamp()) + 60)
    assert headers["retry-after"] == "30"
    desk.advance(seconds=29.9)
    assert desk.answer("GET", "/crm/chat").status == 429
    desk.advance(seconds=0.1)
    assert desk.answer("GET", "/crm/chat").status == 200
    assert desk.sandbox.stats().most_in_60s == 62  # what arrived, refused or not; the first has left


def test_the_day_s_limit():
    limit = RateLimit(per_minute=60, per_day=100)
    taken = 0
    for n in range(200):
        standing = limit.take(1000.0 + 2 * n)
        taken += standing.is_allowed
    assert taken == 100
    assert (standing.limit, standing.remaining, standing.reset) == (100, 0, 1000 + 86400)
    assert standing.retry_after == 86400 - 398


def test_no_limit_says_nothing():
    answer = Desk().answer("GET", "/crm/chat")
    assert not any(name.startswith("x-ratelimit") for name, _ in answer.headers)


def test_own_limits_go_before_the_tier_s():
    assert SandboxOptions(tier="pro", requests_per_minute=7).limits == (7, 10_000)
    assert SandboxOptions(tier="enterprise").limits == (1000, None)
    assert SandboxOptions().limits == (None, None)


def test_a_wrong_key_takes_no_slot_but_is_counted():
    desk = Desk(requests_per_minute=1)
    desk.key = "wrong"
    assert desk.answer("GET", "/crm/chat").status == 401
    desk.key = "sandbox"
    assert desk.answer("GET", "/crm/chat").status == 200
    assert desk("GET", "/sandbox/stats")[1] == {
        "requests": 2,
        "by_route": {"list_contacts": 2},
        "most_in_60s": 2,
        "most_in_24h": 2,
        "by_status": {"200": 1, "401": 1},
        "faults": {},
    }


def test_peaks_are_counted_over_rolling_windows():
    statistics = Statistics()
    for second in [*range(0, 100, 10), *range(1000, 1030), 1059.9, 1060.0]:
        statistics.arrive("x", second)
    assert statistics.read().most_in_60s == 31
    assert statistics.read().most_in_24h == 42


@pytest.mark.parametrize(
    "options",
    [
        {"contacts": 9},
        {"days": 0},
        {"key": ""},
        {"speed": 0},
        {"tier": "gold"},
        {"requests_per_minute": 0},
        {"latency_ms": -1},
        {"fault_rate": 1.1},
        {"faults": ("404",)},
        {"shapes": ("round",)},
        {"start": dt.datetime(2026, 1, 1)},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(FixConfiguration):
        SandboxOptions(**options)


def test_every_shape_alone_is_served():
    for shape in SHAPES:
        desk = Desk(shapes=(shape,), contacts=10, days=5)
        assert desk("GET", "/crm/chat")[0] == 200
