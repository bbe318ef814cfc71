"""The support desk's figures: response times, resolutions, backlog, leaderboard, message volume, conversations.

What belongs here: the chapter "Operations" of the definitions and `kpi.conversations_daily`. What does not: how
conversations and waits come about (`conversations.py`), figures by who and where (`support.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from crm_platform_tests.oracle.arithmetic import (
    ONE_DAY,
    censored_median,
    complete_days,
    day_of,
    mean,
    median,
    midnight,
    quantile,
    rate,
)
from crm_platform_tests.oracle.conversations import CAMPAIGN, Conversation, Wait
from crm_platform_tests.oracle.facts import Facts, Message
from crm_platform_tests.oracle.messages import counted_messages, is_inbound, is_template, message_days
from crm_platform_tests.oracle.staff import UNASSIGNED, Staff

SERVICE_WINDOW = dt.timedelta(hours=24)  # WhatsApp's: free answers until then, templates only after
SOON = dt.timedelta(hours=2)


def whole(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Those whose beginning is known."""
    return [one for one in conversations if not one.is_left_truncated]


def answer_rate(first_waits: Sequence[Wait]) -> float | None:
    """Answered first waits among those that were answered or missed."""
    answered = sum(wait.is_answered for wait in first_waits)
    return rate(answered, answered + sum(wait.state == "missed" for wait in first_waits))


def first_response_median(first_waits: Sequence[Wait]) -> float | None:
    """Median seconds to the first answer, over the waits that have one."""
    return median(wait.response_seconds for wait in first_waits if wait.response_seconds is not None)


def within_target_rate(first_waits: Sequence[Wait], facts: Facts) -> float | None:
    """First waits answered within the target among those that were answered or missed."""
    target_seconds = facts.settings.first_response_target_minutes * 60
    answered = [wait.response_seconds for wait in first_waits if wait.response_seconds is not None]
    missed = sum(wait.state == "missed" for wait in first_waits)
    return rate(sum(seconds <= target_seconds for seconds in answered), len(answered) + missed)


def business_within_target_rate(first_waits: Sequence[Wait], facts: Facts) -> float | None:
    """The same of business seconds; None where no business hours are kept."""
    if facts.settings.open_hours is None:
        return None
    target_seconds = facts.settings.first_response_target_minutes * 60
    answered = business_seconds(first_waits)
    missed = sum(wait.state == "missed" for wait in first_waits)
    return rate(sum(seconds <= target_seconds for seconds in answered), len(answered) + missed)


def business_seconds(waits: Sequence[Wait]) -> list[float]:
    """Business seconds of the waits that were answered."""
    return [wait.business_response_seconds for wait in waits if wait.business_response_seconds is not None]


def business_median(first_waits: Sequence[Wait]) -> float | None:
    """Median business seconds to the first answer."""
    return median(business_seconds(first_waits))


