"""Which stores and which leases a data folder has: the one place that chooses an engine.

What belongs here: this choice, from the settings. What does not: what is stored, checking whose data it is (owner.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.warehouse.clickhouse_client import Address
from crm_platform.warehouse.clickhouse_store import ClickHouseWarehouse
from crm_platform.warehouse.duckdb import PATIENCE, SMALL, DuckDbWarehouse
from crm_platform.warehouse.locks import FileLeases
from crm_platform.warehouse.postgres_leases import PostgresLeases

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.settings import Settings
    from crm_platform.warehouse.port import Leases, Models, Store, Warehouse


def open_store(
    path: Path,
    *,
    lock_dir: Path,
    timeout: float = PATIENCE,
    memory: int = SMALL,
    is_derived: bool = False,
    leases: Leases | None = None,
) -> Store:
    """Give a file's store. `memory`: bytes that it takes at most before it spills; the rest as DuckDbWarehouse says."""
    return DuckDbWarehouse(
        path, lock_dir=lock_dir, timeout=timeout, memory=memory, is_derived=is_derived, leases=leases
    )


def live_store(settings: Settings, *, timeout: float = PATIENCE) -> Warehouse:
    """Give the live warehouse of a data folder, which may have none yet. `timeout`: seconds to wait for others.

    A file of the folder, or a database of ClickHouse's where CRM_WAREHOUSE_URL names one.
    """
    if settings.warehouse_url is not None:
        return ClickHouseWarehouse(
            Address.of(settings.warehouse_url, settings.warehouse_password),
            lock_dir=settings.lock_dir,
            mirror=settings.mirror_path,
            timeout=timeout,
            leases=leases_of(settings),
        )
    return open_store(settings.warehouse_path, lock_dir=settings.lock_dir, timeout=timeout, leases=leases_of(settings))


def models_store(settings: Settings, *, timeout: float = PATIENCE) -> Models:
    """Give the store that a data folder's figures are computed in, which is made anew when it is damaged."""
    return open_store(
        settings.models_path,
        lock_dir=settings.lock_dir,
        timeout=timeout,
        memory=settings.build_memory,
        is_derived=True,
    )


def leases_of(settings: Settings) -> Leases:
    """Give the leases of a data folder; in Postgres where several hosts work on one CRM. Connects to nothing yet."""
    files = FileLeases(settings.lock_dir)
    if settings.coordination_url is None:
        return files
    return PostgresLeases(settings.coordination_url, whose=settings.crm_name, files=files)
