"""SQL of the digest of rows, whatever their order, and of parts of them.

What belongs here: these. What does not: which rows and columns are digested, and what is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def line_sql(expressions: Iterable[str]) -> str:
    """The hash of a row, of its columns or other expressions."""
    # Twice: the engine joins the columns' hashes by exclusive or, so the same change in two rows would cancel out.
    return f"hash(hash({', '.join(expressions)}))"


def is_in_part_sql(expression: str, part: int, *, of: int, dialect: str) -> str:
    """Whether a text is of one part of so many, which parts all texts among them."""
    hashed = {"duckdb": "hash", "clickhouse": "cityHash64"}[dialect]
    return f"{hashed}({expression}) % {of} = {part}"


def digest_sql(line: str) -> str:
    """The digest of rows, as an aggregate of the hash of each."""
    return f"concat_ws(' ', count(*), sum({line}), bit_xor({line}))"
