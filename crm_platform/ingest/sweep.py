"""One pass over the contact list, whose pages may shift while it runs.

What belongs here: reading every page, noticing that the list moved, saying whether the pass was complete, and its rows.
What does not: who is missing from it, and whether that is believed (presence.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError
from crm_platform.ingest.presence import Listing, Verdict, agrees_with_last, digest_of, judge, known_before, warning
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.api import Contact, CrmClient, Page
    from crm_platform.ingest.batch import Batch
    from crm_platform.warehouse import Warehouse


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
    agrees: bool = False
    """The last sweep that came to the end saw just the same: the list is what it is, whatever its total says."""
    failure: CrmPlatformError | None = None
    warning: str = ""
    """Once it is recorded: what to tell people, empty when all is well."""

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
        """Every page to the end, and seen at least the smaller of the first and last reported total, or agreed on."""
        if not self.reached_end or self.first is None or self.last is None:
            return False
        if self.agrees:
            return True
        totals = [total for total in (self.first.total, self.last.total) if total is not None]
        # A record that had to be rejected was seen all the same.
        return len(self.seen) + len(self.rejected) >= min(totals, default=0)


def record_sweep(sweep: Sweep, batch: Batch, warehouse: Warehouse) -> Verdict | None:
    """Judge the sweep, and add it and the contacts that came or went to the batch; None where it saw no page."""
    if sweep.first is None:
        return None
    fetch = sweep.first.fetch
    last = sweep.last or sweep.first
    digest = digest_of(sweep.seen, sweep.rejected) if sweep.reached_end else None
    with warehouse.reading() as session:
        # An empty list never agrees with a total that is not 0.
        sweep.agrees = digest is not None and bool(sweep.seen) and agrees_with_last(session, digest)
        listing = Listing(
            started_at=fetch.started_at,
            ended_at=last.fetch.finished_at,
            seen=frozenset(sweep.seen),
            reported_total=last.total,
            is_full=sweep.is_complete and not sweep.rejected,
        )
        verdict = judge(listing, known_before(session))
    row = {
        "sweep_id": fetch.fetch_id,
        "started_at": fetch.started_at,
        "ended_at": last.fetch.finished_at,
        "first_reported_total": sweep.first.total,
        "reported_total": last.total,
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
