"""core.conversation_spans: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, count, flag, integer, text, timestamp


class ConversationSpans(CoreTable):
    """Conversations as far as their messages and marks as done tell."""

    key = ("chat_id", "conversation_number")
    is_by_chat = True
    is_published = False
    rules = ("started_at <= ended_at",)

    chat_id = text("The chat.", published="chat")
    conversation_number = integer("Conversation of the chat, from 1.", minimum=1)
    first_message_id = text("Its first message.", published="message")
    started_at = timestamp("Its first message's time.")
    ended_at = timestamp("Its last message's time.")
    first_inbound_at = timestamp("Its first inbound message's time.", nullable=True)
    inbound_messages = count("Messages from the contact.")
    replies = count("Replies.")
    templates = count("Templates.")
    messages = count("All of its messages but templates.")
    last_inbound_position = count("Place of its last inbound message in the chat; 0 without one.")
    first_question_position = count("Place of its first inbound message that is no opt-out; 0 without one.")
    initiated_by = text("Who wrote first.", allowed=("contact", "business"))
    origin = text("Origin of its first inbound message.", nullable=True, allowed=("campaign", "organic"))
    reopened = flag("Cut off by a mark as done alone, and opened by the contact.")
    last_mark = integer("Number of its last mark as done.", nullable=True, minimum=1)
    is_over = flag("Silent for longer than the gap, or marked as done and its grace run out, as far as is known.")
    is_left_truncated = flag("The oldest stored conversation of a chat whose history is not yet whole.")
