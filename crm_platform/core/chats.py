"""core.chats: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, count, date, flag, text, timestamp


class Chats(CoreTable):
    """What is known of each chat, and until when."""

    key = ("chat_id",)
    row_words = NN_("1 chat", "{n} chats")
    fetches = (
        """
        select readings.fetch_id
        from behind
        join core.fetches as readings on readings.chat_id = behind.chat_id and readings.operation = 'list_messages'
        """,
    )
    is_by_chat = True

    chat_id = text("The chat.", published="chat", label=N_("Chat"))
    known_until = timestamp(
        "Start of its last newest-page request by the cut: what is said of it is as of then.", nullable=True
    )
    is_history_whole = flag("Nothing older is missing.", label=N_("History whole"))
    stored_messages = count("Messages stored.")
    quarantined_messages = count("Its records in quarantine.")
    unreachable_messages = count(
        "Messages that the CRM counts and that two readings of the whole list, a day apart, did not bring."
    )
    oldest_counted_at = timestamp("Its oldest counted message.", nullable=True, published="no")
    first_inbound_day = date(
        "Local day of its oldest counted inbound message.", nullable=True, label=N_("First message of the customer")
    )
    last_inbound_at = timestamp(
        "Its newest counted inbound message.", nullable=True, label=N_("Last message of the customer")
    )
    history_remainder = count("Messages known to exist and not stored.", published="no")
    remainder_until = timestamp("Up to when these may be dated.", nullable=True, published="no")
