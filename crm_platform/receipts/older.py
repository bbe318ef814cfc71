"""Whether a snapshot is from before an upgrade: it lacks what this version publishes, until the next build.

What belongs here: finding that out. What does not: what is done without it (choices.py, serving/).
"""

from __future__ import annotations

from typing import Final

from crm_platform.publish import published_columns, published_tables
from crm_platform.receipts.behind import OpenedSnapshot

_THERE: Final = "select schema_name || '.' || table_name, column_name from duckdb_columns()"


def is_older(snapshot: OpenedSnapshot) -> bool:
    """Whether a published snapshot lacks a table or a column that this version publishes."""
    there = set(snapshot.connection.cursor().sql(_THERE).fetchall())
    return any(
        (table.full_name(), column) not in there for table in published_tables() for column in published_columns(table)
    )
