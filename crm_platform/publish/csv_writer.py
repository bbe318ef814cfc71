"""Rows as CSV, in the one form that all CSV of the platform has.

What belongs here: how a row is written. What does not: which rows, and where they go (export.py, serving/, cli/).

RFC 4180: a header, CRLF, UTF-8, quotes where needed. NULL is an empty field, instants end in Z, true and false stand
in lower case, numbers are the shortest text that reads back the same. A text that a spreadsheet would run as a formula
gets an apostrophe in front, as OWASP advises. There is no byte order mark: programs would read it as part of a name.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

# A spreadsheet takes a text that begins so for a formula.
_PART: Final = 64_000  # characters
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class TextFile(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Write a whole line, its end included."""


def write_csv(file: TextFile, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows, line by line."""
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerows(map(csv_cell, row) for row in rows)


def csv_parts(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Give a header and rows as texts of some kilobytes that follow each other."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    for row in rows:
        if written.tell() > _PART:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
        writer.writerow(map(csv_cell, row))
    yield written.getvalue()


def csv_document(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Give a header and rows as one text."""
    written = io.StringIO()
    write_csv(written, names, rows)
    return written.getvalue()


def csv_cell(value: object) -> object:
    """Give a value as a field holds it."""
    change = _CHANGES.get(type(value))  # a look-up by type: an export has millions of cells
    return value if change is None else change(value)


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


_CHANGES: Final[Mapping[type, Callable[[Any], str]]] = {
    str: _text,
    bool: lambda value: "true" if value else "false",
    dt.datetime: lambda value: f"{value.isoformat()}Z",  # tables hold UTC without saying so
    dt.date: dt.date.isoformat,
}
