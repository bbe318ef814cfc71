"""The rows behind figures of a published snapshot, and figures computed from them: of one row, or of a range of days.

What belongs here: asking a snapshot for them. What does not: which rows those are (metrics/), what a receipt says of
them (receipt.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import duckdb

from crm_platform.clock import zone_of
from crm_platform.errors import GiveUp, InvalidRequest, NotFound
from crm_platform.models import Cut, expand, vocabulary
from crm_platform.models.generate import aggregate, figures, pooled, source, used
from crm_platform.models.render import from_file, template_path
from crm_platform.publish import Manifest, read_manifest, reading
from crm_platform.publish.manifest import DATABASE
from crm_platform.receipts.bounds import Bounds
from crm_platform.receipts.keys import RANGE, is_range, named, nearest, typed
from crm_platform.schemas import WELL_COVERED, CoreTable, KpiTable, Table
from crm_platform.schemas.figures import Figure
from crm_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

SAME: Final = 1e-9
"""Relative difference up to which two floats are one figure: sums depend on the order of their terms."""


class Connection(Protocol):
    """What runs a SELECT: a DuckDB connection, or one to a narrowed snapshot."""

    def cursor(self) -> Cursor:
        """Begin a question of its own."""


class Cursor(Protocol):
    """What runs a SELECT, once."""

    def sql(self, query: str, *, params: object = None) -> duckdb.DuckDBPyRelation:
        """Run it, for many rows as Arrow."""

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Run it, for few rows: it is planned once, where `sql` plans it twice."""


class OpenedSnapshot(Protocol):
    """A snapshot that can be asked: serving's OpenSnapshot, or what `opened` gives."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""

    @property
    def connection(self) -> Connection:
        """Its database, open read-only."""


@dataclass(frozen=True, slots=True)
class _Opened:
    manifest: Manifest
    connection: duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a column is computed from.

    `source`: the published table of the rows; `key`: what names a row; `used`: the columns that decide the figure;
    `takes`: of rows that are figures themselves, those of them that are figures.
    """

    table: type[KpiTable]
    column: str
    figure: Figure
    source: type[Table]
    key: tuple[str, ...]
    used: tuple[str, ...]
    takes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """The rows behind one figure, or behind all figures of `k`: relations as SQL, and their named parameters.

    `k`: SELECT of the figures' own rows; `behind`: SELECT of the rows behind them, over `k`.
    """

    line: Lineage
    k: str
    behind: str
    parameters: Mapping[str, object]

    def asking(self, select: str) -> str:
        """A SELECT over `k` and `behind`."""
        return f"with k as ({self.k}), behind as ({self.behind}) {select}"


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows behind a figure give; `digest`: SHA-256 of their lines."""

    value: object
    row_count: int
    rows: tuple[Mapping[str, object], ...]
    digest: str


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[OpenedSnapshot]:
    """Open the snapshot in a folder, by its real path, for a while. Raises GiveUp when it is broken."""
    manifest = read_manifest(folder)
    with reading(folder) as connection:
        yield _Opened(manifest, connection)


def is_same(one: object, other: object) -> bool:
    """Whether two values are one figure."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME, abs_tol=SAME)
    return one == other


@functools.lru_cache(maxsize=16)
def _words(settings: str, as_of: dt.datetime) -> dict[str, Any]:
    built_with = Settings.model_construct(**json.loads(settings))
    return vocabulary(dialect="duckdb", settings=built_with, cut=Cut(as_of=as_of, rows={}))


@functools.lru_cache(maxsize=16)
def _manifest_beside(database: Path) -> Manifest:
    return read_manifest(database.parent)


def database_path(connection: Connection) -> str | None:
    """The file that a connection's database is in; None where it is in none."""
    found = connection.cursor().execute("select path from duckdb_databases() where database_name = current_database()")
    ((path,),) = found.fetchall()
    return path  # type: ignore[no-any-return]


