"""From a KPI table's declared figures to the SELECT that fills it: one pass over each set of rows.

What belongs here: putting the declarations of schemas/figures.py into SQL that every engine speaks. What does not: the
words of that SQL (render.py), a figure of one row of the table (receipts/).

The SELECT has, for each `Rows`, the rows with their keys and the columns that figures use (`rows_1`), and a GROUP BY
over them with a filter a figure (`figures_1`); where figures have a coarser grain, one GROUP BY for each. The table is
what there is by key (`keys`), joined with these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crm_platform.models.names import names_in
from crm_platform.schemas.base import KpiTable
from crm_platform.schemas.figures import FILTER, Figure, Rows

Expand = Callable[[str], str]

_COVERAGE: Final = "coverage"
_OWN_ROW: Final = re.compile(r"\bk\b")


def figures(table: type[KpiTable]) -> dict[str, Figure]:
    """A table's figures by column."""
    return {name: column.figure for name, column in table.columns.items() if column.figure is not None}


def pooled(table: type[KpiTable], column: str) -> bool:
    """Whether a figure has a value over any range of days: of the rows of all these days together."""
    figure = table.columns[column].figure
    return (
        table.period == "day"
        and figure is not None
        and "day" in figure.rows.by
        and not figure.rows.is_stock
        and not names_its_row(figure)
    )


def pools(table: type[KpiTable]) -> bool:
    """Whether a table has figures over ranges of days."""
    return any(pooled(table, column) for column in figures(table))


def names_its_row(figure: Figure) -> bool:
    """Whether a figure is told by its own row `k`, so that without one it has no value."""
    rows = figure.rows
    texts = (rows.where, rows.joins, *rows.extra.values(), figure.value, figure.where, figure.over, figure.given)
    return any(_OWN_ROW.search(text) for text in texts)


def aggregate(figure: Figure, expand: Expand, *, where: str, own: str = "") -> str:
    """A figure as an expression over its rows.

    `where`: which of them, empty where no others are there; `own`: of a figure whose numerator is of its own key, which
    rows those are.
    """
    if not figure.over:
        return _filtered(expand(figure.value), where)
    part = " and ".join(f"({one})" for one in (where, expand(figure.part), own) if one)
    whole = _filtered(expand(figure.over), where)
    return f"(case when {whole} <> 0 then {_filtered(expand(figure.value), part)} * 1e0 / {whole} end)"


def _filtered(value: str, where: str) -> str:
    if FILTER not in value and where:
        value = f"{value}{FILTER}"
    return value.replace(FILTER, f" filter (where {where})" if where else "")


def used(figure: Figure, expand: Expand) -> tuple[str, ...]:
    """The columns of its rows that decide a figure, in their declared order.

    Where the expression names none, as a count does, those that the rows list, that pick them, or that say where they
    count.
    """
    rows = figure.rows
    known = [*rows.source.columns, *rows.extra]
    if figure.uses:
        return figure.uses
    sides = (figure.value, figure.part, figure.over, figure.where if figure.over else "")
    for texts in (sides, rows.lists, (figure.where,), (rows.where,), rows.by.values()):
        named = names_in(expand(" , ".join(filter(None, texts))))
        if found := tuple(name for name in known if name in named):
            return found
    return ()


@dataclass(slots=True)
class _Group:
    """Figures of one GROUP BY: of the same rows, by the same grain."""

    name: str
    rows: str
    grain: tuple[str, ...]
    is_each: bool
    expressions: dict[str, str] = field(default_factory=dict)

    def sql(self) -> str:
        """Its SELECT."""
        columns = [*self.grain, *(f"{expression} as {_quoted(name)}" for name, expression in self.expressions.items())]
        by = f"\n    group by {', '.join(self.grain)}" if self.grain and not self.is_each else ""
        return f"select{_listed(columns)}\n    from {self.rows} as counted{by}"


def _listed(columns: Sequence[str]) -> str:
    return ",".join(f"\n        {column}" for column in columns)


