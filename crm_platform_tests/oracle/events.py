"""Figures of what webhooks tell: handoffs from bots to people, and scores.

What belongs here: `kpi.handoffs_daily`, `kpi.satisfaction_daily`, `kpi.satisfaction_by_agent`. What does not:
conversations (`conversations.py`), whose a reply is (`staff.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from crm_platform_tests.oracle.arithmetic import complete_days, day_of, median, quantile, rate, wilson
from crm_platform_tests.oracle.conversations import Conversation
from crm_platform_tests.oracle.facts import Contact, Event, Facts, Message
from crm_platform_tests.oracle.growth import segment_values
from crm_platform_tests.oracle.messages import message_days
from crm_platform_tests.oracle.operations import resolver, whole
from crm_platform_tests.oracle.staff import UNASSIGNED, Staff

AHEAD = dt.timedelta(minutes=5)  # how far ahead of its coming an event may be dated
REPLIED_WITHIN = dt.timedelta(days=7)  # before a score
GOOD, ENOUGH = 4, 10

Key = tuple[str, int]  # chat, number of the conversation


@dataclass(frozen=True, slots=True)
class _Told:
    """A believable event; `at`: when it happened, at the latest when it came."""

    event: Event
    at: dt.datetime


def _known(facts: Facts, kind: str) -> Iterator[_Told]:
    for event in facts.events:
        is_known = event.received_at <= facts.as_of and event.at - event.received_at <= AHEAD
        if event.event == kind and is_known and event.chat_id not in facts.excluded:
            yield _Told(event, min(event.at, event.received_at))


def _by_chat(conversations: Sequence[Conversation]) -> Mapping[str, list[Conversation]]:
    found: defaultdict[str, list[Conversation]] = defaultdict(list)
    for one in conversations:
        found[one.chat.chat_id].append(one)
    return found


def _key(one: Conversation) -> Key:
    return one.chat.chat_id, one.number


def _newest(candidates: Iterable[Conversation], at: dt.datetime) -> Conversation | None:
    """Of conversations in their order the last that had begun by then."""
    return next((one for one in reversed(list(candidates)) if one.started_at <= at), None)


def _days(facts: Facts, days: Iterable[dt.date]) -> list[dt.date]:
    """The days of the tables by day, from the first of some days on."""
    first = min(days, default=None)
    return [] if first is None else [day for day in message_days(facts) if day >= first]


# Handoffs.


def _handoffs(facts: Facts, conversations: Sequence[Conversation]) -> list[tuple[Conversation, dt.datetime]]:
    """Each conversation that was handed over, and when first."""
    chats = _by_chat(conversations)
    handed: dict[Key, tuple[Conversation, dt.datetime]] = {}
    for told in sorted(_known(facts, "agent.handoff"), key=lambda one: one.at):
        one = _newest(chats[told.event.chat_id], told.at)
        if one is None:
            continue
        said_last = max(message.timestamp for message in one.messages if message.timestamp <= told.at)
        if told.at - said_last < facts.settings.conversation_gap:
            handed.setdefault(_key(one), (one, told.at))
    return list(handed.values())


def handoffs_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.handoffs_daily`."""
    staff, zone = Staff(facts), facts.settings.zone
    handed = _handoffs(facts, conversations)
    rows = []
    for day in _days(facts, (day_of(at, zone) for _, at in handed)):
        of_day = [(one, at) for one, at in handed if day_of(at, zone) == day and not one.is_left_truncated]
        replied = [
            next((message for message in one.messages if message.timestamp > at and staff.is_reply(message)), None)
            for one, at in of_day
        ]
        seconds = [
            (reply.timestamp - at).total_seconds()
            for (_, at), reply in zip(of_day, replied, strict=True)
            if reply is not None
        ]
        silent = [one for (one, _), reply in zip(of_day, replied, strict=True) if reply is None]
        begun = [one for one in whole(conversations) if one.inbound and day_of(one.started_at, zone) == day]
        handed_over = {_key(one) for one, _ in handed} & {_key(one) for one in begun}
        rows.append(
            {
                "day": day,
                "handoffs": len(of_day),
                "answered_handoffs": len(seconds),
                "open_handoffs": sum(not one.is_over for one in silent),
                "unanswered_handoffs": sum(one.is_over for one in silent),
                "human_reply_seconds_median": median(seconds),
                "human_reply_seconds_p90": quantile(seconds, 0.9),
                "conversations": len(begun),
                "handed_over_conversations": len(handed_over),
                "handoff_share": rate(len(handed_over), len(begun)),
            }
        )
    return rows


