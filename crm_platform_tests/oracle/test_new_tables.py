"""The tables that version 2 of the definitions adds, each worked out by hand.

What belongs here: support_by, agents_daily, contact_activity_daily, contact_retention_monthly, conversations_daily, and
what version 2 says of the older tables by day. What does not: single rules (`test_rules_of_talk.py`).

All times in the text are Nairobi's; the cut is Wednesday 2026-03-04 at noon.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from crm_platform_tests.oracle.by_hand import AS_OF, SETTINGS, at, check, day, rows_of, some, talk
from crm_platform_tests.oracle.compute import compute
from crm_platform_tests.oracle.facts import Chat, Contact, Facts, OperatorEvent, Sweep

# On Monday. a: after a campaign, answered by Jane in 10 minutes, done by nobody known while it is Brian's. b: not yet
# answered, Brian's. c: its history is cut off; Jane replies. d: gone, nobody's, answered on Tuesday, done on Tuesday.
DESK = Facts(
    as_of=AS_OF,
    settings=SETTINGS,
    contacts=(
        Contact("a", at("02-01 09:00"), None, "+254712345678", {"Segment": ("Retail", " VIP ")}),
        Contact("b", at("02-01 09:00"), None, "+254712345679", {"Segment": "Retail"}),
        Contact("c", at("02-01 09:00"), None, "+4915112345678", {}),
    ),
    sweeps=(Sweep(at("02-01 09:00"), at("02-01 09:01"), frozenset("abc")),),
    messages=(
        *talk("a", "03-01 18:00 template", "03-02 09:00 in", "03-02 09:10 out Jane", "03-02 09:20 in"),
        *talk("b", "03-02 10:00 in"),
        *talk("c", "03-02 11:00 in", "03-02 11:05 out jane"),
        *talk("d", "03-02 12:00 in", "03-03 08:00 out", "03-03 08:01 out"),
    ),
    chats=(*(Chat(chat_id, AS_OF) for chat_id in "abd"), Chat("c", AS_OF, is_history_whole=False)),
    operator_events=(
        OperatorEvent("a", "assigned", at("03-02 09:15"), "Brian"),
        OperatorEvent("a", "done", at("03-02 13:00")),
        OperatorEvent("b", "assigned", at("03-02 08:00"), "Brian"),
        OperatorEvent("d", "done", at("03-03 09:00")),
    ),
    agent_teams={"JANE": "Sales"},
)


def test_support_by():
    columns = (
        "dimension value window_days waits first_waits first_answered_waits missed_waits answer_rate"
        " first_within_target_rate first_response_seconds_median first_response_seconds_p90"
        " business_first_response_seconds_median chats_resolved"
    )
    ten, night = 600, 20 * 3600  # a's first response and d's; d's has 5 business hours on Monday
    both = ((ten + night) / 2, ten + 0.9 * (night - ten), (ten + 5 * 3600) / 2)
    a, b, d = (1.0, 1.0, ten, ten, ten), (0.0, 0.0, None, None, None), (1.0, 0.0, night, night, 5 * 3600)
    retail = (0.5, 0.5, ten, ten, ten)
    expected = [
        # b is missed, since Tuesday 10:00; a's thank-you ended at the mark, when the chat was Brian's.
        ("agent", "jane", 1, 1, 1, 0, *a, 0),
        ("agent", "Brian", 2, 1, 0, 1, *b, 1),
        ("agent", "(unassigned)", 1, 1, 1, 0, *d, 1),
        ("team", "Sales", 1, 1, 1, 0, *a, 0),
        ("team", "(no team)", 3, 2, 1, 1, 0.5, 0.0, *d[2:], 2),
        ("country", "KE", 3, 2, 1, 1, *retail, 1),
        ("country", "(unknown)", 1, 1, 1, 0, *d, 1),
        ("origin", "campaign", 1, 1, 1, 0, *a, 1),
        ("origin", "organic", 3, 2, 1, 1, 0.5, 0.0, *d[2:], 1),
        ("segment:Segment", "Retail", 3, 2, 1, 1, *retail, 1),
        ("segment:Segment", "VIP", 2, 1, 1, 0, *a, 1),
        ("segment:Segment", "(none)", 1, 1, 1, 0, *d, 1),
        ("segment:VIP", "(none)", 4, 3, 2, 1, 2 / 3, 1 / 3, *both, 2),
    ]
    check(
        DESK,
        "kpi.support_by",
        *rows_of(columns, *((*row[:2], days, *row[2:]) for row in expected for days in (7, 28, 90))),
    )


def test_support_by_keeps_to_its_window():
    """Nothing of 28 days ago, nor of today; a conversation without an inbound message has no origin."""
    facts = dataclasses.replace(
        DESK,
        messages=(
            *talk("a", "02-03 23:59 in", "02-04 00:00 out"),
            *talk("b", "03-04 09:00 in"),
            *talk("d", "03-03 09:00 out"),
        ),
        operator_events=(OperatorEvent("d", "done", at("03-03 09:05")),),
    )
    rows = [row for row in compute(facts)["kpi.support_by"] if row["dimension"] == "origin"]
    counts = {(row["value"], row["window_days"]): (row["waits"], row["chats_resolved"]) for row in rows}
    assert counts == {
        ("organic", 90): (1, 1),
        ("organic", 28): (0, 1),
        **{("(none)", days): (0, 1) for days in (7, 28, 90)},
    }


def test_agents_daily():
    columns = (
        "day agent replies chats first_answered_waits first_response_seconds_median chats_resolved first_reply_at"
        " last_reply_at"
    )
    monday, tuesday = day("03-02"), day("03-03")
    check(
        DESK,
        "kpi.agents_daily",
        *rows_of(
            columns,
            # c's reply counts, its first answer does not: what came before is not known.
            (monday, "jane", 2, 2, 1, 600, 0, at("03-02 09:10"), at("03-02 11:05")),
            (monday, "Brian", 0, 0, 0, None, 1, None, None),
            (monday, "(unassigned)", 0, 0, 1, 20 * 3600, 0, None, None),
            (tuesday, "(unassigned)", 2, 1, 0, None, 1, at("03-03 08:00"), at("03-03 08:01")),
        ),
    )


def test_conversations_daily():
    columns = (
        "day conversations by_contact by_business after_campaign reopened messages_median duration_seconds_median"
        " one_reply_rate over_10_messages"
    )
    facts = dataclasses.replace(
        DESK,
        messages=(
            *DESK.messages,
            *talk(
                "e", "03-03 09:00 in", *(f"03-03 09:{minute} out" for minute in range(10, 20)), "03-03 09:20 template"
            ),
            *talk("f", "03-03 09:00 in", *(f"03-03 09:{minute} out" for minute in range(10, 19)), "03-03 10:00 in"),
        ),
        chats=(*DESK.chats, Chat("e", AS_OF), Chat("f", AS_OF)),
        operator_events=(*DESK.operator_events, OperatorEvent("f", "done", at("03-03 09:20"))),
    )
    check(
        facts,
        "kpi.conversations_daily",
        *rows_of(
            columns,
            # a: 3 messages beside the template, from 18:00 to 09:20.
            (day("03-01"), 1, 0, 1, 1, 0, 3, 15 * 3600 + 20 * 60, 1.0, 0),
            # b: 1 message; d: 3 messages, 2 of them replies, 20 hours and a minute.
            (day("03-02"), 2, 2, 0, 0, 0, 2, (20 * 3600 + 60) / 2, 0.0, 0),
            # e: 11 messages in 20 minutes; f: 10 in 18, and then 1 that reopens it.
            (day("03-03"), 3, 3, 0, 0, 1, 10, 18 * 60, 0.0, 1),
            (day("03-04"), 0, 0, 0, 0, 0, None, None, None, 0),
        ),
    )


def test_new_columns_of_response_times_daily():
    """A campaign's Friday evening: one answered, one followed up by a template on Monday, one who wants no more."""
    lines = {
        "a": ("02-27 15:00 template", "02-27 16:00 in", "02-27 16:05 out"),
        "b": ("02-27 15:00 template", "02-27 16:50 in", "03-02 08:02 template"),
        "c": ("02-27 15:00 template", "02-27 15:30 stop"),
        "d": ("02-27 16:00 in",),
    }
    facts = Facts(
        as_of=AS_OF,
        settings=SETTINGS,
        messages=tuple(message for chat_id, said in lines.items() for message in talk(chat_id, *said)),
        chats=tuple(Chat(chat_id, AS_OF) for chat_id in lines),
    )
    row = some(facts, "kpi.response_times_daily", day=day("02-27"))
    counts = {name: row[name] for name in ("first_waits", "campaign_first_waits", "missed_waits", "opt_outs")}
    assert counts == {"first_waits": 3, "campaign_first_waits": 2, "missed_waits": 2, "opt_outs": 1}
    assert (row["followed_up_missed_waits"], row["shut_missed_waits"]) == (1, 1)


