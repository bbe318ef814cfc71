"""Conversations and waits, one edge case at a time: what a chat's messages become."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform import core
from crm_platform.models import validate
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import Row, World

# Friday 20 November 2026, 12:00 in Nairobi.
NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (dt.timedelta(seconds=n) for n in (1, 60, 3600, 86400))
TICK = dt.timedelta.resolution

WAITS = "core.response_waits"
TALKS = "core.conversations"


def chat(world: World, script: str, *, start: dt.datetime, chat_id: str = "chat", **state: object) -> None:
    """Write a chat as `in@0 out@5 done@6 template@7 failed@8 bot@9`: who or what, and minutes after `start`."""
    world.chat(chat_id, **{"known_until": NOW, **state})  # type: ignore[arg-type]
    for number, word in enumerate(script.split()):
        who, _, minutes = word.partition("@")
        at = start + float(minutes) * MINUTE
        if who == "done":
            world.event("done", chat_id, at)
            continue
        direction = "inbound" if who in ("in", "stop", "thumb") else "outbound"
        values: dict[str, object] = {
            "stop": {"opt_out_word": "stop"},
            "thumb": {"type": "Reaction"},
            "template": {"type": "template"},
            "bounced": {"type": "template", "status": "failed"},
            "failed": {"status": "failed"},
            "bot": {"sender": "bot"},
            "untyped": {"type": "", "status": ""},
        }.get(who, {})
        world.message(chat_id, f"m{number:02}", at, direction, **values)


# script, age of its start at the cut, states of its waits in order, what each waited (minutes)
CASES = {
    "a question answered": ("in@0 out@5", 3 * DAY, [("answered", 5)]),
    "later questions do not restart the wait": ("in@0 in@3 out@5", 3 * DAY, [("answered", 5)]),
    "a second round": ("in@0 out@5 in@7 out@8", 3 * DAY, [("answered", 5), ("answered", 1)]),
    "a closing thank-you": ("in@0 out@5 in@6", 3 * DAY, [("answered", 5), ("trailing", None)]),
    "a question missed": ("in@0", 3 * DAY, [("missed", None)]),
    "a question open": ("in@0", HOUR, [("open", None)]),
    "a thank-you not over yet": ("in@0 out@5 in@6", HOUR, [("answered", 5), ("open", None)]),
    "a template between question and answer": ("in@0 template@2 out@5", 3 * DAY, [("answered", 5)]),
    "a template is no answer": ("in@0 template@2", 3 * DAY, [("missed", None)]),
    "a failed reply is no answer": ("in@0 failed@2 out@9", 3 * DAY, [("answered", 9)]),
    "a bot is no answer": ("in@0 bot@0 out@4", 3 * DAY, [("answered", 4)]),
    "empty texts count as absent": ("in@0 untyped@4", 3 * DAY, [("answered", 4)]),
    "messages of the same second": ("in@0 out@0", 3 * DAY, [("answered", 0)]),
    "a question precedes its answer, whatever the ids say": ("out@0 in@0", 3 * DAY, [("answered", 0)]),
    "an answer before the question": ("out@0 in@0.01", 3 * DAY, [("missed", None)]),
    "an opt-out opens no wait": ("stop@0", 3 * DAY, []),
    "an opt-out closes and restarts none": ("in@0 stop@2 out@5", 3 * DAY, [("answered", 5)]),
    "a question after an opt-out": ("stop@0 in@2 out@5", 3 * DAY, [("answered", 3)]),
    "a reaction is nothing": ("in@0 out@5 thumb@6 thumb@2000", 4 * DAY, [("answered", 5)]),
    "the gap itself is no new conversation": ("in@0 out@1440", 5 * DAY, [("answered", 1440)]),
    "an answer after the gap closes nothing": ("in@0 out@1440.1", 5 * DAY, [("missed", None)]),
    "nobody asked": ("template@0 out@3", 3 * DAY, []),
}


def test_waits(new_world: Worlds):
    world = new_world(automation_senders=("bot",))
    for case, (script, age, _) in CASES.items():
        chat(world, script, start=NOW - age, chat_id=case)
    world.freeze(NOW)
    found: dict[object, list[Row]] = {case: [] for case in CASES}
    for wait in sorted(world.tables[WAITS], key=lambda row: str(row["waiting_since"])):
        found[wait["chat_id"]].append(wait)
    assert {
        case: [(wait["state"], minutes(wait["response_seconds"])) for wait in waits] for case, waits in found.items()
    } == {case: waits for case, (_, _, waits) in CASES.items()}
    for waits in found.values():
        assert [wait["is_first"] for wait in waits] == [number == 0 for number in range(len(waits))]


def minutes(seconds: object) -> float | None:
    assert seconds is None or isinstance(seconds, float)
    return None if seconds is None else seconds / 60


@pytest.mark.slow
def test_a_conversation_counts_its_messages(new_world: Worlds):
    world = new_world(automation_senders=("bot",))
    chat(world, "template@0 in@1 in@2 bot@2 failed@3 out@4", start=NOW - 3 * DAY)
    world.freeze(NOW)
    (talk,) = world.tables[TALKS]
    assert (talk["inbound_messages"], talk["replies"], talk["templates"]) == (2, 1, 1)
    assert (talk["initiated_by"], talk["first_message_id"], talk["is_over"]) == ("business", "m00", True)


# mark-as-done, in minutes after the first message; then: resolved_by, state, resolution in minutes
MARKS = {
    "unmarked and answered: it ended quietly": ("in@0 out@5", None, "quiet", "resolved", 5),
    "unmarked and missed": ("in@0", None, None, "missed", None),
    "a mark beats a missed wait": ("in@0", 30, "operator", "resolved", 30),
    "a mark beats the quiet end": ("in@0 out@5", 60, "operator", "resolved", 60),
    "a mark within the gap after the end": ("in@0", 1439, "operator", "resolved", 1439),
    "a mark after it closes nothing": ("in@0", 1440, None, "missed", None),
    "reopened after the mark: it stays resolved": ("in@0 out@5 in@40", 10, "operator", "resolved", 10),
    "a template alone is quiet, not resolved": ("template@0", None, None, "quiet", None),
    "marked before anybody asked: no time to resolve": ("template@0 in@9 out@10", 5, "operator", "resolved", None),
}


def test_resolution(new_world: Worlds):
    world = new_world()
    for case, (script, mark, *_) in MARKS.items():
        chat(world, script, start=NOW - 5 * DAY, chat_id=case)
        if mark is not None:
            world.event("done", case, NOW - 5 * DAY + mark * MINUTE, "amina")
    world.freeze(NOW)
    assert {
        row["chat_id"]: (row["resolved_by"], row["state"], minutes(row["resolution_seconds"]))
        for row in world.tables[TALKS]
    } == {case: tuple(expected) for case, (_, _, *expected) in MARKS.items()}


@pytest.mark.slow
def test_the_last_mark_resolves(new_world: Worlds):
    world = new_world()
    chat(world, "in@0 out@5", start=NOW - 3 * DAY)
    world.event("done", "chat", NOW - 3 * DAY + 6 * MINUTE, "amina")
    world.event("done", "chat", NOW - 3 * DAY + 9 * MINUTE, None)
    world.freeze(NOW)
    (talk,) = world.tables[TALKS]
    assert (talk["resolved_agent"], talk["resolution_seconds"]) == (None, 9 * 60)


# script, age of its start; then of each conversation: state, is_over, reopened, and the states of its waits
DONE: dict[str, tuple[str, dt.timedelta, list[tuple[str, bool, bool, list[str]]]]] = {
    "a word within the grace belongs to the conversation": (
        "in@0 out@5 done@6 in@36",
        3 * DAY,
        [("resolved", True, False, ["answered", "trailing"])],
    ),
    "a later one opens the next": (
        "in@0 out@5 done@6 in@36.1",
        3 * DAY,
        [("resolved", True, False, ["answered"]), ("missed", True, True, ["missed"])],
    ),
    "a mark ends the waits that are open": (
        "in@0 done@6 in@20 out@21 in@22 done@23",
        3 * DAY,
        [("resolved", True, False, ["missed", "answered", "trailing"])],
    ),
    "a reply to a wait that opened after the mark": (
        "in@0 done@6 in@20 out@300",
        3 * DAY,
        [("resolved", True, False, ["missed", "answered"])],
    ),
    "a reply to one that opened before it": (
        "in@0 done@6 out@300",
        3 * DAY,
        [("resolved", True, False, ["missed"]), ("quiet", True, False, [])],
    ),
    "after a question that opened the next a reply is in it": (
        "in@0 out@5 done@6 in@20 in@40 out@50",
        3 * DAY,
        [("resolved", True, False, ["answered", "trailing"]), ("resolved", True, True, ["answered"])],
    ),
    "the gap itself is within": (
        "in@0 done@6 in@20 out@1460",
        4 * DAY,
        [("resolved", True, False, ["missed", "answered"])],
    ),
    "the gap always wins": (
        "in@0 done@6 in@20 out@1460.1",
        4 * DAY,
        [("resolved", True, False, ["missed", "trailing"]), ("quiet", True, False, [])],
    ),
    "cut by the gap as well: not reopened": (
        "in@0 out@5 done@6 in@1445.1",
        4 * DAY,
        [("resolved", True, False, ["answered"]), ("missed", True, False, ["missed"])],
    ),
    "the last mark's grace counts": (
        "in@0 out@5 done@6 in@20 done@25 in@55",
        3 * DAY,
        [("resolved", True, False, ["answered", "trailing", "trailing"])],
    ),
    "a mark before anything belongs to nothing": ("done@0 in@1", 3 * DAY, [("missed", True, False, ["missed"])]),
    "a mark comes after the messages of its second": (
        "out@6 done@6 in@6",
        3 * DAY,
        [("resolved", True, False, ["answered"])],
    ),
    "a template opens one, too, and that is not reopened": (
        "in@0 out@5 done@6 template@60 in@61",
        3 * DAY,
        [("resolved", True, False, ["answered"]), ("missed", True, False, ["missed"])],
    ),
    "an opt-out is an inbound message": (
        "in@0 out@5 done@6 stop@60",
        3 * DAY,
        [("resolved", True, False, ["answered"]), ("quiet", True, True, [])],
    ),
    "a reaction opens nothing": ("in@0 out@5 done@6 thumb@60", 3 * DAY, [("resolved", True, False, ["answered"])]),
    "a wait ends at the mark at once": ("in@0 done@6", 7 * MINUTE, [("resolved", False, False, ["missed"])]),
    "within the grace it is not over": ("in@0 out@5 done@6", 36 * MINUTE, [("resolved", False, False, ["answered"])]),
    "after it, it is": ("in@0 out@5 done@6", 37 * MINUTE, [("resolved", True, False, ["answered"])]),
    "an open wait prolongs the grace": (
        "in@0 out@5 done@6 in@20",
        6 * MINUTE + DAY,
        [("resolved", False, False, ["answered", "open"])],
    ),
    "to the gap": (
        "in@0 out@5 done@6 in@20",
        7 * MINUTE + DAY,
        [("resolved", True, False, ["answered", "trailing"])],
    ),
}


def test_done_ends_a_conversation(new_world: Worlds):
    world = new_world()
    for case, (script, age, _) in DONE.items():
        chat(world, script, start=NOW - age, chat_id=case)
    world.freeze(NOW)
    waits: dict[object, list[object]] = {}
    for wait in sorted(world.tables[WAITS], key=lambda row: str(row["waiting_since"])):
        waits.setdefault((wait["chat_id"], wait["first_message_id"]), []).append(wait["state"])
    found: dict[object, list[object]] = {case: [] for case in DONE}
    for talk in sorted(world.tables[TALKS], key=lambda row: str(row["started_at"])):
        states = waits.get((talk["chat_id"], talk["first_message_id"]), [])
        found[talk["chat_id"]].append((talk["state"], talk["is_over"], talk["reopened"], states))
    assert found == {case: talks for case, (_, _, talks) in DONE.items()}


# script, and the origin of its first wait
ORIGINS = {
    "of its own accord": ("in@0", "organic"),
    "72 hours after a template": ("template@0 in@4320", "campaign"),
    "later": ("template@0 in@4320.01", "organic"),
    "a reply lies between": ("template@0 out@1 in@2", "organic"),
    "a newer template after the reply": ("template@0 out@1 template@2 in@3", "campaign"),
    "a failed reply lies between": ("template@0 failed@1 in@2", "campaign"),
    "a bot's message lies between": ("template@0 bot@1 in@2", "campaign"),
    "an opt-out lies between": ("template@0 stop@1 in@2", "campaign"),
    "the template failed": ("bounced@0 in@2", "organic"),
    "the newer one failed": ("template@0 bounced@1 in@2", "campaign"),
    "a question precedes the template of its second": ("template@0 in@0", "organic"),
}


@pytest.mark.slow
def test_origin(new_world: Worlds):
    world = new_world(automation_senders=("bot",))
    for case, (script, _) in ORIGINS.items():
        chat(world, script, start=NOW - 8 * DAY, chat_id=case)
    world.freeze(NOW)
    assert {row["chat_id"]: row["origin"] for row in world.tables[WAITS]} == {
        case: origin for case, (_, origin) in ORIGINS.items()
    }


# script, by what its first wait was followed up, and when (minutes)
FOLLOWED_UP = {
    "nobody wrote": ("in@0", None, None),
    "by a reply": ("in@0 out@2000", "reply", 2000),
    "by a template": ("in@0 template@2000 out@2001", "template", 2000),
    "by a template within the conversation": ("in@0 template@30", "template", 30),
    "by a reply after the mark": ("in@0 done@5 out@10", "reply", 10),
    "on the seventh day": ("in@0 out@10080", "reply", 10080),
    "later": ("in@0 out@10080.01", None, None),
    "the contact wrote before": ("in@0 in@2000 out@2001", None, None),
    "the contact opted out before": ("in@0 stop@2000 out@2001", None, None),
    "the contact's last word counts": ("in@0 stop@10 out@2000", "reply", 2000),
    "a reaction is no word": ("in@0 thumb@1500 out@2000", "reply", 2000),
    "what failed and bots do not count": ("in@0 failed@2000 bounced@2001 bot@2002", None, None),
    "but what follows them": ("in@0 failed@2000 bot@2001 out@2002", "reply", 2002),
    "it was answered": ("in@0 out@5 template@6", None, None),
}


@pytest.mark.slow
def test_followed_up(new_world: Worlds):
    world = new_world(automation_senders=("bot",))
    start = NOW - 15 * DAY
    for case, (script, *_) in FOLLOWED_UP.items():
        chat(world, script, start=start, chat_id=case)
    world.freeze(NOW)
    found = {
        row["chat_id"]: (row["followed_up_by"], row["followed_up_at"]) for row in world.tables[WAITS] if row["is_first"]
    }
    firsts = {case: found[case] for case in FOLLOWED_UP}
    assert firsts == {
        case: (by, None if minute is None else (start + minute * MINUTE).replace(tzinfo=None))
        for case, (_, by, minute) in FOLLOWED_UP.items()
    }


# when it was asked (in Nairobi), whether the desk was shut by a target of 15 minutes
SHUT = {
    "2026-11-13T16:45:00": False,  # a Friday: 15 minutes are not fewer
    "2026-11-13T16:45:01": True,
    "2026-11-14T10:00:00": True,
    "2026-11-15T08:14:59": True,  # Monday's first 14:59
    "2026-11-15T08:15:00": False,
    "2026-11-16T16:59:00": False,  # the next morning counts
}


@pytest.mark.slow
@pytest.mark.parametrize("hours", ["Mon-Fri 08:00-17:00", "none"])
def test_shut(new_world: Worlds, hours: str):
    world = new_world(business_hours=hours)
    for asked in SHUT:
        chat(world, "in@0", start=dt.datetime.fromisoformat(f"{asked}+03:00"), chat_id=asked)
    chat(world, "in@0 out@5", start=NOW - 6 * DAY, chat_id="answered")
    world.freeze(NOW)
    found = {row["chat_id"]: row["shut"] for row in world.tables[WAITS]}
    assert found == {asked: None if hours == "none" else is_shut for asked, is_shut in SHUT.items()} | {
        "answered": None
    }


def test_who_is_credited(new_world: Worlds):
    """A reply is its sender's, else the assignee's then; a wait without a reply, the assignee's when it opened."""
    world = new_world()
    start = NOW - 3 * DAY
    world.chat("chat", known_until=NOW)
    world.event("assigned", "chat", start + 3 * MINUTE, "b")
    for minute, sender in ((0, "contact"), (2, None), (4, "contact"), (5, None), (6, "a"), (7, "contact")):
        direction = "inbound" if sender == "contact" else "outbound"
        world.message("chat", f"m{minute}", start + minute * MINUTE, direction, sender=sender)
    world.freeze(NOW)
    replies = sorted(world.tables["core.reply_credit"], key=lambda row: str(row["replied_at"]))
    assert [row["agent"] for row in replies] == [None, "b", "a"]
    waits = sorted(world.tables[WAITS], key=lambda row: str(row["waiting_since"]))
    assert [(row["agent"], row["assignee"]) for row in waits] == [(None, None), ("b", "b"), (None, "b")]
    assert world.tables[TALKS][0]["agent"] == "a"


