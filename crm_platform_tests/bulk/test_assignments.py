"""Assigning many chats: which are chosen, who gets which, and that nothing is done twice whatever is killed."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

import httpx
import pytest

from crm_platform.bulk.assignments import (
    Assigned,
    Chosen,
    Waiting,
    assign,
    chats_of_file,
    chats_of_segment,
    plan_assignment,
    waiting_chats,
)
from crm_platform.errors import FixConfiguration, GiveUp
from crm_platform.ingest import open_warehouse
from crm_platform.publish.audit import Audit
from crm_platform.schemas import ops, raw
from crm_platform_tests.api.inprocess import NOW
from crm_platform_tests.bulk.desk import Desk, Killed, Life, now
from crm_platform_tests.models.worlds import World
from crm_platform_tests.receipts.weeks import NOW as CUT
from crm_platform_tests.receipts.weeks import published

A, B, C = "a@example.com", "b@example.com", "c@example.com"


@pytest.fixture
def desk(tmp_path) -> Desk:
    desk = Desk(tmp_path / "data")
    desk.swept()
    return desk


@pytest.fixture
def chats(desk) -> tuple[str, ...]:
    return tuple(sorted(chat_id for chat_id, _, _ in desk.sandbox_contacts()))


def assigned_before(desk: Desk, chat: str, operator: str, minute: int = 0) -> None:
    event = {"event_id": f"{chat}{minute}", "kind": "assigned", "chat_id": chat, "agent": operator}
    desk.put(
        raw.OperatorEvents,
        event | {"agent_key": operator.lower(), "at": NOW.replace(hour=8, minute=minute), "source": "event"},
    )


def planned(desk: Desk, chats, operators=(A, B), *, way="round-robin", source="file:x", **options):
    with desk.store.reading() as session:
        return plan_assignment(session, Chosen(source, tuple(chats)), operators, way=way, now=NOW, **options)


def done(desk: Desk, plan, **options) -> Assigned:
    result = Assigned()
    assign(plan, store=desk, connect=desk.connect, now=now, into=result, **options)
    return result


def events(desk: Desk) -> list[tuple[str, str]]:
    rows = desk.rows(
        """select chat_id, agent from raw.operator_events where source = 'platform' order by "at", event_id"""
    )
    return [(row["chat_id"], row["agent"]) for row in rows]


# Who gets which.


def test_in_turn(desk, chats):
    plan = planned(desk, chats[:5], (B, A))
    assert [to for _, to in plan.assignments] == [B, A, B, A, B]
    assert [chat for chat, _ in plan.assignments] == list(chats[:5])
    assert (plan.share(B), plan.share(A), plan.skipped, plan.load, plan.load_as_of) == (3, 2, 0, {}, None)
    assert plan.unseen == (B, A)


def test_who_has_fewest_chats_waiting_gets_the_next(desk, chats):
    for chat in chats[:3]:
        assigned_before(desk, chat, "A@Example.com")
    assigned_before(desk, chats[3], B)
    assigned_before(desk, chats[3], C, minute=1)  # the newest assignment counts
    waiting = Waiting(NOW, chats[:4])
    plan = planned(desk, chats[4:9], (A, B, C), way="least-loaded", waiting=waiting)
    assert plan.load == {A: 3, B: 0, C: 1}
    assert [to for _, to in plan.assignments] == [B, B, C, B, C]
    assert plan.load_as_of == NOW
    assert plan.unseen == ()


def test_chats_of_theirs_are_passed_over_unless_told(desk, chats):
    assigned_before(desk, chats[0], A)
    assigned_before(desk, chats[1], C)
    plan = planned(desk, chats[:3])
    assert ([chat for chat, _ in plan.assignments], plan.skipped) == (list(chats[1:3]), 1)
    again = planned(desk, chats[:3], reassign=True)
    assert (len(again.assignments), again.skipped) == (3, 0)


def test_a_chat_that_is_shared_out_anew_is_no_load_before(desk, chats):
    assigned_before(desk, chats[0], A)
    waiting = Waiting(NOW, chats[:1])
    plan = planned(desk, chats[:2], way="least-loaded", waiting=waiting, reassign=True)
    assert plan.load == {A: 0, B: 0}


def test_two_spellings_of_one_operator_are_one(desk, chats):
    plan = planned(desk, chats[:4], (A, "A@example.com"))
    assert len(plan.operators) == 1


# Doing it.


def test_each_chat_is_assigned_and_booked(desk, chats):
    plan = planned(desk, chats[:3])
    heard = []
    result = done(desk, plan, pause_automation=True, on_progress=heard.append)
    assert (result.assigned, result.refused, result.unclear) == (3, [], [])
    assert events(desk) == list(plan.assignments)
    assert heard == [1, 2, 3]
    assert desk.rows("select count(*) as n from ops.fetches where operation = 'assign_chat'") == [{"n": 3}]
    assert planned(desk, chats[:3]).assignments == ()


def test_a_chat_that_is_gone_is_told_and_the_rest_is_done(desk, chats):
    plan = planned(desk, [chats[0], "nobody", chats[1]])
    result = done(desk, plan)
    assert result.assigned == 2
    assert [chat for chat, _ in result.refused] == ["nobody"]
    assert desk.rows("select item, state from ops.bulk_steps where state <> 'done'") == [
        {"item": "nobody", "state": "refused"}
    ]


def test_what_got_no_clear_answer_goes_to_the_same_one_again(desk, chats):
    desk.answer = lambda request: httpx.Response(502) if chats[1] in str(request.url) else None
    result = done(desk, planned(desk, chats[:3]))
    assert (result.assigned, result.unclear) == (2, [chats[1]])
    desk.answer = lambda _: None
    plan = planned(desk, chats[:4])
    assert (plan.is_resumed, plan.assignments, plan.later) == (True, ((chats[1], B),), 1)


def test_of_what_was_left_only_chats_are_assigned_that_are_chosen_still(desk, chats):
    desk.life = Life(2)
    with pytest.raises(Killed):
        done(desk, planned(desk, chats[:4]))
    assert not planned(desk, chats[5:7]).is_resumed
    assert [chat for chat, _ in planned(desk, chats[2:4]).assignments] == list(chats[2:4])
    assert not planned(desk, chats[:4], (A, C)).is_resumed, "other operators are another plan"


@pytest.mark.parametrize("reassign", [False, True])
@pytest.mark.parametrize(
    "kill_at", [pytest.param(at, marks=[] if at in (3, 5, 6) else [pytest.mark.slow]) for at in range(19)]
)
def test_nothing_is_done_twice_whenever_it_is_killed(desk, chats, kill_at, reassign):
    assigned_before(desk, chats[1], B)
    options = {"reassign": reassign}
    intended = dict(planned(desk, chats[:4], **options).assignments)
    desk.life = Life(kill_at)
    try:
        done(desk, planned(desk, chats[:4], **options))
    except Killed:
        desk.life = Life()
        # Only a run that had ended does not go on with the plan.
        if desk.rows("select count(*) as n from ops.bulk_steps where state = 'planned'")[0]["n"] or not events(desk):
            done(desk, planned(desk, chats[:4], **options))
    told = Counter(line.split("/")[-3] for line in desk.asked if line.endswith("assign_chat"))
    assert dict(events(desk)) == intended, "each went to whom it was planned for"
    assert len(events(desk)) == len(intended)
    assert sum(told.values()) - len(intended) <= 1, "at most the request under way is sent again, to the same operator"


# Which chats.


def test_a_segment_is_a_value_of_a_custom_field(desk, chats):
    provenance = {"first_fetched_at": NOW, "fetched_at": NOW, "first_fetch_id": 1, "fetch_id": 1}
    desk.put(raw.CustomFields, {"custom_field_id": "1", "name": "City", **provenance})
    desk.contacts(
        ("x1", "+254799000001", json.dumps({"City": "Embu "})),
        ("x2", "+254799000002", json.dumps({"City": ["Nairobi", "Embu"]})),
        ("x3", "+254799000003", json.dumps({"City": "Embuville"})),
        ("x4", "+254799000004", json.dumps({"Town": "Embu"})),
    )
    with desk.store.reading() as session:
        assert chats_of_segment(session, "City", "Embu").chats[-2:] == ("x1", "x2")
        with pytest.raises(FixConfiguration, match="there is no custom field 'Town'; there are: City"):
            chats_of_segment(session, "Town", "Embu")


def test_a_file_names_chats_or_numbers(desk, chats, tmp_path):
    numbers = {chat: number for chat, number, _ in desk.sandbox_contacts()}
    imported = {"job": "x", "item": "2", "state": "done", "number": "254799000001", "chat_id": "new", "at": NOW}
    desk.put(ops.BulkSteps, imported)
    file = tmp_path / "chats.csv"
    lines = [
        f"{chats[0]},",
        f",{numbers[chats[1]]}",
        f",{numbers[chats[0]].removeprefix('+')}",
        "other,1",
        ",+254799000001",
    ]
    file.write_text("chat_id,whatsapp_number\n" + "\n".join(lines) + "\n")
    with desk.store.reading() as session:
        assert chats_of_file(session, file).chats == (chats[0], chats[1], "other", "new")


def test_lines_of_a_file_that_name_nobody_are_all_told(desk, tmp_path):
    file = tmp_path / "chats.csv"
    file.write_text("chat_id;whatsapp_number\n;+254799000009\n;0799\n")
    with desk.store.reading() as session, pytest.raises(FixConfiguration) as refused:
        chats_of_file(session, file)
    assert "line 2, whatsapp_number: no contact here has it" in str(refused.value)
    assert "line 3, whatsapp_number: write it with its country code" in str(refused.value)
    file.write_text("chat_id,why\n,x\n")
    with desk.store.reading() as session, pytest.raises(FixConfiguration, match="line 2, chat_id: it is empty"):
        chats_of_file(session, file)


@pytest.mark.slow
def test_who_waits_is_told_by_what_is_published_and_marks_since(tmp_path):
    world = World(tmp_path / "data", Desk(tmp_path / "data").settings)
    names = [f"c{number}" for number in range(5)]
    world.sweep(CUT - dt.timedelta(hours=1), names)
    for number, chat in enumerate(names):
        world.contact(chat, CUT - dt.timedelta(hours=1))
        world.chat(chat, known_until=CUT)
        world.fetch("list_messages", chat, CUT)
        world.message(chat, f"{chat}q", CUT - dt.timedelta(hours=number + 1), "inbound")
    world.message("c1", "c1a", CUT - dt.timedelta(minutes=30), "outbound")
    settings = published(world)
    store = open_warehouse(settings)
    mark = {"event_id": "e", "kind": "done", "chat_id": "c3", "at": CUT + dt.timedelta(minutes=1), "source": "platform"}
    with store.writing() as session:
        session.merge(raw.OperatorEvents, raw.OperatorEvents.rows([mark]))
    found = waiting_chats(settings, store, now=CUT)
    assert found == Waiting(CUT, ("c4", "c2", "c0"))
    (line,) = Audit(settings.audit_dir).newest(10).lines
    assert (line["event"], line["what"]) == ("revealed", "assigning chats")


def test_who_waits_is_not_known_before_anything_is_published(desk):
    with pytest.raises(GiveUp, match="nothing is published yet"):
        waiting_chats(desk.settings, desk.store, now=NOW)
