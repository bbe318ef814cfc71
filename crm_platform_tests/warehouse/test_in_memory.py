"""The port's promises on a store without transactions: half a commit, a killed holder, one that was taken for dead."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_platform.errors import Busy
from crm_platform.ingest import refresh
from crm_platform.sandbox import SandboxOptions
from crm_platform.schemas import Table, live_tables, ops, raw
from crm_platform.warehouse import DuckDbWarehouse, Lease, Warehouse, Written, one_commit
from crm_platform_tests.in_process import START, World
from crm_platform_tests.warehouse.in_memory import MemoryCommit, MemoryStore, MemoryWarehouse, Redo
from crm_platform_tests.warehouse.mortal import Killed, Mortal

CRAWL, NEXT = Lease("crawl", epoch=1), Lease("crawl", epoch=2)
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TABLES = (raw.Campaigns, ops.Drift)


class MortalMemory(Mortal, MemoryWarehouse):
    """What was left half done is done again by who lives."""

    replay = MemoryWarehouse.carry_out

    def steps_of(self, redo: Redo) -> Iterator[str]:
        return self.store.steps(redo)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(random.Random(3))


@pytest.fixture
def warehouse(store, tmp_path) -> MortalMemory:
    made = MortalMemory(store, lock_dir=tmp_path / "locks")
    made.prepare(TABLES)
    return made


def campaign(name: str, number: int = 1, key: str = "a") -> dict[str, object]:
    at = NOW + dt.timedelta(minutes=number)
    seen = {"first_fetched_at": at, "fetched_at": at, "first_fetch_id": number, "fetch_id": number}
    return {"campaign_id": key, "name": name, **seen}


def drift(occurrences: int) -> dict[str, object]:
    seen = {"first_seen_at": NOW, "last_seen_at": NOW, "occurrences": occurrences}
    return {"record": "message", "field": "mood", "value": "", **seen}


def write(warehouse: MemoryWarehouse, holder: Lease, number: int) -> None:
    with warehouse.committing(holder) as commit:
        commit.merge(raw.Campaigns, raw.Campaigns.rows([campaign(f"v{number}", number)]))
        commit.merge(ops.Drift, ops.Drift.rows([drift(number)]))


def stored(warehouse: Warehouse) -> tuple[list[str], list[int]]:
    with warehouse.reading() as session:
        names = session.query("select name from raw.campaigns order by campaign_id")["name"].to_pylist()
        return names, session.query("select occurrences from ops.drift")["occurrences"].to_pylist()


def test_a_commit_that_raises_leaves_nothing(warehouse):
    with contextlib.suppress(ZeroDivisionError), warehouse.committing(CRAWL) as commit:
        commit.append(raw.Campaigns, raw.Campaigns.rows([campaign("a")]))
        raise ZeroDivisionError
    assert stored(warehouse) == ([], [])
    assert not warehouse.store.redo


@pytest.mark.parametrize("steps", range(5))
def test_a_killed_commit_is_finished_by_the_next_holder_or_never_was(warehouse, steps):
    """Steps: the redo row, each of two tables, the mark that it is done."""
    warehouse.steps_left = steps
    with contextlib.suppress(Killed):
        write(warehouse, CRAWL, 1)
    assert sum(map(len, stored(warehouse))) == min(2, max(0, steps - 1)), "what was not written is not seen"
    warehouse.recover(NEXT)
    assert stored(warehouse) == (([], []) if steps == 0 else (["v1"], [1]))
    assert not warehouse.store.redo
    warehouse.recover(NEXT)
    assert stored(warehouse) == (([], []) if steps == 0 else (["v1"], [1]))


def test_a_holder_finishes_what_its_like_left_and_nobody_else_s(warehouse):
    warehouse.steps_left = 1
    with pytest.raises(Killed):
        write(warehouse, CRAWL, 1)
    warehouse.steps_left = None
    with one_commit(warehouse, purpose="a note"):
        pass
    assert stored(warehouse) == ([], []), "the crawl may be alive"


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_holder_that_was_taken_for_dead_loses(warehouse, store, tmp_path, steps):
    """It sleeps in the middle of a commit; another one goes on, and it wakes up."""
    commit = MemoryCommit(store)
    commit.merge(raw.Campaigns, raw.Campaigns.rows([campaign("asleep", 9)]))
    commit.merge(ops.Drift, ops.Drift.rows([drift(9)]))
    asleep = store.steps(Redo(store.next_version(), "crawl", commit.writes))
    for _ in range(steps):
        next(asleep)
    another = MemoryWarehouse(store, lock_dir=tmp_path / "other locks")
    another.recover(NEXT)
    write(another, NEXT, 10)
    assert stored(another) == (["v10"], [10])
    for _ in asleep:
        pass
    assert stored(another) == (["v10"], [10])
    with pytest.raises(Busy, match="another process's"):
        write(warehouse, CRAWL, 11)
    assert stored(another) == (["v10"], [10])


def test_one_that_read_before_it_was_taken_for_dead_loses_too(warehouse, store, tmp_path):
    another = MemoryWarehouse(store, lock_dir=tmp_path / "other locks")
    with warehouse.committing(CRAWL) as commit:
        commit.merge(raw.Campaigns, raw.Campaigns.rows([campaign("asleep", 9)]))
        another.recover(NEXT)
        write(another, NEXT, 2)
    assert stored(another) == (["v2"], [2])


# Held against DuckDB.


def batches(rng: random.Random) -> Iterator[tuple[type[Table], list[dict[str, object]]]]:
    """Versions of a few keys, in and out of order, on clocks that go wrong."""
    for number in range(80):
        rows = []
        for place in range(rng.choice([1, 1, 2, 5])):
            at = NOW + dt.timedelta(seconds=rng.choice([0, 1, 60, 600, 6000]) + rng.choice([0, 0, 0, 9000, -4000]))
            seen = {"fetched_at": at, "first_fetched_at": at}
            seen |= dict.fromkeys(("fetch_id", "first_fetch_id"), 10 * number + place)
            extra = rng.choice([None, '{"a": 1}', '{"a": 2}'])
            key = f"k{rng.randrange(6)}"
            if number % 2:
                rows.append({"campaign_id": key, "name": rng.choice("xyz"), "extra": extra, **seen})
            else:
                flags = dict.fromkeys(("timestamp_was_naive", "is_future_dated", "is_opt_out"), False)
                status = rng.choice(["sent", "delivered", "read", "failed", "lost", None])
                said = {"content": rng.choice(["x", "y"]), "status": status, "extra": extra, "direction": "outbound"}
                said["duplicate_of"] = rng.choice([None, "other"])
                rows.append({"chat_id": "c", "message_id": key, "timestamp": NOW, **said, **flags, **seen})
        yield (raw.Campaigns if number % 2 else raw.Messages), rows


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_its_merge_is_duckdb_s(tmp_path, seed):
    file = DuckDbWarehouse(tmp_path / "live.duckdb", lock_dir=tmp_path / "locks")
    with file.held():
        stores: list[Warehouse] = [file, MemoryWarehouse(MemoryStore(), lock_dir=tmp_path / "locks")]
        for one in stores:
            one.prepare([raw.Campaigns, raw.Messages])
        for table, rows in batches(random.Random(seed)):
            told: list[Written] = []
            found = []
            for one in stores:
                with one.committing(CRAWL) as commit:
                    told.append(commit.merge(table, table.rows(rows)))
                with one.reading() as session:
                    found.append(session.query(f"select * from {table.full_name()} order by all").to_pylist())
            assert told[0] == told[1]
            assert found[0] == found[1]


# A whole ingest.


def ingested(world: World, store: MemoryStore, *, steps: int | None = None) -> bool:
    """Refresh once, a minute later than before; says whether it was killed, after so many steps of all its commits."""
    world.time.sleep(60)
    warehouse = MortalMemory(store, lock_dir=world.settings.lock_dir)
    warehouse.prepare(live_tables())
    warehouse.steps_left = steps
    try:
        list(refresh(world.settings, warehouse, connect=world.connect, now=world.time, workers=1))
    except Killed:
        return True
    return False


def rows_of(store: MemoryStore) -> dict[str, list[tuple[object, ...]]]:
    """What the CRM said; not when it did, which is later where a run was killed."""
    when = {"fetched_at", "first_fetched_at", "last_fetched_at", "fetch_id", "first_fetch_id"}
    return {
        table.full_name(): sorted(
            (tuple(value for name, value in row.items() if name not in when) for row in store.rows(table)), key=repr
        )
        for table in (raw.Contacts, raw.Messages, raw.Campaigns, raw.CustomFields, raw.CampaignReports)
    }


@pytest.mark.slow
def test_killed_at_any_step_of_any_commit_an_ingest_loses_nothing(tmp_path):
    def world(name: str) -> World:
        folder = Path(tmp_path / name)
        return World(folder, SandboxOptions(contacts=10, days=4, seed=5, start=START))

    calm, undisturbed = MemoryStore(), world("calm")
    assert not ingested(undisturbed, calm)
    assert not ingested(undisturbed, calm)
    for steps in itertools.count():
        here, store = world(f"killed {steps}"), MemoryStore(random.Random(steps))
        was_killed = ingested(here, store, steps=steps)
        assert not ingested(here, store)
        assert {redo.work for redo in store.redo.values()} <= {"write"}, "which the next one who writes finishes"
        assert rows_of(store) == rows_of(calm)
        named = {row["fetch_id"] for row in store.rows(raw.Messages)}
        assert named <= {row["fetch_id"] for row in store.rows(ops.Fetches)}
        assert all(row["is_history_whole"] for row in store.rows(ops.CrawlState))
        if not was_killed:
            break
    assert steps > 20
