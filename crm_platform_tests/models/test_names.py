"""What is read off a SELECT is what sqlglot's parser reads off it."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlglot import exp, parse_one

from crm_platform.models import Cut, build_order, render
from crm_platform.models.names import names_in, tables_in, with_tables
from crm_platform.settings import Settings

CUT = Cut(as_of=dt.datetime(2026, 11, 20, tzinfo=dt.UTC), rows={})


@pytest.mark.slow
@pytest.mark.parametrize("table", build_order(), ids=lambda table: table.full_name())
def test_the_lexer_agrees_with_the_parser(table):
    sql = render(table, dialect="duckdb", settings=Settings.model_construct(), cut=CUT)
    tree = parse_one(sql, dialect="duckdb")
    assert tables_in(sql) == {f"{one.db}.{one.name}" for one in tree.find_all(exp.Table) if one.db}
    assert names_in(sql) >= {one.name for one in tree.find_all(exp.Column)} - {"*"}


@pytest.mark.slow
@pytest.mark.parametrize("table", build_order(), ids=lambda table: table.full_name())
def test_tables_are_replaced_as_the_parser_replaces_them(table):
    def few(name):
        return f"select * from {name} where chat_id in (select 'a')" if name.startswith("core.") else None

    sql = render(table, dialect="duckdb", settings=Settings.model_construct(), cut=CUT)
    tree = parse_one(sql, dialect="duckdb")
    for one in list(tree.find_all(exp.Table)):
        if one.db == "core":
            relation = parse_one(few(f"{one.db}.{one.name}"), dialect="duckdb")
            one.replace(exp.alias_(exp.Subquery(this=relation), one.alias_or_name))
    assert parse_one(with_tables(sql, few), dialect="duckdb").sql("duckdb") == tree.sql("duckdb")


def test_comments_and_texts_name_nothing():
    sql = "select 'core.chats it''s' as a, r.\"day\" -- from core.messages\nfrom core.work as r"
    assert tables_in(sql) == {"core.work"}
    assert names_in(sql) >= {"a", "day", "r", "core", "work"}
    assert not {"chats", "messages", "it"} & names_in(sql)
