"""The journal of changes: of which chats each commit wrote messages and events, or anything else, noted with them.

What belongs here: what a write touches, and noting it. What does not: which chats a build looks at (models/changed.py).

Who writes without a commit of the port's (a shell, a repair) is not heard of: a writing session notes that any chat may
have changed. What the journal does not know costs a build more, and no figure is another for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from crm_platform.schemas import Table, ops, raw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyarrow as pa

    from crm_platform.warehouse.port import BuildSession

ANY: Final = ""
"""In the place of a chat: it is not known which."""

KEPT: Final = 2_000
"""Commits that are remembered: a build that stands on an older one looks at all chats."""


MOST_OTHERS: Final = 5_000
"""So many chats of which other rows are written are named; of more, any is."""

_CHAT: Final[Mapping[type[Table], str]] = MappingProxyType(
    {ops.CrawlState: "chat_id", ops.Quarantine: "target", raw.Contacts: "chat_id", raw.ContactSightings: "chat_id"}
)
"""The tables of other rows of a chat, each with the column that says of which."""


def chat_column(table: type[Table]) -> str | None:
    """The column by which the journal knows of which chat a row of a table is; None: it does not know the table."""
    return "chat_id" if table in raw.BY_CHAT else _CHAT.get(table)


class Touched:
    """The chats that a commit writes messages or events of, and those of which it writes `others`."""

    def __init__(self) -> None:
        self.chats: set[str] = set()
        self.others: set[str] = set()

    def rows(self, table: type[Table], rows: pa.Table) -> None:
        """Rows are written."""
        if rows.num_rows and (column := chat_column(table)) is not None:
            self.named(table, rows[column].to_pylist() if column in rows.column_names else [ANY])

    def values(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Rows are removed whose column holds one of the values."""
        if (its := chat_column(table)) is not None:
            self.named(table, map(str, values) if column == its else [ANY])

    def rewritten(self, table: type[Table]) -> None:
        """Stored rows get other values, or go: what hangs on requests and sweeps may be of any chat."""
        if table in (ops.Fetches, raw.ContactSweeps):
            self.chats.add(ANY)

    def named(self, table: type[Table], chats: Iterable[str | None]) -> None:
        """Rows of these chats are written; None: of no chat."""
        noted = self.chats if table in raw.BY_CHAT else self.others
        noted.update(chat for chat in chats if chat is not None)


def note(session: BuildSession, chats: Collection[str], *, others: Collection[str] = ()) -> None:
    """Note in ops.changes, as part of the session's transaction, that messages or events of these chats are written.

    `others`: the chats of which other rows are.
    """
    if not chats and not others:
        return
    told = dict.fromkeys([ANY] if ANY in chats else chats, False)
    if ANY not in told:
        told = dict.fromkeys([ANY] if ANY in others or len(others) > MOST_OTHERS else others, True) | told
    session.create(ops.Changes)
    name = ops.Changes.full_name()
    newest = session.query(f"select coalesce(max(number), 0) as number from {name}")["number"][0].as_py()
    number, commit = newest + 1, secrets.token_hex(8)
    rows = [
        {"number": number, "commit": commit, "chat_id": chat_id, "is_other": is_other}
        for chat_id, is_other in sorted(told.items())
    ]
    session.append(ops.Changes, ops.Changes.rows(rows))
    if number % KEPT == 0:
        session.execute(f"delete from {name} where number <= ?", [number - KEPT])
