"""Who is missing from a sweep, and what is believed of it: by tables, by random histories, and in whole refreshes."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from crm_platform.errors import GiveUp
from crm_platform.ingest import accept_sweep, judged_sweeps, open_warehouse
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.presence import PRESENT, SweepVerdict, are_same, is_suspicious
from crm_platform.ingest.sweep import Sweep, record_sweep
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform_tests.in_process import CRAWL, World, world

START = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("present", "missing", "expected"),
    [
        (0, 0, False),
        (1, 1, True),  # an empty list
        (3, 3, True),
        (2, 1, False),  # half is not more than half
        (3, 2, True),
        (39, 19, False),
        (39, 20, True),
        (40, 20, False),  # neither more than 20, nor fewer than 40 in all
        (40, 21, True),
        (100, 20, False),
        (105, 21, False),  # a fifth is not more than a fifth
        (104, 21, True),
        (1_000, 200, False),
        (1_000, 201, True),
        (10_000, 10_000, True),
    ],
)
def test_what_is_suspicious(present: int, missing: int, *, expected: bool):
    assert is_suspicious(seen=present - missing, present=present, missing=missing) is expected


def test_a_list_of_strangers_is_judged_by_whom_it_lacks():
    assert is_suspicious(seen=500, present=100, missing=100)
    assert not is_suspicious(seen=0, present=0, missing=0)


@pytest.mark.parametrize(
    ("back", "more", "expected"), [(0, 0, True), (5, 0, True), (6, 0, False), (0, 5, True), (0, 6, False), (5, 5, True)]
)
def test_the_same_contacts_give_or_take_five_per_cent(back: int, more: int, *, expected: bool):
    first = {f"c{number}" for number in range(100)}
    second = {f"c{number}" for number in range(back, 100 + more)}
    assert are_same(first, second) is expected


def test_nobody_missing_agrees_with_nothing():
    assert not are_same(set(), set())


class Swept:
    """A warehouse that is told of sweeps without a CRM."""

    def __init__(self, folder: Any) -> None:
        self.warehouse = open_warehouse(Settings(data_dir=folder))
        self.number = 0

    def sweep(
        self,
        at: dt.datetime,
        seen: set[str],
        *,
        total: int | None = -1,
        rejected: int = 0,
        reached_end: bool = True,
    ) -> tuple[Sweep, SweepVerdict]:
        """Record one; by default its total is what it saw."""
        self.number += 10
        total = len(seen) + rejected if total == -1 else total
        fetch = SimpleNamespace(fetch_id=self.number, started_at=at, finished_at=at + MINUTE)
        page: Any = SimpleNamespace(fetch=fetch, total=total)
        client: Any = None
        sweep = Sweep(client)
        sweep.seen, sweep.rejected = set(seen), {f"r{number}" for number in range(rejected)}
        sweep.first = sweep.last = page
        sweep.total = total
        sweep.reached_end = reached_end
        batch = Batch()
        verdict = record_sweep(sweep, batch, self.warehouse)
        assert verdict is not None
        batch.commit(self.warehouse, CRAWL)
        return sweep, verdict

    def present(self) -> set[str]:
        with self.warehouse.reading() as session:
            return set(session.query(PRESENT)["chat_id"].to_pylist())

    def words(self) -> dict[int, str]:
        with self.warehouse.reading() as session:
            return {one.row["sweep_id"]: one.words for one in judged_sweeps(session)}

    def accept(self, sweep_id: int, at: dt.datetime) -> int:
        return accept_sweep(self.warehouse, sweep_id, by="cli:amina", at=at)


ALL = {f"c{number:03}" for number in range(60)}
HALF = {f"c{number:03}" for number in range(30)}


@pytest.mark.slow
def test_an_empty_list_never_counts_until_it_is_accepted(tmp_path):
    """Field case 11."""
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    for hours in range(1, 5):
        sweep, verdict = crm.sweep(START + hours * HOUR, set())
        assert verdict.is_suspicious
        assert not verdict.gone
        assert f"`crm sweeps accept {crm.number}`" in sweep.warning
        assert crm.present() == ALL
    assert crm.accept(50, START + 5 * HOUR) == 60
    assert crm.present() == set()
    assert crm.words()[50] == "accepted by cli:amina"
    _, verdict = crm.sweep(START + 6 * HOUR, {"c001", "new"})
    assert verdict.gone == ALL - {"c001"}, "whoever plans visits is told of those a person let go"
    assert crm.present() == {"c001", "new"}
    _, verdict = crm.sweep(START + 7 * HOUR, {"c001", "new"})
    assert not verdict.gone, "once"


def test_half_a_list_counts_when_a_second_sweep_agrees(tmp_path):
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    crm.sweep(START + HOUR, HALF)
    assert crm.present() == ALL
    crm.sweep(START + HOUR + 59 * MINUTE, HALF)
    assert crm.present() == ALL, "sooner than an hour proves nothing"
    _, verdict = crm.sweep(START + 2 * HOUR, HALF | {"c030"})
    assert verdict.gone == ALL - HALF - {"c030"}
    assert crm.present() == HALF | {"c030"}
    assert crm.words() == {
        10: "counts",
        20: "confirmed by a second sweep",
        30: "set aside: a later sweep counts instead",
        40: "confirmed by a second sweep",
    }


@pytest.mark.slow
def test_half_a_list_that_is_whole_again_was_nothing(tmp_path):
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    crm.sweep(START + HOUR, HALF)
    crm.sweep(START + 2 * HOUR, ALL - {"c059"})
    crm.sweep(START + 3 * HOUR, HALF)
    assert crm.present() == ALL - {"c059"}, "two that agree with one between that does not: it begins anew"
    crm.sweep(START + 4 * HOUR, HALF)
    assert crm.present() == HALF


@pytest.mark.slow
def test_a_list_of_which_a_record_was_rejected_misses_nobody(tmp_path):
    """Field case 12, and a variant: one record of many."""
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    for hours, (seen, rejected) in enumerate([(set(), 60), (ALL - {"c000"}, 1), (HALF, 1)], start=1):
        sweep, verdict = crm.sweep(START + hours * HOUR, seen, rejected=rejected, total=60)
        assert sweep.is_complete or seen == HALF
        assert (verdict.is_suspicious, verdict.missing_contacts, verdict.gone) == (False, 0, set())
        assert crm.present() == ALL
    assert "rejected: nobody is missing for it" in crm.words()[20]


@pytest.mark.slow
def test_a_total_that_is_off_by_the_same_always(tmp_path):
    """Field case 13: complete when two full sweeps agree, at once while the list stays as it is."""
    crm = Swept(tmp_path)
    complete = [crm.sweep(START + hours * HOUR, ALL, total=65)[0].is_complete for hours in range(4)]
    assert complete == [False, True, True, True]
    fewer = ALL - {"c059"}
    complete = [crm.sweep(START + hours * HOUR, fewer, total=64)[0].is_complete for hours in (4, 5)]
    assert complete == [False, True]
    assert crm.present() == fewer
    # And a mass deletion can still be told.
    for hours in (6, 7, 8):
        crm.sweep(START + hours * HOUR, HALF, total=35)
    assert crm.present() == HALF


@pytest.mark.slow
def test_sweeps_that_did_not_come_to_the_end_agree_with_nothing(tmp_path):
    crm = Swept(tmp_path)
    for hours in range(3):
        sweep, _ = crm.sweep(START + hours * HOUR, ALL, total=65, reached_end=False)
        assert not sweep.is_complete
    assert not crm.sweep(START + 3 * HOUR, ALL, total=65)[0].is_complete
    assert not crm.sweep(START + 4 * HOUR, set(), total=65)[0].is_complete
    sweep, verdict = crm.sweep(START + 5 * HOUR, set(), total=65)
    assert not sweep.is_complete, "an empty list of 65 is no list"
    assert crm.present() == ALL
    assert not verdict.gone


@pytest.mark.slow
def test_a_list_that_lacks_what_its_total_still_counts_is_never_believed_by_itself(tmp_path):
    """Half of the list, again and again, while the CRM says that all are there."""
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    for hours in range(1, 6):
        crm.sweep(START + hours * HOUR, HALF, total=60)
    assert crm.present() == ALL
    assert crm.words()[60] == "waits for `crm sweeps accept 60`"
    assert crm.accept(60, START + 6 * HOUR) == 30
    assert crm.present() == HALF


@pytest.mark.slow
def test_what_can_be_accepted(tmp_path):
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    crm.sweep(START + HOUR, HALF)
    with pytest.raises(GiveUp, match="there is no sweep 7: `crm sweeps` lists them"):
        crm.accept(7, START + 2 * HOUR)
    with pytest.raises(GiveUp, match="sweep 10 does not wait to be accepted: counts"):
        crm.accept(10, START + 2 * HOUR)
    assert crm.accept(20, START + 2 * HOUR) == 30
    with pytest.raises(GiveUp, match="sweep 20 does not wait to be accepted: accepted by cli:amina"):
        crm.accept(20, START + 2 * HOUR)


@pytest.mark.slow
def test_sweeps_of_a_version_that_did_not_judge(tmp_path):
    """What it believed stands, but an empty list: whom that took away is back."""
    crm = Swept(tmp_path)
    crm.sweep(START, ALL)
    crm.sweep(START + HOUR, ALL - {"c000"})
    with crm.warehouse.writing() as session:
        session.execute(
            "update raw.contact_sweeps set seen_digest = null, missing_contacts = null, is_suspicious = null, "
            "needs_acceptance = null, counted_at = null"
        )
    assert crm.present() == ALL - {"c000"}
    with crm.warehouse.writing() as session:
        session.execute(
            "insert into raw.contact_sweeps by name select * replace (30 as sweep_id, 0 as seen_contacts, "
            "started_at + interval 2 hour as started_at, ended_at + interval 2 hour as ended_at) "
            "from raw.contact_sweeps where sweep_id = 10"
        )
        session.execute(
            'insert into raw.contact_sightings select chat_id, 30, "at" + interval 2 hour, false '
            "from raw.contact_sightings where sweep_id = 10 and chat_id <> 'c000'"
        )
    assert crm.present() == ALL - {"c000"}
    crm.number = 30
    crm.sweep(START + 3 * HOUR, ALL - {"c000"})
    assert crm.present() == ALL - {"c000"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_nobody_vanishes_without_two_sweeps_or_a_person(seed: int, tmp_path):
    """Random histories: who leaves was missed by a sweep that is not odd, or has a second one, or a person's word."""
    rng = random.Random(f"presence {seed}")
    crm = Swept(tmp_path)
    everybody = sorted(f"c{number:03}" for number in range(rng.choice([5, 45, 150])))
    history: list[tuple[dt.datetime, set[str], bool]] = []  # full sweeps: when, whom it lacked, whether it was odd
    at, hidden = START, set[str]()
    crm.sweep(at, set(everybody))
    for _ in range(14):
        at += rng.choice([10 * MINUTE, 30 * MINUTE, 61 * MINUTE, 3 * HOUR])
        if rng.random() < 0.5:
            share = rng.choice([0, 0, 0.02, 0.1, 0.3, 0.6, 1])
            hidden = set(rng.sample(everybody, round(len(everybody) * share)))
        seen, rejected = set(everybody) - hidden, int(rng.random() < 0.1)
        before = crm.present()
        sweep, verdict = crm.sweep(at, seen, rejected=rejected, reached_end=rng.random() < 0.9)
        after = crm.present()
        assert seen <= after, "a contact that is seen is present"
        left = before - after
        assert left == verdict.gone & before
        missing = before - seen
        is_odd = is_suspicious(seen=len(seen), present=len(before), missing=len(missing))
        if left:
            assert sweep.is_complete
            assert not rejected
            assert left == missing
            agreed = [
                one
                for then, one, _ in history
                if at - then >= HOUR and one and are_same(one & before, missing) and len(seen)
            ]
            assert agreed or not is_odd
        if sweep.is_complete and not rejected:
            history.append((at, set(everybody) - seen, is_odd))
        if verdict.is_suspicious and verdict.counted_at is None and rng.random() < 0.1:
            assert crm.accept(crm.number, at + 2 * MINUTE) == len(missing)
            assert crm.present() == seen