@pytest.mark.slow
def test_what_is_said_of_a_chat_is_said_as_of_its_last_visit(new_world: Worlds):
    """A question three days old, in a chat that was read an hour after it, is still open: nobody has looked since."""
    world = new_world()
    chat(world, "in@0", start=NOW - 3 * DAY, known_until=NOW - 3 * DAY + HOUR)
    world.freeze(NOW)
    assert world.tables[WAITS][0]["state"] == "open"
    assert world.tables["kpi.backlog_now"][0]["open_waits"] == 1
    assert world.row("kpi.backlog_daily", day=dt.date(2026, 11, 20))["open_waits_at_end"] == 0  # the gap has passed


@pytest.mark.slow
def test_left_truncated_conversations_stand_apart(new_world: Worlds):
    world = new_world()
    chat(world, "in@0 out@5 in@3000 out@3010", start=NOW - 6 * DAY, is_whole=False)
    world.freeze(NOW)
    assert [
        row["is_left_truncated"] for row in sorted(world.tables[WAITS], key=lambda row: str(row["waiting_since"]))
    ] == [
        True,
        False,
    ]
    first = world.row("kpi.response_times_daily", day=dt.date(2026, 11, 14))
    assert (first["left_truncated_waits"], first["waits"], first["response_seconds_median"]) == (1, 0, None)
    assert sum(row["resolved"] for row in world.tables["kpi.chats_resolved_daily"]) == 1  # type: ignore[misc]
    assert sum(row["inbound"] for row in world.tables["kpi.message_volume_hourly"]) == 2  # type: ignore[misc]