@dataclass(frozen=True, slots=True)
class Kept:
    """That a table's rows are kept but for some keys. `keys`: the relation of these; `before`: that of the rows.

    `is_whole`: there are none, so that no row need be read.
    """

    keys: str
    before: str
    is_whole: bool = False


def select(table: type[KpiTable], expand: Expand, *, file: Callable[[str, str], str], kept: Kept | None = None) -> str:
    """The SELECT of a table's own columns and `coverage`.

    `expand`: a text in the words of the templates as SQL; `file`: a `.sql` beside the table, over a relation of rows.
    """
    return _Select(table, expand, file, kept).sql()


class _Select:
    """One table's SELECT being put together."""

    def __init__(
        self, table: type[KpiTable], expand: Expand, file: Callable[[str, str], str], kept: Kept | None
    ) -> None:
        self.table, self.expand, self.file, self.kept = table, expand, file, kept
        self.declared = figures(table)
        self.hidden = {_COVERAGE: table.seen} if isinstance(table.seen, Figure) else {}
        self.sources: dict[Rows, str] = {}
        self.groups: dict[tuple[Rows, tuple[str, ...]], _Group] = {}
        self.files: dict[str, Figure] = {}

    def sql(self) -> str:
        """The whole of it."""
        for rows in dict.fromkeys(figure.rows for figure in self._all().values()):
            self.sources[rows] = f"rows_{len(self.sources) + 1}"
        columns = {name: self._column(name, figure) for name, figure in self._all().items()}
        keys = self.expand(self.table.keys) if self.table.keys else self._keys()
        coverage = columns.pop(_COVERAGE, None) or self.expand(str(self.table.seen))
        if self.kept is not None:
            anew = f"before.{_quoted(self.table.key[0])} is null or anew.{_quoted(self.table.key[0])} is not null"
            columns = {
                name: f"case when {anew} then {value} else before.{_quoted(name)} end"
                for name, value in columns.items()
            }
        own = [name for name in self.table.columns if name not in KpiTable.columns]
        listed = [f"{columns.get(name) or f'keys.{_quoted(name)}'} as {_quoted(name)}" for name in own]
        lines = ",\n    ".join([*listed, f"{coverage} as {_COVERAGE}"])
        return f"with {self._relations()}\nselect\n    {lines}\nfrom {keys} as keys{self._joins()}"

    def _all(self) -> Mapping[str, Figure]:
        return {**self.declared, **self.hidden}

    def _column(self, name: str, figure: Figure) -> str:
        """A column of the table, from the group that has it."""
        if figure.file:
            value = f"{self._filed(figure)}.{_quoted(name)}"
        elif figure.is_own_part:
            # Of this key by all of its grain: two groups.
            part, whole = self._group(figure, self.table.key), self._group(figure, figure.grain or ())
            part.expressions[f"{name}_part"] = _filtered(self.expand(figure.value), self._where(figure))
            whole.expressions[f"{name}_whole"] = _filtered(self.expand(figure.over), self._where(figure))
            of = f'{whole.name}."{name}_whole"'
            value = f'(case when {of} <> 0 then {part.name}."{name}_part" * 1e0 / {of} end)'
        else:
            group = self._group(figure, self.table.key if figure.grain is None else figure.grain)
            group.expressions[name] = (
                self.expand(figure.value)
                if figure.rows.is_each
                else aggregate(figure, self.expand, where=self._where(figure))
            )
            value = f"{group.name}.{_quoted(name)}"
        if figure.empty is not None:
            value = f"coalesce({value}, {figure.empty})"
        return f"case when {self.expand(figure.given)} then {value} end" if figure.given else value

    def _where(self, figure: Figure) -> str:
        return self.expand(figure.where) if figure.where else ""

    def _group(self, figure: Figure, grain: tuple[str, ...]) -> _Group:
        known = self.groups.get((figure.rows, grain))
        if known is None:
            name = f"figures_{len(self.groups) + 1}"
            known = _Group(name, self.sources[figure.rows], grain, figure.rows.is_each)
            self.groups[figure.rows, grain] = known
        return known

    def _filed(self, figure: Figure) -> str:
        """The relation of a file's figures."""
        name = f"figures_of_{figure.file}"
        self.files[name] = figure
        return name

    def _keys(self) -> str:
        """What there is by key, where the table names no keys: those that have rows."""
        if not self.table.key:
            return "(select 1 as one)"
        names = ", ".join(map(_quoted, self.table.key))
        full = [group.name for (_, grain), group in self.groups.items() if grain == self.table.key]
        keys = " union distinct ".join(f"select {names} from {name}" for name in full)
        if self.kept is not None:
            anew = f"select {names} from {self.kept.keys}"
            keys += f" union distinct select {names} from {self.kept.before} where ({names}) not in ({anew})"
        return f"({keys})"

    def _relations(self) -> str:
        parts = [f"{name} as (\n    {self._rows(rows)}\n)" for rows, name in self.sources.items()]
        parts += [f"{group.name} as (\n    {group.sql()}\n)" for group in self.groups.values()]
        for name, figure in self.files.items():
            columns = ", ".join(map(_quoted, dict.fromkeys((*figure.rows.by, *figure.uses))))
            where = f" where {self._where(figure)}" if figure.where else ""
            relation = f"(select {columns} from {self.sources[figure.rows]}{where})"
            parts.append(f"{name} as (\n{self.file(figure.file, relation)}\n)")
        return ",\n".join(parts)

    def _rows(self, rows: Rows) -> str:
        """SELECT rows with their keys and the columns that figures use."""
        texts = [
            self.expand(text)
            for figure in self._all().values()
            if figure.rows is rows
            for text in (figure.value, figure.where, figure.part, figure.over, *figure.uses)
            if text
        ]
        named = names_in(" , ".join(texts))
        wanted = [name for name in (*rows.source.columns, *rows.extra) if name in named]
        columns = [f"{self.expand(value)} as {_quoted(name)}" for name, value in rows.by.items()]
        for name in wanted:
            value = self.expand(rows.extra[name]) if name in rows.extra else f"r.{_quoted(name)}"
            if name not in rows.by:
                columns.append(f"{value} as {_quoted(name)}")
        lines = f"select{_listed(columns or ['1 as one'])}\n    {source(rows, self.expand)}"
        if self.kept is None:
            return lines
        if self.kept.is_whole:
            return f"select * from (\n    {lines}\n) as r where false"
        names = ", ".join(map(_quoted, self.table.key))
        return f"select * from (\n    {lines}\n) as r where ({names}) in (select {names} from {self.kept.keys})"

    def _joins(self) -> str:
        joined = [(group.name, group.grain) for group in self.groups.values()]
        joined += [(name, self.table.key) for name in self.files]
        lines = []
        for name, grain in joined:
            on = " and ".join(f"{name}.{_quoted(part)} = keys.{_quoted(part)}" for part in grain)
            lines.append(f"\nleft join {name} on {on}" if grain else f"\ncross join {name}")
        if self.kept is not None:
            for name, relation in (("before", self.kept.before), ("anew", self.kept.keys)):
                on = " and ".join(f"{name}.{_quoted(part)} = keys.{_quoted(part)}" for part in self.table.key)
                lines.append(f"\nleft join {relation} as {name} on {on}")
        return "".join(lines)


def source(rows: Rows, expand: Expand, *, before: str = "", where: Sequence[str] = (), of: str = "") -> str:
    """FROM and WHERE of rows, as `r`. `before`: what else is joined; `where`: more conditions, as SQL.

    `of`: in the place of their table another that is like it.
    """
    conditions = [*([expand(rows.where)] if rows.where else []), *where]
    joins = f"\n    {expand(rows.joins).strip()}" if rows.joins else ""
    picked = f"\n    where {' and '.join(f'({one})' for one in conditions)}" if conditions else ""
    return f"from {before}{of or rows.source.full_name()} as r{joins}{picked}"


def _quoted(name: str) -> str:
    return f'"{name}"'
