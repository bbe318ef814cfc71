"""One figure's receipt.

What belongs here: finding the figure, the rows behind it, the requests they came from, and the digest. What does not:
which rows those are (lineage.py), a figure's history (moved.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

import duckdb

from crm_platform.errors import GiveUp, InvalidRequest, NotFound
from crm_platform.models import Cut, expand, vocabulary
from crm_platform.publish import Manifest, read_manifest, reading
from crm_platform.publish.manifest import DATABASE
from crm_platform.receipts.lineage import FETCHES, FIGURES, POOLED, Figure
from crm_platform.schemas import TABLES, WELL_COVERED, KpiTable, Type
from crm_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

ROWS: Final = 1000
"""So many rows and requests a receipt lists unless told otherwise; counts and digest are over all of them."""

SAME: Final = 1e-9
"""Relative difference up to which two floats are one figure: sums depend on the order of their terms."""

_LARGEST: Final = 2**63 - 1
_NAMED: Final = 8  # so many alternatives an error message names


class OpenedSnapshot(Protocol):
    """A snapshot that can be asked: serving's OpenSnapshot, or what `opened` gives."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Its database, open read-only."""


@dataclass(frozen=True, slots=True)
class _Opened:
    manifest: Manifest
    connection: duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Taken:
    """A figure that another one is taken from; its own receipt says more."""

    table: str
    key: Mapping[str, object]
    column: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The requests that the rows behind a figure came from.

    `requests`: how many; `first_at`, `last_at`: when the first and the last of them was sent (UTC, naive), None when
    there is none; `by_operation`: how many of each; `listed`: the newest of them, one mapping each.
    """

    requests: int
    first_at: dt.datetime | None
    last_at: dt.datetime | None
    by_operation: Mapping[str, int]
    listed: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one published figure is made of.

    `table`, `key`, `column`: which figure; `value`, `unit`: what it says. `meaning`, `table_meaning`,
    `definition_version`: its definition; `computed`: how it follows from the rows, as SQL over `behind`; `sql`: the
    SELECT that filled the table. `as_of` (aware UTC), `coverage`, `is_provisional`: of when and how complete.
    `source`: the published table of the rows behind it (None: no lineage is declared), `row_key`, `used`: their columns
    that are listed, `row_count` of them, `rows` the first by key; chat and message ids are pseudonyms. `recomputed`:
    the figure computed from just these rows. `taken_from`: the figures it is taken from. `digest`: SHA-256 in
    hexadecimal over the figure, its value, the definition version and all rows: equal inputs give equal digests.
    """

    table: str
    key: Mapping[str, object]
    column: str
    value: object
    unit: str | None
    meaning: str
    table_meaning: str
    definition_version: int
    computed: str | None
    sql: str | None
    snapshot: str
    as_of: dt.datetime
    coverage: float | None
    is_provisional: bool
    source: str | None
    row_key: tuple[str, ...]
    used: tuple[str, ...]
    row_count: int
    rows: tuple[Mapping[str, object], ...]
    recomputed: object
    taken_from: tuple[Taken, ...]
    fetched: Fetched
    digest: str

    @property
    def agrees(self) -> bool | None:
        """Whether the rows give the published value; None when no lineage is declared."""
        return None if self.source is None else is_same(self.value, self.recomputed)

    def to_dict(self) -> dict[str, Any]:
        """The receipt as JSON writes it: times as ISO 8601, and whether it agrees."""
        return {**{one.name: jsonable(getattr(self, one.name)) for one in fields(self)}, "agrees": self.agrees}


