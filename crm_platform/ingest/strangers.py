"""Numbers that events name and no contact has yet: people who wrote for the first time since the list was read.

What belongs here: whom to look up when, and how often. What does not: the search itself (list_steps.py), what becomes
of an event (events.py).

The CRM may tell of a message before its own search finds who wrote it, so a number that is not found is asked for again
soon, then ever more rarely; the next sweep shows whoever is on the list.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

FIRST_AGAIN: Final = timedelta(seconds=2)
"""How soon a number that was not found is asked for again."""

LONGER: Final = 5
"""So many times as long it is each time after that: six requests in half an hour, and then none."""

GIVEN_UP_AFTER: Final = timedelta(hours=1)
"""A number that would have to wait so long, or was asked for so long after its event, is left to the sweeps."""

AT_ONCE: Final = 20
"""So many are looked up before events are looked at again."""

_MOST: Final = 1_000  # numbers that wait at once; one more, and the oldest is left to the sweeps


@dataclass(frozen=True, slots=True)
class Stranger:
    """A number that no contact has, with the newest message that was told of, and when its last event came."""

    number: str
    message_at: datetime
    received_at: datetime


@dataclass(slots=True)
class _Wait:
    stranger: Stranger
    due_at: datetime
    again: timedelta = FIRST_AGAIN


class Strangers:
    """Those who wait to be looked up, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Wait] = {}

    def named(self, stranger: Stranger, *, at: datetime) -> None:
        """An event named one: it is due at once, unless it is known to wait."""
        known = self._waiting.get(stranger.number)
        if known is not None:
            newest = max(known.stranger.message_at, stranger.message_at)
            known.stranger = replace(stranger, message_at=newest)
            return
        self._waiting[stranger.number] = _Wait(stranger, due_at=at)
        if len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]

    def due(self, at: datetime) -> list[Stranger]:
        """Give those who are to be looked up now, not too many at once."""
        return list(itertools.islice((one.stranger for one in self._waiting.values() if one.due_at <= at), AT_ONCE))

    def found(self, number: str) -> None:
        """Forget one: a contact has the number."""
        self._waiting.pop(number, None)

    def asked(self, number: str, *, at: datetime) -> None:
        """Let one wait longer, whatever comes of this search, or leave it to the sweeps."""
        wait = self._waiting[number]
        if wait.again > GIVEN_UP_AFTER or at - wait.stranger.received_at > GIVEN_UP_AFTER:
            del self._waiting[number]
            return
        wait.due_at = at + wait.again
        wait.again *= LONGER