# Whole refreshes, by what the CRM's contact list says.

Change = Callable[[dict[str, Any]], None]


def listing(crm: World, change: Change | None) -> None:
    """Let the CRM's contact list go through `change` before it is sent."""
    handle = type(crm.sandbox).handle

    def changed(method: str, path: str, *rest: Any) -> Any:
        answer = handle(crm.sandbox, method, path, *rest)
        if change is None or (method, path) != ("GET", "/crm/chat") or answer.status != 200:
            return answer
        body = json.loads(answer.body)
        change(body)
        return replace(answer, body=json.dumps(body).encode())

    crm.sandbox.handle = changed  # type: ignore[method-assign]


def contacts_remaining(outcomes: list[Any]) -> str:
    (remaining,) = [one.remaining for one in outcomes if one.table is raw.Contacts]
    return str(remaining)


def present(crm: World) -> int:
    return len(crm.rows(PRESENT))


def emptied(body: dict[str, Any]) -> None:
    body["data"], body["pagination"]["total"] = [], 0


@pytest.mark.slow
def test_a_refresh_on_an_empty_list_goes_on_and_says_so(tmp_path):
    """Field case 11: everybody was gone, and nothing remained."""
    crm = world(tmp_path)
    crm.refresh()
    listing(crm, emptied)
    for _ in range(2):
        crm.time.sleep(2 * 3600)
        outcomes = crm.refresh()
        sweep_id = crm.rows("select max(sweep_id) as n from raw.contact_sweeps")[0]["n"]
        assert f"sweep {sweep_id} is suspicious: the list holds 0 contacts and lacks 60" in contacts_remaining(outcomes)
        assert f"`crm sweeps accept {sweep_id}`" in contacts_remaining(outcomes)
        assert present(crm) == 60
        (messages,) = [one for one in outcomes if one.table is raw.Messages]
        assert messages.metrics["chats"] == messages.metrics["chats_current"] == 60, "their chats are read all the same"
    listing(crm, None)
    crm.time.sleep(3600)
    outcomes = crm.refresh()
    assert not contacts_remaining(outcomes)
    assert present(crm) == 60


