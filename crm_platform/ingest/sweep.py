"""One pass over the contact list, whose pages may shift while it runs.

What belongs here: reading every page, noticing that the list moved, saying whether the pass was complete, and which
contacts appeared or went missing. What does not: when a missing contact counts as gone (core.contact_presence).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.api import Contact, CrmClient, Page
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


@dataclass(slots=True)
class Sweep:
    """A pass over the contact list. Iterate `pages`, then ask what it saw."""

    client: CrmClient
    seen: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    requests: int = 0
    first: Page[Contact] | None = None
    last: Page[Contact] | None = None
    reached_end: bool = False
    failure: CrmPlatformError | None = None

    def pages(self) -> Iterator[Page[Contact]]:
        """Read to the end; where the list shrank meanwhile, read the page before again: its end has moved there."""
        number = 1
        moved_at = 0
        try:
            while True:
                page = self._read(number)
                yield page
                if self.last is not None and page.total is not None and self.last.total not in (None, page.total):
                    moved_at = number
                    if page.total < (self.last.total or 0) and number > 1:
                        yield self._read(number - 1)
                self.last = page
                came = len(page.records) + len(page.rejected)
                if came == 0 or (page.total is None and came < page.page_size):
                    break
                if page.total is not None and number * page.page_size >= page.total:
                    break
                number += 1
            self.reached_end = True
            # What was added while we read may stand on a page that was read before: look there once more.
            for again in range(1, moved_at):
                if self.last.total is None or len(self.seen) + len(self.rejected) >= self.last.total:
                    break
                yield self._read(again)
        except CrmPlatformError as problem:
            self.failure = problem

    def _read(self, number: int) -> Page[Contact]:
        page = self.client.list_contacts(page=number)
        self.requests += 1
        self.first = self.first or page
        self.seen.update(contact.chat_id for contact in page.records)
        self.rejected.update(rejected.record_id or rejected.raw for rejected in page.rejected)
        return page

    @property
    def is_complete(self) -> bool:
        """Every page to the end, and seen at least the smaller of the first and last reported total."""
        if not self.reached_end or self.first is None or self.last is None:
            return False
        totals = [total for total in (self.first.total, self.last.total) if total is not None]
        # A record that had to be rejected was seen all the same.
        return len(self.seen) + len(self.rejected) >= min(totals, default=0)


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
            "reported_total": last.total,
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
