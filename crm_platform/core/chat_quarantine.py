"""core.chat_quarantine: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, count, text


class ChatQuarantine(CoreTable):
    """How many records of each chat could not be kept."""

    key = ("chat_id",)
    is_published = False

    chat_id = text("The chat.", published="chat")
    records = count("Its records in quarantine by the cut.")