def receipt(
    snapshot: OpenedSnapshot | duckdb.DuckDBPyConnection,
    table: str,
    key: Mapping[str, object],
    column: str,
    *,
    limit: int | None = ROWS,
) -> Receipt:
    """The receipt of one figure of a published snapshot.

    `snapshot`: as serving opens it, or a read-only connection to its analytics.duckdb; threads may share it. `table`:
    with or without its schema. `key`: the row's key columns; texts are read as the column's type (`2026-11-20`, `7`).
    Of the tables in POOLED also `day_from` and `day_to` (excluded): the figure over the rows of all those days.
    `limit`: most rows and requests listed, None for all. Raises NotFound for a table, column or row that is not there
    (the message names the nearest), InvalidRequest for a key that does not fit, GiveUp when the snapshot was published
    before there were receipts.
    """
    asked = Asked.of(snapshot)
    declared = find_kpi(table)
    check_column(declared, column)
    row = asked.row(declared, key, column)
    if row is None:
        raise asked.no_such_row(declared, key)
    entry = asked.manifest.tables[declared.full_name()]
    name, own_key = declared.full_name(), typed(declared, key)
    figure = FIGURES.get(name, {}).get(column)
    behind = asked.behind(declared, column, asked.own(declared, own_key)) if figure else None
    found = asked.evaluate(figure, behind, limit=limit) if figure and behind else _NOTHING
    words = declared.columns[column]
    return Receipt(
        table=name,
        key=MappingProxyType(own_key),
        column=column,
        value=row[column],
        unit=words.unit,
        meaning=words.description,
        table_meaning=declared.description(),
        definition_version=row["definition_version"],
        computed=asked.expand(figure.value) if figure else None,
        sql=entry.sql,
        snapshot=asked.manifest.id,
        as_of=asked.manifest.as_of,
        coverage=row["coverage"],
        is_provisional=row["is_provisional"],
        source=figure.rows.source if figure else None,
        row_key=figure.rows.key if figure else (),
        used=figure.rows.used if figure else (),
        row_count=found.row_count,
        rows=found.rows,
        recomputed=found.value,
        taken_from=_taken(figure, found.rows) if figure else (),
        fetched=asked.fetched(behind, limit=limit) if behind else _NOT_FETCHED,
        digest=_digest(name, own_key, column, row[column], row["definition_version"], found.digest),
    )


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


def find_kpi(name: str) -> type[KpiTable]:
    """A KPI table by its name, with or without schema. Raises NotFound, naming the nearest."""
    tables = {one.table: one for one in TABLES.values() if issubclass(one, KpiTable)}
    found = tables.get(name.removeprefix("kpi."))
    if found is None:
        raise NotFound(f"there is no KPI table {name!r}: {_nearest(name.removeprefix('kpi.'), tables)}")
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
    raise NotFound(f"{table.full_name()} has no column {column!r}: {_nearest(column, figures)}")


