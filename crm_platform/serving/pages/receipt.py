"""The page behind a figure: its definition, the rows and requests it came from, and why it moved.

What belongs here: reading which figure is asked for, and writing its receipt for people. What does not: finding it
(receipts/), which columns of its rows people read (rows.py), the same for programs (kpi_api.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from crm_platform.errors import NotFound
from crm_platform.languages import N_, Words
from crm_platform.publish.csv_writer import csv_parts
from crm_platform.receipts import Movement, Receipt, listing, moved_since, receipt
from crm_platform.receipts.bounds import NAMES as BOUNDS
from crm_platform.receipts.keys import find_kpi
from crm_platform.receipts.reasons import REASONS
from crm_platform.schemas import Column
from crm_platform.serving.pages.addresses import AskedRows, Pairs, read_receipt
from crm_platform.serving.pages.column_words import column_words
from crm_platform.serving.pages.period import BadAddress
from crm_platform.serving.pages.rows import Readable, RowCell, cell
from crm_platform.serving.pages.tiles import TILES, TileWords
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.serving.pages.view import View

PAGE_ROWS: Final = 50
_MOVED_ROWS: Final = 50

# Parts of a key that are said in words of their own.
_SAID: Final = frozenset({"window_days", "months_since", "day_from", "day_to", *BOUNDS})
_PREVIOUS: Final = "_previous"
_DIGITS: Final = 9  # of a page's number
# Why a figure moved, for people: shorter than what programs are told.
REASON_WORDS: Final[Mapping[str, str]] = {
    # Translators: why a figure has another value than in an earlier snapshot
    "definition": N_("the definition has a new version"),
    # Translators: why a figure has another value than in an earlier snapshot; names of tables follow in brackets
    "computed": N_("it is computed in another way"),
    "settings": N_("settings that change figures were changed"),
    "erased": N_("people were erased: their chats are gone"),
    "late": N_("late messages: sent before, first fetched after"),
    "status": N_("delivery statuses or campaign statuses changed"),
    "new": N_("new messages"),
    "removed": N_("messages are no longer kept"),
    "report": N_("campaign reports changed"),
    "campaign": N_("campaigns came"),
    "contact": N_("contacts came, were gone, or were seen with other values"),
    "marked": N_("conversations were marked as done, or chats assigned"),
    "history": N_("older history was read"),
    "time": N_("time passed, and nothing new came"),
    "other": N_("rows differ for a reason that the two snapshots do not tell"),
}


@dataclass(frozen=True, slots=True)
class RowsPage:
    """One page of the rows behind a figure.

    `headings`, `rows`: what people read of them; `first`, `last`: numbers of the first and last row shown, of `count`;
    `told`: their order in words; `before`, `after`: addresses of the pages around it, `csv` of all rows, empty where
    there is none.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[RowCell]]
    first: int
    last: int
    count: int
    told: Words
    before: str
    after: str
    csv: str


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What the page shows, in the reader's words.

    `name`: of the figure; `of`: which of its kind, empty where there is one; `amount`: its value; `meaning`: its
    definition, empty where only the English one of the tables exists. `made_of`: how many rows; `page`: those of them
    that are shown, None where no lineage is declared; `is_compared`: with earlier snapshots, which are of everyone;
    `was`: its earlier value, and `reasons`: why it moved since; `api`: the address of the same for programs;
    `command`: names the chats behind it, for whoever may, empty where there are none.
    """

    receipt: Receipt
    name: str
    of: str
    amount: str
    meaning: str
    made_of: str
    page: RowsPage | None
    is_compared: bool
    was: str
    reasons: tuple[str, ...]
    api: str
    command: str


def behind(view: View) -> ReceiptPage:
    """What `/receipt?table=…&column=…&<key>=…&page=…` asks for.

    Raises NotFound and InvalidRequest for a figure that is not there, BadAddress for a page.
    """
    opened, asked = view.published.opened, asked_rows(view.query)
    found = receipt(opened, asked.table, asked.key, asked.column, limit=0)
    # Of some contacts or agents alone no earlier value is kept.
    movement = (
        None
        if view.published.narrowing
        else moved_since(view.settings, opened, asked.table, asked.key, asked.column, limit=_MOVED_ROWS)
    )
    tile = tile_of(found.table, asked.column)
    unit = TABLES[found.table].columns[asked.column]
    return ReceiptPage(
        receipt=found,
        name=figure_name(view, found.table, asked.column),
        of=_key(view, found.key),
        amount=cell(view, asked.column, unit, found.value),
        meaning=view.meaning(tile) if tile else "",
        made_of=view.ngettext(*TABLES[found.source].row_words, found.row_count) if found.source else "",
        page=_rows_page(view, asked, found),
        is_compared=not view.published.narrowing,
        was=_was(view, movement, unit),
        reasons=tuple(_reasons(view, movement)),
        api=f"/api/v1/kpis/{found.table.removeprefix('kpi.')}/receipt?"
        + urlencode([("column", asked.column), *((name, str(part)) for name, part in found.key.items()), *_only(view)]),
        command=_naming(found) if "chat_id" in found.row_key and not view.published.narrowing else "",
    )


def rows_csv(view: View) -> tuple[str, Iterator[str]]:
    """All rows behind a figure as CSV: the name of the file, and its text in parts. Raises as `behind` does.

    Published names and plain values: what people read of a row, and what names it.
    """
    asked = asked_rows(view.query)
    found = listing(view.published.opened, asked.table, asked.key, asked.column)
    # Before the first part is sent, a figure that is not there is refused.
    receipt(view.published.opened, asked.table, asked.key, asked.column, limit=0)
    if found is None:
        raise NotFound(f"{asked.table}.{asked.column} declares no rows")
    read = Readable.of(found)
    names = list(dict.fromkeys([*read.columns, *found.line.key]))
    named = "-".join([asked.table.removeprefix("kpi."), asked.column, *asked.key.values()])
    file = "".join(one if (one.isalnum() and one.isascii()) or one in "-_" else "_" for one in named)
    return f"{file}.csv", csv_parts(names, found.all(names, order=read.order))


def _only(view: View) -> list[tuple[str, str]]:
    """What the page is narrowed to, as the API is asked for it."""
    return [("only", f"{one.name}:{one.address}") for one in view.published.chosen]


def asked_rows(query: Pairs) -> AskedRows:
    """Read an address of this page."""
    table = dict(query).get("table", "")
    key: Sequence[str] = ()
    with contextlib.suppress(NotFound):  # said when the figure is asked for
        key = find_kpi(table).key
    return read_receipt(query, key=key)


def _rows_page(view: View, asked: AskedRows, found: Receipt) -> RowsPage | None:
    rows = listing(view.published.opened, asked.table, asked.key, asked.column)
    if rows is None:
        return None
    last_page = max(1, -(-found.row_count // PAGE_ROWS))
    number = int(asked.page) if asked.page.isdecimal() and len(asked.page) < _DIGITS else 0
    if asked.page and not 1 <= number <= last_page:
        raise BadAddress(
            N_("page={name} is not there: the rows behind this figure fill pages 1 to {last}"),
            name=asked.page[:30],
            last=last_page,
        )
    number = number or 1
    read = Readable.of(rows)
    offset = (number - 1) * PAGE_ROWS
    needed = list(dict.fromkeys([*read.columns, *rows.line.key]))
    listed = rows.page(needed, order=read.order, offset=offset, limit=PAGE_ROWS)
    return RowsPage(
        headings=read.headings(view),
        rows=[read.cells(view, row) for row in listed],
        first=offset + 1,
        last=offset + len(listed),
        count=found.row_count,
        told=read.told,
        before=view.href(page=number - 1) if number > 1 else "",
        after=view.href(page=number + 1) if number < last_page else "",
        csv=view.href("/receipt.csv", drop=("page",)),
    )


def _naming(found: Receipt) -> str:
    key = [f"--key {shlex.quote(f'{name}={part}')}" for name, part in found.key.items()]
    table = found.table.removeprefix("kpi.")
    return " ".join(["crm explain", table, *key, f"--column {found.column}", "--privileged"])


def tile_of(table: str, column: str) -> TileWords | None:
    """What is said of a figure that a page shows as a tile."""
    figure = f"{table}.{column.removesuffix(_PREVIOUS)}"
    return next((tile for tile in TILES if figure in tile.columns), None)


def figure_name(view: View, table: str, column: str) -> str:
    """A figure as its tile calls it, else as its column is called."""
    bare, tile = column.removesuffix(_PREVIOUS), tile_of(table, column)
    name = view.title(tile) if tile else view._(column_words(bare))
    return view._("{name}, the time before", name=name) if bare != column else name


def _was(view: View, movement: Movement | None, unit: Column) -> str:
    if movement is None or not movement.has_moved:
        return ""
    value = cell(view, movement.column, unit, movement.then)
    return view._("It was {value} as of {time}.", value=value, time=view.time(movement.earlier_as_of))


def _reasons(view: View, movement: Movement | None) -> list[str]:
    reasons = []
    for reason in movement.reasons if movement else ():
        # What a reason adds to its words, such as names of settings, stands in every language.
        told = REASONS[reason.kind]
        words = view._(REASON_WORDS.get(reason.kind, told)) + reason.words.removeprefix(told)
        reasons.append(f"{words} ({view.count(reason.rows)})" if reason.rows else words)
    return reasons


def _key(view: View, key: Mapping[str, object]) -> str:
    """Which of the table's figures it is: the day, the agent, the campaign by its name."""
    first, after, days = key.get("day_from"), key.get("day_to"), []
    if isinstance(first, dt.date) and isinstance(after, dt.date):
        last = after - dt.timedelta(days=1)
        one, other = view.day(first), view.day(last)
        days = [one if first == last else view._("{from_} to {to}", from_=one, to=other)]
    # A value of a dimension reads as one of the column that the dimension is named after.
    names = {"value": {"country": "region"}.get(str(key.get("dimension")), str(key.get("dimension", "value")))}
    parts = [cell(view, names.get(name, name), None, part) for name, part in key.items() if name not in _SAID]
    if "window_days" in key:
        parts.append(view.ngettext("last full day", "last {n} full days", int(str(key["window_days"]))))
    if "months_since" in key:
        parts.append(view.ngettext("{n} month after", "{n} months after", int(str(key["months_since"]))))
    bounds = [_between(view, key)] if "measure" in key else []
    return " · ".join([*days, *parts, *bounds])


def _between(view: View, key: Mapping[str, object]) -> str:
    """The bounds of a measure, as the bars of a spread are called; of a weekday and an hour, its name."""
    if key["measure"] in {"weekday", "hour"}:
        return cell(view, str(key["measure"]), None, int(float(str(key.get("at_least", 0)))))
    low, high = (None if key.get(side) is None else view.duration(float(str(key[side]))) for side in BOUNDS[1:])
    if low is None:
        return view._("< {high}", high=high)
    return view._("> {low}", low=low) if high is None else f"{low} – {high}"
