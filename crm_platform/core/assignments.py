"""core.assignments: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, integer, text, timestamp


class Assignments(CoreTable):
    """Assignments of chats to operators, done here or told by events."""

    key = ("chat_id", "number")
    row_words = NN_("1 chat handed to somebody", "{n} chats handed to somebody")
    is_by_chat = True
    fetches = ("select fetch_id from behind where fetch_id is not null",)
    done_by = (("agent", ()),)

    chat_id = text("The chat.", published="chat")
    number = integer("1 for the chat's first assignment.", minimum=1, label=N_("Number"))
    assigned_at = timestamp("When.", label=N_("Assigned"))
    until_at = timestamp("When the next one was made; far ahead for the last.", published="no")
    day = date("Local day of it.")
    agent = text("The operator, by the identifier figures use; NULL when the assignment names none.", nullable=True)
    fetch_id = integer("Request that did it; NULL when an event told it.", nullable=True)
