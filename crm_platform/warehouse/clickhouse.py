"""ClickHouse: the settings of a session, its types for the declared types, how a SELECT fills a table.

What belongs here: what the SQL of a model relies on when ClickHouse runs it (macros/clickhouse.jinja is the rest). What
does not: connections, what is stored, KPI logic.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from crm_platform.schemas import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crm_platform.schemas import Table

DIALECT = "clickhouse"

SETTINGS: Mapping[str, int] = MappingProxyType(
    {
        # An aggregate over nothing, and the side that a join did not find, are NULL and not 0, '' or 1970.
        "aggregate_functions_null_for_empty": 1,
        "join_use_nulls": 1,
        # In `sum(read) as read, sum(read) / sum(delivered)` the second `read` is the column, not the sum.
        "prefer_column_name_to_alias": 1,
        # The month of a day before 1970.
        "enable_extended_results_for_datetime_functions": 1,
        # A NULL in a column declared without them is an error, as in DuckDB, and not 0 or ''.
        "insert_null_as_default": 0,
    }
)
"""Set in every session, before anything else: without any one of them a model gives other figures, or none."""

TYPES: Mapping[Type, str] = MappingProxyType(
    {
        Type.TEXT: "String",
        Type.INTEGER: "Int64",
        Type.FLOAT: "Float64",
        Type.BOOLEAN: "Bool",
        Type.TIMESTAMP: "DateTime64(6, 'UTC')",
        Type.DATE: "Date32",
        Type.JSON: "String",
    }
)
"""Declared types. Days and instants of the years 1 to 9999 fit, as in DuckDB (seen with 26.9)."""


def create_or_replace(table: type[Table]) -> str:
    """Give the statement that makes an empty table as it is declared; its database is there already."""
    columns = ", ".join(
        f'"{name}" {f"Nullable({TYPES[column.type]})" if column.nullable else TYPES[column.type]}'
        for name, column in table.columns.items()
    )
    return f"create or replace table {table.full_name()} ({columns}) engine = MergeTree order by ({_names(table.key)})"


def insert(table: type[Table], select: str) -> str:
    """Give the statement that adds the rows of a SELECT; its columns are matched by name."""
    names = _names(table.columns)
    return f"insert into {table.full_name()} ({names}) select {names} from ({select})"


def _names(columns: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
