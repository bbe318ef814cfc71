"""Published tables as one Excel file: a sheet a table, and in front what they are of and what they mean.

What belongs here: how a cell, a sheet and the first sheet are written. What does not: which rows, and where the file
goes (export.py, reports/).

A text stays as it is, because a cell says that it is one. What is longer than a sheet goes on on the next one, and a
text longer than a cell is cut with a mark.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import xlsxwriter

from crm_platform.publish.parquet import published_columns
from crm_platform.schemas import Column, Table, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from crm_platform.publish.manifest import Manifest

_MOST_ROWS: Final = 1_048_576  # of a sheet, header included
_LONGEST_TEXT: Final = 32_767  # characters of a cell
_LONGEST_NAME: Final = 26  # characters of a sheet's name, of 31, which leaves room for a number
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MOST_DIGITS: Final = 10**15  # whole numbers from here on lose their last digits
FORMATS: Final = {"instant": "yyyy-mm-dd hh:mm:ss", "day": "yyyy-mm-dd", "rate": "0.0%", "seconds": "0.0"}


@dataclass(frozen=True, slots=True)
class SheetContent:
    """What a sheet shows: a table's columns that are there, and its rows, which are read once."""

    name: str
    table: type[Table]
    columns: Mapping[str, Column]
    rows: Iterator[tuple[object, ...]]


def write_xlsx(path: Path, sheets: Sequence[SheetContent], manifest: Manifest) -> int:
    """Write the file; returns how many rows of tables it holds."""
    # Rows go to disk as they come: memory does not grow with the tables.
    with xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": str(path.parent)}) as book:
        # Equal snapshots give equal files, whenever they are exported.
        title = f"KPIs as of {manifest.as_of:%Y-%m-%d %H:%M} UTC"
        book.set_properties({"title": title, "created": manifest.created_at})
        bold = book.add_format({"bold": True})
        formats = {name: book.add_format({"num_format": shown}) for name, shown in FORMATS.items()}
        about = book.add_worksheet("About")
        about.set_column(0, 0, 26)
        about.set_column(1, 1, 36)
        about.set_column(2, 7, 16)
        for number, (line, is_heading) in enumerate(_about(sheets, manifest)):
            for place, value in enumerate(line):
                put(about, number, place, value, bold if is_heading else None)
        return sum(write_sheets(book, sheet, bold, formats) for sheet in sheets)


def write_sheets(book: xlsxwriter.Workbook, content: SheetContent, bold: Format, formats: Mapping[str, Format]) -> int:
    """Write a table to a sheet, and to as many more as its rows need; returns how many rows. `formats`: of FORMATS."""
    columns, name = content.columns, content.name
    shown = [formats.get(_format(column)) for column in columns.values()]
    count = 0
    for page in itertools.count(1):
        sheet = book.add_worksheet(name if page == 1 else f"{name[:_LONGEST_NAME]} {page}")
        sheet.freeze_panes(1, 0)
        for place, heading in enumerate(columns):
            sheet.set_column(place, place, max(10, min(len(heading) + 2, 40)))
            sheet.write_string(0, place, heading, bold)
        number = 0
        for number, row in enumerate(itertools.islice(content.rows, _MOST_ROWS - 1), start=1):
            for place, value in enumerate(row):
                put(sheet, number, place, value, shown[place])
        sheet.autofilter(0, 0, number, len(columns) - 1)
        count += number
        if number < _MOST_ROWS - 1:
            break
    return count


def _format(column: Column) -> str:
    if column.type is Type.TIMESTAMP:
        return "instant"
    if column.type is Type.DATE:
        return "day"
    if column.is_share:
        return "rate"
    return "seconds" if column.unit == "s" else ""


def put(sheet: Worksheet, row: int, place: int, value: object, shown: Format | None) -> None:
    """Write a cell by its type: a text is never taken for a formula, a link or a number; a long id becomes a text."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value, shown)
    elif isinstance(value, dt.date):
        sheet.write_datetime(row, place, value, shown)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) < _MOST_DIGITS):
        sheet.write_number(row, place, value, shown)
    else:
        sheet.write_string(row, place, _fitting(str(value)), shown)


def _fitting(text: str) -> str:
    """A text that an Excel cell can hold, which counts in UTF-16, and XML, which has no such characters."""
    text = _NO_XML.sub("\ufffd", text)
    if len(text) <= _LONGEST_TEXT // 2 or len(text.encode("utf-16-le")) <= 2 * _LONGEST_TEXT:
        return text
    return text.encode("utf-16-le")[: 2 * (_LONGEST_TEXT - 1)].decode("utf-16-le", "ignore") + "…"


def _about(sheets: Sequence[SheetContent], manifest: Manifest) -> Iterator[tuple[tuple[object, ...], bool]]:
    """The first sheet, line by line: of when and how complete the figures are, and what every column means."""
    yield ("What this file holds",), True
    yield ("as of", f"{manifest.as_of:%Y-%m-%d %H:%M:%S} UTC"), False
    yield ("snapshot", manifest.id), False
    yield ("time zone of days", manifest.timezone), False
    if manifest.is_sandbox:
        yield ("data", "sandbox: all of it is made up"), False
    yield (
        ("coverage", "the share of what a figure is about that the platform has seen: 1 = all; empty = not known"),
        False,
    )
    yield ("provisional", "rows with coverage below 0.95 or unknown, or whose day or month is not over"), False
    yield (), False
    yield ("sheet", "table", "rows", "least coverage", "provisional", "definition", "key", "meaning"), True
    for sheet in sheets:
        table = sheet.table
        entry = manifest.tables[table.full_name()]
        figures = (entry.rows, entry.coverage, entry.provisional_rows, entry.definition_version)
        key = ", ".join(name for name in table.key if name in published_columns(table)) or "one row"
        yield (sheet.name, table.full_name(), *figures, key, table.description()), False
    yield (), False
    yield ("sheet", "column", "type", "unit", "meaning"), True
    for sheet in sheets:
        for name, column in sheet.columns.items():
            yield (sheet.name, name, column.type.value, column.unit, column.description), False
