"""The port's promises in ClickHouse, on a real server: half a commit, a killed holder, one that was taken for dead."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import random
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pydantic import SecretStr

from crm_platform.errors import Busy, FixConfiguration, GiveUp
from crm_platform.schemas import live_tables, ops, raw
from crm_platform.warehouse import DuckDbWarehouse, Lease, Warehouse, Written, one_commit
from crm_platform.warehouse.clickhouse_client import MEMORY, Address, bind
from crm_platform.warehouse.clickhouse_store import ClickHouseWarehouse, Redo
from crm_platform_tests import clickhouse_server
from crm_platform_tests.warehouse.mortal import Killed, Mortal
from crm_platform_tests.warehouse.test_in_memory import CRAWL, NEXT, NOW, batches, campaign, drift, stored, write

pytestmark = pytest.mark.services

TABLES = (raw.Campaigns, ops.Drift, raw.Messages, ops.Changes)


class MortalClickHouse(Mortal, ClickHouseWarehouse):
    """What was left half done is done again by who lives."""

    replay = ClickHouseWarehouse.carry_out
    steps_of = ClickHouseWarehouse.steps


@pytest.fixture
def store(address: Address, tmp_path: Path) -> MortalClickHouse:
    made = MortalClickHouse(address, lock_dir=tmp_path / "locks", mirror=tmp_path / "mirror.duckdb")
    made.prepare(TABLES)
    return made


@pytest.fixture
def another(address: Address, tmp_path: Path) -> ClickHouseWarehouse:
    """The same store, as a process on a host without our locks holds it."""
    there = tmp_path / "elsewhere"
    return ClickHouseWarehouse(address, lock_dir=there / "locks", mirror=there / "mirror.duckdb")


def pending(store: ClickHouseWarehouse) -> int:
    found = store.client.query(f"select count(*) as n from {store.client.address.database}._commits where stage = 1")
    return found["n"][0].as_py()


def message(key: str, number: int = 1, **values: object) -> dict[str, object]:
    at = NOW + dt.timedelta(minutes=number)
    seen = {"fetched_at": at, "first_fetched_at": at, "fetch_id": number, "first_fetch_id": number}
    flags = dict.fromkeys(("timestamp_was_naive", "is_future_dated", "is_opt_out"), False)
    return {"chat_id": "c", "message_id": key, "timestamp": NOW, "direction": "inbound", **flags, **seen, **values}


# Commits.


def test_a_store_is_made_once_and_told_from_none(clickhouse_store):
    assert not clickhouse_store.exists()
    assert clickhouse_store.state() == "none"
    clickhouse_store.prepare(live_tables())
    clickhouse_store.prepare(live_tables())
    assert clickhouse_store.exists()
    with clickhouse_store.reading() as session:
        assert all(session.has(table) for table in live_tables())
        for table in live_tables():
            found = session.query(f"select * from {table.full_name()}")
            assert found.schema == table.rows([]).schema, "the columns, and their types, are those that are declared"


def test_a_commit_that_raises_leaves_nothing(store):
    with contextlib.suppress(ZeroDivisionError), store.committing(CRAWL) as commit:
        commit.append(raw.Campaigns, raw.Campaigns.rows([campaign("a")]))
        raise ZeroDivisionError
    assert stored(store) == ([], [])
    assert pending(store) == 0


@pytest.mark.parametrize("steps", range(5))
def test_a_killed_commit_is_finished_by_the_next_holder_or_never_was(store, steps):
    """Steps: the redo row, each of two tables, the mark that it is done."""
    store.steps_left = steps
    with contextlib.suppress(Killed):
        write(store, CRAWL, 1)
    assert sum(map(len, stored(store))) == min(2, max(0, steps - 1)), "what was not written is not seen"
    for _ in range(2):
        store.recover(NEXT)
        assert stored(store) == (([], []) if steps == 0 else (["v1"], [1]))
        assert pending(store) == 0


def test_who_commits_next_finishes_what_was_left_whoever_it_was(store):
    """To commit is one process's at a time, so nobody is at it any more."""
    store.steps_left = 1
    with pytest.raises(Killed):
        write(store, CRAWL, 1)
    store.steps_left = None
    with one_commit(store, purpose="a note"):
        pass
    assert stored(store) == (["v1"], [1])


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_holder_that_was_taken_for_dead_loses(store, another, steps):
    """It sleeps in the middle of a commit; another one goes on, and it wakes up."""
    store.recover(CRAWL)
    asleep: list[Iterator[str]] = []

    def fall_asleep(redo: Redo) -> None:
        asleep.append(store.steps(redo))
        for _ in range(steps):
            next(asleep[0])

    store.carry_out = fall_asleep
    write(store, CRAWL, 9)
    another.recover(NEXT)
    write(another, NEXT, 10)
    assert stored(another) == (["v10"], [10])
    for _ in asleep[0]:
        pass
    assert stored(another) == (["v10"], [10])
    with pytest.raises(Busy, match="another process's"):
        write(store, CRAWL, 11)
    assert stored(another) == (["v10"], [10])
    assert pending(another) == 0


