"""Every published figure is, cell for cell, what its declared rows give."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crm_platform.publish import publish, published_tables
from crm_platform.publish.snapshot import published_columns
from crm_platform.receipts import opened
from crm_platform.receipts.lineage import FETCHES, FIGURES
from crm_platform.receipts.receipt import Asked, is_same
from crm_platform.schemas import TABLES, KpiTable
from crm_platform_tests.models.worlds import from_facts
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.worlds import random_facts

KPI_TABLES = sorted(name for name, table in TABLES.items() if issubclass(table, KpiTable))


def figures_of(name: str) -> list[str]:
    table = TABLES[name]
    return [column for column in table.columns if column not in table.key and column not in KpiTable.columns]


@pytest.mark.parametrize("name", KPI_TABLES)
def test_every_figure_has_its_rows_declared(name):
    assert set(FIGURES[name]) == set(figures_of(name))


@pytest.mark.parametrize("name", KPI_TABLES)
def test_lineage_names_published_tables_and_their_keys(name):
    published = {table.full_name(): table for table in published_tables()}
    for column, figure in FIGURES[name].items():
        source = published[figure.rows.source]
        made = {one.rpartition(" as ")[2] for one in figure.rows.extra}
        known = published_columns(source).keys() | made
        assert set(figure.rows.key) <= known, column
        assert set(figure.rows.used) <= known, column
        if issubclass(source, KpiTable):
            assert figure.rows.key == source.key, column
            assert set(figure.rows.takes) <= set(FIGURES[figure.rows.source]), column
        else:
            assert figure.rows.source in FETCHES, column


def disagreements(facts: Facts, folder: Path, *, rows: int | None) -> list[str]:
    """Figures that their rows do not give, of so many rows of each table (the first and the last among them)."""
    settings = facts.settings.model_copy(update={"data_dir": folder})
    world = from_facts(facts, folder)
    world.build(facts.as_of, as_of=facts.as_of, aliases=facts.agent_aliases)
    snapshot = publish(world.models, settings=settings, now=facts.as_of, validate=lambda *_: [])
    rng = random.Random(f"rows of {facts.as_of}")
    found, looked_at = [], 0
    with opened(snapshot.path) as open_snapshot:
        asked = Asked.of(open_snapshot)
        for name in KPI_TABLES:
            table = TABLES[name]
            assert issubclass(table, KpiTable)
            published = asked.query(f"select * from {name} order by all").to_pylist()
            if rows is not None and len(published) > rows:
                published = [published[0], published[-1], *rng.sample(published[1:-1], rows - 2)]
            for row in published:
                key = {part: row[part] for part in table.key}
                for column in figures_of(name):
                    behind = asked.behind(table, column, asked.own(table, key))
                    given = asked.evaluate(FIGURES[name][column], behind, limit=0).value
                    looked_at += 1
                    if not is_same(given, row[column]):
                        found.append(f"{name} {key} {column}: published {row[column]}, rows give {given}")
    assert looked_at > 60
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_rows_behind_a_figure_give_the_figure(seed: int, tmp_path: Path):
    assert disagreements(random_facts(seed), tmp_path, rows=4) == []


def test_an_empty_world_has_receipts_too(tmp_path: Path):
    assert disagreements(random_facts(7, contacts=0, campaigns=0), tmp_path, rows=4) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 23))
def test_the_rows_behind_every_figure_give_it(seed: int, tmp_path: Path):
    assert disagreements(random_facts(seed), tmp_path, rows=None) == []
