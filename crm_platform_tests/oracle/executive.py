"""The executive summary: one row from the other chapters, each figure with the period before.

What belongs here: windows and what is pooled over them. What does not: the rules of the figures themselves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from crm_platform_tests.oracle.arithmetic import ONE_DAY, complete_days, day_of, midnight, month_before
from crm_platform_tests.oracle.conversations import Conversation
from crm_platform_tests.oracle.engagement import RUNNING, Performance, is_usable, pooled, status_at
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.growth import (
    GrowthDay,
    GrowthMonth,
    Presence,
    last_complete_month,
    present_contacts,
    rate_of_month,
)
from crm_platform_tests.oracle.messages import message_days
from crm_platform_tests.oracle.operations import (
    answer_rate,
    backlog_daily,
    backlog_now,
    first_response_median,
    whole,
)

NO_SUPPORT: Final = MappingProxyType(
    dict.fromkeys(("first_response_seconds_median_7d", "answer_rate_7d", "chats_resolved_7d"))
)


def executive_summary(
    facts: Facts,
    *,
    conversations: Sequence[Conversation],
    campaigns: Sequence[Performance],
    presences: Sequence[Presence],
    days: Sequence[GrowthDay],
    months: Sequence[GrowthMonth],
) -> list[dict[str, object]]:
    """`kpi.executive_summary`: one row, always."""
    week_ago = day_of(facts.as_of, facts.settings.zone) - 7 * ONE_DAY
    month = last_complete_month(facts)
    backlog = {row["day"]: row["open_waits_at_end"] for row in backlog_daily(facts, conversations)}

    now = {
        "total_contacts": len(present_contacts(facts, presences)),
        "monthly_growth_rate": rate_of_month(months, month),
        "active_campaigns": sum(one.status in RUNNING for one in campaigns),
        **_engagement(facts, campaigns, ago=0, nothing=0),
        **_support(facts, conversations, ago=0),
        "open_waits": backlog_now(facts, conversations)[0]["open_waits"],
    }
    before = {
        "total_contacts": next((one.total_contacts for one in days if one.day == week_ago), None),
        "monthly_growth_rate": rate_of_month(months, month_before(month)),
        "active_campaigns": _active_at_end(facts, week_ago),
        **_engagement(facts, campaigns, ago=30, nothing=None),
        **(_support(facts, conversations, ago=7) if _covers(facts, days_back=14) else NO_SUPPORT),
        "open_waits": backlog.get(week_ago),
    }
    return [{**now, **{f"{name}_previous": figure for name, figure in before.items()}}]


def _covers(facts: Facts, *, days_back: int) -> bool:
    """Whether messages are known from that many complete days before the cut's day on."""
    known_days = message_days(facts)
    return bool(known_days) and (known_days[-1] - known_days[0]).days >= days_back


def _active_at_end(facts: Facts, day: dt.date) -> int | None:
    """Campaigns that were running when the day ended, by what had been observed; None before the first was seen."""
    end = midnight(day + ONE_DAY, facts.settings.zone)
    seen = [one for one in facts.campaigns if one.first_seen_at < end]
    return sum(status_at(one, end - dt.timedelta.resolution) in RUNNING for one in seen) if seen else None


def _engagement(facts: Facts, campaigns: Sequence[Performance], *, ago: int, nothing: int | None) -> dict[str, object]:
    """Rates and what they are over; `nothing`: what that is where no campaign tells."""
    window = complete_days(facts.as_of, 30, facts.settings.zone, ago=ago)
    settled = [one for one in campaigns if one.is_settled and one.sent_at in window and is_usable(one)]
    sums = pooled(settled)
    has_read = any(one.read is not None for one in settled)
    has_replied = any(one.replied is not None for one in settled)
    return {
        "read_per_delivered_30d": sums.read_per_delivered,
        "read_delivered_30d": sums.read_delivered if has_read else nothing,
        "reply_per_delivered_30d": sums.reply_per_delivered,
        "reply_delivered_30d": sums.reply_delivered if has_replied else nothing,
    }


def _support(facts: Facts, conversations: Sequence[Conversation], *, ago: int) -> dict[str, object]:
    window = complete_days(facts.as_of, 7, facts.settings.zone, ago=ago)
    first_waits = [w for one in whole(conversations) for w in one.waits if w.is_first and w.since in window]
    return {
        "first_response_seconds_median_7d": first_response_median(first_waits),
        "answer_rate_7d": answer_rate(first_waits),
        "chats_resolved_7d": sum(one.resolved_at in window for one in whole(conversations)),
    }
