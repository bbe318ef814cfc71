"""A question to the KPI API: a query string in, SQL with bound values out.

What belongs here: the parameters' grammar, and clear errors about it. What does not: answering (kpi_api.py). Names in
the SQL come from the declared table alone; whatever was typed is bound or refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from crm_platform.publish import published_columns
from crm_platform.schemas import KpiTable, Type
from crm_platform.serving.caching import tag
from crm_platform.serving.refusals import Refused
from crm_platform.tables import TABLES

DEFAULT_LIMIT: Final = 1000
MOST_ROWS: Final = 10_000
CONTROLS: Final = ("columns", "order", "limit", "cursor", "format")
RANGES: Final = {"_from": ">=", "_to": "<"}  # a range includes its start and excludes its end
RANGED: Final = frozenset({Type.DATE, Type.TIMESTAMP, Type.INTEGER, Type.FLOAT})
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TableQuery:
    """What is asked of one table. `identity`: the same for the same query, whatever its page and form."""

    table: type[KpiTable]
    columns: tuple[str, ...]
    conditions: tuple[str, ...]
    values: tuple[object, ...]
    order: tuple[str, ...]
    limit: int
    cursor: str | None
    identity: str

    @property
    def where(self) -> str:
        """The WHERE clause, empty when every row is asked for."""
        return f" where {' and '.join(self.conditions)}" if self.conditions else ""

    def select(self, offset: int) -> str:
        """The rows of a page, in an order that has no ties."""
        columns = ", ".join(f'"{name}"' for name in self.columns)
        order = f" order by {', '.join(self.order)}" if self.order else ""
        return f"select {columns} from {self.table.full_name()}{self.where}{order} limit {self.limit} offset {offset}"

    def summary(self) -> str:
        """One row about all that match: rows, smallest coverage (NULL when one is not known), provisional rows."""
        return (
            "select count(*) as total, case when count(*) = count(coverage) then min(coverage) end as coverage,"
            f" count(*) filter (is_provisional) as provisional from {self.table.full_name()}{self.where}"
        )

    def cursor_to(self, offset: int, *, snapshot: str) -> str:
        """Name the page that begins at `offset`, of this question and this snapshot."""
        return base64.urlsafe_b64encode(f"{offset}.{self._seal(snapshot)}".encode()).decode().rstrip("=")

    def offset(self, *, snapshot: str) -> int:
        """Where the asked page begins. Raises Refused when its cursor belongs to another snapshot or query."""
        if self.cursor is None:
            return 0
        try:
            padded = self.cursor + "=" * (-len(self.cursor) % 4)
            offset, _, seal = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        except ValueError:
            raise Refused(
                400, "bad_cursor", "This is no cursor.", hint="Follow `next` of the page before, or leave it out."
            ) from None
        if seal != self._seal(snapshot) or not re.fullmatch(r"[0-9]{1,9}", offset):
            message = "The cursor belongs to an earlier snapshot, or to other parameters."
            raise Refused(409, "cursor_outdated", message, hint="Begin again without a cursor.")
        return int(offset)

    def _seal(self, snapshot: str) -> str:
        return tag(snapshot, self.identity)[3:19]


def kpi_tables() -> dict[str, type[KpiTable]]:
    """The declared KPI tables by their own name, in the order of their declaration."""
    return {table.table: table for table in TABLES.values() if issubclass(table, KpiTable)}


def find_table(name: str) -> type[KpiTable]:
    """The table of a name, with or without `kpi.`. Raises Refused (404) that names near ones."""
    tables = kpi_tables()
    bare = name.removeprefix("kpi.")
    if bare not in tables:
        near = difflib.get_close_matches(bare, tables, n=3) or sorted(tables)
        raise Refused(404, "unknown_table", "There is no such table.", hint=f"There is {', '.join(near)}.")
    return tables[bare]


@dataclass(frozen=True, slots=True, order=True)
class _LocalDay:
    """A day where an instant is asked for: from its first instant to before the next day's, in UTC."""

    start: dt.datetime
    after: dt.datetime


def parse_query(table: type[KpiTable], parameters: Iterable[tuple[str, str]], *, zone: ZoneInfo) -> TableQuery:
    """Read a query string. Raises Refused (400) that says which parameter is wrong and what to write.

    A column's name keeps rows that equal the value, or one of the values when it is repeated; `day_from` and `day_to`
    keep a range. A day where the column holds instants is that day in `zone`. `format` is left to the caller.
    """
    columns = published_columns(table)
    controls: dict[str, str] = {}
    equal: dict[str, list[object]] = {}
    bounds: list[tuple[str, object]] = []
    for name, text in parameters:
        if name in CONTROLS:
            if name in controls:
                raise Refused(400, "repeated_parameter", f"{name} is given twice.", hint="Give it once.")
            controls[name] = text
        elif name in columns:
            equal.setdefault(name, []).append(_value(table, name, name, text, zone))
        else:
            column, condition = _bound(table, name)
            value = _value(table, column, name, text, zone)
            bounds.append((condition, value.start if isinstance(value, _LocalDay) else value))
    # In one order, so that the same question in other words has the same identity.
    conditions = [_one_of(name, values) for name, values in sorted(equal.items())]
    conditions += [(condition, [value]) for condition, value in sorted(bounds, key=repr)]
    chosen = _columns(table, controls.get("columns"))
    order = _order(table, controls.get("order"))
    values = tuple(value for _, some in conditions for value in some)
    return TableQuery(
        table=table,
        columns=chosen,
        conditions=tuple(condition for condition, _ in conditions),
        values=values,
        order=order,
        limit=read_limit(controls.get("limit", str(DEFAULT_LIMIT)), most=MOST_ROWS, hint="Follow `next` for more."),
        cursor=controls.get("cursor"),
        identity=repr((table.full_name(), chosen, conditions, order)),
    )


