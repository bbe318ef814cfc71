"""kpi.agents_daily: its figures, and the work that they are computed from."""

from __future__ import annotations

from crm_platform.core import Conversations, ReplyCredit, ResponseWaits
from crm_platform.languages import N_
from crm_platform.schemas.base import KpiTable, date, text
from crm_platform.schemas.figures import Rows

REPLIES = Rows(
    ReplyCredit,
    by={"day": "r.day", "agent": "coalesce(r.agent, '(unassigned)')"},
    lists=("replied_at",),
    measures={"hour": "{{ local_hour('replied_at') }}"},
)
ANSWERED = Rows(
    ResponseWaits,
    by={"day": "r.day", "agent": "coalesce(r.agent, '(unassigned)')"},
    where="r.is_first and r.state = 'answered' and not r.is_left_truncated",
    lists=("response_seconds",),
)
RESOLVED = Rows(
    Conversations,
    by={"day": "r.resolved_day", "agent": "coalesce(r.resolved_agent, '(unassigned)')"},
    where="r.resolved_at is not null and not r.is_left_truncated",
    lists=("resolved_at", "resolved_by"),
)


class AgentsDaily(KpiTable):
    """What each agent did on each local day with work.

    Waits count on the day they began, replies and marks on theirs.
    """

    key = ("day", "agent")
    version = 2
    pillar = "operations"
    period = "day"
    keys = """(
        select work.day as day, work.agent as agent, coverage_daily.coverage as coverage
        from (
            select day, coalesce(agent, '(unassigned)') as agent from core.reply_credit
            union distinct
            select day, coalesce(agent, '(unassigned)') as agent
            from core.response_waits
            where is_first and state = 'answered' and not is_left_truncated
            union distinct
            select resolved_day as day, coalesce(resolved_agent, '(unassigned)') as agent
            from core.conversations
            where resolved_at is not null and not is_left_truncated
        ) as work
        left join core.coverage_daily as coverage_daily on coverage_daily.day = work.day
    )"""
    seen = "keys.coverage"

    day = date("Local day.")
    agent = text("The agent; (unassigned) for work of nobody.")
    replies = REPLIES.count("Replies, credited to the sender, else the assignee.")
    chats = REPLIES.counted(
        "Chats that these replies are in.", "count(distinct chat_id){filter}", empty="0", label=N_("Chats answered")
    )
    first_answered_waits = ANSWERED.count("First waits of that day that the agent's reply closed.")
    first_response_seconds_median = ANSWERED.median("Median of these waits.", "response_seconds", good="down")
    chats_resolved = RESOLVED.count("Conversations resolved, credited to the marker, else the assignee.")
    first_reply_at = REPLIES.timestamp(
        "The first of the replies.", "min(replied_at){filter}", nullable=True, label=N_("First reply")
    )
    last_reply_at = REPLIES.timestamp(
        "The last of the replies.", "max(replied_at){filter}", nullable=True, label=N_("Last reply")
    )
