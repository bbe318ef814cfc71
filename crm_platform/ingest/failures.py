"""What failed in a run, object by object, and what follows: whose trouble it is, and whether to ask again.

What belongs here: telling trouble with one object from trouble with the server, the key or the quota, and how often a
run asks for an object that cannot be had. What does not: remembering trouble over runs, and its pauses (trouble.py),
asking (list_steps.py, chat_steps.py).

One failure is its object's. Six objects in a row are perhaps nobody's but the server's, or the key's: a look at the
lists tells. Where they are answered the objects keep their trouble, but three such rows with nothing had between end
the kind's turn. An answer that repeats itself is not asked for a third time, unless the server has been seen to mend
such answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from crm_platform.errors import (
    CrmPlatformError,
    FixConfiguration,
    NotFound,
    QuotaSpent,
    RejectedRequest,
    ServerUnavailable,
    SkipRecord,
    Unauthorized,
)
from crm_platform.ingest.trouble import reason_of

if TYPE_CHECKING:
    from crm_platform.ingest.planner import CrawlPlanner
    from crm_platform.ingest.recorder import Recorder
    from crm_platform.ingest.trouble import Trouble, TroubleRegister

FEWEST_TRIES = 2
"""Times that a run asks for an object that cannot be had: the answer repeats itself."""

TRIES_OF_THE_FLAKY = 3
"""Times that one answer may come on a server that has given something else when it was asked again."""

MOST_TRIES = 9
"""Times that a run asks for an object where answers pass: each is another, or has passed for another object."""

FAILURES_IN_A_ROW = 6
"""So many objects in a row that cannot be had: is it them, or is nobody answered? A look at the lists tells."""

SILENT_ROWS = 3
"""So many such rows, with the lists answered and no object of the kind between: the kind cannot be had now."""

FINAL = (QuotaSpent, FixConfiguration)
"""Errors that no other try in this run can mend."""

OF_ONE_OBJECT = (ServerUnavailable, RejectedRequest, Unauthorized, SkipRecord)
"""Errors that may be the trouble of the one object that was asked for."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A part of an object that failed in this run: how often without getting further, and why the last `times`."""

    reason: str
    times: int = 1
    tries: int = 1


