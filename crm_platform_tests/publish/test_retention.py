"""Which snapshots a purge keeps."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.publish import current, purge
from crm_platform.publish.retention import created_at, new_id

from .conftest import NOW

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def ids(build) -> list[str]:
    return sorted(path.name for path in build.settings.published_dir.iterdir() if created_at(path.name))


def test_an_id_sorts_by_time_and_tells_it():
    first, second = (new_id(NOW + offset, "ab" * 32) for offset in (dt.timedelta(), dt.timedelta(milliseconds=1)))
    assert first < second
    assert created_at(second) == NOW + dt.timedelta(milliseconds=1)
    assert created_at("current") is None
    assert created_at(".building") is None


@pytest.mark.slow
def test_the_last_of_each_local_day_is_kept_for_a_while(build):
    made = [build.publish(at=NOW - age).id for age in (3 * DAY, 2 * DAY, 2 * DAY - HOUR, 5 * HOUR, 4 * HOUR, 0 * HOUR)]
    removed = purge(build.settings, now=NOW + 10 * HOUR, keep_days=3, keep_at_least=1)
    assert removed == [made[4], made[3], made[1], made[0]]
    assert ids(build) == [made[2], made[5]]


@pytest.mark.slow
def test_the_newest_are_kept_however_old(build):
    made = [build.publish(at=NOW - age * DAY).id for age in (9, 8, 7)]
    assert purge(build.settings, now=NOW + 99 * DAY, keep_days=1, keep_at_least=2) == [made[0]]
    assert ids(build) == made[1:]


@pytest.mark.slow
def test_what_a_reader_may_still_have_open_is_kept(build):
    made = [build.publish(at=NOW + age * HOUR).id for age in (0, 1, 2)]
    at = NOW + 3 * HOUR + dt.timedelta(minutes=30)  # superseded 2.5 h and 1.5 h ago
    assert purge(build.settings, now=at, keep_days=0, keep_at_least=0) == [made[0]]
    assert ids(build) == made[1:]


@pytest.mark.slow
def test_of_many_that_follow_one_another_few_are_kept(build):
    """Live operation publishes every few seconds: a reader of one that stood for a moment has five minutes."""
    minutes = (0, 1, 2, 6, 7, 14, 15, 16)
    made = [build.publish(at=NOW + dt.timedelta(minutes=age)).id for age in minutes]
    removed = purge(build.settings, now=NOW + dt.timedelta(minutes=17), keep_days=0, keep_at_least=0)
    assert removed == [made[3], made[1], made[0]], (
        "the last of each five minutes, and what stood five minutes ago, stay"
    )
    assert ids(build) == [made[2], *made[4:]]


@pytest.mark.slow
def test_a_clock_that_runs_ahead_for_a_run_costs_one_day_at_most(build):
    """Field case 65: by such a clock every snapshot is old."""
    made = [build.publish(at=NOW - age * DAY).id for age in range(10, 0, -1)]
    ahead = build.publish(at=NOW + 30 * DAY).id
    assert purge(build.settings, now=NOW + 30 * DAY) == [made[0]]
    right = build.publish(at=NOW).id
    assert current(build.settings).id == right, "what is published next is current, whatever its name"
    assert purge(build.settings, now=NOW) == []
    assert ids(build) == [*made[1:], right, ahead]
    for _ in range(20):
        purge(build.settings, now=NOW + 99 * DAY)
    assert ids(build) == [made[-1], right, ahead], "one goes after the other, until three are left"


@pytest.mark.slow
def test_a_purge_by_a_clock_that_was_never_set_removes_nothing(build):
    for age in range(5):
        build.publish(at=NOW - age * DAY)
    assert purge(build.settings, now=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), keep_at_least=1) == []


@pytest.mark.slow
def test_the_current_one_is_never_removed(build):
    snapshot = build.publish()
    assert purge(build.settings, now=NOW + 999 * DAY, keep_days=0, keep_at_least=0) == []
    assert current(build.settings) == snapshot


@pytest.mark.slow
@pytest.mark.parametrize("leftover", [".building", ".purging-20261122T080500.000Z-aa"])
def test_what_a_killed_process_left_is_removed(build, leftover):
    build.publish()
    (build.settings.published_dir / leftover / "core").mkdir(parents=True)
    purge(build.settings, now=NOW)
    assert not (build.settings.published_dir / leftover).exists()


@pytest.mark.slow
def test_a_shared_month_outlives_the_snapshot_that_wrote_it(build):
    build.publish(at=NOW - 9 * DAY)
    newest = build.publish(at=NOW)
    assert len(purge(build.settings, now=NOW + DAY, keep_days=1, keep_at_least=1)) == 1
    assert (newest.path / "core" / "messages" / "2026-10.parquet").read_bytes().startswith(b"PAR1")
