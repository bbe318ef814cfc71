"""core.contact_sweeps: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, count, date, flag, integer, timestamp


class ContactSweeps(CoreTable):
    """Sweeps over the contact list that ended by the cut."""

    key = ("sweep_id",)
    row_words = NN_("1 count of all contacts", "{n} counts of all contacts")
    fetches = ("select sweep_id as fetch_id from behind",)

    # Translators: a count of all contacts that the platform made
    sweep_id = integer("Number of the sweep: the id of its first request.", label=N_("Count"))
    started_at = timestamp("Start of its first request.")
    ended_at = timestamp("End of its last request.")
    reported_total = count("Contacts there are, by its last page.", nullable=True)
    seen_contacts = count("Distinct contacts seen.")
    is_complete = flag(
        "Every page to the end, and as many contacts as reported, or the same as the one before saw.",
        # Translators: whether a count of contacts is
        label=N_("Whole"),
    )
    missing_contacts = count("Contacts that were there and that it did not list.", nullable=True)
    is_suspicious = flag("It misses so many that the list itself is in doubt; NULL: not judged then.", nullable=True)
    counted_at = timestamp("Since when whom it misses counts as missing; NULL: not by the cut.", nullable=True)
    day = date("Local day of started_at.")
