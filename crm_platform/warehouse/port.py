"""The port: what the platform asks of a storage engine.

What belongs here: the Protocol that ingest, models and publish are written against. What does not: an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from crm_platform.schemas import Table


@dataclass(frozen=True, slots=True)
class Written:
    """What a merge did: rows that are new, rows whose content changed, rows that were known already."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged)


class Session(Protocol):
    """A short piece of work on an open store. In a writing session all of it happens, or nothing."""

    dialect: str
    memory: int
    """Bytes that a statement may take; with more it spills to disk, or fails."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Run a SELECT; `?` stands for a bound value."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement."""

    def replace(self, table: type[Table], select: str) -> int:
        """Make the table hold just the rows of a SELECT, matched by column name; returns their count."""

    def extend(self, table: type[Table], select: str) -> int:
        """Add the rows of a SELECT, matched by column name; returns their count."""

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        """Upsert by the declared key and each column's `merge` rule; rows may repeat a key."""

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows whose keys are known to be new."""

    def delete(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove the rows whose column holds one of the values."""


class Warehouse(Protocol):
    """A store of declared tables."""

    dialect: str

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """Create what is missing: schemas, tables, columns that were declared later."""

    def reading(self) -> AbstractContextManager[Session]:
        """Open for reading, beside other readers."""

    def writing(self) -> AbstractContextManager[Session]:
        """Open for one transaction: committed when the block ends, rolled back when it raises."""