def test_a_data_folder_that_begins_anew_goes_on_with_the_same_store(store, another):
    """Its count of leases begins at 1 again; what it writes is newer all the same."""
    for number in range(1, 6):
        write(store, CRAWL, number)
    write(another, Lease("crawl", epoch=1), 7)
    assert stored(another) == (["v7"], [7])


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_its_merge_is_duckdb_s(store, tmp_path, seed):
    file = DuckDbWarehouse(tmp_path / "live.duckdb", lock_dir=tmp_path / "locks")
    file.prepare(TABLES)
    with file.held():
        stores: list[Warehouse] = [file, store]
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
        journals = []
        for one in stores:
            with one.reading() as session:
                changes = session.query("select number, chat_id, is_other from ops.changes order by all")
                journals.append(changes.to_pylist())
        assert journals[0] == journals[1]
        assert journals[0]


def test_what_one_commit_does_to_a_row_adds_up(store):
    write(store, CRAWL, 1)
    with store.committing(CRAWL) as commit:
        commit.merge(raw.Campaigns, raw.Campaigns.rows([campaign("v2", 2)]))
        commit.touch(raw.Campaigns, raw.Campaigns.part_of([{"campaign_id": "a", "status": "draft"}]))
        commit.append(raw.Campaigns, raw.Campaigns.rows([campaign("new", 2, key="b"), campaign("gone", 2, key="c")]))
        commit.erase(raw.Campaigns, column="campaign_id", values=["c", "was never there"])
        commit.touch(raw.Campaigns, raw.Campaigns.part_of([{"campaign_id": "nobody", "status": "draft"}]))
    with store.reading() as session:
        found = session.query("select campaign_id, name, status from raw.campaigns order by campaign_id").to_pylist()
    assert found == [
        {"campaign_id": "a", "name": "v2", "status": "draft"},
        {"campaign_id": "b", "name": "new", "status": None},
    ]


def test_what_is_erased_is_written_without_its_content_and_may_come_back(store):
    with store.committing(CRAWL) as commit:
        commit.merge(raw.Messages, raw.Messages.rows([message("m1", content="secret"), message("m2", content="kept")]))
    with store.committing(CRAWL) as commit:
        commit.erase(raw.Messages, column="message_id", values=["m1"])
    database = store.client.address.database
    with store.reading() as session:
        assert session.query("select message_id from raw.messages")["message_id"].to_pylist() == ["m2"]
    store.client.execute(f"optimize table {database}.raw_messages final")
    left = store.client.query(f"select content from {database}.raw_messages order by content settings final = 0")
    assert left["content"].to_pylist() == ["kept", None]
    with store.committing(CRAWL) as commit:
        told = commit.merge(raw.Messages, raw.Messages.rows([message("m1", 5, content="again")]))
    assert told == Written(inserted=1)
    with store.reading() as session:
        assert session.query("select content from raw.messages order by message_id")["content"].to_pylist() == [
            "again",
            "kept",
        ]


def test_a_null_that_is_not_declared_is_refused_before_anything_is_written(store):
    rows = raw.Messages.rows([message("m1", direction=None)])
    with contextlib.suppress(duckdb.ConstraintException), store.committing(CRAWL) as commit:
        commit.append(ops.Drift, ops.Drift.rows([drift(1)]))
        commit.append(raw.Messages, rows)
        pytest.fail("it is not declared")
    assert stored(store) == ([], [])
    assert pending(store) == 0


def test_the_journal_forgets_what_is_old(store, monkeypatch):
    monkeypatch.setattr("crm_platform.warehouse.clickhouse_store.KEPT", 3)
    monkeypatch.setattr("crm_platform.warehouse.journal.KEPT", 3)
    for number in range(1, 8):
        with store.committing(CRAWL) as commit:
            commit.merge(raw.Messages, raw.Messages.rows([message(f"m{number}", number, chat_id=f"c{number}")]))
    with store.reading() as session:
        assert session.query("select number from ops.changes order by 1")["number"].to_pylist() == [4, 5, 6, 7]


