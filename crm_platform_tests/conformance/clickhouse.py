"""ClickHouse's engine inside the test's process.

What belongs here: a session of it, set up as every session must be. What does not: comparing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crm_platform.schemas import Table
from crm_platform.tables import TABLES
from crm_platform.warehouse import clickhouse

Row = dict[str, object]


class EmbeddedClickHouse:
    """One store under `folder`; a process can open one at a time."""

    def __init__(self, folder: Path) -> None:
        from chdb import session

        self._folder = folder
        self._session = session.Session(str(folder / "store"))
        for name, value in clickhouse.SETTINGS.items():
            self.execute(f"set {name} = {value}")
        for schema in sorted({table.schema for table in TABLES.values()}):
            self.execute(f"create database {schema}")

    def execute(self, sql: str) -> None:
        self._session.query(sql)

    def query(self, sql: str) -> list[Row]:
        found = self._session.query(sql, "Arrow").bytes()
        return pa.ipc.open_file(pa.py_buffer(found)).read_all().to_pylist() if found else []

    def load(self, table: type[Table], rows: pa.Table) -> None:
        """Make a table hold just these rows."""
        path = self._folder / "rows.parquet"
        pq.write_table(rows, path)
        self.fill(table, f"select * from file('{path}', Parquet)")

    def fill(self, table: type[Table], select: str) -> None:
        """Make a table hold just the rows of a SELECT."""
        self.execute(clickhouse.create_or_replace(table))
        self.execute(clickhouse.insert(table, select))

    def rows(self, tables: Iterable[type[Table]]) -> dict[str, list[Row]]:
        return {table.full_name(): self.query(f"select * from {table.full_name()}") for table in tables}

    def close(self) -> None:
        self._session.close()
