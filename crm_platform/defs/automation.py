"""Jobs, and what starts them: schedules and sensors.

What belongs here: when something is due, and when it is not (its like is at work, nothing has changed). What does
not: how it is done. `CRM_AUTOMATION=on` starts all of them switched on; the UI can switch each.
"""

import datetime as dt
from typing import Final

import dagster as dg

from crm_platform.defs.activity import at_work
from crm_platform.defs.housekeeping import housekeeping
from crm_platform.defs.metadata import asset_key
from crm_platform.defs.resources import Clock, WarehouseResource
from crm_platform.errors import Busy
from crm_platform.models.quality import finished_without_report, last_change, last_cut
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform.warehouse import held_by, lease_file

# Of the 15 minutes between two schedules: the run has ended, worker and all, when the next one looks.
INGEST_MINUTES: Final = 13.5
BUILD_EVERY: Final = dt.timedelta(minutes=15)
# Time alone moves figures: waits grow older, windows lapse. Less than the half hour after which figures are called old.
QUIET_BUILD_EVERY: Final = dt.timedelta(minutes=25)

CRAWLERS: Final = ("ingest", "refresh_all")
BUILDERS: Final = ("kpis", "refresh_all")

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

JOBS: Final = (refresh_all, ingest, kpis, housekeeping)


def _busy(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext, settings: Settings, jobs: tuple[str, ...]
) -> str | None:
    """Say who is at work on the like; for crawlers also a `crm crawl` that Dagster knows nothing of."""
    run = at_work(context.instance, settings, jobs)
    if run is None and jobs is CRAWLERS and (holder := held_by(lease_file(settings.lock_dir, "crawl"))):
        return f"a crawl is under way: {holder}"
    return run


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
        if busy := _busy(context, settings, CRAWLERS):
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
        busy = _busy(context, settings, BUILDERS)
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
        busy = _busy(context, settings, ("housekeeping",))
        return dg.SkipReason(busy) if busy else dg.RunRequest()

    return [ingest_every_15_minutes, kpis_nightly, housekeeping_daily]


def _if_past(moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    """Nothing where a clock that has gone back since dated it ahead: to wait until it is reached may take days."""
    return moment if moment is not None and moment <= now else None


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """What follows from what has happened."""
    status = dg.DefaultSensorStatus.RUNNING if settings.automation == "on" else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        job=kpis,
        minimum_interval_seconds=60,
        default_status=status,
        description="KPIs follow raw data that changed, whoever fetched it, and the clock; at most every 15 minutes.",
    )
    def kpis_follow_raw(
        context: dg.SensorEvaluationContext,
        live: WarehouseResource,
        models: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        clock: dg.ResourceParam[Clock],
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        if busy := _busy(context, settings, BUILDERS):
            return dg.SkipReason(busy)
        # The cursor is when this sensor last asked for a build: one that fails must not be asked for every minute.
        asked = _if_past(dt.datetime.fromisoformat(context.cursor) if context.cursor else None, now)
        try:
            changed = live.look(last_change, otherwise=None)
            built = _if_past(models.look(last_cut, otherwise=None), now)
        except Busy as problem:
            return dg.SkipReason(str(problem))
        if changed is None:
            return dg.SkipReason("nothing has been fetched yet")
        is_due = settings.crawl_mode == "continuous" and built is not None and now - built >= QUIET_BUILD_EVERY
        if built is not None and changed <= built and not is_due:
            return dg.SkipReason(f"nothing has changed since the build of {built:%Y-%m-%d %H:%M:%S} UTC")
        last = max((moment for moment in (asked, built) if moment is not None), default=None)
        if last is not None and now - last < BUILD_EVERY:
            return dg.SkipReason(f"the last build began at {last:%H:%M:%S} UTC, less than 15 minutes ago")
        context.update_cursor(now.isoformat())
        return dg.RunRequest()

    @dg.sensor(
        job=ingest,
        minimum_interval_seconds=60,
        default_status=status,
        description="A campaign that has finished gets its report at once.",
    )
    def report_of_finished_campaign(
        context: dg.SensorEvaluationContext,
        live: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        clock: dg.ResourceParam[Clock],
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        if busy := _busy(context, settings, CRAWLERS):
            return dg.SkipReason(busy)
        asked = _if_past(dt.datetime.fromisoformat(context.cursor) if context.cursor else None, now)
        try:
            finished = live.look(finished_without_report, otherwise=0)
        except Busy as problem:
            return dg.SkipReason(str(problem))
        if not finished:
            return dg.SkipReason("no campaign has finished since its last report")
        # A report that cannot be had would otherwise cost a run a minute.
        if asked is not None and now - asked < BUILD_EVERY:
            return dg.SkipReason("asked less than 15 minutes ago")
        context.update_cursor(now.isoformat())
        return dg.RunRequest(asset_selection=[asset_key(raw.CampaignReports)])

    return [kpis_follow_raw, report_of_finished_campaign]
