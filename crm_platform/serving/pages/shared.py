"""Figures, sentences and charts that more than one page shows.

What belongs here: what would otherwise be said twice, in two ways. What does not: what one page alone shows.
"""

from __future__ import annotations

from crm_platform.serving.pages import charts, numbers
from crm_platform.serving.pages.book import total
from crm_platform.serving.pages.chart import Chart, Column, both
from crm_platform.serving.pages.charts import Line, Rule, Size
from crm_platform.serving.pages.figures import Figure, Ranged, Source
from crm_platform.serving.pages.frame import View

LEAST_DAYS = 28  # a trend by day draws at least four weeks; the chosen days are shaded


def ranged(view: View) -> Ranged:
    """Figures over the chosen days."""
    return Ranged(view.book, view.period, window=view.window)


def first_response(view: View) -> Figure:
    """Median first response time."""
    rows = view.book.by_day("response_times_daily", view.period.days)
    answered = total(rows, "first_answered_waits") or 0
    return ranged(view).first_response(base=view.say("base.first_answered", n=numbers.count(answered)))


def answer_rate(view: View) -> Figure:
    """Answered / (answered + missed)."""
    rows = view.book.by_day("response_times_daily", view.period.days)
    answered, missed = total(rows, "first_answered_waits") or 0, total(rows, "missed_waits") or 0
    base = view.say(
        "base.first_all",
        n=numbers.count(answered + missed),
        answered=numbers.count(answered),
        missed=numbers.count(missed),
    )
    return ranged(view).share(
        "answer_rate",
        "response_times_daily",
        "first_answered_waits",
        "missed_waits",
        "answer_rate",
        good="up",
        base=base,
    )


def within_target(view: View) -> Figure:
    """Share of first waits answered within the target."""
    return ranged(view).within_target(view.settings.first_response_target_minutes * 60, base=answer_rate(view).base)


def resolved(view: View) -> Figure:
    """Conversations resolved."""
    return ranged(view).sum(
        "resolved", "chats_resolved_daily", "resolved", good="up", base=view.say("base.conversations")
    )


def open_waits(view: View) -> Figure:
    """Chats that wait now, against the end of the day a week ago."""
    row = view.book.one("executive_summary")
    now = view.book.one("backlog_now")
    shown = view.period.shown()
    return Figure(
        name="open_waits",
        kind="count",
        value=row.get("open_waits"),
        previous=row.get("open_waits_previous"),
        source=Source("kpi.executive_summary", "open_waits"),
        good="down",
        window=view.say("window.now"),
        base=view.say("base.open"),
        coverage=now.get("coverage"),
        is_provisional=bool(now.get("is_provisional", True)),
        spark=[one.get("open_waits_at_end") for one in view.book.by_day("backlog_daily", shown)],
        spark_open=next((index for index, day in enumerate(shown) if day >= view.period.today), None),
    )


def say_first_response(view: View, figure: Figure) -> str:
    """Tell the first response time and how it moved, without a full stop."""
    if figure.value is None:
        return view.say("say.no_response", when=view.when)
    words = view.say("say.first_response", value=view.value("seconds", figure.value), when=view.when)
    if figure.previous is None:
        return words
    key = {"better": "say.faster", "worse": "say.slower"}.get(figure.trend, "say.same")
    return words + view.say(key, change=view.difference(figure), before=view.before)


def say_waiting(view: View) -> str:
    """Tell who waits now, without a full stop."""
    row = view.book.one("backlog_now")
    waiting, closing = row.get("open_waits", 0), row.get("windows_expiring_2h", 0)
    if not waiting:
        return view.say("say.waiting.none")
    words = view.say("say.waiting.one") if waiting == 1 else view.say("say.waiting", n=numbers.count(waiting))
    if closing:
        words += view.say("say.windows.one") if closing == 1 else view.say("say.windows", n=numbers.count(closing))
    return words


def response_trend(view: View, *, span: int, with_p90: bool) -> Chart:
    """First response time by day with the target."""
    days = view.period.shown(least=LEAST_DAYS)
    rows = view.book.by_day("response_times_daily", days)
    lines = [Line(view.say("word.median"), [row.get("first_response_seconds_median") for row in rows], "first")]
    if with_p90:
        lines.append(Line(view.say("word.p90"), [row.get("first_response_seconds_p90") for row in rows], "second"))
    title = view.say("chart.first_response")
    target = view.say("chart.target", target=view.target)

    def draw(size: Size) -> str:
        return charts.line_chart(
            size,
            title=title,
            description=target,
            days=days,
            lines=lines,
            words=view.duration,
            day_words=lambda day: numbers.day(view.language, day),
            scale="time",
            rule=Rule(target, view.settings.first_response_target_minutes * 60),
            open_from=next((index for index, day in enumerate(days) if day >= view.period.today), None),
            band_from=days.index(view.period.start),
            band_to=days.index(view.period.end),
        )

    wide, narrow = both(span, draw, height=280)
    notes = [view.say("chart.log")]
    if len(days) > view.period.length + 1:
        notes.append(view.say("chart.shaded"))
    if days[-1] >= view.period.today:
        notes.append(view.say("chart.open"))
    return Chart(
        name="first_response",
        title=title,
        subtitle=view.say("chart.first_response.sub"),
        note=" · ".join(notes),
        table="kpi.response_times_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("first_response_seconds_median", view.say("col.median"), "seconds"),
            Column("first_response_seconds_p90", view.say("col.p90"), "seconds"),
            Column("first_answered_waits", view.say("col.first_answered"), "count"),
            Column("missed_waits", view.say("col.missed"), "count"),
            Column("first_within_target_rate", view.say("col.within"), "rate"),
            Column("coverage", view.say("col.coverage"), "rate"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        wide=wide,
        narrow=narrow,
        span=span,
    )


def resolved_trend(view: View) -> Chart:
    """Conversations resolved by day."""
    days = view.period.shown(least=LEAST_DAYS)
    rows = view.book.by_day("chats_resolved_daily", days)
    title, subtitle = view.say("chart.resolved"), view.say("chart.resolved.sub")
    parts = (("resolved_quietly", "key.quiet", "first"), ("resolved_by_operator", "key.operator", "second"))

    def draw(size: Size) -> str:
        if not any(rows):
            return ""
        return charts.column_chart(
            size,
            title=title,
            description=subtitle,
            names=[numbers.day(view.language, day) for day in days],
            stacks=[Line(view.say(key), [row.get(name) for row in rows], look) for name, key, look in parts],
            words=numbers.short_count,
            open_from=next((index for index, day in enumerate(days) if day >= view.period.today), None),
            ticks_at=charts.day_ticks(days, size),
        )

    wide, narrow = both(6, draw, height=220)
    return Chart(
        name="resolved",
        title=title,
        subtitle=subtitle,
        table="kpi.chats_resolved_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("resolved", view.say("col.resolved"), "count"),
            Column("resolved_quietly", view.say("key.quiet"), "count"),
            Column("resolved_by_operator", view.say("key.operator"), "count"),
            Column("unresolved", view.say("col.unresolved"), "count"),
            Column("resolution_seconds_median", view.say("col.median"), "seconds"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        keys=[(look, view.say(key)) for _, key, look in parts],
        wide=wide,
        narrow=narrow,
    )
