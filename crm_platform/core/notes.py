"""core.notes: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, integer, text


class Notes(CoreTable):
    """Notes on days that stand at the cut, to be shown beside what they may explain."""

    key = ("note_id",)
    row_words = NN_("1 note", "{n} notes")

    note_id = integer("The note.", minimum=1)
    day = date("The local day it is about.")
    # Translators: what somebody wrote about a day: an outage, a promotion
    text = text("What happened.", published="masked", label=N_("Note"))
