"""Contacts: the tiles about them, a sentence, charts.

What belongs here: what the executive page says of contacts, each tile with its words. What does not: other figures
(executive.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from crm_platform.languages import N_
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import daily, numbers
from crm_platform.serving.pages.bars import Bar, BarChart
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.published import total
from crm_platform.serving.pages.tiles import Tile, TileWords, of_one_row
from crm_platform.serving.pages.trends import ColumnChart, Line
from crm_platform.serving.pages.view import View

TOTAL_CONTACTS = TileWords(
    "total_contacts",
    subject="contacts",
    title=N_("Contacts"),
    meaning=N_("Contacts the CRM lists now. Who was missing from two complete counts running has left."),
    use=N_("Knowing the size of the audience."),
    columns=(
        "kpi.contacts_by_segment.contacts",
        "kpi.contacts_by_country.contacts",
        "kpi.executive_summary.total_contacts",
    ),
    seen_of="contacts",
)


def total_contacts(view: View) -> Tile:
    """Contacts now."""
    shown = view.period.shown()
    daily_rows = view.published.by_day("contact_growth_daily", shown)
    coverage = daily_rows[-1].get("coverage") if daily_rows else None
    (before,) = view.published.by_day("contact_growth_daily", [view.period.eve])
    tile = of_one_row(
        view,
        TOTAL_CONTACTS,
        "executive_summary",
        "total_contacts",
        window=view._("now, against the end of {day}", day=view.day(view.period.eve)),
        base=view._("all contacts present"),
        coverage=coverage,
        is_provisional=(coverage or 0) < WELL_COVERED,
        spark=[one.get("total_contacts") for one in daily_rows],
        spark_open=view.period.open_from(shown),
        tag=view._("now"),
    )
    return replace(tile, previous=before.get("total_contacts"))


GROWTH = TileWords(
    "growth",
    subject="contacts",
    title=N_("Monthly growth"),
    meaning=N_("Contacts at the end of the last complete month against its start. Higher is better."),
    use=N_("Seeing whether the audience grows, month by month. The running month is not in it."),
    columns=(
        "kpi.contact_growth_monthly.monthly_growth_rate",
        "kpi.executive_summary.monthly_growth_rate",
    ),
    seen_of="contacts",
)


def growth(view: View) -> Tile:
    """Growth of the last complete month."""
    whole = [one for one in view.published.rows("contact_growth_monthly") if not one["is_partial"]]
    told: dict[str, Any] = {"coverage": None}
    if whole:
        last = whole[-1]
        month = numbers.month(view.language, last["month"])
        told = {
            "window": view._("{month}, against the month before", month=month),
            "base": view._("contacts at the start of the month: {n}", n=view.count(last["opening"])),
            "coverage": last["coverage"],
            "tag": numbers.month(view.language, last["month"], year=False),
        }
    return of_one_row(
        view,
        GROWTH,
        "executive_summary",
        "monthly_growth_rate",
        kind="growth",
        is_provisional=(told["coverage"] or 0) < WELL_COVERED,
        spark=[one["monthly_growth_rate"] for one in whole[-12:]],
        **told,
    )


ACTIVE_30D = TileWords(
    "active_30d",
    subject="contacts",
    title=N_("Active contacts"),
    meaning=N_("Contacts who wrote at least once in the last 30 full days. Receiving a campaign makes nobody active."),
    use=N_("Knowing how much of a segment still talks to you."),
    columns=(
        "kpi.contacts_by_segment.active_30d",
        "kpi.contacts_by_country.active_30d",
    ),
)


def say_contacts(view: View) -> str:
    """Tell how many contacts there are, and how many joined; empty where it cannot be told of whom the page shows."""
    if not view.published.tells("kpi.executive_summary", "total_contacts"):
        return ""
    everyone = view.published.one("executive_summary").get("total_contacts") or 0
    joined = _joined(view)
    words = view.npgettext("sentence", "1 contact", "{n} contacts", everyone)
    return (
        words
        if joined is None
        else words + view.ngettext(", 1 joined {when}", ", {n} joined {when}", joined, when=view.when)
    )


def _joined(view: View) -> int | None:
    """Contacts that are new on the chosen days; None when it is not known."""
    return total(view.published.by_day("contact_growth_daily", view.period.days), "new_contacts")


def monthly(view: View) -> Chart:
    """Contacts at the end of each month."""
    months = view.published.months("contact_growth_monthly")
    growth = [one["monthly_growth_rate"] for one in months]
    return Chart(
        name="contacts_monthly",
        title=view._("Is the audience growing?"),
        subtitle=view._("Contacts at the end of each month; above, growth against its start in %"),
        table="kpi.contact_growth_monthly",
        key=("month",),
        columns=(
            ChartColumn("month", view._("Month"), "month"),
            ChartColumn("opening", view._("At the start"), "count"),
            ChartColumn("new_contacts", view._("New"), "count"),
            ChartColumn("gone_contacts", view._("Gone"), "count"),
            ChartColumn("closing", view._("At the end"), "count"),
            ChartColumn("monthly_growth_rate", view._("Growth"), "growth"),
        ),
        rows=months,
        drawing=ColumnChart(
            names=[numbers.month(view.language, one["month"], year=False) for one in months],
            stacks=[Line(view._("contacts"), [one["closing"] for one in months], column="closing")],
            words=partial(numbers.short_count, view.language),
            labels=["" if rate is None else view.language.number(rate * 100, "+.1f") for rate in growth],
            open_from=next((number for number, one in enumerate(months) if one["is_partial"]), None),
            narrow=6,
        ),
    )


def new_by_day(view: View) -> Chart:
    """New contacts by day."""
    new = view._("New")
    chart = daily.daily_columns(
        view,
        "new_contacts",
        "contact_growth_daily",
        (("new_contacts", new, "first"),),
        (
            ChartColumn("new_contacts", new, "count"),
            ChartColumn("gone_contacts", view._("Gone"), "count"),
            ChartColumn("total_contacts", view._("Contacts"), "count"),
        ),
        title=view._("How many are new?"),
        subtitle=view._("New contacts per day"),
    )
    joined = _joined(view)
    if joined is None:
        return chart
    # Translators: so many new contacts, and when: 12 in the last 7 days
    told = view.ngettext("1 {when}", "{n} {when}", joined, when=view.when)
    return replace(chart, subtitle=f"{chart.subtitle}; {told}", description=chart.subtitle)


def by_segment(view: View) -> list[Chart]:
    """One chart for each segment field."""
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
            columns=(ChartColumn("field", view._("Field"), "text"), ChartColumn("value", view._("Value"), "label")),
        )
        for number, field in enumerate(fields, 1)
    ]


def by_country(view: View) -> Chart:
    """Contacts by country."""
    return _ranked(
        view,
        name="countries",
        title=view._("Where are they from?"),
        subtitle=view._("Contacts now by country of their number, and their share of all"),
        table="kpi.contacts_by_country",
        key=("region",),
        rows=view.published.rows("contacts_by_country"),
        columns=(ChartColumn("region", view._("Country"), "region"),),
    )


def _ranked(
    view: View,
    *,
    key: tuple[str, ...],
    rows: list[dict[str, Any]],
    columns: tuple[ChartColumn, ...],
    **chart: Any,  # noqa: ANN401
) -> Chart:
    """Contacts by the last column of a key, most first. `chart`: see Chart."""
    ordered = sorted(rows, key=lambda row: (-row["contacts"], row[key[-1]]))
    bars = [
        Bar(
            columns[-1].write(view.language, row[key[-1]]),
            row["contacts"],
            f"{view.count(row['contacts'])} · {view.percent(row['share'] or 0)}",
        )
        for row in ordered[:8]
    ]
    return Chart(
        key=key,
        columns=(
            *columns,
            ChartColumn("contacts", view._("Contacts"), "count"),
            ChartColumn("share", view._("Share"), "rate"),
            ChartColumn("active_30d", view._("Active in 30 d"), "count"),
        ),
        rows=ordered,
        drawing=BarChart(bars=bars, column="contacts"),
        **chart,
    )
