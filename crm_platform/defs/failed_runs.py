"""A failed run is told to somebody, once, and so is the end of the trouble.

What belongs here: which runs, and what is said of them. What does not: telling (alerts/).
"""

import datetime as dt
from typing import Final

import dagster as dg

from crm_platform.alerts import Alert, Alerter
from crm_platform.alerts.checks import breach_lines
from crm_platform.settings import Settings

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
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {(error.cls_name if error else None) or 'an unknown error'}"


def _began(context: dg.RunFailureSensorContext) -> dt.datetime:
    """When the run began: what its checks found broken was found later."""
    began = context.instance.get_run_stats(context.dagster_run.run_id).start_time
    return dt.datetime.fromtimestamp(began or context.failure_event.timestamp, dt.UTC)


def alerting_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Two sensors: one on failure, one on success, over every job of this code location."""
    status = dg.DefaultSensorStatus.RUNNING if settings.automation == "on" else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        name="failed_runs",
        default_status=status,
        minimum_interval_seconds=30,
        description="A failed run is told to the log and every alert channel, once a problem.",
    )
    def failed_runs(context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]) -> None:
        run = context.dagster_run
        reasons = [reason(event) for event in context.get_step_failure_events()[:REASONS]]
        reasons += breach_lines(settings, since=_began(context))
        Alerter(settings).report(
            Alert(
                key=problem_key(run.job_name),
                title=f"{run.job_name} failed",
                text="\n".join([*(reasons or ["The run ended before any step failed."]), f"Run {run.run_id[:8]}."]),
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
        Alerter(settings).resolve(problem_key(run.job_name), text=f"Run {run.run_id[:8]} succeeded.")

    assert isinstance(failed_runs, dg.SensorDefinition)
    return [failed_runs, recovered_runs]
