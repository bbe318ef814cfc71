"""A failed run is told to somebody, once, and so is the end of the trouble.

What belongs here: which runs, and what is said of them. What does not: noticing them (sensors.py), telling (alerts/).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from crm_platform.defs.dagster_home import opened_instance
from crm_platform.settings import Settings

_CHECK_FAILED: Final = "DagsterAssetCheckFailedError"  # its text does not say which: the notes of the checks do
# What Postgres's driver says of a connection that broke, and of a server that ends or begins; not of a full disk.
_AWAY: Final = frozenset({"OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow"})
_RUNS_LOOKED_AT: Final = 500  # a few days of them
REASONS: Final = 3  # steps named in one alert; the run's page has them all


def problem_key(job_name: str) -> str:
    """Name the problem: one a job, however many of its runs fail."""
    return f"job:{job_name}"


def reason(event: dg.DagsterEvent) -> str:
    """Say why a step failed: a Failure's own words, which are the platform's; of any other error its class alone.

    An unforeseen error's message may quote a row.
    """
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    name = _root(event)
    return f"{event.step_key}: {'a blocking check failed' if name == _CHECK_FAILED else name}"


def _root(event: dg.DagsterEvent) -> str:
    """The class of the error that a step's failure began with."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error else None) or "an unknown error"


def was_ended(steps: Sequence[dg.DagsterEvent]) -> bool:
    """Whether a run did not fail but was ended, by Ctrl-C or with its machine: the next one goes on from there."""
    return bool(steps) and all(_root(step) == dg.DagsterExecutionInterruptedError.__name__ for step in steps)


def was_lost(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether the newest run of a job failed because Dagster's Postgres went away: it may be asked for again at once.

    Dagster itself starts a run again whose process died; this one's may have lived, and told of a failed step.
    """
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name), limit=1)
    if not runs or not runs[0].is_failure:
        return False
    for event in instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        error = event.dagster_event.step_failure_data.error if event.dagster_event else None
        while error is not None:
            if error.cls_name in _AWAY and "psycopg2" in error.message:
                return True
            error = error.cause
    return False


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed and was not made good since."""

    job: str
    run_id: str
    at: dt.datetime
    reasons: tuple[str, ...]


def standing_failures(settings: Settings) -> list[FailedRun]:
    """The newest failed run of each job that has not succeeded since, newest first.

    A refresh does all that an ingest and a build do: one that succeeded makes both good. One that was ended
    says nothing.
    """
    finished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
    found: list[FailedRun] = []
    settled: set[str] = set()
    with opened_instance(settings) as instance:
        for record in instance.get_run_records(finished, limit=_RUNS_LOOKED_AT):
            run = record.dagster_run
            if run.job_name in settled:
                continue
            if run.is_failure:
                events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
                steps = [event.dagster_event for event in events if event.dagster_event is not None]
                if was_ended(steps):
                    continue
                reasons = tuple(map(reason, steps[:REASONS])) or ("it ended before any step failed",)
                found.append(FailedRun(run.job_name, run.run_id, record.update_timestamp, reasons))
            elif run.job_name == "refresh_all":
                settled |= {"ingest", "kpis"}
            settled.add(run.job_name)
    return found
