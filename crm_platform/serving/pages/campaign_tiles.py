"""Tiles about campaigns.

What belongs here: what is said of campaigns in a figure, whichever page shows it; each tile with its words. What does
not: charts and sentences (campaigns.py, executive.py), costs as the tenant gives them (costs.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from crm_platform.languages import N_, NP_
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.period import Period
from crm_platform.serving.pages.published import PublishedFigures, Row, open_month
from crm_platform.serving.pages.tiles import How, Source, Tile, TileWords, of_one_row
from crm_platform.serving.pages.view import View


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums and rates over the judged campaigns of a range of days, or over those of some campaigns alone."""

    published: PublishedFigures
    period: Period
    only: Sequence[str] = ()

    def of(self, column: str) -> Any:  # noqa: ANN401 - a count or a rate
        """A column of engagement_monthly over them."""
        return self.published.value("engagement_monthly", column, self.period, campaigns=self.only)


CAMPAIGNS = TileWords(
    "campaigns",
    subject="campaigns",
    title=N_("Campaigns sent"),
    meaning=N_(
        "Campaigns sent on these days that have recipients and a report that does not contradict itself; "
        "drafts and scheduled ones are not sent yet."
    ),
    use=N_("Knowing how much the rates rest on."),
    seen_of="reports",
)


RECIPIENTS = TileWords(
    "recipients",
    subject="campaigns",
    title=N_("Recipients"),
    meaning=N_("People these campaigns were sent to, counted once a campaign."),
    use=N_("Knowing how many were reached for."),
    seen_of="reports",
)


DELIVERY_RATE = TileWords(
    "delivery_rate",
    subject="campaigns",
    title=N_("Delivery rate"),
    meaning=N_("Of the recipients of campaigns, the share whose message was delivered. Higher is better."),
    use=N_("Finding dead numbers and blocked templates."),
    seen_of="reports",
)


READ_RATE = TileWords(
    "read_rate",
    subject="campaigns",
    title=N_("Read rate"),
    meaning=N_(
        "Of the messages delivered by the campaigns sent on these days, the share that was read. "
        "Campaigns that are not settled are in it: their rates still rise. Readers who hide their read "
        "receipts count as not read. Higher is better."
    ),
    use=N_(
        "Judging subject and time of sending. Choose campaigns and compare them: the page says whether "
        "the difference may be chance."
    ),
    seen_of="reports",
)


REPLY_RATE = TileWords(
    "reply_rate",
    subject="campaigns",
    title=NP_("campaigns", "Reply rate"),
    meaning=N_(
        "Of the messages delivered by the campaigns sent on these days, the share that got a reply. "
        "Campaigns that are not settled are in it: their rates still rise. Higher is better."
    ),
    use=N_("Judging whether a campaign starts conversations. A delivered campaign needs three days to settle."),
    seen_of="reports",
)


RATES: Final[Mapping[str, TileWords]] = {
    "delivery_rate": DELIVERY_RATE,
    "read_per_delivered": READ_RATE,
    "reply_per_delivered": REPLY_RATE,
}
"""A campaign's rates by their columns."""


def judged_campaigns(view: View, rows: Sequence[Row], sums: Sums) -> list[Tile]:
    """How many campaigns, to how many people, and their rates. `rows`: the campaigns that `sums` holds."""
    is_range = not sums.only
    coverage = min((row["coverage"] for row in rows if row["coverage"] is not None), default=None)
    is_unknown = any(row["coverage"] is None for row in rows)
    before = replace(sums, period=sums.period.previous())
    has_before = is_range and bool(before.of("campaigns"))
    ids = ",".join(sums.only)
    months = view.published.months("engagement_monthly")

    def figure(
        words: TileWords, kind: numbers.Kind, column: str, how: How, told: str, *, over: str = "delivered"
    ) -> Tile:
        """A figure of them.

        `column`, `how`: where a reader finds it; `told`: the same as a column of engagement_monthly; `over`: its column
        that counts the messages the figure rests on.
        """
        value = sums.of(told)
        declared = EngagementMonthly.columns[told].figure
        assert declared is not None, f"engagement_monthly.{told} declares no rows"
        source = Source("kpi.campaign_performance", column, how, view.period.start, view.period.end)
        if ids:
            source = replace(source, start=None, end=None, key=(("campaign_id", ids),))
        return Tile(
            words=words,
            kind=kind,
            value=value or 0 if kind == "count" else value,
            previous=before.of(told) if has_before else None,
            source=source,
            good=declared.good,
            window=view.window if is_range else "",
            base=view.ngettext(
                "1 campaign, {delivered} delivered messages",
                "{n} campaigns, {delivered} delivered messages",
                len(rows),
                delivered=view.count(sums.of(over) or 0),
            ),
            coverage=None if is_unknown else coverage,
            is_provisional=is_unknown or (coverage or 0) < WELL_COVERED or any(not row["is_settled"] for row in rows),
            spark=[one[told] for one in months] if is_range else [],
            spark_open=open_month(months),
            has_history=is_range,
        )

    return [
        figure(CAMPAIGNS, "count", "campaign_id", "count", "campaigns"),
        figure(RECIPIENTS, "count", "total_recipients", "sum", "total_recipients"),
        figure(DELIVERY_RATE, "rate", "delivered,total_recipients", "ratio", "delivery_rate"),
        figure(READ_RATE, "rate", "read,delivered", "ratio", "read_per_delivered", over="read_delivered"),
        figure(REPLY_RATE, "rate", "replied,delivered", "ratio", "reply_per_delivered", over="reply_delivered"),
    ]


