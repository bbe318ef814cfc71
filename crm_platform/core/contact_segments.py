"""core.contact_segments: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import OF_CONTACT
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, flag, text


class ContactSegments(CoreTable):
    """The values of each segment field that a present contact is counted under: several where it holds a list."""

    key = ("chat_id", "field", "value")
    row_words = NN_("1 contact", "{n} contacts")
    fetches = (OF_CONTACT,)

    chat_id = text("The contact.", published="chat")
    field = text("The custom field.", label=N_("Field"))
    value = text(
        "Its value; (other) beyond the 50 largest, (none) where absent.", published="masked", label=N_("Value")
    )
    is_active_30d = flag("As core.contacts says.")
