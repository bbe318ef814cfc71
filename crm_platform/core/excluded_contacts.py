"""core.excluded_contacts: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, text


class ExcludedContacts(CoreTable):
    """Contacts left out on purpose: nothing of them is frozen, so they are in no figure. Only their number leaves."""

    key = ("chat_id",)
    is_published = False

    chat_id = text("The contact.", published="chat")
