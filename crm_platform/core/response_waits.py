"""core.response_waits: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import VISIT, of_message
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, flag, integer, seconds, text, timestamp

WHOSE = "case when state = 'answered' then agent else assignee end"
"""Whose a wait is: of an answered one who wrote the reply, of another whom the chat was assigned to when it opened."""


class ResponseWaits(CoreTable):
    """Waits for a reply: from the oldest unanswered message to the next reply, or to a mark as done."""

    key = ("chat_id", "opening_message_id")
    # Translators: what a figure is made of, as in: Made of 12 messages
    row_words = NN_("1 wait of a customer", "{n} waits of customers")
    fetches = (of_message("opening_message_id"), of_message("closing_message_id"), VISIT)
    is_by_chat = True
    bytes_a_line = 600
    done_by = ((WHOSE, ()),)
    rules = ("answered_at >= waiting_since", "done_at >= waiting_since")

    chat_id = text("The chat.", published="chat")
    first_message_id = text("First message of its conversation.", published="message")
    opening_message_id = text(
        "The inbound message it opens at.", published="message", label=N_("First unanswered message")
    )
    closing_message_id = text("The reply that closes it.", nullable=True, published="message")
    waiting_since = timestamp("When it opened.", label=N_("Waiting since"))
    # Translators: when a wait was answered
    answered_at = timestamp("When the reply came.", nullable=True, label=N_("Answered"))
    done_at = timestamp("When a mark as done ended it without a reply.", nullable=True)
    # Translators: how long a reply took
    response_seconds = seconds("How long it took.", label=N_("Took"))
    business_response_seconds = seconds(
        "The part inside business hours; NULL when none are kept.", label=N_("Took, in business hours")
    )
    # Translators: of a wait: whether it is
    is_first = flag("The first wait of its conversation.", label=N_("First of its conversation"))
    state = text("What became of it.", allowed=("answered", "open", "missed", "trailing"), label=N_("Outcome"))
    origin = text(
        "Origin of its first message: after a campaign, or of the contact's own accord.",
        allowed=("campaign", "organic"),
    )
    agent = text("Who wrote the reply that closed it.", nullable=True)
    assignee = text("Who the chat was assigned to when it opened.", nullable=True, label=N_("Assigned to"))
    region = text("ISO country code of the contact's number.", nullable=True)
    followed_up_at = timestamp(
        "Of a missed one: when the chat's next message from us was sent, within 7 days of the conversation's end and "
        "before the contact's next.",
        nullable=True,
        label=N_("Followed up"),
    )
    followed_up_by = text(
        "Of a missed one: by what it was followed up.",
        nullable=True,
        allowed=("reply", "template"),
        label=N_("Followed up by"),
    )
    shut = flag(
        "Of a missed one: fewer business seconds than the target lie in its first 24 hours. NULL when no business "
        "hours are kept.",
        nullable=True,
        label=N_("While we were shut"),
    )
    is_left_truncated = flag(
        "Its conversation is the oldest stored of a chat whose history is not yet whole.",
        label=N_("Beginning not known"),
    )
    day = date("Local day of waiting_since.")
    conversation_number = integer("Conversation of the chat.", minimum=1, published="no")
    conversation_ended_at = timestamp("When its conversation ended.", label=N_("Conversation ended"))
    known_until = timestamp("Of an open one: the chat is known until then.", nullable=True)
