"""kpi.contacts_by_segment: its figures, and the contacts that they count."""

from __future__ import annotations

from crm_platform.core import ContactSegments
from crm_platform.metrics.rows import CONTACTS_ACTIVE
from crm_platform.schemas.base import KpiTable, text
from crm_platform.schemas.figures import Rows

SEGMENTS = Rows(ContactSegments, by={"field": "r.field", "value": "r.value"})


class ContactsBySegment(KpiTable):
    """Present contacts by the value of each segment field: the 50 largest values, the rest as (other).

    Values are compared without the spaces around them. A contact whose field holds several values counts in each of
    them, so the shares of a field may add up to more than 1.
    """

    key = ("field", "value")
    pillar = "growth"
    seen = CONTACTS_ACTIVE
    rules = ("active_30d <= contacts",)
    version = 2

    field = text("The custom field.")
    value = text("Its value; (other) beyond the 50 largest, (none) where absent.", published="masked")
    contacts = SEGMENTS.count("Present contacts.")
    share = SEGMENTS.share(
        "Of all present contacts.", "count(*)", over="count(distinct chat_id)", grain=("field",), is_own_part=True
    )
    active_30d = SEGMENTS.count(
        "Those with an inbound message in the 30 complete local days before the cut's day.", "is_active_30d"
    )
