"""When each agent replies: a heat map of replies by agent and hour.

What belongs here: that chart. What does not: whom a reply is credited to (core/), what else an agent did
(leaderboard.py).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from crm_platform.serving.pages.addresses import part_href
from crm_platform.serving.pages.bars import Cell, HeatMap
from crm_platform.serving.pages.chart import Chart, ChartColumn, label
from crm_platform.serving.pages.leaderboard import UNASSIGNED, WHO, short_names
from crm_platform.serving.pages.view import View

MOST_AGENTS: Final = 20
_MOST_LETTERS: Final = 18  # of a name, so that it leaves room for the hours on a phone


def by_hour(view: View) -> Chart:
    """Replies by agent and local hour, of the agents with the most."""
    counts = _counts(view)
    totals: Counter[str] = Counter()
    for (name, _), n in counts.items():
        totals[name] += n
    named = sorted(totals.keys() - {UNASSIGNED}, key=lambda name: (-totals[name], name))
    agents = [*named[:MOST_AGENTS], *(totals.keys() & {UNASSIGNED})]
    known = sorted({hour for _, hour in counts})
    hours = range(known[0], known[-1] + 1) if known else range(0)
    cells = [(name, hour, counts.get((name, hour), 0)) for name in agents for hour in hours]

    def cell(number: int) -> Cell:
        name, _, replies = cells[number]
        # Replies that name nobody are of many people: told as numbers, so that they shade nobody's out.
        is_nobody = name == UNASSIGNED and bool(named)
        texts = (view.count(replies),) if is_nobody and replies else ()
        return Cell(replies, number, is_plain=is_nobody or not replies, texts=texts)

    left, short = named[MOST_AGENTS:], short_names(named)
    return Chart(
        name="workload",
        title=view._("Who replies when?"),
        subtitle=view._("Replies by agent and hour of the day, {window}", window=view.window),
        note=_say_rest(view, len(left), sum(totals[name] for name in left)),
        table="core.reply_credit",
        how="workload",
        attributes={"data-from": str(view.period.start), "data-to": str(view.period.end)},
        key=("agent", "hour"),
        columns=(
            ChartColumn("agent", view._("Agent"), "label"),
            ChartColumn("hour", view._("Hour"), "hour"),
            ChartColumn("replies", view._("Replies"), "count"),
        ),
        rows=[{"agent": name, "hour": hour, "replies": replies} for name, hour, replies in cells],
        addresses=[
            part_href(("kpi.agents_daily", "replies"), view.period.key, ("hour", hour), view.kept_with("agent", name))
            if replies
            else ""
            for name, hour, replies in cells
        ],
        drawing=HeatMap(
            rows=[_short(short.get(name) or label(view.language, name)) for name in agents],
            columns=[f"{hour:02d}" for hour in hours],
            cells=[[cell(line * len(hours) + column) for column in range(len(hours))] for line in range(len(agents))],
            row=24,
            column="replies",
        )
        if cells
        else None,
        span=12,
    )


def _counts(view: View) -> dict[tuple[str, int], int]:
    """Replies by agent and local hour, where there are any."""

    def ask() -> dict[tuple[str, int], int]:
        by = f"concat({{{{ local_hour('replied_at') }}}}, ' ', {WHO})"
        found = view.published.value_by("agents_daily", "replies", view.period, by)
        parts = ((key.partition(" "), n) for key, n in found.items())
        return {(name, int(hour)): n for (hour, _, name), n in parts}

    counts: dict[tuple[str, int], int] = view.published.remembered(("workload", *view.period.span), ask)
    return counts


def _say_rest(view: View, agents: int, replies: int) -> str:
    """Tell of the agents who are left out."""
    if not agents:
        return ""
    return view.ngettext(
        "1 more agent, who wrote fewer, is left out ({replies} replies)",
        "{n} more agents, who wrote fewer, are left out ({replies} replies)",
        agents,
        replies=view.count(replies),
    )


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1].rstrip() + "…"