@pytest.mark.slow
def test_a_message_from_the_future_is_kept_and_counts_nowhere(new_world: Worlds):
    world = new_world()
    chat(world, "in@0", start=NOW - HOUR)
    world.message("chat", "later", NOW + 2 * DAY, "outbound", is_future_dated=True)
    world.freeze(NOW)
    assert len(world.tables["core.messages"]) == 2
    assert world.tables["core.chats"][0]["stored_messages"] == 2
    assert world.tables[WAITS][0]["state"] == "open"


@pytest.mark.slow
def test_a_wait_belongs_to_the_local_day_it_began_on(new_world: Worlds):
    """23:59:59 and 00:00 in Nairobi, which is three hours ahead of UTC; the month ends between them."""
    midnight = dt.datetime(2026, 10, 31, 21, tzinfo=dt.UTC)
    world = new_world()
    chat(world, "in@0 out@1", start=midnight - SECOND)
    world.message("other", "x", midnight, "inbound")
    world.chat("other", known_until=NOW)
    world.freeze(NOW)
    assert world.row("kpi.response_times_daily", day=dt.date(2026, 10, 31))["answered_waits"] == 1
    assert world.row("kpi.response_times_daily", day=dt.date(2026, 11, 1))["missed_waits"] == 1


def test_days_of_23_and_25_hours(new_world: Worlds):
    """Berlin: 29 March 2026 has 23 hours, 25 October 25. A wait over midnight stands in the backlog of that day."""
    world = new_world(timezone="Europe/Berlin", business_hours="Mon-Sun 00:00-24:00")
    world.chat("chat", known_until=NOW)
    spring, autumn = dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC), dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
    world.message("chat", "s1", spring - TICK, "inbound")
    world.message("chat", "s2", spring + 23 * HOUR, "outbound")
    world.message("chat", "a1", autumn, "inbound")
    world.message("chat", "a2", autumn + 24 * HOUR, "outbound")
    world.freeze(NOW)
    spring_wait, autumn_wait = sorted(world.tables[WAITS], key=lambda row: str(row["waiting_since"]))
    assert (
        spring_wait["response_seconds"] == spring_wait["business_response_seconds"] == pytest.approx(23 * 3600 + 1e-6)
    )
    assert autumn_wait["response_seconds"] == autumn_wait["business_response_seconds"] == 24 * 3600
    days = {row["day"]: row for row in world.tables["kpi.backlog_daily"]}
    assert days[dt.date(2026, 3, 28)]["oldest_wait_seconds"] == pytest.approx(1e-6)
    assert days[dt.date(2026, 3, 29)]["oldest_wait_seconds"] == pytest.approx(23 * 3600 + 1e-6)
    assert days[dt.date(2026, 10, 25)]["open_waits_at_end"] == 0  # answered an hour before that long day ended
    calendar = {row["day"]: row for row in _calendar(world)}
    assert calendar[dt.date(2026, 3, 29)]["ends_at"] - calendar[dt.date(2026, 3, 29)]["starts_at"] == 23 * HOUR  # type: ignore[operator]
    assert calendar[dt.date(2026, 10, 25)]["ends_at"] - calendar[dt.date(2026, 10, 25)]["starts_at"] == 25 * HOUR  # type: ignore[operator]


