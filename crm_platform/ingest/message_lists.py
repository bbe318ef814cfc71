"""One chat's list of messages over HTTP: asking for a page of it, and looking whether its end is its end.

What belongs here: what visits of the newest end (visits.py) and readings of history (histories.py) share. What does
not: when a list has ended by what its pages say (api/paging.py).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from crm_platform.api.paging import count_of, keys_of
from crm_platform.errors import NotFound
from crm_platform.ingest.chat_state import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.api import CrmClient, Fetch, Message, Page
    from crm_platform.errors import CrmPlatformError
    from crm_platform.ingest.chat_state import ChatState

    Sort = Literal["newest", "oldest"]
    Ask = Callable[[int, Sort], Page[Message]]


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


def asking(client: CrmClient, chat_id: str, *, retries: int | None) -> Ask:
    """Give a function that asks for one page of a chat's list, by its number and from which end."""
    return lambda number, sort: client.list_messages(chat_id, page=number, limit=PAGE_SIZE, sort=sort, retries=retries)


def last_page(ask: Ask, run: list[Page[Message]], *, sort: Sort, number: int) -> list[Page[Message]]:
    """The last page of a list that was read in the pages `run`, until `number` brought no more; none if it goes on.

    It is the first page from the other end, where that holds something of the last one read: those before it may stand
    below, where much came meanwhile. Else what was looked at is not kept: a newest page that is stored is known ground
    to the next visit.
    """
    other = ask(1, "oldest" if sort == "newest" else "newest")
    if not run:
        return [] if count_of(other) else [other]
    if sort == "oldest" or not is_newest_first(other):
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


def is_newest_first(page: Page[Message]) -> bool:
    """Whether most of a page's messages are older than the one before."""
    steps = [(after.timestamp - before.timestamp).total_seconds() for before, after in pairwise(page.records)]
    return sum(step < 0 for step in steps) > sum(step > 0 for step in steps)
