"""ClickHouse: the settings of a session, its types for the declared types, its tables.

What belongs here: what the SQL of a model relies on when ClickHouse runs it (macros/clickhouse.jinja is the rest), and
how a table of ours is declared there. What does not: connections (clickhouse_client.py), what is stored
(clickhouse_store.py), KPI logic.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from crm_platform.schemas import Type

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from crm_platform.schemas import Column, Table

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

VERSION: Final = "_version"
"""Column of a live table: the number of the commit that wrote the row. `select *` leaves it out."""

DELETED: Final = "_deleted"
"""Column of a live table: 1 where the row is no more."""

# Texts that are one of a few words.
_FEW: Final = frozenset({"direction", "kind", "operation", "outcome", "region", "sort", "source", "status", "type"})

# Numbers and instants follow on each other; texts are what a table is made of.
_CODECS: Mapping[Type, str] = MappingProxyType(
    {
        Type.TEXT: "ZSTD(3)",
        Type.JSON: "ZSTD(3)",
        Type.INTEGER: "Delta, ZSTD(1)",
        Type.TIMESTAMP: "Delta, ZSTD(1)",
    }
)


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


def live_name(table: type[Table]) -> str:
    """Name a live table within the database that a tenant's store is: `raw_messages`."""
    return f"{table.schema}_{table.table}"


def create_live(table: type[Table], database: str, known: Collection[str]) -> Iterator[str]:
    """Give the statements that make a live table, or add what it lacks. `known`: its columns, empty where it is none.

    Of each key the row of the newest version counts. The parts are small (1,024 rows): what is asked is asked by chat.
    A column that was declared later is NULL in the rows before it.
    """
    name = f"{database}.{live_name(table)}"
    if known:
        for column_name, column in table.columns.items():
            if column_name not in known:
                yield f"alter table {name} add column if not exists {_stored(column_name, column, nullable=True)}"
        return
    columns = [_stored(name, column, nullable=column.nullable) for name, column in table.columns.items()]
    columns.append(f"{VERSION} UInt64 materialized 0 codec(Delta, ZSTD(1))")
    columns.append(f"{DELETED} UInt8 materialized 0")
    columns.append(f"index by_version {VERSION} type minmax granularity 1")
    yield (
        f"create table if not exists {name} ({', '.join(columns)})"
        f" engine = ReplacingMergeTree({VERSION}, {DELETED}) order by ({_names(table.key)})"
        " settings index_granularity = 1024"
    )


def _stored(name: str, column: Column, *, nullable: bool) -> str:
    declared = f"Nullable({TYPES[column.type]})" if nullable else TYPES[column.type]
    if column.type is Type.TEXT and name in _FEW:
        return f'"{name}" LowCardinality({declared})'
    codec = f" codec({_CODECS[column.type]})" if column.type in _CODECS else ""
    return f'"{name}" {declared}{codec}'


def _names(columns: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
