"""Whether the promise is kept: the share of first replies within the target, by agent and by weekday.

What belongs here: these two rankings. What does not: how an interval is reckoned, and when one is the best (the package
verdicts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from crm_platform import verdicts
from crm_platform.core.response_waits import WHOSE
from crm_platform.receipts.keys import find_kpi
from crm_platform.serving.pages.addresses import part_href, receipt_href
from crm_platform.serving.pages.bars import Bar, BarChart
from crm_platform.serving.pages.chart import Chart, ChartColumn, label
from crm_platform.serving.pages.hours import Hours
from crm_platform.serving.pages.leaderboard import UNASSIGNED, short_names
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.view import View
from crm_platform.verdicts import Best, Candidate, Rows

MOST_BARS: Final = 20
_WHOSE: Final = f"coalesce({WHOSE}, '{UNASSIGNED}')"


def by_agent(view: View, hours: Hours) -> Chart:
    """The share within the target by agent, those with the most first waits; who is best where that may be said."""

    def judge() -> tuple[Mapping[str, Row], Best]:
        kept = _decided(view, hours, _WHOSE)
        shares = {name: _share(own) for name, own in kept.items()}
        return shares, _best(hours, kept, shares)

    # What is said is kept, and not the many rows that it is said by.
    shares, best = view.published.remembered(("promise of agents", hours, *view.period.span), judge)
    rows = [{"agent": name, **row} for name, row in shares.items()]
    named = sorted((row for row in rows if row["agent"] != UNASSIGNED), key=lambda row: (-row["decided"], row["agent"]))
    drawn = sorted(named[:MOST_BARS], key=_rank)
    nobody = [row for row in rows if row["agent"] == UNASSIGNED]
    short = short_names(row["agent"] for row in named)
    notes = [_say_best(view, best)] if named else []
    if missed := of_nobody(view):
        notes.append(
            view.ngettext(
                "1 missed one was assigned to nobody, and counts for nobody",
                "{n} missed ones were assigned to nobody, and count for nobody",
                missed,
            )
        )
    if left := len(named) - len(drawn):
        notes.append(
            view.ngettext("1 more agent is in the table alone", "{n} more agents are in the table alone", left)
        )
    return _chart(
        view,
        "promise_agents",
        ChartColumn("agent", view._("Agent"), "label"),
        [*drawn, *nobody, *named[MOST_BARS:]],
        addresses=[
            receipt_href(*_figure(hours), view.period.key, view.kept_with("agent", row["agent"]))
            for row in (*drawn, *nobody, *named[MOST_BARS:])
        ],
        bars=[
            _bar(view, short.get(row["agent"]) or label(view.language, row["agent"]), row) for row in (*drawn, *nobody)
        ],
        title=view._("Who keeps the promise?"),
        subtitle=hours.told(
            view,
            view._(
                "First replies within {target}, in % of conversations that got one or were missed, {window}; 95 % "
                "intervals; missed ones count for whom the chat was assigned to",
                target=view.target,
                window=view.window,
            ),
        ),
        note=" · ".join(notes),
    )


def by_weekday(view: View, hours: Hours) -> Chart:
    """The share within the target by the weekday on which customers wrote."""
    found: Mapping[int, Row] = view.published.remembered(
        ("promise by weekday", hours, *view.period.span),
        lambda: {day: _share(own) for day, own in _decided(view, hours, "{{ weekday('day') }}").items()},
    )
    empty = {"kept": 0, "decided": 0, "share": None, "low": None, "high": None}
    rows = [{"weekday": number, **found.get(number, empty)} for number in range(7)]
    return _chart(
        view,
        "promise_weekdays",
        ChartColumn("weekday", view._("Weekday"), "weekday"),
        rows,
        addresses=[part_href(_figure(hours), view.period.key, ("weekday", row["weekday"]), view.kept) for row in rows],
        bars=[_bar(view, view.language.weekday(row["weekday"]), row) for row in rows] if found else [],
        title=view._("On which days is it kept?"),
        subtitle=hours.told(
            view,
            view._(
                "First replies within {target}, in % of conversations that got one or were missed, by the day the "
                "customer wrote, {window}; 95 % intervals",
                target=view.target,
                window=view.window,
            ),
        ),
    )


def of_nobody(view: View) -> int:
    """Missed first waits of the chosen days that were assigned to nobody, whoever the page is narrowed to."""
    everyone = view.published.everyone
    found = everyone.value_by("response_times_daily", "missed_waits", view.period, "assignee is null")
    return int(found.get(True) or 0)


def _figure(hours: Hours) -> tuple[str, str]:
    return "kpi.response_times_daily", hours.column("first_within_target_rate")


def _decided(view: View, hours: Hours, expression: str) -> Mapping[Any, Rows]:
    """First waits that are answered or missed and those in time, by chat, by the values of an expression over them."""
    asked, column = view.published.asked, hours.column("first_within_target_rate")
    line = asked.lineage(find_kpi("response_times_daily"), column) if asked else None
    if asked is None or line is None:
        return {}
    behind = asked.over(line, *view.period.span)
    by_chat = f"""
        select {asked.expand(expression)} as by_value, chat_id, count(*) as decided,
            count(*) filter (where {asked.expand(line.figure.part)}) as kept
        from behind group by all
    """
    lists = ", ".join(f"list({name} order by chat_id) as {name}" for name in ("chat_id", "decided", "kept"))
    sql = behind.asking(f"select by_value, {lists} from ({by_chat}) as chats group by all")
    found = asked.query(sql, behind.parameters)
    columns = [found[name].combine_chunks() for name in ("by_value", "kept", "decided", "chat_id")]
    return {
        value.as_py(): Rows(value=kept.values, of=decided.values, cluster=chats.values)
        for value, kept, decided, chats in zip(*columns, strict=True)
    }


def _share(rows: Rows) -> Row:
    found = verdicts.interval(rows)
    is_enough = found.low is not None
    return {
        "kept": pc.sum(rows.value).as_py(),
        "decided": found.n,
        "share": found.rate if is_enough else None,
        "low": found.low,
        "high": found.high,
    }


def _best(hours: Hours, kept: Mapping[Any, Rows], shares: Mapping[Any, Row]) -> Best:
    """The agent who keeps it more often than the others together, if one may be named."""
    candidates = {
        name: Candidate(rows=kept[name], has_enough=row["share"] is not None)
        for name, row in shares.items()
        if name != UNASSIGNED
    }
    return verdicts.best(hours.column("first_within_target_rate"), candidates, good="up", how="rate")


def _say_best(view: View, best: Best) -> str:
    if best.verdict == "too_few":
        return view._("fewer than three agents have enough conversations to be compared")
    if best.verdict == "unclear" or best.value is None or best.rest is None:
        return view._("nobody is named best: who leads may do so by chance")
    return view._(
        "{name} keeps it more often than the others together: {share} against {rest}",
        name=best.name,
        share=view.percent(best.value),
        rest=view.percent(best.rest),
    )


def _rank(row: Row) -> tuple[bool, float, int, str]:
    """Highest share first; last those of whom there is too little to say."""
    return row["share"] is None, -(row["share"] or 0), -row["decided"], row["agent"]


def _bar(view: View, name: str, row: Row) -> Bar:
    n = view.count(row["decided"])
    if row["share"] is None:
        return Bar(name, None, view._("too few to say ({n})", n=n))
    text = view._("{share} of {n}", share=view.percent(row["share"]), n=n)
    look = "third" if row.get("agent") == UNASSIGNED else "first"
    return Bar(name, row["share"], text, low=row["low"], high=row["high"], look=look)


def _chart(view: View, name: str, by: ChartColumn, rows: Sequence[Row], *, bars: Sequence[Bar], **told: Any) -> Chart:  # noqa: ANN401
    return Chart(
        name=name,
        table="core.response_waits",
        how="promise",
        attributes={"data-from": str(view.period.start), "data-to": str(view.period.end)},
        key=(by.name,),
        columns=(
            by,
            ChartColumn("decided", view._("Conversations"), "count"),
            ChartColumn("kept", view._("Within target"), "count"),
            ChartColumn("share", view._("Share"), "rate"),
            ChartColumn("low", view._("From (95 %)"), "rate"),
            ChartColumn("high", view._("To (95 %)"), "rate"),
        ),
        rows=rows,
        drawing=BarChart(bars=bars, column="share", top=1.0) if bars else None,
        **told,
    )
