"""The rows behind a figure as people read them: columns of their choice, in an order, page by page or all.

What belongs here: asking for them. What does not: the receipt, which lists what decides the figure (receipt.py), which
columns and order people want (serving/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from crm_platform.receipts.behind import Behind, Lineage, OpenedSnapshot, SnapshotReader
from crm_platform.receipts.bounds import split
from crm_platform.receipts.keys import check_column, find_kpi

_BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows behind one figure. Columns are those of their table, or that a declaration adds to it."""

    line: Lineage
    asked: SnapshotReader
    behind: Behind

    def page(
        self, columns: Sequence[str], *, order: Sequence[str], offset: int, limit: int
    ) -> list[Mapping[str, object]]:
        """Some of the rows. `order`: SQL in the words of the templates; rows that it leaves equal go by their key."""
        found = self.asked.query(
            f"{self._select(columns, order)} limit {int(limit)} offset {int(offset)}", self.behind.parameters
        )
        rows: list[Mapping[str, object]] = found.to_pylist()
        return rows

    def all(self, columns: Sequence[str], *, order: Sequence[str]) -> Iterator[Sequence[Any]]:
        """All rows, one after the other."""
        select = self._select(columns, order)
        found = self.asked.connection.cursor().sql(select, params=dict(self.behind.parameters))
        for batch in found.to_arrow_reader(_BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _select(self, columns: Sequence[str], order: Sequence[str]) -> str:
        names = ", ".join(f'"{name}"' for name in columns)
        ordered = [*map(self.asked.expand, order), *(f'"{name}"' for name in self.line.key)]
        return self.behind.asking(f"select {names} from behind order by {', '.join(ordered) or 'all'}")


def listing(
    snapshot: OpenedSnapshot | duckdb.DuckDBPyConnection, table: str, key: Mapping[str, object], column: str
) -> Listing | None:
    """The rows behind a figure, named as for `receipt`; None where no lineage is declared. Raises as `receipt` does."""
    asked, declared = SnapshotReader.of(snapshot), find_kpi(table)
    check_column(declared, column)
    own, bounds = split(declared, column, key)
    line = asked.lineage(declared, column)
    if line is None:
        return None
    return Listing(line, asked, asked.behind(line, asked.own(declared, own), bounds=bounds))
