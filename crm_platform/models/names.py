"""Which tables and columns a SELECT names, and the same SELECT with tables replaced.

What belongs here: reading SQL. What does not: writing it (generate.py, render.py). Words are told apart by a lexer of
three lines, because loading the code location asks for every table's and importing sqlglot takes 0.2 s; a test holds
that it says what sqlglot's parser says of every SELECT. What is rewritten, sqlglot rewrites.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SCHEMAS: Final = frozenset({"raw", "core", "kpi", "ops"})
_TOKEN: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.", re.DOTALL)


@functools.lru_cache(maxsize=1024)
def names_in(sql: str) -> frozenset[str]:
    """Every word of a text that may name a column."""
    return frozenset(part for word in _words(sql) for part in word.split("."))


@functools.lru_cache(maxsize=256)
def tables_in(sql: str) -> frozenset[str]:
    """Full names of the tables that a SELECT reads."""
    return frozenset(word for word in _words(sql) if word.count(".") == 1 and word.partition(".")[0] in _SCHEMAS)


def with_tables(sql: str, replaced: Callable[[str], str | None], *, dialect: str) -> str:
    """A SELECT with tables replaced by relations. `replaced`: of a table's full name its SELECT, None = as it is."""
    from sqlglot import exp, parse_one  # noqa: PLC0415 - 0.2 s of import, for incremental builds alone

    tree = parse_one(sql, dialect=dialect)
    for table in list(tree.find_all(exp.Table)):
        relation = replaced(f"{table.db}.{table.name}") if table.db else None
        if relation is not None:
            table.replace(exp.alias_(exp.Subquery(this=parse_one(relation, dialect=dialect)), table.alias_or_name))
    return tree.sql(dialect=dialect)


def _words(sql: str) -> list[str]:
    return [token for token in _TOKEN.findall(sql) if token[0].isalpha() or token[0] == "_"]
