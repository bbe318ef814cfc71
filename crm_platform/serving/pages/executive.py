"""The executive page: are we fine, and what changed?

What belongs here: which figures and charts it shows, what changed, and how campaigns engage. What does not: replies
(replies.py), contacts (contacts.py), tiles of campaigns (campaign_tiles.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from crm_platform.languages import N_
from crm_platform.serving.pages import campaign_tiles, contacts, daily, numbers, replies
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.period import RANGES
from crm_platform.serving.pages.published import open_month
from crm_platform.serving.pages.tiles import Tile, on_one_page
from crm_platform.serving.pages.trends import Line, LineChart
from crm_platform.serving.pages.view import Content, View, sentences

_CHANGES: Final[Mapping[str, str]] = {
    # Translators: {name} is a figure, such as: Answer rate
    "better": N_("{name} got better: {value}, was {before}."),
    "worse": N_("{name} got worse: {value}, was {before}."),
    "more": N_("{name}: {value}, up from {before}."),
    "fewer": N_("{name}: {value}, down from {before}."),
}


def build(view: View) -> Content:
    """Build the page."""
    within = replies.within_target(view)
    response = replies.first_response(view, within)
    first = [
        response,
        replies.answer_rate(view),
        replies.open_waits(view),
        replies.resolved(view),
        contacts.total_contacts(view),
    ]
    settled = campaign_tiles.settled(view)
    second = [
        contacts.growth(view),
        campaign_tiles.active_campaigns(view),
        campaign_tiles.settled_rate(view, settled, "read_per_delivered"),
        campaign_tiles.settled_rate(view, settled, "reply_per_delivered"),
    ]
    within, *together = on_one_page([within, *first, *second])
    first, second = together[: len(first)], together[len(first) :]
    response = first[0]
    said = (
        replies.say_first_response(view, response, within),
        replies.say_waiting(view),
        contacts.say_contacts(view),
    )
    drawn = [
        daily.response_trend(view, span=8, with_p90=False),
        daily.resolved_trend(view),
        contacts.monthly(view),
        contacts.new_by_day(view),
        _engagement(view),
        *contacts.by_segment(view),
        contacts.by_country(view),
    ]
    return Content(
        sentence=sentences(*said),
        figures=first,
        charts={chart.name: chart for chart in drawn},
        more={
            "second": second,
            "changes": _changes(view, [*first, within, *second]),
        },
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
                name=view.title(figure.words),
                value=view.value(figure.kind, figure.value),
                before=view.value(figure.kind, figure.previous),
            ),
            figure.tag or view._(RANGES[view.period.name]),
        )
        for figure in sorted(moved, key=weight)
    ][:6]


def _engagement(view: View) -> Chart:
    months = view.published.months("engagement_monthly")
    return Chart(
        name="engagement",
        title=view._("Do people read and answer campaigns?"),
        subtitle=view._(
            "Read and replied, in % of messages delivered, by month of sending; all campaigns with a consistent report"
        ),
        table="kpi.engagement_monthly",
        key=("month",),
        columns=(
            ChartColumn("month", view._("Month"), "month"),
            ChartColumn("campaigns", view._("Campaigns"), "count"),
            ChartColumn("delivered", view._("Delivered"), "count"),
            ChartColumn("read", view._("Read"), "count"),
            ChartColumn("read_delivered", view._("Delivered, with a count of reads"), "count"),
            ChartColumn("replied", view._("Replied"), "count"),
            ChartColumn("reply_delivered", view._("Delivered, with a count of replies"), "count"),
            ChartColumn("read_per_delivered", view._("Read rate"), "rate"),
            ChartColumn("reply_per_delivered", view._("Reply rate"), "rate"),
        ),
        rows=months,
        drawing=LineChart(
            days=[one["month"] for one in months],
            lines=[
                Line(view._("read"), [one["read_per_delivered"] for one in months], "first", "read_per_delivered"),
                Line(
                    view._("replied"), [one["reply_per_delivered"] for one in months], "second", "reply_per_delivered"
                ),
            ],
            words=numbers.axis_percent,
            day_words=lambda day: numbers.month(view.language, day, year=False),
            open_from=open_month(months),
            whole=False,
        ),
    )