def _nearest(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Name what was perhaps meant, else what there is."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there is {_some(list(known))}"


def _named(row: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def jsonable(value: object) -> object:
    """A value as JSON writes it: times as ISO 8601 in UTC."""
    if isinstance(value, dt.datetime):
        # Columns hold UTC without saying so.
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, Taken | Fetched):
        return {one.name: jsonable(getattr(value, one.name)) for one in fields(value)}
    return value


def _digest(*parts: object) -> str:
    """SHA-256 of a JSON array. Its last part, of the rows: SHA-256 of a JSON object a row, sorted, a line each."""
    text = json.dumps([jsonable(part) for part in parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _taken(figure: Figure, rows: Sequence[Mapping[str, object]]) -> tuple[Taken, ...]:
    return tuple(
        Taken(figure.rows.source, MappingProxyType({part: row[part] for part in figure.rows.key}), column)
        for row in rows
        for column in figure.rows.takes
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the rows behind a figure give; `digest`: SHA-256 of their lines."""

    value: object
    row_count: int
    rows: tuple[Mapping[str, object], ...]
    digest: str


_NOTHING: Final = _Found(None, 0, (), hashlib.sha256(b"").hexdigest())
_NOT_FETCHED: Final = Fetched(0, None, None, MappingProxyType({}), ())


_RANGE: Final = {"day_from": "day >= $day_from", "day_to": "day < $day_to"}


@dataclass(frozen=True, slots=True)
class Behind:
    """The rows behind one figure, or behind all figures of `k`: relations as SQL, and their named parameters.

    `k`: SELECT of the figures' own rows; `behind`: SELECT of the rows behind them, over `k`; `source`, `takes`: what
    they are rows of, and which figures are taken from each.
    """

    k: str
    behind: str
    parameters: Mapping[str, object]
    source: str
    key: tuple[str, ...]
    takes: tuple[str, ...]

    def asking(self, select: str) -> str:
        """A SELECT over `k` and `behind`."""
        return f"with k as ({self.k}), behind as ({self.behind}) {select}"


@functools.lru_cache(maxsize=16)
def _words(settings: str, as_of: dt.datetime) -> dict[str, Any]:
    built_with = Settings.model_construct(**json.loads(settings))
    return vocabulary(dialect="duckdb", settings=built_with, cut=Cut(as_of=as_of, rows={}))


@functools.lru_cache(maxsize=16)
def _manifest_beside(database: Path) -> Manifest:
    return read_manifest(database.parent)


@dataclass(frozen=True, slots=True)
class Asked:
    """A snapshot being asked, with the words its SQL was written in."""

    manifest: Manifest
    connection: duckdb.DuckDBPyConnection
    words: dict[str, Any]

    @classmethod
    def of(cls, snapshot: OpenedSnapshot | duckdb.DuckDBPyConnection) -> Asked:
        """Begin. Raises GiveUp when the snapshot does not say what receipts need."""
        if isinstance(snapshot, duckdb.DuckDBPyConnection):
            ((path,),) = (
                snapshot.cursor()
                .execute("select path from duckdb_databases() where database_name = current_database()")
                .fetchall()
            )
            if path is None or Path(path).name != DATABASE:
                raise GiveUp(f"a receipt is of a published snapshot: open its {DATABASE}")
            manifest, connection = _manifest_beside(Path(path)), snapshot
        else:
            manifest, connection = snapshot.manifest, snapshot.connection
        if manifest.settings is None:
            raise GiveUp(f"the snapshot {manifest.id} is from before there were receipts: publish again (crm build)")
        words = _words(json.dumps(manifest.settings, sort_keys=True), manifest.as_of)
        return cls(manifest, connection, words)

    def query(self, sql: str, parameters: Mapping[str, object] = MappingProxyType({})) -> pa.Table:
        """Run a SELECT on a cursor of its own."""
        return self.connection.cursor().sql(sql, params=dict(parameters)).to_arrow_table()

    def expand(self, text: str) -> str:
        """A text of the lineage as SQL."""
        return " ".join(expand(text, self.words).split())

    def own(self, table: type[KpiTable], key: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
        """SELECT the row of a figure, with its parameters by name."""
        values = typed(table, key)
        where = " and ".join(_RANGE.get(name, f'"{name}" = ${name}') for name in values) or "true"
        return f"select * from {table.full_name()} where {where}", values

    def row(self, table: type[KpiTable], key: Mapping[str, object], column: str) -> dict[str, Any] | None:
        """A figure's own row, None when there is none; of a range of days, what a row of all of them would say.

        Raises InvalidRequest for a key that does not fit.
        """
        if table.full_name() not in self.manifest.tables:
            raise NotFound(f"{table.full_name()} is not in snapshot {self.manifest.id}: publish again (crm build)")
        own = self.own(table, key)
        rows = self.query(*own).to_pylist()
        if not rows or not is_range(key):
            return rows[0] if rows else None
        # Of the whole range, not of its worst day.
        span = self.expand("{{ message_coverage('$day_from', '$day_to') }}")
        (seen,) = self.query(f"select {span} as coverage", own[1])["coverage"].to_pylist()
        today = self.manifest.as_of.astimezone(ZoneInfo(self.manifest.timezone)).date()
        behind = self.behind(table, column, own)
        return {
            column: self.value(FIGURES[table.full_name()][column], behind),
            "coverage": seen,
            "is_provisional": seen is None or seen < WELL_COVERED or max(row["day"] for row in rows) >= today,
            "definition_version": max(row["definition_version"] for row in rows),
        }

    def no_such_row(self, table: type[KpiTable], key: Mapping[str, object]) -> NotFound:
        """Say which rows there are instead."""
        wanted = typed(table, key)
        known = self.query(f"select distinct {', '.join(table.key)} from {table.full_name()} order by all").to_pylist()
        if not known:
            return NotFound(f"{table.full_name()} has no rows")
        if any(isinstance(value, str) for value in wanted.values()):
            hint = _nearest(_named(wanted), [_named(row) for row in known])
        else:
            hint = "; ".join(
                f"{name} goes from {min(row[name] for row in known)} to {max(row[name] for row in known)}"
                for name in table.key
            )
        return NotFound(f"{table.full_name()} has no row for {_named(wanted)}: {hint}")

    def behind(self, table: type[KpiTable], column: str, own: tuple[str, Mapping[str, object]]) -> Behind:
        """The rows behind a column of the rows that `own` selects."""
        figure = FIGURES[table.full_name()][column]
        columns = ", ".join(["r.*", *(self.expand(one) for one in figure.rows.extra)])
        rows = f"select {columns} from k cross join {self.expand(figure.rows.rows)} and ({self.expand(figure.where)})"
        return Behind(own[0], rows, own[1], figure.rows.source, figure.rows.key, figure.rows.takes)

    def value(self, figure: Figure, behind: Behind) -> object:
        """The figure from its rows."""
        (value,) = self.query(behind.asking(f"select ({self._computed(figure)}) as value"), behind.parameters)[
            "value"
        ].to_pylist()
        return _narrow(value)

    def _computed(self, figure: Figure) -> str:
        """SELECT the figure from `behind`."""
        value = self.expand(figure.value)
        return value if value.startswith(("select ", "with ")) else f"select {value} from behind"

    def evaluate(self, figure: Figure, behind: Behind, *, limit: int | None) -> _Found:
        """The figure from its rows, and those rows."""
        columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*figure.rows.key, *figure.rows.used)))
        # A row's line is a JSON object of its key and used values; the lines are hashed in their own order.
        row = self.query(
            behind.asking(f"""
                select
                    ({self._computed(figure)}) as value,
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
        ).to_pylist()[0]
        order = ", ".join(f'"{name}"' for name in figure.rows.key) or "all"
        some = "" if limit is None else f" limit {int(limit)}"
        listed = self.query(behind.asking(f"select {columns} from behind order by {order}{some}"), behind.parameters)
        return _Found(_narrow(row["value"]), row["row_count"], tuple(listed.to_pylist()), row["digest"])

    def fetch_ids(self, behind: Behind) -> str:
        """SELECT the ids of the requests that rows came from; empty where they came from none."""
        if not behind.source.startswith("kpi."):
            parts = [behind.asking(part) for part in FETCHES[behind.source]]
        else:
            # Rows that are figures came from where the figures taken from them came from.
            table = TABLES[behind.source]
            assert issubclass(table, KpiTable)
            names = ", ".join(f'"{name}"' for name in behind.key)
            taken = (
                f"select * from {behind.source} where ({names}) in ({behind.asking(f'select {names} from behind')})"
                if names
                else f"select * from {behind.source}"
            )
            known = FIGURES[behind.source]
            parts = [
                self.fetch_ids(self.behind(table, column, (taken, behind.parameters)))
                for column in behind.takes
                if column in known
            ]
        return " union ".join(f"select fetch_id from ({part})" for part in parts if part)

    def fetched(self, behind: Behind, *, limit: int | None) -> Fetched:
        """The requests that rows came from."""
        ids = self.fetch_ids(behind)
        if not ids:
            return _NOT_FETCHED
        found = self.query(
            f"select * from core.fetches where fetch_id in ({ids}) order by started_at desc, fetch_id",
            behind.parameters,
        )
        operations: dict[str, int] = {}
        for operation in found["operation"].to_pylist():
            operations[operation] = operations.get(operation, 0) + 1
        times = found["started_at"].to_pylist()
        return Fetched(
            requests=found.num_rows,
            first_at=times[-1] if times else None,
            last_at=times[0] if times else None,
            by_operation=MappingProxyType(dict(sorted(operations.items()))),
            listed=tuple(found.slice(0, limit).to_pylist()),
        )


def _narrow(value: object) -> object:
    """DuckDB sums whole numbers into 128 bits, which Arrow hands over as decimals."""
    return int(value) if isinstance(value, Decimal) else value


def typed(table: type[KpiTable], key: Mapping[str, object]) -> dict[str, object]:
    """The key's values in the table's order, as its types. Raises InvalidRequest when they do not fit."""
    if is_range(key) and table.full_name() in POOLED:
        days = {name: _day(name, key[name]) for name in _RANGE}
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
    return set(key) == set(_RANGE)


def _value(table: type[KpiTable], name: str, value: object) -> object:
    kind = table.columns[name].type
    if kind is Type.DATE:
        return _day(name, f"{str(value)[:7]}-01" if name == "month" else value)
    if kind is Type.INTEGER:
        try:
            number = int(str(value))
        except ValueError:
            raise InvalidRequest(f"{name} is {value!r}; write a whole number") from None
        if abs(number) > _LARGEST:
            raise InvalidRequest(f"{name} is {value!r}; no table holds a whole number of that size")
        return number
    return str(value)


def _day(name: str, value: object) -> dt.date:
    try:
        return value if type(value) is dt.date else dt.date.fromisoformat(str(value))
    except ValueError:
        wanted = "a month such as 2026-11" if name == "month" else "a day such as 2026-11-20"
        raise InvalidRequest(f"{name} is {value!r}; write {wanted}") from None
