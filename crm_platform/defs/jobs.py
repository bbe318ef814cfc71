"""Jobs: what a schedule, a sensor, a person or `crm` may start.

What belongs here: which assets a job makes, and the ops of jobs that make none. What does not: when they are started
(schedules.py, sensors.py), how it is done, what an operator has the CRM do (operations.py).
"""

from typing import Final

import dagster as dg

from crm_platform import publish as publishing
from crm_platform.alerts import Alerter, digest
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.housekeeping import forget_old_runs
from crm_platform.defs.metadata import asset_key
from crm_platform.defs.resources import Reporter, SystemClock
from crm_platform.schemas import raw
from crm_platform.settings import Settings

_RAW: Final = dg.AssetSelection.assets(*map(asset_key, raw.FETCHED))
_BUILT: Final = dg.AssetSelection.key_prefixes("core", "kpi", "published")

refresh_all = dg.define_asset_job(
    "refresh_all",
    _RAW | _BUILT,
    description="Everything: fetch until current or out of quota, compute, publish.",
    # Seconds, over the run monitor's own 6 h: at 60 requests a minute the first load of a large tenant takes a day.
    tags={"dagster/max_runtime": str(24 * 3600)},
)
ingest = dg.define_asset_job("ingest", _RAW, description="Fetch what is due, within the quota.")
kpis = dg.define_asset_job("kpis", _BUILT, description="Cut, core and KPI tables, their contracts, the snapshot.")


@dg.op
def remove_what_is_old(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[SystemClock],
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


@dg.op
def send_digest(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[SystemClock],
) -> None:
    """Send today's digest to each channel that has not had it. A channel that fails does not fail the run."""
    alerter, now = Alerter(settings), clock.now()
    with in_dagsters_words(reporter):
        message = digest.digest(settings, alerter, now=now)
    context.log.info("%s\n%s", message.title, message.text)
    if not digest.send(message, settings, alerter, now=now):
        context.log.warning("a channel has not had the digest; `crm alerts list` says why")


@dg.job(name="digest", description="Sends the daily digest, once a day to each channel.")
def digest_job() -> None:
    """Tell how things are."""
    send_digest()


@dg.op
def send_reports(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[SystemClock],
) -> None:
    """Send what is due. Who cannot be reached does not fail the run, and is tried again by the next."""
    from crm_platform.reports import sending  # noqa: PLC0415 - it draws pages: a refresh need not wait for that

    with in_dagsters_words(reporter):
        found = sending.send_due(settings, now=clock.now())
    for one in found:
        log = context.log.warning if one.state == "failed" else context.log.info
        log("%s to %s: %s%s", one.span.name, one.recipient.place, one.state, f", {one.why}" if one.why else "")


@dg.job(name="reports", description="Sends the weekly and monthly reports that are due, once to each recipient.")
def reports_job() -> None:
    """Tell how the last week or month was."""
    send_reports()


JOBS: Final = (refresh_all, ingest, kpis, housekeeping, digest_job, reports_job)
