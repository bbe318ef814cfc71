"""Whether the CRM may be asked at all: a long pause is what a reader of old figures wants to know.

What belongs here: a look at the request ledger, which is no warehouse. What does not: the ledger (api/ledger.py),
words.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from typing import TYPE_CHECKING, Final

from crm_platform.errors import CrmPlatformError
from crm_platform.ingest.connect import gate_to_look_at

if TYPE_CHECKING:
    from crm_platform.api import Closed
    from crm_platform.settings import Settings

WORTH_A_WORD: Final = dt.timedelta(minutes=10)
"""Shorter pauses are how a limit works: they come and go with every minute."""

_LOOK_EVERY: Final = dt.timedelta(seconds=10)


class Pauses:
    """The long pause that holds now, looked for every few seconds at most. Threads may share one."""

    def __init__(self) -> None:
        self._looked_at: dt.datetime | None = None
        self._found: Closed | None = None
        self._lock = threading.Lock()

    def now(self, settings: Settings, *, now: dt.datetime) -> Closed | None:
        """Give the pause, None where there is none worth a word, or where the ledger cannot be read."""
        with self._lock:
            if self._looked_at is None or not dt.timedelta(0) <= now - self._looked_at < _LOOK_EVERY:
                self._looked_at, self._found = now, _look(settings, now=now)
            found = self._found
        return found if found is not None and found.until - now >= WORTH_A_WORD else None


def _look(settings: Settings, *, now: dt.datetime) -> Closed | None:
    with contextlib.suppress(CrmPlatformError):
        gate = gate_to_look_at(settings, now=lambda: now)
        if gate is not None:
            with contextlib.closing(gate):
                return gate.closed()
    return None
