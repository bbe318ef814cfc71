"""Reading one chat: its newest pages down to known ground, its history up from the oldest end.

What belongs here: the two-ended reading of a list that grows at one end, as a function of what is known. What does not:
when a list has ended (api/paging.py), which chat is next (planner/), storing (batch.py).

A chat's list is known from both ends: `read_from_oldest` records without a gap from the oldest, `newest_run` from the
newest. Only the newest end grows, so `boundary` = total − newest_run, counted from the oldest end, stays where it is,
and both ends meet as soon as read_from_oldest reaches it. A visit that is cut off before it meets known ground starts a
new run at the newest end, and what lies between becomes history like any other: nothing is forgotten.

Records may go away, too, mostly the oldest, and then all that follows moves up. A total tells of it only where less
came in the meantime. So a visit goes on to a record that is known, whatever the total grew by; a reading of history
that goes on in a list whose total has changed looks first whether the page before still holds the same; and where
neither can be told, the history is read from its beginning.

Ends that meet are arithmetic on what the server says. **Whole** is more: at least as many records are stored or in
quarantine as the total says (`counted`). Where they are fewer, the history is read to the end of the list; where that
brings no more, all is read once more, a day later and from the other end; only then is the rest called unreachable.

A list without a total tells of nothing that goes away. So its history is read from the newest end, where neither what
goes at the oldest nor what comes leaves a gap. Where it is not the list that ends but the server that gives no more (a
404, what came before), a reading from there is over only once the other end is in sight: the first page from the oldest
end holds something that it has read.
"""

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from crm_platform.api.paging import HINTS, Paging, believed_total, count_of, keys_of
from crm_platform.errors import CrmPlatformError, NotFound, RejectedRequest, ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.api import CrmClient, Fetch, Message, Page, Rejected

    Sort = Literal["newest", "oldest"]
    Ask = Callable[[int, Sort], Page[Message]]

PAGE_SIZE = 100
"""Messages a page: the most that the API gives."""

READ_AGAIN_AFTER = timedelta(hours=24)
"""How long after a reading to the end that fell short of the total the list is read from the other end."""

MOVES_UNSEEN_AFTER = timedelta(minutes=10)
"""In so long a pause as much may come to a list as goes away, and its total tells of neither."""

MOST_PAGES = 2_000
"""Pages of a chat that reports no total that are read at a stretch."""


