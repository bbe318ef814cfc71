"""Who is at work, and what became of the last runs.

What belongs here: leases and Dagster's runs, and whether the Postgres answers that keeps them. What does not: taking a
lease, judging a run (defs/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.defs.dagster_home import config_for
from crm_platform.doctor.finding import LOADING, Finding
from crm_platform.errors import CrmPlatformError
from crm_platform.warehouse import leases_of
from crm_platform.warehouse.postgres import place, version

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings


def leases(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Who holds a lease: work goes on, and the next of its kind waits for it."""
    held = leases_of(settings).at_work()
    for work, holder in held.items():
        yield Finding("at work", "note", f"{work}: {holder}; the next of its kind waits for it")
    if not held:
        yield Finding("at work", "ok", "nobody")


def postgres(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Whether each Postgres that the settings name lets us in."""
    for name in ("dagster_postgres_url", "coordination_url"):
        url, setting = getattr(settings, name), f"CRM_{name.upper()}"
        if url is None:
            continue
        try:
            yield Finding("Postgres", "ok", f"{setting}: {place(url)} answers, version {version(url, setting=setting)}")
        except CrmPlatformError as problem:
            yield Finding("Postgres", "BAD", str(problem))


def dagster(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Dagster's folder, and the runs that failed and were not made good since."""
    installed = settings.dagster_home / "dagster.yaml"
    if not installed.exists():
        yield Finding("Dagster", "ok", f"{settings.dagster_home}: `crm refresh` or `crm dev` prepares it")
        return
    with LOADING:
        from crm_platform.defs.failed_runs import standing_failures  # noqa: PLC0415 - brings Dagster, two seconds

    failures = standing_failures(settings)
    for run in failures:
        words = f"{run.job} failed at {run.at:%Y-%m-%d %H:%M} UTC (run {run.run_id[:8]}): {'; '.join(run.reasons)}"
        yield Finding("run", "BAD", words)
    is_ours = installed.read_text(encoding="utf-8") == config_for(settings)
    words = f"{settings.dagster_home}{'' if is_ours else ': dagster.yaml differs; the next command renews it'}"
    yield Finding("Dagster", "ok", words if failures else f"{words}; no run has failed that was not made good since")
