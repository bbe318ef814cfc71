"""Asset checks beside the contract: each question of `models.quality` becomes one.

What belongs here: two ops that ask them, one of the live warehouse and one of the build. What does not: what is asked
(models/quality.py); the blocking contract of a core or KPI table, which its own asset holds it to (assets.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.metadata import asset_key
from crm_platform.defs.resources import Clock, Reporter, WarehouseResource
from crm_platform.models.noted import note_findings
from crm_platform.models.quality import MODEL_QUESTIONS, RAW_QUESTIONS, Finding, Question
from crm_platform.settings import Settings


def check_key(question: Question) -> dg.AssetCheckKey:
    """Name the check in Dagster."""
    return dg.AssetCheckKey(asset_key(question.table), question.name)


def _spec(question: Question) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        question.name,
        asset=asset_key(question.table),
        description=question.description,
        blocking=question.is_blocking,
        additional_deps=list(map(asset_key, question.also)),
    )


def check_result(question: Question, finding: Finding) -> dg.AssetCheckResult:
    """Turn a finding into a result: an error where it blocks, a warning otherwise."""
    return dg.AssetCheckResult(
        asset_key=asset_key(question.table),
        check_name=question.name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if question.is_blocking else dg.AssetCheckSeverity.WARN,
        description=finding.summary,
        metadata=dict(finding.figures),
    )


def _asked(context: dg.AssetCheckExecutionContext, questions: Sequence[Question]) -> list[Question]:
    return [question for question in questions if check_key(question) in context.selected_asset_check_keys]


@dg.multi_asset_check(name="raw_quality", specs=[_spec(question) for question in RAW_QUESTIONS], can_subset=True)
def raw_quality(
    context: dg.AssetCheckExecutionContext,
    live: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Ask the live warehouse."""
    with in_dagsters_words(reporter), live.existing().reading() as session:
        found = [(one, one.ask(session, settings, clock.now())) for one in _asked(context, RAW_QUESTIONS)]
    note_findings(settings, found, at=clock.now())
    for question, finding in found:
        yield check_result(question, finding)


@dg.multi_asset_check(name="model_quality", specs=[_spec(question) for question in MODEL_QUESTIONS], can_subset=True)
def model_quality(
    context: dg.AssetCheckExecutionContext,
    models: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Ask the finished build."""
    with in_dagsters_words(reporter), models.warehouse().reading() as session:
        found = [(one, one.ask(session, settings, clock.now())) for one in _asked(context, MODEL_QUESTIONS)]
    note_findings(settings, found, at=clock.now())
    for question, finding in found:
        yield check_result(question, finding)


CHECKS: Final = (raw_quality, model_quality)
