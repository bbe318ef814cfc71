"""kpi.executive_summary: the figures a company is run by, each over its window and over the one before.

Windows are complete local days before the cut's day; figures come from the pooled rows, never from averaged days.
"""

from __future__ import annotations

from typing import Any

from crm_platform.core import Campaigns, CampaignStatuses, Contacts
from crm_platform.languages import N_
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.chats_resolved_daily.table import ChatsResolvedDaily
from crm_platform.metrics.contact_growth_daily.table import ContactGrowthDaily
from crm_platform.metrics.contact_growth_monthly.table import ContactGrowthMonthly
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.metrics.rows import CONSISTENT, delivered_with, rate_of_delivered
from crm_platform.schemas.base import Column, KpiTable
from crm_platform.schemas.figures import Rows, windowed

LAST_WEEK = "r.day >= {{ days_before(7) }} and r.day < {{ cut_day }}"
WEEK_BEFORE = "r.day >= {{ days_before(14) }} and r.day < {{ days_before(7) }}"
WEEK_AGO = "r.day = {{ days_before(7) }}"
# Whether the week before has all its days.
IS_LONG = "(select min(days.day) from kpi.chats_resolved_daily as days) <= {{ days_before(14) }}"

PRESENT = Rows(Contacts, where="r.is_present")
RUNNING = "status in ('active', 'in_progress')"
CAMPAIGNS = Rows(Campaigns)
STATUSES_BEFORE = Rows(
    CampaignStatuses,
    joins="""join (
        select campaign_id, max(observed_at) as observed_at
        from core.campaign_statuses
        where observed_at < {{ start_of_day(6) }}
        group by campaign_id
    ) as newest on newest.campaign_id = r.campaign_id and newest.observed_at = r.observed_at""",
    key=("campaign_id",),
)


def _settled(first: int, until: int) -> Rows:
    return Rows(
        CampaignPerformance,
        where=f"""{CONSISTENT} and r.is_settled
            and r.sent_at >= {{{{ start_of_day({first}) }}}} and r.sent_at < {{{{ start_of_day({until}) }}}}""",
    )


def _first_response(description: str, where: str, **options: Any) -> Column:  # noqa: ANN401 - options of Figure
    return windowed(ResponseTimesDaily.first_response_seconds_median, description, where, **options)


def _answer_rate(description: str, where: str, **options: Any) -> Column:  # noqa: ANN401
    return windowed(ResponseTimesDaily.answer_rate, description, where, **options)


SETTLED, SETTLED_BEFORE = _settled(30, 0), _settled(60, 30)
THEN = Rows(ContactGrowthDaily, where=WEEK_AGO)
LAST_MONTH = Rows(ContactGrowthMonthly, where="r.month = {{ previous_month }}")
MONTH_BEFORE = Rows(ContactGrowthMonthly, where="r.month = {{ month_before_previous }}")
BACKLOG = Rows(BacklogNow)
BACKLOG_THEN = Rows(BacklogDaily, where=WEEK_AGO)


class ExecutiveSummary(KpiTable):
    """One row: the figures a company is run by, each beside the same one a period before."""

    key = ()
    version = 2
    pillar = "executive"
    seen = """{{ smallest(
        smallest(contact_coverage(), report_coverage()), message_coverage(days_before(14), tomorrow)
    ) }}"""

    total_contacts = PRESENT.count("Contacts present at the cut.", good="up")
    total_contacts_previous = THEN.counted(
        "… at the end of the local day 7 days before the cut's.", "max(total_contacts)", nullable=True
    )
    monthly_growth_rate = LAST_MONTH.number(
        "Of the last complete month.", "max(monthly_growth_rate)", nullable=True, minimum=-1, good="up"
    )
    monthly_growth_rate_previous = MONTH_BEFORE.number(
        "Of the month before.", "max(monthly_growth_rate)", nullable=True, minimum=-1
    )
    active_campaigns = CAMPAIGNS.count("Campaigns active or in progress.", RUNNING, label=N_("Active campaigns"))
    active_campaigns_previous = STATUSES_BEFORE.counted(
        "… at the end of the local day 7 days before the cut's.",
        f"case when count(*) > 0 then count(*) filter (where {RUNNING}) end",
        nullable=True,
    )
    read_per_delivered_30d = rate_of_delivered(
        SETTLED,
        "read",
        "Settled campaigns sent in the last 30 complete local days, whose report says both counts.",
        label=N_("Read rate, settled, 30 days"),
    )
    read_per_delivered_30d_previous = rate_of_delivered(SETTLED_BEFORE, "read", "… in the 30 days before.")
    read_delivered_30d = delivered_with(
        SETTLED,
        "read",
        "Delivered by them: what the read rate is over.",
        label=N_("Delivered with a count of reads, settled, 30 days"),
    )
    read_delivered_30d_previous = delivered_with(
        SETTLED_BEFORE, "read", "… in the 30 days before.", nullable=True, empty=None
    )
    reply_per_delivered_30d = rate_of_delivered(
        SETTLED,
        "replied",
        "Settled campaigns sent in the last 30 complete local days, whose report says both counts.",
        label=N_("Reply rate, settled, 30 days"),
    )
    reply_per_delivered_30d_previous = rate_of_delivered(SETTLED_BEFORE, "replied", "… in the 30 days before.")
    reply_delivered_30d = delivered_with(
        SETTLED,
        "replied",
        "Delivered by them: what the reply rate is over.",
        label=N_("Delivered with a count of replies, settled, 30 days"),
    )
    reply_delivered_30d_previous = delivered_with(
        SETTLED_BEFORE, "replied", "… in the 30 days before.", nullable=True, empty=None
    )
    first_response_seconds_median_7d = _first_response(
        "Over first answered waits of the last 7 complete local days.",
        LAST_WEEK,
        label=N_("First response time, 7 days"),
    )
    first_response_seconds_median_7d_previous = _first_response("… of the 7 days before.", WEEK_BEFORE, given=IS_LONG)
    answer_rate_7d = _answer_rate(
        "First waits answered / answered or missed, last 7 complete local days.",
        LAST_WEEK,
        label=N_("Answer rate, 7 days"),
    )
    answer_rate_7d_previous = _answer_rate("… in the 7 days before.", WEEK_BEFORE, given=IS_LONG)
    chats_resolved_7d = Rows(ChatsResolvedDaily, where=LAST_WEEK).sum(
        "Conversations resolved in the last 7 complete local days.",
        "resolved",
        empty="0",
        label=N_("Chats resolved, 7 days"),
    )
    chats_resolved_7d_previous = Rows(ChatsResolvedDaily, where=WEEK_BEFORE).sum(
        "… in the 7 days before.", "resolved", nullable=True, given=IS_LONG
    )
    open_waits = BACKLOG.counted("Open waits.", "max(open_waits)")
    open_waits_previous = BACKLOG_THEN.counted(
        "… at the end of the local day 7 days before the cut's.", "max(open_waits_at_end)", nullable=True
    )
