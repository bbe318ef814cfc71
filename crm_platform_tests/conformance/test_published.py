"""What is published of a crawl into ClickHouse is what is published of the same crawl into DuckDB, cell by cell."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from crm_platform.publish.figures import renew
from crm_platform.sandbox import SandboxOptions
from crm_platform.tables import TABLES
from crm_platform.warehouse import live_store, models_store
from crm_platform_tests import clickhouse_server
from crm_platform_tests.in_process import START, World
from crm_platform_tests.oracle.compare import differences

pytestmark = pytest.mark.services

HOURS = 3600
# When rows were asked for is the same; the numbers of requests are each store's own.
ASIDE = {"fetch_id", "first_fetch_id", "last_fetch_id"}


def turned(world: World) -> dict[str, list[dict[str, object]]]:
    """Compute and publish; gives what is published, by table."""
    models, live = models_store(world.settings), live_store(world.settings)
    snapshot = renew(models, live, settings=world.settings, now=world.time())
    with duckdb.connect(str(snapshot.path / "analytics.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in ('core', 'kpi')"
        ).fetchall()
        return {name: connection.sql(f"select * from {name}").to_arrow_table().to_pylist() for (name,) in found}


def differing(here: dict[str, list[dict[str, object]]], there: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    assert here.keys() == there.keys()
    sides = [
        {name: [{k: v for k, v in row.items() if k not in ASIDE} for row in rows] for name, rows in side.items()}
        for side in (here, there)
    ]
    problems = {
        name: differences(sides[0][name], sides[1][name], TABLES[name].key)
        for name in here
        if not ASIDE & set(TABLES[name].key)
    }
    return {name: found for name, found in problems.items() if found}


@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.slow)])
def test_published_figures_are_equal_in_full_and_when_something_came(seed: int, tmp_path: Path, server):
    url = SecretStr(server.url(f"crm_published_{seed}"))
    elsewhere = {"warehouse_url": url, "warehouse_password": SecretStr(clickhouse_server.PASSWORD)}
    options = SandboxOptions(contacts=120, days=40, seed=seed, start=START)
    key = {"pseudonym_key": SecretStr("of this test alone, 32 characters")}
    here = World(tmp_path / "here", options, key)
    there = World(tmp_path / "there", options, {**key, **elsewhere})
    assert not there.settings.warehouse_path.exists()
    published = []
    for hours in (0, 1, 7, 30):
        for world in (here, there):
            world.time.sleep(hours * HOURS)
            world.refresh(workers=1)
            published.append(turned(world))
        assert differing(published[-2], published[-1]) == {}
        assert published[-1]["kpi.executive_summary"]
    assert published[-1] != published[1], "something came"
    assert there.settings.mirror_path.exists()
    assert not there.settings.warehouse_path.exists()
