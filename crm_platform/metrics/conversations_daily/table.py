"""kpi.conversations_daily: its figures, and the conversations that they are computed from."""

from __future__ import annotations

from crm_platform.core import Conversations
from crm_platform.languages import N_
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows

BEGUN = Rows(
    Conversations,
    by={"day": "r.started_day"},
    where="not r.is_left_truncated",
    lists=("started_at", "initiated_by"),
)


class ConversationsDaily(KpiTable):
    """Conversations by the local day on which they began. Left-truncated ones are left out."""

    key = ("day",)
    version = 2
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"
    rules = ("by_contact + by_business == conversations", "reopened <= by_contact")

    day = date("Local day of started_at.")
    conversations = BEGUN.count("Conversations that began.", label=N_("Conversations"))
    by_contact = BEGUN.count("… that the contact began.", "initiated_by = 'contact'", label=N_("Begun by the contact"))
    by_business = BEGUN.count("… that we began.", "initiated_by = 'business'", label=N_("Begun by us"))
    after_campaign = BEGUN.count(
        "… whose first message from the contact a campaign brought.",
        "origin = 'campaign'",
        # Translators: conversations, or opt-outs, that a campaign came before
        label=N_("After a campaign"),
    )
    reopened = BEGUN.count(
        "… that a mark as done had cut off, and the contact opened again.", "reopened", label=N_("Reopened")
    )
    messages_median = BEGUN.number(
        "Median of their messages, templates out.",
        "{{ median('messages') }}{filter}",
        nullable=True,
        minimum=0,
        unit="messages",
        label=N_("Messages, median"),
    )
    duration_seconds_median = BEGUN.median(
        "Median from their first message to their last.", "duration_seconds", label=N_("Duration, median")
    )
    one_reply_rate = BEGUN.rate(
        "Those with exactly one reply / those with a reply.",
        "replies = 1",
        of="replies > 0",
        label=N_("Settled with one reply"),
    )
    over_10_messages = BEGUN.count(
        "… with more than 10 messages, templates out.", "messages > 10", label=N_("Over 10 messages")
    )
