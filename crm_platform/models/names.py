"""Which tables and columns a SELECT names, and the same SELECT with tables replaced.

What belongs here: reading SQL. What does not: writing it (generate.py, render.py). Words are told apart by a lexer of
three lines, because every build asks and importing sqlglot takes 0.2 s; a test holds that it says what sqlglot's parser
says of every SELECT, and replaces what that replaces.
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
    return frozenset(filter(_is_table, _words(sql)))


def with_tables(sql: str, replaced: Callable[[str], str | None]) -> str:
    """A SELECT with tables replaced by relations. `replaced`: of a table's full name its SELECT, None = as it is.

    A table's other name is told by `as`.
    """
    tokens = _TOKEN.findall(sql)
    written = []
    for place, token in enumerate(tokens):
        relation = replaced(token) if _is_table(token) else None
        if relation is not None:
            following = next((one for one in tokens[place + 1 :] if not one.isspace()), "")
            has_alias = following.lower() == "as"
            token = f"({relation})" if has_alias else f"({relation}) as {token.partition('.')[2]}"  # noqa: PLW2901
        written.append(token)
    return "".join(written)


def _is_table(word: str) -> bool:
    return word.count(".") == 1 and word.partition(".")[0] in _SCHEMAS


def _words(sql: str) -> list[str]:
    return [token for token in _TOKEN.findall(sql) if token[0].isalpha() or token[0] == "_"]