READ_RATE_SETTLED = TileWords(
    "read_rate_settled",
    subject="campaigns",
    title=N_("Read rate, settled"),
    meaning=N_(
        "Of the messages delivered by settled campaigns of the last 30 full days, the share that was "
        "read. Settled: completed or failed, and sent at least 72 hours ago. Reports that contradict themselves "
        "or lack one of both counts are left out. The campaigns page counts those that are not settled too, so its "
        "rate differs. Higher is better."
    ),
    use=N_("Comparing months: only campaigns whose numbers have come to rest are in it."),
    columns=("kpi.executive_summary.read_per_delivered_30d",),
    seen_of="least",
)


REPLY_RATE_SETTLED = TileWords(
    "reply_rate_settled",
    subject="campaigns",
    title=N_("Reply rate, settled"),
    meaning=N_(
        "Of the messages delivered by settled campaigns of the last 30 full days, the share that got a "
        "reply. Settled: completed or failed, and sent at least 72 hours ago. Reports that contradict themselves "
        "or lack one of both counts are left out. Higher is better."
    ),
    use=N_("Comparing months: only campaigns whose numbers have come to rest are in it."),
    columns=("kpi.executive_summary.reply_per_delivered_30d",),
    seen_of="least",
)


def settled_rate(view: View, words: TileWords, rate: str) -> Tile:
    """A rate of the settled campaigns of 30 days: `rate` is its column by month."""
    over = rate.replace("_per_delivered", "_delivered")
    delivered = view.published.one("executive_summary").get(f"{over}_30d") or 0
    months = view.published.months("engagement_monthly")
    return of_one_row(
        view,
        words,
        "executive_summary",
        f"{rate}_30d",
        window=view._("settled campaigns of the last 30 full days, against the 30 before"),
        base=view.ngettext("1 message delivered", "{n} messages delivered", delivered),
        spark=[one[rate] for one in months],
        spark_open=open_month(months),
        tag=view._("30 d"),
    )


ACTIVE_CAMPAIGNS = TileWords(
    "active_campaigns",
    subject="campaigns",
    title=N_("Active campaigns"),
    meaning=N_("Campaigns that are active or in progress now."),
    use=N_("Knowing what is being sent now."),
    columns=("kpi.executive_summary.active_campaigns",),
    seen_of="campaigns",
)


def active_campaigns(view: View) -> Tile:
    """Campaigns that are active or in progress now."""
    is_known = bool(view.published.one("executive_summary"))
    months = view.published.months("engagement_monthly")
    return of_one_row(
        view,
        ACTIVE_CAMPAIGNS,
        "executive_summary",
        "active_campaigns",
        window=view._("now, against the end of the day 7 days ago"),
        base=view._("all campaigns the CRM lists"),
        coverage=1.0 if is_known else None,
        is_provisional=not is_known,
        spark=[one["campaigns"] for one in months],
        spark_open=open_month(months),
        tag=view._("now"),
    )


RETURN_ON_CAMPAIGNS = TileWords(
    "return",
    subject="campaigns",
    title=N_("Return on campaigns"),
    meaning=N_(
        "Value gained less cost, over cost, of the campaigns whose cost and value are given in campaign_costs.csv."
    ),
    use=N_(
        "Judging what campaigns bring, if you keep campaign_costs.csv in the data folder: campaign_id or "
        "name, cost, value, currency. Without the file it is not shown."
    ),
)


def return_on_campaigns(view: View, rows: Sequence[Row], *, wrong_lines: int) -> Tile:
    """Return over the campaigns that have both cost and value, in one currency. `wrong_lines`: those left out."""
    paid = [row for row in rows if row["cost"] is not None and row["value"] is not None]
    currencies = {row["currency"] for row in paid}
    cost, value = sum(row["cost"] for row in paid), sum(row["value"] for row in paid)
    base = view.ngettext("1 campaign with cost and value", "{n} campaigns with cost and value", len(paid))
    if len(currencies) == 1:
        (currency,) = currencies
        base += f": {view.count(value)} / {view.count(cost)} {currency}"
    if wrong_lines:
        base += "; " + view.ngettext("1 line does not count", "{n} lines do not count", wrong_lines)
    return Tile(
        words=RETURN_ON_CAMPAIGNS,
        kind="growth",
        value=(value - cost) / cost if cost and len(currencies) == 1 else None,
        source=Source("campaign_costs.csv", "cost,value", "return", view.period.start, view.period.end),
        good="up",
        window=view.window,
        base=base,
        coverage=1.0,
        has_history=False,
    )
