"""The declared tables. DDL, pandera, SQL checks, Dagster column metadata and the data dictionary come from here.

What belongs here: one class a table, of the layers raw and ops, and the words that all are declared in
(base.py, figures.py). What does not: core tables (core/), KPI tables (metrics/), all of them together (tables.py).
"""

from crm_platform.schemas import ops, raw
from crm_platform.schemas.base import (
    TABLES,
    WELL_COVERED,
    Column,
    CoreTable,
    KpiTable,
    OpsTable,
    RawTable,
    Table,
    Type,
    live_tables,
)

__all__ = [
    "TABLES",
    "WELL_COVERED",
    "Column",
    "CoreTable",
    "KpiTable",
    "OpsTable",
    "RawTable",
    "Table",
    "Type",
    "live_tables",
    "ops",
    "raw",
]
