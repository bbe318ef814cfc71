"""core.response_waits: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import VISIT, of_message
from crm_platform.schemas.base import CoreTable, date, flag, integer, seconds, text, timestamp


class ResponseWaits(CoreTable):
    """Waits for a reply: from the oldest unanswered message to the next reply."""

    key = ("chat_id", "opening_message_id")
    fetches = (of_message("opening_message_id"), of_message("closing_message_id"), VISIT)
    is_by_chat = True
    rules = ("answered_at >= waiting_since",)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("First message of its conversation.", published="message")
    opening_message_id = text("The inbound message it opens at.", published="message")
    closing_message_id = text("The reply that closes it.", nullable=True, published="message")
    waiting_since = timestamp("When it opened.")
    answered_at = timestamp("When the reply came.", nullable=True)
    response_seconds = seconds("How long it took.")
    business_response_seconds = seconds("The part inside business hours; NULL when none are kept.")
    is_first = flag("The first wait of its conversation.")
    state = text("What became of it.", allowed=("answered", "open", "missed", "trailing"))
    is_left_truncated = flag("Its conversation is the oldest stored of a chat whose history is not yet whole.")
    day = date("Local day of waiting_since.")
    conversation_number = integer("Conversation of the chat.", minimum=1, published="no")
    conversation_ended_at = timestamp("When its conversation ended.")
    known_until = timestamp("The chat is known until then.", nullable=True)
