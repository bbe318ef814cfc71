"""kpi.satisfaction_by_agent: its figures, and the scores that they are computed from."""

from __future__ import annotations

from dataclasses import replace

from crm_platform.core import FieldScores
from crm_platform.languages import N_
from crm_platform.metrics.satisfaction_daily.table import GOOD, SCORES, bound_of_good
from crm_platform.schemas.base import KpiTable, text
from crm_platform.schemas.figures import Rows

WHOSE = {"agent": "coalesce(r.agent, '(unassigned)')"}
SCORED = replace(
    SCORES,
    by=WHOSE,
    where="r.day >= {{ days_before(30) }} and r.day < {{ cut_day }}",
    day="r.day",
)
OF_FIELD = Rows(
    FieldScores,
    by=WHOSE,
    joins="join core.contacts as contacts on contacts.chat_id = r.chat_id",
    where="contacts.is_present",
    lists=("score",),
)


class SatisfactionByAgent(KpiTable):
    """Scores of the last 30 complete local days by whose the conversation was; beside them those of a custom field.

    A field says what a contact answered, not when: its figures are of all present contacts at the cut.
    """

    key = ("agent",)
    pillar = "operations"
    seen = "{{ message_coverage(days_before(30), cut_day) }}"
    rules = ("good <= responses", "field_good <= field_responses")

    agent = text(
        "Who resolved the conversation, else who wrote its last reply; (unassigned) where that is nobody. Of a field's "
        "score: of the chat's newest conversation with a reply."
    )
    responses = SCORED.count("Conversations that were given a score.")
    good = SCORED.count("… of 4 or 5.", GOOD, good="up")
    share_good = SCORED.rate("good / responses.", GOOD, good="up")
    share_good_low = bound_of_good(SCORED, "Lower")
    share_good_high = bound_of_good(SCORED, "Upper")
    is_enough = SCORED.flag(
        "At least 10 responses: with fewer, say nothing of the agent.",
        "count(*) >= 10",
        empty="false",
        label=N_("Enough scores to judge"),
    )
    field_responses = OF_FIELD.count(
        "Present contacts whose CRM_SATISFACTION_FIELD holds a score, whenever they gave it; in no other figure.",
        label=N_("Contacts with a score in their field"),
    )
    field_good = OF_FIELD.count("… of 4 or 5.", GOOD, good="up", label=N_("Contacts with 4 or 5 in their field"))
    field_share_good = OF_FIELD.rate(
        "field_good / field_responses.", GOOD, good="up", label=N_("Satisfied, by the field")
    )
