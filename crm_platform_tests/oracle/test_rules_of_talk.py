"""The rules of messages, conversations and waits one by one, each on a few lines of talk.

What belongs here: the second version of the definitions, sentence by sentence. What does not: whole tables of a desk
(`test_oracle.py`), random worlds (`test_worlds.py`).

All times are Nairobi's; the cut, where nothing else is said, is Wednesday 2026-03-04 at noon, and the chat was read
then. Ids are a1, a2, … in the order of the lines.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

import pytest

from crm_platform.settings import Settings
from crm_platform_tests.oracle.by_hand import AS_OF, SETTINGS, TICK, at, check, day, rows_of, some, talk
from crm_platform_tests.oracle.compute import compute
from crm_platform_tests.oracle.facts import Chat, Contact, Facts, Message, OperatorEvent, Sweep


def one_chat(
    *lines: str,
    marks: Sequence[str] = (),
    assigned: Mapping[str, str] | None = None,
    known_until: str | None = None,
    settings: Settings = SETTINGS,
    **more: object,
) -> Facts:
    """A chat, `marks` like "03-02 09:00 amina", `assigned` from instants to agents."""
    events = [OperatorEvent("a", "assigned", at(when), agent) for when, agent in (assigned or {}).items()]
    for mark in marks:
        date, clock, *marker = mark.split()
        events.append(OperatorEvent("a", "done", at(f"{date} {clock}"), marker[0] if marker else None))
    facts = Facts(
        as_of=AS_OF,
        settings=settings,
        messages=tuple(talk("a", *lines)),
        chats=(Chat("a", at(known_until) if known_until else AS_OF),),
        operator_events=tuple(events),
    )
    return dataclasses.replace(facts, **more)


def column(facts: Facts, table: str, name: str) -> list[object]:
    return [row[name] for row in compute(facts)[table]]


def starts(facts: Facts) -> list[object]:
    """The first message of each conversation."""
    return column(facts, "core.conversations", "first_message_id")


def states(facts: Facts) -> list[str]:
    """Each wait as "a1 answered a2"."""
    rows = compute(facts)["core.response_waits"]
    return [" ".join(filter(None, (r["opening_message_id"], r["state"], r["closing_message_id"]))) for r in rows]


# Order inside a chat.


@pytest.mark.parametrize(
    ("ids", "first", "waits"),
    [
        ({"inbound": "z", "outbound": "a"}, "z", ["z answered a"]),  # the question comes before its answer
        ({"inbound": "a", "outbound": "z"}, "a", ["a answered z"]),
    ],
)
def test_in_one_second_inbound_comes_first(ids: dict[str, str], first: str, waits: list[str]):
    messages = tuple(Message("a", ids[way], way, at("03-02 09:00"), AS_OF) for way in ("outbound", "inbound"))
    facts = one_chat(messages=messages)
    assert (starts(facts), states(facts)) == ([first], waits)


def test_one_second_and_one_direction_go_by_bytes():
    messages = tuple(Message("a", one, "inbound", at("03-02 09:00"), AS_OF) for one in ("a", "é", "Z"))
    assert starts(one_chat(messages=messages)) == ["Z"]


# What counts.


def test_silent_types_are_nowhere():
    """A reaction a day later, a call, whatever their case: no conversation, no wait, no reply, no volume, no day."""
    facts = one_chat("02-28 09:00 call", "03-02 09:00 in", "03-02 09:01 call amina", "03-03 10:00 reaction")
    assert states(facts) == ["a2 missed"]
    assert some(facts, "core.conversations", chat_id="a")["ended_at"] == at("03-02 09:00")
    assert sum(sum(row[name] for name in ("inbound", "replies")) for row in volume(facts)) == 1
    assert column(facts, "kpi.response_times_daily", "day") == [day(f"03-0{n}") for n in (2, 3, 4)]
    assert compute(facts)["core.reply_credit"] == []


def volume(facts: Facts) -> list[dict[str, object]]:
    return compute(facts)["kpi.message_volume_hourly"]


def test_a_silent_message_opens_no_service_window():
    """The window of 11:00 lapses within two hours of the cut's noon; the reaction of yesterday 20:00 prolongs none."""
    facts = one_chat("03-03 13:00 in", "03-03 20:00 reaction")
    assert column(facts, "kpi.backlog_now", "windows_expiring_2h") == [1]


