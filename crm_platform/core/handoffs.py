"""core.handoffs: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import VISIT, of_message
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, flag, seconds, text, timestamp


class Handoffs(CoreTable):
    """Conversations that a bot handed to a person, by events: each with its first handoff and the reply after it."""

    key = ("chat_id", "first_message_id")
    row_words = NN_("1 chat that a bot handed to a person", "{n} chats that a bot handed to a person")
    fetches = (of_message("first_message_id"), of_message("reply_message_id"), VISIT)
    is_by_chat = True
    done_by = (("agent", ()),)
    rules = ("replied_at > handed_at",)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("First message of its conversation.", published="message")
    reply_message_id = text("The first reply after it.", nullable=True, published="message")
    # Translators: when a bot handed a chat to a person
    handed_at = timestamp("When the conversation was handed over first.", label=N_("Handed to a person"))
    replied_at = timestamp("When the conversation's first reply after that was sent.", nullable=True)
    human_reply_seconds = seconds("How long that took.", label=N_("Took"))
    state = text("What became of it.", allowed=("answered", "open", "unanswered"))
    origin = text("Origin of its conversation.", nullable=True, allowed=("campaign", "organic"))
    agent = text("Who wrote the reply.", nullable=True)
    region = text("ISO country code of the contact's number.", nullable=True)
    is_left_truncated = flag("Its conversation is the oldest stored of a chat whose history is not yet whole.")
    day = date("Local day of handed_at.")