class Failures:
    """The failures of a run. `is_answered`, `is_key_refused`: look at the lists, whether any answers, or all refuse."""

    def __init__(
        self,
        troubles: TroubleRegister,
        planner: CrawlPlanner,
        recorder: Recorder,
        *,
        is_answered: Callable[[], bool],
        is_key_refused: Callable[[], bool],
    ) -> None:
        self._troubles = troubles
        self._planner = planner
        self._recorder = recorder
        self._is_answered = is_answered
        self._is_key_refused = is_key_refused
        self.stopped_by: CrmPlatformError | None = None  # why nothing else need be asked for
        self._has_mended = False  # an object that had failed in this run was had when it was asked for again
        # Objects that failed one after the other, with what was known of their trouble before.
        self._in_a_row: list[tuple[str, str, Trouble | None]] = []
        self._last_of_row: CrmPlatformError | None = None
        self._silent_rows = 0
        self._failing: dict[tuple[str, str], dict[str, Failing]] = {}  # by part: the other part's answers say nothing
        self._passing: set[str] = set()  # reasons that were gone when the object was asked for again

    def judge(self, failure: CrmPlatformError | None, operation: str, target: str, *, part: str = "") -> None:
        """Remember trouble with its object; stop when it is no object's: the server's, the key's or the quota's."""
        at = self._recorder.now()
        if failure is None or isinstance(failure, NotFound):
            self._end_row()
            self._passed(operation, target, part=part)
            if failure is None:
                self._troubles.over(operation, target, at=at)
            else:
                self._troubles.met(operation, target, failure, at=at)
                self._let_rest(operation, target)
            return
        if isinstance(failure, FINAL) and not isinstance(failure, Unauthorized):
            self.stopped_by = failure
            return
        self._failed(failure, operation, target, part=part)
        self._in_a_row.append((operation, target, self._troubles.of(operation, target)))
        self._last_of_row = failure
        if isinstance(failure, OF_ONE_OBJECT):  # else the CRM, or our own gate, says: not now
            self._troubles.met(operation, target, failure, at=at)
            self._let_rest(operation, target)
        if len(self._in_a_row) >= FAILURES_IN_A_ROW and self.stopped_by is None:
            self._judge_row(failure, at=at)

    def got_further(
        self, failure: CrmPlatformError, operation: str, target: str, *, part: str, has_left_out: bool
    ) -> None:
        """A part of an object got further before it failed: that is no failure, and its tries begin anew.

        `has_left_out`: it got further without what had failed, which says nothing of why that failed.
        """
        self._end_row()
        if not has_left_out:
            self._passed(operation, target, part=part)
        self._troubles.over(operation, target, at=self._recorder.now())
        self._failing.setdefault((operation, target), {})[part] = Failing(reason_of(failure))

    def raise_if_stopped(self) -> None:
        """Raise what stopped the run, once."""
        stopped_by, self.stopped_by = self.stopped_by, None
        if stopped_by is not None:
            raise stopped_by

    def refused_key(self) -> Unauthorized | None:
        """At the end of a run that was answered nothing: its failure, if the lists refuse the key as its objects did.

        A run that asks for few objects has no row that is long enough to tell.
        """
        failure, was_answered = self._last_of_row, self._recorder.answers > 0
        if not self._in_a_row or was_answered or not isinstance(failure, Unauthorized) or not self._is_key_refused():
            return None
        self._undo(self._in_a_row, at=self._recorder.now())
        return failure

    # Whether to ask again.

    def retries(self, operation: str, target: str) -> int | None:
        """How often a request is sent again at once: never for what has failed in this run, or before it."""
        return 0 if self._failing.get((operation, target)) else self._troubles.retries(operation, target)

    def is_worth_another_try(self, operation: str, target: str, problem: CrmPlatformError) -> bool:
        """Whether what failed may be had in this run: not where the answer repeats itself, unless much is mended so."""
        return not isinstance(problem, NotFound) and self._tries_left(operation, target, reason_of(problem)) > 0

    def is_last_try(self, operation: str, target: str, *, part: str) -> bool:
        """Whether a part that has failed in this run will not be asked for after this time."""
        failing = self._failing.get((operation, target), {}).get(part)
        return failing is not None and self._tries_left(operation, target, failing.reason) <= 1

    def _tries_left(self, operation: str, target: str, reason: str) -> int:
        """How often this run still asks for an object that cannot be had."""
        trouble, failing = self._troubles.of(operation, target), self._failing.get((operation, target), {}).values()
        # How often one answer came says nothing of another.
        times = max((one.times for one in (trouble, *failing) if one is not None and one.reason == reason), default=0)
        tries = max((one.tries for one in failing), default=0)
        if not (self._has_mended or self._recorder.have_retries_helped):
            return FEWEST_TRIES - max(times, tries)
        return min(MOST_TRIES - tries, (MOST_TRIES if reason in self._passing else TRIES_OF_THE_FLAKY) - times)

    # Whose trouble it is.

    def _judge_row(self, failure: CrmPlatformError, *, at: datetime) -> None:
        """So many failed one after the other, `failure` last: it is not they, if nobody is answered."""
        row, self._in_a_row = self._in_a_row, []
        if not isinstance(failure, OF_ONE_OBJECT) or not self._is_answered():
            self._undo(row, at=at)
            self.stopped_by = failure
        elif not isinstance(failure, RejectedRequest):
            self._silent_rows += 1
            if self._silent_rows == SILENT_ROWS:
                self._silent_rows = 0
                self.stopped_by = failure

    def _undo(self, row: list[tuple[str, str, Trouble | None]], *, at: datetime) -> None:
        for one in reversed(row):  # an object may stand in it twice
            self._troubles.undo(*one, at=at)

    def _end_row(self) -> None:
        self._in_a_row.clear()
        self._silent_rows = 0

    def _failed(self, failure: CrmPlatformError, operation: str, target: str, *, part: str) -> None:
        failing, now = self._failing.setdefault((operation, target), {}), Failing(reason_of(failure))
        before = failing.get(part)
        if before is not None:
            times = before.times + 1 if before.reason == now.reason else 1
            now = replace(now, times=times, tries=before.tries + 1)
        failing[part] = now

    def _passed(self, operation: str, target: str, *, part: str) -> None:
        """The object answered: if it had failed before, then that was not its own doing."""
        before = self._failing.get((operation, target), {}).pop(part, None)
        if before is not None:
            self._passing.add(before.reason)
            self._has_mended = True

    def _let_rest(self, operation: str, target: str) -> None:
        trouble = self._troubles.of(operation, target)
        if operation == "list_messages" and trouble is not None:
            self._planner.rest(target, until=trouble.retry_at)
