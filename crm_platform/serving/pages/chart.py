"""A chart with the table it is drawn from.

What belongs here: the pair of drawing and rows, and the rows as HTML and CSV. What does not: geometry (svg.py,
trends.py, bars.py), which charts a page has (executive.py and its like).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final, Literal

from crm_platform.languages import Language
from crm_platform.publish.csv_writer import csv_document
from crm_platform.receipts import figure_columns
from crm_platform.schemas import KpiTable
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.addresses import Pairs, encoded, key_name, receipt_href
from crm_platform.serving.pages.bars import BarChart, Cell, HeatMap
from crm_platform.serving.pages.column_words import ABSENT_WORDS
from crm_platform.serving.pages.svg import Size
from crm_platform.serving.pages.trends import ColumnChart, Flag, LineChart
from crm_platform.tables import TABLES

Drawing = LineChart | ColumnChart | BarChart | HeatMap
CellKind = Literal[
    "count", "rate", "seconds", "growth", "gap", "day", "month", "text", "weekday", "hour", "flag", "label", "region",
    "amount", "number",
]  # fmt: skip

_ROOM: Final = 24  # characters that fit the first column on a phone
NARROW: Final = 326  # px inside a phone of 390
WIDTHS: Final = {12: 1150, 8: 744, 6: 544, 4: 344}  # px inside so many columns of the grid


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """A column of a chart's table: the published name, its heading, how it is written."""

    name: str
    heading: str
    kind: CellKind
    bar: bool = False  # drawn beside the number, against the largest of the column
    longest: float = 0.0  # or against this, where one is so large that it would dwarf the others

    def write(self, language: Language, value: Any) -> str:  # noqa: ANN401 - whatever a cell holds
        """Write one cell."""
        if value is None:
            return numbers.NONE
        if self.kind == "day":
            return f"{language.weekday(value.weekday())} {numbers.day(language, value, year=True)}"
        if self.kind == "month":
            return numbers.month(language, value)
        if self.kind == "weekday":
            return language.weekday(value)
        if self.kind == "hour":
            return f"{value:02d}:00"
        if self.kind == "text":
            return str(value)
        if self.kind == "flag":
            return yes_or_no(language, is_so=value)
        if self.kind == "label":
            return label(language, value)
        if self.kind == "region":
            return country(language, value)
        if self.kind == "amount":
            return language.number(value, ",.0f")
        if self.kind == "number":
            return language.number(value, ",.1f")
        return numbers.value(language, self.kind, value)

    @property
    def is_number(self) -> bool:
        """Whether it is set right."""
        return self.kind in {"count", "rate", "seconds", "growth", "gap", "amount", "number"}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    `table`: the published table its rows stand in by `key`; `drawing`: None where there is nothing to draw; `span`:
    columns of the grid it takes; `height`: px; `description`: what is said of the drawing to who cannot see it, where
    that is not the subtitle; `nothing`: what is said where there is nothing to draw; `addresses`: of the rows behind
    each of its rows, or of each of a row's columns, where these are no rows of a KPI table.
    """

    name: str
    title: str
    subtitle: str
    table: str
    key: Sequence[str]
    columns: Sequence[ChartColumn]
    rows: Sequence[dict[str, Any]]
    drawing: Drawing | None = None
    span: int = 6
    height: int = 240
    note: str = ""
    nothing: str = ""
    description: str = ""
    how: str = "cell"
    attributes: dict[str, str] = field(default_factory=dict)
    keys: Sequence[tuple[str, str]] = ()  # a legend: class and word
    table_only: bool = False
    addresses: Sequence[str | Mapping[str, str]] = ()
    chosen: tuple[int, int] | None = None  # numbers of the first and last row of the chosen days, where there are more

    @property
    def flags(self) -> Sequence[Flag]:
        """The notes on its days, in their order."""
        drawing = self.drawing
        if not isinstance(drawing, LineChart | ColumnChart):
            return ()
        return [drawing.flags[number] for number in sorted(drawing.flags)]

    @property
    def is_heat_map(self) -> bool:
        """Whether its shades need a legend."""
        return isinstance(self.drawing, HeatMap)

    @property
    def has_gaps(self) -> bool:
        """Whether cells of its heat map have no value."""
        return isinstance(self.drawing, HeatMap) and any(None in line for line in self.drawing.cells)

    @property
    def label(self) -> str:
        """What is said of the drawing to who cannot see it."""
        return f"{self.title}{'' if self.title.endswith('?') else '.'} {self.description or self.subtitle}"

    def wide(self, kept: Pairs = ()) -> str:
        """Draw it for its columns of the grid, its shapes linked to the rows behind them. `kept`: what links keep."""
        size, link = Size(WIDTHS[self.span], self.height), functools.partial(self.href, kept=encoded(kept))
        return self.drawing.svg(size, self.label, link) if self.drawing else ""

    def narrow(self) -> str:
        """Draw it for a phone. A finger finds the links in the tip, beside the numbers (static/rows.js)."""
        return self.drawing.svg(Size(NARROW, min(self.height, 220)), self.label) if self.drawing else ""

    def key_of(self, row: dict[str, Any]) -> str:
        """The key of a row as `data-key` says it."""
        return ",".join(f"{name}={plain(row.get(name))}" for name in self.key)

    def has_rows(self, column: str) -> bool:
        """Whether there are rows behind the figures of a column."""
        return bool(self.addresses) or (self.how == "cell" and column in _figures(self.table))

    def is_linked_late(self, column: str) -> bool:
        """Whether the script makes the figures of a column links, when the table is opened: there may be hundreds."""
        return self.has_rows(column) and not self.table_only and not self.addresses

    def leading(self, kept: Pairs) -> dict[str, str]:
        """What the script needs for that, as attributes of the table. `kept`: what links keep."""
        if not any(self.is_linked_late(column.name) for column in self.columns):
            return {}
        told = {"data-keys": " ".join(map(key_name, TABLES[self.table].key)), "data-kept": encoded(kept)}
        return {name: value for name, value in told.items() if value}

    def href(self, number: int, column: str, *, kept: str = "") -> str:
        """Address of the rows behind a figure; empty where there is none. `kept`: what it keeps, as a query."""
        if self.addresses:
            own = self.addresses[number]
            return own if isinstance(own, str) else own.get(column, "")
        if not self.has_rows(column):
            return ""
        row = self.rows[number]
        key = {name: plain(row[name]) for name in TABLES[self.table].key}
        return receipt_href(self.table.removeprefix("kpi."), column, key) + (f"&{kept}" if kept else "")

    def bar(self, column: ChartColumn, value: float | None) -> str:
        """Draw a cell's bar, 72 by 8 px; of one that is longer than its column's longest, grey and cut off."""
        value = value or 0
        most = column.longest or max((one.get(column.name) or 0 for one in self.rows), default=0)
        width = min(72.0, 72 * value / most) if most else 0
        cut = '<path class="cut" d="M56 10L62 -2M60 10L66 -2"/>' if value > most else ""
        return (
            '<svg class="cell" viewBox="0 0 72 8" width="72" height="8" aria-hidden="true">'
            f'<rect class="bar {"third" if cut else "first"}" width="{max(0, width):.1f}" height="8"/>{cut}</svg>'
        )

    def body(self, language: Language, kept: Pairs = ()) -> str:
        """Its rows as HTML. A cell whose words do not tell the value exactly carries it in `data-value`.

        Figures are links, but for those that the script makes such (static/rows.js).
        """
        lines, keeps = [], encoded(kept)
        leads = [
            number > 0 and self.has_rows(one.name) and not self.is_linked_late(one.name)
            for number, one in enumerate(self.columns)
        ]
        cell = functools.lru_cache(maxsize=None, typed=True)(functools.partial(self._cell, language))
        ends = ["</td>" if number else "</th>" for number in range(len(self.columns))]
        for index, row in enumerate(self.rows):
            states = ["provisional"] if row.get("is_provisional") else []
            if self.chosen and self.chosen[0] <= index <= self.chosen[1]:
                states.append("chosen")
            state = f' class="{" ".join(states)}"' if states else ""
            cells = [f'<tr data-key="{escape(self.key_of(row))}"{state}>']
            for number, column in enumerate(self.columns):
                value = row.get(column.name)
                href = self.href(index, column.name, kept=keeps) if leads[number] and value is not None else ""
                opened, shown = cell(number, value)
                cells.append(opened)
                cells.append(f'<a href="{escape(href)}">{shown}</a>' if href else shown)
                cells.append(ends[number])
            lines.append("".join([*cells, "</tr>"]))
        return "\n".join(lines)

    def _cell(self, language: Language, number: int, value: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever it holds
        """How a cell begins, and what it shows."""
        column = self.columns[number]
        words, exact = column.write(language, value), plain(value)
        tag = "th" if number == 0 else "td"
        told = ' scope="row"' if number == 0 else ""
        told += ' class="n"' if column.is_number else ""
        told += f' data-value="{escape(exact)}"' if exact != words else ""
        bar = self.bar(column, value) if column.bar else ""
        shown = escape(words)
        if column.kind in {"text", "label", "region"}:
            # Somebody's words: they may run from right to left, and be too long for the cell.
            shown = f"<bdi>{shown}</bdi>"
            told += f' title="{escape(words)}"' if len(words) > _ROOM else ""
        return f"<{tag}{told}>{bar}", shown

    def csv(self) -> str:
        """Its rows as CSV: published names, plain values."""
        names = [column.name for column in self.columns]
        return csv_document(names, ([row.get(name) for name in names] for row in self.rows))


def week_map(language: Language, rows: Sequence[dict[str, Any]], column: str, *, low: float = 0.0) -> HeatMap:
    """A column of a table by weekday and hour, over the hours that it has; rows without enough data are thin."""
    numbered = {(row["weekday"], row["hour"]): (number, row) for number, row in enumerate(rows)}

    def cell(weekday: int, hour: int) -> Cell | None:
        number, row = numbered.get((weekday, hour), (0, {}))
        value = row.get(column)
        return None if value is None else Cell(value, number, is_thin=not row.get("enough_data", True))

    hours = sorted({row["hour"] for row in rows}) or [9]
    shown = range(min(hours), max(hours) + 1)
    return HeatMap(
        rows=[language.weekday(number) for number in range(7)],
        columns=[f"{hour:02d}" for hour in shown],
        cells=[[cell(weekday, hour) for hour in shown] for weekday in range(7)],
        low=low,
        column=column,
    )


@functools.cache
def _figures(table: str) -> frozenset[str]:
    """Columns of a table that have rows behind them."""
    declared = TABLES.get(table)
    return frozenset(figure_columns(declared)) if declared and issubclass(declared, KpiTable) else frozenset()


def label(language: Language, value: str) -> str:
    """Write a text from the tables; the names of what is absent, in the reader's language."""
    return language.gettext(ABSENT_WORDS[value]) if value in ABSENT_WORDS else value


def yes_or_no(language: Language, *, is_so: bool) -> str:
    """Write whether something is so."""
    return language.gettext("yes") if is_so else language.gettext("no")


def country(language: Language, code: str) -> str:
    """Write a country of the tables."""
    return label(language, code) if code.startswith("(") else language.region(code)


def plain(value: object) -> str:
    """Write a value exactly: a number so that it reads back the same, a day as ISO 8601, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return str(value)
