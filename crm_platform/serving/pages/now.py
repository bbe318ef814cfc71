"""The page Now: who waits for a reply, oldest first, and how long their window stays open.

What belongs here: its sentence, filters and rows. What does not: which waits are open (core/), counting on by the
minute (static/pages.js), who is behind a chat (chat.py).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from crm_platform.languages import N_, Words
from crm_platform.receipts.narrowed import NOBODY
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages.addresses import receipt_href
from crm_platform.serving.pages.chart import Chart, ChartColumn, country, label, yes_or_no
from crm_platform.serving.pages.column_words import VALUE_WORDS, column_words
from crm_platform.serving.pages.period import BadAddress, Period
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.ranking import page_of
from crm_platform.serving.pages.view import Chip, Content, View

MOST_ROWS: Final = 200
WINDOW: Final = dt.timedelta(hours=24)
"""So long after a contact's newest message WhatsApp takes any message; then templates only."""
CLOSING: Final = 7200.0
"""A window that closes within so many seconds of the cut is told of, as kpi.backlog_now counts them."""

_NOBODY: Final = NOBODY["agent"]
_ONCE: Final = {"(nobody)": _NOBODY}
"""What addresses called a value once."""
_NO_TEAM: Final = NOBODY["team"]
_UNKNOWN: Final = "(unknown)"
_CLOSES: Final = "2h"


@dataclass(frozen=True, slots=True)
class _Filter:
    """A choice of waits by one value. `of`: the value of a wait, empty where none is to be chosen."""

    name: str
    title: Words
    of: Callable[[Row], str]
    words: Callable[[View, str], str]
    only: Sequence[str] = ()  # the values there are; unset: any

    def say(self, view: View, value: str) -> str:
        return f"{view._(self.title)}: {self.words(view, value)}"


def _agent(view: View, value: str) -> str:
    return view._("nobody") if value == _NOBODY else value


def _origin(view: View, value: str) -> str:
    words = VALUE_WORDS["origin"].get(value)
    return view._(words) if words else label(view.language, value)


FILTERS: Final = (
    _Filter("agent", column_words("assignee"), lambda row: row["assigned_to"] or _NOBODY, _agent),
    _Filter("team", column_words("team"), lambda row: row["team"], lambda view, name: label(view.language, name)),
    _Filter(
        "origin",
        column_words("origin"),
        lambda row: row["origin"] or _UNKNOWN,
        _origin,
        only=(*VALUE_WORDS["origin"], _UNKNOWN),
    ),
    _Filter(
        "country",
        column_words("region"),
        lambda row: row["region"] or _UNKNOWN,
        lambda view, code: country(view.language, code),
    ),
    _Filter(
        "closing",
        N_("24-hour window"),
        lambda row: _CLOSES if _is_closing(row) else "",
        lambda view, _value: view._("closes within 2 h"),
        only=(_CLOSES,),
    ),
)


def build(view: View) -> Content:
    """Build the page."""
    chosen = _chosen(view)
    everyone = _waits(view)
    found = [row for row in everyone if all(one.of(row) == value for one, value in chosen)]
    view.chips = [Chip(one.say(view, value), view.href(drop=(one.name, "page"))) for one, value in chosen]
    chart = _chart(view, found, of=len(everyone))
    return Content(
        sentence=_sentence(view, found if view.chips else everyone),
        figures=[],
        charts={chart.name: chart},
        more={
            "page": page_of(view, found, size=MOST_ROWS),
            "everyone": len(everyone),
            "menus": [_menu(view, one, everyone) for one in FILTERS],
            "missed": _missed(view),
            "ago": minutes(view, view.age),
            "cut": clock(view, view.published.as_of),
            "closing": CLOSING,
            "minutes": minutes,
            "clock": clock,
            "agent": _agent,
            "origin": _origin,
            "country": country,
            "first": _first,
        },
    )


def _chosen(view: View) -> list[tuple[_Filter, str]]:
    chosen = [(one, _ONCE.get(view.get(one.name), view.get(one.name))) for one in FILTERS if view.get(one.name)]
    for one, value in chosen:
        if one.only and value not in one.only:
            raise BadAddress(
                N_("{name}={value} is not known; choose one of {names}"),
                name=one.name,
                value=value[:30],
                names=", ".join(one.only),
            )
    return chosen


def _waits(view: View) -> list[Row]:
    """The open waits with what they are at the cut; nothing of what a snapshot from before an update does not tell."""
    cut = view.published.as_of.astimezone(dt.UTC).replace(tzinfo=None)
    teams = _teams(view)
    return [
        {
            "chat_id": row["chat_id"],
            "opening_message_id": row["opening_message_id"],
            "waiting_since": row["waiting_since"],
            "waited_seconds": max(0.0, (cut - row["waiting_since"]).total_seconds()),
            "last_inbound_at": row["last_inbound_at"],
            "window_left_seconds": max(0.0, (row["last_inbound_at"] + WINDOW - cut).total_seconds()),
            "assigned_to": row["assigned_to"],
            "team": teams.get(row["assigned_to"], _NO_TEAM) if teams else "",
            "origin": row.get("origin"),
            "region": row.get("region"),
            "is_first": row["is_first"],
            "is_left_truncated": row["is_left_truncated"],
        }
        for row in view.published.open_waits
    ]


