"""The support page: how fast are replies, who waits, who answers?

What belongs here: its sentence, which figures and charts it has, and charts by day. What does not: tiles and sentences
about replies (replies.py, later.py), tiles of what events tell (events.py), which hours count (hours.py), charts by
agent (promise.py, workload.py, leaderboard.py), charts that other pages show too (daily.py).
"""

from __future__ import annotations

import itertools
from typing import Final

from crm_platform.receipts.narrowed import OF_AGENTS
from crm_platform.serving.pages import daily, events, later, leaderboard, numbers, promise, replies, workload
from crm_platform.serving.pages.addresses import band_hrefs, receipt_href
from crm_platform.serving.pages.bars import Bar, BarChart
from crm_platform.serving.pages.chart import Chart, ChartColumn, week_map
from crm_platform.serving.pages.hours import Hours, choices, read_hours
from crm_platform.serving.pages.published import Row, total
from crm_platform.serving.pages.tiles import on_one_page
from crm_platform.serving.pages.view import Content, View, sentences

# Seconds: where the bands of response times and of ages end; the target is put between the first.
_BANDS: Final = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0)
_FIRST: Final = 5  # tiles of the first row
_ENOUGH: Final = 10  # missed chats, before a weekday is named for them
_AGES: Final = (900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 22 * 3600.0, 24 * 3600.0)


def build(view: View) -> Content:
    """Build the page."""
    hours = read_hours(view)
    within = replies.within_target(view, hours)
    figures = on_one_page(
        [
            replies.first_response(view, within, hours),
            within,
            replies.answer_rate(view),
            replies.open_waits(view),
            replies.windows(view),
            later.later_response(view, hours),
            later.resolution(view, hours),
            replies.resolved(view),
            *events.tiles(view),
        ]
    )
    response, within, *_ = figures
    drawn = [
        daily.response_trend(view, span=8, with_p90=True, hours=hours),
        _within(view, hours),
        promise.by_agent(view, hours),
        promise.by_weekday(view, hours),
        _spread(view, hours),
        _outcomes(view),
        daily.resolved_trend(view),
        _resolution(view, hours),
        _backlog(view, hours),
        _ages(view, hours),
        _volume(view),
        workload.by_hour(view),
        leaderboard.leaderboard(view, hours),
    ]
    said = replies.say_first_response(view, response, within, hours)
    return Content(
        sentence=sentences(said, _say_worst(view), replies.say_waiting(view)),
        figures=figures[:_FIRST],
        charts={chart.name: chart for chart in drawn},
        more={"hours": choices(view, hours), "nobodys": _say_nobodys(view), "second": figures[_FIRST:]},
    )


def _say_nobodys(view: View) -> str:
    """Where the page is narrowed to agents or teams, tell what is no agent's, and so in none of its figures."""
    missed = promise.of_nobody(view) if view.published.narrowing.kinds & OF_AGENTS else 0
    return (
        missed
        and view.ngettext(
            "1 conversation was missed while it was assigned to nobody: it is in no agent's figures.",
            "{n} conversations were missed while they were assigned to nobody: they are in no agent's figures.",
            missed,
        )
    ) or ""


def _say_worst(view: View) -> str:
    """Name the weekday on which chats are missed at least twice as often as on all days together, if there is one."""
    days = [day for day in view.period.shown(least=daily.LEAST_DAYS) if day < view.period.today]
    rows = view.published.by_day("response_times_daily", days)
    worst, share = None, 2 * _missed_share(rows)
    for weekday in range(7):
        own = [row for row in rows if row and row["day"].weekday() == weekday]
        if _missed_share(own) >= share > 0 and (total(own, "missed_waits") or 0) >= _ENOUGH:
            worst, share = weekday, _missed_share(own)
    if worst is None:
        return ""
    places = {"from_": view.day(days[0]), "to": view.day(days[-1]), "share": view.percent(share)}
    places["day"] = view.language.weekdays(worst)
    return view._("On {day} {share} got none ({from_} to {to}), more than on any other weekday", **places)


def _missed_share(rows: list[Row]) -> float:
    answered, missed = total(rows, "first_answered_waits") or 0, total(rows, "missed_waits") or 0
    return missed / (answered + missed) if missed else 0.0


def _within(view: View, hours: Hours) -> Chart:
    within, column = view._("Within target"), hours.column("first_within_target_rate")
    subtitle = view._(
        "First replies within {target}, in % of conversations that got one or were missed", target=view.target
    )
    return daily.daily_lines(
        view,
        "within_target",
        "response_times_daily",
        ((column, within, "first"),),
        (ChartColumn(column, within, "rate"), ChartColumn("answer_rate", view._("Answer rate"), "rate")),
        title=view._("Are replies in time?"),
        subtitle=hours.told(view, subtitle),
        words=numbers.axis_percent,
        top=1.0,
        span=4,
        height=280,
    )


def _bands(view: View, edges: tuple[float, ...]) -> list[str]:
    """Names of the bands between edges."""
    inner = [f"{view.duration(low)} – {view.duration(high)}" for low, high in itertools.pairwise(edges)]
    return [
        view._("< {high}", high=view.duration(edges[0])),
        *inner,
        view._("> {low}", low=view.duration(edges[-1])),
    ]


