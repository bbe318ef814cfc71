"""Figures in words: shares, sizes, and tables for people or programs.

What belongs here: how a value is written, and who is named as its writer. What does not: where it comes from.
"""

from __future__ import annotations

import csv
import datetime as dt
import getpass
import json
import shutil
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Literal, TypedDict

import click

from crm_platform.languages import ENGLISH, Language
from crm_platform.schemas import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

Form = Literal["table", "json", "csv"]

# Characters, on a terminal: a longer cell is cut; a column with longer cells is wrapped, but never to fewer than these.
_LONGEST = 120
_LEAST = 20
_LONGEST_WORD = 40  # a longer one is broken
_BETWEEN = 3  # a rule and two blanks


class ByHand(TypedDict):
    """Who does something by hand, and when."""

    by: str
    at: dt.datetime


def by_hand() -> ByHand:
    """Name the person at this shell, as facts and the audit log do, and the time."""
    return {"by": f"cli:{getpass.getuser()}", "at": dt.datetime.now(dt.UTC)}


def console(*, stderr: bool = False) -> Console:
    """Open the terminal, or the pipe that stands in for one."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def spoken(language: Language, form: Form | None = None) -> Language:
    """The reader's language on a terminal. Programs read what goes into a pipe, JSON and CSV: that stays English."""
    return language if form is None and console().is_terminal else ENGLISH


def size(count: float) -> str:
    """Write bytes for people."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def figure(language: Language, column: Column, value: object) -> str:
    """Write a figure with its unit; `–` where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return language.gettext("yes") if value else language.gettext("no")
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int | float):
        if column.unit == "s":
            return language.duration(value)
        if column.is_share:
            return language.number(value, ".1%")
        return language.number(value, ",d" if isinstance(value, int) else ",.2f")
    return str(value)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value


class _Lines:
    """The output, its lines ended as a shell's are. With that ending csv itself would not quote a carriage return."""

    def write(self, row: str) -> None:
        sys.stdout.write(row.removesuffix("\r\n") + "\n")


def write_labelled(label: str, words: str) -> None:
    """Write words beside their label; on a terminal their further lines stand below each other, not below the label."""
    width = shutil.get_terminal_size().columns - len(label)
    lines = words.splitlines() or [""]
    if sys.stdout.isatty() and width > _LEAST:
        wrapped = (textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in lines)
        lines = [part for line in wrapped for part in line or [""]]
    click.echo(label + f"\n{' ' * len(label)}".join(lines))


def write_rows(
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    form: Form,
    title: str = "",
    whole: bool = False,
    header: bool = True,
) -> None:
    """Write rows: a table on a terminal, tab-separated lines in a pipe, CSV, or one JSON document a line.

    In CSV a text that a spreadsheet would run as a formula gets an apostrophe in front; programs read the other forms.
    A terminal shows the columns that fit, long cells cut; `whole`: all of them, in as many lines as they need.
    `header`: false where the rows go on from those before.
    """
    if form == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False))
        return
    if form == "csv":
        from crm_platform.publish.csv_writer import write_csv

        write_csv(_Lines(), names, rows)
        return
    out = console()
    if not out.is_terminal:
        writer = csv.writer(_Lines(), dialect="excel-tab")
        if header:
            writer.writerow(names)
        writer.writerows(map(_plain, row) for row in rows)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Frame
    from rich.text import Text

    cells = [["–" if value is None else one_line(_drawn(value)) for value in row] for row in rows]
    shown = list(range(len(names)))
    if not whole:
        cells = [[_cut(cell) for cell in row] for row in cells]
        shown = fitting(names, cells, width=out.width)
    drawn = Frame(box=SIMPLE_HEAD, pad_edge=False, show_header=header, title=title or None, title_justify="left")
    for number in shown:
        # Words of a heading may stand below each other; an id, a date or a number is not cut for its neighbours' sake.
        room, longest = _room(names[number], cells, number)
        is_whole = names[number].endswith("_id") or (not whole and longest <= room)
        heading = names[number].replace("_", "\n")
        drawn.add_column(heading, overflow="fold", no_wrap=is_whole and room + _BETWEEN < out.width)
    for row in cells:
        drawn.add_row(*(Text(row[number]) for number in shown))  # as Text: a name is no markup
    out.print(drawn)
    if len(shown) < len(names):
        click.echo(f"{len(names) - len(shown)} columns more: widen the terminal, or add --json or --csv", err=True)


def one_line(text: str) -> str:
    """Say a text on one line, without control characters, which a name may hold and no terminal should get."""
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)


def _drawn(value: object) -> str:
    """A value in a cell of a terminal, where nobody reads microseconds."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, dt.datetime) else str(_plain(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def fitting(names: Sequence[str], cells: Sequence[Sequence[str]], *, width: int) -> list[int]:
    """Which columns a terminal can show without squeezing their words to nothing; those that stand first come first."""
    shown, left = [], width - 1
    for number, name in enumerate(names):
        room, _ = _room(name, cells, number)
        if room + _BETWEEN <= left:
            shown.append(number)
            left -= room + _BETWEEN
    return shown or [0]


def _room(name: str, cells: Sequence[Sequence[str]], number: int) -> tuple[int, int]:
    """How many characters wide a column has to be, and how long its longest cell is. Ids and words are not broken."""
    from rich.cells import cell_len

    longest = max((cell_len(row[number]) for row in cells), default=0)
    word = max((cell_len(word) for row in cells for word in row[number].split(" ")), default=0)
    least = longest if name.endswith("_id") else max(min(_LEAST, longest), min(_LONGEST_WORD, word))
    return max(*map(len, name.split("_")), least), longest
