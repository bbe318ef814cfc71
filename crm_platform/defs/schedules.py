"""Schedules: what the clock starts, in the tenant's time zone.

What belongs here: when something is due, and when it is not (its like is at work). What does not: how it is done, what
events start (sensors.py). `CRM_AUTOMATION=on` starts all of them switched on; the UI can switch each.
"""

from typing import Final

import dagster as dg

from crm_platform.alerts import Alerter, digest
from crm_platform.defs.activity import BUILDERS, CRAWLERS, busy_with
from crm_platform.defs.jobs import digest_job, housekeeping, ingest, kpis
from crm_platform.settings import Settings

# Of the 15 minutes between two schedules: the run has ended, worker and all, when the next one looks.
INGEST_MINUTES: Final = 13.5


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The clock's part of the cadence, in the tenant's time zone."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.automation == "on" else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        job=ingest,
        cron_schedule="*/15 * * * *",
        execution_timezone=settings.timezone,
        default_status=status,
        description="Ingest every quarter of an hour, unless a crawl is still under way.",
    )
    def ingest_every_15_minutes(
        context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        if busy := busy_with(context, settings, CRAWLERS):
            return dg.SkipReason(busy)
        return dg.RunRequest(run_config={"ops": {"raw": {"config": {"minutes": INGEST_MINUTES}}}})

    @dg.schedule(
        job=kpis,
        cron_schedule="0 2 * * *",
        execution_timezone=settings.timezone,
        default_status=status,
        description="Every figure anew at 02:00, when the day before is complete.",
    )
    def kpis_nightly(
        context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        busy = busy_with(context, settings, BUILDERS)
        return dg.SkipReason(busy) if busy else dg.RunRequest(run_config={"ops": {"build": {"config": {"full": True}}}})

    @dg.schedule(
        job=housekeeping,
        cron_schedule="30 3 * * *",
        execution_timezone=settings.timezone,
        default_status=status,
        description="Remove what is old: snapshots, runs, logs.",
    )
    def housekeeping_daily(
        context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        busy = busy_with(context, settings, ("housekeeping",))
        return dg.SkipReason(busy) if busy else dg.RunRequest()

    return [ingest_every_15_minutes, kpis_nightly, housekeeping_daily, *_digest(settings, status)]


def _digest(settings: Settings, status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """The digest's schedule, if CRM_DIGEST_HOUR is set: every quarter until each channel has it, for three hours."""
    if settings.digest_hour is None:
        return []
    last = min(settings.digest_hour + digest.HOURS - 1, 23)

    @dg.schedule(
        job=digest_job,
        cron_schedule=f"*/15 {settings.digest_hour}-{last} * * *",
        execution_timezone=settings.timezone,
        default_status=status,
        description="The digest at CRM_DIGEST_HOUR, local time; later only to a channel that failed.",
    )
    def digest_daily(
        context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        if digest.is_due(settings, Alerter(settings), now=context.scheduled_execution_time):
            return dg.RunRequest()
        return dg.SkipReason("today's digest has been sent")

    return [digest_daily]
