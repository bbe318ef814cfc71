"""One pass over the contact list, whose pages may shift while it runs.

What belongs here: reading every page, noticing that the list moved, saying whether the pass was complete, and its rows.
What does not: who is missing from it, and whether that is believed (presence.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm_platform.api import Contact, CrmClient
from crm_platform.ingest.listing import Listing
from crm_platform.ingest.presence import (
    SweepVerdict,
    SweptList,
    agrees_with_last,
    digest_of,
    judge,
    known_before,
    warning,
)
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.ingest.batch import Batch
    from crm_platform.warehouse import Warehouse


class Sweep(Listing[Contact]):
    """A pass over the contact list."""

    def __init__(self, client: CrmClient, *, retries: Callable[[int], int | None] = lambda _: None) -> None:
        super().__init__(lambda number: client.list_contacts(page=number, retries=retries(number)))
        self.agrees = False  # the last sweep that came to the end saw just the same: the list is what it is
        self.warning = ""  # once it is recorded: what to tell people, empty when all is well

    @property
    def is_complete(self) -> bool:
        """Every page to the end, and seen at least the smaller of the first and last reported total, or agreed on."""
        return super().is_complete or (self.reached_end and self.agrees)


def record_sweep(sweep: Sweep, batch: Batch, warehouse: Warehouse) -> SweepVerdict | None:
    """Judge the sweep, and add it and the contacts that came or went to the batch; None where it saw no page."""
    if sweep.first is None:
        return None
    fetch = sweep.first.fetch
    last = sweep.last or sweep.first
    digest = digest_of(sweep.seen, sweep.rejected) if sweep.reached_end else None
    with warehouse.reading() as session:
        # An empty list never agrees with a total that is not 0.
        sweep.agrees = digest is not None and bool(sweep.seen) and agrees_with_last(session, digest)
        swept = SweptList(
            started_at=fetch.started_at,
            ended_at=last.fetch.finished_at,
            seen=frozenset(sweep.seen),
            reported_total=sweep.total,
            is_full=sweep.is_complete and not sweep.rejected,
        )
        verdict = judge(swept, known_before(session))
    row = {
        "sweep_id": fetch.fetch_id,
        "started_at": fetch.started_at,
        "ended_at": last.fetch.finished_at,
        "first_reported_total": sweep.first.total,
        "reported_total": sweep.total,
        "seen_contacts": len(sweep.seen),
        "rejected_contacts": len(sweep.rejected),
        "requests": sweep.requests,
        "is_complete": sweep.is_complete,
        "seen_digest": digest,
        "missing_contacts": verdict.missing_contacts,
        "is_suspicious": verdict.is_suspicious,
        "needs_acceptance": verdict.needs_acceptance,
        "counted_at": verdict.counted_at,
    }
    batch.add(raw.ContactSweeps, row)
    if verdict.is_suspicious and verdict.counted_at is None:
        sweep.warning = warning(row)
    if verdict.confirmed is not None:
        batch.add(raw.ContactSweeps, {**verdict.confirmed, "counted_at": verdict.counted_at})
    for chat_ids, is_present in ((verdict.appeared, True), (verdict.disappeared, False)):
        for chat_id in sorted(chat_ids):
            batch.add(
                raw.ContactSightings,
                {"chat_id": chat_id, "sweep_id": fetch.fetch_id, "at": fetch.started_at, "is_present": is_present},
            )
    return verdict
