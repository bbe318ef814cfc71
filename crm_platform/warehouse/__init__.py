"""Where tables are stored: the port (a Protocol), its engines, their locks and their macro files.

What belongs here: opening, locking, transactions, upserts by key. What does not: KPI logic, what to fetch.
"""

from crm_platform.warehouse.commits import one_commit, taking_turns
from crm_platform.warehouse.duckdb import DuckDbSession, DuckDbWarehouse, ask
from crm_platform.warehouse.factory import leases_of, live_store, models_store, open_store
from crm_platform.warehouse.folder import keep_private, state_of
from crm_platform.warehouse.locks import FileLeases
from crm_platform.warehouse.owner import adopt, claim, owner, refusal
from crm_platform.warehouse.port import BuildSession, Commit, Lease, Leases, Models, Session, Store, Warehouse, Written

__all__ = [
    "BuildSession",
    "Commit",
    "DuckDbSession",
    "DuckDbWarehouse",
    "FileLeases",
    "Lease",
    "Leases",
    "Models",
    "Session",
    "Store",
    "Warehouse",
    "Written",
    "adopt",
    "ask",
    "claim",
    "keep_private",
    "leases_of",
    "live_store",
    "models_store",
    "one_commit",
    "open_store",
    "owner",
    "refusal",
    "state_of",
    "taking_turns",
]
