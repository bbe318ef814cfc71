"""Asset checks beside the contract: each check of `models` becomes one.

What belongs here: two ops that run them, one on the live warehouse and one on the build. What does not: the checks
(models/raw_checks.py, models/model_checks.py); the blocking contract of a core or KPI table, which its own asset holds
it to (assets.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import dagster as dg

from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.metadata import asset_key
from crm_platform.defs.resources import Reporter, SystemClock, WarehouseResource
from crm_platform.models.checks import CheckResult, DataCheck
from crm_platform.models.model_checks import MODEL_CHECKS
from crm_platform.models.noted import run_and_note
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.settings import Settings
from crm_platform.warehouse import Models, Warehouse


def _spec(check: DataCheck) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=asset_key(check.table),
        description=check.description,
        blocking=check.is_blocking,
        additional_deps=list(map(asset_key, check.also)),
    )


def _asset_result(check: DataCheck, result: CheckResult) -> dg.AssetCheckResult:
    """Put a result into Dagster's words: an error where the check blocks, a warning otherwise."""
    return dg.AssetCheckResult(
        asset_key=asset_key(check.table),
        check_name=check.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.is_blocking else dg.AssetCheckSeverity.WARN,
        description=result.summary,
        metadata=dict(result.figures),
    )


def _run_selected(
    context: dg.AssetCheckExecutionContext,
    checks: Sequence[DataCheck],
    store: Callable[[], Models | Warehouse],
    *,
    settings: Settings,
    reporter: Reporter,
    clock: SystemClock,
) -> Iterator[dg.AssetCheckResult]:
    selected = [check for check in checks if _spec(check).key in context.selected_asset_check_keys]
    with in_dagsters_words(reporter):
        found = run_and_note(settings, store(), selected, now=clock.now())
    for check, result in found:
        yield _asset_result(check, result)


@dg.multi_asset_check(name="raw_quality", specs=list(map(_spec, RAW_CHECKS)), can_subset=True)
def raw_quality(
    context: dg.AssetCheckExecutionContext,
    live: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[SystemClock],
) -> Iterator[dg.AssetCheckResult]:
    """Ask the live warehouse."""
    yield from _run_selected(context, RAW_CHECKS, live.existing, settings=settings, reporter=reporter, clock=clock)


@dg.multi_asset_check(name="model_quality", specs=list(map(_spec, MODEL_CHECKS)), can_subset=True)
def model_quality(
    context: dg.AssetCheckExecutionContext,
    models: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[SystemClock],
) -> Iterator[dg.AssetCheckResult]:
    """Ask the finished build."""
    yield from _run_selected(context, MODEL_CHECKS, models.warehouse, settings=settings, reporter=reporter, clock=clock)


CHECKS: Final = (raw_quality, model_quality)
