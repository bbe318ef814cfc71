"""core.field_scores: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import OF_CONTACT
from crm_platform.languages import NN_
from crm_platform.schemas.base import CoreTable, integer, text


class FieldScores(CoreTable):
    """Contacts whose CRM_SATISFACTION_FIELD holds a score. Nobody knows when they gave it."""

    key = ("chat_id",)
    row_words = NN_("1 contact with a score", "{n} contacts with a score")
    fetches = (OF_CONTACT,)
    is_by_chat = True
    done_by = (("agent", ()),)

    chat_id = text("The contact's chat.", published="chat")
    score = integer("From 1 (worst) to 5 (best).", minimum=1, maximum=5)
    agent = text("Who resolved the chat's newest conversation with a reply, else who wrote its last.", nullable=True)
