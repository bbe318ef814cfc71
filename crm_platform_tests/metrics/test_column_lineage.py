"""What a generated SELECT computes a figure from, by sqlglot's reading of it, is what the figure declares."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlglot import exp
from sqlglot.lineage import lineage

from crm_platform.models import Cut, expand, render, vocabulary
from crm_platform.models.generate import figures
from crm_platform.models.names import names_in, tables_in
from crm_platform.models.render import template_path
from crm_platform.schemas import KpiTable
from crm_platform.settings import Settings
from crm_platform.tables import TABLES

SETTINGS = Settings.model_construct()
CUT = Cut(as_of=dt.datetime(2026, 11, 20, tzinfo=dt.UTC), rows={})
WORDS = vocabulary(dialect="duckdb", settings=SETTINGS, cut=CUT)
GENERATED = [table for table in TABLES.values() if issubclass(table, KpiTable) and template_path(table) is None]
SCHEMA: dict[str, dict[str, dict[str, str]]] = {}
for _table in TABLES.values():
    SCHEMA.setdefault(_table.schema, {})[_table.table] = dict.fromkeys(_table.columns, "text")


@pytest.mark.slow
@pytest.mark.parametrize("table", GENERATED, ids=lambda table: table.table)
def test_a_figure_is_computed_from_what_it_declares(table):
    sql = render(table, dialect="duckdb", settings=SETTINGS, cut=CUT)
    for column, figure in figures(table).items():
        rows = figure.rows
        expressions = " , ".join(filter(None, (figure.value, figure.part, figure.over, figure.where, *figure.uses)))
        named = names_in(expand(expressions, WORDS))
        extra = [value for name, value in rows.extra.items() if name in named]
        named |= names_in(expand(" , ".join([*extra, *rows.by.values(), rows.where or "true"]), WORDS))
        declared = {rows.source.full_name()} | tables_in(expand(rows.joins, WORDS))
        node = lineage(column, sql, schema=SCHEMA, dialect="duckdb")
        leaves = [one for one in node.walk() if isinstance(one.expression, exp.Table)]
        read = {f"{one.expression.db}.{one.expression.name}" for one in leaves}
        assert read <= declared | tables_in(expand(figure.given or "true", WORDS)), column
        assert {one.name.rpartition(".")[2].strip('"') for one in leaves} <= named, column
        assert read or "count(*)" in figure.value, f"{column} is computed from nothing"
