"""kpi.engagement_monthly: its figures, and the campaigns that they sum up."""

from __future__ import annotations

from dataclasses import replace

from crm_platform.languages import N_
from crm_platform.metrics.rows import JUDGED, REPORT_COVERAGE, delivered_with, rate_of_delivered
from crm_platform.schemas.base import KpiTable, date

CAMPAIGNS = replace(JUDGED, by={"month": "{{ month_of(local_day('r.sent_at')) }}"})


class EngagementMonthly(KpiTable):
    """Campaigns by the local month they were sent in: those with recipients and no contradiction, sent by the cut."""

    key = ("month",)
    version = 2
    pillar = "engagement"
    period = "month"
    seen = REPORT_COVERAGE
    rules = (
        "read <= read_delivered",
        "replied <= reply_delivered",
        "read_delivered <= delivered",
        "reply_delivered <= delivered",
        "delivered + failed <= total_recipients",
    )

    month = date("First day of the local month of sent_at.", unit="local month")
    campaigns = CAMPAIGNS.count("Campaigns.", label=N_("Campaigns"))
    total_recipients = CAMPAIGNS.sum("Recipients.", "total_recipients")
    delivered = CAMPAIGNS.sum("Delivered.", "delivered")
    read = CAMPAIGNS.sum("Read.", "read", empty="0")
    replied = CAMPAIGNS.sum("Replied.", "replied", empty="0")
    failed = CAMPAIGNS.sum("Failed.", "failed", empty="0", good="down")
    read_delivered = delivered_with(CAMPAIGNS, "read", label=N_("Delivered, with a count of reads"))
    reply_delivered = delivered_with(CAMPAIGNS, "replied", label=N_("Delivered, with a count of replies"))
    delivery_rate = CAMPAIGNS.ratio(
        "delivered / total_recipients, from the sums.", "delivered", "total_recipients", good="up"
    )
    read_per_delivered = rate_of_delivered(CAMPAIGNS, "read")
    reply_per_delivered = rate_of_delivered(CAMPAIGNS, "replied")