# People: a writes on Monday and came back after 30 days, b is new on Tuesday, c's history is cut off.
PEOPLE = Facts(
    as_of=AS_OF,
    settings=SETTINGS,
    contacts=tuple(Contact(chat_id, at("01-01 09:00")) for chat_id in "ab"),
    sweeps=(Sweep(at("01-01 09:00"), at("01-01 09:01"), frozenset("ab")),),
    messages=(
        *talk("a", "01-30 23:59 in", "03-02 09:00 in", "03-02 09:30 in"),
        *talk("b", "02-10 10:00 template", "03-03 10:00 in", "03-04 10:00 stop"),
        *talk("c", "02-25 10:00 in", "03-02 10:00 in"),
    ),
    chats=(Chat("a", AS_OF), Chat("b", AS_OF), Chat("c", AS_OF, is_history_whole=False)),
)


def activity(facts: Facts, text: str) -> tuple[object, ...]:
    row = some(facts, "kpi.contact_activity_daily", day=day(text))
    return tuple(row[name] for name in row if name != "day")


def test_contact_activity_daily():
    """Active that day, in 7 days, in 30 days; new, reactivated; the share of whole chats."""
    assert activity(PEOPLE, "01-30") == (1, None, None, 1, 0, 1.0)
    assert activity(PEOPLE, "02-04") == (0, None, None, 0, 0, 1.0)
    assert activity(PEOPLE, "02-05") == (0, 1, None, 0, 0, 1.0)  # the seventh day
    assert activity(PEOPLE, "02-27") == (0, 1, None, 0, 0, 1.0)
    assert activity(PEOPLE, "02-28") == (0, 1, 2, 0, 0, 1.0)  # the thirtieth
    assert activity(PEOPLE, "03-02") == (2, 2, 2, 0, 1, 1.0)  # 31 January to 1 March: 30 days without a
    assert activity(PEOPLE, "03-03") == (1, 3, 3, 1, 0, 1.0)
    assert activity(PEOPLE, "03-04") == (0, 3, 3, 0, 0, 1.0)  # a stop is no activity
    columns = "day active_contacts active_contacts_7d active_contacts_30d new_active reactivated whole_share"
    assert set(compute(PEOPLE)["kpi.contact_activity_daily"][0]) == set(columns.split())


