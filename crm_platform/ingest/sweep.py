"""One pass over the contact list, whose pages may shift while it runs.

What belongs here: reading every page, noticing that the list moved, saying whether the pass was complete, and which
contacts appeared or went missing. What does not: when a missing contact counts as gone (core.contact_presence).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm_platform.api import Contact, CrmClient
from crm_platform.ingest.listing import Listing
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.ingest.batch import Batch
    from crm_platform.warehouse import Warehouse

# Contacts as they stood at the newest sweep that noticed them.
# A contact deleted here since then is absent: if it comes back, that is noticed.
PRESENT = """
    select sightings.chat_id as chat_id
    from (
        select chat_id, is_present, "at", row_number() over (partition by chat_id order by sweep_id desc) as newest
        from raw.contact_sightings
    ) as sightings
    left join (
        select chat_id, max("at") as deleted_at from raw.operator_events where kind = 'contact_deleted' group by chat_id
    ) as deletions on deletions.chat_id = sightings.chat_id
    where sightings.newest = 1
        and sightings.is_present
        and (deletions.deleted_at is null or deletions.deleted_at <= sightings."at")
"""


class Sweep(Listing[Contact]):
    """A pass over the contact list."""

    def __init__(self, client: CrmClient, *, retries: Callable[[int], int | None] = lambda _: None) -> None:
        super().__init__(lambda number: client.list_contacts(page=number, retries=retries(number)))


def record_sweep(sweep: Sweep, batch: Batch, warehouse: Warehouse) -> set[str]:
    """Add the sweep, and each contact whose presence it changed, to the batch; returns the contacts it missed."""
    if sweep.first is None:
        return set()
    fetch = sweep.first.fetch
    last = sweep.last or sweep.first
    batch.add(
        raw.ContactSweeps,
        {
            "sweep_id": fetch.fetch_id,
            "started_at": fetch.started_at,
            "ended_at": last.fetch.finished_at,
            "first_reported_total": sweep.first.total,
            "reported_total": sweep.total,
            "seen_contacts": len(sweep.seen),
            "rejected_contacts": len(sweep.rejected),
            "requests": sweep.requests,
            "is_complete": sweep.is_complete,
        },
    )
    with warehouse.reading() as session:
        present = set(session.query(PRESENT).column("chat_id").to_pylist())

    def noticed(chat_ids: set[str], *, is_present: bool) -> None:
        for chat_id in sorted(chat_ids):
            batch.add(
                raw.ContactSightings,
                {"chat_id": chat_id, "sweep_id": fetch.fetch_id, "at": fetch.started_at, "is_present": is_present},
            )

    noticed(sweep.seen - present, is_present=True)
    missed = present - sweep.seen if sweep.is_complete else set()
    noticed(missed, is_present=False)
    return missed