def test_which_types_are_silent_is_set():
    settings = SETTINGS.model_copy(update={"silent_types": ("note",)})
    assert states(one_chat("03-02 09:00 reaction", settings=settings)) == ["a1 missed"]


def test_what_is_kept_in_another_chat_counts_nowhere():
    messages = list(talk("a", "03-02 09:00 in", "03-02 09:10 in", "03-02 09:20 out"))
    copies = [dataclasses.replace(one, chat_id="b", duplicate_of="a") for one in messages]
    facts = one_chat(messages=(*messages, *copies), chats=(Chat("a", AS_OF), Chat("b", AS_OF)))
    assert states(facts) == ["a1 answered a3"]
    assert starts(facts) == ["a1"]
    assert sum(row["inbound"] for row in volume(facts)) == 2


def test_who_is_left_out_is_in_no_figure():
    names = ("kpi.contact_activity_daily", "kpi.agents_daily", "kpi.support_by", "core.contact_presence")
    facts = one_chat(
        "03-02 09:00 in",
        "03-02 09:10 out amina",
        marks=["03-02 10:00 amina"],
        assigned={"03-02 08:00": "amina"},
        contacts=(Contact("a", at("03-01 09:00")), Contact("b", at("03-01 09:00"))),
        sweeps=(Sweep(at("03-01 09:00"), at("03-01 09:01"), frozenset("ab")),),
    )
    assert all(any(len(row) for row in compute(facts)[name]) for name in names)
    without = dataclasses.replace(facts, excluded=frozenset("a"))
    tables = compute(without)
    assert [row["chat_id"] for row in tables["core.contact_presence"]] == ["b"]
    assert all(tables[name] == [] for name in (*names[:3], "kpi.agent_leaderboard", "core.conversations"))
    assert tables["kpi.executive_summary"][0]["total_contacts"] == 1


# Opt-outs.


def test_an_opt_out_opens_no_wait_but_counts_in_the_conversation():
    facts = one_chat("03-02 09:00 stop", "03-02 09:10 out")
    assert states(facts) == []
    row = some(facts, "core.conversations", chat_id="a")
    assert (row["inbound_messages"], row["initiated_by"], row["resolved_by"]) == (1, "contact", "quiet")
    assert sum(row["inbound"] for row in volume(facts)) == 1


def test_an_opt_out_closes_no_wait():
    assert states(one_chat("03-02 09:00 in", "03-02 09:05 stop", "03-02 09:10 out")) == ["a1 answered a3"]
    assert states(one_chat("03-02 09:00 stop", "03-02 09:05 in", "03-02 09:10 out")) == ["a2 answered a3"]


def test_an_opt_out_keeps_the_service_window_open():
    assert column(one_chat("03-03 11:30 in", "03-03 13:00 stop"), "kpi.backlog_now", "windows_expiring_2h") == [1]


def test_opt_outs_count_on_their_own_day_also_of_a_history_that_is_cut_off():
    facts = one_chat(
        "03-01 20:00 template", "03-01 23:00 stop", "03-02 00:00 stop", "03-02 09:00 out", "03-02 09:01 stop"
    )
    facts = dataclasses.replace(facts, chats=(Chat("a", AS_OF, is_history_whole=False),))
    columns = "day opt_outs contacts after_campaign"
    empty = [(day(f"03-0{n}"), 0, 0, 0) for n in (3, 4)]
    rows = rows_of(columns, (day("03-01"), 1, 1, 1), (day("03-02"), 2, 1, 1), *empty)
    check(facts, "kpi.opt_outs_daily", *rows)
    assert column(facts, "kpi.response_times_daily", "opt_outs") == [1, 2, 0, 0]


