"""The world: the same from the same seed, real enough for KPIs, moving forward and never changing its past."""

import collections
import datetime as dt
import hashlib
import random
import statistics
import subprocess
import sys

import phonenumbers
import pytest

from crm_platform.sandbox import ManualClock, SandboxClock
from crm_platform.sandbox.chance import DAY, HOUR, NEVER, WEEK, Ids, mix, next_opening
from crm_platform.sandbox.people import EXTRA
from crm_platform.sandbox.records import iso, milliseconds, moment_of
from crm_platform.sandbox.roster import Roster
from crm_platform_tests.sandbox.desk import START, Desk

AT = milliseconds(START)
RANK = {"sent": 0, "delivered": 1, "read": 2, "failed": 3, "received": 4}

DIGEST = """
import hashlib, json
from crm_platform_tests.sandbox.desk import Desk
desk = Desk(shapes=("all",), fault_rate=0.1)
found = hashlib.sha256()
for step in range(3):
    for one in desk.sandbox.truth():
        found.update(json.dumps(one).encode())
    for path in ("/crm/chat", "/crm/campaign", "/crm/setting/custom-field") * 5:
        found.update(repr(desk.answer("GET", path, limit=50)).encode())
    desk.advance(hours=7)
print(found.hexdigest())
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bytes():
    found = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop()) == 65


def test_another_seed_or_beginning_is_another_world():
    def digest(**options):
        desk = Desk(**options)
        return hashlib.sha256(repr(desk("GET", "/crm/chat")).encode()).hexdigest()

    assert len({digest(), digest(seed=8), digest(contacts=41), digest(start=START + dt.timedelta(days=1))}) == 4


def test_began_gives_the_same_world_on_another_day():
    first = Desk()
    second = Desk(start=START + dt.timedelta(days=3), began=first.sandbox.began)
    first.advance(days=3)
    assert list(first.sandbox.truth()) == list(second.sandbox.truth())


def test_as_many_contacts_as_asked_for():
    for contacts in (10, 11, 99, 2000, 54_321):
        for seed in (1, 2):
            desk = Desk(contacts=contacts, seed=seed)
            assert desk("GET", "/crm/chat", limit=1)[1]["pagination"]["total"] == contacts


@pytest.fixture(scope="module")
def usual():
    """The default world's truth, by kind."""
    desk = Desk(contacts=2000, days=180)
    by_kind = collections.defaultdict(list)
    for one in desk.sandbox.truth():
        by_kind[one["kind"]].append(one)
    return by_kind


@pytest.mark.slow
def test_chats_are_heavy_tailed(usual):
    sizes = collections.Counter(one["chat_id"] for one in usual["message"])
    assert 80_000 <= sizes.total() <= 110_000
    assert max(sizes.values()) > 1500
    assert sum(size < 100 for size in sizes.values()) > 0.8 * 2000
    assert statistics.median(sizes.values()) < 30
    assert len(sizes) < 2000  # some say nothing at all


@pytest.mark.slow
def test_people_are_plausible(usual):
    numbers = [one["whatsapp_number"] for one in usual["contact"]]
    assert len(set(numbers)) == 2000
    parsed = [phonenumbers.parse(number) for number in numbers]
    assert all(map(phonenumbers.is_valid_number, parsed))
    regions = collections.Counter(map(phonenumbers.region_code_for_number, parsed))
    assert 0.75 < regions["KE"] / 2000 < 0.92
    assert len(regions) > 8
    names = [one.get("name") for one in usual["contact"]]
    assert None in names
    assert any(name and not name.isascii() for name in names)
    assert any("custom_fields" not in one for one in usual["contact"])
    created = [one["created_at"] for one in usual["contact"]]
    assert sum(text > iso(AT - 30 * DAY) for text in created) > 60


@pytest.mark.slow
def test_messages_are_plausible(usual):
    messages = usual["message"]
    assert len({one["message_id"] for one in messages}) == len(messages)
    assert {one["type"] for one in messages} == {"text", "image", "document", "audio", "video", "template"}
    statuses = collections.Counter((one["direction"], one["status"]) for one in messages)
    assert set(statuses) == {
        ("inbound", "received"),
        ("outbound", "sent"),
        ("outbound", "delivered"),
        ("outbound", "read"),
        ("outbound", "failed"),
    }
    assert max(one["timestamp"] for one in messages) <= iso(AT)
    hours = collections.Counter(int(one["timestamp"][11:13]) for one in messages)  # UTC: Nairobi is three hours on
    assert hours[8] > 10 * hours[23] > 0
    assert len({one.get("operator_email") for one in messages}) == 9  # eight people, and nobody named
    assert any("asante" in one["content"].lower() for one in messages)
    times = [(one["chat_id"], one["timestamp"]) for one in messages]
    assert len(set(times)) < len(times)  # ties


