"""Sensors: what follows from what has happened.

What belongs here: what a sensor looks at, and when it starts a run or tells somebody. What does not: how it is done,
what the clock starts (schedules.py). `CRM_AUTOMATION=on` starts all of them switched on; the UI can switch each.
"""

import contextlib
import datetime as dt
from typing import Final

import dagster as dg

from crm_platform.alerts import Alert, Alerter, watches
from crm_platform.alerts.checks import breach_lines, tell_checks
from crm_platform.defs.activity import BUILDERS, CRAWLERS, busy_with
from crm_platform.defs.failed_runs import REASONS, problem_key, reason, was_ended, was_lost
from crm_platform.defs.jobs import ingest, kpis, reports_job
from crm_platform.defs.live import expected_file
from crm_platform.defs.metadata import asset_key
from crm_platform.defs.resources import SENSOR_PATIENCE, SystemClock, WarehouseResource
from crm_platform.errors import Busy, CrmPlatformError
from crm_platform.models.due import finished_without_report, last_change, last_cut
from crm_platform.publish import confirm, current
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform.warehouse import leases_of

BUILD_EVERY: Final = dt.timedelta(minutes=15)
# Time alone moves figures: waits grow older, windows lapse. Less than the half hour after which figures are called old.
QUIET_BUILD_EVERY: Final = dt.timedelta(minutes=25)

WATCH_EVERY: Final = 60  # seconds; a channel that failed is tried again after five minutes


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """All of them."""
    status = dg.DefaultSensorStatus.RUNNING if settings.automation == "on" else dg.DefaultSensorStatus.STOPPED
    return [*_starting(status), *_telling(status), *_watching(status)]


def _if_past(moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    """Nothing where a clock that has gone back since dated it ahead: to wait until it is reached may take days."""
    return moment if moment is not None and moment <= now else None


def _starting(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """Those that start runs."""

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
        clock: dg.ResourceParam[SystemClock],
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        if busy := busy_with(context, settings, BUILDERS):
            return dg.SkipReason(busy)
        if was_lost(context.instance, kpis.name):
            context.update_cursor(now.isoformat())
            return dg.RunRequest()
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
            stores = (store.warehouse(timeout=SENSOR_PATIENCE) for store in (models, live))
            with contextlib.suppress(CrmPlatformError):  # somebody writes, or publishes: asked again in a minute
                confirm(*stores, settings=settings, now=now, wait=SENSOR_PATIENCE)
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
        clock: dg.ResourceParam[SystemClock],
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        if busy := busy_with(context, settings, CRAWLERS):
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

    @dg.sensor(
        job_name=reports_job.name,  # by its name: Dagster's binding of a job of ops to a sensor warns of a beta
        minimum_interval_seconds=60,
        default_status=status,
        description="Weekly and monthly reports go out, once a snapshot says that their figures stand.",
    )
    def reports_follow_snapshots(
        context: dg.SensorEvaluationContext,
        settings: dg.ResourceParam[Settings],
        clock: dg.ResourceParam[SystemClock],
    ) -> dg.RunRequest | dg.SkipReason:
        from crm_platform.reports import sending  # noqa: PLC0415 - it draws pages: a refresh need not wait for that

        if busy := busy_with(context, settings, (reports_job.name,)):
            return dg.SkipReason(busy)
        try:
            snapshot = current(settings)
            if snapshot is None:
                return dg.SkipReason("nothing is published yet")
            # Who could not be reached is tried again with the next snapshot, not every minute.
            if snapshot.id == context.cursor:
                return dg.SkipReason(f"the snapshot {snapshot.id} has been looked at")
            owed = sending.standing(settings, now=clock.now())
        except CrmPlatformError as problem:
            return dg.SkipReason(str(problem))
        context.update_cursor(snapshot.id)
        if any(one.state == "due" for one in owed):
            return dg.RunRequest()
        held = "; ".join(dict.fromkeys(f"{one.span.name} is held: {one.why}" for one in owed))
        return dg.SkipReason(held or "no report is due")

    return [kpis_follow_raw, report_of_finished_campaign, reports_follow_snapshots]


def _began(context: dg.RunFailureSensorContext) -> dt.datetime:
    """When the run began: what its checks found broken was found later."""
    began = context.instance.get_run_stats(context.dagster_run.run_id).start_time
    return dt.datetime.fromtimestamp(began or 0.0, dt.UTC)


def _telling(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """One on failure, one on success, over every job of this code location."""

    @dg.run_failure_sensor(
        name="failed_runs",
        default_status=status,
        minimum_interval_seconds=30,
        description="A failed run is told to the log and every alert channel, once a problem.",
    )
    def failed_runs(context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]) -> None:
        run, steps = context.dagster_run, context.get_step_failure_events()
        if was_ended(steps):
            return
        reasons = [reason(event) for event in steps[:REASONS]]
        reasons += breach_lines(settings, since=_began(context))
        language = settings.language
        none = language.gettext("The run ended before any step failed.")
        Alerter(settings).report(
            Alert(
                key=problem_key(run.job_name),
                title=language.gettext("{job} failed", job=run.job_name),
                text="\n".join([*(reasons or [none]), language.gettext("Run {id}.", id=run.run_id[:8])]),
            )
        )

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="recovered_runs",
        default_status=status,
        minimum_interval_seconds=30,
        description="The all-clear: a job that failed has succeeded again.",
    )
    def recovered_runs(context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]) -> None:
        run = context.dagster_run
        text = settings.language.gettext("Run {id} succeeded.", id=run.run_id[:8])
        Alerter(settings).resolve(problem_key(run.job_name), text=text)

    assert isinstance(failed_runs, dg.SensorDefinition)
    return [failed_runs, recovered_runs]