def test_an_opt_out_is_no_activity():
    contact = Contact("a", at("02-01 09:00"), None, "+254712345678")
    facts = one_chat("03-02 09:00 stop", contacts=(contact,))
    assert column(facts, "kpi.contacts_by_country", "active_30d") == [0]
    assert column(facts, "kpi.contact_activity_daily", "active_contacts") == [0, 0, 0]


def test_only_who_was_written_to_opts_out():
    messages = [dataclasses.replace(one, is_opt_out=True) for one in talk("a", "03-02 09:00 in", "03-02 09:10 out")]
    facts = one_chat(messages=tuple(messages))
    assert column(facts, "kpi.opt_outs_daily", "opt_outs") == [1, 0, 0]
    assert column(facts, "core.conversations", "replies") == [1]


# Done ends a conversation. The mark is at 10:00, the grace 30 minutes.

ASKED, ANSWERED, MARK = "03-02 09:00 in", "03-02 09:10 out", "03-02 10:00"


@pytest.mark.parametrize(
    ("lines", "marks", "first_messages"),
    [
        ([ASKED, "03-02 10:30 in"], [MARK], ["a1"]),  # within the grace
        ([ASKED, "03-02 10:30:00.000001 in"], [MARK], ["a1", "a2"]),
        ([ASKED, "03-02 10:30:01 template"], [MARK], ["a1", "a2"]),  # whoever writes
        ([ASKED, "03-02 10:00 in", "03-02 10:20 in"], [MARK], ["a1"]),  # the mark's own second is before it
        ([ASKED, ANSWERED, "03-02 10:10 in", "03-02 12:00 out"], [MARK], ["a1"]),  # replies to what came after the mark
        ([ASKED, ANSWERED, "03-02 10:10 in", "03-02 12:00 out", "03-02 12:01 out"], [MARK], ["a1", "a5"]),
        ([ASKED, ANSWERED, "03-02 10:10 in", "03-02 12:00 template"], [MARK], ["a1", "a4"]),
        (
            [ASKED, ANSWERED, "03-02 10:10 stop", "03-02 12:00 out"],
            [MARK],
            ["a1", "a4"],
        ),  # an opt-out waits for nothing
        ([ASKED, "03-02 12:00 out"], [MARK], ["a1", "a2"]),  # that wait ended at the mark
        ([ASKED, "03-02 10:00 in", "03-02 12:00 out"], [MARK], ["a1", "a3"]),
        ([ASKED, "03-02 10:10 in", "03-02 10:40 in", "03-02 12:00 out"], [MARK], ["a1", "a3"]),  # no reply: cut there
        ([ASKED, "03-02 10:10 in", "03-03 10:10 out"], [MARK], ["a1"]),  # exactly 24 h
        ([ASKED, "03-02 10:10 in", "03-03 10:10:01 out"], [MARK], ["a1", "a3"]),  # the gap always wins
        ([ASKED, "03-02 10:20 out", "03-02 10:45 out"], [MARK, "03-02 10:15"], ["a1"]),  # the last mark gives the grace
        ([ASKED, "03-02 10:40 in", "03-02 10:50 in"], [MARK], ["a1", "a2"]),  # that mark is the former one's
        ([ASKED, ANSWERED], ["03-02 08:00"], ["a1"]),  # before everything
        ([ASKED, "03-03 10:00 in"], ["03-03 09:30"], ["a1", "a2"]),  # beyond the gap it belongs to nothing
    ],
)
def test_where_a_mark_cuts(lines: list[str], marks: list[str], first_messages: list[str]):
    assert starts(one_chat(*lines, marks=marks)) == first_messages


def test_the_grace_is_set():
    settings = SETTINGS.model_copy(update={"after_done_minutes": 0})
    lines = (ASKED, "03-02 10:00 out", "03-02 10:00:00.000001 out")
    assert starts(one_chat(*lines, marks=[MARK], settings=settings)) == ["a1", "a3"]


