"""Charts by day, of the columns of a daily table: lines or columns, at least four weeks, the chosen days shaded.

What belongs here: drawing them, and those that more than one page shows. What does not: geometry (trends.py), what one
page alone shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.trends import ColumnChart, Line, LineChart, NumberFormat, Rule
from crm_platform.serving.pages.view import View


class Derived(NamedTuple):
    """What follows from a row of a daily table. `of`: the column whose rows are behind it."""

    of: str
    value: Callable[[Row], float | None]


Series = tuple[str | Derived, str, str]
"""A column of a daily table, or what follows from its row; its name in words, its class in the style sheet."""

LEAST_DAYS = 28  # a trend by day draws at least four weeks; the chosen days are shaded


def daily_lines(
    view: View,
    name: str,
    table: str,
    lines: Sequence[Series],
    columns: Sequence[ChartColumn],
    *,
    words: NumberFormat,
    scale: Literal["zero", "time"] = "zero",
    rule: Rule | None = None,
    top: float | None = None,
    **chart: Any,  # noqa: ANN401
) -> Chart:
    """Columns of a daily table as lines, the chosen days shaded.

    `columns`: what the table beneath tells of a day; `chart`: what else a Chart says of itself.
    """
    days, rows = _daily(view, table)
    notes = []
    if scale == "time":
        notes.append(view._("logarithmic scale"))
    if len(days) > view.period.length + 1:
        notes.append(view._("shaded: the chosen days"))
    drawing = LineChart(
        days=days,
        lines=_lines(rows, lines),
        words=words,
        day_words=lambda day: numbers.day(view.language, day),
        scale=scale,
        rule=rule,
        open_from=view.period.open_from(days),
        band=(days.index(view.period.start), days.index(view.period.end)),
        whole=False,
        top=top,
    )
    chart["description"] = rule.name if rule else ""
    return _daily_chart(view, name, table, columns, drawing, rows=rows, notes=notes, **chart)


def daily_columns(
    view: View,
    name: str,
    table: str,
    stacks: Sequence[Series],
    columns: Sequence[ChartColumn],
    *,
    is_hollow: bool = True,
    **chart: Any,  # noqa: ANN401
) -> Chart:
    """Columns of a daily table, stacked. `is_hollow`: days that are not over are drawn so; `chart`: as for lines."""
    days, rows = _daily(view, table)
    drawing = ColumnChart(
        names=[numbers.day(view.language, day) for day in days],
        stacks=_lines(rows, stacks),
        words=partial(numbers.short_count, view.language),
        open_from=view.period.open_from(days) if is_hollow else None,
        days=days,
    )
    keys = [(look, said) for _, said, look in stacks] if len(stacks) > 1 else []
    return _daily_chart(view, name, table, columns, drawing, rows=rows, keys=keys, **chart)


def _lines(rows: Sequence[Row], series: Sequence[Series]) -> list[Line]:
    return [
        Line(said, [column.value(row) for row in rows], look, column.of)
        if isinstance(column, Derived)
        else Line(said, [row.get(column) for row in rows], look, column)
        for column, said, look in series
    ]


def _daily(view: View, table: str) -> tuple[list[dt.date], list[Row]]:
    """The days a trend draws, and their rows; of a day that is not known, the day alone."""
    days = view.period.shown(least=LEAST_DAYS)
    rows = view.published.by_day(table, days)
    return days, [row or {"day": day} for day, row in zip(days, rows, strict=True)]


def _daily_chart(
    view: View,
    name: str,
    table: str,
    columns: Sequence[ChartColumn],
    drawing: LineChart | ColumnChart,
    *,
    rows: Sequence[Row],
    notes: Sequence[str] = (),
    **chart: Any,  # noqa: ANN401
) -> Chart:
    if drawing.open_from is not None:
        notes = [*notes, view._("hollow: day not complete")]
    days, period = [row["day"] for row in rows], view.period
    drawn = drawing.lines if isinstance(drawing, LineChart) else drawing.stacks
    return Chart(
        name=name,
        note=" · ".join(notes),
        table=f"kpi.{table}",
        key=("day",),
        columns=(ChartColumn("day", view._("Day"), "day"), *columns),
        rows=rows,
        drawing=drawing if any(value is not None for line in drawn for value in line.values) else None,
        chosen=(days.index(period.start), days.index(period.end)) if len(days) > period.length else None,
        **chart,
    )


def response_trend(view: View, *, span: int, with_p90: bool) -> Chart:
    """First response time by day with the target."""
    lines: list[Series] = [("first_response_seconds_median", view._("median"), "first")]
    if with_p90:
        lines.append(("first_response_seconds_p90", view._("9 of 10"), "second"))
    return daily_lines(
        view,
        "first_response",
        "response_times_daily",
        lines,
        (
            ChartColumn("first_response_seconds_median", view._("Median"), "seconds"),
            ChartColumn("first_response_seconds_p90", view._("9 of 10 within"), "seconds"),
            ChartColumn("first_answered_waits", view._("First answered"), "count"),
            ChartColumn("missed_waits", view._("Missed"), "count"),
            ChartColumn("first_within_target_rate", view._("Within target"), "rate"),
            ChartColumn("coverage", view._("Seen"), "rate"),
        ),
        title=view._("How long did customers wait for the first reply?"),
        subtitle=view._("First response time by the day the customer wrote, median over the first replies"),
        words=view.duration,
        scale="time",
        rule=Rule(view._("target {target}", target=view.target), view.settings.first_response_target_seconds),
        span=span,
        height=280,
    )


def resolved_trend(view: View) -> Chart:
    """Conversations resolved by day."""
    quietly = view.pgettext("conversations", "ended answered")
    by_operator = view.pgettext("conversations", "marked as done")
    stacks: list[Series] = [("resolved_quietly", quietly, "first")]
    # What nobody ever did is no part of the drawing: an entry of the legend without a bar makes readers look for it.
    if any(row.get("resolved_by_operator") for row in _daily(view, "chats_resolved_daily")[1]):
        stacks.append(("resolved_by_operator", by_operator, "second"))
    return daily_columns(
        view,
        "resolved",
        "chats_resolved_daily",
        stacks,
        (
            ChartColumn("resolved", view.pgettext("heading", "Chats resolved"), "count"),
            ChartColumn("resolved_quietly", quietly, "count"),
            ChartColumn("resolved_by_operator", by_operator, "count"),
            ChartColumn("unresolved", view._("Ended missed"), "count"),
            ChartColumn("resolution_seconds_median", view._("Median"), "seconds"),
        ),
        title=view._("Are chats brought to an end?"),
        subtitle=view._("Conversations resolved per day"),
        height=220,
    )