def _calendar(world: World) -> list[dict[str, object]]:
    with world.models.reading() as session:
        rows: list[dict[str, object]] = session.query("select * from core.calendar").to_pylist()
    return rows


@pytest.mark.slow
def test_an_evening_on_which_zone_data_of_other_ages_differ(new_world: Worlds):
    """Casablanca: 23:10 by `tzdata` 2026.6, the next day by what DuckDB brings. An unanswered question at 23:10Z."""
    asked, friday = dt.datetime(2026, 11, 20, 23, 10, tzinfo=dt.UTC), dt.date(2026, 11, 20)
    for now, inbound in ((asked + 20 * MINUTE, 0), (asked + HOUR, 1)):  # complete days alone count by the hour
        world = new_world(timezone="Africa/Casablanca", business_hours="Mon-Sun 00:00-24:00")
        chat(world, "in@0", start=asked, known_until=now)
        world.freeze(now)
        assert world.row("kpi.response_times_daily", day=friday)["open_waits"] == 1
        assert world.row("kpi.backlog_daily", day=friday)["open_waits_at_end"] == 1
        assert world.row("kpi.message_volume_hourly", weekday=4, hour=23)["inbound"] == inbound
        assert validate(world.models, core.ResponseWaits) == []


@pytest.mark.slow
def test_business_minutes_where_a_clock_change_was_abolished(new_world: Worlds):
    """Vancouver stays at -07:00 in November 2026 by `tzdata` 2026.6: half an hour from 23:45 on counts 30 minutes."""
    now = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
    world = new_world(timezone="America/Vancouver", business_hours="Mon-Sun 00:00-24:00")
    asked = dt.datetime(2026, 11, 18, 6, 45, tzinfo=dt.UTC)
    chat(world, "in@0 out@30", start=asked)
    world.freeze(now)
    (wait,) = world.tables[WAITS]
    assert wait["business_response_seconds"] == 30 * 60
    assert world.row("kpi.response_times_daily", day=dt.date(2026, 11, 17))["answered_waits"] == 1


