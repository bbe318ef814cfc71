"""core.contact_groups: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import OF_CONTACT
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, text


class ContactGroups(CoreTable):
    """The dimensions that work for a contact is counted by, and under which values.

    A country and each value of a segment field are the contact's. An agent, a team and an origin are those of each wait
    and each conversation: for these stands what a wait or a conversation without one is counted under.
    """

    key = ("chat_id", "dimension", "value")
    row_words = NN_("1 contact", "{n} contacts")
    fetches = (OF_CONTACT,)
    is_by_chat = True

    chat_id = text("The contact.", published="chat")
    dimension = text("agent, team, origin, country, or segment:<field>.", label=N_("Counted by"))
    value = text(
        "The contact's country, or a value of its segment field; else (unassigned), (no team), (unknown) or (none).",
        published="masked",
    )
