"""Who is at work: what schedules and sensors ask before they start a run, and what `crm refresh` tells them.

What belongs here: runs in progress, and the truth about runs that died in a shell. What does not: deciding what is due
(schedules.py, sensors.py).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import dagster as dg

from crm_platform.errors import RetryLater
from crm_platform.warehouse import leases_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from crm_platform.settings import Settings

# Tag of a run that works inside a `crm` process: no launcher started it, so no run monitor notices when it is killed.
SHELL_TAG: Final = "crm/shell"

CRAWLERS: Final = ("ingest", "refresh_all")
"""Jobs that fetch."""

BUILDERS: Final = ("kpis", "refresh_all")
"""Jobs that compute."""

_QUEUED_WITHIN: Final = dt.timedelta(minutes=1)
"""Whoever makes a run queues it within so long: it takes a second, on a busy machine."""

UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def unfinished_runs(instance: dg.DagsterInstance, jobs: Collection[str]) -> list[dg.DagsterRun]:
    """Runs of these jobs that are queued or under way, newest first."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    return [run for run in runs if run.job_name in jobs]


def mark_as_failed(instance: dg.DagsterInstance, runs: Collection[dg.DagsterRun]) -> None:
    """Mark runs that died in a shell as failed. The caller knows that no `crm refresh` is alive: it had the lease."""
    for run in runs:
        if SHELL_TAG in run.tags:
            instance.report_run_failed(run, "The `crm` process that this run worked in was killed.")


def at_work(instance: dg.DagsterInstance, settings: Settings, jobs: Collection[str]) -> str | None:
    """Say which run of these jobs is queued or under way; None when there is none.

    Runs of a `crm refresh` that was killed, and runs that nobody will ever start, are marked as failed on the way, lest
    they stop the schedules.
    """
    runs = [run for run in unfinished_runs(instance, jobs) if not _was_dropped(instance, run)]
    if any(SHELL_TAG in run.tags for run in runs) and leases_of(settings).held_by("refresh") is None:
        mark_as_failed(instance, runs)
        runs = [run for run in runs if SHELL_TAG not in run.tags]
    return f"{runs[0].job_name} is {runs[0].status.value.lower()} (run {runs[0].run_id[:8]})" if runs else None


def _was_dropped(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Mark a run as failed that was made and never queued: Dagster's storage went away between the two."""
    if run.status != dg.DagsterRunStatus.NOT_STARTED or SHELL_TAG in run.tags:
        return False
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or dt.datetime.now(dt.UTC) - record.create_timestamp < _QUEUED_WITHIN:
        return False
    instance.report_run_failed(run, "It was made and never queued: Dagster's storage did not answer.")
    return True


def busy_with(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext, settings: Settings, jobs: Collection[str]
) -> str | None:
    """Say who is at work on the like; for crawlers also a `crm crawl` that Dagster knows nothing of.

    Where the leases do not answer nobody knows, and nothing is started beside them.
    """
    try:
        run = at_work(context.instance, settings, jobs)
        if run is None and jobs is CRAWLERS and (holder := leases_of(settings).held_by("crawl")):
            return f"a crawl is under way: {holder}"
    except RetryLater as problem:
        return str(problem)
    return run