@pytest.mark.parametrize(
    ("lines", "marks", "waits"),
    [
        ([ASKED], [MARK], ["a1 missed"]),
        ([ASKED, ANSWERED, "03-02 09:20 in"], [MARK], ["a1 answered a2", "a3 trailing"]),
        ([ASKED, "03-02 10:05 out"], [MARK], ["a1 missed"]),  # within the grace, and yet it closes nothing
        ([ASKED, "03-02 10:00 out"], [MARK], ["a1 answered a2"]),
        ([ASKED, "03-02 10:05 in", "03-02 10:06 out"], [MARK], ["a1 missed", "a2 answered a3"]),
        (
            [ASKED, "03-02 10:05 in", "03-02 10:20 in"],
            [MARK, "03-02 10:10"],
            ["a1 missed", "a2 trailing", "a3 trailing"],
        ),
        (["03-02 09:00 template", "03-02 10:05 in"], [MARK], ["a2 missed"]),  # over since 10:00 on Tuesday
        ([ASKED], ["03-03 08:59:59"], ["a1 missed"]),
    ],
)
def test_what_a_mark_makes_of_waits(lines: list[str], marks: list[str], waits: list[str]):
    assert states(one_chat(*lines, marks=marks)) == waits


def test_a_wait_is_missed_at_once_at_its_mark():
    facts = one_chat("03-04 11:40 in", marks=["03-04 11:50 amina"])
    row = some(facts, "core.conversations", chat_id="a")
    assert (states(facts), row["is_over"], row["state"]) == (["a1 missed"], False, "resolved")


@pytest.mark.parametrize(
    ("lines", "marks", "over_at"),
    [
        ([ASKED], [], "03-03 09:00"),
        ([ASKED, ANSWERED], [MARK], "03-02 10:30"),
        ([ASKED, ANSWERED, "03-02 10:10 in"], [MARK], "03-03 10:00"),  # somebody waits: the gap, from the mark
        ([ASKED, ANSWERED, "03-02 10:10 in", "03-02 10:20 out"], [MARK], "03-02 10:30"),
        ([ASKED, ANSWERED, "03-02 10:10 in"], [MARK, "03-02 10:20"], "03-02 10:50"),  # the last mark
        ([ASKED], ["03-03 08:50"], "03-03 09:00"),  # the grace would end at 09:20
    ],
)
def test_when_a_conversation_is_over(lines: list[str], marks: list[str], over_at: str):
    facts = one_chat(*lines, marks=marks)
    for later, is_over in ((dt.timedelta(), False), (TICK, True)):
        read = dataclasses.replace(facts, chats=(Chat("a", at(over_at) + later),))
        assert column(read, "core.conversations", "is_over") == [is_over]


def test_the_last_mark_resolves():
    facts = one_chat(ASKED, "03-02 10:45 in", marks=["03-02 10:40 brian", "03-02 10:00 amina"])
    row = some(facts, "core.conversations", first_message_id="a1")
    # Of 10:40 the question is the newest message, too; what comes 5 minutes after it is within its grace.
    assert (row["resolved_at"], row["resolved_by"], starts(facts)) == (at("03-02 10:40"), "operator", ["a1"])
    assert some(facts, "kpi.agents_daily", agent="brian")["chats_resolved"] == 1


def test_a_mark_that_belongs_to_nothing_resolves_nothing():
    facts = one_chat(ASKED, "03-04 10:00 in", marks=["03-03 09:00", "03-02 08:59"])
    assert column(facts, "core.conversations", "resolved_at") == [None, None]


@pytest.mark.parametrize(
    ("lines", "marks", "reopened"),
    [
        ([ASKED, "03-02 11:00 in"], [MARK], [False, True]),
        ([ASKED, "03-02 11:00 stop"], [MARK], [False, True]),
        ([ASKED, "03-02 11:00 out"], [MARK], [False, False]),  # the business began
        ([ASKED, "03-03 09:01 in"], [MARK], [False, False]),  # the silence would have cut it, too
        (["03-03 09:01 in"], ["03-02 10:00"], [False]),
    ],
)
def test_what_is_reopened(lines: list[str], marks: list[str], reopened: list[bool]):
    assert column(one_chat(*lines, marks=marks), "core.conversations", "reopened") == reopened