def test_a_column_that_is_declared_later_is_null_before(store, monkeypatch):
    write(store, CRAWL, 1)
    monkeypatch.setattr(raw.Campaigns, "columns", {**raw.Campaigns.columns, "mood": raw.Campaigns.columns["name"]})
    store.prepare(TABLES)
    with store.reading() as session:
        assert session.query("select mood from raw.campaigns")["mood"].to_pylist() == [None]
    with store.committing(CRAWL) as commit:
        commit.merge(raw.Campaigns, raw.Campaigns.rows([{**campaign("v2", 2), "mood": "good"}]))
    with store.reading() as session:
        assert session.query("select name, mood from raw.campaigns").to_pylist() == [{"name": "v2", "mood": "good"}]


def test_the_state_is_another_after_every_commit_and_after_nothing_else(store):
    states = [store.state()]
    for number in (1, 2):
        write(store, CRAWL, number)
        states.append(store.state())
    assert len(set(states)) == 3
    store.recover(NEXT)
    with one_commit(store, purpose="nothing"):
        pass
    write(store, CRAWL, 2)  # the same again
    assert store.state() == states[-1]


# The copy for builds.


def rows_of(store: Warehouse) -> list[dict[str, object]]:
    with store.reading() as session:
        return session.query("select * from raw.messages order by chat_id, message_id").to_pylist()


def test_the_copy_follows_commit_by_commit_and_holds_nothing_that_stays_raw(store):
    rng = random.Random(1)
    store.prepare(live_tables())
    for number in range(1, 25):
        with store.committing(CRAWL) as commit:
            rows = [message(f"m{rng.randrange(9)}", number, content=f"text {number}") for _ in range(2)]
            commit.merge(raw.Messages, raw.Messages.rows(rows))
            commit.erase(raw.Messages, column="message_id", values=[f"m{rng.randrange(9)}"])
        if rng.random() < 0.4:
            copied = store.at_hand()
            assert copied.state() == store.state()
            kept = {name for name, column in raw.Messages.columns.items() if not column.stays_raw}
            assert rows_of(copied) == [
                {name: value if name in kept else None for name, value in row.items()} for row in rows_of(store)
            ]
    assert rows_of(copied)


def test_the_copy_has_whole_commits_alone(store):
    store.prepare(live_tables())
    write(store, CRAWL, 1)
    store.at_hand()
    store.steps_left = 2
    with pytest.raises(Killed):
        write(store, CRAWL, 2)
    store.steps_left = None
    assert stored(store.at_hand()) == (["v2"], [2]), "it is finished first"


def test_a_copy_of_another_store_or_a_damaged_one_is_made_anew(store, tmp_path):
    store.prepare(live_tables())
    write(store, CRAWL, 1)
    copied = store.at_hand()
    assert stored(copied) == (["v1"], [1])
    copied.path.write_bytes(b"no database at all")
    assert stored(store.at_hand()) == (["v1"], [1])
    database = store.client.address.database
    store.client.execute(f"drop database {database} sync")
    store.prepare(live_tables())
    assert stored(store.at_hand()) == ([], [])


def test_what_one_writes_late_that_was_taken_for_dead_is_copied_too(store, another):
    store.prepare(live_tables())
    asleep: list[Iterator[str]] = []
    store.carry_out = lambda redo: asleep.append(store.steps(redo))
    write(store, CRAWL, 1)
    for number in (2, 3):
        with another.committing(NEXT) as commit:
            commit.merge(ops.Drift, ops.Drift.rows([drift(number)]))
    assert stored(another.at_hand()) == ([], [3])
    for _ in asleep[0]:
        pass
    assert stored(another.at_hand()) == (["v1"], [3])


# Values, names, errors.