def _spread(view: View, hours: Hours) -> Chart:
    target = view.settings.first_response_target_seconds
    edges = tuple(sorted({*_BANDS, target}))
    measure = hours.column("response_seconds")
    answered = view.published.bands("response_times_daily", "first_answered_waits", measure, edges, view.period)
    counts = [*answered, view.published.value("response_times_daily", "missed_waits", view.period) or 0]
    names = [*_bands(view, edges), view.pgettext("waits", "missed")]
    looks = [*("first" if edge <= target else "third" for edge in edges), "third", "second"]
    rows = [{"band": name, "conversations": count} for name, count in zip(names, counts, strict=True)]
    table, days = "kpi.response_times_daily", view.period.key
    addresses = [
        *band_hrefs(table, "first_answered_waits", days, edges, measure=measure, kept=view.kept),
        receipt_href(table, "missed_waits", days, view.kept),
    ]
    bars = [
        Bar(name, count, view.count(count), look=look) for name, count, look in zip(names, counts, looks, strict=True)
    ]
    return Chart(
        name="spread",
        title=view._("How are first replies spread?"),
        subtitle=hours.told(
            view, view._("Conversations by the time to their first reply, {window}", window=view.window)
        ),
        table="core.response_waits",
        how="bands",
        attributes={"data-from": str(view.period.start), "data-to": str(view.period.end)},
        key=("band",),
        columns=(
            # Translators: how long it took to the first reply
            ChartColumn("band", view._("Time"), "text"),
            ChartColumn("conversations", view._("Conversations"), "count"),
        ),
        rows=rows,
        keys=(
            # Translators: a legend: replies within the target, and later ones
            ("first", view._("within {target}", target=view.target)),
            ("third", view._("later")),
            ("second", view.pgettext("waits", "missed")),
        ),
        addresses=addresses,
        drawing=BarChart(bars=bars, row=26) if any(counts) else None,
    )


def _outcomes(view: View) -> Chart:
    answered, trailing = view.pgettext("waits", "answered"), view._("thanks and the like")
    waiting, missed = view.pgettext("waits", "still waiting"), view.pgettext("waits", "missed")
    return daily.daily_columns(
        view,
        "outcomes",
        "response_times_daily",
        (
            ("answered_waits", answered, "first"),
            ("trailing_waits", trailing, "third"),
            ("open_waits", waiting, "soft"),
            ("missed_waits", missed, "second"),
        ),
        (
            ChartColumn("waits", view._("Waits"), "count"),
            ChartColumn("answered_waits", view.pgettext("waits", "Answered"), "count"),
            # Translators: waits that a last word of the customer left open
            ChartColumn("trailing_waits", view._("Thanks"), "count"),
            # Translators: waits that go on
            ChartColumn("open_waits", view._("Waiting"), "count"),
            ChartColumn("missed_waits", view._("Missed"), "count"),
        ),
        title=view._("What became of the waits?"),
        subtitle=view._(
            "Waits by the day they began. Missed: no first reply within 24 hours of silence, or before a mark as done. "
            "Thanks and the like: a last word after your reply"
        ),
        is_hollow=False,
    )


def _resolution(view: View, hours: Hours) -> Chart:
    median = view._("Median")
    return daily.daily_lines(
        view,
        "resolution",
        "chats_resolved_daily",
        (("resolution_seconds_median", median, "first"),),
        (
            ChartColumn("resolution_seconds_median", median, "seconds"),
            ChartColumn("resolved", view.pgettext("heading", "Chats resolved"), "count"),
        ),
        title=view._("How long until a chat is resolved?"),
        subtitle=hours.other(
            view, view._("From the first message to the end, median over the conversations resolved that day")
        ),
        words=view.duration,
        scale="time",
        height=248,
    )


def _backlog(view: View, hours: Hours) -> Chart:
    # Translators: chats that still wait at the end of a day
    left = view._("Left at the end")
    return daily.daily_columns(
        view,
        "backlog",
        "backlog_daily",
        (("open_waits_at_end", left, "first"),),
        (
            ChartColumn("open_waits_at_end", left, "count"),
            ChartColumn("oldest_wait_seconds", view._("Oldest wait"), "seconds"),
        ),
        title=view._("How many are left at the end of the day?"),
        subtitle=hours.other(view, view._("Chats waiting at the end of each day")),
        height=220,
    )


def _ages(view: View, hours: Hours) -> Chart:
    counts = view.published.bands("backlog_now", "open_waits", "waited_seconds", _AGES)
    names = _bands(view, _AGES)
    bars = [
        Bar(name, count, view.count(count), look="first" if number < 5 else "second")
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
    return Chart(
        name="ages",
        title=view._("How long have those who wait now waited?"),
        subtitle=hours.other(
            view,
            view._(
                "Chats waiting now, by the age of the oldest message without a reply; the 24-hour window runs from the "
                "newest"
            ),
        ),
        table="core.response_waits",
        how="ages",
        key=("band",),
        columns=(ChartColumn("band", view._("Time"), "text"), ChartColumn("chats", view._("Chats"), "count")),
        rows=[{"band": name, "chats": count} for name, count in zip(names, counts, strict=True)],
        addresses=band_hrefs("kpi.backlog_now", "open_waits", {}, _AGES, measure="waited_seconds", kept=view.kept),
        drawing=BarChart(bars=bars) if any(counts) else None,
    )


def _volume(view: View) -> Chart:
    rows = view.published.rows("message_volume_hourly")
    return Chart(
        name="volume",
        title=view._("When do customers write?"),
        subtitle=view._("Messages from contacts by weekday and hour, last 84 full days"),
        table="kpi.message_volume_hourly",
        key=("weekday", "hour"),
        columns=(
            ChartColumn("weekday", view._("Weekday"), "weekday"),
            ChartColumn("hour", view._("Hour"), "hour"),
            ChartColumn("inbound", view._("From contacts"), "count"),
            ChartColumn("replies", view._("Replies"), "count"),
            ChartColumn("templates", view._("Templates"), "count"),
        ),
        rows=rows,
        drawing=week_map(view.language, rows, "inbound") if any(row["inbound"] for row in rows) else None,
        span=12,
        height=238,
    )
