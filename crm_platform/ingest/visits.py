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
"""

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from crm_platform.api.paging import Paging, believed_total, count_of, gives_one_page, keys_of
from crm_platform.errors import CrmPlatformError, RejectedRequest, ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.api import CrmClient, Fetch, Message, Page, Rejected

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
        return self.is_open and not self.is_read_back and self.read_from_oldest >= self.boundary

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
        )

    def counted(self, held: int, *, has_ended: bool, at: datetime) -> ChatState:
        """Judge a reading by the `held` rows, stored or in quarantine; `has_ended`: it reached the list's end.

        A state that is not whole afterwards is to be read to the end of its list.
        """
        total = self.reported_total
        if total is None or held >= total:
            return self.proven(held if total is None else total) if has_ended or self.meets else self
        if not has_ended:
            return self
        if total - held == self.short_by:
            return self.proven(total, unreachable=total - held)
        rested = replace(self.from_the_start(), fell_short_at=at, short_by=total - held)
        return replace(rested, is_read_back=not self.is_read_back)

    def anew(self, *, newest_run: int) -> ChatState:
        """Only `newest_run` records at the newest end are known to be without a gap; the rest is as far as it was."""
        return replace(self, newest_run=newest_run, is_history_whole=False)

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
        )


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


def visit_newest(
    client: CrmClient,
    before: ChatState,
    known: Known,
    *,
    rejected_key: Callable[[Rejected], str],
    now: Callable[[], datetime],
    retries: int | None = None,
) -> Visit:
    """Read the newest page; on a later visit go on while everything was new.

    On a first visit the rest of the list is history, but where no total can be believed: one more page then tells
    whether there is any. `retries`: how often a failing request is sent again, None = as the client does.
    """
    visit = Visit(before, is_newest=True)
    unseen = visit.unseen
    paging = Paging()
    grown: int | None = None
    state = before
    is_first = before.known_until is None
    try:
        while paging.next is not None:
            page = client.list_messages(
                before.chat_id, page=paging.next, limit=PAGE_SIZE, sort="newest", retries=retries
            )
            visit.pages.append(page)
            keys = keys_of(page, rejected_key)
            new = keys - known.message_ids - known.rejected_keys
            unseen |= new
            if len(visit.pages) == 1:
                total = believed_total(page)
                state = replace(state, known_until=page.fetch.started_at, reported_total=total)
                if total is not None and before.reported_total is not None:
                    grown = total - before.reported_total
            paging.took(page, keys)
            if is_first:
                if total is not None or len(visit.pages) > 1:
                    break
            elif len(new) < len(keys):
                break  # known ground; that as much came as the total grew by says nothing where something went away
    except CrmPlatformError as problem:
        visit.failure = None if paging.ends_with(problem) else problem
    if visit.failure is None:
        state = replace(state, failed_at=None, failure=None)
        if paging.end is not None and paging.total is None:
            # What the first page said was not true: what came is what there is.
            state = replace(state, reported_total=None)
        if len(visit.pages) == 2 and gives_one_page(*visit.pages):
            # All there is, or all that this server ever gives: the oldest end tells.
            state = replace(state, last_page=_digest(paging.keys))
        elif paging.end not in (None, "budget") and len(paging.keys) >= (state.reported_total or 0):
            # All of the list was read in one go, and no total says that more exists.
            total = len(paging.keys) if state.reported_total is None else state.reported_total
            visit.state = state.proven(total)
            return visit
    else:
        state = replace(state, failed_at=now(), failure=type(visit.failure).__name__)
    visit.state = _after_visit(before, state, visit, read=len(paging.keys), grown=grown)
    return visit


def _after_visit(before: ChatState, state: ChatState, visit: Visit, *, read: int, grown: int | None) -> ChatState:
    """The chat's state after a visit that read `read` records in a row from the newest end."""
    if not visit.pages:
        return state
    fresh_run = replace(state.anew(newest_run=read), newest_run_since=_oldest(visit.pages))
    if before.known_until is None or visit.failure is not None:
        # After a failure: cut off above known ground. What was read is the new run, what lies below becomes history,
        # and where its known part stands, nobody can say: how much has come and how much has gone is not known.
        return fresh_run if grown is None else fresh_run.from_the_start()
    new = len(visit.unseen)
    if grown is not None and new < grown:
        # The list grew by more than its newest end showed: something older came in. Read all of it again.
        return fresh_run.from_the_start()
    lost = 0 if grown is None else new - grown
    if before.is_history_whole:
        total = state.reported_total if state.reported_total is not None else before.newest_run + new
        return state.proven(total, unreachable=max(0, before.unreachable - lost))
    # What went away until now is told by `lost`.
    told = state.known_until if before.last_page_at is not None else None
    state = replace(state, newest_run=before.newest_run + new, last_total=state.reported_total, last_page_at=told)
    return _moved_back(state, lost, page_size=count_of(visit.pages[0])) if lost > 0 else state


