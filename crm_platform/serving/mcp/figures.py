"""Which figures there are, and a figure over days or by dimension.

What belongs here: the answers of these tools. What does not: two periods (comparing.py), what a value is made of
(behind.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crm_platform.errors import InvalidRequest, NotFound
from crm_platform.models.generate import pooled
from crm_platform.receipts.keys import find_kpi
from crm_platform.serving.mcp.asking import AskedFigure, cell, figures, require_order, words
from crm_platform.serving.mcp.gives import (
    Days,
    FigureList,
    FigureValues,
    PeriodValue,
    Row,
    TableWords,
    Value,
)

if TYPE_CHECKING:
    from crm_platform.schemas import KpiTable
    from crm_platform.serving.mcp.source import Source
    from crm_platform.serving.mcp.takes import GetFigure, ListFigures
    from crm_platform.serving.snapshots import OpenSnapshot

_USUAL_DAYS: Final = 28
_USUAL_MONTHS: Final = 12


def list_figures(source: Source, takes: ListFigures) -> FigureList:
    """The figures that hold all words of a search."""
    only = find_kpi(takes.table) if takes.table else None
    asked = takes.search.lower().split()
    found = [
        one
        for table, column in figures().values()
        if only in {None, table}
        for one in [words(table, column)]
        if all(word in f"{one.figure} {one.label} {one.meaning}".lower().replace("_", " ") for word in asked)
    ]
    listed = found[takes.offset : takes.offset + takes.limit]
    tables = dict.fromkeys(one.table for one in listed)
    return FigureList(
        **source.about(),
        **_left_out(len(found), takes.offset, len(listed)),
        tables=[_table(source.opened, find_kpi(name)) for name in tables],
        figures=listed,
    )


def _table(opened: OpenSnapshot, table: type[KpiTable]) -> TableWords:
    entry = opened.manifest.tables.get(table.full_name())
    return TableWords(
        table=table.table,
        meaning=table.description(),
        rows=entry.rows if entry else 0,
        coverage=entry.coverage if entry else None,
        provisional_rows=entry.provisional_rows if entry else None,
    )


def _left_out(total: int, offset: int, listed: int) -> dict[str, Any]:
    following = offset + listed
    more = f"ask again with offset={following}" if following < total else ""
    if offset and not more:
        more = "ask again with offset=0 for the first ones"
    return {"total": total, "left_out": total - listed, "more": more}


def get_figure(source: Source, takes: GetFigure) -> FigureValues:
    """A figure by day, month or dimension, and over all of it."""
    asked = AskedFigure.of(source, takes.figure)
    span = _span(asked, takes.day_from, takes.day_to)
    rows = _Published.of(asked, span, takes.where)
    total = rows.count()
    if total == 0:
        raise rows.nothing()
    listed = rows.page(takes.limit, takes.offset)
    whole: Value | None = None
    missing = ""
    try:
        whole = _whole(asked, rows, total)
    except InvalidRequest as problem:
        missing = str(problem)
    return FigureValues(
        **asked.about(),
        **_left_out(total, takes.offset, len(listed)),
        range=_days(*span) if span else None,
        whole=whole,
        whole_missing=missing,
        rows=listed,
    )


def over(asked: AskedFigure, first: dt.date, after: dt.date) -> PeriodValue:
    """A figure over a period. Raises InvalidRequest where it has no value over days, NotFound where there are none."""
    span = _span(asked, first, after)
    if span is None:
        raise InvalidRequest(
            f"{asked.table.full_name()} has no days: its figures are as of the cut, and are not compared"
        )
    rows = _Published.of(asked, span, {})
    total = rows.count()
    if total == 0:
        raise rows.nothing()
    return PeriodValue(range=_days(*span), **_whole(asked, rows, total).model_dump())


# Which days.


def _span(asked: AskedFigure, first: dt.date | None, after: dt.date | None) -> tuple[dt.date, dt.date] | None:
    """The days that are asked for; None of a table that has none. Raises InvalidRequest."""
    table, period = asked.table.full_name(), asked.table.period
    if period is None:
        if first or after:
            raise InvalidRequest(f"{table} has no days: its figures are as of the cut; leave day_from and day_to out")
        return None
    if first is None and after is None:
        return _usual(asked.today, period)
    if first is None or after is None:
        raise InvalidRequest("give both, day_from and day_to (the day after the last one), or neither")
    require_order(first, after)
    if period == "month" and (first.day, after.day) != (1, 1):
        raise InvalidRequest(
            f"{table} is by month: write first days of months, for October and November 2026-10-01 and 2026-12-01"
        )
    return first, after


def _usual(today: dt.date, period: str) -> tuple[dt.date, dt.date]:
    if period == "day":
        return today - dt.timedelta(days=_USUAL_DAYS), today
    months = today.year * 12 + today.month  # of the one after today's, from 0
    return _month(months - _USUAL_MONTHS), _month(months)


def _month(number: int) -> dt.date:
    return dt.date(number // 12, number % 12 + 1, 1)


def _days(first: dt.date, after: dt.date) -> Days:
    return Days(day_from=first, day_to=after, last_day=after - dt.timedelta(days=1), days=(after - first).days)


# The rows as they are published.


@dataclass(frozen=True, slots=True)
class _Published:
    """Rows of a table: of some days, and of some dimensions."""

    asked: AskedFigure
    span: tuple[dt.date, dt.date] | None
    wanted: Mapping[str, str]
    where: str
    parameters: Mapping[str, object]

    @classmethod
    def of(cls, asked: AskedFigure, span: tuple[dt.date, dt.date] | None, wanted: Mapping[str, str]) -> _Published:
        """Raises InvalidRequest for what is no dimension."""
        table = asked.table
        conditions: list[str] = []
        parameters: dict[str, object] = {}
        if span:
            conditions.append(f'"{table.period}" >= $day_from and "{table.period}" < $day_to')
            parameters = dict(zip(("day_from", "day_to"), span, strict=True))
        for number, (name, value) in enumerate(wanted.items()):
            if name not in table.key:
                known = ", ".join(table.key) or "nothing: it has one row"
                raise InvalidRequest(
                    f"rows of {table.full_name()} are told apart by {known}; `where` names something else"
                )
            conditions.append(f'cast("{name}" as varchar) = $where_{number}')
            parameters[f"where_{number}"] = value
        where = f" where {' and '.join(conditions)}" if conditions else ""
        return cls(asked, span, wanted, where, parameters)

    def count(self) -> int:
        """How many rows there are."""
        return int(self._query("count(*) as n")[0]["n"])

    def page(self, limit: int, offset: int) -> list[Row]:
        """Rows in the order of their days, else the largest values first."""
        asked, table = self.asked, self.asked.table
        order = ", ".join(f'"{name}"' for name in table.key) or "1"
        if table.period is None:
            order = f'"{asked.column}" desc nulls last, {order}'
        some = f" order by {order} limit {limit} offset {offset}"
        found = self._query("*", some)
        counts = asked.counts(found, (self._select("*", some), self.parameters))
        return [
            Row(key={name: cell(row[name]) for name in table.key}, **asked.said(_key(row, table), row, n).model_dump())
            for row, n in zip(found, counts, strict=True)
        ]

    def all(self) -> list[dict[str, Any]]:
        """Every row."""
        return self._query("*")

    def nothing(self) -> NotFound:
        """Say which rows there are instead."""
        table = self.asked.table
        if not self.span:
            return self.asked.no_such_row(self.wanted)
        days = self.asked.reader.query(
            f'select min("{table.period}") as first, max("{table.period}") as last from {table.full_name()}'
        ).to_pylist()[0]
        if days["first"] is None:
            return NotFound(f"{table.full_name()} has no rows yet")
        return NotFound(
            f"{table.full_name()} has no row there: its {table.period}s go from {days['first']} to {days['last']}"
        )

    def _query(self, columns: str, rest: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.asked.reader.query(self._select(columns, rest), self.parameters).to_pylist()
        return rows

    def _select(self, columns: str, rest: str) -> str:
        return f"select {columns} from {self.asked.table.full_name()}{self.where}{rest}"


def _whole(asked: AskedFigure, rows: _Published, total: int) -> Value:
    """The value over all rows: of the rows behind them together. Raises InvalidRequest where there is none."""
    span = rows.span
    if span and not rows.wanted and pooled(asked.table, asked.column):
        return asked.value({"day_from": span[0], "day_to": span[1]})
    if total == 1 and (span is None or _is_one(span, asked.table)):
        (row,) = rows.page(1, 0)
        return Value(**row.model_dump(exclude={"key"}))
    name = f"{asked.table.full_name()}.{asked.column}"
    if span is None or rows.wanted:
        raise InvalidRequest(f"{name} has no value over several rows: narrow it to one by `where`")
    line = asked.reader.lineage(asked.table, asked.column)
    if line is None:
        raise InvalidRequest(f"{name} has no value over several rows: look at them one by one")
    try:
        behind = asked.reader.over(line, *span)
    except InvalidRequest as problem:
        raise InvalidRequest(f"{problem}: ask for one {asked.table.period} at a time") from None
    published = rows.all()
    covered = [row["coverage"] for row in published]
    return Value(
        value=cell(asked.reader.value(behind)),
        n=asked.count(behind),
        coverage=None if None in covered else min(covered),
        is_provisional=any(row["is_provisional"] for row in published),
        receipt=None,
    )


def _is_one(span: tuple[dt.date, dt.date], table: type[KpiTable]) -> bool:
    """Whether a range is one day, or one month of a table by month."""
    first, after = span
    return after == (_month(first.year * 12 + first.month) if table.period == "month" else first + dt.timedelta(days=1))


def _key(row: Mapping[str, Any], table: type[KpiTable]) -> dict[str, Any]:
    return {name: row[name] for name in table.key}
