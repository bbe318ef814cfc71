"""Lists that people keep in spreadsheets: a CSV file with a header, read whole and checked before it is used.

What belongs here: encoding, delimiter, quotes, which line a row stands on, telling all that is wrong at once. What does
not: what a column means (contacts.py, assignments.py).

A spreadsheet changes what it shows: it writes long numbers as 2.547E+11, drops a leading 0 or +, and puts an apostrophe
before what it must not change. The last is undone; what is lost is refused, never guessed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import phonenumbers

from crm_platform.api.scalars import parse_number
from crm_platform.errors import FixConfiguration, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_DELIMITERS: Final = (",", ";", "\t")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS: Final = (
    "save it again as UTF-8: in Excel as 'CSV UTF-8 (Comma delimited)', in LibreOffice with the character set 'Unicode"
    " (UTF-8)'"
)
# An apostrophe before one of these keeps a spreadsheet from reading a formula; crm_platform/publish puts it there, too.
_GUARDED: Final = re.compile(r"'(?=[=+\-@\t\r\n＝＋－＠])")
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_FRACTION: Final = re.compile(r"\+?[0-9]+[.,]0+")
# WhatsApp knows mobile numbers of Mexico with a 1 that their own plan has given up.
_MEXICAN: Final = re.compile(r"\+521([0-9]{10})")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one place of a file, and what to do about it; it quotes nobody's number or address."""

    line: int
    column: str
    what: str

    def __str__(self) -> str:
        """Read as one line of a report."""
        return f"line {self.line}{f', {self.column}' if self.column else ''}: {self.what}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line that it begins on, counted from 1, and the trimmed text of each column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it was read. `digest`: SHA-256 of its bytes, in hexadecimal; `problems`: rows that cannot be read."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    digest: str
    problems: tuple[Problem, ...]


def read_sheet(file: Path, *, wanted: Sequence[str]) -> Sheet:
    """Read a file of comma, semicolon or tab separated values. `wanted`: columns by which its header is known.

    Empty lines are passed over. Raises FixConfiguration where it is no such file, naming what to do.
    """
    content = file.read_bytes()
    lines = list(io.StringIO(_decoded(file, content), newline=""))
    delimiter = next((one for one in _DELIMITERS if set(_header(lines, one)) & set(wanted)), None)
    if delimiter is None:
        raise FixConfiguration(
            f"{file}: its first line names no column {' or '.join(wanted)}; write the names of the columns there, with"
            " commas, semicolons or tabs between them"
        )
    columns = _header(lines, delimiter)
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise FixConfiguration(
            f"{file}: its first line names {', '.join(map(quoted, twice))} twice; rename one, or delete it"
        )
    rows, problems = _rows(lines, columns, delimiter)
    return Sheet(columns, tuple(rows), hashlib.sha256(content).hexdigest(), tuple(problems))


def refuse_if_any(file: Path, problems: Iterable[Problem]) -> None:
    """Raise FixConfiguration that tells all problems of a file, by line."""
    told = sorted(problems, key=lambda one: one.line)
    if told:
        count = "1 problem" if len(told) == 1 else f"{len(told):,} problems"
        raise FixConfiguration("\n  ".join([f"{file}: {count}; nothing was sent", *map(str, told)]))


def number_in(cell: str) -> str:
    """Read a WhatsApp number with its country code, however it is spelt, as `+254…`.

    Raises ValueError with what to do, for what a spreadsheet has spoilt as well.
    """
    if _SCIENTIFIC.fullmatch(cell):
        raise ValueError(
            "a spreadsheet has rounded it to scientific notation, its last digits are lost: format the column as text,"
            " and take the number from where it came from"
        )
    if _FRACTION.fullmatch(cell):
        raise ValueError("a spreadsheet has made a fraction of it: format the column as text, without .0")
    number = parse_number(cell.removeprefix("'"))
    full = f"+{number.removeprefix('+')}" if number else ""
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", full):
        raise ValueError("write it with its country code, such as +254712345678")
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(_MEXICAN.sub(r"+52\1", full)))
    except phonenumbers.NumberParseException:
        possible = False
    if not possible:
        raise ValueError(
            "no country has such a number: write it whole, with its country code, such as +254712345678 (a spreadsheet"
            " drops a leading 0 or +)"
        )
    return full


def _decoded(file: Path, content: bytes) -> str:
    if content.startswith(_UTF16):
        raise FixConfiguration(f"{file} is written in UTF-16; {_SAVE_AS}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise FixConfiguration(f"{file}, line {line}: it is not written in UTF-8; {_SAVE_AS}") from None
    if "\0" in text:
        raise FixConfiguration(f"{file} holds NUL characters: it is no CSV file; {_SAVE_AS}")
    return text


def _header(lines: Sequence[str], delimiter: str) -> tuple[str, ...]:
    """Names of the columns; a spreadsheet may end a line with columns that are empty all the way down."""
    try:
        names = [name.strip() for name in next(csv.reader(lines, delimiter=delimiter), ())]
    except csv.Error:
        return ()
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _rows(lines: Sequence[str], columns: Sequence[str], delimiter: str) -> tuple[list[Row], list[Problem]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    next(reader)
    rows: list[Row] = []
    problems: list[Problem] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = [_GUARDED.sub("", cell.strip(), count=1) for cell in next(reader)]
        except StopIteration:
            return rows, problems
        except csv.Error as problem:
            problems.append(Problem(line, "", f"it cannot be read ({problem}); write each quote within quotes twice"))
            # What follows may be read as it is not meant.
            return rows, problems
        if not any(cells):
            continue
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns):
            problems.append(
                Problem(
                    line,
                    "",
                    f"it has {len(cells)} values, the first line names {len(columns)} columns; a value with"
                    f" {'a tab' if delimiter == chr(9) else repr(delimiter)} in it stands in quotes",
                )
            )
            continue
        rows.append(Row(line, dict(zip(columns, cells, strict=True))))
