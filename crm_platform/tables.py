"""Every declared table by its full name, in the order that a reader meets them.

What belongs here: that they are all loaded, and their order. What does not: a table (schemas/raw.py, schemas/ops.py,
core/, metrics/). Whoever wants all tables, or those of KPIs, takes them from here.
"""

from __future__ import annotations

from typing import Final

from crm_platform import core, metrics
from crm_platform.schemas import TABLES, Table, ops, raw

_PILLARS: Final = ("operations", "engagement", "growth", "executive")


def _place(table: type[Table]) -> tuple[str, int, str]:
    pillar = getattr(table, "pillar", None)
    return table.schema, _PILLARS.index(pillar) if pillar else 0, table.table


_ordered = sorted(TABLES.values(), key=_place)
TABLES.clear()
TABLES.update({table.full_name(): table for table in _ordered})

__all__ = ["TABLES", "core", "metrics", "ops", "raw"]
