"""Reading a list page by page: which page is next, and when the list has ended.

What belongs here: the one rule for contacts, campaigns and messages. What does not: asking for a page (client.py), what
a reading is for (ingest/).

Servers keep less than the contract promises: pages are shorter than asked for, the size in the answer is not the size
of the page, a total counts only this page, is missing or is never right, the last page repeats for ever. So a reading
trusts the records more than the numbers:

- it ends at an empty page, at a page that adds no new key, or where as many keys came as the total says;
- a page behind the first that the server does not know (404) is an empty one, unless the total says that it holds
  something. A server in trouble says the same of a page that is there. So behind a page that is as full as any, the
  page before is asked for again, and then this one: either tells;
- a total is not believed where it says no more than a full page holds, or less than has come already;
- a total that shrinks means that records before the place went away, and what followed them moved back: the pages
  before are read again;
- however long the list pretends to be, a reading costs a bounded number of pages.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_platform.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from crm_platform.api.records import Page, Rejected
    from crm_platform.errors import CrmPlatformError

End = Literal["empty", "nothing new", "not found", "total", "budget"]

HINTS: Final = frozenset({"nothing new", "not found"})
"""Ends that need not be the list's own: the server may have been in trouble, or the list may have moved."""

MOST_PAGES: Final = 20_000
"""Pages of one reading of a list that reports no total."""

SPARE_PAGES: Final = 20
"""Pages of one reading beyond twice what its total takes."""


def count_of(page: Page[Any]) -> int:
    """How many records a page held, rejected ones included."""
    return len(page.records) + len(page.rejected)


def keys_of(page: Page[Any], rejected_key: Callable[[Rejected], str] | None = None) -> set[str]:
    """The keys of a page's records; a rejected one goes by `rejected_key`, else by its id, or its text without one."""
    name_of = rejected_key or (lambda one: one.record_id or one.raw)
    return {record.key for record in page.records} | {name_of(one) for one in page.rejected}


def gives_one_page(first: Page[Any], second: Page[Any]) -> bool:
    """Whether page 2 is the full page 1 again, and no total says how much there is: what follows is unknown."""
    is_full = count_of(first) >= first.page_size
    return (
        (first.page, second.page) == (1, 2) and is_full and second.total is None and keys_of(first) == keys_of(second)
    )


def believed_total(page: Page[Any]) -> int | None:
    """The total that a page reports; None where it may count this page alone: where a full page holds as many."""
    came = count_of(page)
    if page.total is None or page.total < came or (came > 0 and page.total == came >= page.page_size):
        return None
    return page.total


class Paging:
    """Where one reading of a list stands. Read page `next` and tell `took` of it, until `next` is None.

    `first`: the page it begins at. `held`: records of the list that are known from elsewhere and count towards the
    total. `total`: what it was when it was last read. `to_end`: the total neither ends it nor keeps it from ending.
    `goes_back`: where the total shrinks, the pages before are read again. `asks_twice`: a 404 is made sure of, as who
    knows no better way must.

    `end` says why the reading ended, None while it goes on; `new`: keys that the last page added.
    """

    def __init__(
        self,
        *,
        first: int = 1,
        held: int = 0,
        total: int | None = None,
        to_end: bool = False,
        goes_back: bool = True,
        asks_twice: bool = True,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self.next: int | None = first
        self.end: End | None = None
        self.keys: set[str] = set()
        self.new: AbstractSet[str] = frozenset()
        self.total = total
        self.moved_at = 0  # the last page whose total differed from the one before
        self.shrank = 0  # by how much the last page's total was less than the one before
        self.lost_pages = 0  # how many of the pages read the last page has made doubtful
        self._last = first - 1
        self._held = held
        self._gone = 0
        self._to_end = to_end
        self._goes_back = goes_back
        self._asks_twice = asks_twice
        self._doubted: int | None = None  # a page that was not found
        self._is_short = False  # whether the last page held less than another
        self._most_pages = most_pages
        self._again: deque[int] = deque()
        self._largest = 0
        self._taken = 0

    def took(self, page: Page[Any], keys: AbstractSet[str]) -> None:
        """Note page `next`, by the keys it held."""
        came = count_of(page)
        is_again = page.page <= self._last
        self._taken += 1
        self._largest = max(self._largest, came)
        self._is_short = came < self._largest
        self._last = max(self._last, page.page)
        self.new = keys - self.keys
        self.keys |= keys
        self._hear(page)
        if came == 0 and not self.lost_pages:
            self._finish("empty")
        elif not self.new and not is_again and not self.lost_pages:
            self._finish("nothing new")
        elif not self._again and not self._to_end and self._has_all():
            self._finish("total")
        elif self._taken >= self._budget():
            self._finish("budget")
        else:
            self._go_on()

    def ends_with(self, problem: CrmPlatformError) -> bool:
        """Whether `problem`, got for page `next`, only says that the list is over. Then it has ended, or asks again."""
        is_over = isinstance(problem, NotFound) and self.next not in (None, 1) and not self._again
        if not is_over or (self.total is not None and not self._to_end and not self._has_all()):
            return False
        if self._asks_twice and self.total is None and not self._is_short and self._doubted != self.next:
            assert self.next is not None
            self._doubted = self.next
            self._again, self.next = deque([self.next]), self.next - 1
        else:
            self._finish("not found")
        return True

    def go_on(self) -> None:
        """Read on behind a page that added nothing: somebody knows that the list has not ended."""
        self.end = None
        self._go_on()

    def skip(self) -> bool:
        """Leave out page `next`, which cannot be read. False where nothing says that there is more after it."""
        number = self.next
        if number is None or self.total is None or number * max(self._largest, 1) >= self.total:
            return False
        self._last = max(self._last, number)
        self._go_on()
        return True

    def _hear(self, page: Page[Any]) -> None:
        """Note the total. Where it shrank, records went away and the rest may have moved: go back as far."""
        self.lost_pages = self.shrank = 0
        total = believed_total(page)
        if total is None or (not self._held and len(self.keys) - self._gone > max(total, self.total or 0)):
            # More came than it says: only the end of the list tells.
            self.total = None if page.total is not None else self.total
            return
        grown = 0 if self.total is None else total - self.total
        self.shrank = max(0, -grown)
        if grown:
            self.moved_at = page.page
        if self.shrank and self._goes_back:
            self._gone += self.shrank
            first = max(1, page.page - -(-self.shrank // max(self._largest, 1)))
            # A page that is read again may shrink, too: then all that was read behind it has moved before it was read.
            self._again = deque(number for number in range(first, self._last + 1) if number != page.page)
            self.lost_pages = len(self._again)
        self.total = total

    def _has_all(self) -> bool:
        if self.total is None:
            return False
        have = len(self.keys) + self._held - self._gone
        # Records that are held may be read again and then count twice: so look once more.
        return have >= self.total if self._held else have == self.total

    def _budget(self) -> int:
        if self.total is None:
            return self._most_pages
        return SPARE_PAGES + 2 * -(-self.total // max(self._largest, 1))

    def _go_on(self) -> None:
        self.next = self._again.popleft() if self._again else self._last + 1

    def _finish(self, end: End) -> None:
        self.end, self.next = end, None


def pages(read: Callable[[int], Page[Any]], *, first: int = 1) -> Iterator[Page[Any]]:
    """Give a list's pages from `first` to its end, asking for each when it is wanted."""
    paging = Paging(first=first)
    while paging.next is not None:
        try:
            page = read(paging.next)
        except NotFound as problem:
            if paging.ends_with(problem):
                continue
            raise
        yield page
        paging.took(page, keys_of(page))
