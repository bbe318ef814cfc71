"""core.contact_days: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, count, date, flag, text, timestamp


class ContactDays(CoreTable):
    """Local days on which a contact wrote something that is no opt-out."""

    key = ("chat_id", "day")
    row_words = NN_("1 day on which a contact wrote", "{n} days on which contacts wrote")
    fetches = (
        """
        select unnest([messages.first_fetch_id, messages.fetch_id]) as fetch_id
        from behind
        join core.messages as messages on messages.chat_id = behind.chat_id
        where messages.is_counted and messages.direction = 'inbound' and not messages.is_opt_out
            and messages.timestamp >= behind.first_at and messages.timestamp <= behind.last_at
        """,
    )
    is_by_chat = True

    chat_id = text("The contact.", published="chat")
    day = date("Local day.")
    inbound_messages = count("Messages that the contact wrote on it.", label=N_("Messages from contacts"))
    first_at = timestamp("The first of them.", label=N_("First message"))
    last_at = timestamp("The last of them.", label=N_("Last message"))
    previous_day = date("The one before; NULL on the first.", nullable=True, label=N_("Wrote before on"))
    next_day = date("The next one; NULL on the last.", nullable=True, label=N_("Wrote again on"))
    is_history_whole = flag("Nothing older of the chat is missing: its first day is the first.")
