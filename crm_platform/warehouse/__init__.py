"""Where tables are stored: the port (a Protocol), its engines, their locks and their macro files.

What belongs here: opening, locking, transactions, upserts by key. What does not: KPI logic, what to fetch.
"""

from crm_platform.warehouse.duckdb import DuckDbSession, DuckDbWarehouse
from crm_platform.warehouse.folder import keep_private
from crm_platform.warehouse.locks import at_work, held_by, lease, lease_file
from crm_platform.warehouse.owner import adopt, claim, owner, refusal
from crm_platform.warehouse.port import Session, Warehouse, Written

__all__ = [
    "DuckDbSession",
    "DuckDbWarehouse",
    "Session",
    "Warehouse",
    "Written",
    "adopt",
    "at_work",
    "claim",
    "held_by",
    "keep_private",
    "lease",
    "lease_file",
    "owner",
    "refusal",
]
