"""A snapshot being asked by a tool: which figure, which row, and a value with all that is said beside it.

What belongs here: what several tools need. What does not: a tool's answer (figures.py, behind.py), how a value is
computed (receipts/).
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from crm_platform.errors import InvalidRequest, NotFound, quoted
from crm_platform.models.generate import pooled
from crm_platform.receipts import figure_columns
from crm_platform.receipts.behind import Behind, SnapshotReader
from crm_platform.receipts.keys import RANGE, named, nearest
from crm_platform.receipts.receipt import jsonable
from crm_platform.schemas import KpiTable, Type
from crm_platform.serving.mcp.gives import Cell, Figure, Value
from crm_platform.serving.mcp.source import Source, narrowable
from crm_platform.serving.pages.addresses import receipt_href
from crm_platform.serving.pages.column_words import column_words
from crm_platform.serving.queries import kpi_tables

_LONGEST_TEXT: Final = 200  # characters of a text that people of the CRM have written; publish/ cuts them there, too
_NEAR: Final = 5  # so many rows are offered in place of one that is not there


class NoSuchRow(NotFound):
    """There is no such row. `there_is`: keys of some that there are; what they hold is data, and in no message."""

    def __init__(self, message: str, there_is: list[dict[str, Cell]]) -> None:
        super().__init__(message)
        self.there_is = there_is


@dataclass(frozen=True, slots=True)
class AskedFigure:
    """One figure of one snapshot, or of what is left of it."""

    source: Source
    reader: SnapshotReader
    table: type[KpiTable]
    column: str

    @classmethod
    def of(cls, source: Source, name: str) -> AskedFigure:
        """Find a figure by its name. Raises NotFound, naming the nearest, or when the snapshot lacks its table.

        Raises InvalidRequest when it cannot be told of what is chosen, naming by what it can be narrowed.
        """
        table, column = find_figure(name)
        whole = table.full_name()
        if not source.narrowing.tells(whole, column):
            kinds, known = " and ".join(sorted(source.narrowing.kinds)), ", ".join(narrowable(whole, column))
            raise InvalidRequest(
                f"{table.table}.{column} cannot be told of one {kinds} alone: "
                + (f"`only` can narrow it by {known}" if known else "its rows do not say whose they are")
            )
        if whole not in source.opened.manifest.tables:
            raise NotFound(f"{whole} is not in snapshot {source.opened.manifest.id}: run `crm build`")
        return cls(source, SnapshotReader.of(source.opened), table, column)

    @property
    def today(self) -> dt.date:
        """The local day that holds the cut."""
        return self.reader.today

    def about(self) -> dict[str, Any]:
        """What every answer says: of the snapshot, and of the figure."""
        return {**self.source.about(), "figure": words(self.table, self.column)}

    def value(self, key: Mapping[str, object]) -> Value:
        """The value of a row, or of a range of days. Raises NoSuchRow; InvalidRequest for a key that does not fit."""
        row = self.row(key)
        line = self.reader.lineage(self.table, self.column)
        behind = self.reader.behind(line, self.reader.own(self.table, key)) if line else None
        return self.said(key, row, self.count(behind) if behind else None)

    def said(self, key: Mapping[str, object], row: Mapping[str, Any], n: int | None) -> Value:
        """A published row's value."""
        return Value(
            value=cell(row[self.column]),
            n=n,
            coverage=row["coverage"],
            is_provisional=row["is_provisional"],
            receipt=self.receipt_address(key),
        )

    def receipt_address(self, key: Mapping[str, object]) -> str | None:
        """Address of the page that shows what a value is made of; without CRM_SERVE_URL its path alone.

        None where no address can say it: the key and what is chosen go by one name.
        """
        chosen = [(one.name, one.address) for one in self.source.chosen]
        if any(name in key for name, _ in chosen):
            return None
        path = receipt_href(self.table.full_name(), self.column, key)
        return (self.source.settings.serve_url or "") + path + "".join(f"&{urlencode([one])}" for one in chosen)

    def row(self, key: Mapping[str, object]) -> Mapping[str, object]:
        """The published row of a key, or of a range of days. Raises as `value` does."""
        found = self.reader.row(self.table, key, self.column)
        if found is None:
            raise self.no_such_row(key)
        return found

    def count(self, behind: Behind) -> int:
        """How many rows stand behind a value."""
        (number,) = self.reader.query(behind.asking("select count(*) as n from behind"), behind.parameters)["n"]
        return int(number.as_py())

    def counts(self, rows: Sequence[Mapping[str, Any]], own: tuple[str, Mapping[str, object]]) -> list[int | None]:
        """How many rows stand behind each of some published rows. `own`: a SELECT of these, and its parameters."""
        line, key = self.reader.lineage(self.table, self.column), self.table.key
        if line is None:
            return [None] * len(rows)
        figure = line.figure
        if figure.grain is not None or figure.is_own_part or not set(key) <= figure.rows.by.keys():
            # A row shares what is behind it with others, or does not say of itself where it counts.
            keys = [{name: row[name] for name in key} for row in rows]
            return [self.count(self.reader.behind(line, self.reader.own(self.table, one))) for one in keys]
        behind = self.reader.behind(line, own)
        by = "".join(f'by_{name} as "{name}", ' for name in key)
        found = self.reader.query(
            behind.asking(f"select {by}count(*) as n from behind group by all"), behind.parameters
        )
        known = {tuple(map(one.get, key)): one["n"] for one in found.to_pylist()}
        return [known.get(tuple(map(row.get, key)), 0) for row in rows]

    def no_such_row(self, wanted: Mapping[str, object]) -> NotFound:
        """Say which rows there are instead; where a key holds texts, beside the message."""
        table = self.table
        is_whole = set(wanted) in ({*table.key}, {*RANGE})
        if is_whole and all(table.columns[name].type is not Type.TEXT for name in table.key):
            return self.reader.no_such_row(table, wanted)
        keys = ", ".join(f'"{name}"' for name in table.key)
        rows = self.reader.query(f"select distinct {keys} from {table.full_name()} order by all").to_pylist()
        if not rows:
            return NotFound(f"{table.full_name()} has no rows")
        known = {named({name: row[name] for name in wanted if name in row}): row for row in rows}
        near = difflib.get_close_matches(named(wanted), known, n=_NEAR, cutoff=0.5) or list(known)[:_NEAR]
        there_is = [{name: cell(part) for name, part in known[one].items()} for one in near]
        message = f"{table.full_name()} has no such row; there_is names {len(there_is)} of {len(rows)} that there are"
        return NoSuchRow(message, there_is)