def test_who_came_a_day_sooner_was_never_away():
    messages = (*talk("a", "01-31 00:00 in", "03-02 09:00 in"), *talk("b", "01-01 09:00 template"))
    assert activity(dataclasses.replace(PEOPLE, messages=messages), "03-02")[4] == 0


def test_new_and_reactivated_need_whole_histories():
    """Nineteen of twenty are enough, eighteen of nineteen are not; of no contact at all nothing is known."""
    for cut_off, people, known in ((1, 20, True), (1, 19, False), (0, 0, False)):
        names = [f"p{number:02}" for number in range(people)]
        facts = dataclasses.replace(
            PEOPLE,
            contacts=tuple(Contact(name, at("01-01 09:00")) for name in names),
            sweeps=(Sweep(at("01-01 09:00"), at("01-01 09:01"), frozenset(names)),),
            chats=(*PEOPLE.chats, *(Chat(name, AS_OF, number >= cut_off) for number, name in enumerate(names))),
        )
        *_, new_active, reactivated, whole_share = activity(facts, "03-03")
        assert (new_active, reactivated) == ((1, 0) if known else (None, None))
        assert whole_share == ((people - cut_off) / people if people else None)


def test_contact_retention_monthly():
    columns = "cohort months_since contacts active retention"
    facts = dataclasses.replace(
        PEOPLE,
        messages=(
            *talk("a", "01-30 23:59 in", "03-02 09:00 in"),
            *talk("b", "01-10 10:00 stop", "01-20 10:00 in", "02-10 10:00 in", "02-11 10:00 in"),
            *talk("c", "01-05 10:00 in"),  # not whole: in no cohort
            *talk("d", "03-01 10:00 in"),  # this month is not complete
        ),
        chats=(*PEOPLE.chats, Chat("d", AS_OF)),
    )
    january, february = day("01-01"), day("02-01")
    check(
        facts,
        "kpi.contact_retention_monthly",
        *rows_of(columns, (january, 0, 2, 2, 1.0), (january, 1, 2, 1, 0.5), (february, 0, 0, 0, None)),
    )


def test_retention_is_followed_for_a_year():
    start = dt.datetime(2024, 12, 1, 9, tzinfo=dt.UTC)
    (first, *_) = talk("a", "03-01 10:00 in")
    facts = dataclasses.replace(PEOPLE, messages=(dataclasses.replace(first, timestamp=start),))
    rows = [row for row in compute(facts)["kpi.contact_retention_monthly"] if row["cohort"] == dt.date(2024, 12, 1)]
    assert [row["months_since"] for row in rows] == list(range(13))
    assert sum(row["active"] for row in rows) == 1
