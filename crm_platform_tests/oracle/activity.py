"""Contacts that write: who is active, who comes back, who stays, who wants no more messages.

What belongs here: `kpi.contact_activity_daily`, `kpi.contact_retention_monthly`, `kpi.opt_outs_daily`. These are about
people, so left-truncated conversations and contacts that are gone count. What does not: contacts that come and go
(`growth.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from crm_platform_tests.oracle.arithmetic import ONE_DAY, day_of, month_of, rate
from crm_platform_tests.oracle.conversations import CAMPAIGN, Conversation
from crm_platform_tests.oracle.facts import Contact, Facts
from crm_platform_tests.oracle.messages import activity, counted_messages, is_inbound, message_days

ENOUGH_WHOLE = 0.95  # of the present chats; with fewer, a first message may just be the oldest one that was read
AWAY_DAYS = 30
MOST_MONTHS_SINCE = 12


def _whole_chats(facts: Facts) -> set[str]:
    """Of a chat that nobody has read nothing is whole."""
    return {chat.chat_id for chat in facts.chats if chat.is_history_whole and chat.known_until is not None}


def _active_days(facts: Facts) -> dict[str, set[dt.date]]:
    """By chat the local days on which the contact was active."""
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for message in activity(facts):
        days[message.chat_id].add(day_of(message.timestamp, facts.settings.zone))
    return days


def contact_activity_daily(facts: Facts, present: Sequence[Contact]) -> list[dict[str, object]]:
    """`kpi.contact_activity_daily`. `whole_share` is that of the cut, the same on every row."""
    whole = _whole_chats(facts)
    whole_share = rate(sum(contact.chat_id in whole for contact in present), len(present))
    is_known = whole_share is not None and whole_share >= ENOUGH_WHOLE  # of no present chat nothing is known
    active_days = _active_days(facts)
    active_on: defaultdict[dt.date, set[str]] = defaultdict(set)
    for chat_id, days in active_days.items():
        for day in days:
            active_on[day].add(chat_id)

    known_days = message_days(facts)
    rows: list[dict[str, object]] = []
    for place, day in enumerate(known_days):
        of_whole = [active_days[chat_id] for chat_id in active_on[day] & whole]
        away_since = day - AWAY_DAYS * ONE_DAY
        came_back = [
            days
            for days in of_whole
            if not any(away_since <= one < day for one in days) and any(one < away_since for one in days)
        ]
        rows.append(
            {
                "day": day,
                "active_contacts": len(active_on[day]),
                "active_contacts_7d": _active_within(7, place, known_days, active_on),
                "active_contacts_30d": _active_within(30, place, known_days, active_on),
                "new_active": sum(min(days) == day for days in of_whole) if is_known else None,
                "reactivated": len(came_back) if is_known else None,
                "whole_share": whole_share,
            }
        )
    return rows


def _active_within(
    days: int, place: int, known_days: Sequence[dt.date], active_on: dict[dt.date, set[str]]
) -> int | None:
    """Contacts active on the day at that place or the days before it; None when the first day is less far back."""
    if place + 1 < days:
        return None
    return len(set().union(*(active_on[day] for day in known_days[place + 1 - days : place + 1])))


def contact_retention_monthly(facts: Facts) -> list[dict[str, object]]:
    """`kpi.contact_retention_monthly`: a row for every complete month from the first one, also of an empty cohort.

    An opt-out puts a contact into a cohort, as every counted inbound message does, and is no activity.
    """
    whole, zone = _whole_chats(facts), facts.settings.zone
    joined: dict[str, dt.date] = {}
    for message in counted_messages(facts):
        if is_inbound(message) and message.chat_id in whole:
            month = month_of(day_of(message.timestamp, zone))
            joined[message.chat_id] = min(month, joined.get(message.chat_id, month))
    active_months = {chat_id: {month_of(day) for day in days} for chat_id, days in _active_days(facts).items()}
    this_month = month_of(day_of(facts.as_of, zone))
    months = sorted({month_of(day) for day in message_days(facts)} - {this_month})
    rows: list[dict[str, object]] = []
    for place, cohort in enumerate(months):
        of_cohort = [active_months.get(chat_id, set()) for chat_id, month in joined.items() if month == cohort]
        for months_since, month in enumerate(months[place : place + MOST_MONTHS_SINCE + 1]):
            active = sum(month in active for active in of_cohort)
            rows.append(
                {
                    "cohort": cohort,
                    "months_since": months_since,
                    "contacts": len(of_cohort),
                    "active": active,
                    "retention": rate(active, len(of_cohort)),
                }
            )
    return rows


def opt_outs_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.opt_outs_daily`."""
    on: defaultdict[dt.date, list[tuple[str, str]]] = defaultdict(list)
    for one in conversations:
        for message in one.opt_outs:
            origin = one.origins[message.message_id]
            on[day_of(message.timestamp, facts.settings.zone)].append((message.chat_id, origin))
    return [
        {
            "day": day,
            "opt_outs": len(on[day]),
            "contacts": len({chat_id for chat_id, _ in on[day]}),
            "after_campaign": sum(origin == CAMPAIGN for _, origin in on[day]),
        }
        for day in message_days(facts)
    ]
