"""The support desk's figures by who and where: agent, team, country, origin, segment.

What belongs here: `kpi.support_by` and `kpi.agents_daily`. What does not: the same figures of the whole desk
(`operations.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from crm_platform_tests.oracle.arithmetic import complete_days, day_of, median, quantile
from crm_platform_tests.oracle.conversations import Conversation, Wait
from crm_platform_tests.oracle.facts import Contact, Facts, Message
from crm_platform_tests.oracle.growth import ABSENT, UNKNOWN, known_contacts, region_of, segment_values
from crm_platform_tests.oracle.messages import counted_messages
from crm_platform_tests.oracle.operations import (
    answer_rate,
    business_median,
    first_response_median,
    resolver,
    whole,
    within_target_rate,
)
from crm_platform_tests.oracle.staff import UNASSIGNED, Staff

WINDOWS = (7, 28, 90)
Place = tuple[str, str]  # dimension, value


def support_by(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.support_by`: a row for every value that has a wait or a resolved conversation in the window."""
    return [row for days in WINDOWS for row in _support_by(facts, conversations, days)]


def _support_by(facts: Facts, conversations: Sequence[Conversation], days: int) -> Iterator[dict[str, object]]:
    staff = Staff(facts)
    contacts = {one.chat_id: one for one in known_contacts(facts)}
    window = complete_days(facts.as_of, days, facts.settings.zone)
    waits: defaultdict[Place, list[Wait]] = defaultdict(list)
    resolved: Counter[Place] = Counter()
    for one in whole(conversations):
        contact = contacts.get(one.chat.chat_id)
        for wait in one.waits:
            if wait.since in window:
                for place in _places(_agent_of(wait, one, staff), wait.origin, contact, staff, facts):
                    waits[place].append(wait)
        if one.resolved_at in window:
            for place in _places(resolver(one, staff), one.origin, contact, staff, facts):
                resolved[place] += 1
    for dimension, value in sorted({*waits, *resolved}):
        of_value = waits[dimension, value]
        yield {
            "dimension": dimension,
            "value": value,
            "window_days": days,
            **_figures(of_value, facts),
            "chats_resolved": resolved[dimension, value],
        }


def _agent_of(wait: Wait, one: Conversation, staff: Staff) -> str | None:
    """An answered wait's is the closing reply's, another's the assignee when it opened."""
    return wait.agent if wait.is_answered else staff.assignee(one.chat.chat_id, wait.since)


def _places(agent: str | None, origin: str | None, contact: Contact | None, staff: Staff, facts: Facts) -> list[Place]:
    """Where a wait or a conversation counts: once in each dimension, but in each value of a segment field."""
    fields: Mapping[str, str | Sequence[str] | None] = contact.custom_fields if contact else {}
    return [
        ("agent", agent or UNASSIGNED),
        ("team", staff.team(agent)),
        ("country", region_of(contact.whatsapp_number) if contact else UNKNOWN),
        ("origin", origin or ABSENT),
        *(
            (f"segment:{field}", value)
            for field in dict.fromkeys(facts.settings.segment_fields)
            for value in segment_values(fields.get(field)) or {ABSENT}
        ),
    ]


def _figures(waits: Sequence[Wait], facts: Facts) -> dict[str, object]:
    first_waits = [wait for wait in waits if wait.is_first]
    first_seconds = [wait.response_seconds for wait in first_waits if wait.response_seconds is not None]
    return {
        "waits": len(waits),
        "first_waits": len(first_waits),
        "first_answered_waits": len(first_seconds),
        "missed_waits": sum(wait.state == "missed" for wait in waits),
        "answer_rate": answer_rate(first_waits),
        "first_within_target_rate": within_target_rate(first_waits, facts),
        "first_response_seconds_median": first_response_median(first_waits),
        "first_response_seconds_p90": quantile(first_seconds, 0.9),
        "business_first_response_seconds_median": business_median(first_waits),
    }


def agents_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.agents_daily`: a row for each agent on each day with a reply, a first answer or a resolution of theirs.

    Replies stand on their own day and are those of the leaderboard: of left-truncated conversations, too. First answers
    stand on the day their wait opened, resolutions on the day of `resolved_at`.
    """
    zone = facts.settings.zone
    staff = Staff(facts)
    replies: defaultdict[tuple[dt.date, str], list[Message]] = defaultdict(list)
    for message in counted_messages(facts):
        if staff.is_reply(message):
            replies[day_of(message.timestamp, zone), staff.credit_of_reply(message) or UNASSIGNED].append(message)
    first_seconds: defaultdict[tuple[dt.date, str], list[float]] = defaultdict(list)
    resolved: Counter[tuple[dt.date, str]] = Counter()
    for one in whole(conversations):
        for wait in one.waits:
            if wait.is_first and wait.response_seconds is not None:
                first_seconds[day_of(wait.since, zone), wait.agent or UNASSIGNED].append(wait.response_seconds)
        if one.resolved_at is not None:
            resolved[day_of(one.resolved_at, zone), resolver(one, staff) or UNASSIGNED] += 1
    return [
        {
            "day": day,
            "agent": agent,
            "replies": len(replies[day, agent]),
            "chats": len({message.chat_id for message in replies[day, agent]}),
            "first_answered_waits": len(first_seconds[day, agent]),
            "first_response_seconds_median": median(first_seconds[day, agent]),
            "chats_resolved": resolved[day, agent],
            "first_reply_at": min((message.timestamp for message in replies[day, agent]), default=None),
            "last_reply_at": max((message.timestamp for message in replies[day, agent]), default=None),
        }
        for day, agent in sorted({*replies, *first_seconds, *resolved})
    ]
