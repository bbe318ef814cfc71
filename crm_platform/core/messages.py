"""core.messages: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_, NP_
from crm_platform.schemas.base import CoreTable, count, flag, integer, text, timestamp


class Messages(CoreTable):
    """Every stored message, with its place in its chat and conversation."""

    key = ("chat_id", "message_id")
    row_words = NN_("1 message", "{n} messages")
    fetches = ("select unnest([first_fetch_id, fetch_id]) as fetch_id from behind",)
    is_by_chat = True
    bytes_a_line = 600
    rules = ("is_counted == False or position >= 1", "is_counted == False or conversation_number >= 1")

    chat_id = text("The chat.", published="chat")
    message_id = text("The message.", published="message", label=N_("Message"))
    # Translators: when a message was sent
    timestamp = timestamp("When it was sent.", label=NP_("message", "Sent"))
    direction = text("inbound or outbound.", allowed=("inbound", "outbound"))
    type = text("text, image, document, audio, video, template, or what else came.", nullable=True)
    status = text("sent, delivered, read, received or failed: the furthest seen.", nullable=True)
    sender = text("Who sent it, where the API says so, normalised.", nullable=True, published="no")
    is_timely = flag("Dated by the cut and not flagged as future: counts in coverage.")
    is_silent = flag("Of a type in CRM_SILENT_TYPES: stands in no figure but coverage.")
    is_duplicate = flag("The same message is kept in another chat: stands in no figure but coverage.")
    is_counted = flag("Timely, not silent and no duplicate: stands in figures.")
    is_template = flag("Outbound of type template.")
    is_reply = flag("Outbound, no template, not failed, not sent by a bot.")
    is_from_us = flag("Outbound, not failed, not sent by a bot: a reply or a template.")
    is_opt_out = flag("Inbound, and its text was one of CRM_OPT_OUT_WORDS: opens no wait and is no activity.")
    origin = text(
        "Of a counted inbound message: `campaign` when the chat's newest template is at most 72 h older and no reply "
        "lies between, else `organic`.",
        nullable=True,
        allowed=("campaign", "organic"),
        label=N_("Origin"),
    )
    position = count("Place among the chat's counted messages, from 1; 0 when not counted.", published="no")
    conversation_number = count("Conversation of the chat, from 1; 0 when not counted.", published="no")
    marks_before = count("Marks as done of the chat before it; 0 when not counted.", published="no")
    replies_before = count("Counted replies of the chat before it; 0 when not counted.", published="no")
    opens_after_done = flag("Opens a conversation that a mark as done alone cut off.", published="no")
    first_fetch_id = integer("Request that first brought it.")
    fetch_id = integer("Request that brought this version.")
