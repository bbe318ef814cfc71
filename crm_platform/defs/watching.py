"""After each published snapshot its watched figures are judged, checks that warn are told; the digest is sent daily.

What belongs here: when. What does not: what is judged and what is said (alerts/).
"""

from typing import Final

import dagster as dg

from crm_platform.alerts import Alerter, digest, watches
from crm_platform.alerts.checks import tell_checks
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.resources import Clock, Reporter
from crm_platform.errors import CrmPlatformError
from crm_platform.publish import current
from crm_platform.settings import Settings

EVERY: Final = 60  # seconds; a channel that failed is tried again after five minutes


@dg.op
def send_digest(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[Clock],
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


def watching_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One sensor, which starts no run: judging takes a moment, and a run would take seconds."""
    status = dg.DefaultSensorStatus.RUNNING if settings.automation == "on" else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        minimum_interval_seconds=EVERY,
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
            verdicts = watches.check(settings, snapshot)
        except CrmPlatformError as problem:
            return dg.SkipReason(str(problem))
        watches.tell(verdicts, alerter, settings=settings)
        context.update_cursor(snapshot.id)
        states = [verdict.state for verdict in verdicts]
        counted = ", ".join(f"{states.count(state)} {state}" for state in ("well", "broken", "held"))
        return dg.SkipReason(f"judged the snapshot {snapshot.id}: {counted}")

    return [kpi_watches]


def watching_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The digest's schedule, if CRM_DIGEST_HOUR is set: every quarter until each channel has it, for three hours."""
    if settings.digest_hour is None:
        return []
    status = dg.DefaultScheduleStatus.RUNNING if settings.automation == "on" else dg.DefaultScheduleStatus.STOPPED
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
