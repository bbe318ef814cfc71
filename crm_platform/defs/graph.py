"""The whole graph: one call that gives Dagster, a test or `crm` a fresh `Definitions`.

What belongs here: putting the parts together. What does not: the parts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import dagster as dg

from crm_platform.defs.assets import model_assets, snapshot_asset
from crm_platform.defs.checks import CHECKS
from crm_platform.defs.executor import in_process_or_multiprocess
from crm_platform.defs.jobs import JOBS
from crm_platform.defs.metadata import freshness_policy, kept_fresh
from crm_platform.defs.operations import OPERATION_JOBS
from crm_platform.defs.raw_assets import raw_tables, unasked
from crm_platform.defs.resources import BuildLease, Reporter, SystemClock, WarehouseResource
from crm_platform.defs.schedules import schedules
from crm_platform.defs.sensors import sensors
from crm_platform.settings import Settings, current_settings
from crm_platform.warehouse import live_store

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_resources(settings: Settings) -> dict[str, object]:
    """Make the resources that follow from the settings."""
    lock_dir = str(settings.lock_dir)
    return {
        "settings": settings,
        "live": WarehouseResource(
            settings=settings,
            database=live_store(settings).describe(),
            lock_dir=lock_dir,
            is_elsewhere=settings.warehouse_url is not None,
        ),
        "models": WarehouseResource(
            settings=settings,
            database=str(settings.models_path),
            lock_dir=lock_dir,
            is_derived=True,
            memory=settings.build_memory,
        ),
        "build_lease": BuildLease(settings=settings),
        "reporter": Reporter(),
        "clock": SystemClock(),
    }


def build_defs(
    settings: Settings | None = None, *, resource_overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Build the whole graph, without I/O. `resource_overrides` replaces resources by name, as tests and `crm` do."""
    settings = settings or current_settings()
    fresh = functools.partial(kept_fresh, policy=freshness_policy(settings))
    return dg.Definitions(
        assets=[
            raw_tables.map_asset_specs(fresh),
            *unasked,
            model_assets(),
            snapshot_asset().map_asset_specs(fresh),
        ],
        asset_checks=CHECKS,
        jobs=[*JOBS, *OPERATION_JOBS],
        schedules=schedules(settings),
        sensors=sensors(settings),
        resources={**build_resources(settings), **(resource_overrides or {})},
        executor=in_process_or_multiprocess,
    )
