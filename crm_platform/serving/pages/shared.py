"""Figures, sentences and charts that more than one page shows.

What belongs here: what would otherwise be said twice, in two ways. What does not: what one page alone shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from crm_platform.languages import N_
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import Chart, Column
from crm_platform.serving.pages.charts import ColumnChart, Line, LineChart, Rule, Words
from crm_platform.serving.pages.frame import View
from crm_platform.serving.pages.period import read_period
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.tiles import Ranged, Source, Tile

_MOVED: Final[Mapping[str, str]] = {
    # Translators: goes on after: First replies took 4 min at the median in the last 7 days
    "better": N_(", {change} faster than {before}"),
    "worse": N_(", {change} slower than {before}"),
}
# Translators: goes on after the same
_SAME: Final = N_(", much as in {before}")
# Whether the first response time is good.
_MET: Final = N_(
    "The median is within the target of {target}, but it is of those who got a reply. Of all {n} conversations that "
    "are decided {share} got theirs in time, {late} waited longer or got none."
)
_OVER: Final = N_(
    "No: it is over the target of {target}. Of all {n} conversations that are decided {share} got theirs in time, "
    "{late} waited longer or got none."
)

_FIRST_RESPONSE: Final = ("response_times_daily", "first_response_seconds_median")

Series = tuple[str, str, str]
"""A column of a daily table, its name in words, its class in the style sheet."""

LEAST_DAYS = 28  # a trend by day draws at least four weeks; the chosen days are shaded


def ranged(view: View) -> Ranged:
    """Figures over the chosen days."""
    zone = view._("days by {zone} time", zone=view.published.zone.key)
    return Ranged(view.published, view.period, window=f"{view.window}; {zone}")


def first_waits(view: View) -> tuple[int, int]:
    """First waits of the chosen days that were answered, and that were missed."""
    answered, missed = (
        view.published.value("response_times_daily", column, view.period)
        for column in ("first_answered_waits", "missed_waits")
    )
    return answered or 0, missed or 0


def first_response(view: View, within: Tile) -> Tile:
    """Median first response time, how it stands to the target and to business hours. `within`: the share in time."""
    answered, missed = first_waits(view)
    # Translators: what a figure is made of; further parts are added to it
    base = view.ngettext("1 first reply", "{n} first replies", answered) + (
        view.ngettext("; 1 conversation got none", "; {n} conversations got none", missed) if missed else ""
    )
    source = Source("core.response_waits", "response_seconds", "median")
    figure = ranged(view).figure("first_response", *_FIRST_RESPONSE, source, base=base + _left_out(view))
    if figure.value is None:
        return figure
    verdict = _MET if figure.value <= view.settings.first_response_target_seconds else _OVER
    share, late = view.value("rate", within.value), view.value("rate", 1 - (within.value or 0))
    n = view.count(answered + missed)
    facts = [(view._("Is it good?"), view._(verdict, target=view.target, n=n, share=share, late=late))]
    four_weeks = read_period({"range": "28d"}, today=view.period.today, default="28d")
    is_known = view.published.first_day is not None and view.published.first_day <= four_weeks.start
    if is_known and view.period.is_current and view.period.length < four_weeks.length:
        longer = view.published.value(*_FIRST_RESPONSE, four_weeks)
        facts.append((view._("Over the last 28 full days"), view.value("seconds", longer)))
    if view.settings.business_hours.strip().lower() != "none":
        inside = view.published.value("response_times_daily", "business_first_response_seconds_median", view.period)
        places = {"value": view.value("seconds", inside), "hours": view.settings.business_hours}
        facts.append(
            (
                view._("Business hours only"),
                view._(
                    "{value}: the same waits; time within the team's hours ({hours}) counts, time outside them does "
                    "not",
                    **places,
                ),
            )
        )
    return replace(figure, facts=facts)


def _decided(view: View) -> str:
    """How many first waits are answered or missed, and what is left out, in words."""
    answered, missed = first_waits(view)
    places = {"answered": view.count(answered), "missed": view.count(missed)}
    return view.ngettext(
        "1 conversation: {answered} got a first reply, {missed} were missed",
        "{n} conversations: {answered} got a first reply, {missed} were missed",
        answered + missed,
        **places,
    ) + _left_out(view)


def _left_out(view: View) -> str:
    """How many first waits go on, and how many waits are of conversations whose beginning is not known, in words."""
    begun, truncated = (
        view.published.value("response_times_daily", column, view.period) or 0
        for column in ("first_waits", "left_truncated_waits")
    )
    waiting = begun - sum(first_waits(view))
    words = (
        view.ngettext(
            "; 1 still waits for a first reply and is not in it yet: it can still move",
            "; {n} still wait for a first reply and are not in it yet: it can still move",
            waiting,
        )
        if waiting > 0
        else ""
    )
    return words + (
        view.ngettext(
            "; 1 message that waited is left out, because the beginning of its conversation is not known",
            "; {n} messages that waited are left out, because the beginning of their conversation is not known",
            truncated,
        )
        if truncated
        else view._("; nothing is left out for an unknown beginning")
    )


def answer_rate(view: View) -> Tile:
    """Answered / (answered + missed)."""
    source = Source("kpi.response_times_daily", "first_answered_waits,missed_waits", "share")
    return ranged(view).figure("answer_rate", "response_times_daily", "answer_rate", source, base=_decided(view))


def within_target(view: View) -> Tile:
    """Share of first waits answered within the target."""
    source = Source("core.response_waits", "response_seconds", "within")
    column = "first_within_target_rate"
    return ranged(view).figure("within_target", "response_times_daily", column, source, base=_decided(view))


def resolved(view: View) -> Tile:
    """Conversations resolved. More of them is only better when as many came in, so it is called neither."""
    source = Source("kpi.chats_resolved_daily", "resolved", "sum")
    base = view._("conversations that were resolved on these days")
    return ranged(view).figure("resolved", "chats_resolved_daily", "resolved", source, base=base)


def open_waits(view: View) -> Tile:
    """Chats that wait now, beside the end of the day a week ago: another time of day, so neither better nor worse."""
    row = view.published.one("executive_summary")
    now = view.published.one("backlog_now")
    shown = view.period.shown()
    return Tile(
        name="open_waits",
        kind="count",
        value=row.get("open_waits"),
        previous=row.get("open_waits_previous"),
        source=Source("kpi.executive_summary", "open_waits"),
        good="neither",
        window=view._("now, against the end of the day 7 days ago"),
        base=view._("all chats, as far as each is known"),
        coverage=now.get("coverage"),
        is_provisional=bool(now.get("is_provisional", True)),
        spark=[one.get("open_waits_at_end") for one in view.published.by_day("backlog_daily", shown)],
        spark_open=view.period.open_from(shown),
        tag=view._("now"),
    )


def say_first_response(view: View, figure: Tile, within: Tile) -> str:
    """Tell the first response time, how it moved, how many were in time, and how many got none."""
    if figure.value is None:
        return _say_none(view)
    words = view._(
        "First replies took {value} at the median {when}", value=view.value("seconds", figure.value), when=view.when
    )
    if figure.previous is not None:
        words += view._(_MOVED.get(figure.trend, _SAME), change=view.difference(figure), before=view.before)
    answered, missed = first_waits(view)
    share = view.value("rate", within.value)
    of = view.count(answered + missed)
    outcome = view.ngettext(
        "{share} of the conversations got theirs within the target of {target}, 1 of {of} got none",
        "{share} of the conversations got theirs within the target of {target}, {n} of {of} got none",
        missed,
        share=share,
        of=of,
        target=view.target,
    )
    return f"{words}. {outcome}"


def _say_none(view: View) -> str:
    """Say that nobody had to be answered, as far as is read, or that the days are from before anything is known."""
    first = view.published.first_day
    if first is None or view.period.end >= first:
        if view.is_unread(view.published.coverage(view.period)):
            return view._("Of what is read so far, nobody had to be answered {when}", when=view.when)
        return view._("Nobody had to be answered {when}", when=view.when)
    return view._(
        "Nothing is known of the messages {when}: the oldest day that is known is {day}",
        when=view.when,
        day=numbers.day(view.language, first, year=True),
    )


def say_waiting(view: View) -> str:
    """Tell who waits now, without a full stop."""
    row = view.published.one("backlog_now")
    waiting, closing = row.get("open_waits", 0), row.get("windows_expiring_2h", 0)
    if not waiting:
        if view.is_unread(row.get("coverage")):
            return view._("Of what is read so far, no chat waits now")
        return view._("No chat waits now")
    return view.ngettext("1 chat waits now", "{n} chats wait now", waiting) + (
        view.ngettext(
            ", 1 of them loses its window within 2 hours", ", {n} of them lose their window within 2 hours", closing
        )
        if closing
        else ""
    )


def daily_lines(
    view: View,
    name: str,
    table: str,
    lines: Sequence[Series],
    columns: Sequence[Column],
    *,
    title: str,
    subtitle: str,
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
        notes.append(view._("logarithmic scale"))
    if len(days) > view.period.length + 1:
        notes.append(view._("shaded: the chosen days"))
    drawing = LineChart(
        title=title,
        description=rule.name if rule else subtitle,
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
    return _daily_chart(
        view, name, table, columns, drawing, subtitle=subtitle, rows=rows, notes=notes, span=span, height=height
    )


def daily_columns(
    view: View,
    name: str,
    table: str,
    stacks: Sequence[Series],
    columns: Sequence[Column],
    *,
    title: str,
    subtitle: str,
    is_hollow: bool = True,
    height: int = 240,
) -> Chart:
    """Columns of a daily table, stacked. `is_hollow`: days that are not over are drawn so."""
    days, rows = _daily(view, table)
    drawing = ColumnChart(
        title=title,
        description=subtitle,
        names=[numbers.day(view.language, day) for day in days],
        stacks=[Line(said, [row.get(column) for row in rows], look) for column, said, look in stacks],
        words=partial(numbers.short_count, view.language),
        open_from=view.period.open_from(days) if is_hollow else None,
        days=days,
    )
    keys = [(look, said) for _, said, look in stacks] if len(stacks) > 1 else []
    return _daily_chart(view, name, table, columns, drawing, subtitle=subtitle, rows=rows, height=height, keys=keys)


def _daily(view: View, table: str) -> tuple[list[dt.date], list[Row]]:
    """The days a trend draws, and their rows; of a day that is not known, the day alone."""
    days = view.period.shown(least=LEAST_DAYS)
    rows = view.published.by_day(table, days)
    return days, [row or {"day": day} for day, row in zip(days, rows, strict=True)]


def _daily_chart(
    view: View,
    name: str,
    table: str,
    columns: Sequence[Column],
    drawing: LineChart | ColumnChart,
    *,
    subtitle: str,
    rows: Sequence[Row],
    height: int,
    span: int = 6,
    notes: Sequence[str] = (),
    keys: Sequence[tuple[str, str]] = (),
) -> Chart:
    if drawing.open_from is not None:
        notes = [*notes, view._("hollow: day not complete")]
    days, period = [row["day"] for row in rows], view.period
    return Chart(
        name=name,
        title=drawing.title,
        subtitle=subtitle,
        note=" · ".join(notes),
        table=f"kpi.{table}",
        key=("day",),
        columns=(Column("day", view._("Day"), "day"), *columns),
        rows=rows,
        keys=keys,
        drawing=drawing if any(len(row) > 1 for row in rows) else None,
        span=span,
        height=height,
        chosen=(days.index(period.start), days.index(period.end)) if len(days) > period.length else None,
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
            Column("first_response_seconds_median", view._("Median"), "seconds"),
            Column("first_response_seconds_p90", view._("9 of 10 within"), "seconds"),
            Column("first_answered_waits", view._("First answered"), "count"),
            Column("missed_waits", view._("Missed"), "count"),
            Column("first_within_target_rate", view._("Within target"), "rate"),
            Column("coverage", view._("Seen"), "rate"),
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
            Column("resolved", view.pgettext("heading", "Chats resolved"), "count"),
            Column("resolved_quietly", quietly, "count"),
            Column("resolved_by_operator", by_operator, "count"),
            Column("unresolved", view._("Ended missed"), "count"),
            Column("resolution_seconds_median", view._("Median"), "seconds"),
        ),
        title=view._("Are chats brought to an end?"),
        subtitle=view._("Conversations resolved per day"),
        height=220,
    )