def test_reports_agree_with_chats():
    desk = Desk(contacts=24, days=120)  # too few for anybody to go
    templates = [one for one in desk.truth("message") if one["type"] == "template"]
    reports = [one["metrics"] for one in desk.truth("report")]
    by_status = collections.Counter(one["status"] for one in templates)
    assert by_status["read"] == sum(one["read"] for one in reports) > 0
    assert by_status["read"] + by_status["delivered"] == sum(one["delivered"] for one in reports)
    assert by_status["failed"] == sum(one["failed"] for one in reports)


def test_pages_are_the_truth_at_every_time():
    desk = Desk(contacts=12, days=20)
    for _ in range(6):
        desk.advance(hours=9.7)
        expected = collections.defaultdict(list)
        for one in desk.truth("message"):
            expected[one["chat_id"]].append((one["message_id"], one["status"], one["timestamp"][:-4] + "Z"))
        for contact in desk.contacts():
            listed = desk.messages(contact["chat_id"], sort="oldest", limit=17)
            assert [(one["message_id"], one["status"], one["timestamp"]) for one in listed] == expected[
                contact["chat_id"]
            ]


@pytest.mark.slow
def test_the_past_never_changes_but_for_statuses_which_never_go_back():
    desk = Desk(contacts=100, days=10)
    known = {}
    moved = 0
    for _ in range(12):
        now = {(one["chat_id"], one.pop("message_id")): one for one in desk.truth("message")}
        present = {one["chat_id"] for one in desk.truth("contact")}
        for key, earlier in known.items():
            if key[0] in present:
                later = now[key]
                moved += earlier["status"] != later["status"]
                assert RANK[later["status"]] >= RANK[earlier["status"]]
                assert {**earlier, "status": ""} == {**later, "status": ""}
        assert len(now) > len(known) * 0.9
        known = now
        desk.advance(hours=5)
    assert moved > 5


def test_truth_takes_a_time():
    desk = Desk()
    then = START - dt.timedelta(days=9)
    before = [one for one in desk.truth("message") if one["timestamp"] <= "2026-02-23T09:30:00.000000Z"]
    earlier = desk.truth("message", then)
    present = {one["chat_id"] for one in desk.truth("contact")}
    assert [one["message_id"] for one in earlier if one["chat_id"] in present] == [one["message_id"] for one in before]
    assert max(one["created_at"] for one in desk.truth("campaign", then)) <= "2026-02-23T09:30"


def test_contacts_come_and_go_as_time_passes():
    desk = Desk(contacts=1000, days=100)
    before = {one["chat_id"] for one in desk.contacts()}
    desk.advance(days=30)
    after = desk.contacts()
    ids = {one["chat_id"] for one in after}
    assert len(before - ids) >= 3
    assert len(ids - before) > 50
    assert [one["created_at"] for one in after] == sorted((one["created_at"] for one in after), reverse=True)


def test_campaigns_reports_settle_after_72_hours():
    desk = Desk(contacts=500)
    running = next(one for one in desk.truth("campaign") if one["status"] == "in_progress")
    path = f"/crm/campaign/{running['campaign_id']}/report"
    seen = [desk("GET", path)[1]["metrics"]]
    for hours in (3, 12, 30, 72, 72):
        desk.advance(hours=hours)
        seen.append(desk("GET", path)[1]["metrics"])
    assert seen[0]["delivered"] < seen[1]["delivered"]
    assert seen[1]["read"] < seen[2]["read"] <= seen[3]["read"]
    assert seen[-1] == seen[-2]
    assert seen[-1]["delivered"] + seen[-1]["failed"] == seen[-1]["total_recipients"]


def test_any_clock_will_do():
    now = START
    desk = Desk(clock=SandboxClock(lambda: now))
    total = desk("GET", "/crm/chat", limit=1)[1]["pagination"]["total"]
    now = START + dt.timedelta(days=60)
    assert desk("GET", "/crm/chat", limit=1)[1]["pagination"]["total"] > total


def test_a_clock_does_not_go_back():
    clock = ManualClock(START)
    clock.advance(1)
    with pytest.raises(ValueError, match="only moves forward"):
        clock.set(START)


