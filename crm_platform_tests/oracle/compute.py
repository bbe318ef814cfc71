"""Facts in, every table out.

What belongs here: the list of tables, their keys, and who computes them. What does not: any figure.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from crm_platform_tests.oracle import activity, engagement, events, growth, operations, support
from crm_platform_tests.oracle import conversations as talk
from crm_platform_tests.oracle.executive import executive_summary
from crm_platform_tests.oracle.facts import Facts

KEYS: Final = MappingProxyType(
    {
        "core.conversations": ("chat_id", "first_message_id"),
        "core.response_waits": ("chat_id", "opening_message_id"),
        "core.reply_credit": ("chat_id", "message_id"),
        "core.contact_presence": ("chat_id", "from_at"),
        "kpi.response_times_daily": ("day",),
        "kpi.chats_resolved_daily": ("day",),
        "kpi.backlog_daily": ("day",),
        "kpi.backlog_now": (),
        "kpi.handoffs_daily": ("day",),
        "kpi.satisfaction_daily": ("day",),
        "kpi.satisfaction_by_agent": ("agent",),
        "kpi.message_volume_hourly": ("weekday", "hour"),
        "kpi.agent_leaderboard": ("agent", "window_days"),
        "kpi.agents_daily": ("day", "agent"),
        "kpi.support_by": ("dimension", "value", "window_days"),
        "kpi.conversations_daily": ("day",),
        "kpi.campaign_performance": ("campaign_id",),
        "kpi.engagement_monthly": ("month",),
        "kpi.send_time_performance": ("weekday", "hour"),
        "kpi.contact_growth_daily": ("day",),
        "kpi.contact_growth_monthly": ("month",),
        "kpi.contacts_by_segment": ("field", "value"),
        "kpi.contacts_by_country": ("region",),
        "kpi.contact_activity_daily": ("day",),
        "kpi.contact_retention_monthly": ("cohort", "months_since"),
        "kpi.opt_outs_daily": ("day",),
        "kpi.executive_summary": (),
    }
)


def compute(facts: Facts) -> dict[str, list[dict[str, object]]]:
    """Every table of the definitions, by name, as rows of column to value.

    Days and months are dates (a month its first day), instants aware UTC datetimes, durations seconds, rates fractions.
    `as_of`, `coverage`, `is_provisional` and `definition_version` are left out. Rows stand in no promised order.
    """
    conversations = talk.conversations(facts)
    campaigns = engagement.performances(facts)
    presences = growth.presences(facts)
    present = growth.present_contacts(facts, presences)
    days = growth.growth_days(facts, presences)
    months = growth.growth_months(facts, days)
    return {
        "core.conversations": talk.conversation_rows(conversations),
        "core.response_waits": talk.wait_rows(conversations),
        "core.reply_credit": talk.credit_rows(facts),
        "core.contact_presence": growth.contact_presence(presences),
        "kpi.response_times_daily": operations.response_times_daily(facts, conversations),
        "kpi.chats_resolved_daily": operations.chats_resolved_daily(facts, conversations),
        "kpi.backlog_daily": operations.backlog_daily(facts, conversations),
        "kpi.backlog_now": operations.backlog_now(facts, conversations),
        "kpi.handoffs_daily": events.handoffs_daily(facts, conversations),
        "kpi.satisfaction_daily": events.satisfaction_daily(facts, conversations),
        "kpi.satisfaction_by_agent": events.satisfaction_by_agent(facts, conversations, present),
        "kpi.message_volume_hourly": operations.message_volume_hourly(facts),
        "kpi.agent_leaderboard": operations.agent_leaderboard(facts, conversations),
        "kpi.agents_daily": support.agents_daily(facts, conversations),
        "kpi.support_by": support.support_by(facts, conversations),
        "kpi.conversations_daily": operations.conversations_daily(facts, conversations),
        "kpi.campaign_performance": engagement.campaign_performance(campaigns),
        "kpi.engagement_monthly": engagement.engagement_monthly(facts, campaigns),
        "kpi.send_time_performance": engagement.send_time_performance(facts, campaigns),
        "kpi.contact_growth_daily": growth.contact_growth(days),
        "kpi.contact_growth_monthly": growth.contact_growth(months),
        "kpi.contacts_by_segment": growth.contacts_by_segment(facts, present),
        "kpi.contacts_by_country": growth.contacts_by_country(facts, present),
        "kpi.contact_activity_daily": activity.contact_activity_daily(facts, present),
        "kpi.contact_retention_monthly": activity.contact_retention_monthly(facts),
        "kpi.opt_outs_daily": activity.opt_outs_daily(facts, conversations),
        "kpi.executive_summary": executive_summary(
            facts, conversations=conversations, campaigns=campaigns, presences=presences, days=days, months=months
        ),
    }