@dataclass(frozen=True, slots=True)
class ChatState:
    """What the crawl knows of one chat: a row of ops.crawl_state."""

    chat_id: str
    known_until: datetime | None = None
    reported_total: int | None = None
    newest_run: int = 0
    read_from_oldest: int = 0
    is_history_whole: bool = False
    proven_total: int | None = None
    failed_at: datetime | None = None
    failure: str | None = None
    pages_from_oldest: int = 0
    newest_run_since: datetime | None = None
    fell_short_at: datetime | None = None
    short_by: int | None = None
    is_read_back: bool = False
    unreachable: int = 0
    last_page: str | None = None
    last_total: int | None = None
    last_page_at: datetime | None = None
    has_gap: bool = False

    @property
    def boundary(self) -> int:
        """How many of the oldest records the newest run does not cover; all of them while no total is known."""
        return sys.maxsize if self.reported_total is None else max(0, self.reported_total - self.newest_run)

    @property
    def is_open(self) -> bool:
        """Visited, and a part of the history is still missing."""
        return self.known_until is not None and not self.is_history_whole

    @property
    def meets(self) -> bool:
        """Both ends meet by the server's count; whether that is all, the rows must tell."""
        return self.is_open and not (self.is_read_back or self.has_gap) and self.read_from_oldest >= self.boundary

    @property
    def missing(self) -> int:
        """Records of the history that are known to be missing."""
        if not self.is_open or self.reported_total is None:
            return 0
        return max(0, self.boundary - self.read_from_oldest) if self.short_by is None else self.short_by

    @property
    def missing_pages(self) -> int:
        """Pages of history still to be read, at least one while it is not known to be whole."""
        return max(1, -(-self.missing // PAGE_SIZE)) if self.is_open else 0

    def is_due(self, at: datetime) -> bool:
        """Whether its history is worth a request at `at`: a list that fell short rests for a day."""
        return self.is_open and (self.fell_short_at is None or at - self.fell_short_at >= READ_AGAIN_AFTER)

    def proven(self, total: int, *, unreachable: int = 0) -> ChatState:
        """All of the list, `total` records, has been read, but for those that no reading brings."""
        return replace(
            self,
            is_history_whole=True,
            proven_total=total,
            newest_run=total,
            # Whole pages: where the reading goes on if it ever has to.
            read_from_oldest=total // PAGE_SIZE * PAGE_SIZE,
            pages_from_oldest=total // PAGE_SIZE,
            fell_short_at=None,
            short_by=None,
            is_read_back=False,
            unreachable=unreachable,
            last_page=None,
            has_gap=False,
        )

    def counted(self, held: int, *, has_ended: bool, at: datetime) -> ChatState:
        """Judge a reading by the `held` rows, stored or in quarantine; `has_ended`: it reached the list's end.

        A state that is not whole afterwards is to be read to the end of its list.
        """
        total = self.reported_total
        if total is None:
            return self.proven(held) if has_ended else self
        # Where more is held than listed, what is gone is held, too: an end before both ends meet then says nothing.
        if held >= total and (self.meets or (has_ended and self.is_read_back)):
            return self.proven(total)
        if not has_ended:
            return self
        short_by = max(0, total - held)
        if short_by == self.short_by:
            return self.proven(total, unreachable=short_by)
        rested = replace(self.from_the_start(), fell_short_at=at, short_by=short_by)
        return replace(rested, is_read_back=not self.is_read_back)

    def from_the_start(self) -> ChatState:
        """Read the history again from its beginning."""
        return replace(
            self,
            read_from_oldest=0,
            pages_from_oldest=0,
            fell_short_at=None,
            short_by=None,
            is_read_back=False,
            last_page=None,
            has_gap=False,
        )

    def from_the_newest(self) -> ChatState:
        """Read the history from the newest end, from its beginning."""
        return replace(self, read_from_oldest=0, pages_from_oldest=0, is_read_back=True, last_page=None, has_gap=False)


@dataclass(slots=True)
class Visit:
    """What one visit brought: pages as they came, the chat's new state, and what stopped it, if anything did.

    `unseen`: ids of what was new at the newest end (messages, and keys of rejected records). `has_ended`: a reading of
    history reached the end of the list. `failed_page`: the page of the history that could not be had.
    """

    state: ChatState
    pages: list[Page[Message]] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)
    fetches: list[Fetch] = field(default_factory=list)
    failure: CrmPlatformError | None = None
    is_newest: bool = False
    has_ended: bool = False
    failed_page: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a chat's newest end: ids of its newest messages, keys of its quarantined records."""

    message_ids: frozenset[str] = frozenset()
    rejected_keys: frozenset[str] = frozenset()

    def is_reached_by(self, page: Page[Message], rejected_key: Callable[[Rejected], str]) -> bool:
        """Whether a page holds something known. A record without an id may only say what another said before it."""
        named = {one.key for one in page.records} | {rejected_key(one) for one in page.rejected if one.record_id}
        keys = named or {rejected_key(one) for one in page.rejected}
        return not (keys.isdisjoint(self.message_ids) and keys.isdisjoint(self.rejected_keys))


def visit_newest(
    client: CrmClient,
    before: ChatState,
    known: Known,
    *,
    rejected_key: Callable[[Rejected], str],
    now: Callable[[], datetime],
    retries: int | None = None,
) -> Visit:
    """Read the newest page; on a later visit go on to a record that is known.

    On a first visit the rest of the list is history, but where no total can be believed: one more page then tells
    whether there is any. `retries`: how often a failing request is sent again, None = as the client does.
    """
    visit = Visit(before, is_newest=True)
    ask = _asking(client, before.chat_id, retries=retries)
    paging = Paging(goes_back=False, asks_twice=False)
    run: list[Page[Message]] = []  # pages that added something
    state = before
    is_first = before.known_until is None
    is_met = is_all = False
    met_again: set[str] = (
        set()
    )  # keys on these pages that were known: a record without an id may stand above the others
    try:
        while paging.next is not None and not is_met:
            number = paging.next
            try:
                page = ask(number, "newest")
            except NotFound as problem:
                if paging.ends_with(problem):
                    break
                raise
            visit.pages.append(page)
            keys = keys_of(page, rejected_key)
            new = keys - known.message_ids - known.rejected_keys
            visit.unseen |= new
            if not run:
                state = replace(state, known_until=page.fetch.started_at, reported_total=believed_total(page))
            paging.took(page, keys_of(page))
            if paging.new or not run:
                run.append(page)
            if is_first and (state.reported_total is not None or len(run) > 1):
                break
            if not is_first:  # that as much came as the total grew by says nothing where something went away
                is_met = known.is_reached_by(page, rejected_key)
                met_again |= keys - new
        is_all = paging.end == "empty" or (paging.end == "total" and run[-1].total is not None)
        if paging.end in HINTS and not is_met:
            last = _last_page(ask, run, sort="newest", number=number)
            visit.pages += last
            is_all = bool(last)
    except CrmPlatformError as problem:
        visit.failure = problem
        state = replace(state, failed_at=now(), failure=type(problem).__name__)
    else:
        state = replace(state, failed_at=None, failure=None)
    if not run:
        visit.state = state
        return visit
    if is_all and paging.total is None:
        # What the first page said was not true: what came is what there is.
        state = replace(state, reported_total=None)
    total = state.reported_total
    moved = None if total is None else _moved(run)
    depth = count_of(run[0]) if moved is None else max(count_of(run[0]), sum(map(count_of, run)) - moved.came)
    if is_all and (total is None or depth >= total):
        # All of the list was read in one go, and no total says that more exists.
        total = len({key for page in visit.pages for key in keys_of(page)}) if total is None else total
        visit.state = state.proven(total)
        return visit
    state = replace(state, newest_run=depth)
    above = len(visit.unseen) if moved is None else min(len(visit.unseen), depth - len(met_again))
    met = None if is_first or not (is_met or is_all) else _after_meeting(before, state, run, moved, new=above)
    if met is None and not is_first and (moved is None or moved.came):
        # More may have come than the pages behind the first hold. If they were kept, they would be known ground to the
        # next visit, and nobody would look below.
        del visit.pages[1:], run[1:]
        state = replace(state, newest_run=count_of(run[0]))
    # A first visit, or cut off above known ground: what was read is a new run, what lies below becomes history. Where
    # its known part stands, nobody can say: how much has come and how much has gone is not known.
    visit.state = met or replace(state.from_the_start(), is_history_whole=False, newest_run_since=_oldest(run))
    return visit


class _Moved(NamedTuple):
    """How many records came, and how many went away, while pages were read."""

    came: int
    went: int


def _moved(run: list[Page[Message]]) -> _Moved | None:
    """What happened to a list while these pages were read; None where no total tells.

    What comes moves the list down, and may stand on a page itself.
    """
    totals = [page.total for page in run if page.total is not None]
    if len(totals) < len(run):
        return None
    steps = [after - before for before, after in pairwise(totals)]
    return _Moved(sum(step for step in steps if step > 0), -sum(step for step in steps if step < 0))


def _after_meeting(
    before: ChatState, state: ChatState, run: list[Page[Message]], moved: _Moved | None, *, new: int
) -> ChatState | None:
    """The chat's state after a visit that read `new` records above known ground; None where its run is a new one."""
    if before.is_read_back:
        return state  # what was known may be what that reading brought, and what lies between is not read yet
    grown = None
    if state.reported_total is not None and before.reported_total is not None:
        grown = state.reported_total - before.reported_total
    lost = 0 if grown is None else new - grown
    if lost < 0:
        # The list grew by more than its newest end showed: something older came in. Read all of it again.
        return None
    if before.is_history_whole:
        total = state.reported_total if state.reported_total is not None else before.newest_run + new
        return state.proven(total, unreachable=max(0, before.unreachable - lost))
    if grown is None or moved is None:
        return state.from_the_start()  # nobody knows what went away
    lost += moved.went
    # What came and is counted, but not shown, may make as much that went away look like nothing. So somebody is to look
    # whether the place has moved; or it is moved back by a page more.
    last_total = None if new and not lost else believed_total(run[-1])
    state = replace(state, newest_run=before.newest_run + new, last_total=last_total, last_page_at=state.known_until)
    return _moved_back(state, lost, spare_pages=1) if lost else state


def _moved_back(state: ChatState, lost: int, *, spare_pages: int = 0) -> ChatState:
    """The list lost so many records: where they stood before the place, what followed them has moved before it."""
    if state.has_gap or not state.pages_from_oldest:
        return state.from_the_start()
    size = max(1, state.read_from_oldest // state.pages_from_oldest)
    pages = max(0, state.pages_from_oldest - -(-lost // size) - spare_pages)
    return replace(state, pages_from_oldest=pages, read_from_oldest=pages * size, last_page=None)


def _oldest(pages: list[Page[Message]]) -> datetime | None:
    return min((message.timestamp for page in pages for message in page.records), default=None)


def _asking(client: CrmClient, chat_id: str, *, retries: int | None) -> Ask:
    return lambda number, sort: client.list_messages(chat_id, page=number, limit=PAGE_SIZE, sort=sort, retries=retries)


def _last_page(ask: Ask, run: list[Page[Message]], *, sort: Sort, number: int) -> list[Page[Message]]:
    """The last page of a list that was read in the pages `run`, until `number` brought no more; none if it goes on.

    It is the first page from the other end, where that holds something of the last one read: those before it may stand
    below, where much came meanwhile. Else what was looked at is not kept: a newest page that is stored is known ground
    to the next visit.
    """
    other = ask(1, "oldest" if sort == "newest" else "newest")
    if not run:
        return [] if count_of(other) else [other]
    if sort == "oldest" or not _is_newest_first(other):
        return [] if keys_of(run[-1]).isdisjoint(keys_of(other)) else [other]
    seen = {key for page in run for key in keys_of(page)}
    # The server knows no order. If it has no more, it says so again; but one full page may be all that it ever gives.
    for again in (number, number + 1):
        with suppress(NotFound):
            page = ask(again, sort)
            is_one_page = keys_of(page) == keys_of(other) and count_of(page) >= page.page_size and page.total is None
            if is_one_page or not keys_of(page) <= seen:
                return []
    return run[-1:]


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
        self._asking = _asking(client, state.chat_id, retries=retries)
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
        if believed_total(page) is None or total is None or at_visit is None or _is_newest_first(page):
            # What goes away is no longer told, or the server knows no other order.
            self.state, self.is_over = state.from_the_newest(), True
            return
        # What is new since the visit is the next visit's; what is gone, nobody need look for.
        state = replace(state, reported_total=min(at_visit, total))
        if paging.shrank:  # and what went away stood before this page
            moved = replace(state, last_total=total, last_page_at=page.fetch.started_at)
            self._go_on_from(_moved_back(moved, paging.shrank), total=total)
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
            last = _last_page(self._asking, run, sort=self._sort, number=number)
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


def _is_newest_first(page: Page[Message]) -> bool:
    """Whether most of a page's messages are older than the one before."""
    steps = [(after.timestamp - before.timestamp).total_seconds() for before, after in pairwise(page.records)]
    return sum(step < 0 for step in steps) > sum(step > 0 for step in steps)


def _digest(keys: AbstractSet[str]) -> str:
    return blake2b("\n".join(sorted(keys)).encode(), digest_size=8).hexdigest()
