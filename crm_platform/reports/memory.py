"""What has been sent to whom: `reports.json` in the data folder.

What belongs here: its shape, reading and writing it, and what is owed by it. What does not: sending (sending.py).

A recipient is known from the first run that finds it in the file, and gets the reports from the last finished week or
month on: nobody who is added gets last year's. No address stands here, only digests of them.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ValidationError

from crm_platform.errors import no_room
from crm_platform.reports.spans import Span, finished

if TYPE_CHECKING:
    import datetime as dt

    from crm_platform.reports.recipients import Recipient
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

FILE: Final = "reports.json"
MOST_OWED: Final = 4
"""Weeks or months that are waited for; what is held back for longer is not sent any more."""


class Sent(BaseModel):
    """One report that has gone out."""

    at: AwareDatetime
    snapshot: str
    was_provisional: bool = False


class Failure(BaseModel):
    """Why the last report did not arrive; `since` the first of those that did not."""

    since: AwareDatetime
    at: AwareDatetime
    reason: str


class Known(BaseModel):
    """What is remembered of a recipient. `first`: the week or month that it was first owed; `sent`: by their names."""

    first: str
    sent: dict[str, Sent] = {}
    failure: Failure | None = None


class Memory(BaseModel):
    """What is remembered of every recipient, by its id."""

    known: dict[str, Known] = {}

    def owed(self, recipient: Recipient, today: dt.date) -> list[Span]:
        """Give what a recipient has not had of the last weeks or months that are over, oldest first."""
        spans = finished(recipient.every, today, most=MOST_OWED)
        known = self.known.get(recipient.id) or Known(first=spans[-1].name)
        first = min(known.first, spans[-1].name)  # a clock that ran ahead may have dated it later
        return [span for span in spans if span.name >= first and span.name not in known.sent]

    def meet(self, recipient: Recipient, today: dt.date) -> Known:
        """Give what is remembered of a recipient, from now on if it is new."""
        (last,) = finished(recipient.every, today, most=1)
        return self.known.setdefault(recipient.id, Known(first=last.name))

    def last(self, recipient: Recipient) -> tuple[str, Sent] | None:
        """Give the newest week or month that a recipient has had."""
        known = self.known.get(recipient.id)
        return max(known.sent.items(), default=None) if known else None


def read_memory(settings: Settings) -> Memory:
    """Read what has been sent; of a file that cannot be read nothing is known, and the last reports go out again."""
    try:
        return Memory.model_validate_json(_path(settings).read_bytes())
    except FileNotFoundError:
        return Memory()
    except (OSError, ValidationError) as problem:
        _log.warning("what reports were sent is forgotten: %s cannot be read (%s)", FILE, type(problem).__name__)
        return Memory()


def write_memory(settings: Settings, memory: Memory) -> None:
    """Write it in one step. Raises GiveUp where that is not possible."""
    path = _path(settings)
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(memory.model_dump_json(indent=2), encoding="utf-8")
        draft.replace(path)
    except OSError as problem:
        raise no_room(problem.filename, problem.strerror) from problem


def _path(settings: Settings) -> Path:
    return settings.root / FILE
