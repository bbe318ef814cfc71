"""The support page: how fast are replies, who waits, who answers?

What belongs here: its sentence, figures and charts. What does not: those that other pages show too (shared.py).
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from crm_platform.serving.pages import charts, numbers, shared
from crm_platform.serving.pages.book import total
from crm_platform.serving.pages.chart import Chart, Column, both
from crm_platform.serving.pages.charts import Line, Size
from crm_platform.serving.pages.figures import Figure, Source
from crm_platform.serving.pages.frame import Content, View

# Seconds: where the bands of response times and of ages end; the target is put between the first.
_BANDS: Final = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0)
_AGES: Final = (900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 22 * 3600.0, 24 * 3600.0)


def build(view: View) -> Content:
    """Build the page."""
    response, within = shared.first_response(view), shared.within_target(view)
    figures = [response, within, shared.answer_rate(view), shared.open_waits(view), _windows(view)]
    said = shared.say_first_response(view, response)
    if within.value is not None:
        said += view.say("say.within", share=view.value("rate", within.value), target=view.target)
    drawn = [
        shared.response_trend(view, span=8, with_p90=True),
        _within(view),
        _spread(view),
        _outcomes(view),
        shared.resolved_trend(view),
        _resolution(view),
        _backlog(view),
        _ages(view),
        _volume(view),
        _agents(view),
    ]
    return Content(
        sentence=f"{said}. {_say_missed(view)}. {shared.say_waiting(view)}.",
        figures=figures,
        charts={chart.name: chart for chart in drawn},
    )


def _say_missed(view: View) -> str:
    missed = total(view.book.by_day("response_times_daily", view.period.days), "missed_waits") or 0
    if missed == 0:
        return view.say("say.missed.none")
    return view.say("say.missed.one") if missed == 1 else view.say("say.missed", n=numbers.count(missed))


def _windows(view: View) -> Figure:
    row = view.book.one("backlog_now")
    return Figure(
        name="windows",
        kind="count",
        value=row.get("windows_expiring_2h"),
        source=Source("kpi.backlog_now", "windows_expiring_2h"),
        good="down",
        window=view.say("window.now_only"),
        base=view.say("base.open"),
        coverage=row.get("coverage"),
        is_provisional=bool(row.get("is_provisional", True)),
        has_history=False,
    )


def _open_from(view: View, days: list[Any]) -> int | None:
    return next((index for index, day in enumerate(days) if day >= view.period.today), None)


def _within(view: View) -> Chart:
    days = view.period.shown(least=shared.LEAST_DAYS)
    rows = view.book.by_day("response_times_daily", days)
    title, subtitle = view.say("chart.within"), view.say("chart.within.sub", target=view.target)

    def draw(size: Size) -> str:
        return charts.line_chart(
            size,
            title=title,
            description=subtitle,
            days=days,
            lines=[Line("", [row.get("first_within_target_rate") for row in rows])],
            words=lambda share: f"{share * 100:.0f}\u00a0%",
            day_words=lambda day: numbers.day(view.language, day),
            top=1.0,
            open_from=_open_from(view, days),
            band_from=days.index(view.period.start),
            band_to=days.index(view.period.end),
            whole=False,
        )

    wide, narrow = both(4, draw, height=280)
    return Chart(
        name="within_target",
        title=title,
        subtitle=subtitle,
        table="kpi.response_times_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("first_within_target_rate", view.say("col.within"), "rate"),
            Column("answer_rate", view.say("figure.answer_rate"), "rate"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        wide=wide,
        narrow=narrow,
        span=4,
    )


def _bands(view: View, edges: tuple[float, ...]) -> list[str]:
    """Names of the bands between edges."""
    inner = [f"{view.duration(low)} – {view.duration(high)}" for low, high in itertools.pairwise(edges)]
    return [
        view.say("band.under", high=view.duration(edges[0])),
        *inner,
        view.say("band.over", low=view.duration(edges[-1])),
    ]


def _spread(view: View) -> Chart:
    target = view.settings.first_response_target_minutes * 60
    edges = tuple(sorted({*_BANDS, target}))
    counts = view.book.first_responses(view.period, edges)
    names = [*_bands(view, edges), view.say("band.missed")]
    looks = [*("first" if edge <= target else "third" for edge in edges), "third", "second"]
    title, subtitle = view.say("chart.spread"), view.say("chart.spread.sub", window=view.window)
    rows = [{"band": name, "conversations": count} for name, count in zip(names, counts, strict=True)]
    bars = [
        charts.Bar(name, count, numbers.count(count), look=look)
        for name, count, look in zip(names, counts, looks, strict=True)
    ]
    is_empty = not any(counts)
    return Chart(
        name="spread",
        title=title,
        subtitle=subtitle,
        table="core.response_waits",
        how="bands",
        attributes={"data-from": str(view.period.start), "data-to": str(view.period.end)},
        key=("band",),
        columns=(
            Column("band", view.say("col.band"), "text"),
            Column("conversations", view.say("col.chats"), "count"),
        ),
        rows=rows,
        keys=(
            ("first", view.say("key.inside", target=view.target)),
            ("third", view.say("key.later")),
            ("second", view.say("key.missed")),
        ),
        wide="" if is_empty else charts.bar_chart(544, title=title, description=subtitle, bars=bars, row=26),
        narrow="" if is_empty else charts.bar_chart(326, title=title, description=subtitle, bars=bars),
    )


def _outcomes(view: View) -> Chart:
    days = view.period.shown(least=shared.LEAST_DAYS)
    rows = view.book.by_day("response_times_daily", days)
    title, subtitle = view.say("chart.outcomes"), view.say("chart.outcomes.sub")
    parts = (
        ("answered_waits", "key.answered", "first"),
        ("trailing_waits", "key.trailing", "third"),
        ("open_waits", "key.open", "soft"),
        ("missed_waits", "key.missed", "second"),
    )

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
            ticks_at=charts.day_ticks(days, size),
        )

    wide, narrow = both(6, draw)
    return Chart(
        name="outcomes",
        title=title,
        subtitle=subtitle,
        table="kpi.response_times_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("waits", view.say("col.waits"), "count"),
            Column("answered_waits", view.say("col.answered"), "count"),
            Column("trailing_waits", view.say("col.trailing"), "count"),
            Column("open_waits", view.say("col.waiting"), "count"),
            Column("missed_waits", view.say("col.missed"), "count"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        keys=[(look, view.say(key)) for _, key, look in parts],
        wide=wide,
        narrow=narrow,
    )


def _resolution(view: View) -> Chart:
    days = view.period.shown(least=shared.LEAST_DAYS)
    rows = view.book.by_day("chats_resolved_daily", days)
    title, subtitle = view.say("chart.resolution"), view.say("chart.resolution.sub")

    def draw(size: Size) -> str:
        return charts.line_chart(
            size,
            title=title,
            description=subtitle,
            days=days,
            lines=[Line("", [row.get("resolution_seconds_median") for row in rows])],
            words=view.duration,
            day_words=lambda day: numbers.day(view.language, day),
            scale="time",
            open_from=_open_from(view, days),
            band_from=days.index(view.period.start),
            band_to=days.index(view.period.end),
        )

    wide, narrow = both(6, draw, height=248)
    return Chart(
        name="resolution",
        title=title,
        subtitle=subtitle,
        note=view.say("chart.log"),
        table="kpi.chats_resolved_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("resolution_seconds_median", view.say("col.median"), "seconds"),
            Column("resolved", view.say("col.resolved"), "count"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        wide=wide,
        narrow=narrow,
    )


def _backlog(view: View) -> Chart:
    days = view.period.shown(least=shared.LEAST_DAYS)
    rows = view.book.by_day("backlog_daily", days)
    title, subtitle = view.say("chart.backlog"), view.say("chart.backlog.sub")

    def draw(size: Size) -> str:
        if not any(rows):
            return ""
        return charts.column_chart(
            size,
            title=title,
            description=subtitle,
            names=[numbers.day(view.language, day) for day in days],
            stacks=[Line("", [row.get("open_waits_at_end") for row in rows])],
            words=numbers.short_count,
            open_from=_open_from(view, days),
            ticks_at=charts.day_ticks(days, size),
        )

    wide, narrow = both(6, draw, height=220)
    return Chart(
        name="backlog",
        title=title,
        subtitle=subtitle,
        note=view.say("chart.open") if _open_from(view, days) is not None else "",
        table="kpi.backlog_daily",
        key=("day",),
        columns=(
            Column("day", view.say("col.day"), "day"),
            Column("open_waits_at_end", view.say("col.left"), "count"),
            Column("oldest_wait_seconds", view.say("col.oldest"), "seconds"),
        ),
        rows=[row or {"day": day} for day, row in zip(days, rows, strict=True)],
        wide=wide,
        narrow=narrow,
    )


def _ages(view: View) -> Chart:
    counts = view.book.open_waits_by_age(_AGES)
    names = _bands(view, _AGES)
    title, subtitle = view.say("chart.ages"), view.say("chart.ages.sub")
    bars = [
        charts.Bar(name, count, numbers.count(count), look="first" if number < 5 else "second")
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
    is_empty = not any(counts)
    return Chart(
        name="ages",
        title=title,
        subtitle=subtitle,
        table="core.response_waits",
        how="ages",
        key=("band",),
        columns=(Column("band", view.say("col.band"), "text"), Column("chats", view.say("col.chats"), "count")),
        rows=[{"band": name, "chats": count} for name, count in zip(names, counts, strict=True)],
        wide="" if is_empty else charts.bar_chart(544, title=title, description=subtitle, bars=bars),
        narrow="" if is_empty else charts.bar_chart(326, title=title, description=subtitle, bars=bars),
    )


def _volume(view: View) -> Chart:
    rows = view.book.rows("message_volume_hourly")
    title, subtitle = view.say("chart.volume"), view.say("chart.volume.sub")
    inbound = {(row["weekday"], row["hour"]): row["inbound"] for row in rows}

    def draw(size: Size) -> str:
        if not any(inbound.values()):
            return ""
        return charts.heat_map(
            size,
            title=title,
            description=subtitle,
            rows=[numbers.weekday(view.language, number) for number in range(7)],
            columns=[f"{hour:02d}" for hour in range(24)],
            cells=[[inbound.get((weekday, hour)) for hour in range(24)] for weekday in range(7)],
        )

    wide, narrow = both(12, draw, height=238)
    return Chart(
        name="volume",
        title=title,
        subtitle=subtitle,
        table="kpi.message_volume_hourly",
        key=("weekday", "hour"),
        columns=(
            Column("weekday", view.say("col.weekday"), "weekday"),
            Column("hour", view.say("col.hour"), "hour"),
            Column("inbound", view.say("col.inbound"), "count"),
            Column("replies", view.say("col.replies"), "count"),
            Column("templates", view.say("col.templates"), "count"),
        ),
        rows=rows,
        wide=wide,
        narrow=narrow,
        span=12,
    )


def _agents(view: View) -> Chart:
    """The leaderboard of the published window nearest to the chosen days."""
    window = 7 if view.period.length <= 7 else 30
    rows = [row for row in view.book.rows("agent_leaderboard") if row["window_days"] == window]
    rows = sorted(rows, key=lambda row: (row["agent"] == "(unassigned)", -row["replies"], row["agent"]))
    attributed = next((row["attributed_share"] for row in rows), None)
    if attributed is None:
        subtitle = view.say("chart.agents.sub.none", n=window)
    else:
        subtitle = view.say("chart.agents.sub", n=window, share=numbers.percent(attributed))
    return Chart(
        name="agents",
        title=view.say("chart.agents"),
        subtitle=subtitle,
        table="kpi.agent_leaderboard",
        key=("agent", "window_days"),
        columns=(
            Column("agent", view.say("col.agent"), "label"),
            Column("replies", view.say("col.replies"), "count", bar=True),
            Column("first_response_seconds_median", view.say("col.first_median"), "seconds"),
            Column("chats_resolved", view.say("col.resolved"), "count"),
            Column("chats_assigned", view.say("col.assigned"), "count"),
        ),
        rows=rows,
        wide="",
        narrow="",
        span=12,
        table_only=True,
    )
