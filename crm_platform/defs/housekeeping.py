"""Removing what is old, so that nothing on the disk grows for ever.

What belongs here: the job that calls `publish.purge` and forgets old Dagster runs. What does not: how long a snapshot
is kept (publish/), ticks (dagster.yaml purges them).
"""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dagster as dg

from crm_platform import publish as publishing
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.resources import Clock, Reporter
from crm_platform.settings import Settings

# SQLite keeps a file of its own for each run: at a hundred runs a day, a month is enough to look back.
RUNS_KEPT: Final = dt.timedelta(days=30)
RUNS_AT_ONCE: Final = 500

_FINISHED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def _old_runs(instance: dg.DagsterInstance, *, before: dt.datetime) -> Iterator[str]:
    """Ids of finished runs from before a time, in portions: one must be gone before the next is asked for."""
    while records := instance.get_run_records(
        dg.RunsFilter(created_before=before, statuses=list(_FINISHED)), limit=RUNS_AT_ONCE
    ):
        yield from (record.dagster_run.run_id for record in records)


def forget_old_runs(instance: dg.DagsterInstance, *, now: dt.datetime) -> int:
    """Delete runs that finished over 30 days ago, with their events and logs; returns how many."""
    forgotten = 0
    for run_id in _old_runs(instance, before=now - RUNS_KEPT):
        instance.delete_run(run_id)
        shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
        forgotten += 1
    return forgotten


@dg.op
def remove_what_is_old(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[Clock],
) -> None:
    """Purge snapshots and runs."""
    with in_dagsters_words(reporter):
        now = clock.now()
        snapshots = publishing.purge(settings, now=now)
        runs = forget_old_runs(context.instance, now=now)
    context.log.info("removed %d snapshots and %d runs", len(snapshots), runs)


@dg.job(description="Removes old snapshots, and old runs with their logs.")
def housekeeping() -> None:
    """Keep the disk from filling."""
    remove_what_is_old()