@pytest.mark.slow
def test_business_hours_that_begin_in_the_hour_that_spring_leaves_out(new_world: Worlds):
    """Berlin, 29 March 2026: 02:30 is the instant of the change, 03:00 summer time. So an hour is open until 04:00."""
    world = new_world(timezone="Europe/Berlin", business_hours="Sun 02:30-04:00")
    chat(world, "in@0 out@240", start=dt.datetime(2026, 3, 29, 0, tzinfo=dt.UTC))
    world.freeze(NOW)
    (wait,) = world.tables[WAITS]
    assert wait["business_response_seconds"] == 3600


@pytest.mark.slow
def test_a_day_that_a_zone_skipped(new_world: Worlds):
    """Apia had no 30 December 2011: it has a row, in which nothing lies."""
    world = new_world(timezone="Pacific/Apia")
    change = dt.datetime(2011, 12, 30, 10, tzinfo=dt.UTC)
    chat(world, "in@0 in@1", start=change - MINUTE, known_until=change + 3 * DAY)
    world.freeze(change + 3 * DAY)
    waits = {row["day"]: row["waits"] for row in world.tables["kpi.response_times_daily"]}
    assert [waits[dt.date(2011, 12, day)] for day in (29, 30, 31)] == [1, 0, 0]
    (skipped,) = (row for row in _calendar(world) if row["day"] == dt.date(2011, 12, 30))
    assert skipped["starts_at"] == skipped["ends_at"] == change.replace(tzinfo=None)
    assert validate(world.models, core.Calendar) == []


