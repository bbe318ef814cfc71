"""The data dictionary says what is declared, the DuckDB file says the same, and tables join as it says."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from crm_platform import core
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.models import dependencies
from crm_platform.publish import published_tables
from crm_platform.publish.parquet import published_columns
from crm_platform.schemas import KpiTable, Table
from crm_platform.schemas.base import count, date
from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import from_facts
from crm_platform_tests.oracle.worlds import random_facts
from tools import dictionary
from tools.dictionary import JOINS, made_from

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / dictionary.DICTIONARY).read_text(encoding="utf-8")


def test_the_dictionary_is_up_to_date():
    assert dictionary.generate() == TEXT, "run make docs"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.full_name())
def test_every_table_and_column_is_there(table: type[Table]):
    (section,) = re.findall(rf"^##+ {re.escape(table.full_name())}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert table.description() in section
    shown = published_columns(table) if table in published_tables() else table.columns
    for name, column in shown.items():
        if issubclass(table, KpiTable) and name in KpiTable.columns:
            continue  # said once for all of them
        (line,) = re.findall(rf"^\| `{name}` \|.*$", section, re.MULTILINE)
        assert column.type.value in line
        assert column.description in line.replace("\\|", "|")
    for name in table.columns.keys() - shown.keys():
        assert f"`{name}`" not in section


def test_a_new_kpi_appears_by_itself(monkeypatch):
    monkeypatch.setattr(dictionary, "dependencies", lambda _table: {"core.messages"})
    saved = dict(TABLES)
    try:

        class SmilesDaily(KpiTable):
            """Smiles | laughs, by local day."""

            key = ("day",)
            period = "day"
            pillar = "growth"
            version = 3
            rules = ("smiles <= laughs",)

            day = date("Local day.")
            smiles = count("Smiles.", maximum=9)
            laughs = count("Laughs.")

        text = dictionary.generate()
    finally:
        TABLES.clear()
        TABLES.update(saved)
    line = "| [kpi.smiles_daily](#kpismiles_daily) | a day | 3 | growth | Smiles \\| laughs, by local day. |"
    assert line in text
    assert "| `smiles` | integer |  | 0 to 9 |  | Smiles. |" in text
    assert "- `smiles <= laughs`" in text
    assert "| [kpi.smiles_daily](#kpismiles_daily) | `core.messages` |" in text


def test_the_database_says_the_same_as_comments(snapshot):
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        tables = dict(
            connection.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
        )
        columns = {
            (table, column): comment
            for table, column, comment in connection.execute(
                "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal"
            ).fetchall()
        }
    assert tables.keys() == {table.full_name() for table in published_tables()}
    for table in published_tables():
        assert table.description() in tables[table.full_name()]
        if issubclass(table, KpiTable):
            assert f"Definition version {table.version}." in tables[table.full_name()]
        for name, column in published_columns(table).items():
            assert column.description in columns[table.full_name(), name]
            assert (column.unit or "") in columns[table.full_name(), name]


@pytest.mark.parametrize("join", JOINS, ids=lambda join: f"{join.many} to {join.one} on {join.on[-1][0]}")
def test_joined_columns_are_published_and_reach_one_row(join):
    many, one = TABLES[join.many], TABLES[join.one]
    assert {column for column, _ in join.on} <= published_columns(many).keys()
    assert {column for _, column in join.on} == set(one.key)


@pytest.fixture(scope="module")
def odd_world(tmp_path_factory):
    """A world with every oddity the oracle can think of, built."""
    facts = random_facts(5)
    world = from_facts(facts, tmp_path_factory.mktemp("odd"))
    world.build(facts.as_of, as_of=facts.as_of, aliases=facts.agent_aliases)
    return world.models.path


@pytest.mark.slow
@pytest.mark.parametrize("join", JOINS, ids=lambda join: f"{join.many} to {join.one} on {join.on[-1][0]}")
def test_joins_lead_somewhere(join, snapshot, odd_world):
    on = " and ".join(f"m.{one} = o.{other}" for one, other in join.on)
    present = " and ".join(f"m.{one} is not null" for one, _ in join.on)
    found = 0
    for database in (snapshot.database, odd_world):
        with duckdb.connect(str(database), read_only=True) as connection:
            (rows,) = connection.execute(f"select count(*) from {join.many} m where {present}").fetchone()
            (lost,) = connection.execute(
                f"select count(*) from {join.many} m anti join {join.one} o on {on} where {present}"
            ).fetchone()
        assert lost == 0
        found += rows
    assert found > 0


def test_what_a_kpi_is_made_from_can_be_looked_up():
    for table in published_tables():
        if issubclass(table, KpiTable):
            names = made_from(table)
            assert names
            assert all(name.startswith("raw.") or TABLES[name] in published_tables() for name in names)


def test_steps_of_a_build_are_looked_through():
    assert "core.conversation_spans" in dependencies(core.Conversations)
    assert not core.ConversationSpans.is_published
    assert "core.messages" in made_from(core.Conversations)
    assert made_from(EngagementMonthly) == ["core.coverage_sources", "kpi.campaign_performance"]