def test_backlog_ends_at_the_mark():
    """Open on Monday night, done on Tuesday 00:00 or a little before, open again since 00:10 for a day."""
    lines = ("03-02 20:00 in", "03-03 00:10 in")
    for mark, open_on_monday in (("03-03 00:00", 1), ("03-02 23:59:59", 0)):
        facts = one_chat(*lines, marks=[mark])
        assert column(facts, "kpi.backlog_daily", "open_waits_at_end") == [open_on_monday, 1, 0]


def test_backlog_now_after_a_mark():
    assert column(one_chat("03-04 11:00 in", marks=["03-04 11:30"]), "kpi.backlog_now", "open_waits") == [0]
    again = one_chat("03-04 11:00 in", "03-04 11:40 in", marks=["03-04 11:30"])
    (row,) = compute(again)["kpi.backlog_now"]
    assert (row["open_waits"], row["oldest_open_wait_seconds"]) == (1, 20 * 60)


# Origin.


@pytest.mark.parametrize(
    ("lines", "origins"),
    [
        (["02-27 09:00 template", ASKED], ["campaign"]),  # exactly 72 h
        (["02-27 08:59:59 template", ASKED], ["organic"]),
        (["03-02 08:00 failed-template", ASKED], ["organic"]),
        (["02-27 09:00 template", "03-02 08:00 failed-template", ASKED], ["campaign"]),
        (["02-20 09:00 template", "03-02 08:00 template", ASKED], ["campaign"]),
        (["03-02 08:00 template", "03-02 08:30 out", ASKED], ["organic"]),  # a reply lies between
        (["03-02 08:00 template", "03-02 08:30 failed", "03-02 08:31 out bot", ASKED], ["campaign"]),
        (["03-02 08:00 template bot", ASKED], ["campaign"]),
        (["03-02 09:00 template", ASKED], ["organic"]),  # in one second the question comes first
        (["03-02 08:00 template", ASKED, ANSWERED, "03-02 09:20 in"], ["campaign", "organic"]),
        (["03-02 08:00 template", "03-02 08:10 in", "03-03 08:20 in"], ["campaign", "campaign"]),  # two conversations
    ],
)
def test_origin_of_waits(lines: list[str], origins: list[str]):
    settings = SETTINGS.model_copy(update={"automation_senders": ("bot",)})
    assert column(one_chat(*lines, settings=settings), "core.response_waits", "origin") == origins


def test_origin_of_a_conversation_is_that_of_its_first_inbound():
    facts = one_chat("03-01 09:00 template", "03-02 10:00 out", "03-04 10:30 template", "03-04 10:40 stop")
    assert column(facts, "core.conversations", "origin") == [None, None, "campaign"]


# Missed waits: followed up, shut.


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("02-02 10:00 template", "template"),  # of the same conversation
        ("02-09 09:00 out", "reply"),  # seven days after the question, which was the end
        ("02-09 09:00:00.000001 out", None),
        ("02-05 09:00 failed", None),
        ("02-05 09:00 out bot", None),
        ("02-05 09:00 template bot", None),
        ("02-05 09:00 call", None),
    ],
)
def test_followed_up(line: str, how: str | None):
    settings = SETTINGS.model_copy(update={"automation_senders": ("bot",)})
    facts = one_chat("02-02 08:00 in", "02-02 09:00 in", line, settings=settings)
    (wait,) = compute(facts)["core.response_waits"]
    date, clock = line.split()[:2]
    assert (wait["followed_up_by"], wait["followed_up_at"]) == (how, at(f"{date} {clock}") if how else None)
    assert sum(column(facts, "kpi.response_times_daily", "followed_up_missed_waits")) == (how is not None)


def test_followed_up_before_the_next_inbound():
    facts = one_chat("02-02 09:00 in", "02-04 09:00 in", "02-04 09:05 out")
    assert column(facts, "core.response_waits", "followed_up_by") == [None, None]


def test_followed_up_after_the_last_inbound_of_the_conversation():
    """The template stands between two questions, the reply after a mark follows up; ended_at is that of the reply."""
    assert column(
        one_chat(ASKED, "03-02 09:05 template", "03-02 09:10 in"), "core.response_waits", "followed_up_by"
    ) == [None]
    facts = one_chat(ASKED, "03-02 10:05 out", marks=[MARK])
    assert column(facts, "core.response_waits", "followed_up_by") == ["reply"]