@pytest.mark.slow
def test_a_refresh_on_half_a_list_believes_it_the_second_time(tmp_path):
    crm = world(tmp_path)
    crm.refresh()

    def halved(body: dict[str, Any]) -> None:
        body["data"] = body["data"][:30]
        body["pagination"]["total"] = 30

    listing(crm, halved)
    crm.time.sleep(60)
    assert "misses the same contacts" in contacts_remaining(crm.refresh())
    crm.time.sleep(600)
    assert "misses the same contacts" in contacts_remaining(crm.refresh())
    assert present(crm) == 60
    crm.time.sleep(3600)
    outcomes = crm.refresh()
    assert not contacts_remaining(outcomes)
    assert present(crm) == 30
    (messages,) = [one for one in outcomes if one.table is raw.Messages]
    assert messages.metrics["chats"] == 30


@pytest.mark.slow
def test_a_refresh_on_a_list_with_another_key_misses_nobody(tmp_path):
    """Field case 12: `id` in place of `chat_id`."""
    crm = world(tmp_path)
    crm.refresh()

    def renamed(body: dict[str, Any]) -> None:
        for record in body["data"]:
            record["id"] = record.pop("chat_id")

    listing(crm, renamed)
    for _ in range(2):
        crm.time.sleep(2 * 3600)
        with pytest.raises(GiveUp, match="no chat_id"):
            crm.refresh()
        assert present(crm) == 60


@pytest.mark.slow
def test_a_refresh_on_a_total_that_is_off_by_five_is_complete(tmp_path):
    """Field case 13: three sweeps a refresh, and "the contact list kept moving"."""
    crm = world(tmp_path)

    def off_by_five(body: dict[str, Any]) -> None:
        body["pagination"]["total"] += 5

    listing(crm, off_by_five)
    for sweeps in (2, 3):
        crm.time.sleep(3600)
        outcomes = crm.refresh()
        assert not contacts_remaining(outcomes)
        rows = crm.rows("select is_complete, seen_contacts, reported_total from raw.contact_sweeps order by sweep_id")
        assert len(rows) == sweeps
        assert rows[-1] == {"is_complete": True, "seen_contacts": 60, "reported_total": 65}
