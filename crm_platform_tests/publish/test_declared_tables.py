"""The tables that are really declared: all of them leave, and none with a person in it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from crm_platform.metrics.support_by.table import SupportBy
from crm_platform.models import build, build_order, freeze
from crm_platform.publish import publish, published_tables
from crm_platform.publish.parquet import published_columns
from crm_platform.schemas import Column, Type, live_tables
from crm_platform.schemas.ops import Builds
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse

from .conftest import AS_OF, CHAT, EMAIL, MESSAGE, NOW, NUMBER

KINDS = {"chat": CHAT, "message": MESSAGE, "no": EMAIL, "masked": f"{EMAIL}, {NUMBER}", "plain": "plain"}


def _value(name: str, column: Column) -> object:
    """Any value of a column's type; of a text that is not published as it stands, one that names a person."""
    if name == "as_of":
        return AS_OF.replace(tzinfo=None)
    if name == "dimension":
        return "segment:plain"
    made = {
        Type.TEXT: column.allowed[0] if column.allowed else KINDS[column.published],
        Type.JSON: "{}",
        Type.INTEGER: 1,
        Type.FLOAT: 0.5,
        Type.BOOLEAN: True,
        Type.TIMESTAMP: dt.datetime(2026, 11, 1),
        Type.DATE: dt.date(2026, 11, 1),
    }
    return made[column.type]


def test_every_declared_table_leaves_without_a_person_in_it(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    with models.writing() as session:
        session.create(Builds)
        session.append(
            Builds, Builds.rows([{"as_of": AS_OF, "started_at": AS_OF, "settings": "{}", "is_sandbox": False}])
        )
        for table in published_tables():
            session.create(table)
            session.append(table, table.rows([{name: _value(name, one) for name, one in table.columns.items()}]))
    snapshot = publish(models, settings=settings, now=NOW, validate=lambda *_: [])
    assert set(snapshot.tables.values()) == {1}
    files = [file for file in snapshot.path.rglob("*") if file.is_file()]
    assert len(files) == len(snapshot.tables) + 2
    for file in files:
        content = file.read_bytes()
        for secret in (NUMBER, EMAIL, MESSAGE):
            assert secret.encode() not in content, file.name
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        unexplained = connection.execute(
            "select table_name, column_name from duckdb_columns() where not internal and comment is null"
        ).fetchall()
        assert unexplained == []


@pytest.mark.slow
def test_staff_is_shown_in_clear_beside_segments_that_are_masked(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    rows = [
        {name: _value(name, column) for name, column in SupportBy.columns.items()}
        | {"dimension": dimension, "value": EMAIL}
        for dimension in ("agent", "segment:plain")
    ]
    with models.writing() as session:
        session.create(Builds)
        session.append(
            Builds, Builds.rows([{"as_of": AS_OF, "started_at": AS_OF, "settings": "{}", "is_sandbox": False}])
        )
        for table in published_tables():
            session.create(table)
        session.append(SupportBy, SupportBy.rows(rows))
    snapshot = publish(models, settings=settings, now=NOW, validate=lambda *_: [])
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        found = dict(connection.execute("select dimension, value from kpi.support_by").fetchall())
    assert found["agent"] == EMAIL
    assert found["segment:plain"].startswith("[e-mail] #")


@pytest.mark.parametrize("table", published_tables(), ids=lambda table: table.full_name())
def test_no_id_of_a_person_is_published_as_it_stands(table):
    for name, column in published_columns(table).items():
        assert not column.stays_raw, name
        if name == "chat_id":
            assert column.published == "chat"
        if "message" in name and column.type is Type.TEXT:
            assert column.published == "message", name


@pytest.mark.slow
def test_an_empty_warehouse_is_built_validated_and_published(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    live = DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir)
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    live.prepare(live_tables())
    freeze(models, live, settings=settings, as_of=AS_OF, now=NOW, expected_unseen=None)
    for table in build_order():
        build(models, table, settings=settings)
    snapshot = publish(models, settings=settings, now=NOW)
    assert snapshot.tables["kpi.executive_summary"] == 1
    assert snapshot.tables["kpi.message_volume_hourly"] == 168
    assert snapshot.tables.keys() == {table.full_name() for table in published_tables()}