@pytest.mark.parametrize(
    ("asked", "shut"),
    [
        ("02-27 16:45 in", False),  # Friday, a quarter of an hour before the end: just the target
        ("02-27 16:45:01 in", True),
        ("03-01 08:14:59 in", True),  # Sunday: until Monday 08:14:59
        ("03-01 08:15 in", False),
    ],
)
def test_shut(asked: str, shut: bool):
    facts = one_chat(asked, known_until="03-04 12:00")
    assert column(facts, "core.response_waits", "shut") == [shut]
    assert sum(column(facts, "kpi.response_times_daily", "shut_missed_waits")) == shut


def test_shut_is_not_known_without_business_hours_and_of_no_other_wait():
    settings = SETTINGS.model_copy(update={"business_hours": "none"})
    facts = one_chat("02-28 09:00 in", settings=settings)
    assert column(facts, "core.response_waits", "shut") == [None]
    assert column(facts, "kpi.response_times_daily", "shut_missed_waits")[0] == 0
    assert column(one_chat("02-28 09:00 in", "02-28 20:00 out"), "core.response_waits", "shut") == [None]


def test_holidays_are_shut():
    settings = SETTINGS.model_copy(update={"holidays": (day("03-02"),)})
    assert column(one_chat("03-01 09:00 in", settings=settings), "core.response_waits", "shut") == [True]


# Credit.


def test_credit_goes_to_the_sender_else_to_the_assignee_then():
    facts = one_chat(
        "03-02 08:00 out",
        "03-02 09:00 in",
        "03-02 10:00 out",
        "03-02 11:00 out amina",
        "03-02 12:00 out",
        assigned={"03-02 10:00": "brian", "03-02 12:00:00.000001": "chebet"},
    )
    assert column(facts, "core.reply_credit", "agent") == [None, "brian", "amina", "brian"]
    assert column(facts, "core.response_waits", "agent") == ["brian"]
    assert column(facts, "core.conversations", "agent") == ["brian"]


def test_the_last_reply_may_be_of_nobody():
    facts = one_chat(ASKED, "03-02 09:10 out amina", "03-02 09:20 out")
    assert column(facts, "core.conversations", "agent") == [None]


def test_spellings_are_one_person_called_as_spelt_last():
    facts = one_chat(
        "03-02 08:00 in",
        "03-02 09:00 out Jane@Shop.example",
        "03-02 10:00 out ＪＡＮＥ@shop.example",
        "03-02 11:00 out agent-7",
        assigned={"03-02 07:00": "JANE@shop.example", "03-05 12:00": "after the cut"},
        agent_aliases={"agent-7": "jane@shop.example"},
    )
    assert set(column(facts, "core.reply_credit", "agent")) == {"ＪＡＮＥ@shop.example"}
    assert column(facts, "kpi.agent_leaderboard", "replies") == [3, 3]
    assert column(facts, "kpi.agent_leaderboard", "chats_assigned") == [1, 1]
    assert column(facts, "kpi.agents_daily", "chats") == [1]


def test_a_name_that_was_never_spelt_is_the_normalised_one():
    facts = one_chat("03-02 09:00 out agent-7", agent_aliases={"agent-7": "jane@shop.example"})
    assert column(facts, "core.reply_credit", "agent") == ["jane@shop.example"]


@pytest.mark.parametrize("configured", ["bot@shop.example", "Bot@SHOP.example ", "agent-9"])
def test_a_bot_is_no_reply_however_it_is_spelt(configured: str):
    settings = SETTINGS.model_copy(update={"automation_senders": (configured,)})
    lines = ("03-02 09:00 in", "03-02 09:01 out BOT@shop.example", "03-02 09:30 out amina")
    facts = one_chat(*lines, settings=settings, agent_aliases={"agent-9": "bot@shop.example"})
    assert column(facts, "core.response_waits", "response_seconds") == [1800]
    assert column(facts, "core.reply_credit", "agent") == ["amina"]
