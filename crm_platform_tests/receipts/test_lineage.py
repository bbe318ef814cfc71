"""Every published figure is, cell for cell, what its declared rows give."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crm_platform import core
from crm_platform.models.generate import figures, pooled
from crm_platform.publish import publish, published_tables
from crm_platform.publish.parquet import published_columns
from crm_platform.receipts import OpenedSnapshot, opened
from crm_platform.receipts.behind import SnapshotReader, is_same
from crm_platform.schemas import CoreTable, KpiTable
from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import from_facts
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.receipts.desk import Desk

pytestmark = pytest.mark.slow  # it publishes worlds of its own

KPI_TABLES = sorted(name for name, table in TABLES.items() if issubclass(table, KpiTable))


def figures_of(name: str) -> list[str]:
    table = TABLES[name]
    return [column for column in table.columns if column not in table.key and column not in KpiTable.columns]


@pytest.fixture(scope="module")
def empty_snapshot(tmp_path_factory) -> Iterator[OpenedSnapshot]:
    with ExitStack() as stack:
        yield Desk(tmp_path_factory.mktemp("nobody"), stack).open()


@pytest.mark.parametrize("name", KPI_TABLES)
def test_every_figure_has_its_rows_declared(name):
    assert set(figures(TABLES[name])) == set(figures_of(name))


@pytest.mark.parametrize("name", KPI_TABLES)
def test_figures_are_computed_from_published_columns(name, empty_snapshot):
    published = set(published_tables())
    asked = SnapshotReader.of(empty_snapshot)
    for column in figures_of(name):
        line = asked.lineage(TABLES[name], column)
        assert line is not None
        assert line.source in published, column
        known = published_columns(line.source).keys() | line.figure.rows.extra.keys()
        assert set(line.key) <= known, column
        assert set(line.used) <= known, column
        assert line.used or line.figure.rows.where == "", column
        if issubclass(line.source, CoreTable):
            assert line.source.fetches or line.source is core.Calendar, column


def disagreements(facts: Facts, folder: Path, *, rows: int) -> list[str]:
    """Figures that their rows do not give, of so many rows of each table (the first and the last among them)."""
    settings = facts.settings.model_copy(update={"data_dir": folder})
    world = from_facts(facts, folder)
    world.build(facts.as_of, as_of=facts.as_of, aliases=facts.agent_aliases)
    snapshot = publish(world.models, settings=settings, now=facts.as_of, validate=lambda *_: [])
    rng = random.Random(f"rows of {facts.as_of}")
    found, looked_at = [], 0
    with opened(snapshot.path) as open_snapshot:
        asked = SnapshotReader.of(open_snapshot)
        for name in KPI_TABLES:
            table = TABLES[name]
            assert issubclass(table, KpiTable)
            published = asked.query(f"select * from {name} order by all").to_pylist()
            if len(published) > rows:
                published = [published[0], published[-1], *rng.sample(published[1:-1], rows - 2)]
            for row in published:
                key = {part: row[part] for part in table.key}
                for column in figures_of(name):
                    line = asked.lineage(table, column)
                    assert line is not None
                    given = asked.evaluate(asked.behind(line, asked.own(table, key)), limit=0).value
                    looked_at += 1
                    if not is_same(given, row[column]):
                        found.append(f"{name} {key} {column}: published {row[column]}, rows give {given}")
                    if table.key == ("day",) and pooled(table, column):
                        after = row["day"] + dt.timedelta(days=1)
                        given = asked.value(asked.over(line, row["day"], after))
                        if not is_same(given, row[column]):
                            found.append(f"{name} {key} {column}: published {row[column]}, over the one day {given}")
    assert looked_at > 60
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_rows_behind_a_figure_give_the_figure(seed: int, tmp_path: Path):
    assert disagreements(random_facts(seed), tmp_path, rows=4) == []


def test_an_empty_world_has_receipts_too(tmp_path: Path):
    assert disagreements(random_facts(7, contacts=0, campaigns=0), tmp_path, rows=4) == []


@pytest.mark.parametrize("seed", range(20, 23))
def test_the_rows_behind_more_figures_give_them(seed: int, tmp_path: Path):
    """Some 2,300 of a world's 14,000 figures: at 20 ms each, all of them would take minutes a world."""
    assert disagreements(random_facts(seed), tmp_path, rows=15) == []
