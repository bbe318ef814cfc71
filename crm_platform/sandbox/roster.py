"""Who is there when, and who stands on which page of the list.

What belongs here: when each contact comes and goes, and finding page k of the present contacts without building pages
1 to k-1. What does not: who they are (`people.py`).
"""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Iterator

from crm_platform.sandbox.chance import DAY, NEVER, WEEK, derive, mix
from crm_platform.sandbox.people import EXTRA, LIVELY


class Roster:
    """When contacts come and go, and which stand on which page.

    `size` contacts are present at the anchor (`began` + `days`), three fifths of them since before `began`; they go on
    coming at the same pace after it, and a few go. All of it follows from the index, but for what the API changes.
    """

    _BEFORE = 540 * DAY  # how long before `began` the first contacts were made

    def __init__(self, seed: int, *, size: int, began: int, anchor: int) -> None:
        self._seed = derive(seed, "roster")
        self._began = began
        self._old = round(size * 0.6)
        to_go = round(size * 0.02)
        self._from = WEEK.activity(began)
        busy_hours = WEEK.activity(anchor) - self._from
        self._pace = (size - self._old + to_go) / busy_hours  # contacts a busy hour
        self._leaving = to_go / busy_hours
        self._departed: dict[int, int] = {}  # index → when; planned in order of time, a little ahead
        self._coming: deque[tuple[int, int]] = deque()  # those of them that lie ahead: (when, index)
        self._removed: dict[int, int] = {}  # the same for deletes through the API; apart, so that plans do not change
        self._next_departure = self._departure(0)
        self._now = began
        self._gone: list[int] = []  # indexes of the gone, sorted
        # Present contacts made through the API: (world contacts before it, index).
        self._extras: list[tuple[int, int]] = []

    # Coming and going

    def created_at(self, index: int) -> int:
        """When the world made this contact, in milliseconds; rises with the index."""
        jitter = 0.05 + 0.9 * (mix(self._seed ^ index) >> 11) / (1 << 53)
        place = index - self._old + jitter
        if index < self._old:
            return self._began + int(place / self._old * self._BEFORE)
        return WEEK.time(self._from + place / self._pace)

    def count_at(self, at: int) -> int:
        """How many contacts the world had ever made by then."""
        if at < self._began:
            place = self._old * (1 + (at - self._began) / self._BEFORE)
        else:
            place = self._old + (WEEK.activity(at) - self._from) * self._pace
        count = max(0, int(place) - 1)
        while self.created_at(count) <= at:
            count += 1
        while count and self.created_at(count - 1) > at:
            count -= 1
        return count

    def departed_at(self, index: int, *, until: int) -> int:
        """When this contact was deleted, NEVER if it was not by `until`."""
        self._plan_departures(until)
        at = min(self._departed.get(index, NEVER), self._removed.get(index, NEVER))
        return at if at <= until else NEVER

    def _plan_departures(self, until: int) -> None:
        while self._next_departure <= until:
            at = self._next_departure
            count = self.count_at(at)
            victim = derive(self._seed, "victim", len(self._departed)) % count
            while victim in self._departed or victim == LIVELY:
                victim = (victim + 1) % count
            self._coming.append((at, victim))
            self._departed[victim] = at
            self._next_departure = self._departure(len(self._departed))

    def _departure(self, number: int) -> int:
        """When the n-th contact goes."""
        if not self._leaving:
            return NEVER
        place = number + 0.05 + 0.9 * (mix(self._seed ^ ~number & 0xFFFFFFFF) & 0xFFFF) / 0x10000
        return WEEK.time(self._from + place / self._leaving)

    # What the API changes

    def add(self, index: int, *, at: int) -> None:
        """A contact made through the API now."""
        self.move_to(at)
        self._extras.append((self.count_at(at), index))

    def remove(self, index: int, *, at: int) -> None:
        """A contact deleted through the API now."""
        self.move_to(at)
        self._removed[index] = at
        if index >= EXTRA:
            self._extras = [extra for extra in self._extras if extra[1] != index]
        else:
            bisect.insort(self._gone, index)

    # Pages

    def move_to(self, now: int) -> None:
        """Apply the departures up to now."""
        self._now = max(self._now, now)
        self._plan_departures(self._now)
        while self._coming and self._coming[0][0] <= self._now:
            _, index = self._coming.popleft()
            if index not in self._removed:  # else the API was quicker
                bisect.insort(self._gone, index)

    def total(self, now: int) -> int:
        """How many contacts are present."""
        self.move_to(now)
        return self.count_at(self._now) - len(self._gone) + len(self._extras)

    def page(self, now: int, *, offset: int, limit: int) -> tuple[int, list[int]]:
        """The number of present contacts, and the indexes of one page of them, newest first."""
        total = self.total(now)
        first, last = max(total - offset - limit, 0), total - offset  # as counted from the oldest
        if last <= first:
            return total, []
        start = bisect.bisect_right(range(total + len(self._gone)), first, key=self._rank) - 1
        before = self._rank(start)
        return total, list(itertools.islice(self._present_from(start), first - before, last - before))[::-1]

    def _rank(self, index: int) -> int:
        """How many present contacts stand before a contact of the world's."""
        gone = bisect.bisect_left(self._gone, index)
        return index - gone + self._extras_before(index)

    def _extras_before(self, index: int) -> int:
        return bisect.bisect_right(self._extras, index, key=lambda extra: extra[0])

    def _present_from(self, index: int) -> Iterator[int]:
        """Present contacts from one of the world's on, in the order of the list."""
        extra = self._extras_before(index)
        while True:
            if self.departed_at(index, until=self._now) == NEVER:
                yield index
            index += 1
            while extra < len(self._extras) and self._extras[extra][0] == index:
                yield self._extras[extra][1]
                extra += 1
