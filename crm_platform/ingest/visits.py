"""Visiting one chat: its newest pages, down to known ground.

What belongs here: a visit of the newest end, and the chat's state after it, as a function of what is known. What does
not: the history below (histories.py), the state's own arithmetic (chat_state.py), which chat is next (planner/).

A visit that is cut off before it meets known ground starts a new run at the newest end, and what lies between becomes
history like any other: nothing is forgotten. Records may go away, too, mostly the oldest, and then all that follows
moves up. A total tells of it only where less came in the meantime. So a visit goes on to a record that is known,
whatever the total grew by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from crm_platform.api.paging import HINTS, Paging, believed_total, count_of, keys_of
from crm_platform.errors import CrmPlatformError, NotFound
from crm_platform.ingest.message_lists import Visit, asking, last_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.api import CrmClient, Message, Page, Rejected
    from crm_platform.ingest.chat_state import ChatState


@dataclass(frozen=True, slots=True)
class KnownMessages:
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
    known: KnownMessages,
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
    ask = asking(client, before.chat_id, retries=retries)
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
            last = last_page(ask, run, sort="newest", number=number)
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
    return state.moved_back(lost, spare_pages=1) if lost else state


def _oldest(pages: list[Page[Message]]) -> datetime | None:
    return min((message.timestamp for page in pages for message in page.records), default=None)
