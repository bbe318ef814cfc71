"""The campaigns page: who read, who answered, what was it worth?

What belongs here: its sentence, figures, funnel, ranking and comparison. What does not: what a report says
(kpi.campaign_performance), costs as the tenant gives them (costs.py).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH, N_, NP_
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import Chart, Column
from crm_platform.serving.pages.charts import Bar, BarChart, HeatMap
from crm_platform.serving.pages.column_words import VALUE_WORDS
from crm_platform.serving.pages.costs import Cost, read_costs
from crm_platform.serving.pages.figure_words import FIGURE_WORDS
from crm_platform.serving.pages.frame import Chip, Content, Notice, View
from crm_platform.serving.pages.period import BadAddress, Period
from crm_platform.serving.pages.published import PublishedFigures, Row
from crm_platform.serving.pages.tiles import How, Source, Tile

PAGE_ROWS: Final = 50
_RATES: Final = ("delivery_rate", "read_per_delivered", "reply_per_delivered")
# What the ranking can be sorted by; `sent_at`, newest first, when nothing is chosen.
SORTS: Final = ("sent_at", "name", "total_recipients", *_RATES, "cost", "value", "gain")
# What the best of a comparison is called by a rate.
_VERDICTS: Final = {
    # Translators: as in: Spring sale is read more often than Easter
    "read_per_delivered": NP_("comparison", "read"),
    "reply_per_delivered": NP_("comparison", "answered"),
}
_CLEAR: Final = N_(
    "{name} is {what} more often than {other}: {change} more, with 95 % certainty between {low} and {high}."
)
_UNCLEAR: Final = N_(
    "{name} is {what} most, but the lead over {other} may be chance: {change} more, with 95 % certainty "
    "between {low} and {high}."
)
# What a reader should know before trusting a row: look, words, and why.
_FLAGS: Final[Mapping[str, tuple[str, str, str]]] = {
    # Translators: a mark on a campaign, and why it is there
    "inconsistent": (
        "bad",
        N_("contradicts itself"),
        N_(
            "Its report says what cannot be, such as more read than delivered. It is shown as the CRM gave it and is "
            "in no sum."
        ),
    ),
    "unsent": ("wait", N_("not sent yet"), ""),
    "unsettled": (
        "wait",
        N_("not settled"),
        N_("Its numbers still rise: settled is what is completed or failed and was sent at least 72 hours ago."),
    ),
    "unreported": ("wait", N_("no report yet"), ""),
    "gap": (
        "bad",
        N_("CRM says {gap} otherwise"),
        N_("The CRM's own rate text differs from the rate that follows from its counts."),
    ),
    "outside": (
        "wait",
        N_("not in the sums above"),
        N_("The sums hold campaigns of complete days, with recipients and a report that does not contradict itself."),
    ),
}
_VISIBLE_GAP: Final = 0.005  # percentage points: less is the arithmetic of floating points


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the ranking."""

    rows: Sequence[Row]
    number: int
    last: int
    count: int


