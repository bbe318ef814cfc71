"""What a build asks of its own notes again and again, asked once in a session.

What belongs here: answers that stay the same while a session lasts, because nobody else writes what they are of. What
does not: what is noted (incremental.py, frozen.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from crm_platform.warehouse.digests import digest_sql, line_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crm_platform.schemas import Table
    from crm_platform.warehouse import Session

_ANSWERS: WeakKeyDictionary[Session, dict[str, Any]] = WeakKeyDictionary()


def once(session: Session, name: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is asked
    """Give the answer that `name` stands for; ask where this session has not. Who changes what it is of changes it."""
    answers = _ANSWERS.setdefault(session, {})
    if name not in answers:
        answers[name] = ask()
    return answers[name]


def rows_once(session: Session, sql: str) -> list[dict[str, Any]]:
    """Rows of a SELECT over notes, asked once."""
    found: list[dict[str, Any]] = once(session, sql, lambda: session.query(sql).to_pylist())
    return found


def digest_once(session: Session, table: type[Table], *, without: Collection[str] = ()) -> str:
    """Digest of a table's rows in whatever order, `without` some columns, asked once: it must be built already."""
    line = line_sql(f'"{name}"' for name in table.columns if name not in without)
    return str(rows_once(session, f"select {digest_sql(line)} as digest from {table.full_name()}")[0]["digest"])
