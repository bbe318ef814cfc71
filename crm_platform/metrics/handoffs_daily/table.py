"""kpi.handoffs_daily: its figures, and the handoffs and conversations that they are computed from."""

from __future__ import annotations

from crm_platform.core import Conversations, Handoffs
from crm_platform.languages import N_, NN_
from crm_platform.metrics.rows import message_days_since
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows

HANDED = Rows(
    Handoffs,
    by={"day": "r.day"},
    where="not r.is_left_truncated",
    lists=("handed_at", "state"),
    measures={"human_reply_seconds": "human_reply_seconds"},
)
BEGUN = Rows(
    Conversations,
    by={"day": "r.started_day"},
    joins="""left join core.handoffs as handoffs
        on handoffs.chat_id = r.chat_id and handoffs.first_message_id = r.first_message_id""",
    where="not r.is_left_truncated and r.inbound_messages > 0",
    extra={"handed_at": "handoffs.handed_at"},
    lists=("started_at", "handed_at"),
)
OVER_TO_A_PERSON = "handed_at is not null"
ANSWERED = "state = 'answered'"


class HandoffsDaily(KpiTable):
    """Conversations that a bot handed to a person, by events. Left-truncated conversations are left out.

    From the day of the first handoff on; empty where no event tells of one.
    """

    key = ("day",)
    row_words = NN_("1 day", "{n} days")
    pillar = "operations"
    period = "day"
    keys = message_days_since(Handoffs)
    seen = "keys.coverage"
    rules = (
        "answered_handoffs + open_handoffs + unanswered_handoffs == handoffs",
        "handed_over_conversations <= conversations",
    )

    day = date("Local day of the handoff; of `conversations` and its share, of started_at.")
    handoffs = HANDED.count(
        "Conversations handed from a bot to a person, each at its first handoff.",
        label=N_("Handed to a person"),
    )
    answered_handoffs = HANDED.count(
        "… that a reply followed in the same conversation.", ANSWERED, label=N_("Handoffs answered")
    )
    open_handoffs = HANDED.count(
        "… without a reply, whose conversation is not over.",
        "state = 'open'",
        good="down",
        label=N_("Handoffs that wait"),
    )
    unanswered_handoffs = HANDED.count(
        "… without a reply, whose conversation is over.",
        "state = 'unanswered'",
        good="down",
        not_by=("agent", "team"),  # nobody replied
        label=N_("Handoffs without an answer"),
    )
    human_reply_seconds_median = HANDED.median(
        "Median from the handoff to the reply, over answered ones.",
        "human_reply_seconds",
        ANSWERED,
        good="down",
        label=N_("Reply after a handoff, median"),
    )
    human_reply_seconds_p90 = HANDED.p90(
        "90th percentile of the same.",
        "human_reply_seconds",
        ANSWERED,
        good="down",
        label=N_("Reply after a handoff, 9 of 10 within"),
    )
    conversations = BEGUN.count("Conversations that began that day and hold a message from the contact.")
    handed_over_conversations = BEGUN.count(
        "… that were handed to a person, on that day or later.",
        OVER_TO_A_PERSON,
        label=N_("Conversations handed to a person"),
    )
    handoff_share = BEGUN.rate(
        "handed_over_conversations / conversations.", OVER_TO_A_PERSON, label=N_("Share handed to a person")
    )
