"""core.message_events: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, number, text


class MessageEvents(CoreTable):
    """Messages of ours that an event tells the sender of, each with that event."""

    key = ("chat_id", "message_id")
    is_by_chat = True
    is_published = False

    chat_id = text("The chat.", published="chat")
    message_id = text("The message, as the API names it.", published="message")
    event_id = text("The event: of the message's id, else the nearest one within 2 s that is nearest to it, too.")
    agent = text("The sender's identifier, as the event has it.")
    seconds_apart = number("How much later the event happened than the message was sent, seconds.")
