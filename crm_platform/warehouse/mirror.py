"""A copy of the live tables in a DuckDB file of this host, for builds: only what newer commits wrote is copied.

What belongs here: which rows are copied, and where the copy stands. What does not: between which commits it is made
(clickhouse_store.py), what is built from it (models/).

Numbers, names and texts (`stays_raw`) stay where they are. The file follows from the live tables, so it may be deleted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.schemas import live_tables
from crm_platform.warehouse.clickhouse import DELETED, VERSION
from crm_platform.warehouse.duckdb import DuckDbWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from crm_platform.schemas import Table
    from crm_platform.warehouse.clickhouse_client import ClickHouseClient
    from crm_platform.warehouse.duckdb import DuckDbSession

_STANDS_AT: Final = "ops.mirror"


@dataclass(frozen=True, slots=True)
class StandsAt:
    """How far a copy goes: the newest commit that is in it, and how many there were up to that one."""

    version: int
    commits: int


class Mirror(DuckDbWarehouse):
    """The copy. `stands_for`: the state of the live store that it holds."""

    def __init__(self, path: Path, *, client: ClickHouseClient, lock_dir: Path, timeout: float) -> None:
        super().__init__(path, lock_dir=lock_dir, timeout=timeout, is_derived=True)
        self._client = client
        self._of = _identity(client)
        self.stands_for = "none"

    def state(self) -> str:
        """The live store's, as it was when it was copied."""
        return self.stands_for

    @property
    def version(self) -> StandsAt | None:
        """How far it goes; None where there is none, or it is one of another store, or of other columns."""
        if not self.exists():
            return None
        with self.writing() as session:  # a damaged one is found out, and made anew
            session.execute(f"create schema if not exists ops; create table if not exists {_STANDS_AT} {_COLUMNS}")
            found = session.query(f"select * from {_STANDS_AT}").to_pylist()
        if not found or found[0]["identity"] != self._of:
            return None
        return StandsAt(found[0]["version"], found[0]["commits"])

    def begin(self, until: int, *, commits: int) -> None:
        """Copy everything. `until`: a commit that is stored, with all before it; `commits`: how many these are."""
        with self.writing() as session:
            for table in live_tables():
                nothing = ", ".join(f'null as "{name}"' for name in table.columns)
                session.replace(table, f"select {nothing} where false")
                for rows in self._client.batches(f"select {_columns(table)} from {table.full_name()}"):
                    _add(session, table, rows)
            self._note(session, until, commits)

    def go_on(self, until: int, *, commits: int) -> None:
        """Copy what commits after the last copy wrote, up to one."""
        known = self.version
        assert known is not None, "there is a copy to go on from"
        if known.version >= until:
            return
        with self.writing() as session:
            for table in live_tables():
                for rows in self._newer(table, known.version):
                    keys = ", ".join(f'"{key}"' for key in table.key)
                    with session.shown({"newer": rows}):
                        session.execute(
                            f"delete from {table.full_name()} where ({keys}) in (select ({keys}) from newer)"
                        )
                    _add(session, table, rows)
            self._note(session, until, commits)

    def _newer(self, table: type[Table], version: int) -> Iterator[pa.Table]:
        """The newest version of each row that a later commit wrote, also where it is no more."""
        keys = ", ".join(f'"{key}"' for key in table.key)
        return self._client.batches(
            f"select {_columns(table)}, {DELETED} from {table.full_name()} where {VERSION} > {version}"
            f" order by {VERSION} desc limit 1 by {keys} settings final = 0"
        )

    def _note(self, session: DuckDbSession, version: int, commits: int) -> None:
        session.execute(f"create or replace table {_STANDS_AT} {_COLUMNS}")
        session.execute(f"insert into {_STANDS_AT} values (?, ?, ?)", [self._of, version, commits])


_COLUMNS: Final = "(identity varchar, version bigint, commits bigint)"


def _add(session: DuckDbSession, table: type[Table], rows: pa.Table) -> None:
    kept = f" where {DELETED} = 0" if DELETED in rows.column_names else ""
    names = ", ".join(f'"{name}"' for name in table.columns)
    with session.shown({"newer": rows}):
        session.execute(f"insert into {table.full_name()} ({names}) select {names} from newer{kept}")


def _columns(table: type[Table]) -> str:
    """The columns that are copied; NULL for what stays raw."""
    return ", ".join(
        f'null as "{name}"' if column.stays_raw and column.nullable and name not in table.key else f'"{name}"'
        for name, column in table.columns.items()
    )


def _identity(client: ClickHouseClient) -> str:
    """Name the store that is copied, and the columns as they are copied."""
    found = client.query(
        "select toString(uuid) as id from system.tables where database = ? and name = '_commits'",
        [client.address.database],
    )
    parts = [*found["id"].to_pylist(), *(f"{table.full_name()} {_columns(table)}" for table in live_tables())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
