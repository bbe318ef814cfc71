"""The page behind a figure: its definition, the rows and requests it came from, and why it moved.

What belongs here: reading which figure is asked for, and writing its receipt for people. What does not: finding it
(receipts/), the same for programs (kpi_api.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from crm_platform.receipts import Movement, Receipt, moved_since, receipt
from crm_platform.schemas import TABLES
from crm_platform.serving.pages import numbers

if TYPE_CHECKING:
    from crm_platform.serving.snapshots import OpenSnapshot
    from crm_platform.settings import Settings

ROWS: Final = 50
"""So many rows the page lists; the API gives all."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What the page shows.

    `columns`, `rows`: the rows behind the figure, as texts; `taken`: words and address of each figure it is taken from;
    `api`: the address of the same for programs.
    """

    receipt: Receipt
    movement: Movement | None
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    taken: tuple[tuple[str, str], ...]
    api: str


def behind(settings: Settings, opened: OpenSnapshot, query: Iterable[tuple[str, str]]) -> Behind:
    """What `/receipt?table=…&column=…&<key>=…` asks for. Raises NotFound and InvalidRequest."""
    asked = dict(query)
    table, column = asked.pop("table", ""), asked.pop("column", "")
    found = receipt(opened, table, asked, column, limit=ROWS)
    movement = moved_since(settings, opened, table, asked, column, limit=ROWS)
    columns = tuple(dict.fromkeys((*found.row_key, *found.used)))
    return Behind(
        receipt=found,
        movement=movement,
        columns=columns,
        rows=tuple(tuple(_cell(row[name]) for name in columns) for row in found.rows),
        taken=tuple(
            (
                " · ".join([one.column.replace("_", " "), *(_cell(part) for part in one.key.values())]),
                receipt_href(one.table, one.column, one.key),
            )
            for one in found.taken_from
        ),
        api=f"/api/v1/kpis/{found.table.removeprefix('kpi.')}/receipt?"
        + urlencode({"column": found.column, **{name: _cell(part) for name, part in found.key.items()}}),
    )


def receipt_href(table: str, column: str, key: Mapping[str, object]) -> str:
    """Address of a figure's page."""
    return "/receipt?" + urlencode({"table": table, "column": column, **{name: _cell(key[name]) for name in key}})


def written(language: numbers.Language, found: Receipt, value: object) -> str:
    """Write the figure's value for people, with its unit."""
    if value is None:
        return numbers.NONE
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _cell(value)
    column = TABLES[found.table].columns[found.column]
    if found.unit == "s":
        return numbers.duration(language, value)
    if column.is_share:
        return numbers.percent(value)
    words = numbers.count(value) if isinstance(value, int) or value.is_integer() else f"{value:,.3f}"
    return f"{words} {found.unit}" if found.unit else words


def _cell(value: object) -> str:
    if value is None:
        return numbers.NONE
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value)