def _watching(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """They start no run: judging takes a moment, and a run would take seconds."""

    @dg.sensor(
        minimum_interval_seconds=WATCH_EVERY,
        default_status=status,
        description=(
            "Targets and usual ranges of the watched KPIs, judged once a snapshot; checks that warn; alerts that "
            "failed, again."
        ),
    )
    def kpi_watches(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        alerter = Alerter(settings)
        alerter.catch_up()
        tell_checks(settings, alerter)
        try:
            snapshot = current(settings)
            if snapshot is None:
                return dg.SkipReason("nothing is published yet")
            if snapshot.id == context.cursor:
                return dg.SkipReason(f"the snapshot {snapshot.id} has been judged")
            results = watches.check(settings, snapshot)
        except CrmPlatformError as problem:
            return dg.SkipReason(str(problem))
        watches.tell(results, alerter, settings=settings)
        context.update_cursor(snapshot.id)
        states = [result.state for result in results]
        counted = ", ".join(f"{states.count(state)} {state}" for state in ("well", "broken", "held"))
        return dg.SkipReason(f"judged the snapshot {snapshot.id}: {counted}")

    @dg.sensor(
        minimum_interval_seconds=WATCH_EVERY,
        default_status=status,
        description="Notices that `crm live` is gone without having ended: the schedules go on in its place.",
    )
    def live_is_there(settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        alerter, key = Alerter(settings), "live"
        if holder := leases_of(settings).held_by("live"):
            alerter.resolve(key, text=settings.language.gettext("It runs again: {holder}.", holder=holder))
            return dg.SkipReason(f"live: {holder}")
        since = expected_file(settings)
        if not since.exists():
            return dg.SkipReason("no live process is expected")
        language = settings.language
        alerter.report(
            Alert(
                key=key,
                title=language.gettext("crm live is gone"),
                text=language.gettext(
                    "It ran since {time} and did not end in order. Schedules fetch and publish every 15 minutes"
                    " meanwhile; start it again, or end it in order by Ctrl-C.",
                    time=since.read_text(encoding="utf-8").strip(),
                ),
            )
        )
        return dg.SkipReason("crm live is gone; the schedules go on in its place")

    return [kpi_watches, live_is_there]
