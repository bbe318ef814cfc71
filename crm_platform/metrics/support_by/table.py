"""kpi.support_by: its figures, and the waits and conversations that they are computed from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crm_platform.core import Conversations, ResponseWaits
from crm_platform.metrics.chats_resolved_daily.table import ChatsResolvedDaily
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.schemas.base import KpiTable, integer, text
from crm_platform.schemas.figures import Rows

if TYPE_CHECKING:
    from crm_platform.schemas.base import Column

# Each row counts in every window that its day lies in.
WINDOWS = """join (
        select 7 as window_days, {{ days_before(7) }} as first_day
        union all
        select 28 as window_days, {{ days_before(28) }} as first_day
        union all
        select 90 as window_days, {{ days_before(90) }} as first_day
    ) as windows"""
WAITING_AGENT = "case when r.state = 'answered' then r.agent else r.assignee end"
RESOLVING_AGENT = "r.resolved_agent"


def _by(agent: str) -> dict[str, str]:
    """Where a row counts, by whose work it is. What it does not say itself, its contact's groups say."""
    return {
        "dimension": "groups.dimension",
        "value": f"""coalesce(
            case groups.dimension when 'agent' then {agent} when 'team' then teams.team when 'origin' then r.origin end,
            groups.value
        )""",
        "window_days": "windows.window_days",
    }


def _joins(agent: str, day: str) -> str:
    return f"""join core.contact_groups as groups on groups.chat_id = r.chat_id
    left join core.agent_teams as teams on teams.agent = {agent}
    {WINDOWS} on {day} >= windows.first_day"""


WAITS = Rows(
    ResponseWaits,
    by=_by(WAITING_AGENT),
    joins=_joins(WAITING_AGENT, "r.day"),
    where="not r.is_left_truncated and r.day < {{ cut_day }}",
    lists=("state",),
)
RESOLVED = Rows(
    Conversations,
    by=_by(RESOLVING_AGENT),
    joins=_joins(RESOLVING_AGENT, "r.resolved_day"),
    where="r.resolved_at is not null and not r.is_left_truncated and r.resolved_day < {{ cut_day }}",
    lists=("resolved_at", "resolved_by"),
)


def _over(rows: Rows, column: Column) -> Column:
    """The figure of a day's table over other rows; its name is told there."""
    assert column.figure is not None, "only a figure has rows"
    return replace(column, label=None, figure=replace(column.figure, rows=rows, watch=None))


class SupportBy(KpiTable):
    """Support of the last 7, 28 and 90 complete local days by agent, team, country, origin and segment.

    An answered wait is its closing reply's agent's, another the assignee's when it began; a conversation resolved is
    its marker's, else the assignee's. A contact whose segment field holds several values counts in each of them.
    """

    key = ("dimension", "value", "window_days")
    version = 2
    pillar = "operations"
    seen = """case keys.window_days
            when 7 then {{ message_coverage(days_before(7), cut_day) }}
            when 28 then {{ message_coverage(days_before(28), cut_day) }}
            else {{ message_coverage(days_before(90), cut_day) }}
        end"""
    rules = (
        "window_days == 7 or window_days == 28 or window_days == 90",
        "first_waits <= waits",
        "first_answered_waits + missed_waits <= first_waits",
    )

    dimension = text("agent, team, country, origin, or segment:<field>.")
    value = text(
        "Its value; (unassigned), (no team), (unknown) or (none) where there is none.",
        published="masked",
        # Staff's identifiers and teams are shown in clear.
        masked_where="dimension like 'segment:%'",
    )
    window_days = integer("Length of the window in complete local days.")
    waits = _over(WAITS, ResponseTimesDaily.waits)
    first_waits = _over(WAITS, ResponseTimesDaily.first_waits)
    first_answered_waits = _over(WAITS, ResponseTimesDaily.first_answered_waits)
    missed_waits = _over(WAITS, ResponseTimesDaily.missed_waits)
    answer_rate = _over(WAITS, ResponseTimesDaily.answer_rate)
    first_within_target_rate = _over(WAITS, ResponseTimesDaily.first_within_target_rate)
    first_response_seconds_median = _over(WAITS, ResponseTimesDaily.first_response_seconds_median)
    first_response_seconds_p90 = _over(WAITS, ResponseTimesDaily.first_response_seconds_p90)
    business_first_response_seconds_median = _over(WAITS, ResponseTimesDaily.business_first_response_seconds_median)
    chats_resolved = _over(RESOLVED, ChatsResolvedDaily.resolved)
