"""A ClickHouse server as the models of a build meet it, over HTTP.

What belongs here: its databases, rows in and out, with the settings that the product asks with. What does not:
comparing, the server (clickhouse_server.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from crm_platform.schemas import Table
from crm_platform.tables import TABLES
from crm_platform.warehouse import clickhouse
from crm_platform.warehouse.clickhouse_client import Address, _as_the_port_has_it, _connect

Row = dict[str, object]


class ClickHouseEngine:
    """A database for each schema of ours, on a server that nobody else uses."""

    def __init__(self, address: Address) -> None:
        self._client = _connect(address)
        for schema in sorted({table.schema for table in TABLES.values()}):
            self.execute(f"create database if not exists {schema}")

    def execute(self, sql: str) -> None:
        self._client.command(sql)

    def query(self, sql: str) -> list[Row]:
        return _as_the_port_has_it(self._client.query_arrow(sql, use_strings=True)).to_pylist()

    def load(self, table: type[Table], rows: pa.Table) -> None:
        """Make a table hold just these rows."""
        self.execute(clickhouse.create_or_replace(table))
        self._client.insert_arrow(table.table, rows, database=table.schema)

    def fill(self, table: type[Table], select: str) -> None:
        """Make a table hold just the rows of a SELECT."""
        self.execute(clickhouse.create_or_replace(table))
        self.execute(clickhouse.insert(table, select))

    def rows(self, tables: Iterable[type[Table]]) -> dict[str, list[Row]]:
        return {table.full_name(): self.query(f"select * from {table.full_name()}") for table in tables}

    def close(self) -> None:
        self._client.close()
