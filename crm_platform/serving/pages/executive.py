"""The executive page: are we fine, and what changed?

What belongs here: its sentence, figures and charts. What does not: those that other pages show too (shared.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from crm_platform.languages import N_
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import numbers, shared
from crm_platform.serving.pages.chart import Chart, Column, label
from crm_platform.serving.pages.charts import Bar, BarChart, ColumnChart, Line, LineChart
from crm_platform.serving.pages.frame import Chip, Content, View
from crm_platform.serving.pages.period import RANGES
from crm_platform.serving.pages.published import total
from crm_platform.serving.pages.tiles import Source, Tile

_MONTHS = 12
_CHANGES: Final[Mapping[str, str]] = {
    # Translators: {name} is a figure, such as: Answer rate
    "better": N_("{name} got better: {value}, was {before}."),
    "worse": N_("{name} got worse: {value}, was {before}."),
    "more": N_("{name}: {value}, up from {before}."),
    "fewer": N_("{name}: {value}, down from {before}."),
}


def build(view: View) -> Content:
    """Build the page."""
    segment = _segment(view)
    within = shared.within_target(view)
    response = shared.first_response(view, within)
    contacts = _contacts(view, segment)
    first = [response, shared.answer_rate(view), shared.open_waits(view), shared.resolved(view), contacts]
    second = [_growth(view), _active_campaigns(view), _rate(view, "read"), _rate(view, "reply")]
    said = (
        shared.say_first_response(view, response, within), shared.say_waiting(view), _say_contacts(view, segment)
    )  # fmt: skip
    sentence = " ".join(f"{one}." for one in said)
    drawn = [
        shared.response_trend(view, span=8, with_p90=False),
        shared.resolved_trend(view),
        _contacts_monthly(view),
        _new_contacts(view),
        _engagement(view),
        *_segments(view),
        _countries(view),
    ]
    return Content(
        sentence=sentence,
        figures=first,
        charts={chart.name: chart for chart in drawn},
        more={
            "second": second,
            "changes": _changes(view, [*first, within, *second]),
            "segments": _segment_choices(view),
            "segment": segment,
        },
    )


def _segment(view: View) -> dict[str, Any]:
    """The chosen segment's row, empty when none is chosen or it is not there."""
    field, _, value = view.get("segment").partition(":")
    if not field:
        return {}
    row = next(
        (one for one in view.published.rows("contacts_by_segment") if (one["field"], one["value"]) == (field, value)),
        {},
    )
    view.chips.append(Chip(f"{field} = {label(view.language, value)}", view.href(drop=("segment",))))
    return row or {"field": field, "value": value}


def _segment_choices(view: View) -> list[tuple[str, str]]:
    return [
        (f"{row['field']} = {label(view.language, row['value'])}", view.href(segment=f"{row['field']}:{row['value']}"))
        for row in view.published.rows("contacts_by_segment")
    ]


def _contacts(view: View, segment: dict[str, Any]) -> Tile:
    row = view.published.one("executive_summary")
    shown = view.period.shown()
    daily = view.published.by_day("contact_growth_daily", shown)
    if segment:
        return Tile(
            name="total_contacts",
            kind="count",
            value=segment.get("contacts"),
            source=Source(
                "kpi.contacts_by_segment", "contacts", key=(("field", segment["field"]), ("value", segment["value"]))
            ),
            good="up",
            window=view._("now"),
            base=view.ngettext("1 contact in all", "{n} contacts in all", row.get("total_contacts") or 0),
            coverage=segment.get("coverage"),
            is_provisional=bool(segment.get("is_provisional", True)),
            has_history=False,
            tag=view._("now"),
        )
    latest = daily[-1] if daily else {}
    return Tile(
        name="total_contacts",
        kind="count",
        value=row.get("total_contacts"),
        previous=row.get("total_contacts_previous"),
        source=Source("kpi.executive_summary", "total_contacts"),
        good="up",
        window=view._("now, against the end of the day 7 days ago"),
        base=view._("all contacts present"),
        coverage=latest.get("coverage"),
        is_provisional=(latest.get("coverage") or 0) < WELL_COVERED,
        spark=[one.get("total_contacts") for one in daily],
        spark_open=view.period.open_from(shown),
        tag=view._("now"),
    )


def _growth(view: View) -> Tile:
    row = view.published.one("executive_summary")
    months = view.published.rows("contact_growth_monthly")
    whole = [one for one in months if not one["is_partial"]]
    last = whole[-1] if whole else {}
    return Tile(
        name="growth",
        kind="growth",
        value=row.get("monthly_growth_rate"),
        previous=row.get("monthly_growth_rate_previous"),
        source=Source("kpi.executive_summary", "monthly_growth_rate"),
        good="up",
        window=view._("{month}, against the month before", month=numbers.month(view.language, last["month"]))
        if last
        else "",
        base=view._("contacts at the start of the month: {n}", n=view.count(last["opening"])) if last else "",
        coverage=last.get("coverage"),
        is_provisional=(last.get("coverage") or 0) < WELL_COVERED,
        spark=[one["monthly_growth_rate"] for one in whole[-_MONTHS:]],
        tag=numbers.month(view.language, last["month"], year=False) if last else "",
    )


