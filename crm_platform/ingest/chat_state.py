"""What the crawl knows of one chat, and how that is judged: the state behind the reading of a list from both ends.

What belongs here: a chat's state as arithmetic on what the server says and what is held. What does not: asking for
pages (visits.py for the newest end, histories.py for the rest), storing (batch.py), which chat is next (planner/).

A chat's list is known from both ends: `read_from_oldest` records without a gap from the oldest, `newest_run` from the
newest. Only the newest end grows, so `boundary` = total − newest_run, counted from the oldest end, stays where it is,
and both ends meet as soon as read_from_oldest reaches it.

Ends that meet are arithmetic on what the server says. **Whole** is more: at least as many records are stored or in
quarantine as the total says (`counted`). Where they are fewer, the history is read to the end of the list; where that
brings no more, all is read once more, a day later and from the other end; only then is the rest called unreachable.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

PAGE_SIZE = 100
"""Messages a page: the most that the API gives."""

READ_AGAIN_AFTER = timedelta(hours=24)
"""How long after a reading to the end that fell short of the total the list is read from the other end."""


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

    def moved_back(self, lost: int, *, spare_pages: int = 0) -> ChatState:
        """The list lost so many records: where they stood before the place, what followed them has moved before it."""
        if self.has_gap or not self.pages_from_oldest:
            return self.from_the_start()
        size = max(1, self.read_from_oldest // self.pages_from_oldest)
        pages = max(0, self.pages_from_oldest - -(-lost // size) - spare_pages)
        return replace(self, pages_from_oldest=pages, read_from_oldest=pages * size, last_page=None)
