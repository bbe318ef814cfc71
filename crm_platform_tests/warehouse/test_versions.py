"""Which version of a record a merge keeps."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from crm_platform.schemas import raw
from crm_platform.warehouse import DuckDbWarehouse

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def warehouse(tmp_path) -> DuckDbWarehouse:
    made = DuckDbWarehouse(tmp_path / "live.duckdb", lock_dir=tmp_path / "locks")
    made.prepare([raw.Campaigns])
    return made


def campaign(name: str, at: dt.datetime, key: str = "a") -> dict[str, object]:
    return {
        "campaign_id": key,
        "name": name,
        "first_fetched_at": at,
        "fetched_at": at,
        "first_fetch_id": 1,
        "fetch_id": 1,
    }


def merged(warehouse, *rows) -> int:
    with warehouse.writing() as session:
        return session.merge(raw.Campaigns, raw.Campaigns.rows(rows)).updated


def named(warehouse) -> list[str]:
    with warehouse.reading() as session:
        return session.query("select name from raw.campaigns order by campaign_id")["name"].to_pylist()


@pytest.mark.slow
def test_the_newest_version_wins_in_whatever_order_two_processes_commit(warehouse):
    minutes = [dt.timedelta(minutes=n) for n in range(3)]
    for number, order in enumerate(itertools.permutations(minutes)):
        for age in order:
            merged(warehouse, campaign(f"{age}", NOW + age, key=f"k{number}"))
    assert set(named(warehouse)) == {"0:02:00"}


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [dt.timedelta(hours=2), dt.timedelta(days=30), dt.timedelta(days=4000)])
@pytest.mark.parametrize("twice", [False, True])
def test_where_the_clock_went_back_the_order_of_commits_decides(warehouse, ahead, twice):
    """Field case 65: later rows were "0 changed" until the clock was there again."""
    merged(warehouse, campaign("under a clock ahead", NOW + ahead))
    rows = [campaign("later", NOW + dt.timedelta(seconds=1))]
    assert merged(warehouse, *([campaign("between", NOW), *rows] if twice else rows)) == 1
    assert named(warehouse) == ["later"]
    with warehouse.reading() as session:
        (row,) = session.query("select first_fetched_at, fetched_at from raw.campaigns").to_pylist()
    assert row["fetched_at"].replace(tzinfo=dt.UTC) == NOW + dt.timedelta(seconds=1)
    assert row["first_fetched_at"] <= row["fetched_at"]
