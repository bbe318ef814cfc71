"""The campaigns page: who read, who answered, what was it worth?

What belongs here: which campaigns it is about, its sentence and charts. What does not: its tiles (campaign_tiles.py),
ranking.py, comparison.py, costs as the tenant gives them (costs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH, N_
from crm_platform.serving.pages import campaign_tiles, claims, daily, ranking
from crm_platform.serving.pages.bars import Bar, BarChart
from crm_platform.serving.pages.chart import Chart, ChartColumn, week_map
from crm_platform.serving.pages.comparison import comparison, verdict
from crm_platform.serving.pages.costs import FILE, CampaignCosts, Cost, read_costs
from crm_platform.serving.pages.period import BadAddress, Period
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.tiles import Tile, on_one_page
from crm_platform.serving.pages.view import Chip, Content, Notice, View


def build(view: View) -> Content:
    """Build the page; nothing of it can be told of some contacts or agents alone."""
    if view.published.narrowing:
        return Content("", [], {})
    everything = view.published.rows("campaign_performance")
    given = _costs(view, everything)
    costs = given.by_id
    # Without costs nothing is added: a copy of each of 10,000 rows takes longer than the rest of the page.
    every = [row | _money(costs.get(row["campaign_id"])) for row in everything] if costs else everything
    known = {row["campaign_id"]: row for row in every}
    only = [known[key] for key in view.all("campaign") if key in known]
    _tell_unknown(view, known)
    chosen = only or _sent_within(view, every, view.period)
    # Sums are over complete days; the ranking shows what went out today as well.
    listed = only or _sent_within(view, every, view.period.up_to_today())
    for row in only:
        left = ",".join(key for key in view.all("campaign") if key != row["campaign_id"])
        href = view.href(campaign=left) if left else view.href(drop=("campaign",))
        view.chips.append(Chip(view._("Campaign: {name}", name=ranking.campaign_name(row)), href))
    counted = [row for row in chosen if row["campaign_id"] in view.published.judged_campaigns]
    sums = campaign_tiles.Sums(view.published, view.period, [row["campaign_id"] for row in only])
    compared = [known[key] for key in view.all("compare") if key in known]
    figures = on_one_page(campaign_tiles.judged_campaigns(view, counted, sums))
    if costs:
        figures.append(campaign_tiles.return_on_campaigns(view, counted, wrong_lines=len(given.wrong)))
    ranked = ranking.ranking(view, listed, has_costs=bool(costs))
    page = ranking.page_of(view, ranked.rows)
    counted_ids = {row["campaign_id"] for row in counted}
    settled = [row["campaign_id"] for row in counted if row["is_settled"]]
    funnel = sums if only else replace(sums, only=settled)
    drawn = [
        _funnel(view, funnel, is_empty=not only and not settled),
        _send_times(view),
        ranked,
        daily.opt_outs(
            view,
            why=view._("Not by campaign: the CRM does not say which campaign a message belongs to"),
            span=12,
            height=200,
        ),
        *comparison(view, compared),
    ]
    return Content(
        sentence=_sentence(view, counted, figures),
        figures=figures,
        charts={chart.name: chart for chart in drawn},
        more={
            "ranking": page,
            "groups": ranking.groups(view, ranked.rows, page.rows),
            "compared": compared,
            "verdict": verdict(view, compared),
            "flags": {
                row["campaign_id"]: ranking.flags(view, row, is_counted=row["campaign_id"] in counted_ids)
                for row in page.rows
            },
            "sort": ranking.sort_order(view),
            "interval": ranking.interval,
            "has_costs": bool(costs),
            "name": ranking.campaign_name,
            "sent": ranking.sent,
            "is_overdue": lambda row: ranking.is_overdue(view, row),
            "status": ranking.status,
        },
    )


def _tell_unknown(view: View, known: dict[str, Row]) -> None:
    missing = [key for name in ("campaign", "compare") for key in view.all(name) if key not in known]
    if missing:
        raise BadAddress(N_("campaign {name} is not known; choose one from the list"), name=missing[0][:40])


def _sent_within(view: View, rows: Sequence[Row], period: Period) -> list[Row]:
    first, after = period.bounds(view.published.zone)
    return [row for row in rows if row["sent_at"] is not None and first <= row["sent_at"] < after]


# Costs.


_LINES_TOLD: Final = 5


def _costs(view: View, rows: Sequence[Row]) -> CampaignCosts:
    """Costs by campaign; a notice names the lines that do not count."""
    nothing = CampaignCosts({}, ())
    try:
        file = read_costs(view.settings.root)
    except FixConfiguration as problem:
        view.notice = view.notice or Notice(view._("The costs of campaigns are left out"), str(problem), ENGLISH)
        return nothing
    costs = file.of(rows) if file else nothing
    if costs.wrong:
        count = len(costs.wrong)
        title = view.ngettext("1 line of {file} does not count", "{n} lines of {file} do not count", count, file=FILE)
        told = [str(wrong) for wrong in costs.wrong[:_LINES_TOLD]]
        if count > _LINES_TOLD:
            told.append("crm doctor names them all")
        view.notice = view.notice or Notice(title, "; ".join(told), ENGLISH)
    return costs


def _money(cost: Cost | None) -> Row:
    if cost is None:
        return {"cost": None, "value": None, "gain": None, "currency": None}
    return {"cost": cost.cost, "value": cost.value, "gain": cost.gain, "currency": cost.currency}


def _sentence(view: View, rows: Sequence[Row], figures: Sequence[Tile]) -> str:
    if not rows:
        return view._("No campaign that counts was sent {when}.", when=view.when)
    read, reply = figures[3], figures[4]
    parts = [
        view.ngettext(
            "1 campaign went to {recipients} recipients {when}",
            "{n} campaigns went to {recipients} recipients {when}",
            len(rows),
            recipients=view.count(figures[1].value or 0),
            when=view.when,
        )
        if not view.get("campaign")
        else view._(
            "Campaigns chosen: {n}, to {recipients} recipients",
            n=view.count(len(rows)),
            recipients=view.count(figures[1].value or 0),
        ),
    ]
    if read.value is not None or reply.value is not None:
        parts.append(
            view._(
                "Of what was delivered {read} was read and {reply} answered",
                read=view.value("rate", read.value),
                reply=view.value("rate", reply.value),
            )
        )
    if read.trend in {"better", "worse"}:
        more, less = N_("; {change} more was read than {before}"), N_("; {change} less was read than {before}")
        parts[-1] += view._(more if read.rises else less, change=view.difference(read), before=view.before)
    waiting = sum(not row["is_settled"] for row in rows)
    if waiting:
        parts.append(
            view.ngettext(
                "1 of them is not settled: its figures still rise",
                "{n} of them are not settled: their figures still rise",
                waiting,
            )
        )
    return " ".join(f"{part}." for part in parts)


# Charts.


def _funnel(view: View, sums: campaign_tiles.Sums, *, is_empty: bool) -> Chart:
    """Of the campaigns that the rates above are of: the settled ones, or those chosen by name."""
    of: Callable[[str], Any] = (lambda _: None) if is_empty else sums.of
    steps = (
        ("total_recipients", view._("Recipients"), None),
        ("delivered", view._("Delivered"), "delivery_rate"),
        ("read", view._("Read"), "read_per_delivered"),
        ("replied", view._("Replied"), "reply_per_delivered"),
    )
    told: list[Row] = [
        {"step": step, "word": word, "people": of(step) or 0, "share": of(rate) if rate else None}
        for step, word, rate in steps
    ]
    note = view._("delivered in % of recipients, read and replied in % of delivered")
    if min(of("read_delivered") or 0, of("reply_delivered") or 0) < (of("delivered") or 0):
        note += "; " + view._("a campaign whose report lacks one of a rate's counts is not in that rate")
    bars = [
        Bar(
            row["word"],
            row["people"],
            view.count(row["people"]) + (f" · {view.percent(row['share'])}" if row["share"] is not None else ""),
            look="first" if number != 3 else "second",
        )
        for number, row in enumerate(told)
    ]
    every = view.csv_href("campaigns")
    return Chart(
        name="funnel",
        title=view._("How far do campaigns get?"),
        subtitle=view.ngettext(
            "Recipients of the one campaign that the rates above are of",
            "Recipients, counted once a campaign, over the {n} campaigns that the rates above are of",
            of("campaigns") or 0,
        ),
        note=note,
        table="kpi.campaign_performance",
        how="funnel",
        key=("step",),
        columns=(
            ChartColumn("word", view._("Step"), "text"),
            ChartColumn("people", view._("Recipients"), "count"),
            ChartColumn("share", view._("Share"), "rate"),
        ),
        rows=told,
        # Campaigns are rows themselves: the ranking has them all.
        addresses=[every] * len(told) if view.may(every) else (),
        drawing=BarChart(bars=bars, row=48) if told[0]["people"] else None,
    )


def _send_times(view: View) -> Chart:
    rows = view.published.rows("send_time_performance")
    found = claims.best_time(view.published)
    if found.verdict == "named":
        weekday, hour = map(int, found.name.split())
        title = view._(
            "Read most when sent on {weekday} at {hour}",
            weekday=view.language.weekday(weekday),
            hour=f"{hour:02d}:00",
        )
    elif found.verdict == "too_few":
        title = view._("No best time to send yet: not enough data")
    else:
        title = view._("No best time to send: what differs may be chance")
    low = min((row["read_per_delivered_shrunk"] or 0 for row in rows), default=0)
    return Chart(
        name="send_time",
        title=title,
        subtitle=view._(
            "Read in % of delivered by weekday and hour of sending, over all campaigns; few messages are "
            "drawn towards the mean of all"
        ),
        note=view._("struck through: not enough data (fewer than 3 campaigns or 1,000 delivered)"),
        table="kpi.send_time_performance",
        key=("weekday", "hour"),
        columns=(
            ChartColumn("weekday", view._("Weekday"), "weekday"),
            ChartColumn("hour", view._("Hour"), "hour"),
            ChartColumn("campaigns", view._("Campaigns"), "count"),
            ChartColumn("delivered", view._("Delivered"), "count"),
            ChartColumn("read_delivered", view._("Delivered, with a count of reads"), "count"),
            ChartColumn("reply_delivered", view._("Delivered, with a count of replies"), "count"),
            ChartColumn("read_per_delivered", view._("Read rate"), "rate"),
            ChartColumn("read_per_delivered_shrunk", view._("Read rate, evened out"), "rate"),
            ChartColumn("reply_per_delivered_shrunk", view._("Reply rate, evened out"), "rate"),
            ChartColumn("enough_data", view._("Enough data"), "flag"),
        ),
        rows=rows,
        drawing=week_map(view.language, rows, "read_per_delivered_shrunk", low=low),
        height=230,
    )