def test_the_roster_s_pages_equal_a_list_kept_by_hand():
    chance = random.Random(5)
    roster = Roster(3, size=300, began=AT - 200 * DAY, anchor=AT)
    now = AT
    extras = []  # (created_at, index) of those made through the API
    removed = set()
    for step in range(150):
        now += chance.randrange(3 * DAY)
        if step % 3 == 0:
            roster.add(EXTRA + step, at=now)
            extras.append((now, EXTRA + step))
        world = [(roster.created_at(index), index) for index in range(roster.count_at(now))]
        everybody = sorted(
            (one for one in world + extras if one[1] not in removed and roster.departed_at(one[1], until=now) == NEVER),
            key=lambda one: (one[0], one[1] >= EXTRA),
            reverse=True,
        )
        indexes = [index for _, index in everybody]
        limit = chance.choice((1, 7, 100, 1000))
        offset = chance.randrange(len(indexes) + 20)
        assert roster.page(now, offset=offset, limit=limit) == (len(indexes), indexes[offset : offset + limit])
        if step % 2 == 0:
            victim = chance.choice(indexes)
            roster.remove(victim, at=now)
            removed.add(victim)


def test_ids_go_both_ways():
    ids = Ids(9)
    for index in (0, 1, 12345, EXTRA, EXTRA + 7, (1 << 48) - 1):
        assert ids.index(ids.text(index)) == index
    assert ids.index("f" * 24) is None


def test_mixing_is_the_same_one_by_one_and_all_at_once():
    import numpy as np

    values = [0, 1, 2**63, 2**64 - 1, 123456789]
    assert mix(np.array(values, dtype=np.uint64)).tolist() == [mix(value) for value in values]


def test_the_week_goes_both_ways():
    chance = random.Random(1)
    for _ in range(2000):
        at = chance.randrange(AT - 400 * DAY, AT + 400 * DAY)
        assert abs(WEEK.time(WEEK.activity(at)) - at) <= 2


@pytest.mark.parametrize(
    ("asked", "opens"),
    [
        ("2026-03-04T09:30", "2026-03-04T09:30"),  # Wednesday, open
        ("2026-03-04T15:00", "2026-03-05T05:00"),  # 18:00 local: closed
        ("2026-03-06T16:00", "2026-03-07T06:00"),  # Friday evening: Saturday at nine
        ("2026-03-07T10:00", "2026-03-09T05:00"),  # Saturday 13:00: Monday
        ("2026-03-08T21:30", "2026-03-09T05:00"),
    ],
)
def test_opening_hours(asked, opens):
    def at(text):
        return milliseconds(dt.datetime.fromisoformat(text + "Z"))

    assert moment_of(next_opening(at(asked))) == moment_of(at(opens))
    assert HOUR == 3_600_000


@pytest.mark.slow
def test_some_contacts_opt_out_after_a_template(usual):
    """The truth tells them by their text."""
    texts = collections.Counter(one["content"] for one in usual["message"] if one["direction"] == "inbound")
    assert texts["STOP"] > 20


def test_merged_contacts_stand_in_two_chats():
    desk = Desk(shapes=("merged-contacts",), contacts=60)
    plain = {
        (one["chat_id"], one["message_id"]) for one in Desk(contacts=60).sandbox.truth() if one["kind"] == "message"
    }
    desk.contacts()
    for _ in range(2):
        messages = [one for one in desk.sandbox.truth() if one["kind"] == "message"]
        keys = {(one["chat_id"], one["message_id"]): one for one in messages}
        assert len(keys) == len(messages)
        copies = [one for one in messages if "also_in" in one]
        assert len(copies) > 20
        for one in copies:
            other = keys[one["also_in"], one["message_id"]]
            assert other == {**one, "chat_id": one["also_in"], "also_in": one["chat_id"]}
        chat_id = copies[0]["chat_id"]
        assert [one["message_id"] for one in desk.messages(chat_id, sort="oldest")] == [
            key for chat, key in keys if chat == chat_id
        ]
        desk.advance(days=2)
    assert plain <= set(keys), "nothing else is another"


def test_operators_are_spelt_in_several_ways():
    spelt = Desk(shapes=("agent-spellings",))
    found = collections.defaultdict(set)
    for contact in spelt.contacts():
        for message in spelt.messages(contact["chat_id"]):
            if operator := message.get("operator_email"):
                found[operator.strip().lower()].add(operator)
    true = {one["operator_email"] for one in spelt.sandbox.truth() if one.get("operator_email")}
    assert set(found) == true
    assert max(map(len, found.values())) == 4
