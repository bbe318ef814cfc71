"""The journal of changes: whatever a commit does to messages and events, the chats that it does it to are named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from crm_platform.errors import GiveUp
from crm_platform.schemas import live_tables, ops, raw
from crm_platform.warehouse import DuckDbWarehouse, journal
from crm_platform.warehouse.journal import ANY
from crm_platform_tests.models.worlds import Row, World

AT = dt.datetime(2026, 11, 20, 9)
MINUTE = dt.timedelta(minutes=1)


class Store:
    """A warehouse, and what its newest commit noted."""

    def __init__(self, folder) -> None:
        self.live = DuckDbWarehouse(folder / "warehouse.duckdb", lock_dir=folder / "locks")
        self.live.prepare(live_tables())

    def commit(self, write) -> list[str]:
        before = self.noted()
        with self.live.leases.take("crawl", purpose="test") as holder, self.live.committing(holder) as commit:
            write(commit)
        return [chat_id for number, chat_id in self.noted() if (number, chat_id) not in before]

    def noted(self) -> list[tuple[int, str]]:
        with self.live.reading() as session:
            rows = session.query(f"select number, chat_id from {ops.Changes.full_name()} order by all").to_pylist()
        return [(row["number"], row["chat_id"]) for row in rows]

    def kinds(self) -> dict[str, bool]:
        with self.live.reading() as session:
            rows = session.query(
                f"select chat_id, is_other from {ops.Changes.full_name()}"
                f" where number = (select max(number) from {ops.Changes.full_name()})"
            ).to_pylist()
        return {row["chat_id"]: row["is_other"] for row in rows}

    def merge(self, table, *rows: Row) -> list[str]:
        return self.commit(lambda commit: commit.merge(table, table.rows(rows)))


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    return Store(tmp_path)


def event(chat_id: str | None, **values: object) -> Row:
    told = {"event_id": "e", "event": "csat.submitted", "happened_at": AT, "received_at": AT, "score": 5}
    return told | {"chat_id": chat_id} | values


def message(tmp_path, chat_id: str, **values: object) -> Row:
    world = World(tmp_path, None)  # type: ignore[arg-type]
    world.message(chat_id, "m", AT, "inbound", **values)
    return world.rows[raw.Messages][0]


def test_what_is_new_is_named_and_what_is_the_same_is_not(store, tmp_path):
    assert store.merge(raw.Messages, message(tmp_path, "b"), message(tmp_path, "a")) == ["a", "b"]
    assert store.merge(raw.Messages, message(tmp_path, "a")) == []
    assert store.merge(raw.Messages, message(tmp_path, "a", status="read")) == ["a"]
    assert store.merge(ops.CrawlState) == []
    assert [number for number, _ in store.noted()] == [1, 1, 2]


def state(chat_id: str, **values: object) -> Row:
    read = {"newest_run": 1, "read_from_oldest": 0, "is_history_whole": False}
    return {"chat_id": chat_id, "known_until": AT} | read | values


def test_a_visit_is_named_as_such_and_with_a_message_as_one_of_it(store, tmp_path):
    assert store.merge(ops.CrawlState, state("a"), state("b")) == ["a", "b"]
    assert store.kinds() == {"a": True, "b": True}
    assert store.merge(ops.CrawlState, state("a"), state("b", known_until=AT + MINUTE)) == ["b"]

    def write(commit) -> None:
        commit.merge(ops.CrawlState, ops.CrawlState.rows([state("a", known_until=AT + MINUTE)]))
        commit.merge(raw.Messages, raw.Messages.rows([message(tmp_path, "a")]))
        commit.merge(ops.CrawlState, ops.CrawlState.rows([state("b", known_until=AT + 2 * MINUTE)]))

    assert store.commit(write) == ["a", "b"]
    assert store.kinds() == {"a": False, "b": True}


def test_of_very_many_contacts_any_may_have_changed(store, monkeypatch):
    monkeypatch.setattr(journal, "MOST_OTHERS", 2)
    assert store.merge(ops.CrawlState, *(state(chat_id) for chat_id in "ab")) == ["a", "b"]
    assert store.merge(ops.CrawlState, *(state(chat_id) for chat_id in "cde")) == [ANY]
    assert store.kinds() == {ANY: True}


def test_an_event_that_moves_is_named_for_both_chats(store):
    assert store.merge(raw.Events, event("a")) == ["a"]
    assert store.merge(raw.Events, event("b")) == ["a", "b"]
    assert store.merge(raw.Events, event(None)) == ["b"]
    assert store.merge(raw.Events, event(None, score=4)) == []
    assert store.merge(raw.Events, event("a")) == ["a"]


def test_what_is_touched_or_taken_away_is_named_or_may_be_any(store, tmp_path):
    store.merge(raw.Messages, message(tmp_path, "a"))
    key = {"chat_id": "a", "message_id": "m"}
    mark = raw.Messages.part_of([key | {"is_opt_out": True}])
    assert store.commit(lambda commit: commit.touch(raw.Messages, mark)) == ["a"]
    assert store.commit(lambda commit: commit.erase(raw.Messages, column="chat_id", values=["a"])) == ["a"]
    assert store.commit(lambda commit: commit.erase(raw.Messages, column="timestamp", values=[AT])) == [ANY]
    moved = raw.Events.part_of([{"event_id": "e", "score": 1}])
    assert store.commit(lambda commit: commit.touch(raw.Events, moved)) == [ANY]


def test_requests_and_sweeps_that_are_dated_anew_may_be_of_any_chat(store):
    sweep = raw.ContactSweeps.part_of([{"sweep_id": 1, "ended_at": AT}])
    assert store.commit(lambda commit: commit.touch(raw.ContactSweeps, sweep)) == [ANY]
    request = ops.Fetches.part_of([{"fetch_id": 1, "finished_at": AT}])
    assert store.commit(lambda commit: commit.touch(ops.Fetches, request)) == [ANY]
    assert store.kinds() == {ANY: False}


def test_who_writes_past_a_commit_may_have_changed_any(store):
    before = store.noted()
    with store.live.writing() as session:
        session.execute("select 1")
    assert [chat_id for _, chat_id in store.noted()] == [*(chat_id for _, chat_id in before), ANY]


def test_a_commit_that_fails_notes_nothing(store, tmp_path):
    def write(commit) -> None:
        commit.merge(raw.Messages, raw.Messages.rows([message(tmp_path, "a")]))
        raise GiveUp("no more")

    with pytest.raises(GiveUp):
        store.commit(write)
    assert store.noted() == []


def test_it_forgets_what_is_old(store, monkeypatch):
    monkeypatch.setattr(journal, "KEPT", 3)
    for number in range(8):
        store.merge(raw.Events, event("a", score=1 + number % 2))
    assert [number for number, _ in store.noted()] == [4, 5, 6, 7, 8]
