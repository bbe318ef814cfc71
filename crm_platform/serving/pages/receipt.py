"""The page behind a figure: its definition, the rows and requests it came from, and why it moved.

What belongs here: reading which figure is asked for, and writing its receipt for people. What does not: finding it
(receipts/), the same for programs (kpi_api.py).
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from crm_platform.languages import N_
from crm_platform.receipts import Movement, Receipt, moved_since, receipt
from crm_platform.receipts.reasons import REASONS
from crm_platform.schemas import Column, Type
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import country, label, yes_or_no
from crm_platform.serving.pages.column_words import VALUE_WORDS, column_words
from crm_platform.serving.pages.published import short
from crm_platform.serving.pages.tiles import TILES, TileWords, receipt_href
from crm_platform.serving.pages.view import KEPT
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.serving.pages.view import View

ROWS: Final = 50
"""So many rows the page lists; the API gives all."""

# When a row behind a figure began: it stands first, also where it does not decide the figure.
_BEGAN: Final[Mapping[str, str]] = {
    "core.response_waits": "waiting_since",
    "core.conversations": "started_at",
    "core.messages": "timestamp",
    "core.work": "done_at",
    "core.assignments": "assigned_at",
    "core.campaigns": "sent_at",
    "kpi.campaign_performance": "sent_at",
}
_PREVIOUS: Final = "_previous"
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
# Columns of no published table: they are made for a receipt.
_SECONDS: Final = frozenset({"lasted"})
_WEEKDAYS: Final = frozenset({"weekday", "cell_weekday"})
_HOURS: Final = frozenset({"hour", "cell_hour"})


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What the page shows, in the reader's words.

    `name`: of the figure; `of`: which of its kind, empty where there is one; `amount`: its value; `meaning`: its
    definition, empty where only the English one of the tables exists. `made_of`: how many rows; `columns`, `rows`: the
    rows behind it; `taken`: words and address of each figure it is taken from; `was`: its earlier value, and `reasons`:
    why it moved since; `api`: the address of the same for programs; `command`: names the chats behind it, for whoever
    may, empty where there are none.
    """

    receipt: Receipt
    name: str
    of: str
    amount: str
    meaning: str
    made_of: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    taken: tuple[tuple[str, str], ...]
    was: str
    reasons: tuple[str, ...]
    api: str
    command: str