def build(view: View) -> Content:
    """Build the page."""
    everything = view.published.rows("campaign_performance")
    costs = _costs(view, everything)
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
        view.chips.append(Chip(view._("Campaign: {name}", name=_name(row)), href))
    counted = [row for row in chosen if row["campaign_id"] in view.published.judged_campaigns]
    sums = _Sums(view.published, view.period, [row["campaign_id"] for row in only])
    compared = [known[key] for key in view.all("compare") if key in known]
    figures = _figures(view, counted, sums)
    if costs:
        figures.append(_return(view, counted))
    ranking = _ranking(view, listed, has_costs=bool(costs))
    page = _page(view, ranking.rows)
    counted_ids = {row["campaign_id"] for row in counted}
    drawn = [_funnel(view, sums), _send_times(view), ranking, *_comparison(view, compared)]
    return Content(
        sentence=_sentence(view, counted, figures),
        figures=figures,
        charts={chart.name: chart for chart in drawn},
        more={
            "ranking": page,
            "compared": compared,
            "verdict": " ".join(filter(None, (_verdict(view, compared, rate) for rate in _VERDICTS))),
            "flags": {
                row["campaign_id"]: flags(view, row, is_counted=row["campaign_id"] in counted_ids) for row in page.rows
            },
            "sort": _sort(view),
            "interval": interval,
            "has_costs": bool(costs),
            "name": _name,
            "sent": sent,
            "status": status,
        },
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums and rates over the judged campaigns of a range of days, or over those of some campaigns alone."""

    published: PublishedFigures
    period: Period
    only: Sequence[str] = ()

    def of(self, column: str) -> Any:  # noqa: ANN401 - a count or a rate
        return self.published.value("engagement_monthly", column, self.period, campaigns=self.only)


def _name(row: Row) -> str:
    return str(row["name"] or row["campaign_id"])


def _tell_unknown(view: View, known: dict[str, Row]) -> None:
    missing = [key for name in ("campaign", "compare") for key in view.all(name) if key not in known]
    if missing:
        raise BadAddress(N_("campaign {name} is not known; choose one from the list"), name=missing[0][:40])


def _sent_within(view: View, rows: Sequence[Row], period: Period) -> list[Row]:
    first, after = period.bounds(view.published.zone)
    return [row for row in rows if row["sent_at"] is not None and first <= row["sent_at"] < after]


# Costs.


def _costs(view: View, rows: Sequence[Row]) -> dict[str, Cost]:
    try:
        costs = read_costs(view.settings.root)
    except FixConfiguration as problem:
        view.notice = view.notice or Notice(view._("The costs of campaigns are left out"), str(problem), ENGLISH)
        return {}
    return costs.of(rows) if costs else {}


def _money(cost: Cost | None) -> Row:
    if cost is None:
        return {"cost": None, "value": None, "gain": None, "currency": None}
    return {"cost": cost.cost, "value": cost.value, "gain": cost.gain, "currency": cost.currency}


def _return(view: View, rows: Sequence[Row]) -> Tile:
    """Return over the campaigns that have both cost and value, in one currency."""
    paid = [row for row in rows if row["cost"] is not None and row["value"] is not None]
    currencies = {row["currency"] for row in paid}
    cost, value = sum(row["cost"] for row in paid), sum(row["value"] for row in paid)
    base = view.ngettext("1 campaign with cost and value", "{n} campaigns with cost and value", len(paid))
    if len(currencies) == 1:
        (currency,) = currencies
        base += f": {view.count(value)} / {view.count(cost)} {currency}"
    return Tile(
        name="return",
        kind="growth",
        value=(value - cost) / cost if cost and len(currencies) == 1 else None,
        source=Source("campaign_costs.csv", "cost,value", "return", view.period.start, view.period.end),
        good="up",
        window=view.window,
        base=base,
        coverage=1.0,
        has_history=False,
    )


# Figures.


def _figures(view: View, rows: Sequence[Row], sums: _Sums) -> list[Tile]:
    is_range = not sums.only
    coverage = min((row["coverage"] for row in rows if row["coverage"] is not None), default=None)
    is_unknown = any(row["coverage"] is None for row in rows)
    base = view.ngettext(
        "1 campaign, {delivered} delivered messages",
        "{n} campaigns, {delivered} delivered messages",
        len(rows),
        delivered=view.count(sums.of("delivered") or 0),
    )
    before = replace(sums, period=sums.period.previous())
    has_before = is_range and bool(before.of("campaigns"))
    key = tuple(("campaign_id", row["campaign_id"]) for row in rows) if not is_range else ()
    months = view.published.rows("engagement_monthly")[-12:]

    def figure(name: str, kind: numbers.Kind, column: str, how: How, told: str) -> Tile:
        """`column`, `how`: where a reader finds it; `told`: the same as a column of engagement_monthly."""
        value = sums.of(told)
        declared = EngagementMonthly.columns[told].figure
        assert declared is not None, f"engagement_monthly.{told} declares no rows"
        source = Source("kpi.campaign_performance", column, how, view.period.start, view.period.end)
        if key:
            source = Source(
                "kpi.campaign_performance", column, how, key=(("campaign_id", ",".join(k for _, k in key)),)
            )
        return Tile(
            name=name,
            kind=kind,
            value=value or 0 if kind == "count" else value,
            previous=before.of(told) if has_before else None,
            source=source,
            good=declared.good,
            window=view.window if is_range else "",
            base=base,
            coverage=None if is_unknown else coverage,
            is_provisional=is_unknown or (coverage or 0) < WELL_COVERED or any(not row["is_settled"] for row in rows),
            spark=[one[told] for one in months] if is_range else [],
            spark_open=len(months) - 1 if months and months[-1]["is_provisional"] else None,
            has_history=is_range,
        )

    rates = (
        ("delivery_rate", "delivered,total_recipients", "delivery_rate"),
        ("read_rate", "read,delivered", "read_per_delivered"),
        ("reply_rate", "replied,delivered", "reply_per_delivered"),
    )
    return [
        figure("campaigns", "count", "campaign_id", "count", "campaigns"),
        figure("recipients", "count", "total_recipients", "sum", "total_recipients"),
        *(figure(name, "rate", columns, "ratio", told) for name, columns, told in rates),
    ]


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
        view._(
            "Of what was delivered {read} was read and {reply} answered",
            read=view.value("rate", read.value),
            reply=view.value("rate", reply.value),
        ),
    ]
    if read.previous is not None and read.trend in {"better", "worse"}:
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


def _funnel(view: View, sums: _Sums) -> Chart:
    title = view._("How far do campaigns get?")
    subtitle = view.ngettext(
        "Recipients of the one campaign counted above",
        "Recipients, counted once a campaign, over the {n} campaigns counted above",
        sums.of("campaigns") or 0,
    )
    steps = (
        ("total_recipients", view._("Recipients"), None),
        ("delivered", view._("Delivered"), "delivery_rate"),
        ("read", view._("Read"), "read_per_delivered"),
        ("replied", view._("Replied"), "reply_per_delivered"),
    )
    told: list[Row] = [
        {"step": step, "word": word, "people": sums.of(step) or 0, "share": sums.of(rate) if rate else None}
        for step, word, rate in steps
    ]
    bars = [
        Bar(
            row["word"],
            row["people"],
            view.count(row["people"]) + (f" · {view.percent(row['share'])}" if row["share"] is not None else ""),
            look="first" if number != 3 else "second",
        )
        for number, row in enumerate(told)
    ]
    return Chart(
        name="funnel",
        title=title,
        subtitle=subtitle,
        note=view._("delivered in % of recipients, read and replied in % of delivered"),
        table="kpi.campaign_performance",
        how="funnel",
        key=("step",),
        columns=(
            Column("word", view._("Step"), "text"),
            Column("people", view._("Recipients"), "count"),
            Column("share", view._("Share"), "rate"),
        ),
        rows=told,
        drawing=BarChart(title=title, description=subtitle, bars=bars, row=48) if told[0]["people"] else None,
    )


def _send_times(view: View) -> Chart:
    rows = view.published.rows("send_time_performance")
    cells = {(row["weekday"], row["hour"]): row for row in rows}
    enough = [row for row in rows if row["enough_data"] and row["read_per_delivered_shrunk"] is not None]
    best = max(enough, key=lambda row: row["read_per_delivered_shrunk"], default=None)
    if best is None:
        title = view._("No best time to send yet: not enough data")
    else:
        weekday = view.language.weekday(best["weekday"])
        title = view._("Read most when sent on {weekday} at {hour}", weekday=weekday, hour=f"{best['hour']:02d}:00")
    subtitle = view._(
        "Read in % of delivered by weekday and hour of sending, over all campaigns; few messages are "
        "drawn towards the mean of all"
    )
    hours = sorted({row["hour"] for row in rows}) or [9]
    shown = range(min(hours), max(hours) + 1)
    numbered = {(row["weekday"], row["hour"]): number for number, row in enumerate(rows)}
    low = min((row["read_per_delivered_shrunk"] or 0 for row in rows), default=0)

    drawing = HeatMap(
        title=title,
        description=subtitle,
        rows=[view.language.weekday(number) for number in range(7)],
        columns=[f"{hour:02d}" for hour in shown],
        cells=[
            [cells.get((weekday, hour), {}).get("read_per_delivered_shrunk") for hour in shown] for weekday in range(7)
        ],
        marks=[[not cells.get((weekday, hour), {}).get("enough_data") for hour in shown] for weekday in range(7)],
        low=low,
        row_of=lambda line, column: numbered.get((line, shown[column]), 0),
    )
    return Chart(
        name="send_time",
        title=title,
        subtitle=subtitle,
        note=view._("struck through: not enough data (fewer than 3 campaigns or 1,000 delivered)"),
        table="kpi.send_time_performance",
        key=("weekday", "hour"),
        columns=(
            Column("weekday", view._("Weekday"), "weekday"),
            Column("hour", view._("Hour"), "hour"),
            Column("campaigns", view._("Campaigns"), "count"),
            Column("delivered", view._("Delivered"), "count"),
            Column("read_per_delivered", view._("Read rate"), "rate"),
            Column("read_per_delivered_shrunk", view._("Read rate, evened out"), "rate"),
            Column("reply_per_delivered_shrunk", view._("Reply rate, evened out"), "rate"),
            Column("enough_data", view._("Enough data"), "flag"),
        ),
        rows=rows,
        drawing=drawing,
        height=230,
    )


def _sort(view: View) -> tuple[str, bool]:
    """Column and whether it runs down."""
    column = view.get("sort") or "sent_at"
    if column not in SORTS:
        raise BadAddress(
            N_("sort={name} is not known; choose one of {names}"), name=column[:30], names=", ".join(SORTS)
        )
    return column, view.get("dir") != "asc"


def _ranking(view: View, rows: Sequence[Row], *, has_costs: bool) -> Chart:
    column, is_down = _sort(view)
    search = view.get("q").casefold()
    found = [row for row in rows if search in _name(row).casefold()]
    # What is not known stands at the end, whichever way it runs.
    known = sorted(
        (row for row in found if row.get(column) is not None),
        key=lambda row: (row[column], row["campaign_id"]),
        reverse=is_down,
    )
    ordered = known + [row for row in found if row.get(column) is None]
    money = (
        Column("cost", view._("Cost"), "amount"),
        Column("value", view._("Value"), "amount"),
        Column("gain", view._("Return"), "growth"),
        Column("currency", view._("Currency"), "text"),
    )
    return Chart(
        name="campaigns",
        title=view._("Campaigns side by side"),
        subtitle=view._(
            "Delivered in % of recipients; read and replied in % of delivered; bars with their 95 % interval "
            "(reply bars end at 25 %)"
        ),
        table="kpi.campaign_performance",
        key=("campaign_id",),
        columns=(
            Column("campaign_id", view._("Campaign"), "text"),
            Column("name", view._("Name"), "text"),
            Column("status", view._("Status"), "text"),
            Column("sent_at", view._("Sent"), "text"),
            Column("total_recipients", view._("Recipients"), "count"),
            Column("delivered", view._("Delivered"), "count"),
            Column("read", view._("Read"), "count"),
            Column("replied", view._("Replied"), "count"),
            *(Column(f"{rate}{end}", rate, "rate") for rate in _RATES for end in ("", "_low", "_high")),
            Column("is_consistent", view._("contradicts itself"), "flag"),
            Column("is_settled", view._("not settled"), "flag"),
            *(money if has_costs else ()),
        ),
        rows=ordered,
        span=12,
        table_only=True,
    )


def _page(view: View, rows: Sequence[Row]) -> Page:
    last = max(1, -(-len(rows) // PAGE_ROWS))
    asked = view.get("page")
    number = min(last, max(1, int(asked))) if asked.isdecimal() and len(asked) < 7 else 1
    return Page(rows[(number - 1) * PAGE_ROWS : number * PAGE_ROWS], number, last, len(rows))


def flags(view: View, row: Row, *, is_counted: bool) -> list[tuple[str, str, str]]:
    """What a reader should know before trusting a row: look, words, and why."""
    told = []
    if row["is_consistent"] is False:
        told.append(_flag(view, "inconsistent"))
    if row["status"] in {"draft", "scheduled"}:
        told.append(_flag(view, "unsent"))
        return told
    if not row["is_settled"]:
        told.append(_flag(view, "unsettled"))
    if row["delivered"] is None:
        told.append(_flag(view, "unreported"))
    if (row["api_rate_gap"] or 0) > _VISIBLE_GAP:
        told.append(_flag(view, "gap", gap=view.value("gap", row["api_rate_gap"])))
    if not is_counted:
        told.append(_flag(view, "outside"))
    return told


def _flag(view: View, name: str, **places: str) -> tuple[str, str, str]:
    look, words, why = _FLAGS[name]
    return look, view._(words, **places), why and view._(why)


def interval(row: Row, rate: str, top: float) -> str:
    """Draw a rate with its Wilson interval from 0 to `top`, 96 by 12 px."""
    value, low, high = row[rate], row[f"{rate}_low"], row[f"{rate}_high"]
    if value is None or low is None or high is None:
        return ""
    x, left, right = (96 * min(1.0, max(0.0, share / top)) for share in (value, low, high))
    return (
        '<svg class="cell" viewBox="0 0 96 12" width="96" height="12" aria-hidden="true">'
        f'<rect class="track" y="2" width="96" height="8"/><rect class="bar first" y="2" width="{x:.1f}" height="8"/>'
        f'<path class="interval" d="M{left:.1f} 6H{right:.1f}M{left:.1f} 3v6M{right:.1f} 3v6"/></svg>'
    )


def _comparison(view: View, rows: Sequence[Row]) -> list[Chart]:
    if len(rows) < 2:
        return []
    drawn = []
    for rate, name in zip(_RATES, ("delivery_rate", "read_rate", "reply_rate"), strict=True):
        ordered = sorted(rows, key=lambda row: (row[rate] is None, -(row[rate] or 0)))
        title, subtitle = view._(FIGURE_WORDS[name].title), view._("Share with its 95 % interval")
        bars = [
            Bar(_name(row), row[rate], view.value("rate", row[rate]), row[f"{rate}_low"], row[f"{rate}_high"])
            for row in ordered
        ]
        drawn.append(
            Chart(
                name=f"compare_{name}",
                title=title,
                subtitle=subtitle,
                table="kpi.campaign_performance",
                key=("campaign_id",),
                columns=(
                    Column("name", view._("Name"), "text"),
                    Column(rate, title, "rate"),
                    Column(f"{rate}_low", view._("At least"), "rate"),
                    Column(f"{rate}_high", view._("At most"), "rate"),
                ),
                rows=ordered,
                drawing=BarChart(title=title, description=subtitle, bars=bars),
                span=4,
            )
        )
    return drawn


def _verdict(view: View, rows: Sequence[Row], rate: str) -> str:
    """Say whether the best of those compared is clearly ahead of the next by a rate."""
    known = sorted((row for row in rows if row[f"{rate}_low"] is not None), key=lambda row: -row[rate])
    if len(known) < 2:
        return ""
    best, following = known[0], known[1]
    change = best[rate] - following[rate]
    if change == 0:
        return ""
    low, high = difference(best, following, rate)
    places = {name: view.value("points", amount) for name, amount in (("change", change), ("low", low), ("high", high))}
    words = _CLEAR if low > 0 else _UNCLEAR
    return view._(words, what=view._(_VERDICTS[rate]), name=_name(best), other=_name(following), **places)


def difference(one: Row, other: Row, rate: str) -> tuple[float, float]:
    """95 % interval of the difference of two rates from their Wilson intervals (Newcombe 1998, method 10)."""
    change = one[rate] - other[rate]
    down = math.hypot(one[rate] - one[f"{rate}_low"], other[f"{rate}_high"] - other[rate])
    up = math.hypot(one[f"{rate}_high"] - one[rate], other[rate] - other[f"{rate}_low"])
    return change - down, change + up


def status(view: View, value: str | None) -> str:
    """Write a campaign's status; one that nobody knows as the CRM does."""
    words = VALUE_WORDS["status"].get(value or "")
    return view._(words) if words else value or numbers.NONE


def sent(view: View, moment: dt.datetime | None) -> str:
    """Write when a campaign was sent, in the tenant's zone."""
    if moment is None:
        return numbers.NONE
    local = moment.replace(tzinfo=dt.UTC).astimezone(view.published.zone)
    return f"{numbers.day(view.language, local.date(), year=True)}, {local:%H:%M}"


__all__ = ["build", "flags", "interval", "sent"]