@pytest.mark.slow
def test_the_clock_of_a_cut_tells_the_days_of_its_figures(new_world: Worlds):
    """A day by core.clock, joined as a reader would."""
    world = new_world(timezone="Europe/Berlin")
    for number in range(60):
        chat(world, "in@0", start=NOW - number * 41 * HOUR - 7 * MINUTE, chat_id=f"{number}")
    world.freeze(NOW)
    assert world.tables["kpi.response_times_daily"]
    with world.models.reading() as session:
        by_clock = session.query(
            """
            select cast(waiting_since + to_seconds(utc_offset_seconds) as date) as day, count(*) as waits
            from core.response_waits
            join core.clock on waiting_since >= from_at and waiting_since < until_at
            group by all order by all
            """
        ).to_pylist()
        days = session.query(
            """
            select day, waits from kpi.response_times_daily where waits > 0 order by all
            """
        ).to_pylist()
    assert validate(world.models, core.Clock) == []
    assert by_clock == days


# question and answer as local times of week 16–22 November 2026 (Monday is the 16th), business seconds in hours
BUSINESS = {
    "inside": ("16T09:00", "16T10:30", 1.5),
    "overnight": ("16T16:00", "17T09:00", 2.0),
    "none lies between": ("16T20:00", "16T23:00", 0.0),
    "over the weekend": ("20T16:30", "22T12:00", 0.5),
    "over a holiday": ("17T16:00", "19T08:30", 1.5),
    "before the doors open": ("16T07:00", "16T08:15", 0.25),
}


