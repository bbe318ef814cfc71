"""SQL of the digest of rows, whatever their order.

What belongs here: this. What does not: which rows and columns are digested, and what is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def line_sql(expressions: Iterable[str]) -> str:
    """The hash of a row, of its columns or other expressions."""
    # Twice: the engine joins the columns' hashes by exclusive or, so the same change in two rows would cancel out.
    return f"hash(hash({', '.join(expressions)}))"


def digest_sql(line: str) -> str:
    """The digest of rows, as an aggregate of the hash of each."""
    return f"concat_ws(' ', count(*), sum({line}), bit_xor({line}))"
