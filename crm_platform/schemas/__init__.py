"""The declared tables. DDL, pandera, SQL checks, Dagster column metadata and the data dictionary come from here.

What belongs here: one class a table, by layer: raw.py, ops.py, core.py, kpi.py. What does not: SQL that fills them
(models/).
"""

from crm_platform.schemas import core, kpi, ops, raw
from crm_platform.schemas.base import (
    TABLES,
    WELL_COVERED,
    Check,
    Column,
    CoreTable,
    KpiTable,
    OpsTable,
    RawTable,
    Table,
    Type,
)

__all__ = [
    "TABLES",
    "WELL_COVERED",
    "Check",
    "Column",
    "CoreTable",
    "KpiTable",
    "OpsTable",
    "RawTable",
    "Table",
    "Type",
    "core",
    "kpi",
    "ops",
    "raw",
]