@pytest.mark.slow
def test_business_seconds(new_world: Worlds):
    world = new_world(holidays=(dt.date(2026, 11, 18),), conversation_gap_hours=72)
    now = NOW + 10 * DAY
    for case, (asked, answered, _) in BUSINESS.items():
        world.chat(case, known_until=now)
        for number, (text, direction) in enumerate(((asked, "inbound"), (answered, "outbound"))):
            world.message(case, f"m{number}", dt.datetime.fromisoformat(f"2026-11-{text}:00+03:00"), direction)
    world.freeze(now)
    assert {row["chat_id"]: row["business_response_seconds"] for row in world.tables[WAITS]} == {
        case: hours * 3600 for case, (*_, hours) in BUSINESS.items()
    }


@pytest.mark.slow
def test_no_business_hours_are_kept(new_world: Worlds):
    world = new_world(business_hours="none")
    chat(world, "in@0 out@5", start=NOW - 3 * DAY)
    world.freeze(NOW)
    assert world.tables[WAITS][0]["business_response_seconds"] is None


@pytest.mark.slow
def test_the_censored_median_knows_that_waiting_is_not_over(new_world: Worlds):
    """Five first waits of one day: answered after 60, 120 and 600 s, open for 300 s, missed for ever.

    S(60) = 4/5, S(120) = 4/5 · 3/4 = 0.6; the open one leaves; S(600) = 0.6 · 1/2 = 0.3: the median is 600 s, while the
    answered ones alone have a median of 120 s.
    """
    world = new_world()
    start = NOW - 3 * DAY
    for number, (answer, known) in enumerate([(60, None), (120, None), (600, None), (None, 300), (None, None)]):
        chat_id = f"chat{number}"
        world.message(chat_id, "question", start, "inbound")
        if answer is not None:
            world.message(chat_id, "answer", start + answer * SECOND, "outbound")
        world.chat(chat_id, known_until=NOW if known is None else start + known * SECOND)
    world.freeze(NOW)
    row = world.row("kpi.response_times_daily", day=dt.date(2026, 11, 17))
    assert row["first_response_seconds_median_censored"] == 600
    assert row["first_response_seconds_median"] == 120
    assert row["answer_rate"] == 3 / 4
    assert row["first_within_target_rate"] == 3 / 4