def test_values_travel_beside_the_statement(clickhouse_store):
    texts = ["it's", 'say "so"', "back\\slash", "new\nline", "tab\t", "?", "{p0:String}", "emoji 🙂", "", "-- no"]
    moment = dt.datetime(2026, 11, 22, 12, 0, 0, 123_456)
    with clickhouse_store.reading() as session:
        for text in texts:
            found = session.query("select ? as text, '?' as mark -- ?\n", [text]).to_pylist()
            assert found == [{"text": text, "mark": "?"}]
        found = session.query("select text from (select unnest(?) as text) order by text", [texts])
        assert found["text"].to_pylist() == sorted(texts, key=str.encode)
        many = [f"chat {number}" for number in range(50_000)]
        assert session.query("select count(*) as n from (select unnest(?))", [many])["n"].to_pylist() == [50_000]
        assert session.query("select 1 as one where 'a' in (select unnest(?))", [[]]).num_rows == 0
        (row,) = session.query(
            "select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f",
            [-3, 1.5, True, moment, moment.date(), moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=3)))],
        ).to_pylist()
    assert row == {
        "a": -3,
        "b": 1.5,
        "c": True,
        "d": moment,
        "e": moment.date(),
        "f": moment - dt.timedelta(hours=3),
    }


def test_a_value_that_is_none_is_null_and_marks_in_quotes_are_none():
    assert bind("select ?, '?', \"?\", /* ? */ ?", [None, 1])[:2] == (
        "select null, '?', \"?\", /* ? */ {p0:Int64}",
        {"p0": 1},
    )


def test_rows_of_the_caller_s_are_read_by_name(clickhouse_store):
    rows = pa.table({"key": ["a", None], "n": [1, 2], "at": pa.array([NOW.replace(tzinfo=None)] * 2)})
    with clickhouse_store.reading() as session:
        assert session.query("select * from mine order by n", tables={"mine": rows}).to_pylist() == rows.to_pylist()


def test_threads_share_a_store(store):
    write(store, CRAWL, 1)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: str(stored(store)), range(40))) == {"(['v1'], [1])"}


def test_no_statement_is_without_a_bound_and_each_says_whose_it_is(store):
    write(store, CRAWL, 1)
    store.client.execute("system flush logs query_log")
    database = store.client.address.database
    found = store.client.query(
        "select log_comment, Settings['max_memory_usage'] as bound, Settings['async_insert'] as is_async"
        " from system.query_log where has(databases, ?) and type = 2 and query_kind in ('Select', 'Insert')",
        [database],
    ).to_pylist()
    assert found
    assert {(row["log_comment"], row["bound"]) for row in found} == {("crm_platform", str(MEMORY))}


def there(server: clickhouse_server.Server, tmp_path: Path, *, password: str, **parts: str) -> ClickHouseWarehouse:
    address = Address.of(SecretStr(server.url("crm_x", **parts)), SecretStr(password))
    return ClickHouseWarehouse(address, lock_dir=tmp_path / "locks", mirror=tmp_path / "mirror.duckdb")


def test_a_wrong_password_is_told_and_none_is_shown(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    password = secrets.token_hex()
    store = there(server, tmp_path, password=password)
    with pytest.raises(FixConfiguration, match="refuses the user platform: mend CRM_WAREHOUSE_URL, or") as refused:
        store.exists()
    said = "".join(map(str, (refused.value, refused.getrepr(style="long"), caplog.text)))
    assert password not in said
    assert password not in repr((store, store.client, store.client.address)) + store.describe()


def test_who_may_not_write_is_told(server, tmp_path):
    store = there(server, tmp_path, password=clickhouse_server.PASSWORD, user="reader")
    with pytest.raises(FixConfiguration, match="the user reader lacks a right"):
        store.prepare(TABLES)


def test_a_database_that_is_not_there_is_told(server, tmp_path):
    store = there(server, tmp_path, password=clickhouse_server.PASSWORD)
    with store.reading() as session, pytest.raises(FixConfiguration, match="no such database"):
        session.query("select * from raw.messages")


def test_a_statement_that_is_refused_is_told_without_its_values(store):
    with store.reading() as session, pytest.raises(GiveUp) as refused:
        session.query("select no_such_function('Jane Doe')")
    assert str(refused.value).endswith("refuses a statement: code 46 (UNKNOWN_FUNCTION)")


def test_a_server_that_is_away_is_busy_and_has_what_it_had_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr("crm_platform.warehouse.clickhouse_client._PAUSES", (0.01,))
    (tmp_path / "server").mkdir()
    with clickhouse_server.running(tmp_path / "server") as server:
        store = there(server, tmp_path, password=clickhouse_server.PASSWORD)
        store.prepare(TABLES)
        write(store, CRAWL, 1)
        server.kill()
        with pytest.raises(Busy, match="does not answer"):
            stored(store)
        with pytest.raises(Busy, match="does not answer"):
            write(store, CRAWL, 2)
        server.start_again()
        assert stored(store) == (["v1"], [1])
        write(store, CRAWL, 3)
        assert stored(store) == (["v3"], [3])