def _moved_back(state: ChatState, lost: int, *, page_size: int) -> ChatState:
    """The list lost so many records: where they stood before the place, what followed them has moved before it."""
    page_size = max(page_size, 1)
    pages = max(0, state.pages_from_oldest - -(-lost // page_size))
    read = max(0, min(state.read_from_oldest - lost, pages * page_size))
    return replace(state, pages_from_oldest=pages, read_from_oldest=read, last_page=None)


def _oldest(pages: list[Page[Message]]) -> datetime | None:
    return min((message.timestamp for page in pages for message in page.records), default=None)


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
    state = before
    sort = "newest" if state.is_read_back else "oldest"
    to_end = to_end or state.is_read_back
    paging = _history(state, to_end=to_end)
    largest = 0
    try:
        while paging.next is not None and len(visit.pages) < most_pages and (to_end or not state.meets):
            # Left out for good only once a page behind it came: else it is the server that answers nobody.
            visit.failed_page = paging.next if visit.failed_page is None else visit.failed_page
            try:
                page = client.list_messages(
                    state.chat_id, page=paging.next, limit=PAGE_SIZE, sort=sort, retries=retries
                )
            except (RejectedRequest, ServerUnavailable) as problem:
                if paging.ends_with(problem):
                    visit.failed_page = None
                    break
                if paging.next != skip_page or not paging.skip():
                    raise
                continue
            visit.failed_page = None
            visit.pages.append(page)
            if len(visit.pages) == 1 and _may_have_moved(state, page):
                # Does the page before still hold the same?
                last = client.list_messages(
                    state.chat_id, page=state.pages_from_oldest, limit=PAGE_SIZE, sort=sort, retries=retries
                )
                visit.pages.append(last)
                if _digest(keys_of(last)) != state.last_page:
                    state = state.from_the_start()
                    paging = _history(state, to_end=to_end)
                    continue
            largest = max(largest, count_of(page))
            keys = keys_of(page)
            paging.took(page, keys)
            digest = _digest(keys)
            if keys and digest == state.last_page:
                if page.page == 2 and page.total is None and count_of(page) >= page.page_size:
                    state = state.from_the_start()
                    raise RejectedRequest("page 2 is page 1 again, and no total says how many messages there are")
                # The page that the reading before ended with: a server that has no more repeats its last one.
                visit.has_ended = True
                break
            read = state.read_from_oldest + count_of(page)
            if paging.lost_pages:
                read = paging.place * largest  # too few rather than too many: a page may be read for nothing
            elif not paging.new:
                read = state.read_from_oldest
            if paging.total is not None and state.reported_total is not None:
                # What is new since the visit is the next visit's; what is gone, nobody need look for.
                state = replace(state, reported_total=min(state.reported_total, paging.total))
            state = replace(
                state,
                read_from_oldest=read,
                pages_from_oldest=paging.place,
                last_page=digest,
                last_total=believed_total(page),
                last_page_at=page.fetch.started_at,
            )
    except CrmPlatformError as problem:
        visit.failure = problem
        state = replace(state, failed_at=now(), failure=type(problem).__name__)
    else:
        state = replace(state, failed_at=None, failure=None)
    visit.has_ended = visit.failure is None and (visit.has_ended or paging.end in ("empty", "nothing new"))
    visit.state = state
    return visit


def _may_have_moved(state: ChatState, page: Page[Message]) -> bool:
    """Whether the list may have changed since its history was last read: what went away has moved the place."""
    if not state.pages_from_oldest or state.last_page is None or state.is_read_back:
        return False
    if believed_total(page) != state.last_total or state.last_page_at is None:
        return True
    return page.fetch.started_at - state.last_page_at >= MOVES_UNSEEN_AFTER


def _history(state: ChatState, *, to_end: bool) -> Paging:
    return Paging(
        first=state.pages_from_oldest + 1,
        held=state.newest_run + state.read_from_oldest,
        total=state.reported_total,
        to_end=to_end,
        most_pages=MOST_PAGES,
    )


def _digest(keys: AbstractSet[str]) -> str:
    return blake2b("\n".join(sorted(keys)).encode(), digest_size=8).hexdigest()
