"""Core and KPI assets, made from their declarations and templates, the cut they share, and the published snapshot.

What belongs here: one asset a table of `models.build_order()`, whatever tables there are. What does not: SQL (models/),
what a snapshot is (publish/).
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from pydantic import Field

from crm_platform import models as modelling
from crm_platform import publish as publishing
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.metadata import OWNERS, asset_key, definition_metadata, group_of, preview
from crm_platform.defs.raw import UPSTREAM
from crm_platform.defs.resources import BuildLease, Clock, Reporter, WarehouseResource
from crm_platform.errors import Breach, FixConfiguration
from crm_platform.schemas import KpiTable, OpsTable, RawTable, Table, ops, raw
from crm_platform.settings import Settings

BUILD_POOL: Final = "build"
CUT: Final = dg.AssetKey(["core", "cut"])
SNAPSHOT: Final = dg.AssetKey(["published", "snapshot"])
CONTRACT: Final = "contract"


class CutConfig(dg.Config):
    """Where the build's cut lies."""

    as_of: str | None = Field(
        default=None,
        description="The cut, ISO 8601 with an offset: 2026-11-20T02:00:00+03:00. Unset: the start of the build.",
    )


def parse_as_of(text: str | None, *, now: datetime) -> datetime | None:
    """Read a cut. Raises FixConfiguration on what is no time, has no offset, or lies in the future."""
    if text is None or not text.strip():
        return None
    try:
        as_of = datetime.fromisoformat(text.strip())
    except ValueError:
        raise FixConfiguration(
            f"as_of is {text!r}; write a time as ISO 8601 with an offset, such as 2026-11-20T02:00:00+03:00"
        ) from None
    if as_of.tzinfo is None:
        raise FixConfiguration(f"as_of is {text!r}, without an offset; add Z for UTC or +03:00 for Nairobi")
    if as_of > now:
        raise FixConfiguration(f"as_of is {text!r}, which is still to come; the newest cut there is, is now")
    return as_of.astimezone(UTC)


@dg.asset(
    key=CUT,
    deps=[*map(asset_key, UPSTREAM), asset_key(raw.OperatorEvents)],
    group_name="core",
    kinds={"duckdb", "sql"},
    owners=OWNERS,
    pool=BUILD_POOL,
    description=(
        "The cut that every figure of a build shares, and the rows known by it: raw tables are read out of the live "
        "warehouse once, under its lock, so that the crawl goes on while the build computes."
    ),
)
def cut(
    context: dg.AssetExecutionContext,
    config: CutConfig,
    *,
    live: WarehouseResource,
    models: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
    clock: dg.ResourceParam[Clock],
    build_lease: BuildLease,
) -> dg.MaterializeResult[None]:
    """Freeze the rows known by the cut."""
    with in_dagsters_words(reporter):
        now = clock.now()
        as_of = parse_as_of(config.as_of, now=now)
        build_lease.hold(f"Dagster run {context.run.run_id[:8]}")
        began = time.monotonic()
        frozen = modelling.freeze(
            models.warehouse(),
            live.prepared(RawTable, OpsTable),
            settings=settings,
            as_of=as_of,
            now=now,
            expected_unseen=None,
        )
        seconds = time.monotonic() - began
        reporter.built("core.cut", seconds=seconds)
    rows = {f"rows/{name}": count for name, count in frozen.rows.items()}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(frozen.rows.values()),
            "as_of": dg.MetadataValue.timestamp(frozen.as_of),
            "seconds": seconds,
            "path": dg.MetadataValue.path(models.database),
            **rows,
        }
    )


def _upstream(table: type[Table]) -> list[dg.AssetKey]:
    """What a table is built from; frozen inputs (raw and ops tables, or none at all) stand for the cut."""
    names = modelling.dependencies(table)
    built = sorted(name for name in names if name.split(".")[0] in {"core", "kpi"})
    return [*([CUT] if len(built) < len(names) or not built else []), *map(asset_key, built)]


def contract_result(breaches: Sequence[Breach]) -> dg.AssetCheckResult:
    """Turn the breaches of one table into its blocking check's result, naming table, column, rule and count."""
    return dg.AssetCheckResult(
        check_name=CONTRACT,
        passed=not breaches,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(map(str, breaches)) or "Every rule of the declaration holds.",
        metadata={"breaches": len(breaches), "rows": sum(breach.count for breach in breaches)},
    )


def model_asset(table: type[Table]) -> dg.AssetsDefinition:
    """One table: built from its template, held to its declaration."""
    key = asset_key(table)

    @dg.asset(
        key=key,
        deps=_upstream(table),
        group_name=group_of(table),
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        description=table.description(),
        metadata=definition_metadata(table),
        code_version=modelling.code_version(table),
        check_specs=[
            dg.AssetCheckSpec(
                CONTRACT,
                asset=key,
                blocking=True,
                description="Keys, types, ranges and rules as declared. A breach holds the snapshot back.",
            )
        ],
        pool=BUILD_POOL,
    )
    def build_table(
        context: dg.AssetExecutionContext,
        *,
        models: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        reporter: dg.ResourceParam[Reporter],
        build_lease: BuildLease,
    ) -> Iterator[dg.MaterializeResult[None]]:
        with in_dagsters_words(reporter):
            build_lease.hold(f"Dagster run {context.run.run_id[:8]}")
            store = models.warehouse()
            built = modelling.build(store, table, settings=settings)
            breaches = modelling.validate(store, table)
            reporter.built(table.full_name(), seconds=built.seconds)
            reporter.checked(breaches)
            with store.reading() as session:
                seen = preview(session, table) if issubclass(table, KpiTable) else None
                as_of = session.query(f"select max(as_of) as at from {ops.Builds.full_name()}").column("at")[0].as_py()
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": built.rows,
                "as_of": dg.MetadataValue.timestamp(as_of.replace(tzinfo=UTC)),
                "seconds": built.seconds,
                "path": dg.MetadataValue.path(models.database),
                **({"preview": dg.MetadataValue.md(seen)} if seen else {}),
            },
            check_results=[contract_result(breaches)],
        )

    return build_table


def model_assets() -> list[dg.AssetsDefinition]:
    """One asset a declared core and KPI table, in build order."""
    return [model_asset(table) for table in modelling.build_order()]


def snapshot_asset() -> dg.AssetsDefinition:
    """The published snapshot, made of every published table."""

    @dg.asset(
        key=SNAPSHOT,
        deps=[asset_key(table) for table in publishing.published_tables()],
        group_name="published",
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        description=(
            "The read-only snapshot that dashboards, notebooks and the KPI API read: every KPI and core table of one "
            "cut, ids as pseudonyms, turned in one step. A breached contract keeps the last good one."
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
        ),
        pool=BUILD_POOL,
    )
    def snapshot(
        context: dg.AssetExecutionContext,
        *,
        models: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        reporter: dg.ResourceParam[Reporter],
        clock: dg.ResourceParam[Clock],
        build_lease: BuildLease,
    ) -> dg.MaterializeResult[None]:
        with in_dagsters_words(reporter):
            build_lease.hold(f"Dagster run {context.run.run_id[:8]}")
            published = publishing.publish(models.warehouse(), settings=settings, now=clock.now())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(published.tables.values()),
                "tables": len(published.tables),
                "bytes": published.bytes,
                "as_of": dg.MetadataValue.timestamp(published.as_of),
                "id": published.id,
                "path": dg.MetadataValue.path(str(published.path)),
            }
        )

    return snapshot
