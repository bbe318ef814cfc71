"""core.done_marks: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, integer, text, timestamp


class DoneMarks(CoreTable):
    """Marks as done, each with the conversation that it ends: that of the newest counted message by then."""

    key = ("chat_id", "number")
    is_by_chat = True
    is_published = False

    chat_id = text("The chat.", published="chat")
    number = integer("1 for the chat's first mark.", minimum=1)
    marked_at = timestamp("When it was marked.")
    marker = text("Who marked it.", nullable=True)
    conversation_number = integer(
        "The conversation; NULL where none has a message by then, or its gap has run out.", nullable=True, minimum=1
    )
