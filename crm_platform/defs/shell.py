"""The job `refresh_all` inside a `crm` process, recorded in Dagster's storage like any other run.

What belongs here: what a run in a shell needs that a launched one has: the lease, the instance, the configuration, the
reason of a failure as an exception, and the runs of `kpis` that publish what is known while a long ingest goes on.
What does not: when these are due (early.py), bars and tables (cli/).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dagster as dg

from crm_platform.defs.activity import SHELL_TAG, mark_as_failed, unfinished_runs
from crm_platform.defs.dagster_home import opened_instance, prepare_dagster_home
from crm_platform.defs.early import EarlyFigures
from crm_platform.defs.graph import build_defs
from crm_platform.defs.resources import BuildLease, Reporter
from crm_platform.errors import Breach, ContractBreach, CrmPlatformError, GiveUp
from crm_platform.warehouse import leases_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.settings import Settings

# Where the UI lists the run: the code location of workspace.yaml.
_REPOSITORY = "__repository__@crm_platform.definitions"


class ShellReporter(Reporter):
    """Keeps why a run failed; a subclass shows how it goes. `wait_seconds`: patience with another crawler or build."""

    retries = False

    def __init__(self, *, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        self.problem: CrmPlatformError | None = None
        self.breaches: list[Breach] = []

    def failed(self, problem: CrmPlatformError) -> None:
        """Keep the first reason; what fails after it follows from it."""
        self.problem = self.problem or problem

    def checked(self, breaches: Sequence[Breach]) -> None:
        """Collect what the build's tables break."""
        self.breaches += breaches

    def published_so_far(self, problem: str) -> None:
        """Hear that what is known so far is published, or why it is not (`problem`), while ingest goes on."""


class _Aside(Reporter):
    """Hears of a build that is not the run's own: how far it is. Its breaches and failures are no one's end."""

    retries = False

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self.problem = ""

    def built(self, table: str, *, seconds: float) -> None:
        """Pass it on."""
        self._inner.built(table, seconds=seconds)

    def checked(self, breaches: Sequence[Breach]) -> None:
        """Keep the first."""
        self.problem = self.problem or "; ".join(map(str, breaches))

    def failed(self, problem: CrmPlatformError) -> None:
        """Keep the first."""
        self.problem = self.problem or str(problem)


def refresh_in_process(
    settings: Settings, *, reporter: ShellReporter, full_refresh: bool, as_of: str | None, verbose: bool
) -> str:
    """Run `refresh_all` here and now; returns the run's id.

    Raises what made it fail: Busy (naming the holder) when another refresh, crawl or build does not end in time,
    ContractBreach when a table breaks its contract, any other of the platform's errors, GiveUp on a bug,
    KeyboardInterrupt on Ctrl-C.
    """
    prepare_dagster_home(settings)
    with (
        leases_of(settings).take(
            "refresh",
            purpose="crm refresh",
            wait=reporter.wait_seconds,
            on_wait=reporter.waiting,
        ),
        opened_instance(settings, keeps_connections=True) as instance,
    ):
        # The lease is ours, so nobody else's `crm refresh` is alive, whatever its run says.
        mark_as_failed(instance, unfinished_runs(instance, ["refresh_all", "kpis"]))
        heard: Reporter = reporter
        if as_of is None:  # a cut in the past does not become truer as more comes
            heard = EarlyFigures(reporter, build=lambda: _publish_so_far(settings, instance, reporter))
        overrides = {
            "reporter": heard,
            "build_lease": BuildLease(settings=settings, wait_seconds=reporter.wait_seconds),
        }
        defs = build_defs(settings, resource_overrides=overrides)
        result = defs.resolve_job_def("refresh_all").execute_in_process(
            instance=instance,
            run_config={
                "ops": {
                    "raw": {"config": {"full_refresh": full_refresh}},
                    "build": {"config": {"full": full_refresh} | ({} if as_of is None else {"as_of": as_of})},
                },
                **_log_of("INFO" if verbose else "CRITICAL"),
            },
            tags=_tags(),
            raise_on_error=False,
        )
    if not result.success:
        if reporter.breaches:
            raise ContractBreach(reporter.breaches)
        why = _class_of_failure(result)
        if why == dg.DagsterExecutionInterruptedError.__name__:  # what Dagster makes of Ctrl-C
            raise KeyboardInterrupt
        raise reporter.problem or GiveUp(f"the run {result.run_id[:8]} failed ({why}); run again with -v to see why")
    return result.run_id


def _publish_so_far(settings: Settings, instance: dg.DagsterInstance, reporter: ShellReporter) -> None:
    """Run `kpis` over what is stored by now; not at all where another build is at work, which publishes the same."""
    if leases_of(settings).held_by("build") is not None:
        return
    aside = _Aside(reporter)
    overrides = {"reporter": aside, "build_lease": BuildLease(settings=settings, wait_seconds=0)}
    job = build_defs(settings, resource_overrides=overrides).resolve_job_def("kpis")
    result = job.execute_in_process(
        instance=instance, run_config=_log_of("CRITICAL"), tags=_tags(), raise_on_error=False
    )
    reporter.published_so_far("" if result.success else aside.problem or _class_of_failure(result))


def _tags() -> dict[str, str]:
    return {SHELL_TAG: str(os.getpid()), "dagster/max_runtime": "0", ".dagster/repository": _REPOSITORY}


def _log_of(level: str) -> dict[str, object]:
    return {"loggers": {"console": {"config": {"log_level": level}}}}


def _class_of_failure(result: dg.ExecuteInProcessResult) -> str:
    """Name the exception behind a failed step; its text is for the log, since it may hold anything."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            return (error.cause.cls_name if error.cause else None) or error.cls_name or "unknown"
    return "no step says why"
