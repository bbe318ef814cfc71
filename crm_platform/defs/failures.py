"""Errors in Dagster's words: which ones are worth another try, and which need a person.

What belongs here: the translation of `crm_platform.errors`. What does not: deciding what an error is (errors.py).
Anything that is neither of the platform's tree nor a full disk is a bug and passes untouched, with its traceback.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import dagster as dg

from crm_platform.errors import (
    NO_ROOM,
    ContractBreach,
    CrmPlatformError,
    FixConfiguration,
    InvalidRequest,
    RetryLater,
    no_room,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.defs.resources import Reporter

MAX_RETRIES: Final = 3
DEFAULT_WAIT: Final = 30.0  # seconds, where the error does not say
LONGEST_WAIT: Final = 300.0  # seconds: a run that sleeps holds its place in the queue; the next schedule comes sooner


def translate(problem: CrmPlatformError, *, may_retry: bool) -> dg.RetryRequested | dg.Failure:
    """Say what Dagster should do: retry what may pass within minutes, fail for good otherwise."""
    if isinstance(problem, RetryLater) and may_retry:
        wait = DEFAULT_WAIT if problem.retry_after is None else problem.retry_after
        if wait <= LONGEST_WAIT:
            return dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait)
    metadata: dict[str, str] = {"kind": type(problem).__name__}
    if isinstance(problem, FixConfiguration):
        metadata["what to do"] = "Change the setting that the message names, then run again."
    if isinstance(problem, ContractBreach):
        metadata["breaches"] = "\n".join(map(str, problem.breaches))
    if isinstance(problem, InvalidRequest) and problem.details:
        metadata["fields"] = "\n".join(f"{detail.field}: {detail.message}" for detail in problem.details)
    described = "\n".join([str(problem), *metadata.get("fields", "").splitlines()])
    return dg.Failure(description=described, metadata=metadata, allow_retries=False)


@contextlib.contextmanager
def in_dagsters_words(reporter: Reporter) -> Iterator[None]:
    """Raise what Dagster understands in place of the platform's errors, after telling the reporter."""
    try:
        yield
    except (CrmPlatformError, OSError) as problem:
        if isinstance(problem, OSError):
            if problem.errno not in NO_ROOM:
                raise
            told: CrmPlatformError = no_room(problem.filename, problem.strerror)
        else:
            told = problem
        reporter.failed(told)
        raise translate(told, may_retry=reporter.retries) from problem
