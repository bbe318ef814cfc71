"""core.conversations: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import VISIT
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, count, date, flag, integer, seconds, text, timestamp


class Conversations(CoreTable):
    """Conversations: a silence longer than the gap starts a new one, and so does what follows a mark as done."""

    key = ("chat_id", "first_message_id")
    row_words = NN_("1 conversation", "{n} conversations")
    fetches = (
        """
        select unnest([messages.first_fetch_id, messages.fetch_id]) as fetch_id
        from behind
        join core.messages as messages
            on messages.chat_id = behind.chat_id
            and messages.timestamp >= behind.started_at and messages.timestamp <= behind.ended_at
        """,
        VISIT,
    )
    is_by_chat = True
    done_by = (
        ("resolved_agent", ("resolved_at", "resolved_by", "resolved_day", "resolution_seconds")),
        ("agent", ("started_day", "ended_day")),
    )
    rules = ("started_at <= ended_at",)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("Its first message.", published="message", label=N_("First message"))
    conversation_number = integer("For display: older history may still arrive.", minimum=1)
    # Translators: when a conversation did
    started_at = timestamp("Its first message's time.", label=N_("Began"))
    ended_at = timestamp("Its last message's time.", label=N_("Ended"))
    inbound_messages = count("Messages from the contact.")
    replies = count("Replies.")
    templates = count("Templates.")
    messages = count("All of its messages but templates.", label=N_("Messages"))
    duration_seconds = seconds("From its first message to its last.", label=N_("Duration"))
    # Translators: by whom a conversation was begun
    initiated_by = text("Who wrote first.", allowed=("contact", "business"), label=N_("Begun by"))
    origin = text(
        "Origin of its first inbound message; NULL without one.",
        nullable=True,
        allowed=("campaign", "organic"),
    )
    reopened = flag("Cut off from the one before by a mark as done alone, and opened by the contact.")
    agent = text("Who wrote its last reply.", nullable=True)
    region = text("ISO country code of the contact's number.", nullable=True)
    is_over = flag("Silent for longer than the gap, or marked as done and its grace run out, as far as is known.")
    is_left_truncated = flag("The oldest stored conversation of a chat whose history is not yet whole.")
    resolved_at = timestamp("When it was resolved.", nullable=True, label=N_("Resolved"))
    # Translators: how a conversation was resolved: marked as done, or ended answered
    resolved_by = text("How it was resolved.", nullable=True, allowed=("operator", "quiet"), label=N_("How"))
    state = text("The first that applies.", allowed=("resolved", "waiting", "active", "missed", "quiet"))
    resolution_seconds = seconds(
        "First inbound to resolved_at; NULL if negative or without inbound.", label=N_("Time to the end")
    )
    resolved_day = date("Local day of resolved_at.", nullable=True)
    ended_day = date("Local day of ended_at.")
    started_day = date("Local day of started_at.")
    resolved_agent = text(
        "Who marked it as done, else the assignee when it was resolved.", nullable=True, label=N_("Resolved by")
    )
