"""core.contacts: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, flag, integer, text, timestamp


class Contacts(CoreTable):
    """Contacts, those that are gone included."""

    key = ("chat_id",)
    row_words = NN_("1 contact", "{n} contacts")
    fetches = ("select unnest([first_fetch_id, fetch_id]) as fetch_id from behind",)

    chat_id = text("The contact.", published="chat")
    joined_at = timestamp("When it joined; NULL = it was there before we looked.", nullable=True)
    first_seen_at = timestamp("When it was first fetched.")
    # Translators: by a phone number
    region = text("ISO country code of its number.", nullable=True, label=N_("Country"))
    is_present = flag("Not gone.", label=N_("Present"))
    has_created_at = flag("The API says when it was created.")
    is_active_30d = flag(
        "At least one inbound message in the 30 complete days before the cut's day.", label=N_("Wrote in 30 days")
    )
    first_fetch_id = integer("Request that first brought it.")
    fetch_id = integer("Request that brought this version.")
