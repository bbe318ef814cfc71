"""Removing what is old, so that nothing on the disk grows for ever.

What belongs here: forgetting old Dagster runs. What does not: snapshots (publish/), ticks (dagster.yaml purges them),
the job (jobs.py).
"""

import datetime as dt
import shutil
from pathlib import Path
from typing import Final

import dagster as dg

# SQLite keeps a file of its own for each run: at a hundred runs a day, a month is enough to look back.
RUNS_KEPT: Final = dt.timedelta(days=30)
RUNS_AT_ONCE: Final = 500

_FINISHED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def forget_old_runs(instance: dg.DagsterInstance, *, now: dt.datetime) -> int:
    """Delete runs that finished over 30 days ago, with their events and logs; returns how many."""
    forgotten = 0
    old = dg.RunsFilter(created_before=now - RUNS_KEPT, statuses=list(_FINISHED))
    while records := instance.get_run_records(old, limit=RUNS_AT_ONCE):
        for record in records:
            run_id = record.dagster_run.run_id
            instance.delete_run(run_id)
            shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
        forgotten += len(records)
    return forgotten
