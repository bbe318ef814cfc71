"""Which figure is asked for: a KPI table, one of its columns, and the key of a row or a range of days.

What belongs here: reading these from names and texts, and naming what there is instead. What does not: the figure
(behind.py).
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from crm_platform.errors import InvalidRequest, NotFound, quoted
from crm_platform.models.generate import pools
from crm_platform.schemas import KpiTable, Type
from crm_platform.tables import TABLES

_LARGEST: Final = 2**63 - 1
_NAMED: Final = 8  # so many alternatives an error message names

RANGE: Final = {"day_from": "day >= $day_from", "day_to": "day < $day_to"}
"""What names a range of days, and how it picks rows of a table by day."""


def find_kpi(name: str) -> type[KpiTable]:
    """A KPI table by its name, with or without schema. Raises NotFound, naming the nearest."""
    tables = {one.table: one for one in TABLES.values() if issubclass(one, KpiTable)}
    found = tables.get(name.removeprefix("kpi."))
    if found is None:
        raise NotFound(f"there is no KPI table {quoted(name)}: {nearest(name.removeprefix('kpi.'), tables)}")
    return found


def figure_columns(table: type[KpiTable]) -> list[str]:
    """The columns of a KPI table that hold figures: neither its key nor a mark of the whole row."""
    return [name for name in table.columns if name not in table.key and name not in KpiTable.columns]


def check_column(table: type[KpiTable], column: str) -> None:
    """Raise NotFound unless a column is a figure of the table."""
    figures = figure_columns(table)
    if column in figures:
        return
    if column in table.columns:
        raise NotFound(
            f"{table.full_name()}.{column} is no figure but a mark of the whole row: ask for {_some(figures)}"
        )
    raise NotFound(f"{table.full_name()} has no column {quoted(column)}: {nearest(column, figures)}")


def nearest(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Name what was perhaps meant, else what there is."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there is {_some(list(known))}"


def named(row: Mapping[str, object]) -> str:
    """A row's key in words."""
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    if not names:
        return "none"
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def typed(table: type[KpiTable], key: Mapping[str, object]) -> dict[str, object]:
    """The key's values in the table's order, as its types. Raises InvalidRequest when they do not fit."""
    if is_range(key) and pools(table):
        days = {name: _day(name, key[name]) for name in RANGE}
        if days["day_from"] >= days["day_to"]:
            raise InvalidRequest("day_to is excluded: it must be after day_from, for one day the next one")
        return dict(days)
    if set(key) != set(table.key):
        needed = ", ".join(table.key)
        given = ", ".join(key) or "nothing"
        raise InvalidRequest(
            f"a row of {table.full_name()} is named by {needed}, not by {given}"
            if needed
            else f"{table.full_name()} has one row, which no key names; leave out {given}"
        )
    return {name: _value(table, name, key[name]) for name in table.key}


def is_range(key: Mapping[str, object]) -> bool:
    """Whether a key names a range of days: `day_from`, and `day_to`, which is excluded."""
    return set(key) == set(RANGE)


def _value(table: type[KpiTable], name: str, value: object) -> object:
    kind = table.columns[name].type
    if kind is Type.DATE:
        return _day(name, f"{str(value)[:7]}-01" if name == "month" else value)
    if kind is Type.INTEGER:
        try:
            number = int(str(value))
        except ValueError:
            raise InvalidRequest(f"{name} is {quoted(value)}; write a whole number") from None
        if abs(number) > _LARGEST:
            raise InvalidRequest(f"{name} is {quoted(value)}; no table holds a whole number of that size")
        return number
    return str(value)


def _day(name: str, value: object) -> dt.date:
    try:
        return value if type(value) is dt.date else dt.date.fromisoformat(str(value))
    except ValueError:
        wanted = "a month such as 2026-11" if name == "month" else "a day such as 2026-11-20"
        raise InvalidRequest(f"{name} is {quoted(value)}; write {wanted}") from None
