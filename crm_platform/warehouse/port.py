"""The port: what the platform asks of a storage engine, with or without transactions.

What belongs here: the Protocols that ingest, models and publish are written against. What does not: an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from crm_platform.schemas import Table

Work = Literal["crawl", "write", "build", "publish", "refresh", "report", "gate", "live", "import", "assign", "commit"]
"""What one process at a time may do with a data folder.

`write`: a short commit beside the crawl. `commit`: one commit to a store without transactions, whoever makes it.
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one kind of work. `epoch`: greater than that of every lease taken before in the data folder."""

    work: Work
    epoch: int


class Leases(Protocol):
    """Who is at work on a data folder: of each kind of work one process at a time."""

    def take(
        self, work: Work, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] | None = None
    ) -> AbstractContextManager[Lease]:
        """Be the only one at a kind of work, for as long as the block runs.

        `wait`: seconds to wait for another holder, who is told to `on_wait` once. Raises Busy, naming the holder, when
        the wait was in vain. Others are told the `purpose`, the process and since when.
        """

    def next_epoch(self) -> int:
        """Count on: a number that no lease has, for whoever must be told apart without holding one."""

    def held_by(self, work: Work) -> str | None:
        """Say who is at a kind of work; None: nobody."""

    def at_work(self) -> dict[str, str]:
        """Say what is under way, as people call it, and who does it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a merge did: rows that are new, rows whose content changed, rows that were known already."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged)


class Session(Protocol):
    """A short look at an open store."""

    dialect: str

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, tables: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run a SELECT; `?` stands for a bound value. `tables`: rows of the caller's, by the name that the SQL uses."""

    def has(self, table: type[Table]) -> bool:
        """Whether there is such a table."""


class Commit(Session, Protocol):
    """What is committed together.

    Nothing of it is seen before the block has ended well. When the holder dies while it ends, all of it is seen once
    the next holder has called `recover`, or nothing. So a commit asks first and writes then: whether a query sees what
    the same commit wrote is not promised.
    """

    def merge(self, table: type[Table], rows: pa.Table) -> Written:
        """Upsert by the declared key and each column's `merge` rule; rows may repeat a key."""

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows whose keys are new, or whose rows are the same: to do it twice is harmless."""

    def touch(self, table: type[Table], rows: pa.Table) -> None:
        """Set columns of stored rows. `rows`: the key, once each, and the columns; where no row is stored, none is."""

    def erase(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove the rows whose column holds one of the values."""


class Warehouse(Protocol):
    """A store of declared tables that is written to by key."""

    dialect: str

    @property
    def leases(self) -> Leases:
        """Who is at work on it."""

    def exists(self) -> bool:
        """Whether there is one yet: `prepare` makes it."""

    def describe(self) -> str:
        """Say where it is, for people."""

    def state(self) -> str:
        """Name what is stored now: another after every commit."""

    def prepare(self, tables: Iterable[type[Table]]) -> None:
        """Create what is missing: schemas, tables, columns that were declared later."""

    def at_hand(self) -> Warehouse:
        """Give the same rows, as of a moment between two commits, where a store of Models can read them as its source.

        Without what stays raw, perhaps. Its `state` is that of this moment.
        """

    def reading(self) -> AbstractContextManager[Session]:
        """Open for reading, beside other readers."""

    def committing(self, holder: Lease) -> AbstractContextManager[Commit]:
        """Open for one commit, in the name of a lease: written when the block ends, forgotten when it raises."""

    def recover(self, holder: Lease) -> None:
        """Finish what a killed holder of the same work left half done; called first thing under a lease."""


class BuildSession(Session, Protocol):
    """A session that tables are computed in, by SQL. In a writing session all of it happens, or nothing."""

    memory: int
    """Bytes that a statement may take; with more it spills to disk, or fails."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement."""

    def shown(self, tables: Mapping[str, pa.Table]) -> AbstractContextManager[None]:
        """Let SQL read rows of the caller's by a name, while the block runs."""

    def create(self, table: type[Table]) -> None:
        """Create the table, or add the columns it lacks."""

    def replace(self, table: type[Table], select: str) -> int:
        """Make the table hold just the rows of a SELECT, matched by column name; returns their count."""

    def extend(self, table: type[Table], select: str) -> int:
        """Add the rows of a SELECT, matched by column name; returns their count."""

    def append(self, table: type[Table], rows: pa.Table) -> None:
        """Add rows."""

    def erase(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Remove the rows whose column holds one of the values."""


class Models(Protocol):
    """A store that tables are computed in."""

    dialect: str

    def exists(self) -> bool:
        """Whether there is one yet: who writes makes it."""

    def describe(self) -> str:
        """Say where it is, for people."""

    def held(self) -> AbstractContextManager[None]:
        """Keep it open, and to this process, over all sessions until the end."""

    def reading(self) -> AbstractContextManager[Session]:
        """Open for reading, beside other readers."""

    def writing(self, *, source: Warehouse | None = None) -> AbstractContextManager[BuildSession]:
        """Open for one transaction: committed when the block ends, rolled back when it raises.

        With a `source`, its tables can be read as `live.<schema>.<table>` meanwhile.
        """


class Store(Warehouse, Models, Protocol):
    """Both: an engine that keeps what was fetched can compute in another of its stores."""
