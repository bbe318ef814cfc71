"""kpi.chats_resolved_daily: its figures, and the conversations that they are computed from."""

from __future__ import annotations

from crm_platform.core import Conversations
from crm_platform.languages import N_, NN_
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows, Watched

RESOLVED = Rows(
    Conversations,
    by={"day": "r.resolved_day"},
    where="r.resolved_at is not null and not r.is_left_truncated",
    lists=("resolved_at", "resolved_by"),
)
# The state `missed` says just that: over, with a missed wait, and unmarked.
UNRESOLVED = Rows(
    Conversations,
    by={"day": "r.ended_day"},
    where="r.state = 'missed' and not r.is_left_truncated",
    lists=("ended_at", "state"),
)


class ChatsResolvedDaily(KpiTable):
    """Conversations resolved, by the local day of it. Left-truncated conversations are left out."""

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    version = 2
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"
    rules = ("resolved_by_operator + resolved_quietly == resolved",)

    day = date("Local day of resolved_at, for `unresolved` of ended_at.")
    resolved = RESOLVED.count("Conversations resolved.", label=N_("Conversations resolved"))
    resolved_by_operator = RESOLVED.count(
        "… by a mark-as-done.", "resolved_by = 'operator'", label=N_("Resolved: marked as done")
    )
    resolved_quietly = RESOLVED.count(
        "… by ending answered.", "resolved_by = 'quiet'", label=N_("Resolved: ended answered")
    )
    unresolved = UNRESOLVED.count(
        "Conversations that ended that day with a missed wait and unmarked.",
        good="down",
        not_by=("agent", "team"),  # nobody replied in it
        watch=Watched(title=N_("The number of conversations left unresolved"), final="after the gap"),
        label=N_("Ended missed"),
    )
    resolution_seconds_median = RESOLVED.median(
        "Median from first inbound to resolved_at.",
        "resolution_seconds",
        "resolution_seconds is not null",
        good="down",
        label=N_("Time to resolution, median"),
    )
