"""Reading one chat: its newest pages down to known ground, its history up from the oldest end.

What belongs here: the two-ended reading of a list that grows at one end, as a function of what is known. What does not:
which chat is next (planner.py), storing (batch.py).

A chat's list is known from both ends: `read_from_oldest` records without a gap from the oldest, `newest_run` from the
newest. Only the newest end grows, so `boundary` = total − newest_run, counted from the oldest end, stays where it is,
and the history is whole as soon as read_from_oldest reaches it. A visit that is cut off before it meets known ground
starts a new run at the newest end, and what lies between becomes history like any other: nothing is forgotten.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from crm_platform.api import CrmClient, Fetch, Message, Page, Rejected

PAGE_SIZE = 100
"""Messages a page: the most that the API gives."""


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

    @property
    def boundary(self) -> int:
        """How many of the oldest records the newest run does not cover; all of them while no total is known."""
        return sys.maxsize if self.reported_total is None else max(0, self.reported_total - self.newest_run)

    @property
    def is_open(self) -> bool:
        """Visited, and a part of the history is still missing."""
        return self.known_until is not None and not self.is_history_whole

    @property
    def missing(self) -> int:
        """Records of the history that are known to be missing."""
        is_known = self.is_open and self.reported_total is not None
        return max(0, self.boundary - self.read_from_oldest) if is_known else 0

    @property
    def missing_pages(self) -> int:
        """Pages of history still to be read, at least one while it is not known to be whole."""
        return max(1, -(-self.missing // PAGE_SIZE)) if self.is_open else 0

    def settled(self) -> ChatState:
        """Mark the history as whole once both ends meet."""
        return self.proven(self.reported_total or 0) if self.read_from_oldest >= self.boundary else self

    def proven(self, total: int) -> ChatState:
        """The whole list, `total` records, has been read."""
        return replace(self, is_history_whole=True, proven_total=total, newest_run=total, read_from_oldest=total)


@dataclass(slots=True)
class Visit:
    """What one visit brought: pages as they came, the chat's new state, and what stopped it, if anything did.

    `unseen`: ids of what was new at the newest end (messages, and keys of rejected records).
    """

    state: ChatState
    pages: list[Page[Message]] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)
    fetches: list[Fetch] = field(default_factory=list)
    failure: CrmPlatformError | None = None
    is_newest: bool = False


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
) -> Visit:
    """Read the newest page; on a later visit go on while everything was new and more has been added than was seen."""
    visit = Visit(before, is_newest=True)
    unseen = visit.unseen
    # Distinct, since what arrives between two pages pushes records from one to the next.
    read: set[str] = set()
    grown: int | None = None
    state = before
    try:
        while True:
            number = len(visit.pages) + 1
            page = client.list_messages(before.chat_id, page=number, limit=PAGE_SIZE, sort="newest")
            visit.pages.append(page)
            keys = {message.message_id for message in page.records} | {rejected_key(one) for one in page.rejected}
            came = len(page.records) + len(page.rejected)
            new = keys - known.message_ids - known.rejected_keys
            unseen |= new
            read |= keys
            if number == 1:
                total = page.total if page.total is not None or came >= page.page_size else came
                state = replace(state, known_until=page.fetch.started_at, reported_total=total)
                if total is not None and before.reported_total is not None:
                    grown = total - before.reported_total
            met_known_ground = len(new) < len(keys) or came < page.page_size
            if before.known_until is None or met_known_ground or (grown is not None and len(unseen) >= grown):
                break
    except CrmPlatformError as problem:
        visit.failure = problem
    visit.state = _after_visit(before, state, visit, read=len(read), grown=grown, now=now)
    return visit


def _after_visit(
    before: ChatState, state: ChatState, visit: Visit, *, read: int, grown: int | None, now: Callable[[], datetime]
) -> ChatState:
    """The chat's state after a visit that read `read` records in a row from the newest end."""
    if visit.failure is not None:
        state = replace(state, failed_at=now(), failure=type(visit.failure).__name__)
        if not visit.pages:
            return state
    else:
        state = replace(state, failed_at=None, failure=None)
    fresh_run = replace(state, newest_run=read, is_history_whole=False)
    if before.known_until is None:
        return fresh_run.settled()
    if visit.failure is not None:
        # Cut off above known ground: what was read is the new run, what lies below it becomes history.
        return fresh_run.settled()
    if grown is not None and len(visit.unseen) < grown:
        # The list grew by more than its newest end showed: something older came in. Read all of it again.
        return replace(fresh_run, read_from_oldest=0).settled()
    if before.is_history_whole:
        return state.proven(state.reported_total if state.reported_total is not None else before.newest_run)
    return replace(
        state, newest_run=before.newest_run + (len(visit.unseen) if grown is None else max(0, grown))
    ).settled()


def deepen(
    client: CrmClient,
    before: ChatState,
    *,
    most_pages: int,
    now: Callable[[], datetime],
    page_size: int = PAGE_SIZE,
) -> Visit:
    """Read history from the oldest end, going on where the last reading stopped, until the two ends meet.

    `page_size`: records a page as far as the server is known. One that gives fewer is noticed, which costs a page: a
    caller that never learnt it, and has two pages to spend, would stay where it is for ever.
    """
    visit = Visit(before)
    state = before
    size = page_size
    try:
        while not state.is_history_whole and len(visit.pages) < most_pages:
            number = state.read_from_oldest // size + 1
            page = client.list_messages(state.chat_id, page=number, limit=PAGE_SIZE, sort="oldest")
            visit.pages.append(page)
            if page.page_size != size:
                # A server with smaller pages than asked for: page numbers count in its own size.
                size = page.page_size
                if number > 1:
                    continue
            came = len(page.records) + len(page.rejected)
            read = (number - 1) * size + came
            state = replace(state, read_from_oldest=max(read, state.read_from_oldest)).settled()
            if came < size and not state.is_history_whole:
                # The list ends here, shorter than it was said to be: there is no more to be had.
                state = replace(state, reported_total=read).proven(read)
    except CrmPlatformError as problem:
        visit.failure = problem
        state = replace(state, failed_at=now(), failure=type(problem).__name__)
    visit.state = state
    return visit
