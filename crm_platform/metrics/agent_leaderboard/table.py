"""kpi.agent_leaderboard: its figures, and the work that they are computed from."""

from __future__ import annotations

from crm_platform.core import Assignments, ResponseWaits, Work
from crm_platform.languages import N_
from crm_platform.schemas.base import KpiTable, integer, text
from crm_platform.schemas.figures import Rows

# Each row counts in every window that its day lies in.
WINDOWS = """join (
        select 7 as window_days, {{ days_before(7) }} as first_day
        union all
        select 30 as window_days, {{ days_before(30) }} as first_day
    ) as windows on r.day >= windows.first_day"""
COMPLETE = "r.day < {{ cut_day }}"
CREDITED = {"window_days": "windows.window_days", "agent": "coalesce(r.agent, '(unassigned)')"}

ASSIGNED = Rows(Assignments, by=CREDITED, joins=WINDOWS, where=COMPLETE, lists=("assigned_at", "agent"))
WORK = Rows(
    Work,
    by=CREDITED,
    joins=WINDOWS,
    where=COMPLETE,
    extra={"credited": "r.agent"},
    key=("chat_id", "message_id"),
    lists=("done_at", "agent"),
)
FIRST_RESPONSES = Rows(
    ResponseWaits,
    by=CREDITED,
    joins=WINDOWS,
    where=f"r.is_first and r.state = 'answered' and not r.is_left_truncated and {COMPLETE}",
    lists=("response_seconds",),
)


class AgentLeaderboard(KpiTable):
    """What each agent did in the last 7 and 30 complete local days."""

    key = ("agent", "window_days")
    version = 2
    pillar = "operations"
    seen = """case when keys.window_days = 7 then {{ message_coverage(days_before(7), cut_day) }}
        else {{ message_coverage(days_before(30), cut_day) }} end"""
    rules = ("window_days == 7 or window_days == 30",)

    agent = text("The staff identifier; (unassigned) for work of nobody.")
    window_days = integer("Length of the window in complete local days.", label=N_("Days"))
    chats_assigned = ASSIGNED.count("Assignments to the agent.", label=N_("Chats assigned"))
    chats_resolved = WORK.count(
        "Conversations resolved, credited to the marker, else the assignee.",
        "kind = 'resolution'",
        label=N_("Chats resolved"),
    )
    replies = WORK.count("Replies, credited to the sender, else the assignee.", "kind = 'reply'")
    first_response_seconds_median = FIRST_RESPONSES.median(
        "Median over first answered waits that the agent's reply closed.", "response_seconds", good="down"
    )
    attributed_share = WORK.share(
        "Replies with an agent / all replies of the window; the same on every row of it.",
        "count(credited){filter}",
        "kind = 'reply'",
        over="count(*){filter}",
        grain=("window_days",),
        uses=("done_at", "agent"),
        not_by=("agent", "team"),
        label=N_("Replies that name who wrote them"),
    )
    first_responses = FIRST_RESPONSES.count(
        "First answered waits that the agent's reply closed: what the median is over.", label=N_("First replies")
    )