def _active_campaigns(view: View) -> Tile:
    row = view.published.one("executive_summary")
    months = view.published.rows("engagement_monthly")[-_MONTHS:]
    return Tile(
        name="active_campaigns",
        kind="count",
        value=row.get("active_campaigns"),
        previous=row.get("active_campaigns_previous"),
        source=Source("kpi.executive_summary", "active_campaigns"),
        good="neither",
        window=view._("now, against the end of the day 7 days ago"),
        base=view._("all campaigns the CRM lists"),
        coverage=1.0 if row else None,
        is_provisional=not row,
        spark=[one["campaigns"] for one in months],
        spark_open=len(months) - 1 if months and months[-1]["is_provisional"] else None,
        tag=view._("now"),
    )


def _rate(view: View, what: str) -> Tile:
    row = view.published.one("executive_summary")
    months = view.published.rows("engagement_monthly")[-_MONTHS:]
    column = f"{what}_per_delivered_30d"
    return Tile(
        name=f"{what}_rate_settled",
        kind="rate",
        value=row.get(column),
        previous=row.get(f"{column}_previous"),
        source=Source("kpi.executive_summary", column),
        good="up",
        window=view._("settled campaigns of the last 30 full days, against the 30 before"),
        base=view._("messages delivered"),
        coverage=row.get("coverage"),
        is_provisional=bool(row.get("is_provisional", True)),
        spark=[one[f"{what}_per_delivered"] for one in months],
        spark_open=len(months) - 1 if months and months[-1]["is_provisional"] else None,
        tag=view._("30 d"),
    )


def _joined(view: View) -> int | None:
    """Contacts that are new on the chosen days; None when it is not known."""
    return total(view.published.by_day("contact_growth_daily", view.period.days), "new_contacts")


def _say_contacts(view: View, segment: dict[str, Any]) -> str:
    everyone = view.published.one("executive_summary").get("total_contacts") or 0
    if segment:
        name = f"{segment['field']} = {label(view.language, segment['value'])}"
        return view.ngettext(
            "{part} of 1 contact is {name}",
            "{part} of the {n} contacts are {name}",
            everyone,
            part=view.count(segment.get("contacts") or 0),
            name=name,
        )
    joined = _joined(view)
    words = view.npgettext("sentence", "1 contact", "{n} contacts", everyone)
    return (
        words
        if joined is None
        else words + view.ngettext(", 1 joined {when}", ", {n} joined {when}", joined, when=view.when)
    )


def _changes(view: View, figures: list[Tile]) -> Sequence[tuple[str, bool, str, str]]:
    """What moved, worse first, then by how much: trend, whether it rose, words, and of when.

    Figures of now, of the last month or of 30 days are left out where the chosen days lie further back.
    """
    moved = [figure for figure in figures if figure.trend in _CHANGES and (view.period.is_current or not figure.tag)]

    def weight(figure: Tile) -> tuple[bool, float]:
        now, before = figure.value or 0, figure.previous or 0
        return figure.trend != "worse", -abs(now - before) / (abs(before) or 1)

    return [
        (
            figure.trend,
            figure.rises,
            view._(
                _CHANGES[figure.trend],
                name=view.title(figure.name),
                value=view.value(figure.kind, figure.value),
                before=view.value(figure.kind, figure.previous),
            ),
            figure.tag or view._(RANGES[view.period.name]),
        )
        for figure in sorted(moved, key=weight)
    ][:6]


def _contacts_monthly(view: View) -> Chart:
    months = view.published.rows("contact_growth_monthly")[-_MONTHS:]
    title = view._("Is the audience growing?")
    subtitle = view._("Contacts at the end of each month; growth against its start above")
    growth = [one["monthly_growth_rate"] for one in months]
    return Chart(
        name="contacts_monthly",
        title=title,
        subtitle=subtitle,
        table="kpi.contact_growth_monthly",
        key=("month",),
        columns=(
            Column("month", view._("Month"), "month"),
            Column("opening", view._("At the start"), "count"),
            Column("new_contacts", view._("New"), "count"),
            Column("gone_contacts", view._("Gone"), "count"),
            Column("closing", view._("At the end"), "count"),
            Column("monthly_growth_rate", view._("Growth"), "growth"),
        ),
        rows=months,
        drawing=ColumnChart(
            title=title,
            description=subtitle,
            names=[numbers.month(view.language, one["month"], year=False) for one in months],
            stacks=[Line(view._("contacts"), [one["closing"] for one in months])],
            words=partial(numbers.short_count, view.language),
            labels=["" if rate is None else f"{view.language.number(rate * 100, '+.1f')}\u00a0%" for rate in growth],
            open_from=next((number for number, one in enumerate(months) if one["is_partial"]), None),
            narrow=6,
        ),
    )


