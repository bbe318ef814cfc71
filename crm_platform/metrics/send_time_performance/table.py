"""kpi.send_time_performance: its figures, and the campaigns that they sum up."""

from __future__ import annotations

from dataclasses import replace

from crm_platform.languages import N_
from crm_platform.metrics.rows import JUDGED, REPORT_COVERAGE, delivered_with, rate_of_delivered
from crm_platform.schemas.base import KpiTable, hour_of_day, weekday

WEEKDAY, HOUR = "{{ weekday(local_day('r.sent_at')) }}", "{{ local_hour('r.sent_at') }}"
CAMPAIGNS = replace(
    JUDGED,
    by={"weekday": WEEKDAY, "hour": HOUR},
    extra={"cell_weekday": WEEKDAY, "cell_hour": HOUR},
    labels={
        # Translators: the weekday on which a campaign was sent
        "cell_weekday": N_("Sent on"),
        # Translators: the hour at which a campaign was sent
        "cell_hour": N_("Sent at"),
    },
)


class SendTimePerformance(KpiTable):
    """Campaigns by the local weekday and hour of sending: those of engagement_monthly."""

    key = ("weekday", "hour")
    version = 2
    pillar = "engagement"
    seen = REPORT_COVERAGE
    rules = (
        "read <= read_delivered",
        "replied <= reply_delivered",
        "read_delivered <= delivered",
        "reply_delivered <= delivered",
    )

    weekday = weekday()
    hour = hour_of_day()
    campaigns = CAMPAIGNS.count("Campaigns.")
    delivered = CAMPAIGNS.sum("Delivered.", "delivered")
    read = CAMPAIGNS.sum("Read.", "read", empty="0")
    replied = CAMPAIGNS.sum("Replied.", "replied", empty="0")
    read_delivered = delivered_with(CAMPAIGNS, "read")
    reply_delivered = delivered_with(CAMPAIGNS, "replied")
    read_per_delivered = rate_of_delivered(CAMPAIGNS, "read")
    reply_per_delivered = rate_of_delivered(CAMPAIGNS, "replied")
    read_per_delivered_shrunk = CAMPAIGNS.share(
        "read / read_delivered, drawn towards the mean of all cells as far as chance explains it.",
        "",
        file="shrunk",
        grain=(),
        uses=("cell_weekday", "cell_hour", "delivered", "read", "replied"),
        good="up",
        label=N_("Read rate, drawn towards the mean"),
    )
    reply_per_delivered_shrunk = CAMPAIGNS.share(
        "replied / reply_delivered, drawn in the same way.",
        "",
        file="shrunk",
        grain=(),
        uses=("cell_weekday", "cell_hour", "delivered", "read", "replied"),
        good="up",
        label=N_("Reply rate, drawn towards the mean"),
    )
    enough_data = CAMPAIGNS.flag(
        "At least 3 campaigns and 1,000 delivered.", "count(*) >= 3 and sum(delivered) >= 1000", label=N_("Enough data")
    )
