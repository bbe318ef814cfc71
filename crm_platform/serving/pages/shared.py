"""Figures, sentences and charts that more than one page shows.

What belongs here: what would otherwise be said twice, in two ways. What does not: what one page alone shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.book import Row, total
from crm_platform.serving.pages.chart import Chart, Column
from crm_platform.serving.pages.charts import ColumnChart, Line, LineChart, Rule, Words
from crm_platform.serving.pages.figures import Figure, Ranged, Source
from crm_platform.serving.pages.frame import View
from crm_platform.serving.pages.period import read_period

Series = tuple[str, str, str]
"""A column of a daily table, its name in words, its class in the style sheet."""

LEAST_DAYS = 28  # a trend by day draws at least four weeks; the chosen days are shaded


def ranged(view: View) -> Ranged:
    """Figures over the chosen days."""
    return Ranged(view.book, view.period, window=f"{view.window}; {view.say('info.zone', zone=view.book.zone.key)}")


def first_waits(view: View) -> tuple[int, int]:
    """First waits of the chosen days that were answered, and that were missed."""
    rows = view.book.by_day("response_times_daily", view.period.days)
    return total(rows, "first_answered_waits") or 0, total(rows, "missed_waits") or 0


def first_response(view: View, within: Figure) -> Figure:
    """Median first response time, how it stands to the target and to business hours. `within`: the share in time."""
    answered, missed = first_waits(view)
    base = view.many("base.first_answered", answered) + (view.many("base.none", missed) if missed else "")
    figure = ranged(view).first_response(base=base + _left_out(view))
    if figure.value is None:
        return figure
    verdict = "verdict.met" if figure.value <= view.settings.first_response_target_minutes * 60 else "verdict.over"
    share, late = view.value("rate", within.value), view.value("rate", 1 - (within.value or 0))
    n = numbers.count(answered + missed)
    facts = [(view.say("info.good"), view.say(verdict, target=view.target, n=n, share=share, late=late))]
    four_weeks = read_period({"range": "28d"}, today=view.period.today, default="28d")
    is_known = view.book.first_day is not None and view.book.first_day <= four_weeks.start
    if is_known and view.period.is_current and view.period.length < four_weeks.length:
        longer = view.book.median_first_response(four_weeks)
        facts.append((view.say("info.longer"), view.value("seconds", longer)))
    if view.settings.business_hours.strip().lower() != "none":
        inside = view.book.median_first_response(view.period, column="business_response_seconds")
        places = {"value": view.value("seconds", inside), "hours": view.settings.business_hours}
        facts.append((view.say("info.business"), view.say("info.business.value", **places)))
    return replace(figure, facts=facts)


def _decided(view: View) -> str:
    """How many first waits are answered or missed, and what is left out, in words."""
    answered, missed = first_waits(view)
    places = {"answered": numbers.count(answered), "missed": numbers.count(missed)}
    return view.many("base.first_all", answered + missed, **places) + _left_out(view)


def _left_out(view: View) -> str:
    """How many first waits go on, and how many waits are of conversations whose beginning is not known, in words."""
    rows = view.book.by_day("response_times_daily", view.period.days)
    waiting = (total(rows, "first_waits") or 0) - sum(first_waits(view))
    truncated = total(rows, "left_truncated_waits") or 0
    words = view.many("base.still", waiting) if waiting > 0 else ""
    return words + (view.many("base.truncated", truncated) if truncated else view.say("base.truncated.none"))


def answer_rate(view: View) -> Figure:
    """Answered / (answered + missed)."""
    return ranged(view).share(
        "answer_rate",
        "response_times_daily",
        "first_answered_waits",
        "missed_waits",
        "answer_rate",
        good="up",
        base=_decided(view),
    )


def within_target(view: View) -> Figure:
    """Share of first waits answered within the target."""
    return ranged(view).within_target(view.settings.first_response_target_minutes * 60, base=_decided(view))


def resolved(view: View) -> Figure:
    """Conversations resolved. More of them is only better when as many came in, so it is called neither."""
    return ranged(view).sum(
        "resolved", "chats_resolved_daily", "resolved", good="neither", base=view.say("base.conversations")
    )


def open_waits(view: View) -> Figure:
    """Chats that wait now, beside the end of the day a week ago: another time of day, so neither better nor worse."""
    row = view.book.one("executive_summary")
    now = view.book.one("backlog_now")
    shown = view.period.shown()
    return Figure(
        name="open_waits",
        kind="count",
        value=row.get("open_waits"),
        previous=row.get("open_waits_previous"),
        source=Source("kpi.executive_summary", "open_waits"),
        good="neither",
        window=view.say("window.now"),
        base=view.say("base.open"),
        coverage=now.get("coverage"),
        is_provisional=bool(now.get("is_provisional", True)),
        spark=[one.get("open_waits_at_end") for one in view.book.by_day("backlog_daily", shown)],
        spark_open=view.period.open_from(shown),
        tag=view.say("tag.now"),
    )


def say_first_response(view: View, figure: Figure, within: Figure) -> str:
    """Tell the first response time, how it moved, how many were in time, and how many got none."""
    if figure.value is None:
        return _say_none(view)
    words = view.say("say.first_response", value=view.value("seconds", figure.value), when=view.when)
    if figure.previous is not None:
        key = {"better": "say.faster", "worse": "say.slower"}.get(figure.trend, "say.same")
        words += view.say(key, change=view.difference(figure), before=view.before)
    answered, missed = first_waits(view)
    share = view.value("rate", within.value)
    of = numbers.count(answered + missed)
    return f"{words}. {view.many('say.outcome', missed, share=share, of=of, target=view.target)}"


def _say_none(view: View) -> str:
    """Say that nobody had to be answered, as far as is read, or that the days are from before anything is known."""
    first = view.book.first_day
    if first is None or view.period.end >= first:
        key = "say.no_response.unread" if view.is_unread(view.book.coverage(view.period)) else "say.no_response"
        return view.say(key, when=view.when)
    return view.say("say.unknown", when=view.when, day=numbers.day(view.language, first, year=True))


def say_waiting(view: View) -> str:
    """Tell who waits now, without a full stop."""
    row = view.book.one("backlog_now")
    waiting, closing = row.get("open_waits", 0), row.get("windows_expiring_2h", 0)
    if not waiting:
        return view.say("say.waiting.unread" if view.is_unread(row.get("coverage")) else "say.waiting.none")
    return view.many("say.waiting", waiting) + (view.many("say.windows", closing) if closing else "")


def daily_lines(
    view: View,
    name: str,
    table: str,
    lines: Sequence[Series],
    columns: Sequence[Column],
    *,
    words: Words,
    scale: Literal["zero", "time"] = "zero",
    rule: Rule | None = None,
    top: float | None = None,
    span: int = 6,
    height: int = 240,
) -> Chart:
    """Columns of a daily table as lines, the chosen days shaded. `columns`: what the table beneath tells of a day."""
    days, rows = _daily(view, table)
    notes = []
    if scale == "time":
        notes.append(view.say("chart.log"))
    if len(days) > view.period.length + 1:
        notes.append(view.say("chart.shaded"))
    drawing = LineChart(
        title=view.say(f"chart.{name}"),
        description=rule.name if rule else view.say(f"chart.{name}.sub", target=view.target),
        days=days,
        lines=[Line(said, [row.get(column) for row in rows], look) for column, said, look in lines],
        words=words,
        day_words=lambda day: numbers.day(view.language, day),
        scale=scale,
        rule=rule,
        open_from=view.period.open_from(days),
        band=(days.index(view.period.start), days.index(view.period.end)),
        whole=False,
        top=top,
    )
    return _daily_chart(view, name, table, columns, drawing, rows=rows, notes=notes, span=span, height=height)


def daily_columns(
    view: View,
    name: str,
    table: str,
    stacks: Sequence[Series],
    columns: Sequence[Column],
    *,
    is_hollow: bool = True,
    height: int = 240,
) -> Chart:
    """Columns of a daily table, stacked. `is_hollow`: days that are not over are drawn so."""
    days, rows = _daily(view, table)
    drawing = ColumnChart(
        title=view.say(f"chart.{name}"),
        description=view.say(f"chart.{name}.sub"),
        names=[numbers.day(view.language, day) for day in days],
        stacks=[Line(said, [row.get(column) for row in rows], look) for column, said, look in stacks],
        words=numbers.short_count,
        open_from=view.period.open_from(days) if is_hollow else None,
        days=days,
    )
    keys = [(look, said) for _, said, look in stacks] if len(stacks) > 1 else []
    return _daily_chart(view, name, table, columns, drawing, rows=rows, height=height, keys=keys)


def _daily(view: View, table: str) -> tuple[list[dt.date], list[Row]]:
    """The days a trend draws, and their rows; of a day that is not known, the day alone."""
    days = view.period.shown(least=LEAST_DAYS)
    rows = view.book.by_day(table, days)
    return days, [row or {"day": day} for day, row in zip(days, rows, strict=True)]


def _daily_chart(
    view: View,
    name: str,
    table: str,
    columns: Sequence[Column],
    drawing: LineChart | ColumnChart,
    *,
    rows: Sequence[Row],
    height: int,
    span: int = 6,
    notes: Sequence[str] = (),
    keys: Sequence[tuple[str, str]] = (),
) -> Chart:
    if drawing.open_from is not None:
        notes = [*notes, view.say("chart.open")]
    days, period = [row["day"] for row in rows], view.period
    return Chart(
        name=name,
        title=drawing.title,
        subtitle=view.say(f"chart.{name}.sub", target=view.target),
        note=" · ".join(notes),
        table=f"kpi.{table}",
        key=("day",),
        columns=(Column("day", view.say("col.day"), "day"), *columns),
        rows=rows,
        keys=keys,
        drawing=drawing if any(len(row) > 1 for row in rows) else None,
        span=span,
        height=height,
        chosen=(days.index(period.start), days.index(period.end)) if len(days) > period.length else None,
    )


def response_trend(view: View, *, span: int, with_p90: bool) -> Chart:
    """First response time by day with the target."""
    lines: list[Series] = [("first_response_seconds_median", view.say("word.median"), "first")]
    if with_p90:
        lines.append(("first_response_seconds_p90", view.say("word.p90"), "second"))
    return daily_lines(
        view,
        "first_response",
        "response_times_daily",
        lines,
        (
            Column("first_response_seconds_median", view.say("col.median"), "seconds"),
            Column("first_response_seconds_p90", view.say("col.p90"), "seconds"),
            Column("first_answered_waits", view.say("col.first_answered"), "count"),
            Column("missed_waits", view.say("col.missed"), "count"),
            Column("first_within_target_rate", view.say("col.within"), "rate"),
            Column("coverage", view.say("col.coverage"), "rate"),
        ),
        words=view.duration,
        scale="time",
        rule=Rule(view.say("chart.target", target=view.target), view.settings.first_response_target_minutes * 60),
        span=span,
        height=280,
    )


def resolved_trend(view: View) -> Chart:
    """Conversations resolved by day."""
    quietly, by_operator = view.say("key.quiet"), view.say("key.operator")
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
            Column("resolved", view.say("col.resolved"), "count"),
            Column("resolved_quietly", quietly, "count"),
            Column("resolved_by_operator", by_operator, "count"),
            Column("unresolved", view.say("col.unresolved"), "count"),
            Column("resolution_seconds_median", view.say("col.median"), "seconds"),
        ),
        height=220,
    )
