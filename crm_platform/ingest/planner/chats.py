"""What is known of each chat, one row a chat in columns that grow.

What belongs here: the columns, their rows, and the moments that events have named in a chat. What does not: what the
numbers let expect (estimate.py), which row is visited next (choice.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from crm_platform.ingest.planner.clock import WeekClock
from crm_platform.ingest.planner.echoes import ECHO_HOURS, NAMED, SEEN
from crm_platform.ingest.planner.units import NEVER, Flags, Floats, Rows

_BLOCK: Final = 8192
"""Rows whose intermediate results stay in the processor's cache."""


class TrackedChats:
    """One row a chat; row order is the order of first sight."""

    # name → (type, columns); hours are hours since 1970, `_u` operating hours.
    COLUMNS: Final[Mapping[str, tuple[type, int]]] = {
        "visited_at": (np.float64, 1),  # never visited: the sweep before the one that found it
        "counters": (np.float64, SEEN),  # decayed to visited_at
        "copies_seen": (np.float64, 1),
        "copies_expected": (np.float64, 1),  # of campaigns sent before visited_at
        "hint_count": (np.float64, 1),
        "hint_sum": (np.float64, 1),  # of the hinted messages' times
        "hint_at": (np.float64, 1),  # the newest of them
        "hint_decayed": (np.float64, 1),  # their count, each decayed from its message to hint_at
        "planned_at": (np.float64, 1),  # handed out and not visited yet, else -inf
        "is_visited": (np.bool_, 1),
        "is_cold": (np.bool_, 1),  # there before the first sweep, so not a newcomer
        "is_gone": (np.bool_, 1),
        "is_audit": (np.bool_, 1),  # the visit planned is an audit
    }

    visited_at: Floats
    counters: Floats
    copies_seen: Floats
    copies_expected: Floats
    hint_count: Floats
    hint_sum: Floats
    hint_at: Floats
    hint_decayed: Floats
    planned_at: Floats
    is_visited: Flags
    is_cold: Flags
    is_gone: Flags
    is_audit: Flags

    def __init__(self, clock: WeekClock) -> None:
        self._clock = clock
        self.ids: list[str] = []
        self.row_of: dict[str, int] = {}
        self.present = 0  # rows that are not gone
        self.hints: dict[int, list[float]] = {}  # by row: moments that events have named, unseen so far
        self.visited_u = np.empty(0)  # derived from the clock, not persisted
        self.hint_u = np.empty(0)
        for name, (kind, width) in self.COLUMNS.items():
            setattr(self, name, np.empty((width, 0) if width > 1 else 0, dtype=kind))

    def __len__(self) -> int:
        return len(self.ids)

    def blocks(self) -> Iterator[slice]:
        """All rows, in slices whose intermediate results stay in the processor's cache."""
        size = len(self)
        for start in range(0, size, _BLOCK):
            yield slice(start, min(start + _BLOCK, size))

    def present_rows(self) -> Rows:
        """Rows of the chats that are not gone."""
        return np.flatnonzero(~self.is_gone[: len(self)])

    # Coming and going.

    def add(self, chat_id: str, *, since: float, is_cold: bool) -> int:
        """Add a chat that has not been visited, whose messages are unseen from `since` on; returns its row."""
        (row,) = self.append([chat_id])
        self.present += 1
        self.is_cold[row] = is_cold
        self.visited_at[row] = since
        self.visited_u[row] = self._clock.at(since)
        return row

    def append(self, chat_ids: Iterable[str]) -> range:
        """Add a row of zeros for each; returns their numbers."""
        first = len(self.ids)
        self.ids.extend(chat_ids)
        rows = range(first, len(self.ids))
        if rows.stop > len(self.visited_at):
            capacity = max(1024, first * 2, rows.stop)
            for name in (*self.COLUMNS, "visited_u", "hint_u"):
                old = getattr(self, name)
                new = np.zeros((*old.shape[:-1], capacity), dtype=old.dtype)
                new[..., :first] = old[..., :first]
                setattr(self, name, new)
        self.row_of.update(zip(self.ids[first:], rows, strict=True))
        self.planned_at[first : rows.stop] = NEVER
        return rows

    def set_gone(self, row: int, *, is_gone: bool) -> None:
        """Note that a chat is no more, or is back."""
        if self.is_gone[row] != is_gone:
            self.is_gone[row] = is_gone
            self.present += -1 if is_gone else 1

    # What events have named.

    def hint(self, row: int, moment: float) -> None:
        """Note a message of `moment`; a repeat counts nothing."""
        known = self.hints.setdefault(row, [])
        if moment not in known:
            known.append(moment)
            self._count_hints(row, known)

    def forget_hints(self, row: int, *, until: float) -> None:
        """A visit has seen what was sent `until` then."""
        known = self.hints.get(row)
        if known is None:
            return
        kept = [moment for moment in known if moment > until]
        if kept:
            self.hints[row] = kept
        else:
            del self.hints[row]
        self._count_hints(row, kept)

    def _count_hints(self, row: int, moments: list[float]) -> None:
        newest = max(moments, default=0.0)
        operating = self._clock.at_many(np.array(moments))
        self.hint_count[row] = float(len(moments))
        self.hint_sum[row] = math.fsum(moments)
        self.hint_at[row] = newest
        self.hint_u[row] = self._clock.at(newest)
        ages = self.hint_u[row] - operating
        self.hint_decayed[row] = float(np.exp(ages / -ECHO_HOURS[NAMED]).sum())

    # When the clock changes.

    def draw_back(self, t: float) -> None:
        """No visit and no event was after t."""
        size = len(self)
        for column in (self.visited_at, self.hint_at):
            np.minimum(column[:size], t, out=column[:size])

    def recompute_operating_hours(self) -> None:
        """Take the operating hours of all visits and hints anew from the clock."""
        size = len(self)
        self.visited_u[:size] = self._clock.at_many(self.visited_at[:size])
        self.hint_u[:size] = self._clock.at_many(self.hint_at[:size])
