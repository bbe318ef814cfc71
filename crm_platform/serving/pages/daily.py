"""Charts by day, of the columns of a daily table: lines or columns, at least four weeks, the chosen days shaded.

What belongs here: drawing them, and those that more than one page shows. What does not: geometry (trends.py), what one
page alone shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from crm_platform.serving.pages import day_notes, numbers
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.hours import ALL_HOURS, Hours
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.trends import ColumnChart, Line, LineChart, NumberFormat, Rule
from crm_platform.serving.pages.view import View
from crm_platform.verdicts.days import OPEN_SHARE


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
        open_from=_open_from(view, table, days, rows),
        band=(days.index(view.period.start), days.index(view.period.end)),
        whole=False,
        top=top,
        flags=day_notes.flags(view.published, days),
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
        flags=day_notes.flags(view.published, days),
    )
    keys = [(look, said) for _, said, look in stacks] if len(stacks) > 1 else []
    return _daily_chart(view, name, table, columns, drawing, rows=rows, keys=keys, **chart)


def _open_from(view: View, table: str, days: Sequence[dt.date], rows: Sequence[Row]) -> int | None:
    """Number of the first of the last days that are not finished; None when all are.

    Of replies a day is finished once nearly nobody who wrote on it still waits: the slow replies are still to come.
    """
    first = view.period.open_from(days)
    if table != "response_times_daily":
        return first
    number = len(days) if first is None else first
    while number and _still_waits(rows[number - 1]):
        number -= 1
    return number if number < len(days) else None


def _still_waits(row: Row) -> bool:
    asked = row.get("first_waits") or 0
    left = asked - (row.get("first_answered_waits") or 0) - (row.get("missed_waits") or 0)
    return bool(left > OPEN_SHARE * asked)


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
    none: str = "",
    **chart: Any,  # noqa: ANN401
) -> Chart:
    """Put a drawing and its rows together. `none`: what is said where all days that are known have 0."""
    days, period = [row["day"] for row in rows], view.period
    if drawing.open_from is not None:
        is_over = days[drawing.open_from] < period.today
        told = view._("hollow: day not complete, or chats of it still wait") if is_over else ""
        notes = [*notes, told or view._("hollow: day not complete")]
    drawn = drawing.lines if isinstance(drawing, LineChart) else drawing.stacks
    known = [value for line in drawn for value in line.values if value is not None]
    # An axis from 0 to 1 that nothing reaches is no picture: words say it. Where the axis is given, 0 is a low level.
    is_nothing = not any(known) and not (isinstance(drawing, LineChart) and drawing.top)
    if known and is_nothing:
        chart["nothing"] = none or view._("None on any of these days, as far as they are known.")
    if drawing.flags:
        rows = [
            row | {"note": drawing.flags[number].text if number in drawing.flags else None}
            for number, row in enumerate(rows)
        ]
        columns = [*columns, ChartColumn("note", view._("Note"), "text")]
    return Chart(
        name=name,
        note=" · ".join(notes),
        table=f"kpi.{table}",
        key=("day",),
        columns=(ChartColumn("day", view._("Day"), "day"), *columns),
        rows=rows,
        drawing=drawing if known and not is_nothing else None,
        chosen=(days.index(period.start), days.index(period.end)) if len(days) > period.length else None,
        **chart,
    )


def response_trend(view: View, *, span: int, with_p90: bool, hours: Hours = ALL_HOURS) -> Chart:
    """First response time by day with the target."""
    median, p90, within = (
        hours.column(f"first_{name}")
        for name in ("response_seconds_median", "response_seconds_p90", "within_target_rate")
    )
    lines: list[Series] = [(median, view._("median"), "first")]
    if with_p90:
        lines.append((p90, view._("9 of 10"), "second"))
    subtitle = view._("First response time by the day the customer wrote, median over the first replies")
    return daily_lines(
        view,
        "first_response",
        "response_times_daily",
        lines,
        (
            ChartColumn(median, view._("Median"), "seconds"),
            ChartColumn(p90, view._("9 of 10 within"), "seconds"),
            ChartColumn("first_answered_waits", view._("First answered"), "count"),
            ChartColumn("missed_waits", view._("Missed"), "count"),
            ChartColumn(within, view._("Within target"), "rate"),
            ChartColumn("coverage", view._("Seen"), "rate"),
        ),
        title=view._("How long did customers wait for the first reply?"),
        subtitle=hours.told(view, subtitle),
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
        height=248,
    )


def opt_outs(view: View, *, why: str = "", **chart: Any) -> Chart:  # noqa: ANN401
    """Opt-outs by day, those after a campaign apart. `why`: what else its subtitle says; `chart`: as for lines."""
    # Translators: opt-outs that no campaign brought about
    others, after = view._("others"), view._("after a campaign")
    told = view._("Opt-outs per day; after a campaign: within 72 hours of it, with no reply between")
    return daily_columns(
        view,
        "opt_outs",
        "opt_outs_daily",
        (("after_campaign", after, "second"), (Derived("opt_outs", _other_opt_outs), others, "third")),
        (
            ChartColumn("opt_outs", view._("Opt-outs"), "count"),
            ChartColumn("after_campaign", view._("Opt-outs after a campaign"), "count"),
            ChartColumn("contacts", view._("Contacts that opted out"), "count"),
        ),
        title=view._("Do campaigns drive people away?"),
        subtitle=f"{told}. {why}" if why else told,
        none="" if view.is_unread(view.published.coverage(view.period)) else view._("No opt-outs on these days."),
        **chart,
    )


def _other_opt_outs(row: Row) -> float | None:
    return row["opt_outs"] - row["after_campaign"] if row.get("opt_outs") is not None else None
