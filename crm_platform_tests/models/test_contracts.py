"""What SQL and pandera say of a table's contract is the same: an incremental build asks SQL alone."""

from __future__ import annotations

import datetime as dt
import random

import duckdb
import pyarrow as pa
import pytest

from crm_platform.models import build_order, run
from crm_platform.models.run import _frame_breaches, _sql_breaches, validate_within
from crm_platform.schemas import KpiTable, Type, ops
from crm_platform.warehouse import DuckDbSession
from crm_platform.warehouse.duckdb import TYPES

NOW = dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)
KPIS = [table for table in build_order() if issubclass(table, KpiTable)]
ODD = {
    Type.FLOAT: (None, float("nan"), float("inf"), -1.0, 0.0, 0.5, 1.5),
    Type.INTEGER: (None, -1, 0, 1, 7, 200),
    Type.BOOLEAN: (None, False, True),
}


def rows_of(table: type[KpiTable], rng: random.Random) -> pa.Table:
    """A few rows: most cells plain, some odd, now and then the same key twice."""
    rows = []
    for number in range(3):
        row = {}
        for name, column in table.columns.items():
            plain = {Type.FLOAT: 0.5, Type.INTEGER: 7, Type.BOOLEAN: True}.get(column.type)
            if column.type is Type.TEXT:
                plain = column.allowed[0] if column.allowed else f"{name}-{number}"
            odd = ODD.get(column.type, (None, "another"))
            row[name] = rng.choice(odd) if rng.random() < 0.06 else plain
        rows.append(row)
    if rng.random() < 0.3:
        rows.append(dict(rows[0]))
    days = pa.array([19_000 + number for number in range(len(rows))], pa.int32())
    columns = {}
    for name, column in table.columns.items():
        if column.type in {Type.TIMESTAMP, Type.DATE}:
            columns[name] = days.cast(pa.date32()).cast(column.arrow)
        else:
            columns[name] = pa.array([row[name] for row in rows], column.arrow)
    return pa.table(columns)


@pytest.mark.slow
@pytest.mark.parametrize("table", KPIS, ids=lambda table: table.full_name())
def test_sql_finds_a_breach_where_pandera_does(table):
    rng, found = random.Random(table.full_name()), set()
    for _ in range(40):
        rows = rows_of(table, rng)
        with duckdb.connect() as connection:
            typed = ", ".join(f'"{name}"::{TYPES[column.type]} as "{name}"' for name, column in table.columns.items())
            connection.register("rows", rows)
            connection.execute(f"create table given as select {typed} from rows")
            by_sql = bool(_sql_breaches(DuckDbSession(connection), table, "given"))
            frame = connection.sql("from given").to_arrow_table()
        by_pandera = bool(_frame_breaches(table, frame))
        assert by_sql == by_pandera, frame.to_pylist()
        found.add(by_sql)
    assert True in found


@pytest.mark.parametrize(
    ("builds", "asks"),
    [
        ([], True),
        ([{"number": 1, "is_full": True}], False),
        ([{"number": 2, "is_full": True}], True),
        ([{"number": 2, "is_full": False}], False),
        ([{"number": None, "is_full": True}], True),
    ],
)
def test_pandera_is_asked_of_what_was_computed_again(monkeypatch, builds, asks):
    asked = []
    monkeypatch.setattr(run, "_frame_breaches", lambda table, _rows: asked.append(table) or [])
    with duckdb.connect() as connection:
        session = DuckDbSession(connection)
        for table in (KPIS[0], ops.Builds):
            session.create(table)
        least = {"as_of": NOW, "started_at": NOW, "settings": "{}", "is_sandbox": True}
        session.append(ops.Builds, ops.Builds.rows([{**least, **build} for build in builds]))
        assert validate_within(session, KPIS[0]) == []
    assert bool(asked) == asks
