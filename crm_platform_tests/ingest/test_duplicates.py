"""The same message in two chats: which chats are linked, where a message is kept, and when that is decided."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import Counter, defaultdict

import pytest

from crm_platform.api import Fetch
from crm_platform.errors import FixConfiguration
from crm_platform.ingest import duplicates, open_warehouse, refresh
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.clocks import draw_back
from crm_platform.ingest.duplicates import MOST_COPIES, decide_duplicates
from crm_platform.ingest.operations import record_operation
from crm_platform.ingest.presence import accept_sweep
from crm_platform.models.due import last_change
from crm_platform.models.raw_checks import duplicates as duplicates_check
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform_tests.in_process import CRAWL
from crm_platform_tests.in_process import world as sandbox_world
from crm_platform_tests.models.worlds import provenance

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
SECOND, HOUR, DAY = dt.timedelta(seconds=1), dt.timedelta(hours=1), dt.timedelta(days=1)


class Store:
    """A live warehouse, filled by hand; each call is a request."""

    def __init__(self, folder) -> None:
        self.settings = Settings(data_dir=folder)
        self.warehouse = open_warehouse(self.settings)
        self.at = NOW
        self.number = 10**15

    def _request(self) -> dict[str, object]:
        self.at += HOUR
        self.number += 10**12
        return provenance(self.at) | {"first_fetch_id": self.number, "fetch_id": self.number}

    def store(self, chat_id: str, *messages: str, **values: object) -> None:
        """Messages by their ids: `i…` inbound, `o…` outbound; the digits are the second."""
        request = self._request()
        rows = [
            {
                "chat_id": chat_id,
                "message_id": name,
                "timestamp": NOW + int(name[1:]) * SECOND,
                "direction": "inbound" if name[0] == "i" else "outbound",
                "timestamp_was_naive": False,
                "is_future_dated": False,
                "is_opt_out": False,
                **request,
                **values,
            }
            for name in messages
        ]
        with self.warehouse.writing() as session:
            session.merge(raw.Messages, raw.Messages.rows(rows))

    def sweep(self, *seen: str, gone: tuple[str, ...] = ()) -> None:
        self._request()
        batch = Batch()
        sweep = {"sweep_id": self.number, "started_at": self.at, "ended_at": self.at, "seen_contacts": len(seen)}
        sweep |= {"rejected_contacts": 0, "requests": 1, "is_complete": True, "is_suspicious": False}
        batch.add(raw.ContactSweeps, sweep | {"counted_at": self.at})
        for chat_id in (*seen, *gone):
            sighting = {"chat_id": chat_id, "sweep_id": self.number, "at": self.at, "is_present": chat_id in seen}
            batch.add(raw.ContactSightings, sighting)
        batch.commit(self.warehouse, CRAWL)

    def decide(self) -> int:
        return decide_duplicates(self.warehouse, CRAWL, at=self.at)

    def rows(self, sql: str) -> list[dict]:
        with self.warehouse.reading() as session:
            return session.query(sql).to_pylist()

    def copies(self) -> dict[str, str]:
        """`chat message` of each copy that does not count, and the chat that it is kept in."""
        found = self.rows("select * from raw.messages where duplicate_of is not null")
        return {f"{row['chat_id']} {row['message_id']}": row["duplicate_of"] for row in found}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_what_merged_contacts_share_is_kept_once(store):
    """Field case 20."""
    store.store("old", "i1", "o2", "i3", "i8")
    store.store("new", "i1", "o2", "i3", "i9")
    assert store.decide() == 3
    assert store.copies() == {"old i1": "new", "old o2": "new", "old i3": "new"}, "the one stored later keeps them"
    assert store.decide() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        ("i1",),
        ("i1", "o2", "o4"),
        ("i8", "i9"),
    ],
)
def test_fewer_than_two_inbound_messages_prove_nothing(store, other):
    store.store("a", "i1", "o2", "i3", "o4")
    store.store("b", *other)
    assert store.decide() == 0


@pytest.mark.slow
@pytest.mark.parametrize("odd", [{"timestamp": NOW + DAY}, {"direction": "outbound"}])
def test_an_id_alone_proves_nothing(store, odd):
    """A CRM may number the messages of each chat from 1."""
    store.store("a", "i1", "i2", "i3")
    store.store("b", "i1", "i2", "i3", **odd)
    assert store.decide() == 0


@pytest.mark.slow
def test_the_second_message_that_is_shared_proves_the_first(store):
    store.store("a", "i1", "o2")
    store.store("b", "i1", "o2")
    assert store.decide() == 0
    store.store("a", "i5")
    assert store.decide() == 0
    store.store("b", "i5")
    assert store.decide() == 3
    assert set(store.copies()) == {"a i1", "a o2", "a i5"}


@pytest.mark.slow
def test_who_is_there_keeps_them_whatever_was_stored_later(store):
    store.sweep("old", "new")
    store.store("old", "i1", "i2")
    store.store("new", "i1", "i2")
    store.decide()
    assert set(store.copies().values()) == {"new"}
    store.sweep("old", gone=("new",))
    assert store.decide() == 4
    assert store.copies() == {"new i1": "old", "new i2": "old"}
    store.sweep("new")
    store.decide()
    assert set(store.copies().values()) == {"new"}


def test_chats_stored_together_are_told_apart_by_their_ids_bytes(store):
    same = provenance(NOW) | {"fetch_id": 7}
    for chat_id in ("é", "Z", "a"):
        store.store(chat_id, "i1", "i2", **same)
    store.decide()
    assert store.copies() == {"a i1": "Z", "a i2": "Z", "é i1": "Z", "é i2": "Z"}, "one keeps it for all"


def test_chats_linked_over_a_third_are_one_family(store):
    store.store("a", "i1", "i2", "o9")
    store.store("b", "i1", "i2", "i3", "i4")
    store.store("c", "i3", "i4", "o9")
    store.decide()
    assert store.copies() == {"a i1": "b", "a i2": "b", "b i3": "c", "b i4": "c", "a o9": "c"}


@pytest.mark.slow
def test_what_comes_later_is_decided_with_what_is_known(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    for number in (3, 4):
        store.store("a", f"o{number}")
        store.store("b", f"o{number}")
    assert store.decide() == 2
    assert set(store.copies()) == {"a i1", "a i2", "a o3", "a o4"}


def test_a_version_that_comes_again_keeps_what_was_decided(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    before = store.copies()
    store.store("a", "i1", "i2", status="read", content="as before")
    assert store.copies() == before
    assert store.decide() == 0


@pytest.mark.slow
def test_a_copy_that_is_no_longer_the_same_counts_again(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    store.store("b", "i1", timestamp=NOW + DAY)
    assert store.decide() == 2
    assert store.copies() == {}


@pytest.mark.slow
def test_rows_that_are_taken_away_leave_no_copy_without_its_original(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    with store.warehouse.writing() as session:
        session.execute("delete from raw.messages where chat_id = 'b'")
    with store.warehouse.reading() as session:
        found = duplicates_check(session)
    assert (found.passed, found.figures["kept_in_none"]) == (False, 2)
    store.store("c", "i7")
    assert store.decide() == 2
    assert store.copies() == {}
    with store.warehouse.reading() as session:
        assert duplicates_check(session).passed


def test_a_check_counts_them(store):
    store.store("a", "i1", "i2", "o3")
    store.store("b", "i1", "i2", "o3")
    store.decide()
    with store.warehouse.reading() as session:
        found = duplicates_check(session)
    assert found.passed
    assert found.figures == {"copies": 3, "chats": 1, "kept_in_none": 0}
    assert "3 messages of 1 chats stand in another chat" in found.summary


def test_nothing_is_written_when_nothing_came(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    before = store.rows("from ops.meta order by name")
    store.at += DAY
    assert store.decide() == 0
    assert store.rows("from ops.meta order by name") == before


def test_a_decision_makes_a_build_due(store):
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    with store.warehouse.reading() as session:
        before = last_change(session)
    store.at += HOUR
    store.decide()
    with store.warehouse.reading() as session:
        assert last_change(session) == store.at > before


@pytest.mark.slow
def test_a_message_in_very_many_chats_was_never_merged(store):
    """A CRM that sends one list of messages for every chat; two of them joined are a product of all with all."""
    for number in range(MOST_COPIES + 1):
        store.store(f"c{number}", "i1", "i2")
    assert store.decide() == 0


@pytest.mark.slow
def test_a_clock_that_is_set_back_hides_nothing(store):
    store.store("a", "i1", "i2")
    store.decide()
    store.at, store.number = store.at - 10 * DAY, store.number - 5 * 10**14
    with store.warehouse.writing() as session:
        session.execute("update raw.messages set fetch_id = 3, first_fetch_id = 3")
    draw_back(store.warehouse, CRAWL, now=store.at, by=10 * DAY)
    store.store("b", "i1", "i2")
    assert store.decide() == 2


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_an_accepted_sweep_hands_over_what_the_gone_kept(store, monkeypatch, is_killed):
    store.sweep("a", "b")
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    assert set(store.copies().values()) == {"b"}
    store.sweep(gone=("b",))
    with store.warehouse.writing() as session:
        session.execute("update raw.contact_sweeps set is_suspicious = true, counted_at = null where seen_contacts = 0")
    store.decide()
    assert set(store.copies().values()) == {"b"}, "nobody is gone yet"
    if is_killed:
        monkeypatch.setattr("crm_platform.ingest.presence.decide_duplicates", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            accept_sweep(store.warehouse, store.number, by="cli:amina", at=store.at)
        assert set(store.copies().values()) == {"b"}, "it was killed before the decision"
        assert store.decide() > 0, "which the next run makes good"
    else:
        accept_sweep(store.warehouse, store.number, by="cli:amina", at=store.at)
    assert set(store.copies().values()) == {"a"}
    assert store.decide() == 0


@pytest.mark.slow
def test_a_contact_that_is_deleted_here_hands_over_what_it_kept(store):
    store.sweep("a", "b")
    store.store("a", "i1", "i2")
    store.store("b", "i1", "i2")
    store.decide()
    at = store.at + HOUR
    sent = Fetch(store.number + 1, "delete_contact", "b", None, None, None, 1, at, at, 200, "ok", 0, None)
    record_operation(store.settings, kind="contact_deleted", chat_id="b", fetches=[sent])
    assert store.copies() == {"b i1": "a", "b i2": "a"}


# Held against a slow and simple account of the same rules.


def expected(rows: list[dict], present: set[str]) -> dict[tuple[str, str], str]:
    holders = defaultdict(set)
    for row in rows:
        holders[row["message_id"], row["timestamp"], row["direction"]].add(row["chat_id"])
    inbound = Counter(
        pair
        for (_, _, direction), chats in holders.items()
        if direction == "inbound"
        for pair in itertools.permutations(chats, 2)
    )
    family: dict[str, set[str]] = {}
    for (one, other), count in inbound.items():
        if count >= duplicates.LINKING and other not in family.setdefault(one, {one}):
            joined = family[one] | family.get(other, {other})
            family |= dict.fromkeys(joined, joined)
    stored: dict[str, dt.datetime] = {}
    groups = [
        (key, group)
        for key, chats in holders.items()
        for group in {frozenset(chats & family.get(chat, {chat})) for chat in chats}
        if len(group) > 1
    ]
    for (name, at, direction), group in groups:
        for row in rows:
            if row["chat_id"] in group and (row["message_id"], row["timestamp"], row["direction"]) == (
                name,
                at,
                direction,
            ):
                first = row["first_fetched_at"]
                stored[row["chat_id"]] = min(first, stored.get(row["chat_id"], first))
    found = {}
    for (name, _, _), group in groups:
        kept = min(sorted(group), key=lambda chat: (chat not in present, -stored[chat].timestamp()))
        found |= {(chat, name): kept for chat in group - {kept}}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_in_any_order_of_any_pieces(tmp_path, seed):
    """Also after kills: what a run did not decide, the next one does."""
    rng = random.Random(seed)
    store = Store(tmp_path)
    chats = [f"c{number}" for number in range(6)]
    present = set(chats)
    store.sweep(*chats)
    for _ in range(25):
        if rng.random() < 0.2:
            moved = rng.choice(chats)
            present ^= {moved}
            store.sweep(*present, gone=tuple(set(chats) - present))
        names = [f"{rng.choice('io')}{rng.randrange(6)}" for _ in range(3)]
        odd = {"timestamp": NOW + DAY} if rng.random() < 0.1 else {}
        store.store(rng.choice(chats), *dict.fromkeys(names), **odd)
        if rng.random() < 0.4:
            store.decide()
            rows = store.rows("from raw.messages")
            noted = {(row["chat_id"], row["message_id"]): row["duplicate_of"] for row in rows if row["duplicate_of"]}
            assert noted == expected(rows, present)
    assert store.decide() >= 0


# Whole runs.


@pytest.mark.slow
def test_a_refresh_of_merged_contacts_counts_each_message_once(tmp_path):
    crm = sandbox_world(tmp_path, shapes=("merged-contacts",))
    crm.refresh()
    truth = [line for line in crm.truth() if line["kind"] == "message"]
    shared = {(line["chat_id"], line["message_id"]) for line in truth if "also_in" in line}
    found = crm.rows("from raw.messages where duplicate_of is not null")
    assert {(row["chat_id"], row["message_id"]) for row in found} <= shared
    assert {(row["duplicate_of"], row["message_id"]) for row in found} <= shared
    linked = {frozenset((row["chat_id"], row["duplicate_of"])) for row in found}
    together = Counter(frozenset((line["chat_id"], line["also_in"])) for line in truth if "also_in" in line)
    assert len(found) == sum(count // 2 for pair, count in together.items() if pair in linked)
    assert len(found) > 20
    before = len(found)
    crm.time.sleep(3 * 86_400)
    crm.crawl(minutes=30)
    assert len(crm.rows("from raw.messages where duplicate_of is not null")) > before


@pytest.mark.slow
def test_a_killed_run_is_made_good_by_the_next(tmp_path):
    crm = sandbox_world(tmp_path, shapes=("merged-contacts",))
    running = refresh(crm.settings, crm.warehouse, connect=crm.connect, now=crm.time)
    for outcome in running:
        if outcome.table is raw.Messages:
            break
    running.close()
    assert not crm.rows("from raw.messages where duplicate_of is not null")
    crm.refresh()
    assert crm.rows("from raw.messages where duplicate_of is not null")


@pytest.mark.slow
def test_a_run_that_fails_decides_on_what_it_stored(tmp_path):
    crm = sandbox_world(tmp_path, shapes=("merged-contacts",))
    crm.refresh(tables=[raw.Contacts, raw.Messages])
    with crm.warehouse.writing() as session:
        session.execute("update raw.messages set duplicate_of = null")
        session.execute("delete from ops.meta where name = 'duplicates'")

    def refuse():
        raise FixConfiguration("the key is refused")

    crm.on_request = refuse
    with pytest.raises(FixConfiguration):
        crm.refresh()
    assert crm.rows("from raw.messages where duplicate_of is not null")