def response_times_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.response_times_daily`."""
    zone = facts.settings.zone
    truncated: Counter[dt.date] = Counter()
    opt_outs: Counter[dt.date] = Counter()  # also of left-truncated conversations
    by_day: defaultdict[dt.date, list[tuple[Conversation, Wait]]] = defaultdict(list)
    for one in conversations:
        opt_outs.update(day_of(message.timestamp, zone) for message in one.opt_outs)
        for wait in one.waits:
            day = day_of(wait.since, zone)
            if one.is_left_truncated:
                truncated[day] += 1
            else:
                by_day[day].append((one, wait))
    return [
        {
            "day": day,
            "left_truncated_waits": truncated[day],
            "opt_outs": opt_outs[day],
            **_response_times(by_day[day], facts),
        }
        for day in message_days(facts)
    ]


def _response_times(waits_of_day: Sequence[tuple[Conversation, Wait]], facts: Facts) -> dict[str, object]:
    waits = [wait for _, wait in waits_of_day]
    first_waits = [wait for wait in waits if wait.is_first]
    later_waits = [wait for wait in waits if not wait.is_first]
    states = Counter(wait.state for wait in waits)
    all_seconds = [wait.response_seconds for wait in waits if wait.response_seconds is not None]
    first_seconds = [wait.response_seconds for wait in first_waits if wait.response_seconds is not None]
    watched_seconds = [
        (one.chat.known_until - wait.since).total_seconds()
        for one, wait in waits_of_day
        if wait.is_first and wait.state == "open" and one.chat.known_until is not None
    ]
    return {
        "waits": len(waits),
        "first_waits": len(first_waits),
        "answered_waits": states["answered"],
        "first_answered_waits": len(first_seconds),
        "open_waits": states["open"],
        "missed_waits": states["missed"],
        "trailing_waits": states["trailing"],
        "answer_rate": answer_rate(first_waits),
        "response_seconds_median": median(all_seconds),
        "response_seconds_p90": quantile(all_seconds, 0.9),
        "response_seconds_mean": mean(all_seconds),
        "first_response_seconds_median": median(first_seconds),
        "first_response_seconds_p90": quantile(first_seconds, 0.9),
        "first_response_seconds_mean": mean(first_seconds),
        "business_first_response_seconds_median": business_median(first_waits),
        "business_first_response_seconds_p90": quantile(business_seconds(first_waits), 0.9),
        "first_within_target_rate": within_target_rate(first_waits, facts),
        "business_first_within_target_rate": business_within_target_rate(first_waits, facts),
        "later_response_seconds_median": first_response_median(later_waits),
        "business_later_response_seconds_median": business_median(later_waits),
        "first_response_seconds_median_censored": censored_median(first_seconds, watched_seconds, states["missed"]),
        "campaign_first_waits": sum(wait.origin == CAMPAIGN for wait in first_waits),
        "followed_up_missed_waits": sum(wait.follow_up is not None for wait in waits),
        "shut_missed_waits": sum(wait.is_shut is True for wait in waits),  # 0 without business hours
    }


def chats_resolved_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.chats_resolved_daily`."""
    zone = facts.settings.zone
    resolved: defaultdict[dt.date, list[Conversation]] = defaultdict(list)
    unresolved: Counter[dt.date] = Counter()
    for one in whole(conversations):
        if one.resolved_at is not None:
            resolved[day_of(one.resolved_at, zone)].append(one)
        elif one.is_over and one.is_missed:
            unresolved[day_of(one.ended_at, zone)] += 1
    return [
        {
            "day": day,
            "resolved": len(resolved[day]),
            "resolved_by_operator": sum(one.resolved_by == "operator" for one in resolved[day]),
            "resolved_quietly": sum(one.resolved_by == "quiet" for one in resolved[day]),
            "unresolved": unresolved[day],
            "resolution_seconds_median": median(
                one.resolution_seconds for one in resolved[day] if one.resolution_seconds is not None
            ),
        }
        for day in message_days(facts)
    ]


def backlog_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.backlog_daily`: who was waiting when a day ended, by what is known at the cut."""
    gap = facts.settings.conversation_gap
    zone = facts.settings.zone
    today = day_of(facts.as_of, zone)
    # A wait is over with its reply or with the mark that ended it, and always with the gap of its conversation.
    waits = [
        (wait.since, wait.answered_at or wait.ended_at, one.ended_at) for one in conversations for wait in one.waits
    ]
    rows: list[dict[str, object]] = []
    for day in message_days(facts):
        day_end = facts.as_of if day == today else midnight(day + ONE_DAY, zone)
        since = [
            waiting_since
            for waiting_since, over_at, conversation_ended_at in waits
            if waiting_since < day_end
            and (over_at is None or over_at >= day_end)
            and day_end - conversation_ended_at <= gap
        ]
        oldest = (day_end - min(since)).total_seconds() if since else None
        rows.append({"day": day, "open_waits_at_end": len(since), "oldest_wait_seconds": oldest})
    return rows


