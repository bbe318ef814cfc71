"""kpi.backlog_daily: its figures, and the waits that stand open at each day's end."""

from __future__ import annotations

from crm_platform.core import ResponseWaits
from crm_platform.languages import N_, NN_
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows, Watched

DAY_END = "case when days.day = {{ cut_day }} then {{ as_of }} else days.ends_at end"
# Follows from the rest; most waits fall out by it before they are held against days.
_OUTLASTS_ITS_DAY = """(r.answered_at is null or {{ local_day("r.answered_at") }} > r.day
            or r.answered_at >= {{ as_of }})"""
# A wait may stand from its first day to that of its answer, of the mark that ended it, or of the time its conversation
# is given up.
STANDING = Rows(
    ResponseWaits,
    by={"day": "days.day"},
    joins="""join core.calendar as days
        on days.day >= r.day
        and days.day <=
            {{ local_day("coalesce(r.answered_at, r.done_at, " ~ later("r.conversation_ended_at", gap_seconds) ~ ")") }}
    """,
    where=f"""{_OUTLASTS_ITS_DAY}
        and r.waiting_since < {DAY_END}
        and (r.answered_at is null or r.answered_at >= {DAY_END})
        and (r.done_at is null or r.done_at >= {DAY_END})
        and {{{{ later("r.conversation_ended_at", gap_seconds) }}}} >= {DAY_END}""",
    extra={"day_end": DAY_END},
    is_stock=True,
)


class BacklogDaily(KpiTable):
    """Waits that stood open at the end of each local day."""

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    version = 2
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"

    day = date("Local day; the newest ends at the cut.")
    open_waits_at_end = STANDING.count(
        "Waits begun, not answered, and not given up by the day's end.",
        good="down",
        watch=Watched(title=N_("The backlog at the end of the day"), final="at once"),
        label=N_("Chats waiting at the end of the day"),
    )
    oldest_wait_seconds = STANDING.seconds(
        "Age of the oldest of them at the day's end.",
        "max({{ seconds_between('waiting_since', 'day_end') }}){filter}",
        uses=("waiting_since",),
        good="down",
        label=N_("Longest wait at the end of the day"),
    )
