"""The page of the audience: do people come back?

What belongs here: who wrote, who is new, who came back, who opted out, and what conversations that makes: tiles, a
sentence, charts. What does not: the size of the audience and its growth (contacts.py), how fast replies are
(support.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from crm_platform.languages import N_
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.pages import daily, numbers
from crm_platform.serving.pages.bars import Cell, HeatMap
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.tiles import Source, Tile, TileWords, on_one_page, over_days
from crm_platform.serving.pages.view import Content, View, sentences

_FEW: Final = 10  # contacts of a cohort, below which a share says little
_COHORTS: Final = 13  # the newest ones: of twelve of them a month after is over
_ROWS: Final = 200  # px of all cohorts, at least
_ROW: Final = (28, 44)  # px of a cohort, at least and at most

WROTE = TileWords(
    "contacts_that_wrote",
    subject="contacts",
    title=N_("Contacts that wrote"),
    meaning=N_(
        "Contacts that wrote something on these days, each counted once. An opt-out does not count, and receiving a "
        "campaign makes nobody one of them. Higher is better."
    ),
    use=N_("Knowing how many people you really talk with."),
    columns=(
        "kpi.contact_activity_daily.active_contacts",
        "kpi.contact_activity_daily.active_contacts_7d",
        "kpi.contact_activity_daily.active_contacts_30d",
    ),
)
NEW = TileWords(
    "wrote_first",
    subject="contacts",
    title=N_("Wrote for the first time"),
    meaning=N_(
        "Contacts whose first message ever was on these days. Only told where at least 95 % of the histories are read "
        "to their beginning: who seems new may have written years ago."
    ),
    use=N_("Seeing whether new people begin to talk with you."),
    columns=("kpi.contact_activity_daily.new_active",),
)
BACK = TileWords(
    "came_back",
    subject="contacts",
    title=N_("Came back"),
    meaning=N_(
        "Contacts that wrote on these days after 30 days of silence, each counted once. Only told where at least 95 % "
        "of the histories are read to their beginning."
    ),
    use=N_("Seeing whether people who fell silent return."),
    columns=("kpi.contact_activity_daily.reactivated",),
)
OPT_OUTS = TileWords(
    "opt_outs",
    subject="contacts",
    title=N_("Opt-outs"),
    meaning=N_(
        "Messages whose whole text is one of the opt-out words, such as STOP. Who said it in other words is not "
        "counted. Lower is better."
    ),
    use=N_("Noticing when messages are unwelcome. Compare with how many got the campaign."),
    columns=(
        "kpi.opt_outs_daily.opt_outs",
        "kpi.opt_outs_daily.contacts",
        "kpi.opt_outs_daily.after_campaign",
    ),
)
CONVERSATIONS = TileWords(
    "conversations",
    subject="support",
    title=N_("Conversations"),
    meaning=N_(
        "Conversations that began on these days: a chat that was quiet for a day, or was marked as done, begins a new "
        "one. Those whose beginning is not known are left out. More of them is neither good nor bad."
    ),
    use=N_("Knowing how much there is to answer, and who begins it."),
    columns=("kpi.conversations_daily.conversations",),
)


def build(view: View) -> Content:
    """Build the page."""
    wrote, new, back = _wrote(view), _among_whole(view, NEW, "new_active"), _among_whole(view, BACK, "reactivated")
    wrote, new, back, opt_outs, conversations = on_one_page([wrote, new, back, _opt_outs(view), _conversations(view)])
    said = [_say_kept(view), _say_opt_outs(view, opt_outs)]
    if view.published.tells("kpi.contact_activity_daily", "active_contacts"):
        said.insert(0, _say_wrote(view, wrote, new, back))
    retention = _retention(view)
    drawn = [
        _active(view),
        _new_and_back(view),
        retention,
        daily.opt_outs(view, height=max(220, retention.height)),
        _begun(view),
        _brought(view),
        _lengths(view),
        _messages(view),
    ]
    return Content(
        sentence=sentences(*said),
        figures=[wrote, new, back, opt_outs, conversations],
        charts={chart.name: chart for chart in drawn},
    )


def _wrote(view: View) -> Tile:
    source = Source("core.contact_days", "chat_id", "people")
    base = view._("contacts that wrote something that is no opt-out")
    return over_days(view, WROTE, "contact_activity_daily", "active_contacts", source, base=base)


def _whole_share(view: View) -> float | None:
    """Share of the histories that are whole: of the cut, and so the same on every day."""
    return next((row["whole_share"] for row in reversed(view.published.rows("contact_activity_daily"))), None)


def _among_whole(view: View, words: TileWords, column: str) -> Tile:
    """A figure that is only told where nearly all histories are whole, or why it is not."""
    how = Source("kpi.contact_activity_daily", column, "sum")
    if column == "reactivated":
        how = Source("core.contact_days", "previous_day", "returned")
    tile = over_days(view, words, "contact_activity_daily", column, how)
    share = _whole_share(view)
    if share is None:
        return tile
    said = view.seen(share)
    return replace(
        tile,
        base=view._("contacts whose history is read to its beginning, {share} of those present", share=said),
        why=_why_not_whole(view, said) if share < WELL_COVERED else "",
    )


def _why_not_whole(view: View, share: str) -> str:
    return view._("not known: only {share} of the histories are read to their beginning", share=share)


def _opt_outs(view: View) -> Tile:
    source = Source("kpi.opt_outs_daily", "opt_outs", "sum")
    tile = over_days(view, OPT_OUTS, "opt_outs_daily", "opt_outs", source)
    return replace(
        tile,
        facts=_facts(
            view,
            "opt_outs_daily",
            ("contacts", view._("Contacts that opted out")),
            ("after_campaign", view._("Opt-outs after a campaign")),
        ),
    )


def _conversations(view: View) -> Tile:
    source = Source("kpi.conversations_daily", "conversations", "sum")
    tile = over_days(view, CONVERSATIONS, "conversations_daily", "conversations", source)
    return replace(
        tile,
        facts=_facts(
            view,
            "conversations_daily",
            ("by_contact", view._("Begun by the contact")),
            ("by_business", view._("Begun by us")),
            ("after_campaign", view._("Brought by a campaign")),
            ("reopened", view._("Reopened")),
        ),
    )


def _facts(view: View, table: str, *columns: tuple[str, str]) -> Sequence[tuple[str, str]]:
    """Counts of a table over the chosen days, each with its label."""
    return [(label, view.value("count", view.published.value(table, name, view.period))) for name, label in columns]


def _say_wrote(view: View, wrote: Tile, new: Tile, back: Tile) -> str:
    """Tell how many wrote, how that moved, how many of them are new and came back."""
    if not wrote.value:
        if wrote.value is None or view.is_unread(wrote.coverage):
            return view._("How many contacts wrote {when} is not known yet", when=view.when)
        return view._("Nobody wrote {when}", when=view.when)
    words = view.ngettext("1 contact wrote {when}", "{n} contacts wrote {when}", int(wrote.value), when=view.when)
    if new.value is None or back.value is None:
        return words
    return words + view._(
        "; {new} for the first time, {back} after 30 days of silence",
        new=view.count(new.value),
        back=view.count(back.value),
    )


def _say_kept(view: View) -> str:
    """Tell how many of the newest cohort wrote again in the month after, and of the one before; empty without one."""
    told = [row for row in _cohorts(view) if row["months_since"] == 1 and row["contacts"] >= _FEW]
    if not told:
        return ""
    *earlier, last = told
    words = view.ngettext(
        "Of the contact that first wrote in {month}, {share} wrote again in the month after",
        "Of the {n} contacts that first wrote in {month}, {share} wrote again in the month after",
        last["contacts"],
        month=numbers.month(view.language, last["cohort"]),
        share=view.percent(last["retention"]),
    )
    if not earlier:
        return words
    before = earlier[-1]
    return words + view._(
        ", of those of {month} {share}",
        month=numbers.month(view.language, before["cohort"]),
        share=view.percent(before["retention"]),
    )


def _say_opt_outs(view: View, figure: Tile) -> str:
    """Tell how many opted out, and how many of these after a campaign; empty where it is not known."""
    if figure.value is None or (not figure.value and view.is_unread(figure.coverage)):
        return ""
    if not figure.value:
        return view._("Nobody opted out")
    after = view.published.value("opt_outs_daily", "after_campaign", view.period) or 0
    words = view.ngettext("There was 1 opt-out", "There were {n} opt-outs", int(figure.value))
    return words + view.ngettext(", 1 of them after a campaign", ", {n} of them after a campaign", after)


def _active(view: View) -> Chart:
    on_day, in_7, in_30 = view._("on the day"), view._("in 7 days"), view._("in 30 days")
    return daily.daily_lines(
        view,
        "active",
        "contact_activity_daily",
        (
            ("active_contacts_30d", in_30, "first"),
            ("active_contacts_7d", in_7, "second"),
            ("active_contacts", on_day, "third"),
        ),
        (
            ChartColumn("active_contacts", view._("Contacts that wrote"), "count"),
            ChartColumn("active_contacts_7d", view._("Contacts that wrote in 7 days"), "count"),
            ChartColumn("active_contacts_30d", view._("Contacts that wrote in 30 days"), "count"),
            ChartColumn("coverage", view._("Seen"), "rate"),
        ),
        title=view._("How many people do we talk with?"),
        subtitle=view._("Contacts that wrote on each day, and in the 7 and 30 days that end with it"),
        words=lambda value: numbers.short_count(view.language, value),
        span=8,
        height=280,
    )


def _new_and_back(view: View) -> Chart:
    new, back = view._("Wrote for the first time"), view._("Came back")
    share = _whole_share(view)
    return daily.daily_columns(
        view,
        "new_and_back",
        "contact_activity_daily",
        (("new_active", new, "first"), ("reactivated", back, "second")),
        (
            ChartColumn("new_active", new, "count"),
            ChartColumn("reactivated", back, "count"),
            ChartColumn("active_contacts", view._("Contacts that wrote"), "count"),
            ChartColumn("whole_share", view._("Histories that are whole"), "rate"),
        ),
        title=view._("Who is new, who came back?"),
        subtitle=view._("Contacts per day; who came back had been silent for 30 days"),
        nothing="" if share is None or share >= WELL_COVERED else _why_not_whole(view, view.seen(share)),
        span=4,
        height=256,
    )


def _cohorts(view: View) -> list[Row]:
    """Rows of the newest cohorts."""
    rows = view.published.rows("contact_retention_monthly")
    shown = set(sorted({row["cohort"] for row in rows})[-_COHORTS:])
    return [row for row in rows if row["cohort"] in shown]


def _retention(view: View) -> Chart:
    """Who wrote again, by cohort and month. The month of the first message, nearly all, is in the table alone."""
    rows = _cohorts(view)
    lines: dict[object, list[Cell | None]] = {}
    names, has_few = [], False
    for number, row in enumerate(rows):
        if row["months_since"] == 0:
            continue
        if row["cohort"] not in lines:
            names.append(f"{numbers.month(view.language, row['cohort'])} · {view.count(row['contacts'])}")
        line = lines.setdefault(row["cohort"], [])
        share, is_few = row["retention"], row["contacts"] < _FEW
        if share is None:
            line.append(None)
            continue
        has_few = has_few or is_few
        texts = (view.percent(share), numbers.axis_percent(share), f"{share * 100:.0f}")
        line.append(Cell(share, number, is_plain=is_few, texts=texts))
    months = max(map(len, lines.values()), default=0)
    height = min(_ROW[1], max(_ROW[0], _ROWS // max(1, len(lines))))
    return Chart(
        name="retention",
        title=view._("Do those who wrote once write again?"),
        subtitle=view._(
            "Of the contacts that first wrote in a month (their number beside it), in % those that wrote in the 1st, "
            "2nd … month after"
        ),
        note=view._("without colour: fewer than {n} contacts", n=_FEW) if has_few else "",
        nothing=view._("The first month after a first message is not over yet."),
        table="kpi.contact_retention_monthly",
        key=("cohort", "months_since"),
        columns=(
            ChartColumn("cohort", view._("First wrote in"), "month"),
            ChartColumn("months_since", view._("Months later"), "count"),
            ChartColumn("contacts", view._("Contacts"), "count"),
            ChartColumn("active", view._("Contacts that wrote"), "count"),
            ChartColumn("retention", view._("Retention"), "rate"),
        ),
        rows=rows,
        drawing=HeatMap(
            rows=names,
            columns=[str(month + 1) for month in range(months)],
            cells=list(lines.values()),
            row=height,
            column="retention",
        )
        if lines
        else None,
        height=height * len(lines) + 22,
    )


def _begun(view: View) -> Chart:
    by_contact, by_us = view._("Begun by the contact"), view._("Begun by us")
    return daily.daily_columns(
        view,
        "begun",
        "conversations_daily",
        (("by_contact", by_contact, "first"), ("by_business", by_us, "third")),
        (
            ChartColumn("conversations", view._("Conversations"), "count"),
            ChartColumn("by_contact", by_contact, "count"),
            ChartColumn("by_business", by_us, "count"),
        ),
        title=view._("Who begins to talk?"),
        subtitle=view._("Conversations by the day they began; a campaign begins one with each contact it reaches"),
    )


def _brought(view: View) -> Chart:
    # Translators: names at the ends of lines: conversations that a campaign brought, and that were opened again
    lines: list[daily.Series] = [("after_campaign", view.pgettext("line", "campaign"), "first")]
    # Where nobody marks chats as done, none is ever opened again.
    if any(row["reopened"] for row in view.published.rows("conversations_daily")):
        lines.append(("reopened", view.pgettext("line", "reopened"), "second"))
    return daily.daily_lines(
        view,
        "brought",
        "conversations_daily",
        lines,
        (
            ChartColumn("after_campaign", view._("Brought by a campaign"), "count"),
            ChartColumn("reopened", view._("Reopened"), "count"),
            ChartColumn("conversations", view._("Conversations"), "count"),
        ),
        title=view._("What brings them?"),
        subtitle=view._(
            "Conversations per day in which a contact answered a campaign, or wrote again after it was marked as done"
        ),
        words=lambda value: numbers.short_count(view.language, value),
    )


def _lengths(view: View) -> Chart:
    # Translators: names at the ends of lines: shares of conversations with one reply, and with over 10 messages
    one, many = view.pgettext("line", "one reply"), view.pgettext("line", "over 10")
    return daily.daily_lines(
        view,
        "lengths",
        "conversations_daily",
        (
            ("one_reply_rate", one, "first"),
            (daily.Derived("over_10_messages", _over_10_share), many, "second"),
        ),
        (
            ChartColumn("one_reply_rate", view._("Settled with one reply"), "rate"),
            ChartColumn("over_10_messages", view._("Over 10 messages"), "count"),
            ChartColumn("conversations", view._("Conversations"), "count"),
        ),
        title=view._("How much talk does one take?"),
        subtitle=view._(
            "Settled with one reply, in % of conversations that got one; with over 10 messages, in % of all"
        ),
        words=numbers.axis_percent,
    )


def _over_10_share(row: Row) -> float | None:
    return row["over_10_messages"] / row["conversations"] if row.get("conversations") else None


def _messages(view: View) -> Chart:
    median = view._("Messages, median")
    return daily.daily_lines(
        view,
        "messages",
        "conversations_daily",
        (("messages_median", median, "first"),),
        (
            ChartColumn("messages_median", median, "number"),
            ChartColumn("duration_seconds_median", view._("Duration, median"), "seconds"),
        ),
        title=view._("How long are conversations?"),
        subtitle=view._(
            "Messages of a conversation, median by the day it began; a campaign's own are left out, so that one that "
            "nobody answered has none"
        ),
        words=lambda value: numbers.short_count(view.language, value),
    )