def _teams(view: View) -> dict[str | None, str]:
    """The team of each agent that has one."""
    if "core.agent_teams" not in view.published.opened.manifest.tables:
        return {}
    return {
        row["agent"]: row["team"] for row in view.published.ask("teams", "select agent, team from core.agent_teams")
    }


def _is_closing(row: Row) -> bool:
    return bool(0 < row["window_left_seconds"] <= CLOSING)


def _menu(view: View, one: _Filter, rows: Sequence[Row]) -> tuple[str, str, list[tuple[str, str]]]:
    """Name and title of a filter, and its choices, the most frequent first: words and address."""
    counted = Counter(value for value in map(one.of, rows) if value)
    choices = [
        (f"{one.words(view, value)} · {view.count(count)}", view.href(drop=("page",), **{one.name: value}))
        for value, count in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return one.name, view._(one.title), choices


def _chart(view: View, rows: Sequence[Row], *, of: int) -> Chart:
    return Chart(
        name="waits",
        title=view._("Who waits for a reply?"),
        subtitle=(
            view._("Chats waiting, the longest first")
            if not view.chips
            else view.ngettext(
                "{part} of 1 chat waiting, the longest first",
                "{part} of {n} chats waiting, the longest first",
                of,
                part=view.count(len(rows)),
            )
        ),
        table="core.response_waits",
        key=("chat_id", "opening_message_id"),
        columns=(
            ChartColumn("waiting_since", view._("Waiting"), "text"),
            ChartColumn("waited_seconds", view._("Waiting"), "seconds"),
            ChartColumn("last_inbound_at", view._(column_words("last_inbound_at")), "text"),
            ChartColumn("window_left_seconds", view._("Window closes in"), "seconds"),
            ChartColumn("assigned_to", view._(column_words("assignee")), "text"),
            ChartColumn("origin", view._(column_words("origin")), "text"),
            ChartColumn("region", view._(column_words("region")), "region"),
            ChartColumn("is_first", view._(column_words("is_first")), "flag"),
            ChartColumn("is_left_truncated", view._(column_words("is_left_truncated")), "flag"),
            ChartColumn("chat_id", view._("Chat"), "text"),
        ),
        rows=rows,
        how="now",
        span=12,
        table_only=True,
    )


def _sentence(view: View, rows: Sequence[Row]) -> str:
    """Tell how many wait, how long the longest has, and how many lose their window; of nobody, whether it is known."""
    if not rows:
        seen = view.published.one("backlog_now").get("coverage")
        if seen is None or view.is_bare:
            return view._("It is not known yet who waits: too little is read so far.")
        if seen < WELL_COVERED:
            return view._("Of what is read so far, {share} of the messages, nobody waits.", share=view.seen(seen))
        return view._("Nobody waits for a reply.")
    longest = max(row["waited_seconds"] for row in rows)
    counting = Markup('<span data-age="{}">{}</span>').format(longest, minutes(view, longest))
    words = view.ngettext(
        "1 chat waits, for {longest}", "{n} chats wait, the longest for {longest}", len(rows), longest=counting
    )
    closing = sum(map(_is_closing, rows))
    if closing:
        words += view.ngettext("; 1 loses its window within 2 hours", "; {n} lose their window within 2 hours", closing)
    return Markup(f"{words}.")  # noqa: S704 - our own words; the one place in them is filled with our own digits


def _missed(view: View) -> tuple[str, str]:
    """Who wrote in the last days and waits here no more, though no reply came, in words; and where these rows stand."""
    week = Period("7d", view.period.today - dt.timedelta(days=6), view.period.today, view.period.today)
    missed = int(view.published.value("response_times_daily", "missed_waits", week) or 0)
    if not missed:
        return "", ""
    words = view.ngettext(
        "1 more of the last 7 days is not here: its conversation was over before a reply came (missed)",
        "{n} more of the last 7 days are not here: their conversations were over before a reply came (missed)",
        missed,
    )
    return words, receipt_href("kpi.response_times_daily", "missed_waits", week.key, view.kept)


def minutes(view: View, seconds: float) -> str:
    """Write a duration in whole minutes: `3 h 12 min`, `0 min`. The script counts on in the same words."""
    whole = int(seconds) // 60 * 60
    if whole:
        return view.duration(whole)
    return next(words for size, words in view.language.units if size == 60).format(n=0).replace(" ", "\u00a0")


def clock(view: View, moment: dt.datetime) -> str:
    """Write an instant by the tenant's clock, with its day where that is another than the cut's: `14:05`."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    local = aware.astimezone(view.published.zone)
    return f"{local:%H:%M}" if local.date() == view.period.today else f"{view.day(local.date())}, {local:%H:%M}"


def _first(view: View, row: Row) -> str:
    """Write whether it is the first wait of its conversation, where that is known."""
    if row["is_left_truncated"]:
        return label(view.language, _UNKNOWN)
    return yes_or_no(view.language, is_so=row["is_first"])