def figures() -> dict[str, tuple[type[KpiTable], str]]:
    """Every figure by its name: table and column."""
    return {
        f"{name}.{column}": (table, column) for name, table in kpi_tables().items() for column in figure_columns(table)
    }


def find_figure(name: str) -> tuple[type[KpiTable], str]:
    """A figure by its name, with or without `kpi.`. Raises NotFound, naming the nearest."""
    known = figures()
    bare = name.removeprefix("kpi.")
    if bare in known:
        return known[bare]
    column = bare.rpartition(".")[2]
    namesakes = [one for one in known if one.endswith(f".{column}")]
    hint = f"did you mean {' or '.join(namesakes[:3])}?" if namesakes else nearest(bare, known)
    raise NotFound(f"there is no figure {quoted(name)}: {hint} list_figures names all")


def words(table: type[KpiTable], column: str) -> Figure:
    """What a figure is."""
    declared = table.columns[column]
    return Figure(
        figure=f"{table.table}.{column}",
        table=table.table,
        column=column,
        label=str(column_words(column)),
        meaning=declared.description,
        type=declared.type.value,
        unit=declared.unit or ("share" if declared.is_share else None),
        good=declared.figure.good if declared.figure else "neither",
        by=list(table.key),
        narrowed_by=narrowable(table.full_name(), column),
        range_value=_range_value(table, column),
    )


def _range_value(table: type[KpiTable], column: str) -> Any:  # noqa: ANN401 - a Literal
    if pooled(table, column):
        return "pooled"
    figure = table.columns[column].figure
    has_day = figure is not None and bool(figure.rows.day or "day" in figure.rows.by)
    return "months" if table.period == "month" and has_day else "none"


def cell(value: object) -> Cell:
    """A value as JSON writes it; of a text that is too long, the beginning."""
    plain = jsonable(value)
    if isinstance(plain, int | float) or plain is None:
        return plain
    text = str(plain)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def require_order(first: dt.date, after: dt.date) -> None:
    """Raise InvalidRequest unless a range has a day."""
    if first >= after:
        raise InvalidRequest(f"no day lies from {first} to before {after}: write the day after the last one as the end")
