"""The leaderboard over any days: what each agent did, by the definitions of kpi.agent_leaderboard.

What belongs here: its rows and its table. What does not: the published windows of 7 and 30 days (metrics/), whom a
reply or a resolution is credited to (core/).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crm_platform.receipts.narrowed import NOBODY
from crm_platform.serving.pages.addresses import receipt_href
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.hours import Hours
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.view import View

UNASSIGNED: Final = NOBODY["agent"]
WHO: Final = f"coalesce(agent, '{UNASSIGNED}')"


def leaderboard(view: View, hours: Hours) -> Chart:
    """What each agent did on the chosen days."""
    rows = agent_rows(view, hours)
    # A column in which nobody has anything says nothing of anybody: the CRM does not hand it over.
    named = [row for row in rows if row["agent"] != UNASSIGNED]
    deeds = (
        # Translators: done by an agent; so are the next ones
        ("chats_resolved", view.pgettext("heading", "Chats resolved")),
        ("chats_assigned", view.pgettext("agent", "Chats assigned")),
    )
    told = deeds if view.published.tells("core.assignments") else deeds[:1]
    longest = max((row["replies"] for row in named), default=0)
    return Chart(
        name="agents",
        title=view._("Who did what?"),
        subtitle=hours.told(view, _subtitle(view, rows)),
        table="kpi.agents_daily",
        how="leaderboard",
        attributes={"data-from": str(view.period.start), "data-to": str(view.period.end)},
        key=("agent",),
        columns=(
            ChartColumn("agent", view._("Agent"), "label"),
            ChartColumn("replies", view._("Replies"), "count", bar=True, longest=longest),
            ChartColumn(hours.column("first_response_seconds_median"), view._("First response, median"), "seconds"),
            # Translators: how many first replies the median is made of
            ChartColumn("first_responses", view._("Over first replies"), "count"),
            *(ChartColumn(name, heading, "count") for name, heading in told if any(row[name] for row in named)),
        ),
        rows=rows,
        addresses=[_addresses(view, row["agent"], hours) for row in rows],
        span=12,
        table_only=True,
    )


def short_names(names: Iterable[str]) -> dict[str, str]:
    """What agents are called in drawings: of e-mail addresses of one house the part before the @."""
    named = [name for name in names if name != UNASSIGNED]
    houses = {name.partition("@")[2] for name in named}
    is_one_house = len(houses) == 1 and "" not in houses
    return {name: name.partition("@")[0] if is_one_house else name for name in named}


def _addresses(view: View, agent: str, hours: Hours) -> dict[str, str]:
    """Addresses of the rows behind an agent's figures, by column."""
    days, kept = view.period.key, view.kept_with("agent", agent)
    median = hours.column("first_response_seconds_median")
    return {
        "replies": receipt_href("kpi.agents_daily", "replies", days, kept),
        "chats_resolved": receipt_href("kpi.agents_daily", "chats_resolved", days, kept),
        "first_responses": receipt_href("kpi.response_times_daily", "first_answered_waits", days, kept),
        median: receipt_href("kpi.response_times_daily", median, days, kept),
    }


def agent_rows(view: View, hours: Hours) -> list[Row]:
    """A row for each agent who did anything on the chosen days, most replies first; last what names nobody."""
    median = hours.column("first_response_seconds_median")
    by = {
        "replies": view.published.value_by("agents_daily", "replies", view.period, WHO),
        median: view.published.value_by("response_times_daily", median, view.period, WHO),
        "first_responses": view.published.value_by("response_times_daily", "first_answered_waits", view.period, WHO),
        "chats_resolved": view.published.value_by(
            "agents_daily", "chats_resolved", view.period, f"coalesce(resolved_agent, '{UNASSIGNED}')"
        ),
        "chats_assigned": _assigned(view),
    }
    rows = [
        {
            "agent": name,
            **{column: found.get(name, None if column == median else 0) for column, found in by.items()},
        }
        for name in {name for found in by.values() for name in found}
    ]
    return sorted(rows, key=lambda row: (row["agent"] == UNASSIGNED, -row["replies"], row["agent"]))


def _assigned(view: View) -> dict[str, int]:
    """How many chats were assigned to each agent; no figure by day counts them."""
    if "core.assignments" not in view.published.opened.manifest.tables:
        return {}
    first, after = view.period.span
    sql = f"""
        select {WHO} as agent, count(*) as chats from core.assignments
        where day >= date '{first}' and day < date '{after}' group by all
    """
    return {row["agent"]: row["chats"] for row in view.published.ask(f"assigned {first} {after}", sql)}


def _subtitle(view: View, rows: list[Row]) -> str:
    """Which days, and how many of the replies name who wrote them, where some do not."""
    days = view._("Agents, {window}", window=view.window)
    total = sum(row["replies"] for row in rows)
    named = sum(row["replies"] for row in rows if row["agent"] != UNASSIGNED)
    if named == total:
        return days
    return days + view._(
        ". Only {share} of the replies name who wrote them, so compare with care: the others stand as nobody named, "
        "whose bar may be cut off",
        share=view.percent(named / total),
    )
