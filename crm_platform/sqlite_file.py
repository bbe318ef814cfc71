"""What every SQLite file of ours asks for: one transaction whole or not at all, and whether the file is still the same.

What belongs here: these two. What does not: what is kept in a file, and what its errors mean (api/ledger.py,
ingest/inbox.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def all_or_nothing(db: sqlite3.Connection, *, write: bool) -> Iterator[None]:
    """Commit what the block does, or roll it back when it raises. `write`: nobody else writes meanwhile."""
    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def inode(path: Path) -> int:
    """Tell which file it is, -1 where there is none: one that was moved away is not the one that took its place."""
    try:
        return path.stat().st_ino
    except OSError:
        return -1
