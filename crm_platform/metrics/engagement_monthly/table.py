"""kpi.engagement_monthly: its figures, and the campaigns that they sum up."""

from __future__ import annotations

from dataclasses import replace

from crm_platform.languages import N_
from crm_platform.metrics.rows import JUDGED, REPORT_COVERAGE
from crm_platform.schemas.base import KpiTable, date

CAMPAIGNS = replace(JUDGED, by={"month": "{{ month_of(local_day('r.sent_at')) }}"})


class EngagementMonthly(KpiTable):
    """Campaigns by the local month they were sent in: consistent ones with recipients, sent by the cut."""

    key = ("month",)
    pillar = "engagement"
    period = "month"
    seen = REPORT_COVERAGE
    rules = ("read <= delivered", "replied <= delivered", "delivered + failed <= total_recipients")

    month = date("First day of the local month of sent_at.", unit="local month")
    campaigns = CAMPAIGNS.count("Campaigns.", label=N_("Campaigns"))
    total_recipients = CAMPAIGNS.sum("Recipients.", "total_recipients")
    delivered = CAMPAIGNS.sum("Delivered.", "delivered")
    read = CAMPAIGNS.sum("Read.", "read")
    replied = CAMPAIGNS.sum("Replied.", "replied")
    failed = CAMPAIGNS.sum("Failed.", "failed", good="down")
    delivery_rate = CAMPAIGNS.ratio(
        "delivered / total_recipients, from the sums.", "delivered", "total_recipients", good="up"
    )
    read_per_delivered = CAMPAIGNS.ratio("read / delivered, from the sums.", "read", "delivered", good="up")
    reply_per_delivered = CAMPAIGNS.ratio("replied / delivered, from the sums.", "replied", "delivered", good="up")
