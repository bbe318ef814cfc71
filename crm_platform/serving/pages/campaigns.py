"""The campaigns page: who read, who answered, what was it worth?

What belongs here: its sentence, figures, funnel, ranking and comparison. What does not: what a report says
(kpi.campaign_performance), costs as the tenant gives them (costs.py).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crm_platform.errors import FixConfiguration
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.book import Row, total
from crm_platform.serving.pages.chart import Chart, Column
from crm_platform.serving.pages.charts import Bar, BarChart, HeatMap
from crm_platform.serving.pages.costs import Cost, read_costs
from crm_platform.serving.pages.figures import Figure, How, Source
from crm_platform.serving.pages.frame import Chip, Content, Notice, View
from crm_platform.serving.pages.period import Period
from crm_platform.serving.pages.words import BadAddress

PAGE_ROWS: Final = 50
_RATES: Final = ("delivery_rate", "read_per_delivered", "reply_per_delivered")
# What the ranking can be sorted by; `sent_at`, newest first, when nothing is chosen.
SORTS: Final = ("sent_at", "name", "total_recipients", *_RATES, "cost", "value", "gain")
# What the best of a comparison is called by a rate.
_VERDICTS: Final = {"read_per_delivered": "compare.read", "reply_per_delivered": "compare.replied"}
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
    everything = view.book.rows("campaign_performance")
    costs = _costs(view, everything)
    # Without costs nothing is added: a copy of each of 10,000 rows takes longer than the rest of the page.
    every = [row | _money(costs.get(row["campaign_id"])) for row in everything] if costs else everything
    known = {row["campaign_id"]: row for row in every}
    only = [known[key] for key in view.all("campaign") if key in known]
    _tell_unknown(view, known)
    chosen = only or _sent_within(view, every, view.period)
    # Sums are over complete days; the ranking shows what went out today as well.
    listed = only or _sent_within(view, every, view.period.up_to_today())
    before = [] if only else _sent_within(view, every, view.period.previous())
    for row in only:
        left = ",".join(key for key in view.all("campaign") if key != row["campaign_id"])
        href = view.href(campaign=left) if left else view.href(drop=("campaign",))
        view.chips.append(Chip(f"{view.say('filter.campaign')}: {_name(row)}", href))
    counted = [row for row in chosen if counts(row)]
    counted_before = [row for row in before if counts(row)]
    compared = [known[key] for key in view.all("compare") if key in known]
    figures = _figures(view, counted, counted_before, is_range=not only)
    if costs:
        figures.append(_return(view, counted))
    ranking = _ranking(view, listed, has_costs=bool(costs))
    page = _page(view, ranking.rows)
    counted_ids = {row["campaign_id"] for row in counted}
    drawn = [_funnel(view, counted), _send_times(view), ranking, *_comparison(view, compared)]
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
        },
    )


def counts(row: Row) -> bool:
    """Whether a campaign is in the sums: those of engagement_monthly are, by their definition."""
    return bool(
        row["is_consistent"]
        and (row["total_recipients"] or 0) > 0
        and row["status"] not in {"draft", "scheduled"}
        and row["sent_at"] is not None
        and row["sent_at"] <= row["as_of"]
    )


def _name(row: Row) -> str:
    return str(row["name"] or row["campaign_id"])


def _tell_unknown(view: View, known: dict[str, Row]) -> None:
    missing = [key for name in ("campaign", "compare") for key in view.all(name) if key not in known]
    if missing:
        raise BadAddress("bad.campaign", name=missing[0][:40])


def _sent_within(view: View, rows: Sequence[Row], period: Period) -> list[Row]:
    first, after = period.bounds(view.book.zone)
    return [row for row in rows if row["sent_at"] is not None and first <= row["sent_at"] < after]


# Costs.


def _costs(view: View, rows: Sequence[Row]) -> dict[str, Cost]:
    try:
        costs = read_costs(view.settings.root)
    except FixConfiguration as problem:
        view.notice = view.notice or Notice(view.say("notice.costs"), str(problem), "en")
        return {}
    return costs.of(rows) if costs else {}


def _money(cost: Cost | None) -> Row:
    if cost is None:
        return {"cost": None, "value": None, "gain": None, "currency": None}
    return {"cost": cost.cost, "value": cost.value, "gain": cost.gain, "currency": cost.currency}


def _return(view: View, rows: Sequence[Row]) -> Figure:
    """Return over the campaigns that have both cost and value, in one currency."""
    paid = [row for row in rows if row["cost"] is not None and row["value"] is not None]
    currencies = {row["currency"] for row in paid}
    cost, value = sum(row["cost"] for row in paid), sum(row["value"] for row in paid)
    base = view.many("base.return", len(paid))
    if len(currencies) == 1:
        (currency,) = currencies
        base += f": {numbers.count(value)} / {numbers.count(cost)} {currency}"
    return Figure(
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


def _figures(view: View, rows: Sequence[Row], before: Sequence[Row], *, is_range: bool) -> list[Figure]:
    coverage = min((row["coverage"] for row in rows if row["coverage"] is not None), default=None)
    is_unknown = any(row["coverage"] is None for row in rows)
    delivered = total(rows, "delivered") or 0
    base = view.many("base.campaigns", len(rows), delivered=numbers.count(delivered))
    key = tuple(("campaign_id", row["campaign_id"]) for row in rows) if not is_range else ()
    months = view.book.rows("engagement_monthly")[-12:]

    def figure(
        name: str, kind: numbers.Kind, column: str, how: How, *, values: tuple[float | None, float | None], spark: str
    ) -> Figure:
        value, previous = values
        source = Source("kpi.campaign_performance", column, how, view.period.start, view.period.end)
        if key:
            source = Source(
                "kpi.campaign_performance", column, how, key=(("campaign_id", ",".join(k for _, k in key)),)
            )
        return Figure(
            name=name,
            kind=kind,
            value=value,
            previous=previous if before else None,
            source=source,
            good="neither" if kind == "count" else "up",
            window=view.window if is_range else "",
            base=base,
            coverage=None if is_unknown else coverage,
            is_provisional=is_unknown or (coverage or 0) < WELL_COVERED or any(not row["is_settled"] for row in rows),
            spark=[one[spark] for one in months] if is_range else [],
            spark_open=len(months) - 1 if months and months[-1]["is_provisional"] else None,
            has_history=is_range,
        )

    def ratio(told: Sequence[Row], part: str, of: str) -> float | None:
        whole = total(told, of)
        return (total(told, part) or 0) / whole if whole else None

    shares = (
        ("delivery_rate", "delivered", "total_recipients", "delivery_rate"),
        ("read_rate", "read", "delivered", "read_per_delivered"),
        ("reply_rate", "replied", "delivered", "reply_per_delivered"),
    )

    def sums(column: str) -> tuple[int, int | None]:
        return total(rows, column) or 0, total(before, column)

    return [
        figure("campaigns", "count", "campaign_id", "count", values=(len(rows), len(before)), spark="campaigns"),
        figure(
            "recipients", "count", "total_recipients", "sum", values=sums("total_recipients"), spark="total_recipients"
        ),
        *(
            figure(
                name,
                "rate",
                f"{part},{of}",
                "ratio",
                values=(ratio(rows, part, of), ratio(before, part, of)),
                spark=spark,
            )
            for name, part, of, spark in shares
        ),
    ]


def _sentence(view: View, rows: Sequence[Row], figures: Sequence[Figure]) -> str:
    if not rows:
        return view.say("say.no_campaigns", when=view.when)
    read, reply = figures[3], figures[4]
    parts = [
        view.many("say.campaigns", len(rows), recipients=numbers.count(figures[1].value or 0), when=view.when)
        if not view.get("campaign")
        else view.say(
            "say.campaigns.chosen", n=numbers.count(len(rows)), recipients=numbers.count(figures[1].value or 0)
        ),
        view.say("say.read", read=view.value("rate", read.value), reply=view.value("rate", reply.value)),
    ]
    if read.previous is not None and read.trend in {"better", "worse"}:
        key = "say.read.more" if read.rises else "say.read.fewer"
        parts[-1] += view.say(key, change=view.difference(read), before=view.before)
    waiting = sum(not row["is_settled"] for row in rows)
    if waiting:
        parts.append(view.many("say.unsettled", waiting))
    return " ".join(f"{part}." for part in parts)


# Charts.


def _funnel(view: View, rows: Sequence[Row]) -> Chart:
    title, subtitle = view.say("chart.funnel"), view.many("chart.funnel.sub", len(rows))
    steps = ("total_recipients", "delivered", "read", "replied")
    sums = [total(rows, step) or 0 for step in steps]
    words = [view.say(f"step.{step}") for step in steps]
    told: list[Row] = []
    for number, (step, word, amount) in enumerate(zip(steps, words, sums, strict=True)):
        of = {0: 0, 1: sums[0]}.get(number, sums[1])
        told.append({"step": step, "word": word, "people": amount, "share": amount / of if of else None})
    bars = [
        Bar(
            row["word"],
            row["people"],
            numbers.count(row["people"]) + (f" · {numbers.percent(row['share'])}" if row["share"] is not None else ""),
            look="first" if number != 3 else "second",
        )
        for number, row in enumerate(told)
    ]
    return Chart(
        name="funnel",
        title=title,
        subtitle=subtitle,
        note=view.say("chart.funnel.note"),
        table="kpi.campaign_performance",
        how="funnel",
        key=("step",),
        columns=(
            Column("word", view.say("col.step"), "text"),
            Column("people", view.say("col.people"), "count"),
            Column("share", view.say("col.share"), "rate"),
        ),
        rows=told,
        drawing=BarChart(title=title, description=subtitle, bars=bars, row=48) if sums[0] else None,
    )


def _send_times(view: View) -> Chart:
    rows = view.book.rows("send_time_performance")
    cells = {(row["weekday"], row["hour"]): row for row in rows}
    enough = [row for row in rows if row["enough_data"] and row["read_per_delivered_shrunk"] is not None]
    best = max(enough, key=lambda row: row["read_per_delivered_shrunk"], default=None)
    if best is None:
        title = view.say("chart.send_time.none")
    else:
        weekday = numbers.weekday(view.language, best["weekday"])
        title = view.say("chart.send_time.best", weekday=weekday, hour=f"{best['hour']:02d}:00")
    subtitle = view.say("chart.send_time.sub")
    hours = sorted({row["hour"] for row in rows}) or [9]
    shown = range(min(hours), max(hours) + 1)
    numbered = {(row["weekday"], row["hour"]): number for number, row in enumerate(rows)}
    low = min((row["read_per_delivered_shrunk"] or 0 for row in rows), default=0)

    drawing = HeatMap(
        title=title,
        description=subtitle,
        rows=[numbers.weekday(view.language, number) for number in range(7)],
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
        note=view.say("chart.send_time.note"),
        table="kpi.send_time_performance",
        key=("weekday", "hour"),
        columns=(
            Column("weekday", view.say("col.weekday"), "weekday"),
            Column("hour", view.say("col.hour"), "hour"),
            Column("campaigns", view.say("col.campaigns"), "count"),
            Column("delivered", view.say("col.delivered"), "count"),
            Column("read_per_delivered", view.say("col.read_rate"), "rate"),
            Column("read_per_delivered_shrunk", view.say("col.read_shrunk"), "rate"),
            Column("reply_per_delivered_shrunk", view.say("col.reply_shrunk"), "rate"),
            Column("enough_data", view.say("col.enough"), "flag"),
        ),
        rows=rows,
        drawing=drawing,
        height=230,
    )


def _sort(view: View) -> tuple[str, bool]:
    """Column and whether it runs down."""
    column = view.get("sort") or "sent_at"
    if column not in SORTS:
        raise BadAddress("bad.sort", name=column[:30], names=", ".join(SORTS))
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
        Column("cost", view.say("col.cost"), "amount"),
        Column("value", view.say("col.worth"), "amount"),
        Column("gain", view.say("col.return"), "growth"),
        Column("currency", view.say("col.currency"), "text"),
    )
    return Chart(
        name="campaigns",
        title=view.say("chart.campaigns"),
        subtitle=view.say("chart.campaigns.sub"),
        table="kpi.campaign_performance",
        key=("campaign_id",),
        columns=(
            Column("campaign_id", view.say("filter.campaign"), "text"),
            Column("name", view.say("col.name"), "text"),
            Column("status", view.say("col.status"), "text"),
            Column("sent_at", view.say("col.sent"), "text"),
            Column("total_recipients", view.say("figure.recipients"), "count"),
            Column("delivered", view.say("col.delivered"), "count"),
            Column("read", view.say("col.read"), "count"),
            Column("replied", view.say("col.replied"), "count"),
            *(Column(f"{rate}{end}", rate, "rate") for rate in _RATES for end in ("", "_low", "_high")),
            Column("is_consistent", view.say("flag.inconsistent"), "flag"),
            Column("is_settled", view.say("flag.unsettled"), "flag"),
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
        told.append(("bad", view.say("flag.inconsistent"), view.say("flag.inconsistent.why")))
    if row["status"] in {"draft", "scheduled"}:
        told.append(("wait", view.say("flag.unsent"), ""))
        return told
    if not row["is_settled"]:
        told.append(("wait", view.say("flag.unsettled"), view.say("flag.unsettled.why")))
    if row["delivered"] is None:
        told.append(("wait", view.say("flag.unreported"), ""))
    if (row["api_rate_gap"] or 0) > _VISIBLE_GAP:
        gap = view.value("gap", row["api_rate_gap"])
        told.append(("bad", view.say("flag.gap", gap=gap), view.say("flag.gap.why")))
    if not is_counted:
        told.append(("wait", view.say("flag.outside"), view.say("flag.outside.why")))
    return told


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
        title, subtitle = view.say(f"figure.{name}"), view.say("chart.compare.sub")
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
                    Column("name", view.say("col.name"), "text"),
                    Column(rate, title, "rate"),
                    Column(f"{rate}_low", view.say("col.low"), "rate"),
                    Column(f"{rate}_high", view.say("col.high"), "rate"),
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
    key = "say.compare.clear" if low > 0 else "say.compare.unclear"
    return view.say(key, what=view.say(_VERDICTS[rate]), name=_name(best), other=_name(following), **places)


def difference(one: Row, other: Row, rate: str) -> tuple[float, float]:
    """95 % interval of the difference of two rates from their Wilson intervals (Newcombe 1998, method 10)."""
    change = one[rate] - other[rate]
    down = math.hypot(one[rate] - one[f"{rate}_low"], other[f"{rate}_high"] - other[rate])
    up = math.hypot(one[f"{rate}_high"] - one[rate], other[rate] - other[f"{rate}_low"])
    return change - down, change + up


def sent(view: View, moment: dt.datetime | None) -> str:
    """Write when a campaign was sent, in the tenant's zone."""
    if moment is None:
        return numbers.NONE
    local = moment.replace(tzinfo=dt.UTC).astimezone(view.book.zone)
    return f"{numbers.day(view.language, local.date(), year=True)}, {local:%H:%M}"


__all__ = ["build", "counts", "flags", "interval", "sent"]
