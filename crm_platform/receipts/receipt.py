"""One figure's receipt.

What belongs here: finding the figure, the rows behind it, the requests they came from, and the digest. What does not:
which rows those are (behind.py), a figure's history (moved.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final

import duckdb

from crm_platform.receipts.behind import Behind, Found, Lineage, OpenedSnapshot, SnapshotReader, is_same
from crm_platform.receipts.bounds import split
from crm_platform.receipts.keys import check_column, find_kpi, typed

ROWS: Final = 1000
"""So many rows and requests a receipt lists unless told otherwise; counts and digest are over all of them."""


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
        return {**jsonable_fields(self), "agrees": self.agrees}


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
    Of a table whose days pool also `day_from` and `day_to` (excluded): the figure over the rows of all those days. Of a
    count of rows with a measure also `at_least`, `below` (excluded) and `measure`: of the rows between them alone.
    `limit`: most rows and requests listed, None for all. Raises NotFound for a table, column or row that is not there
    (the message names the nearest), InvalidRequest for a key that does not fit, GiveUp when the snapshot was published
    before there were receipts.
    """
    asked = SnapshotReader.of(snapshot)
    declared = find_kpi(table)
    check_column(declared, column)
    key, bounds = split(declared, column, key)
    row = asked.row(declared, key, column, bounds=bounds)
    if row is None:
        raise asked.no_such_row(declared, key)
    entry = asked.manifest.tables[declared.full_name()]
    name, own_key = declared.full_name(), typed(declared, key)
    line = asked.lineage(declared, column)
    behind = asked.behind(line, asked.own(declared, own_key), bounds=bounds) if line else None
    own_key |= bounds.key if bounds else {}
    found = asked.evaluate(behind, limit=limit) if behind else _NOTHING
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
        computed=asked.computed(line) if line else None,
        sql=entry.sql,
        snapshot=asked.manifest.id,
        as_of=asked.manifest.as_of,
        coverage=row["coverage"],
        is_provisional=row["is_provisional"],
        source=line.source.full_name() if line else None,
        row_key=line.key if line else (),
        used=line.used if line else (),
        row_count=found.row_count,
        rows=found.rows,
        recomputed=found.value,
        taken_from=_taken(line, found.rows) if line else (),
        fetched=_fetched(asked, behind, limit=limit) if behind else _NOT_FETCHED,
        digest=_digest(name, own_key, column, row[column], row["definition_version"], found.digest),
    )


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
    return jsonable_fields(value) if is_dataclass(value) else value


def jsonable_fields(record: object) -> dict[str, Any]:
    """The fields of a dataclass as JSON writes them."""
    assert is_dataclass(record)
    return {one.name: jsonable(getattr(record, one.name)) for one in fields(record)}


def _digest(*parts: object) -> str:
    """SHA-256 of a JSON array. Its last part, of the rows: SHA-256 of a JSON object a row, sorted, a line each."""
    text = json.dumps([jsonable(part) for part in parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _taken(line: Lineage, rows: Sequence[Mapping[str, object]]) -> tuple[Taken, ...]:
    return tuple(
        Taken(line.source.full_name(), MappingProxyType({part: row[part] for part in line.key}), column)
        for row in rows
        for column in line.takes
    )


_NOTHING: Final = Found(None, 0, (), hashlib.sha256(b"").hexdigest())
_NOT_FETCHED: Final = Fetched(0, None, None, MappingProxyType({}), ())


def _fetched(asked: SnapshotReader, behind: Behind, *, limit: int | None) -> Fetched:
    """The requests that rows came from."""
    ids = asked.fetch_ids(behind)
    if not ids:
        return _NOT_FETCHED
    found = asked.query(
        f"select * from core.fetches where fetch_id in ({ids}) order by started_at desc, fetch_id",
        behind.parameters,
    )
    operations = Counter(found["operation"].to_pylist())
    times = found["started_at"].to_pylist()
    return Fetched(
        requests=found.num_rows,
        first_at=times[-1] if times else None,
        last_at=times[0] if times else None,
        by_operation=MappingProxyType(dict(sorted(operations.items()))),
        listed=tuple(found.slice(0, limit).to_pylist()),
    )