def without_key(query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What an address says besides which figure it asks for: a table's own key may be called as a filter is."""
    table = TABLES.get("kpi." + dict(query).get("table", "").removeprefix("kpi."))
    return [(name, value) for name, value in query if table is None or name not in table.key]


def behind(view: View) -> ReceiptPage:
    """What `/receipt?table=…&column=…&<key>=…` asks for. Raises NotFound and InvalidRequest."""
    opened = view.published.opened
    kept = {name for name, _ in without_key(view.query) if name in KEPT}
    asked = {name: value for name, value in view.query if name not in kept}
    table, column = asked.pop("table", ""), asked.pop("column", "")
    found = receipt(opened, table, asked, column, limit=ROWS)
    # Of some contacts or agents alone no earlier value is kept.
    movement = (
        None if view.published.narrowing else moved_since(view.settings, opened, table, asked, column, limit=ROWS)
    )
    # People look for when and how long; ids, which tell rows apart, come last.
    began = _BEGAN.get(found.source or "")
    used = [name for name in found.used if name not in found.row_key]
    columns = tuple(dict.fromkeys([*([began] if began else []), *used, *found.row_key]))
    tile = tile_of(found.table, column)
    unit = TABLES[found.table].columns[column]
    return ReceiptPage(
        receipt=found,
        name=figure_name(view, found.table, column),
        of=_key(view, found.key),
        amount=_cell(view, column, unit, found.value),
        meaning=view.meaning(tile) if tile else "",
        made_of=view.ngettext(*TABLES[found.source].row_words, found.row_count) if found.source else "",
        columns=tuple(view._(column_words(name)) for name in columns),
        rows=tuple(
            tuple(_cell(view, name, _declared(found.source, name), row[name]) for name in columns)
            for row in _with_beginnings(view, found, began)
        ),
        taken=tuple(
            (
                " · ".join(filter(None, [figure_name(view, one.table, one.column), _key(view, one.key)])),
                receipt_href(one.table, one.column, one.key),
            )
            for one in found.taken_from
        ),
        was=_was(view, movement, unit),
        reasons=tuple(_reasons(view, movement)),
        api=f"/api/v1/kpis/{found.table.removeprefix('kpi.')}/receipt?"
        + urlencode({"column": column, **{name: str(part) for name, part in found.key.items()}}),
        command=_naming(found) if "chat_id" in found.row_key else "",
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


def _with_beginnings(view: View, found: Receipt, began: str | None) -> list[Mapping[str, object]]:
    """The rows behind a figure that are listed, each with when it began."""
    if began is None or began in found.used or not found.rows:
        return list(found.rows)
    names = ", ".join(found.row_key)
    each = ", ".join(f"({', '.join('?' for _ in found.row_key)})" for _ in found.rows)
    asked = view.published.opened.rows(
        f"select {names}, {began} from {found.source} where ({names}) in ({each})",
        [row[name] for row in found.rows for name in found.row_key],
    )
    known = {tuple(row[name] for name in found.row_key): row[began] for row in asked}
    return [{**row, began: known.get(tuple(row[name] for name in found.row_key))} for row in found.rows]


def _declared(source: str | None, name: str) -> Column | None:
    return TABLES[source].columns.get(name) if source else None


def _was(view: View, movement: Movement | None, unit: Column) -> str:
    if movement is None or not movement.has_moved:
        return ""
    value = _cell(view, movement.column, unit, movement.then)
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
    first, after = key.get("day_from"), key.get("day_to")
    if isinstance(first, dt.date) and isinstance(after, dt.date):
        last = after - dt.timedelta(days=1)
        one, other = view.day(first), view.day(last)
        return one if first == last else view._("{from_} to {to}", from_=one, to=other)
    # A value of a dimension reads as one of the column that the dimension is named after.
    names = {"value": {"country": "region"}.get(str(key.get("dimension")), str(key.get("dimension", "value")))}
    parts = [_cell(view, names.get(name, name), None, part) for name, part in key.items() if name != "window_days"]
    if "window_days" in key:
        parts.append(view.ngettext("last full day", "last {n} full days", int(str(key["window_days"]))))
    return " · ".join(parts)


def _cell(view: View, name: str, column: Column | None, value: object) -> str:
    """A value as people write it: local time, durations, shares, yes and no, words for what the tables abbreviate."""
    if value is None:
        return numbers.NONE
    if isinstance(value, dt.datetime):
        return view.time(value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value, seconds=True)
    if isinstance(value, dt.date):
        return numbers.month(view.language, value) if name == "month" else numbers.day(view.language, value, year=True)
    if isinstance(value, bool):
        return yes_or_no(view.language, is_so=value)
    if name == "campaign_id":
        return view.published.campaign_names.get(str(value)) or str(value)
    if name == "region":
        return country(view.language, str(value))
    if isinstance(value, str):
        words = VALUE_WORDS.get(name, {}).get(value)
        return view._(words) if words else label(view.language, short(value))
    if isinstance(value, int | float):
        return _number(view, name, column, value)
    return str(value)


def _number(view: View, name: str, column: Column | None, value: float) -> str:
    if name in _WEEKDAYS:
        return view.language.weekday(int(value))
    if name in _HOURS:
        return f"{int(value):02d}:00"
    if name in _SECONDS or (column is not None and column.unit == "s"):
        return view.duration(value)
    if column is not None and column.is_share:
        return view.percent(value)
    if column is not None and column.type is Type.FLOAT:
        return numbers.value(view.language, "gap", value)  # percentage points: no other float has a unit
    return view.count(value)
