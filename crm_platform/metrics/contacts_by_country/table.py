"""kpi.contacts_by_country: its figures, and the contacts that they count."""

from __future__ import annotations

from crm_platform.core import Contacts
from crm_platform.languages import N_
from crm_platform.metrics.rows import CONTACTS_ACTIVE
from crm_platform.schemas.base import KpiTable, text
from crm_platform.schemas.figures import Rows

PRESENT = Rows(Contacts, by={"region": "coalesce(r.region, '(unknown)')"}, where="r.is_present", lists=("region",))


class ContactsByCountry(KpiTable):
    """Present contacts by the country of their number."""

    key = ("region",)
    version = 2
    pillar = "growth"
    seen = CONTACTS_ACTIVE
    rules = ("active_30d <= contacts",)

    region = text("ISO country code; (unknown) where the number tells none.")
    contacts = PRESENT.count("Present contacts.", label=N_("Contacts"))
    share = PRESENT.share(
        "Of all present contacts.", "count(*)", over="count(*)", grain=(), is_own_part=True, label=N_("Share")
    )
    active_30d = PRESENT.count(
        "Those with an inbound message in the 30 complete local days before the cut's day.",
        "is_active_30d",
        label=N_("Active contacts"),
    )
