"""Reading one chat's history: up from the oldest end, or where that tells nothing, down from the newest.

What belongs here: where a reading goes on, whether its place has moved, and when it is over. What does not: the newest
end (visits.py), the state's own arithmetic (chat_state.py), when a list has ended by its pages (api/paging.py).

Records may go away, mostly the oldest, and then all that follows moves up. So a reading that goes on in a list whose
total has changed looks first whether the page before still holds the same; where that cannot be told, the history is
read from its beginning.

A list without a total tells of nothing that goes away. So its history is read from the newest end, where neither what
goes at the oldest nor what comes leaves a gap. Where it is not the list that ends but the server that gives no more (a
404, what came before), a reading from there is over only once the other end is in sight: the first page from the oldest
end holds something that it has read.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from crm_platform.api.paging import Paging, believed_total, count_of, keys_of
from crm_platform.errors import CrmPlatformError, NotFound, RejectedRequest, ServerUnavailable
from crm_platform.ingest.message_lists import Visit, asking, is_newest_first, last_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.api import CrmClient, Message, Page
    from crm_platform.ingest.chat_state import ChatState
    from crm_platform.ingest.message_lists import Sort

MOVES_UNSEEN_AFTER = timedelta(minutes=10)
"""In so long a pause as much may come to a list as goes away, and its total tells of neither."""

MOST_PAGES = 2_000
"""Pages of a chat that reports no total that are read at a stretch."""


class _Reading:
    """A reading of history at work: where it stands, and what a page, or none, means to it."""

    def __init__(
        self, client: CrmClient, visit: Visit, *, to_end: bool, skip_page: int | None, retries: int | None
    ) -> None:
        state = visit.state
        if state.reported_total is None and not state.is_read_back:
            state = state.from_the_newest()
        self.asked = 0
        self.is_over = False
        self._sort: Sort = "newest" if state.is_read_back else "oldest"
        self._to_end = to_end or state.is_read_back
        self._visit = visit
        self._skip_page = skip_page
        self._asking = asking(client, state.chat_id, retries=retries)
        self._is_doubted = False  # the last page brought nothing new
        self._go_on_from(state, total=state.reported_total)

    def _go_on_from(self, state: ChatState, *, total: int | None) -> None:
        self.state = self._before_last = state
        self._run: list[Page[Message]] = []  # pages that added something
        self._paging = Paging(
            first=state.pages_from_oldest + 1,
            held=state.newest_run + state.read_from_oldest,
            total=total,
            to_end=self._to_end,
            goes_back=False,
            asks_twice=False,
            most_pages=MOST_PAGES,
        )

    @property
    def next(self) -> int | None:
        """The page to ask for; None once the two ends meet, or the list has ended."""
        return None if self.is_over or (self.state.meets and not self._to_end) else self._paging.next

    def ask(self, number: int) -> Page[Message]:
        """Ask for a page."""
        self.asked += 1
        return self._asking(number, self._sort)

    def missed(self, number: int, problem: CrmPlatformError, *, is_second_time: bool, can_skip: bool) -> None:
        """Go on without a page, or end there; raises `problem` where neither is right."""
        if not self._paging.ends_with(problem):
            if can_skip and not self.state.is_read_back and self._paging.skip():
                return
            # Where it was not found before either, there is nothing, nor is what the total says is behind it.
            if not (isinstance(problem, NotFound) and is_second_time and number > 1):
                raise problem
        if not self._ends_at(number):
            raise RejectedRequest(f"page {number} is not found, and the list has not ended") from problem

    def took(self, page: Page[Message]) -> None:
        """Keep a page and step ahead; or not, where what it holds is not what follows."""
        state, told = self.state, page
        if not self._visit.pages and _may_have_moved(state, page):
            # Does the page before still hold the same? Else, or if twice nobody says, this is any page.
            try:
                told = self.ask(state.pages_from_oldest)
            except CrmPlatformError:
                self._visit.failed_page = state.pages_from_oldest
                if self._skip_page == state.pages_from_oldest:
                    self.state = state.from_the_start()
                raise
            if _digest(keys_of(told)) != state.last_page:
                self._go_on_from(state.from_the_start(), total=self._paging.total)
                return
        paging = self._paging
        paging.took(page, keys_of(page))
        if state.is_read_back:
            self._keep(page, told)
            return
        if told is not page:
            paging.total = believed_total(told)
        total, at_visit = paging.total, state.reported_total
        if believed_total(page) is None or total is None or at_visit is None or is_newest_first(page):
            # What goes away is no longer told, or the server knows no other order.
            self.state, self.is_over = state.from_the_newest(), True
            return
        # What is new since the visit is the next visit's; what is gone, nobody need look for.
        state = replace(state, reported_total=min(at_visit, total))
        if paging.shrank:  # and what went away stood before this page
            moved = replace(state, last_total=total, last_page_at=page.fetch.started_at)
            self._go_on_from(moved.moved_back(paging.shrank), total=total)
        elif self._run and _has_filled_up(self._run[-1], page):  # what it took in since stands before this page
            self._go_on_from(replace(self._before_last, reported_total=state.reported_total), total=total)
        else:
            self.state = state
            self._keep(page, told)

    def _keep(self, page: Page[Message], told: Page[Message]) -> None:
        self._visit.pages.append(page)
        if self._paging.new:
            self._run.append(page)
        state, number, digest = self.state, page.page, _digest(keys_of(page))
        # A server that has no more gives nothing, or its last page again: of this reading, or of the one before.
        if not self._paging.new or digest == state.last_page:
            self._is_old(number)
            return
        self._is_doubted = False
        is_next = not (state.is_read_back or state.has_gap) and number == state.pages_from_oldest + 1
        self._before_last = state
        self.state = replace(
            state,
            read_from_oldest=state.read_from_oldest + (count_of(page) if is_next else 0),
            pages_from_oldest=number,
            has_gap=not (state.is_read_back or is_next),
            last_page=digest,
            last_total=believed_total(told),
            last_page_at=told.fetch.started_at,
        )

    def _is_old(self, number: int) -> None:
        """A page brought nothing new: the list has ended, or so much came that a page was moved down by its length."""
        if self._is_doubted:
            raise RejectedRequest(f"page {number} brings nothing new, and the list has not ended")
        self._is_doubted = True
        if not self._ends_at(number):
            self._paging.go_on()  # it is no step ahead

    def _ends_at(self, number: int) -> bool:
        """Whether the list has ended, where page `number` brings no more. At first nobody need ask: the rows tell."""
        state, run = self.state, self._run
        if state.is_read_back or state.short_by is not None:
            if not run and state.pages_from_oldest:
                # Is the page before still there? If not, too much went away to go on from here.
                self.state = state.from_the_start()
                run = [self.ask(state.pages_from_oldest)]
                if not count_of(run[0]):
                    return False
                self.state = state
            last = last_page(self._asking, run, sort=self._sort, number=number)
            if not last:
                return False
            self._visit.pages += last
        self.is_over = self._visit.has_ended = True
        return True


def deepen(
    client: CrmClient,
    before: ChatState,
    *,
    most_pages: int,
    now: Callable[[], datetime],
    to_end: bool = False,
    skip_page: int | None = None,
    retries: int | None = None,
) -> Visit:
    """Read history from the oldest end, going on where the last reading stopped, until the two ends meet.

    `to_end`: until the list ends, whatever its total says. `skip_page`: a page that could not be had before, and is
    left out if it still cannot: what is missing then shows in the count.
    """
    visit = Visit(before)
    reading = _Reading(client, visit, to_end=to_end, skip_page=skip_page, retries=retries)
    try:
        while (number := reading.next) is not None and reading.asked < most_pages:
            # Left out for good only once a page behind it came: else it is the server that answers nobody.
            visit.failed_page = number if visit.failed_page is None else visit.failed_page
            try:
                page = reading.ask(number)
            except (RejectedRequest, ServerUnavailable) as problem:
                reading.missed(
                    number, problem, is_second_time=visit.failed_page == skip_page, can_skip=number == skip_page
                )
                continue
            visit.failed_page = None
            reading.took(page)
    except CrmPlatformError as problem:
        visit.failure = problem
        visit.state = replace(reading.state, failed_at=now(), failure=type(problem).__name__)
    else:
        visit.state = replace(reading.state, failed_at=None, failure=None)
    return visit


def _may_have_moved(state: ChatState, page: Page[Message]) -> bool:
    """Whether the list may have changed since its history was last read: what went away has moved the place."""
    if not state.pages_from_oldest or state.is_read_back:
        return False
    if believed_total(page) != state.last_total or state.last_page_at is None:
        return True
    return page.fetch.started_at - state.last_page_at >= MOVES_UNSEEN_AFTER


def _has_filled_up(last: Page[Message], page: Page[Message]) -> bool:
    """Whether `last`, the page before, was not full, and the list has grown since."""
    if last.total is None or page.total is None:
        return False
    return count_of(last) < max(count_of(page), last.page_size) and page.total > last.total


def _digest(keys: AbstractSet[str]) -> str:
    return blake2b("\n".join(sorted(keys)).encode(), digest_size=8).hexdigest()