def backlog_now(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.backlog_now`: one row, always."""
    last_inbound: dict[str, dt.datetime] = {}
    for message in counted_messages(facts):
        if is_inbound(message):
            last_inbound[message.chat_id] = max(message.timestamp, last_inbound.get(message.chat_id, message.timestamp))
    open_waits = [(one, wait) for one in conversations for wait in one.waits if wait.state == "open"]
    oldest = min((wait.since for _, wait in open_waits), default=None)
    lapses = [last_inbound[one.chat.chat_id] + SERVICE_WINDOW for one, _ in open_waits]
    return [
        {
            "open_waits": len(open_waits),
            "oldest_open_wait_seconds": (facts.as_of - oldest).total_seconds() if oldest else None,
            "windows_expiring_2h": sum(facts.as_of < lapse <= facts.as_of + SOON for lapse in lapses),
        }
    ]


def message_volume_hourly(facts: Facts) -> list[dict[str, object]]:
    """`kpi.message_volume_hourly`: 168 rows, always."""
    zone = facts.settings.zone
    staff = Staff(facts)
    window = complete_days(facts.as_of, 84, zone)
    inbound: Counter[tuple[int, int]] = Counter()
    replies: Counter[tuple[int, int]] = Counter()
    templates: Counter[tuple[int, int]] = Counter()
    for message in counted_messages(facts):
        if message.timestamp in window and message.status != "failed":
            local = message.timestamp.astimezone(zone)
            cell = (local.weekday(), local.hour)
            inbound[cell] += is_inbound(message)
            replies[cell] += staff.is_reply(message)
            templates[cell] += is_template(message)
    return [
        {
            "weekday": weekday,
            "hour": hour,
            "inbound": inbound[weekday, hour],
            "replies": replies[weekday, hour],
            "templates": templates[weekday, hour],
        }
        for weekday in range(7)
        for hour in range(24)
    ]


def agent_leaderboard(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.agent_leaderboard`: a row for whoever did anything in the window."""
    staff = Staff(facts)
    messages = counted_messages(facts)
    return [row for days in (7, 30) for row in _leaderboard(facts, conversations, staff, messages, days)]


def resolver(one: Conversation, staff: Staff) -> str | None:
    """Whom a resolved conversation is credited to: the marker, else the assignee then."""
    assert one.resolved_at is not None
    return staff.credit(one.mark.agent if one.mark else None, one.chat.chat_id, one.resolved_at)


def _leaderboard(
    facts: Facts, conversations: Sequence[Conversation], staff: Staff, messages: Sequence[Message], days: int
) -> Iterator[dict[str, object]]:
    window = complete_days(facts.as_of, days, facts.settings.zone)
    assigned = Counter(agent for at, agent in staff.assignments() if at in window)
    replied = Counter(
        staff.credit_of_reply(message) or UNASSIGNED
        for message in messages
        if message.timestamp in window and staff.is_reply(message)
    )
    resolved = Counter(resolver(one, staff) or UNASSIGNED for one in whole(conversations) if one.resolved_at in window)
    first_seconds: defaultdict[str, list[float]] = defaultdict(list)
    for one in whole(conversations):
        for wait in one.waits:
            if wait.is_first and wait.response_seconds is not None and wait.since in window:
                first_seconds[wait.agent or UNASSIGNED].append(wait.response_seconds)
    attributed = rate(replied.total() - replied[UNASSIGNED], replied.total())
    for agent in sorted({*assigned, *replied, *resolved, *first_seconds}):
        yield {
            "agent": agent,
            "window_days": days,
            "chats_assigned": assigned[agent],
            "chats_resolved": resolved[agent],
            "replies": replied[agent],
            "first_response_seconds_median": median(first_seconds[agent]),
            "attributed_share": attributed,
            "first_responses": len(first_seconds[agent]),
        }


def conversations_daily(facts: Facts, conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`kpi.conversations_daily`: by the local day of `started_at`."""
    zone = facts.settings.zone
    by_day: defaultdict[dt.date, list[Conversation]] = defaultdict(list)
    for one in whole(conversations):
        by_day[day_of(one.started_at, zone)].append(one)
    return [{"day": day, **_conversations_of(by_day[day])} for day in message_days(facts)]


def _conversations_of(started: Sequence[Conversation]) -> dict[str, object]:
    # Templates are out of the length, also where it is compared with ten: a template alone has length 0.
    lengths = [len(one.messages) - one.templates for one in started]
    return {
        "conversations": len(started),
        "by_contact": sum(one.initiated_by == "contact" for one in started),
        "by_business": sum(one.initiated_by == "business" for one in started),
        "after_campaign": sum(one.origin == CAMPAIGN for one in started),
        "reopened": sum(one.is_reopened for one in started),
        "messages_median": median(lengths),
        "duration_seconds_median": median((one.ended_at - one.started_at).total_seconds() for one in started),
        "one_reply_rate": rate(sum(one.replies == 1 for one in started), sum(one.replies >= 1 for one in started)),
        "over_10_messages": sum(length > 10 for length in lengths),
    }