def _new_contacts(view: View) -> Chart:
    new = view._("New")
    chart = shared.daily_columns(
        view,
        "new_contacts",
        "contact_growth_daily",
        (("new_contacts", new, "first"),),
        (
            Column("new_contacts", new, "count"),
            Column("gone_contacts", view._("Gone"), "count"),
            Column("total_contacts", view._("Contacts"), "count"),
        ),
        title=view._("How many are new?"),
        subtitle=view._("New contacts per day"),
    )
    joined = _joined(view)
    if joined is None:
        return chart
    # Translators: so many new contacts, and when: 12 in the last 7 days
    told = view.ngettext("1 {when}", "{n} {when}", joined, when=view.when)
    return replace(chart, subtitle=f"{chart.subtitle}; {told}")


def _engagement(view: View) -> Chart:
    months = view.published.rows("engagement_monthly")[-_MONTHS:]
    title = view._("Do people read and answer campaigns?")
    subtitle = view._(
        "Read and replied, in % of messages delivered, by month of sending; all campaigns with a consistent report"
    )
    return Chart(
        name="engagement",
        title=title,
        subtitle=subtitle,
        table="kpi.engagement_monthly",
        key=("month",),
        columns=(
            Column("month", view._("Month"), "month"),
            Column("campaigns", view._("Campaigns"), "count"),
            Column("delivered", view._("Delivered"), "count"),
            Column("read", view._("Read"), "count"),
            Column("replied", view._("Replied"), "count"),
            Column("read_per_delivered", view._("Read rate"), "rate"),
            Column("reply_per_delivered", view._("Reply rate"), "rate"),
        ),
        rows=months,
        drawing=LineChart(
            title=title,
            description=subtitle,
            days=[one["month"] for one in months],
            lines=[
                Line(view._("read"), [one["read_per_delivered"] for one in months], "first"),
                Line(view._("replied"), [one["reply_per_delivered"] for one in months], "second"),
            ],
            words=numbers.axis_percent,
            day_words=lambda day: numbers.month(view.language, day, year=False),
            open_from=len(months) - 1 if months and months[-1]["is_provisional"] else None,
            whole=False,
        ),
    )


def _segments(view: View) -> list[Chart]:
    """One chart for each segment field."""
    chosen = view.get("segment")
    everything = view.published.rows("contacts_by_segment")
    fields = list(dict.fromkeys(row["field"] for row in everything))
    return [
        _ranked(
            view,
            name=f"segment_{number}",
            title=view._("Who are the contacts, by {field}?", field=field),
            subtitle=view._("Contacts now, and their share of all"),
            table="kpi.contacts_by_segment",
            key=("field", "value"),
            rows=[row for row in everything if row["field"] == field],
            columns=(Column("field", view._("Field"), "text"), Column("value", view._("Value"), "label")),
            chosen=chosen.partition(":")[2] if chosen.startswith(f"{field}:") else "",
        )
        for number, field in enumerate(fields, 1)
    ]


def _countries(view: View) -> Chart:
    return _ranked(
        view,
        name="countries",
        title=view._("Where are they from?"),
        subtitle=view._("Contacts now by country of their number, and their share of all"),
        table="kpi.contacts_by_country",
        key=("region",),
        rows=view.published.rows("contacts_by_country"),
        columns=(Column("region", view._("Country"), "region"),),
        chosen="",
    )


def _ranked(
    view: View,
    *,
    name: str,
    title: str,
    subtitle: str,
    table: str,
    key: tuple[str, ...],
    rows: list[dict[str, Any]],
    columns: tuple[Column, ...],
    chosen: str,
) -> Chart:
    ordered = sorted(rows, key=lambda row: (-row["contacts"], row[key[-1]]))
    bars = [
        Bar(
            columns[-1].write(view.language, row[key[-1]]),
            row["contacts"],
            f"{view.count(row['contacts'])} · {view.percent(row['share'] or 0)}",
            look="first" if not chosen or row[key[-1]] == chosen else "quiet",
        )
        for row in ordered[:8]
    ]
    return Chart(
        name=name,
        title=title,
        subtitle=subtitle,
        table=table,
        key=key,
        columns=(
            *columns,
            Column("contacts", view._("Contacts"), "count"),
            Column("share", view._("Share"), "rate"),
            Column("active_30d", view._("Active in 30 d"), "count"),
        ),
        rows=ordered,
        drawing=BarChart(title=title, description=subtitle, bars=bars),
    )
