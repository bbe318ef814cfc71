"""Reading SQL: which tables and columns a text names, and the same text with tables narrowed.

What belongs here: all that is told from SQL by sqlglot. What does not: writing SQL (generate.py, render.py).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot.tokenizer_core import Token

_SCHEMAS: Final = frozenset({"raw", "core", "kpi", "ops"})


@functools.lru_cache(maxsize=1024)
def names_in(sql: str) -> frozenset[str]:
    """Every word of a text that may name a column."""
    return frozenset(token.text for token in _tokens(sql) if token.token_type.name not in {"STRING", "NUMBER"})


@functools.lru_cache(maxsize=256)
def tables_in(sql: str) -> frozenset[str]:
    """Full names of the tables that a SELECT reads."""
    words = _tokens(sql)
    return frozenset(
        f"{schema.text}.{table.text}"
        for schema, dot, table in zip(words, words[1:], words[2:], strict=False)
        if schema.text in _SCHEMAS and dot.token_type.name == "DOT"
    )


def with_tables(sql: str, replaced: Callable[[str], str | None], *, dialect: str) -> str:
    """A SELECT with tables replaced by relations. `replaced`: of a table's full name its SELECT, None = as it is."""
    from sqlglot import exp, parse_one  # noqa: PLC0415 - 0.2 s of import, for builds alone

    tree = parse_one(sql, dialect=dialect)
    for table in list(tree.find_all(exp.Table)):
        relation = replaced(f"{table.db}.{table.name}") if table.db else None
        if relation is not None:
            table.replace(exp.alias_(exp.Subquery(this=parse_one(relation, dialect=dialect)), table.alias_or_name))
    return tree.sql(dialect=dialect)


def _tokens(sql: str) -> list[Token]:
    from sqlglot import tokenize  # noqa: PLC0415

    return tokenize(sql, dialect="duckdb")
