"""Core and KPI assets, made from their declarations and templates, the cut they share, and the published snapshot.

What belongs here: one asset a table of `models.build_order()`, whatever tables there are. What does not: SQL (models/),
what a snapshot is (publish/).
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import dagster as dg
from pydantic import Field

from crm_platform import models as modelling
from crm_platform import publish as publishing
from crm_platform.alerts.watches import PAGES
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.metadata import DASHBOARDS, OWNERS, asset_key, definition_metadata, group_of, preview
from crm_platform.defs.resources import BuildLease, Reporter, SystemClock, WarehouseResource
from crm_platform.errors import Breach
from crm_platform.ingest import existing_store, expected_unseen, upgrade
from crm_platform.models.as_of import parse_as_of
from crm_platform.models.build_all import build_all
from crm_platform.models.frozen import require_known
from crm_platform.schemas import KpiTable, Table, raw
from crm_platform.serving.turned import tell_turned
from crm_platform.settings import Settings
from crm_platform.warehouse import Models

BUILD_POOL: Final = "build"
CUT: Final = dg.AssetKey(["core", "cut"])
SNAPSHOT: Final = dg.AssetKey(["published", "snapshot"])
CONTRACT: Final = "contract"


class BuildConfig(dg.Config):
    """Where the build's cut lies, and whether it keeps anything of the last build."""

    as_of: str | None = Field(
        default=None,
        description="The cut, ISO 8601 with an offset: 2026-11-20T02:00:00+03:00. Unset: the start of the build.",
    )
    full: bool = Field(
        default=False,
        description="Compute every chat anew. Unset: those that have changed since the last build, for the same cells.",
    )


def _upstream(table: type[Table], built: Collection[str]) -> list[dg.AssetKey]:
    """What a table is built from; what is not built but frozen (raw tables, the calendar) is the cut's."""
    names = modelling.dependencies(table)
    read = sorted(names.intersection(built))
    return [*([CUT] if len(read) < len(names) or not read else []), *map(asset_key, read)]


def _spec(table: type[Table], built: Collection[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(table),
        deps=_upstream(table, built),
        group_name=group_of(table),
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        description=table.description(),
        metadata=definition_metadata(table),
        code_version=modelling.code_version(table),
    )


_CUT_SPEC: Final = dg.AssetSpec(
    CUT,
    deps=[*map(asset_key, raw.FETCHED), *map(asset_key, raw.UNASKED)],
    group_name="core",
    kinds={"duckdb"},
    owners=OWNERS,
    description=(
        "The cut that every figure of a build shares, and the rows known by it: raw tables are read out of the live "
        "warehouse once, under its lock, so that the crawl goes on while the build computes."
    ),
)


def _contract(table: type[Table]) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        CONTRACT,
        asset=asset_key(table),
        blocking=True,
        description="Keys, types, ranges and rules as declared. A breach holds the snapshot back.",
    )


def contract_result(table: type[Table], breaches: Sequence[Breach]) -> dg.AssetCheckResult:
    """Turn the breaches of one table into its blocking check's result, naming table, column, rule and count."""
    return dg.AssetCheckResult(
        asset_key=asset_key(table),
        check_name=CONTRACT,
        passed=not breaches,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(map(str, breaches)) or "Every rule of the declaration holds.",
        metadata={"breaches": len(breaches), "rows": sum(breach.count for breach in breaches)},
    )


def _frozen(cut: modelling.Cut, models: Models, *, seconds: float) -> dg.MaterializeResult[None]:
    """Say what the cut holds."""
    return dg.MaterializeResult(
        asset_key=CUT,
        metadata={
            "dagster/row_count": sum(cut.rows.values()),
            "as_of": dg.MetadataValue.timestamp(cut.as_of),
            "build": "full" if cut.is_full else "incremental",
            "chats": cut.chats,
            "changed_chats": cut.changed_chats,
            "seconds": seconds,
            "path": dg.MetadataValue.path(models.describe()),
            **{f"rows/{name}": rows for name, rows in cut.rows.items()},
        },
    )


