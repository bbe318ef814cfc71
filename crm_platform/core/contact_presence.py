"""core.contact_presence: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import OF_CONTACT
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, integer, text, timestamp


class ContactPresence(CoreTable):
    """From when to when each contact was there."""

    key = ("chat_id", "interval_number")
    row_words = NN_("1 stay of a contact", "{n} stays of contacts")
    fetches = (
        OF_CONTACT,
        # The sweep that noticed it came back, or is gone.
        """
        select sweeps.sweep_id as fetch_id
        from behind
        join core.contact_sweeps as sweeps on sweeps.started_at = behind.from_at or sweeps.started_at = behind.to_at
        """,
    )

    chat_id = text("The contact.", published="chat")
    from_at = timestamp("joined_at, for a return the sweep's start; NULL = there before we looked.", nullable=True)
    to_at = timestamp("When it was gone; NULL = it is there.", nullable=True)
    # Translators: a time during which a contact was in the list
    interval_number = integer("1 for its first interval.", minimum=1, label=N_("Stay"))
    # Translators: the first and the last day of a stay
    from_day = date("Local day of from_at.", nullable=True, label=N_("From"))
    to_day = date("Local day of to_at.", nullable=True, label=N_("To"))
