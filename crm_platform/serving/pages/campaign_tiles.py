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
from crm_platform.serving.pages import claims, numbers
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
        "Of the messages delivered by the settled campaigns sent on these days, the share that was read. "
        "Settled: completed or failed, and sent at least 72 hours ago. Reports that contradict themselves or lack one "
        "of both counts are left out. Of campaigns that you choose by name all count, settled or not. Readers who hide "
        "their read receipts count as not read. Higher is better."
    ),
    use=N_(
        "Judging subject and time of sending. Choose campaigns and compare them: the page says whether "
        "the difference may be chance."
    ),
    columns=("kpi.executive_summary.read_per_delivered_30d",),
    seen_of="reports",
)


REPLY_RATE = TileWords(
    "reply_rate",
    subject="campaigns",
    title=NP_("campaigns", "Reply rate"),
    meaning=N_(
        "Of the messages delivered by the settled campaigns sent on these days, the share that got a reply. "
        "Settled: completed or failed, and sent at least 72 hours ago. Reports that contradict themselves or lack one "
        "of both counts are left out. Of campaigns that you choose by name all count, settled or not. Higher is better."
    ),
    use=N_("Judging whether a campaign starts conversations. A delivered campaign needs three days to settle."),
    columns=("kpi.executive_summary.reply_per_delivered_30d",),
    seen_of="reports",
)


RATES: Final[Mapping[str, TileWords]] = {
    "delivery_rate": DELIVERY_RATE,
    "read_per_delivered": READ_RATE,
    "reply_per_delivered": REPLY_RATE,
}
"""A campaign's rates by their columns."""

_COUNTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "delivery_rate": ("delivered", "total_recipients", "delivered"),
    "read_per_delivered": ("read", "delivered", "read_delivered"),
    "reply_per_delivered": ("replied", "delivered", "reply_delivered"),
}
"""Of each rate its two counts, and the column of engagement_monthly that counts the messages it rests on."""


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

    counts = [
        figure(CAMPAIGNS, "count", "campaign_id", "count", "campaigns"),
        figure(RECIPIENTS, "count", "total_recipients", "sum", "total_recipients"),
    ]
    if is_range:
        judged = settled(view)
        return [*counts, *(settled_rate(view, judged, rate) for rate in RATES)]
    return [
        *counts,
        *(
            figure(words, "rate", f"{_COUNTS[rate][0]},{_COUNTS[rate][1]}", "ratio", rate, over=_COUNTS[rate][2])
            for rate, words in RATES.items()
        ),
    ]


@dataclass(frozen=True, slots=True)
class Settled:
    """Campaigns that rates are judged by: consistent, settled, sent on the chosen days, and on as many days before."""

    current: Sequence[Row]
    before: Sequence[Row]
    unsettled: int


def settled(view: View) -> Settled:
    """Pick them. Campaigns that are not settled are counted: their rates still rise."""
    judged = view.published.judged_campaigns
    rows = [row for row in view.published.rows("campaign_performance") if row["campaign_id"] in judged]
    here, there = (
        [row for row in rows if first <= row["sent_at"] < after]
        for first, after in (period.bounds(view.published.zone) for period in (view.period, view.period.previous()))
    )
    current, before = ([row for row in side if row["is_settled"]] for side in (here, there))
    return Settled(current, before, len(here) - len(current))


def settled_rate(view: View, campaigns: Settled, rate: str) -> Tile:
    """A rate of the settled campaigns of the range; `rate`: a column of RATES."""
    part, whole, over = _COUNTS[rate]
    both = [row for row in campaigns.current if row[part] is not None and row[whole] is not None]
    ids = [row["campaign_id"] for row in campaigns.current]
    sums = Sums(view.published, view.period, ids)
    before = [row["campaign_id"] for row in campaigns.before]
    coverage = min((row["coverage"] for row in campaigns.current if row["coverage"] is not None), default=None)
    months = view.published.months("engagement_monthly")
    base = view.ngettext(
        "1 settled campaign, {delivered} delivered messages",
        "{n} settled campaigns, {delivered} delivered messages",
        len(both),
        delivered=view.count((sums.of(over) or 0) if ids else 0),
    )
    if campaigns.unsettled:
        base += view.ngettext(
            "; 1 is not settled and not in it", "; {n} are not settled and not in it", campaigns.unsettled
        )
    return Tile(
        words=RATES[rate],
        kind="rate",
        value=sums.of(rate) if ids else None,
        previous=replace(sums, only=before).of(rate) if before else None,
        source=Source("kpi.campaign_performance", f"{part},{whole}", "settled", view.period.start, view.period.end),
        good="up",
        window=view.window,
        base=base,
        coverage=coverage,
        is_provisional=(coverage or 0) < WELL_COVERED,
        spark=[one[rate] for one in months],
        spark_open=open_month(months),
        claim=claims.of_campaigns(view.period, part, whole, current=campaigns.current, base=campaigns.before),
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
