"""The journal of changes: which chats each commit wrote messages or events of, noted in the same commit.

What belongs here: what a write touches, and noting it. What does not: which chats a build looks at (models/changed.py).

Who writes without a commit of the port's (a shell, a repair) is not heard of: a writing session notes that any chat may
have changed. What the journal does not know costs a build more, and no figure is another for it.
"""

from __future__ import annotations

import secrets
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


class Touched:
    """The chats that a commit writes rows of."""

    def __init__(self) -> None:
        self.chats: set[str] = set()

    def rows(self, table: type[Table], rows: pa.Table) -> None:
        """Rows are written."""
        if table in raw.BY_CHAT and rows.num_rows:
            named = rows["chat_id"].to_pylist() if "chat_id" in rows.column_names else [ANY]
            self.chats.update(chat for chat in named if chat is not None)

    def values(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Rows are removed whose column holds one of the values."""
        if table in raw.BY_CHAT:
            self.chats.update((str(value) for value in values) if column == "chat_id" else [ANY])


def note(session: BuildSession, chats: Collection[str]) -> None:
    """Note in ops.changes, as part of the session's transaction, that rows of these chats are written."""
    if not chats:
        return
    session.create(ops.Changes)
    name = ops.Changes.full_name()
    newest = session.query(f"select coalesce(max(number), 0) as number from {name}")["number"][0].as_py()
    number, commit = newest + 1, secrets.token_hex(8)
    told = [ANY] if ANY in chats else sorted(chats)
    rows = [{"number": number, "commit": commit, "chat_id": chat_id} for chat_id in told]
    session.append(ops.Changes, ops.Changes.rows(rows))
    if number % KEPT == 0:
        session.execute(f"delete from {name} where number <= ?", [number - KEPT])