# Scores.


def _scores(facts: Facts, conversations: Sequence[Conversation]) -> list[tuple[Conversation, dt.datetime, int]]:
    """Each conversation that was given a score, when it was given the newest, and that."""
    staff, chats = Staff(facts), _by_chat(conversations)
    scored: dict[Key, tuple[Conversation, dt.datetime, int]] = {}
    for told in sorted(_known(facts, "csat.submitted"), key=lambda one: (one.at, one.event.key.encode())):
        of_chat = chats[told.event.chat_id]
        replied = [
            one
            for one in of_chat
            if any(staff.is_reply(message) and _is_shortly_before(message, told.at) for message in one.messages)
        ]
        one = replied[-1] if replied else _newest(of_chat, told.at)
        if one is not None and told.event.score is not None:
            scored[_key(one)] = (one, told.at, told.event.score)
    return list(scored.values())


def _is_shortly_before(message: Message, at: dt.datetime) -> bool:
    return message.timestamp <= at <= message.timestamp + REPLIED_WITHIN


def _satisfied(scores: Sequence[int]) -> dict[str, object]:
    good = sum(score >= GOOD for score in scores)
    low, high = wilson(good, len(scores))
    return {
        "responses": len(scores),
        "good": good,
        "share_good": rate(good, len(scores)),
        "share_good_low": low,
        "share_good_high": high,
    }


def satisfaction_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.satisfaction_daily`."""
    zone = facts.settings.zone
    scored = _scores(facts, conversations)
    keys = {_key(one) for one, _, _ in scored}
    rows = []
    for day in _days(facts, (day_of(at, zone) for _, at, _ in scored)):
        closed = [
            one
            for one in whole(conversations)
            if one.resolved_by == "operator" and one.resolved_at is not None and day_of(one.resolved_at, zone) == day
        ]
        answered = sum(_key(one) in keys for one in closed)
        rows.append(
            {
                "day": day,
                **_satisfied([score for _, at, score in scored if day_of(at, zone) == day]),
                "closed_conversations": len(closed),
                "scored_conversations": answered,
                "response_rate": rate(answered, len(closed)),
            }
        )
    return rows


def satisfaction_by_agent(
    facts: Facts, conversations: Sequence[Conversation], present: Sequence[Contact]
) -> list[dict[str, object]]:
    """`kpi.satisfaction_by_agent`."""
    staff, window = Staff(facts), complete_days(facts.as_of, 30, facts.settings.zone)
    by_agent: defaultdict[str, list[int]] = defaultdict(list)
    for one, at, score in _scores(facts, conversations):
        if at in window:
            by_agent[_whose(one, staff) or UNASSIGNED].append(score)
    of_field = _field_scores(facts, conversations, present)
    return [
        {
            "agent": agent,
            **_satisfied(by_agent[agent]),
            "is_enough": len(by_agent[agent]) >= ENOUGH,
            "field_responses": len(of_field[agent]),
            "field_good": sum(score >= GOOD for score in of_field[agent]),
            "field_share_good": rate(sum(score >= GOOD for score in of_field[agent]), len(of_field[agent])),
        }
        for agent in sorted({*by_agent, *of_field})
    ]


def _field_scores(
    facts: Facts, conversations: Sequence[Conversation], present: Sequence[Contact]
) -> defaultdict[str, list[int]]:
    """What the field of present contacts holds, by whose the chat's newest conversation with a reply was."""
    staff, chats = Staff(facts), _by_chat(conversations)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for contact in present if facts.settings.satisfaction_field else ():
        texts = segment_values(contact.custom_fields.get(facts.settings.satisfaction_field or ""))
        scores = [int(text) for text in texts if text in set("12345")]
        if len(scores) == 1:
            replied = [one for one in chats[contact.chat_id] if one.replies]
            found[(_whose(replied[-1], staff) if replied else None) or UNASSIGNED].append(scores[0])
    return found


def _whose(one: Conversation, staff: Staff) -> str | None:
    """Who resolved a conversation, else who wrote its last reply."""
    return (resolver(one, staff) if one.resolved_at is not None else None) or one.agent
