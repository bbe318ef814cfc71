"""kpi.campaign_performance: its figures, and the campaign and report that they are computed from."""

from __future__ import annotations

from typing import Any

from crm_platform.core import Campaigns
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import Column, KpiTable, text
from crm_platform.schemas.figures import Rows

COUNTS = ("delivered", "read", "replied", "failed")
TEXTS = ("delivery_rate", "read_rate", "reply_rate")

CAMPAIGN = Rows(
    Campaigns,
    by={"campaign_id": "r.campaign_id"},
    joins="left join core.campaign_reports as reports on reports.campaign_id = r.campaign_id",
    extra={
        # The report's recipients come before the campaign's own.
        "recipients": "coalesce(reports.total_recipients, r.total_recipients)",
        "has_report": "reports.campaign_id is not null",
        **{name: f"reports.{name}" for name in (*COUNTS, *TEXTS)},
    },
    labels={"recipients": N_("Recipients")},
    is_each=True,
)


def _reported(description: str, column: str, **options: Any) -> Column:  # noqa: ANN401 - options of Figure
    # As the report says it: it may contradict itself, even be negative.
    return CAMPAIGN.integer(description, column, nullable=True, **options)


def _rate(part: str, of: str, **options: Any) -> Column:  # noqa: ANN401
    # No bounds: an inconsistent report gives an impossible rate, which is shown and flagged.
    name = {"recipients": "total_recipients"}.get(of, of)
    return CAMPAIGN.number(
        f"{part} / {name}.", f"{{{{ rate('{part}', '{of}') }}}}", nullable=True, good="up", **options
    )


def _bound(end: str, part: str, of: str, **options: Any) -> Column:  # noqa: ANN401
    sign = {"Lower": -1, "Upper": 1}[end]
    return CAMPAIGN.share(f"{end} Wilson 95 % bound.", f"{{{{ wilson('{part}', '{of}', {sign}) }}}}", **options)


# How far a rate of ours lies from the API's text beyond its rounding; -1 stands for a text that did not come, or that
# there is no rate of ours to hold it against.
_GAPS = ", ".join(
    f"""case when {{{{ rate('{part}', '{of}') }}}} is null or {{{{ percentage('{text}') }}}} is null then -1e0
    else greatest(0e0, abs(100 * {{{{ rate('{part}', '{of}') }}}} - {{{{ percentage('{text}') }}}})
        - 0.5e0 * power(10e0, -{{{{ decimals('{text}') }}}})) end"""
    for part, of, text in (
        ("delivered", "recipients", "delivery_rate"),
        ("read", "delivered", "read_rate"),
        ("replied", "delivered", "reply_rate"),
    )
)


class CampaignPerformance(KpiTable):
    """Campaigns and what their newest report says of them; impossible reports are shown and flagged."""

    key = ("campaign_id",)
    row_words = NN_("1 campaign", "{n} campaigns")
    pillar = "engagement"
    seen = CAMPAIGN.share("", "case when is_report_current then 1e0 else 0e0 end").figure
    rules = (
        "is_consistent == False or delivered >= 0",
        "is_consistent == False or read >= 0",
        "is_consistent == False or replied >= 0",
        "is_consistent == False or failed >= 0",
        "is_consistent == False or read <= delivered",
        "is_consistent == False or replied <= delivered",
        "is_consistent == False or in_flight >= 0",
        "is_consistent == False or delivery_rate <= 1",
        "is_consistent == False or read_per_delivered <= 1",
        "is_consistent == False or reply_per_delivered <= 1",
        "is_consistent == False or read_per_recipient <= 1",
        "is_consistent == False or reply_per_recipient <= 1",
        "delivery_rate_low <= delivery_rate_high",
        "read_per_delivered_low <= read_per_delivered_high",
        "reply_per_delivered_low <= reply_per_delivered_high",
    )

    campaign_id = text("The campaign.")
    name = CAMPAIGN.text("Its name.", "name", nullable=True, published="masked")
    status = CAMPAIGN.text("Its status.", "status", nullable=True)
    sent_at = CAMPAIGN.timestamp(
        "When it was sent, by the best that is known; NULL for a draft.", "sent_at", nullable=True
    )
    total_recipients = _reported("Recipients: the report's, else the campaign's.", "recipients", label=N_("Recipients"))
    # Translators: messages of a campaign; so are the next ones
    delivered = _reported("Delivered.", "delivered", label=N_("Delivered"))
    read = _reported("Read.", "read", label=N_("Read"))
    replied = _reported("Replied.", "replied", label=N_("Replied"))
    failed = _reported("Failed.", "failed", good="down", label=N_("Failed"))
    in_flight = _reported(
        "total_recipients − delivered − failed; NULL beyond a trillion.",
        "{{ in_flight('recipients') }}",
        # Translators: messages of a campaign
        label=N_("Under way"),
    )
    delivery_rate = _rate("delivered", "recipients", label=N_("Delivery rate"))
    read_per_delivered = _rate("read", "delivered", label=N_("Read rate"))
    reply_per_delivered = _rate("replied", "delivered", label=N_("Reply rate"))
    read_per_recipient = _rate("read", "recipients", label=N_("Read, of all recipients"))
    reply_per_recipient = _rate("replied", "recipients", label=N_("Replied, of all recipients"))
    delivery_rate_low = _bound("Lower", "delivered", "recipients", label=N_("Delivery rate, at least"))
    delivery_rate_high = _bound("Upper", "delivered", "recipients", label=N_("Delivery rate, at most"))
    read_per_delivered_low = _bound("Lower", "read", "delivered", label=N_("Read rate, at least"))
    read_per_delivered_high = _bound("Upper", "read", "delivered", label=N_("Read rate, at most"))
    reply_per_delivered_low = _bound("Lower", "replied", "delivered", label=N_("Reply rate, at least"))
    reply_per_delivered_high = _bound("Upper", "replied", "delivered", label=N_("Reply rate, at most"))
    is_consistent = CAMPAIGN.flag(
        "read ≤ delivered ≤ total, replied ≤ delivered, delivered + failed ≤ total, none negative or over a trillion.",
        "case when has_report then {{ funnel_narrows('recipients') }} end",
        uses=("recipients", *COUNTS),
        nullable=True,
        label=N_("Report does not contradict itself"),
    )
    is_settled = CAMPAIGN.flag(
        "Completed or failed, and sent at least 72 h before the cut.",
        """coalesce(
            status in ('completed', 'failed') and {{ seconds_between('sent_at', as_of) }} >= 72 * 3600, false
        )""",
        label=N_("Settled"),
    )
    api_rate_gap = CAMPAIGN.number(
        "Largest difference between our rates and the API's texts beyond their rounding.",
        f"nullif(greatest({_GAPS}), -1e0)",
        nullable=True,
        minimum=0,
        unit="percentage points",
        good="down",
        label=N_("CRM's own rate differs by"),
    )