def _one_of(name: str, asked: Sequence[object]) -> tuple[str, list[object]]:
    """A condition that a column is one of these values, or lies in one of these days; with its values."""
    days = sorted(value for value in asked if isinstance(value, _LocalDay))
    others = sorted((value for value in asked if not isinstance(value, _LocalDay)), key=repr)
    parts = [f'"{name}" in ({", ".join("?" * len(others))})'] if others else []
    parts += [f'"{name}" >= ? and "{name}" < ?' for _ in days]
    values = [*others, *(moment for day in days for moment in (day.start, day.after))]
    return f"({' or '.join(parts)})", values


def _unknown(table: type[KpiTable], name: str, message: str) -> Refused:
    columns = published_columns(table)
    near = difflib.get_close_matches(name, columns, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return Refused(400, "unknown_column", message, hint=f"{hint}Columns: {', '.join(columns)}.")


def _bound(table: type[KpiTable], name: str) -> tuple[str, str]:
    for suffix, operator in RANGES.items():
        column = name.removesuffix(suffix)
        declared = published_columns(table).get(column)
        if column != name and declared is not None and declared.type in RANGED:
            return column, f'"{column}" {operator} ?'
    raise _unknown(table, name, f"{table.full_name()} has no column or parameter {_shown(name)}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _columns(table: type[KpiTable], text: str | None) -> tuple[str, ...]:
    known = published_columns(table)
    if text is None:
        return tuple(known)
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in known:
            raise _unknown(table, name, f"columns: {table.full_name()} has no column {_shown(name)}.")
    return names


def _order(table: type[KpiTable], text: str | None) -> tuple[str, ...]:
    known = published_columns(table)
    wanted: dict[str, str] = {}
    for part in [] if text is None else text.split(","):
        name = part.strip().removeprefix("-")
        if name not in known:
            raise _unknown(table, name, f"order: {table.full_name()} has no column {_shown(name)}.")
        wanted.setdefault(name, "desc" if part.strip().startswith("-") else "asc")
    # The key decides between equals: no row is on two pages, or on none.
    for name in table.key:
        wanted.setdefault(name, "asc")
    return tuple(f'"{name}" {direction} nulls last' for name, direction in wanted.items())


def read_limit(text: str, *, most: int, hint: str) -> int:
    """Read how many are asked for. Raises Refused, with the hint, for anything but 1 to `most`."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refused(400, "bad_limit", f"limit is no whole number from 1 to {most}.", hint=hint)
    return int(text)


# Values by type.


def _date(text: str) -> dt.date:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):  # a month, by its first day
        text += "-01"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError
    return dt.date.fromisoformat(text)


def _local_day(text: str, zone: ZoneInfo) -> _LocalDay:
    day = dt.date.fromisoformat(text)
    start, after = (
        dt.datetime.combine(one, dt.time(), zone).astimezone(dt.UTC).replace(tzinfo=None)
        for one in (day, day + dt.timedelta(days=1))
    )
    return _LocalDay(start, after)


def _instant(text: str) -> dt.datetime:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) > _LARGEST:
        raise ValueError
    return int(text)


def _float(text: str) -> float:
    # Every character has one place it can go: no digit is tried twice, however many there are.
    if not re.fullmatch(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", text):
        raise ValueError
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_READ: Final[dict[Type, tuple[Callable[[str], object], str]]] = {
    Type.TEXT: (str, "a text"),
    Type.JSON: (str, "a JSON text"),
    Type.DATE: (_date, "a day such as 2026-11-20, or a month such as 2026-11"),
    Type.TIMESTAMP: (
        _instant,
        "a time such as 2026-11-20T09:00:00Z, or a local day such as 2026-11-20; write the + of an offset as %2B",
    ),
    Type.INTEGER: (_integer, "a whole number"),
    Type.FLOAT: (_float, "a number such as 0.95"),
    Type.BOOLEAN: (_truth, "true or false"),
}


def _value(table: type[KpiTable], column: str, parameter: str, text: str, zone: ZoneInfo) -> object:
    kind = published_columns(table)[column].type
    read, what = _READ[kind]
    try:
        if kind is Type.TIMESTAMP and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return _local_day(text, zone)
        return read(text)
    except (ValueError, KeyError, OverflowError):
        raise Refused(400, "bad_value", f"{parameter}={_shown(text)} is not {what}.", hint=f"Write {what}.") from None
