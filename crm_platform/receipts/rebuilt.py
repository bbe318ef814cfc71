"""All that two snapshots' KPI tables differ in: figures that moved, tables, columns and rows that came or went.

What belongs here: comparing them table by table, and what holds for a whole table. What does not: why one figure moved
(moved.py), in which words this is shown (cli/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crm_platform.receipts.behind import OpenedSnapshot, SnapshotReader, is_same, opened
from crm_platform.receipts.keys import figure_columns
from crm_platform.receipts.moved import Reason, earlier_snapshot
from crm_platform.receipts.reasons import REASONS
from crm_platform.receipts.receipt import jsonable_fields
from crm_platform.receipts.redefined import overall_reasons
from crm_platform.schemas import KpiTable
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from crm_platform.publish import Manifest
    from crm_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure that differs between two snapshots."""

    table: str
    key: Mapping[str, object]
    column: str
    then: object
    now: object

    @property
    def distance(self) -> float:
        """How far it moved, in its unit; 0 where it has no number on a side."""
        if isinstance(self.then, int | float) and isinstance(self.now, int | float):
            return abs(self.now - self.then)
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON writes it."""
        return jsonable_fields(self)


@dataclass(frozen=True, slots=True)
class TableChange:
    """A KPI table of two snapshots. `reasons`: what holds for all its figures.

    `rows`: how many rows both have; `rows_new`, `rows_gone`: how many one of them has alone. `moved`: the figures that
    differ in the rows that both have, in the order of their keys.
    """

    table: str
    reasons: tuple[Reason, ...]
    columns_new: tuple[str, ...]
    columns_gone: tuple[str, ...]
    rows: int
    rows_new: int
    rows_gone: int
    moved: tuple[Moved, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON writes it, but for `moved`."""
        told = jsonable_fields(self)
        del told["moved"]
        return told


@dataclass(frozen=True, slots=True)
class Changes:
    """Two snapshots compared: tables that only one of them has, by their full names, and the others in their order."""

    earlier: Manifest
    tables_new: tuple[str, ...]
    tables_gone: tuple[str, ...]
    tables: tuple[TableChange, ...]

    @property
    def moved(self) -> list[Moved]:
        """Every figure that both snapshots have and that differs, in the order of the tables and their keys."""
        return [one for table in self.tables for one in table.moved]


def changes(
    current: OpenedSnapshot | duckdb.DuckDBPyConnection, earlier: OpenedSnapshot | duckdb.DuckDBPyConnection
) -> Changes:
    """Compare the KPI tables of two snapshots; `why` tells the reason of one figure.

    Raises GiveUp when a snapshot is from before there were receipts.
    """
    now, then = SnapshotReader.of(current), SnapshotReader.of(earlier)
    both = [
        table
        for name, table in TABLES.items()
        if issubclass(table, KpiTable) and name in now.manifest.tables and name in then.manifest.tables
    ]
    names, before = (
        [name for name in reader.manifest.tables if name.startswith(f"{KpiTable.schema}.")] for reader in (now, then)
    )
    return Changes(
        earlier=then.manifest,
        tables_new=tuple(name for name in names if name not in before),
        tables_gone=tuple(name for name in before if name not in names),
        tables=tuple(_compared(now, then, table) for table in both),
    )


def moved(
    current: OpenedSnapshot | duckdb.DuckDBPyConnection, earlier: OpenedSnapshot | duckdb.DuckDBPyConnection
) -> list[Moved]:
    """`changes`, the figures that moved alone."""
    return changes(current, earlier).moved


def changes_since(
    settings: Settings, current: OpenedSnapshot | duckdb.DuckDBPyConnection, *, since: str | None = None
) -> Changes:
    """`changes`, against a kept snapshot.

    `since`: as in `moved_since`; None: the newest that is kept. Raises NotFound when there is none.
    """
    with opened(earlier_snapshot(settings, SnapshotReader.of(current), since)) as then:
        return changes(current, then)


def all_moved_since(
    settings: Settings, current: OpenedSnapshot | duckdb.DuckDBPyConnection, *, since: str | None = None
) -> tuple[Manifest, list[Moved]]:
    """`changes_since`, the earlier snapshot's manifest and the figures that moved alone."""
    found = changes_since(settings, current, since=since)
    return found.earlier, found.moved


def _compared(now: SnapshotReader, then: SnapshotReader, table: type[KpiTable]) -> TableChange:
    name = table.full_name()
    order = f" order by {', '.join(table.key)}" if table.key else ""
    found, old = now.query(f"select * from {name}{order}"), then.query(f"select * from {name}")
    before = {tuple(map(row.get, table.key)): row for row in old.to_pylist()}
    after = {tuple(map(row.get, table.key)): row for row in found.to_pylist()}
    figures = figure_columns(table)
    return TableChange(
        table=name,
        reasons=tuple(
            Reason(kind, REASONS[kind] + more, 0)
            for kind, more in overall_reasons(now.manifest, then.manifest, name).items()
        ),
        columns_new=tuple(one for one in found.column_names if one not in old.column_names),
        columns_gone=tuple(one for one in old.column_names if one not in found.column_names),
        rows=len(after.keys() & before.keys()),
        rows_new=len(after.keys() - before.keys()),
        rows_gone=len(before.keys() - after.keys()),
        moved=tuple(
            Moved(name, MappingProxyType(dict(zip(table.key, key, strict=True))), one, before[key][one], row[one])
            for key, row in after.items()
            if key in before
            for one in figures
            if one in row and one in before[key] and not is_same(before[key][one], row[one])
        ),
    )