@pytest.mark.slow
def test_windows_that_are_about_to_lapse(new_world: Worlds):
    """A service window lapses 24 hours after the contact's last message; (cut, cut + 2 h] is about to."""
    world = new_world()
    ages = {"lapsed": 24 * HOUR, "now": 24 * HOUR - TICK, "later": 22 * HOUR, "not yet": 22 * HOUR - TICK}
    for chat_id, age in ages.items():
        world.message(chat_id, "m", NOW - age, "inbound")
        world.chat(chat_id, known_until=NOW)
    world.freeze(NOW)
    (row,) = world.tables["kpi.backlog_now"]
    assert (row["open_waits"], row["windows_expiring_2h"], row["oldest_open_wait_seconds"]) == (4, 2, 86400)


@pytest.mark.slow
def test_a_cut_in_the_past_sees_what_was_known_then(new_world: Worlds):
    """The chat was read two days ago and an hour ago; the answer came with the second visit."""
    world = new_world()
    then = NOW - 2 * DAY
    world.chat("chat", known_until=NOW - HOUR)
    world.fetch("list_messages", "chat", then, total=1)
    world.fetch("list_messages", "chat", NOW - HOUR, total=2)
    world.message("chat", "m1", then - HOUR, "inbound", first_fetched_at=then, fetched_at=then)
    world.message("chat", "m2", then + HOUR, "outbound", first_fetched_at=NOW - HOUR, fetched_at=NOW - HOUR)
    world.freeze(NOW, as_of=then + MINUTE)
    assert [row["state"] for row in world.tables[WAITS]] == ["open"]
    (chat_row,) = world.tables["core.chats"]
    assert (chat_row["known_until"], chat_row["is_history_whole"]) == (then.replace(tzinfo=None), True)
    world.freeze(NOW)
    assert [row["state"] for row in world.tables[WAITS]] == ["answered"]


@pytest.mark.slow
def test_a_history_that_was_deepened_after_the_cut_was_not_whole_at_it(new_world: Worlds):
    world = new_world()
    then = NOW - 2 * DAY
    world.chat("chat", known_until=NOW - HOUR)
    world.fetch("list_messages", "chat", then)
    world.message("chat", "new", then - HOUR, "inbound", first_fetched_at=then, fetched_at=then)
    world.message("chat", "old", then - 9 * DAY, "inbound", first_fetched_at=NOW - HOUR, fetched_at=NOW - HOUR)
    world.freeze(NOW, as_of=then + MINUTE)
    assert not world.tables["core.chats"][0]["is_history_whole"]
    world.freeze(NOW)
    assert world.tables["core.chats"][0]["is_history_whole"]


@pytest.mark.slow
def test_the_leaderboard_credits_sender_then_assignee_then_nobody(new_world: Worlds):
    world = new_world()
    start = NOW - 2 * DAY
    for number, (sender, assignee) in enumerate(
        [("amina@example.com", None), ("agent-1", "brian"), (None, "brian"), (None, None)]
    ):
        chat_id = f"chat{number}"
        world.chat(chat_id, known_until=NOW)
        world.message(chat_id, "question", start, "inbound")
        world.message(chat_id, "answer", start + MINUTE * (number + 1), "outbound", sender=sender)
        if assignee:
            world.event("assigned", chat_id, start, assignee)
    # An identifier that came with an e-mail address is that operator's.
    world.message(
        "chat0", "both", NOW - 40 * DAY, "outbound", sender="amina@example.com", extra='{"agentId": "agent-1"}'
    )
    world.freeze(NOW)
    board = {row["agent"]: row for row in world.tables["kpi.agent_leaderboard"] if row["window_days"] == 7}
    assert {agent: row["replies"] for agent, row in board.items()} == {
        "amina@example.com": 2,
        "brian": 1,
        "(unassigned)": 1,
    }
    assert {agent: row["chats_assigned"] for agent, row in board.items()} == {
        "amina@example.com": 0,
        "brian": 2,
        "(unassigned)": 0,
    }
    assert board["amina@example.com"]["first_response_seconds_median"] == 90
    assert {row["attributed_share"] for row in board.values()} == {3 / 4}
    with world.models.reading() as session:
        assert session.query("select * from core.agent_aliases").schema.names == ["alias", "agent"]
