"""The journal of changes: of which chats each commit wrote messages, events, or how their crawl stands; in that commit.

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
    """The chats that a commit writes messages or events of, and those of whose crawl it does."""

    def __init__(self) -> None:
        self.chats: set[str] = set()
        self.visited: set[str] = set()

    def rows(self, table: type[Table], rows: pa.Table) -> None:
        """Rows are written."""
        if rows.num_rows and (noted := self._noted(table)) is not None:
            named = rows["chat_id"].to_pylist() if "chat_id" in rows.column_names else [ANY]
            noted.update(chat for chat in named if chat is not None)

    def values(self, table: type[Table], *, column: str, values: Iterable[object]) -> None:
        """Rows are removed whose column holds one of the values."""
        if (noted := self._noted(table)) is not None:
            noted.update((str(value) for value in values) if column == "chat_id" else [ANY])

    def _noted(self, table: type[Table]) -> set[str] | None:
        if table is ops.CrawlState:
            return self.visited
        return self.chats if table in raw.BY_CHAT else None


def note(session: BuildSession, chats: Collection[str], *, visited: Collection[str] = ()) -> None:
    """Note in ops.changes, as part of the session's transaction, that rows of these chats are written.

    `visited`: those of whose crawl something is.
    """
    if not chats and not visited:
        return
    session.create(ops.Changes)
    name = ops.Changes.full_name()
    newest = session.query(f"select coalesce(max(number), 0) as number from {name}")["number"][0].as_py()
    number, commit = newest + 1, secrets.token_hex(8)
    told = {ANY: False} if ANY in {*chats, *visited} else dict.fromkeys(visited, True) | dict.fromkeys(chats, False)
    rows = [
        {"number": number, "commit": commit, "chat_id": chat_id, "is_visit": is_visit}
        for chat_id, is_visit in sorted(told.items())
    ]
    session.append(ops.Changes, ops.Changes.rows(rows))
    if number % KEPT == 0:
        session.execute(f"delete from {name} where number <= ?", [number - KEPT])