def rows_of(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a SELECT that was executed, one dict a row."""
    names = [one[0] for one in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """A snapshot being asked, with the words its SQL was written in."""

    manifest: Manifest
    connection: Connection
    words: dict[str, Any]

    @classmethod
    def of(cls, snapshot: OpenedSnapshot | duckdb.DuckDBPyConnection) -> SnapshotReader:
        """Begin. Raises GiveUp when the snapshot does not say what receipts need."""
        if isinstance(snapshot, duckdb.DuckDBPyConnection):
            path = database_path(snapshot)
            if path is None or Path(path).name != DATABASE:
                raise GiveUp(f"a receipt is of a published snapshot: open its {DATABASE}")
            manifest: Manifest = _manifest_beside(Path(path))
            connection: Connection = snapshot
        else:
            manifest, connection = snapshot.manifest, snapshot.connection
        if manifest.settings is None:
            raise GiveUp(f"the snapshot {manifest.id} is from before there were receipts: publish again (crm build)")
        words = _words(json.dumps(manifest.settings, sort_keys=True), manifest.as_of)
        return cls(manifest, connection, words)

    @property
    def today(self) -> dt.date:
        """The local day that holds the cut, which is not over."""
        return self.manifest.as_of.astimezone(zone_of(self.manifest.timezone)).date()

    def query(self, sql: str, parameters: Mapping[str, object] = MappingProxyType({})) -> pa.Table:
        """Run a SELECT on a cursor of its own."""
        return self.connection.cursor().sql(sql, params=dict(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Mapping[str, object] = MappingProxyType({})) -> list[dict[str, Any]]:
        """Run a SELECT of few rows; one dict a row."""
        return rows_of(self.connection.cursor().execute(sql, dict(parameters)))

    def expand(self, text: str) -> str:
        """A text of a declaration as SQL."""
        return _one_line(expand(text, self.words))

    def own(self, table: type[KpiTable], key: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
        """SELECT the row of a figure, with its parameters by name."""
        values = typed(table, key)
        where = " and ".join(RANGE.get(name, f'"{name}" = ${name}') for name in values) or "true"
        return f"select * from {table.full_name()} where {where}", values

    def row(
        self, table: type[KpiTable], key: Mapping[str, object], column: str, *, bounds: Bounds | None = None
    ) -> dict[str, Any] | None:
        """A figure's own row, None when there is none; of a range of days, what a row of all of them would say.

        `bounds`: of the rows behind it, only these count. Raises InvalidRequest for a key that does not fit.
        """
        if table.full_name() not in self.manifest.tables:
            raise NotFound(f"{table.full_name()} is not in snapshot {self.manifest.id}: publish again (crm build)")
        own = self.own(table, key)
        rows = self.query(*own).to_pylist()
        if not rows:
            return None
        if not is_range(key):
            line = self.lineage(table, column) if bounds else None
            return {**rows[0], column: self.value(self.behind(line, own, bounds=bounds))} if line else rows[0]
        if not pooled(table, column):
            raise InvalidRequest(f"{table.full_name()}.{column} has no value over a range of days: name one day")
        seen = self.coverage(own[1]["day_from"], own[1]["day_to"])
        line = self.lineage(table, column)
        return {
            column: self.value(self.behind(line, own, bounds=bounds)) if line else None,
            "coverage": seen,
            "is_provisional": seen is None or seen < WELL_COVERED or max(row["day"] for row in rows) >= self.today,
            "definition_version": max(row["definition_version"] for row in rows),
        }

    def coverage(self, first: object, after: object) -> float | None:
        """Share of the messages of local days that is stored: of the whole range, not of its worst day."""
        span = self.expand("{{ message_coverage('$day_from', '$day_to') }}")
        (row,) = self.rows(f"select {span} as coverage", {"day_from": first, "day_to": after})
        return row["coverage"]  # type: ignore[no-any-return]

    def no_such_row(self, table: type[KpiTable], key: Mapping[str, object]) -> NotFound:
        """Say which rows there are instead."""
        wanted = typed(table, key)
        known = self.query(f"select distinct {', '.join(table.key)} from {table.full_name()} order by all").to_pylist()
        if not known:
            return NotFound(f"{table.full_name()} has no rows")
        if any(isinstance(value, str) for value in wanted.values()):
            hint = nearest(named(wanted), [named(row) for row in known])
        else:
            hint = "; ".join(
                f"{name} goes from {min(row[name] for row in known)} to {max(row[name] for row in known)}"
                for name in table.key
            )
        return NotFound(f"{table.full_name()} has no row for {named(wanted)}: {hint}")

    def lineage(self, table: type[KpiTable], column: str) -> Lineage | None:
        """What a column is computed from; None of one that declares no rows."""
        figure = table.columns[column].figure
        if figure is None:
            return None
        rows = figure.rows.source
        columns = used(figure, self.expand)
        takes = (
            tuple(name for name in columns if name in rows.columns and rows.columns[name].figure)
            if issubclass(rows, KpiTable)
            else ()
        )
        key = figure.rows.key or rows.key
        return Lineage(table, column, figure, source=rows, key=key, used=columns, takes=takes)

    def behind(self, line: Lineage, own: tuple[str, Mapping[str, object]], *, bounds: Bounds | None = None) -> Behind:
        """The rows behind a column of the rows that `own` selects; with `bounds` only those between them."""
        figure, rows = line.figure, line.figure.rows
        grain = line.table.key if figure.grain is None else figure.grain
        by = {name: self.expand(value) for name, value in rows.by.items()}
        columns = [f"{value} as by_{name}" for name, value in by.items()]
        if figure.is_own_part:
            columns.append(" and ".join(f'{value} = k."{name}"' for name, value in by.items()) + " as is_own")
        here = [f'{by[name]} = k."{name}"' for name in grain if name in by]
        found = source(rows, self.expand, before="k cross join ", where=here)
        picked, parameters = self._picked(figure, found, columns), dict(own[1])
        if bounds is not None:
            sides = {">=": ("at_least", bounds.at_least), "<": ("below", bounds.below)}
            given = {sign: side for sign, side in sides.items() if side[1] is not None}
            measure = self.expand(bounds.expression)
            within = " and ".join(f"{measure} {sign} ${name}" for sign, (name, _) in given.items())
            picked = f"select * from ({picked}) as bounded where {within}"
            parameters |= dict(given.values())
        return Behind(line, own[0], picked, parameters)

    def over(
        self,
        line: Lineage,
        first: dt.date,
        after: dt.date,
        *,
        only: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Behind:
        """The rows behind a column that belong to the local days from `first` to before `after`.

        `only`: of these values of columns of the rows. Raises InvalidRequest where rows belong to no day.
        """
        figure, rows = line.figure, line.figure.rows
        day = rows.day or rows.by.get("day")
        name, is_told = line.table.full_name(), template_path(line.table) is not None
        if day is None or rows.is_stock or figure.is_own_part or (is_told and not pooled(line.table, line.column)):
            raise InvalidRequest(f"{name}.{line.column} has no value over a range of days")
        here = [f"{self.expand(day)} >= $day_from", f"{self.expand(day)} < $day_to"]
        here += [f'r."{column}" in (select unnest(${column}))' for column in only]
        if is_told:  # Its template says which days there are, and may leave older rows out.
            here.append(f"{self.expand(day)} in (select day from {name})")
        found = self._picked(figure, source(rows, self.expand, where=here))
        named = {column: list(values) for column, values in only.items()}
        parameters = {"day_from": first, "day_to": after, **named}
        return Behind(line, "select null as nothing", found, parameters)

    def _picked(self, figure: Figure, found: str, columns: Sequence[str] = ()) -> str:
        """SELECT the rows of a FROM that the figure picks, with the columns its rows declare besides, and more."""
        extra = [f'{self.expand(value)} as "{name}"' for name, value in figure.rows.extra.items()]
        where = f" where {self.expand(figure.where)}" if figure.where else ""
        return f"select * from (select {', '.join(['r.*', *extra, *columns])} {found}) as rows{where}"

    def value(self, behind: Behind) -> object:
        """The figure from its rows."""
        select = behind.asking(f"select ({self._select(behind.line)}) as value")
        (row,) = self.rows(select, behind.parameters)
        return row["value"]

    def values(self, line: Lineage, first: dt.date, after: dt.date) -> dict[str, object]:
        """A column over a range of days, and with it those that are computed as quickly, of the same rows in one pass.

        Raises InvalidRequest where rows belong to no day.
        """
        if not _is_quick(line.figure):
            return {line.column: self.value(self.over(line, first, after))}
        alike = {
            name: figure
            for name, figure in figures(line.table).items()
            if figure.rows == line.figure.rows and _is_quick(figure) and pooled(line.table, name)
        }
        every = [line, *(one for name in alike if name != line.column and (one := self.lineage(line.table, name)))]
        computed = [f'{self.computed(one, where=one.figure.where)} as "{one.column}"' for one in every]
        behind = self.over(replace(line, figure=replace(line.figure, where="")), first, after)
        (row,) = self.rows(behind.asking(f"select {', '.join(computed)} from behind"), behind.parameters)
        return row

    def value_by(self, behind: Behind, expression: str) -> dict[object, object]:
        """The figure by the values of an expression over its rows; nothing of a value that has none."""
        select = f"select {expression} as by_value, {self.computed(behind.line)} as value from behind group by all"
        return {row["by_value"]: row["value"] for row in self.rows(behind.asking(select), behind.parameters)}

    def computed(self, line: Lineage, *, where: str = "") -> str:
        """The figure as an expression over `behind`, or a SELECT where it is no aggregate.

        `where`: picks its rows, where `behind` has others, too.
        """
        figure, table = line.figure, line.table
        if figure.file:
            # The rows of all keys, of which one is looked at; or of one key, which tells nothing apart.
            is_all = figure.grain == ()
            keys = [(f"by_{name}" if is_all else "0") + f' as "{name}"' for name in table.key]
            rows = f"(select {', '.join([*keys, *figure.uses])} from behind)"
            this = " and ".join(f'figures."{name}" = (select "{name}" from k)' for name in table.key)
            where = f" where {this}" if is_all else ""
            text = from_file(table, figure.file, rows, self.words)
            return f'select "{line.column}" from ({_one_line(text)}) as figures{where}'
        if figure.rows.is_each:
            value = self.expand(figure.value)
        else:
            own = "is_own" if figure.is_own_part else ""
            value = aggregate(figure, self.expand, where=self.expand(where), own=own)
        if figure.empty is not None and "count(" not in value:
            value = f"coalesce({value}, {figure.empty})"
        return f"case when {self.expand(figure.given)} then {value} end" if figure.given else value

    def _select(self, line: Lineage) -> str:
        value = self.computed(line)
        return value if line.figure.file else f"select {value} from behind"

    def evaluate(self, behind: Behind, *, limit: int | None) -> Found:
        """The figure from its rows, and those rows."""
        line = behind.line
        columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*line.key, *line.used))) or "1 as one"
        # A row's line is a JSON object of its key and used values; the lines are hashed in their own order.
        (row,) = self.rows(
            behind.asking(f"""
                select
                    ({self._select(line)}) as value,
                    (select count(*) from behind) as row_count,
                    (
                        select sha256(coalesce(string_agg(line, chr(10) order by line), ''))
                        from (
                            select cast(to_json(listed) as varchar) as line
                            from (select {columns} from behind) as listed
                        ) as lines
                    ) as digest
            """),
            behind.parameters,
        )
        order = ", ".join(f'"{name}"' for name in line.key) or "all"
        some = "" if limit is None else f" limit {int(limit)}"
        listed = self.rows(behind.asking(f"select {columns} from behind order by {order}{some}"), behind.parameters)
        return Found(row["value"], row["row_count"], tuple(listed), row["digest"])

    def fetch_ids(self, behind: Behind) -> str:
        """SELECT the ids of the requests that rows came from; empty where they came from none."""
        line = behind.line
        if not issubclass(line.source, KpiTable):
            fetches = line.source.fetches if issubclass(line.source, CoreTable) else ()
            parts = [behind.asking(part) for part in fetches]
        else:
            # Rows that are figures came from where the figures taken from them came from.
            names = ", ".join(f'"{name}"' for name in line.key)
            taken = f"select * from {line.source.full_name()}"
            if names:
                taken += f" where ({names}) in ({behind.asking(f'select {names} from behind')})"
            lines = [self.lineage(line.source, column) for column in line.takes]
            parts = [self.fetch_ids(self.behind(one, (taken, behind.parameters))) for one in lines if one]
        return " union ".join(f"select fetch_id from ({part})" for part in parts if part)


def _is_quick(figure: Figure) -> bool:
    """Whether a figure is a count, a sum or a rate: a median or a percentile takes as long as many of these."""
    return figure.value.startswith(("count(", "sum(")) and not (figure.rows.is_each or figure.is_own_part)


def _one_line(sql: str) -> str:
    """SQL without comments and line breaks."""
    return " ".join(" ".join(line.partition("--")[0] for line in sql.splitlines()).split())
