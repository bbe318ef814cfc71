"""kpi.satisfaction_daily: its figures, and the scores and conversations that they are computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.core import Conversations, Satisfaction
from crm_platform.languages import N_, NN_
from crm_platform.metrics.rows import message_days_since
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows

if TYPE_CHECKING:
    from crm_platform.languages import Words
    from crm_platform.schemas.base import Column

GOOD = "score >= 4"
SCORES = Rows(Satisfaction, by={"day": "r.day"}, lists=("scored_at", "score"))
CLOSED = Rows(
    Conversations,
    by={"day": "r.resolved_day"},
    joins="""left join core.satisfaction as scores
        on scores.chat_id = r.chat_id and scores.first_message_id = r.first_message_id""",
    where="r.resolved_by = 'operator' and not r.is_left_truncated",
    extra={"scored_at": "scores.scored_at"},
    lists=("resolved_at", "scored_at"),
)


def bound_of_good(rows: Rows, end: str, label: Words | None = None) -> Column:
    """Declare the lower or upper bound of the share of good scores."""
    sign, good = {"Lower": -1, "Upper": 1}[end], f"sum(case when {GOOD} then 1 else 0 end){{filter}}"
    return rows.share(
        f"{end} Wilson 95 % bound.", f"{{{{ wilson('{good}', 'count(*){{filter}}', {sign}) }}}}", label=label
    )


class SatisfactionDaily(KpiTable):
    """Scores that contacts gave, by events: of each conversation the newest.

    From the day of the first score on; empty where no event tells of one.
    """

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    pillar = "operations"
    period = "day"
    keys = message_days_since(Satisfaction)
    seen = "keys.coverage"
    rules = ("good <= responses", "scored_conversations <= closed_conversations")

    day = date("Local day of the score; of `closed_conversations` and its rate, of the mark as done.")
    responses = SCORES.count("Conversations that were given a score.", label=N_("Scores"))
    good = SCORES.count("… of 4 or 5.", GOOD, good="up", label=N_("Scores of 4 or 5"))
    share_good = SCORES.rate("good / responses.", GOOD, good="up", label=N_("Satisfied"))
    share_good_low = bound_of_good(SCORES, "Lower", N_("Satisfied, at least"))
    share_good_high = bound_of_good(SCORES, "Upper", N_("Satisfied, at most"))
    closed_conversations = CLOSED.count(
        "Conversations that were marked as done; left-truncated ones are left out.",
        label=N_("Conversations marked as done"),
    )
    scored_conversations = CLOSED.count(
        "… that were given a score, on that day or another.",
        "scored_at is not null",
        label=N_("Marked as done and scored"),
    )
    response_rate = CLOSED.rate(
        "scored_conversations / closed_conversations.", "scored_at is not null", label=N_("Share that gave a score")
    )