def _built(
    built: modelling.Built, models: Models, *, settings: Settings, breaches: Sequence[Breach]
) -> dg.MaterializeResult[None]:
    """Say what a table holds, and whether it keeps its contract."""
    table = built.table
    shown: dict[str, dg.MetadataValue] = {}
    if built.chats is not None:
        shown["recomputed_chats"] = dg.MetadataValue.int(built.chats)
    if issubclass(table, KpiTable):
        with models.reading() as session:
            shown["preview"] = dg.MetadataValue.md(preview(session, table))
        shown["dashboard"] = dg.MetadataValue.url(f"{settings.serve_url or DASHBOARDS}{PAGES[table.pillar]}")
    return dg.MaterializeResult(
        asset_key=asset_key(table),
        metadata={
            "dagster/row_count": built.rows,
            "seconds": built.seconds,
            "path": dg.MetadataValue.path(models.describe()),
            **shown,
        },
        check_results=[contract_result(table, breaches)],
    )


def model_assets() -> dg.AssetsDefinition:
    """The cut and one asset a table with a template, built in order by one op.

    One op for all: as a step each, 26 tables cost ten seconds of Dagster's bookkeeping and two of work. A breach does
    not stop the op: what else is broken is told too, and the failed blocking check holds the snapshot back.
    """
    tables = modelling.build_order()
    names = {table.full_name() for table in tables}

    @dg.multi_asset(
        name="build",
        specs=[_CUT_SPEC, *(_spec(table, names) for table in tables)],
        check_specs=[_contract(table) for table in tables],
        can_subset=True,
        pool=BUILD_POOL,
    )
    def build(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        *,
        live: WarehouseResource,
        models: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        reporter: dg.ResourceParam[Reporter],
        clock: dg.ResourceParam[SystemClock],
        build_lease: BuildLease,
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Freeze what is known by the cut, then build and check table by table."""
        with in_dagsters_words(reporter):
            now = clock.now()
            as_of = parse_as_of(config.as_of, now=now)
            build_lease.hold(f"Dagster run {context.run.run_id[:8]}")
            store = models.warehouse()
            if CUT in context.selected_asset_keys:
                began = time.monotonic()
                existing_store(settings)  # one that is not there is not made: figures of nothing would mislead
                source = live.existing()
                upgrade(source, settings, now=now)
                unseen = expected_unseen(settings, source, as_of=as_of or now)
                cut = modelling.freeze(
                    store, source, settings=settings, as_of=as_of, now=now, expected_unseen=unseen, full=config.full
                )
                require_known(cut, source)
                seconds = time.monotonic() - began
                reporter.built("core.cut", seconds=seconds)
                yield _frozen(cut, store, seconds=seconds)
            selected = [table for table in tables if asset_key(table) in context.selected_asset_keys]
            with contextlib.closing(build_all(store, settings=settings, now=now, tables=selected)) as building:
                for built, breaches in building:
                    reporter.built(built.table.full_name(), seconds=built.seconds)
                    reporter.checked(breaches)
                    build_lease.note(built.table, breaches)
                    yield _built(built, store, settings=settings, breaches=breaches)

    return build


def snapshot_asset() -> dg.AssetsDefinition:
    """The published snapshot, made of every published table; what no template builds is frozen with the cut."""
    built = {table.full_name() for table in modelling.build_order()}
    upstream = [asset_key(table) if table.full_name() in built else CUT for table in publishing.published_tables()]

    @dg.asset(
        key=SNAPSHOT,
        deps=list(dict.fromkeys(upstream)),
        group_name="published",
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        description=(
            "The read-only snapshot that dashboards, notebooks and the KPI API read: every KPI and core table of one "
            "cut, ids as pseudonyms, turned in one step. A breached contract keeps the last good one."
        ),
        pool=BUILD_POOL,
    )
    def snapshot(
        context: dg.AssetExecutionContext,
        *,
        models: WarehouseResource,
        settings: dg.ResourceParam[Settings],
        reporter: dg.ResourceParam[Reporter],
        clock: dg.ResourceParam[SystemClock],
        build_lease: BuildLease,
    ) -> dg.MaterializeResult[None]:
        with in_dagsters_words(reporter):
            build_lease.hold(f"Dagster run {context.run.run_id[:8]}")
            published = publishing.publish(
                models.warehouse(), settings=settings, now=clock.now(), validate=build_lease.breaches_of
            )
            tell_turned(settings)
            publishing.purge(settings, now=clock.now())
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
