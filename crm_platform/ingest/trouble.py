"""What cannot be had, object by object: one chat's messages, one campaign's report, one page of a list.

What belongs here: remembering trouble with its object, and when that object is asked for again. What does not: deciding
that it is the whole server or the key (failures.py).

An object that keeps answering the same is asked for once at a time, after pauses that grow from a quarter of an hour to
a day. So it never starves another, and comes back by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from crm_platform.ingest.batch import aware
from crm_platform.schemas import ops

if TYPE_CHECKING:
    from crm_platform.errors import CrmPlatformError
    from crm_platform.ingest.batch import Batch
    from crm_platform.warehouse import Session

FIRST_PAUSE = timedelta(minutes=15)
"""Pause after the second time that an object gave the same answer; each further time it is four times as long."""

LONGEST_PAUSE = timedelta(days=1)

_LONGEST_REASON = 500  # characters

_LIVE = "select * from ops.troubles where over_at is null"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one object: a row of ops.troubles."""

    operation: str
    target: str
    reason: str
    since: datetime
    last_at: datetime
    times: int
    retry_at: datetime
    over_at: datetime | None = None


def reason_of(problem: CrmPlatformError) -> str:
    """Why an object could not be had, at a length that is stored: equal reasons are the same answer."""
    return str(problem)[:_LONGEST_REASON]


def _pause(times: int) -> timedelta:
    return min(FIRST_PAUSE * 4 ** min(times - 2, 8), LONGEST_PAUSE) if times > 1 else timedelta(0)


def _read(session: Session, sql: str) -> list[Trouble]:
    return [Trouble(**aware(row)) for row in session.query(sql).to_pylist()]


def missed(session: Session) -> list[Trouble]:
    """Give what should be there and cannot be had, the oldest trouble first."""
    return _read(session, ops.MISSED)


class TroubleRegister:
    """The objects that could not be had, by operation and target."""

    def __init__(self, known: list[Trouble]) -> None:
        self._known = {(one.operation, one.target): one for one in known}
        self._changed: dict[tuple[str, str], Trouble] = {}

    @classmethod
    def load(cls, session: Session) -> Self:
        """Read those that are not over."""
        return cls(_read(session, _LIVE))

    def __iter__(self) -> Iterator[Trouble]:
        return iter(self._known.values())

    def of(self, operation: str, target: str) -> Trouble | None:
        """The trouble with an object, if there is any."""
        return self._known.get((operation, target))

    def is_resting(self, operation: str, target: str, *, at: datetime) -> bool:
        """Whether the object's pause still lasts."""
        trouble = self.of(operation, target)
        # A pause never lasts longer than the longest: a clock that was wrong once must not silence an object.
        return trouble is not None and at < trouble.retry_at <= at + LONGEST_PAUSE

    def retries(self, operation: str, target: str) -> int | None:
        """How often a request for the object is sent again when it fails: never where it has failed before."""
        return None if self.of(operation, target) is None else 0

    def met(self, operation: str, target: str, problem: CrmPlatformError, *, at: datetime) -> None:
        """Remember that the object could not be had."""
        reason = reason_of(problem)
        before = self.of(operation, target)
        times = before.times + 1 if before is not None and before.reason == reason else 1
        since = before.since if before is not None else at
        self._set(Trouble(operation, target, reason, since, at, times, at + _pause(times)))

    def over(self, operation: str, target: str, *, at: datetime) -> None:
        """The object was had, or is no more."""
        trouble = self._known.pop((operation, target), None)
        if trouble is not None:
            self._changed[operation, target] = replace(trouble, over_at=at)

    def undo(self, operation: str, target: str, before: Trouble | None, *, at: datetime) -> None:
        """It was not the object's trouble after all: put back what was known of it."""
        if before is None:
            self.over(operation, target, at=at)
        else:
            self._set(before)

    def save(self, batch: Batch) -> None:
        """Put what has changed into the batch."""
        for one in self._changed.values():
            batch.add(ops.Troubles, {name: getattr(one, name) for name in ops.Troubles.columns})
        self._changed.clear()

    def _set(self, trouble: Trouble) -> None:
        key = trouble.operation, trouble.target
        self._known[key] = self._changed[key] = trouble
