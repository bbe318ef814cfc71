"""Addresses of the rows behind a figure: which figure they name, and what they keep of the page that links to them.

What belongs here: writing and reading them. What does not: finding the rows (receipts/), what the page shows
(receipt.py).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from crm_platform.receipts.keys import RANGE
from crm_platform.receipts.narrowed import DIMENSIONS

Pairs = Sequence[tuple[str, str]]

KEPT: Final = ("range", "from", "to", "against", "hours", *DIMENSIONS)
"""Parameters of a page that its links carry on, to other pages and to rows: the days and the filters."""
_KEY: Final = "key."
"""Before the name of a key column that is called like a filter: `agent=` narrows, `key.agent=` names a row."""


@dataclass(frozen=True, slots=True)
class AskedRows:
    """What an address asks for. `kept`: parameters of the page it came from."""

    table: str
    column: str
    key: Mapping[str, str]
    kept: Pairs
    page: str


def kept_of(query: Iterable[tuple[str, str]]) -> Pairs:
    """What a page's parameters hand on."""
    return [(name, value) for name, value in query if name in KEPT]


def receipt_href(table: str, column: str, key: Mapping[str, object], kept: Pairs = ()) -> str:
    """Address of the page behind a figure. `table`: with or without its schema."""
    own = [(key_name(name), str(value)) for name, value in key.items()]
    return "/receipt?" + encoded([("table", table), ("column", column), *own, *kept])


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """Write a query. A page has hundreds, of the same words: each is encoded once."""
    return "&".join([f"{_encoded(name)}={_encoded(value)}" for name, value in pairs])


_encoded = functools.lru_cache(maxsize=10_000)(quote_plus)


def band_hrefs(
    table: str, column: str, key: Mapping[str, object], edges: Sequence[float], *, measure: str, kept: Pairs = ()
) -> list[str]:
    """Addresses of the parts of a count: those whose measure is below each edge and not below the one before; beyond.

    `edges`: in seconds, as for PublishedFigures.bands.
    """
    sides: list[dict[str, object]] = [{} for _ in range(len(edges) + 1)]
    for number, edge in enumerate(edges):
        sides[number]["below"] = sides[number + 1]["at_least"] = f"{edge:.15g}"
    return [receipt_href(table, column, {**key, "measure": measure, **one}, kept) for one in sides]


def part_href(figure: tuple[str, str], key: Mapping[str, object], part: tuple[str, int], kept: Pairs = ()) -> str:
    """Address of the rows behind a part of a figure: those of one weekday or hour. `figure`: table and column."""
    measure, value = part
    return receipt_href(*figure, {**key, "measure": measure, "at_least": value, "below": value + 1}, kept)


def key_name(column: str) -> str:
    """How an address calls a key column."""
    return f"{_KEY}{column}" if column in KEPT else column


def read_receipt(query: Pairs, *, key: Iterable[str]) -> AskedRows:
    """Read such an address. `key`: the key columns of the table it names.

    Where such a column is called like a filter and nothing else names a row, the parameter is the key's, not a filter.
    """
    given = dict(query)
    own = (
        set()
        if given.keys() >= RANGE.keys()
        else {name for name in key if name in KEPT and name in given and _KEY + name not in given}
    )
    left = {name.removeprefix(_KEY): value for name, value in query if name not in KEPT or name in own}
    return AskedRows(
        table=left.pop("table", ""),
        column=left.pop("column", ""),
        page=left.pop("page", ""),
        key=left,
        kept=[(name, value) for name, value in kept_of(query) if name not in own],
    )
