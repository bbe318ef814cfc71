"""One pass over a tenant's list, contacts or campaigns, whose pages may shift while it runs.

What belongs here: reading every page that can be had, noticing that the list moved, saying whether the pass was
complete. What does not: when a list has ended (api/paging.py), what a missing contact means (sweep.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from crm_platform.api.paging import Paging, gives_one_page, keys_of
from crm_platform.errors import CrmPlatformError, RejectedRequest, ServerUnavailable, Unauthorized

if TYPE_CHECKING:
    from crm_platform.api import Page

T = TypeVar("T")

FAILING_PAGES = 3
"""So many pages in a row that cannot be had end a pass."""


@dataclass(slots=True)
class Listing(Generic[T]):
    """A pass over a list. Iterate `pages`, then ask what it saw. `read` gives a page by its number.

    `failed`: pages that could not be had, and why. `failure`: what ended the pass early, or, where it went on without
    some pages, the first reason for that.
    """

    read: Callable[[int], Page[T]]
    seen: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    requests: int = 0
    first: Page[T] | None = None
    last: Page[T] | None = None
    total: int | None = None
    reached_end: bool = False
    failed: dict[int, CrmPlatformError] = field(default_factory=dict)
    failure: CrmPlatformError | None = None

    def pages(self) -> Iterator[Page[T]]:
        """Read to the end, without the pages that cannot be had; where the list shrank meanwhile, go back as far."""
        paging = Paging()
        failing = 0
        try:
            while paging.next is not None:
                number = paging.next
                try:
                    page = self._read(number)
                except (RejectedRequest, ServerUnavailable, Unauthorized) as problem:
                    if paging.ends_with(problem):
                        continue
                    failing += 1
                    self.failed[number] = problem
                    if failing == FAILING_PAGES or not paging.skip():
                        raise
                    continue
                failing = 0
                yield page
                paging.took(page, keys_of(page))
                self.total = paging.total
            if self.first and self.last and gives_one_page(self.first, self.last):
                raise RejectedRequest("page 2 is page 1 again, and no total says how many records there are")
            self.reached_end = paging.end != "budget" and not self.failed
            # What was added while we read may stand on a page that was read before: look there once more.
            for again in range(1, paging.moved_at):
                if self.total is None or self.count >= self.total:
                    break
                yield self._read(again)
        except CrmPlatformError as problem:
            self.failure = problem
        if self.failure is None and self.failed:
            self.failure = next(iter(self.failed.values()))

    def _read(self, number: int) -> Page[T]:
        self.requests += 1
        page: Page[Any] = self.read(number)
        self.first = self.first or page
        self.last = page
        self.seen.update(record.key for record in page.records)
        self.rejected.update(one.record_id or one.raw for one in page.rejected)
        return page

    @property
    def count(self) -> int:
        """Records seen; one that had to be rejected was seen all the same."""
        return len(self.seen) + len(self.rejected)

    @property
    def missing(self) -> int | None:
        """Records that the list says it has and no page brought; None where it does not say."""
        return None if self.total is None else max(0, self.total - self.count)

    @property
    def is_complete(self) -> bool:
        """Every page to the end, and seen at least the smaller of the first and last total that can be believed."""
        if not self.reached_end or self.first is None:
            return False
        totals = [total for total in (self.first.total, self.total) if total is not None]
        return self.count >= min(totals, default=0)
