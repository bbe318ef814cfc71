"""What ingest notes of the warehouse itself, in `ops.meta`.

What belongs here: the names of these notes, reading one, writing one. What does not: whose data it is
(warehouse/owner.py), what is noted of chats and lists (batch.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform.schemas import ops

if TYPE_CHECKING:
    from datetime import datetime

    from crm_platform.warehouse import Commit, Session

ROWS_VERSION: Final = "rows"
"""The version of this platform that stored rows were brought up to."""

OPT_OUT_WORDS: Final = "opt_out_words"
"""The words that stored texts were compared with."""

DECIDED_UNTIL: Final = "duplicates"
"""The newest request that messages in two chats were decided on."""


def noted(session: Session, name: str) -> str | None:
    """Give the value of a note; None where there is none."""
    if not session.has(ops.Meta):
        return None
    found = session.query("select value from ops.meta where name = ?", [name])["value"].to_pylist()
    return str(found[0]) if found else None


def note(commit: Commit, name: str, value: str, *, at: datetime) -> None:
    """Set a note."""
    commit.merge(ops.Meta, ops.Meta.rows([{"name": name, "value": value, "changed_at": at}]))


def note_decided(commit: Commit, *, at: datetime) -> None:
    """Note that something of stored rows was decided anew, without a request: a build is due."""
    note(commit, ops.DECIDED_ANEW, at.isoformat(), at=at)
