"""Replies and waits: the tiles about them, and the sentences.

What belongs here: what is said of replies, whichever page shows it; each tile with its words. What does not: charts by
day (daily.py), what the support page alone draws (support.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from crm_platform.languages import N_
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.hours import ALL_HOURS, Hours, are_kept
from crm_platform.serving.pages.period import read_period
from crm_platform.serving.pages.tiles import Source, Tile, TileWords, of_one_row, over_days
from crm_platform.serving.pages.view import View

_MOVED: Final[Mapping[str, str]] = {
    # Translators: goes on after: First replies took 4 min at the median in the last 7 days
    "better": N_(", {change} faster than {before}"),
    "worse": N_(", {change} slower than {before}"),
    "same": N_(", about as {before}"),
}


# Whether the first response time is good.
_MET: Final = N_(
    "The median is within the target of {target}, but it is of those who got a reply. Of all {n} conversations that "
    "are decided {share} got theirs in time, {late} waited longer or got none."
)


_OVER: Final = N_(
    "No: it is over the target of {target}. Of all {n} conversations that are decided {share} got theirs in time, "
    "{late} waited longer or got none."
)


FIRST_RESPONSE = TileWords(
    "first_response",
    subject="support",
    title=N_("First response time"),
    meaning=N_(
        "How long customers wait for the first reply of a conversation: from their oldest message "
        "without a reply to the next reply by your team, day and night, weekends too. The figure is the "
        "median: of the first replies to what was asked on these days half came sooner, half later. A "
        "conversation begins when a chat was quiet for 24 hours. Not in it: chats that never got a reply "
        "(the answer rate tells those), chats still waiting, templates of campaigns, messages that "
        "failed, and conversations whose beginning is not known."
    ),
    use=N_(
        "Seeing whether customers are kept waiting. Compare it with the target, and look at the chart by "
        "day before blaming anybody: on a day when nobody works the wait lasts until the next morning."
    ),
    columns=(
        "kpi.response_times_daily.first_response_seconds_median",
        "kpi.executive_summary.first_response_seconds_median_7d",
    ),
)


BUSINESS_FIRST_RESPONSE = TileWords(
    "business_first_response",
    subject="support",
    title=N_("First response time in business hours"),
    meaning=N_(
        "How long customers wait for the first reply of a conversation while the team is at work: of each wait only "
        "the time inside business hours counts, so one that begins and ends outside them counts as 0 s. The figure is "
        "the median: of the first replies to what was asked on these days half came sooner, half later. Not in it: "
        "what is not in the first response time either."
    ),
    use=N_(
        "Seeing how quick the team is while it is at work. What customers feel is the time by the clock: look at all "
        "hours, too, before opening longer or not."
    ),
    columns=("kpi.response_times_daily.business_first_response_seconds_median",),
)


def first_response(view: View, within: Tile, hours: Hours = ALL_HOURS) -> Tile:
    """Median first response time, how it stands to the target and to the other hours. `within`: the share in time."""
    answered, missed = first_waits(view)
    # Translators: what a figure is made of; further parts are added to it
    base = view.ngettext("1 first reply", "{n} first replies", answered) + (
        view.ngettext("; 1 conversation got none", "; {n} conversations got none", missed) if missed else ""
    )
    source = Source("core.response_waits", hours.column("response_seconds"), "median")
    words = BUSINESS_FIRST_RESPONSE if hours.is_business else FIRST_RESPONSE
    told = ("response_times_daily", hours.column("first_response_seconds_median"))
    figure = over_days(view, words, *told, source, base=base + _left_out(view))
    if figure.value is None:
        return figure
    verdict = _MET if figure.value <= view.settings.first_response_target_seconds else _OVER
    share, late = view.value("rate", within.value), view.value("rate", 1 - (within.value or 0))
    n = view.count(answered + missed)
    facts = [(view._("Is it good?"), view._(verdict, target=hours.target(view), n=n, share=share, late=late))]
    four_weeks = read_period({"range": "28d"}, today=view.period.today)
    is_known = view.published.first_day is not None and view.published.first_day <= four_weeks.start
    if is_known and view.period.is_current and view.period.length < four_weeks.length:
        longer = view.published.value(*told, four_weeks)
        facts.append((view._("Over the last 28 full days"), view.value("seconds", longer)))
    if hours.is_business and answered:
        facts.append(_outside(view, answered))
    if are_kept(view):
        facts.append(_other_hours(view, hours))
    return replace(figure, facts=facts)


def _outside(view: View, answered: int) -> tuple[str, str]:
    """How many first replies came without any business hours having passed, which pull the median down."""
    figure, zero = ("response_times_daily", "first_answered_waits"), "business_response_seconds = 0"
    share = view.published.value_by(*figure, view.period, zero).get(True, 0) / answered
    words = N_("{share} of the first replies came before any of them had passed, and count as 0 s")
    return view._("Outside business hours"), view._(words, share=view.percent(share))


def _other_hours(view: View, hours: Hours) -> tuple[str, str]:
    """The same waits by the clock, or in business hours, whichever the figure is not of."""
    other = Hours(is_business=not hours.is_business).column("first_response_seconds_median")
    value = view.value("seconds", view.published.value("response_times_daily", other, view.period))
    if hours.is_business:
        return view._("All hours"), view._("{value}: the same waits by the clock, day and night", value=value)
    words = N_("{value}: the same waits; time within the team's hours ({hours}) counts, time outside them does not")
    return view._("Business hours only"), view._(words, value=value, hours=view.settings.business_hours)


WITHIN_TARGET = TileWords(
    "within_target",
    subject="support",
    title=N_("Answered within {target}"),
    meaning=N_(
        "Of the conversations that got a first reply or were missed, the share that got it within "
        "{target}. All of them would be 100 %; no other goal is set for it. Higher is better."
    ),
    use=N_("Seeing whether the promise is kept. It moves when a few replies are late, before the median does."),
    columns=("kpi.response_times_daily.first_within_target_rate",),
)


BUSINESS_WITHIN_TARGET = TileWords(
    "business_within_target",
    subject="support",
    title=N_("Answered within {target} of business hours"),
    meaning=N_(
        "Of the conversations that got a first reply or were missed, the share that got it before {target} of business "
        "hours had passed: nights and days off do not count. All of them would be 100 %. Higher is better."
    ),
    use=N_("Seeing whether the promise is kept while the team is at work."),
    columns=("kpi.response_times_daily.business_first_within_target_rate",),
)


def within_target(view: View, hours: Hours = ALL_HOURS) -> Tile:
    """Share of first waits answered within the target."""
    source = Source("core.response_waits", hours.column("response_seconds"), "within")
    words = BUSINESS_WITHIN_TARGET if hours.is_business else WITHIN_TARGET
    column = hours.column("first_within_target_rate")
    return over_days(view, words, "response_times_daily", column, source, base=_decided(view))


ANSWER_RATE = TileWords(
    "answer_rate",
    subject="support",
    title=N_("Answer rate"),
    meaning=N_(
        "Of the conversations that wanted a first reply and either got one or are over (missed), the "
        "share that got one. Chats that still wait count neither way. Higher is better."
    ),
    use=N_(
        "Seeing whether anybody is forgotten. A quick median with a low answer rate means that the easy "
        "chats are answered."
    ),
    columns=(
        "kpi.response_times_daily.answer_rate",
        "kpi.executive_summary.answer_rate_7d",
    ),
)


def answer_rate(view: View) -> Tile:
    """Answered / (answered + missed)."""
    source = Source("kpi.response_times_daily", "first_answered_waits,missed_waits", "share")
    return over_days(view, ANSWER_RATE, "response_times_daily", "answer_rate", source, base=_decided(view))


MISSED = TileWords(
    "missed",
    subject="support",
    title=N_("Missed"),
    meaning=N_(
        "Conversations that wanted a first reply, got none and are over: quiet for more than 24 hours, or marked as "
        "done. Fewer is better."
    ),
    use=N_(
        "Finding days on which nobody answers. These chats are in no response time, so a day can look "
        "quick and still leave half of its customers alone."
    ),
)


TRAILING = TileWords(
    "trailing",
    subject="support",
    title=N_("Thanks and the like"),
    meaning=N_(
        "A customer wrote once more after your reply, nobody wrote back, and the conversation is over. "
        "Mostly a thank-you, so it counts neither as answered nor as missed."
    ),
    use=N_("Nothing to chase: they are shown so that the counts add up."),
    columns=("kpi.response_times_daily.trailing_waits",),
)


OPEN_WAITS = TileWords(
    "open_waits",
    subject="support",
    title=N_("Chats waiting"),
    meaning=N_(
        "Customers who wrote and have no reply yet, in conversations that are not over. It stands beside the end "
        "of the day before the chosen days, which is another time of day, so it is called neither better nor worse."
    ),
    use=N_("Deciding who answers next. The chart of ages tells how many are old."),
    columns=(
        "kpi.backlog_now.open_waits",
        "kpi.executive_summary.open_waits",
    ),
    seen_of="now",
)


def open_waits(view: View) -> Tile:
    """Chats that wait now, beside the end of the day before the range: another time of day."""
    now, shown = view.published.one("backlog_now"), view.period.shown()
    tile = of_one_row(
        view,
        OPEN_WAITS,
        "executive_summary",
        "open_waits",
        window=view._("now, against the end of {day}", day=view.day(view.period.eve)),
        base=view._("all chats, as far as each is known"),
        coverage=now.get("coverage"),
        is_provisional=bool(now.get("is_provisional", True)),
        spark=[one.get("open_waits_at_end") for one in view.published.by_day("backlog_daily", shown)],
        spark_open=view.period.open_from(shown),
        tag=view._("now"),
    )
    (before,) = view.published.by_day("backlog_daily", [view.period.eve])
    return replace(tile, previous=before.get("open_waits_at_end"))


WINDOWS = TileWords(
    "windows",
    subject="support",
    title=N_("Lose their window in 2 h"),
    meaning=N_(
        "Of the chats waiting, those whose 24-hour window since the customer's last message lapses "
        "within two hours. After that WhatsApp allows templates only. Fewer is better."
    ),
    use=N_("Answering these first: in two hours only a paid template can reach them."),
    columns=("kpi.backlog_now.windows_expiring_2h",),
    seen_of="now",
)


def windows(view: View) -> Tile:
    """Chats that wait now and lose their window within two hours."""
    return of_one_row(
        view,
        WINDOWS,
        "backlog_now",
        "windows_expiring_2h",
        window=view._("now"),
        base=view._("all chats, as far as each is known"),
        has_history=False,
    )


RESOLVED = TileWords(
    "resolved",
    subject="support",
    title=N_("Chats resolved"),
    meaning=N_(
        "Conversations that somebody marked as done, or that ended answered and stayed quiet for a day. "
        "More of them says little by itself: look at how many came in, and at the chats waiting."
    ),
    use=N_("Seeing how much is brought to an end. Read it beside the chats waiting."),
    columns=(
        "kpi.chats_resolved_daily.resolved",
        "kpi.executive_summary.chats_resolved_7d",
    ),
)


def resolved(view: View) -> Tile:
    """Conversations resolved. More of them is only better when as many came in, so it is called neither."""
    source = Source("kpi.chats_resolved_daily", "resolved", "sum")
    base = view._("conversations that were resolved on these days")
    return over_days(view, RESOLVED, "chats_resolved_daily", "resolved", source, base=base)


def first_waits(view: View) -> tuple[int, int]:
    """First waits of the chosen days that were answered, and that were missed."""
    answered, missed = (
        view.published.value("response_times_daily", column, view.period)
        for column in ("first_answered_waits", "missed_waits")
    )
    return answered or 0, missed or 0


def first_asked(view: View) -> int:
    """First waits that began on the chosen days."""
    return view.published.value("response_times_daily", "first_waits", view.period) or 0


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
    truncated = view.published.value("response_times_daily", "left_truncated_waits", view.period) or 0
    waiting = first_asked(view) - sum(first_waits(view))
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


# Sentences.


def say_first_response(view: View, figure: Tile, within: Tile, hours: Hours = ALL_HOURS) -> str:
    """Tell the first response time, how it moved, how many were in time, and how many got none."""
    if figure.value is None:
        return _say_none(view)
    took = hours.duration(view, figure.value)
    words = view._("First replies took {value} at the median {when}", value=took, when=view.when)
    if figure.trend in _MOVED:
        words += view._(_MOVED[figure.trend], change=view.difference(figure), before=view.before)
    answered, missed = first_waits(view)
    share = view.value("rate", within.value)
    of = view.count(answered + missed)
    outcome = view.ngettext(
        "{share} of the conversations got theirs within the target of {target}, 1 of {of} got none",
        "{share} of the conversations got theirs within the target of {target}, {n} of {of} got none",
        missed,
        share=share,
        of=of,
        target=hours.target(view),
    )
    return f"{words}. {outcome}"


def _say_none(view: View) -> str:
    """Say that nobody wrote, or nobody got a reply, or that it is not known."""
    first, asked = view.published.first_day, first_asked(view)
    if asked:
        told = view.ngettext(
            "1 customer wrote {when}", "{n} conversations were begun by customers {when}", asked, when=view.when
        )
        waiting = asked - sum(first_waits(view))
        if not waiting:
            return told + view._(", none got a reply")
        return told + view.ngettext(", none got a reply; 1 still waits", ", none got a reply; {n} still wait", waiting)
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
