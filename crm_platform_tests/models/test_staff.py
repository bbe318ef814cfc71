"""Who of the staff is who: identifiers that are one person's, names, corrections by hand. Field case 44."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random

import pytest

from crm_platform.errors import GiveUp
from crm_platform.ingest.notes import add_note, notes, remove_note
from crm_platform.models.corrections import merge_agents, split_agent
from crm_platform.models.staff import _standing, staff
from crm_platform.schemas import ops, raw
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
JANE, BEN = "jane@shop.example", "ben@shop.example"


def said(world: World, sender: str, at: dt.datetime = NOW - DAY, **others: object) -> None:
    """A reply; `others`: further identifiers that it carries, by field."""
    number = len(world.rows.get(raw.Messages, ()))
    extra = json.dumps(others) if others else None
    world.message("chat", f"m{number}", at, "outbound", sender=sender, extra=extra)


def aliases(world: World, as_of: dt.datetime | None = None) -> dict[object, object]:
    world.chat("chat", known_until=NOW)
    world.freeze(NOW, as_of=as_of)
    with world.models.reading() as session:
        found = session.query("select alias, agent from core.agent_aliases")
    return dict(zip(found["alias"].to_pylist(), found["agent"].to_pylist(), strict=True))


def standing(*together: str, corrections: dict[str, str | None] | None = None) -> dict[str, str]:
    """`together`: identifiers with blanks between them; those with an @ are addresses."""
    return standing_of([frozenset(group.split()) for group in together], corrections or {})


def standing_of(groups: list[frozenset[str]], corrections: dict[str, str | None] | None = None) -> dict[str, str]:
    corrections = corrections or {}
    return _standing(set().union(*groups, corrections, filter(None, corrections.values())), groups, corrections)


JOINED = {
    "an address stands for an id": (["a@ 7"], "a@ a@"),
    "the first identifier stands where there is no address": (["8 7"], "7 7"),
    "joined by another": (["a@ 7", "7 u"], "a@ a@ a@"),
    "two addresses on one message are one person's": (["b@ a@"], "a@ a@"),
    "an id of two people joins nobody": (["a@ 7", "b@ 7"], "7 a@ b@"),
    "not even others": (["a@ 7", "b@ 7", "7 u"], "7 a@ b@ u"),
    "two ids between two people join nobody": (["a@ 7", "7 8", "8 b@"], "7 8 a@ b@"),
    "what one person has besides stays": (["a@ 7", "b@ 7", "a@ u", "u v"], "7 a@ b@ a@ a@"),
    "two ids of one person join, though they share one": (["a@ 7", "a@ 8", "7 8"], "a@ a@ a@"),
    "without any address nobody is told from two people": (["7 u", "7 v"], "7 u v"),
    "three of one message are one's": (["7 u v"], "7 7 7"),
    "people who share nothing": (["a@ 7", "b@ 8"], "a@ b@ a@ b@"),
}


@pytest.mark.parametrize("case", JOINED)
def test_who_is_who(case: str):
    groups, expected = JOINED[case]
    keys = sorted({key for group in groups for key in group.split()})
    for order in itertools.permutations(groups):
        found = standing(*order)
        assert " ".join(found[key] for key in keys) == expected
    assert found.keys() == set(keys)


def test_no_shared_identifier_joins_two_people():
    """Against the definition, word for word, on random small tenants."""
    for seed in range(300):
        rng = random.Random(seed)
        keys = [f"{letter}@" for letter in "abc"] + list("12345")
        groups = [frozenset(rng.sample(keys, 2)) for _ in range(rng.randrange(1, 9))]

        def part(start: str, without: str = "", groups: list[frozenset[str]] = groups) -> set[str]:
            found, new = set(), {start}
            while new:
                found |= new
                new = {key for group in groups if group & new and without not in group for key in group} - found
            return found

        def is_shared(key: str, groups: list[frozenset[str]] = groups) -> bool:
            whole = part(key, groups=groups)
            has_address = any("@" in one for one in whole)
            rest = {frozenset(part(one, without=key, groups=groups)) for one in whole - {key}}
            return "@" not in key and sum(not has_address or any("@" in one for one in each) for each in rest) > 1

        named = set().union(*groups)
        shared = {key for key in named if is_shared(key)}
        kept = [group for group in groups if not group & shared]
        expected = {key: min(part(key, groups=kept), key=lambda one: ("@" not in one, one)) for key in named}
        assert standing_of(groups) == expected, seed


@pytest.mark.slow
def test_a_tenant_of_ids_that_all_hang_together_takes_no_time():
    chain = [frozenset({f"u{number}", f"u{number + 1}"}) for number in range(50_000)]
    groups = [*chain, frozenset({"a@", "u0"}), frozenset({"b@", "u50000"})]
    assert set(standing_of(groups[:-1]).values()) == {"a@"}
    assert len(set(standing_of(groups).values())) == 50_003, "each of them joins two people"


def test_corrections_come_last_and_the_newest_counts():
    assert standing("a@ 7", corrections={"7": "b@"}) == {"a@": "a@", "7": "b@", "b@": "b@"}
    assert set(standing("a@ 7", corrections={"a@": "b@"}).values()) == {"b@"}, "who goes by it follows"
    assert standing("a@ 7", "7 u", corrections={"7": None}) == {"a@": "a@", "7": "7", "u": "u"}
    assert set(standing("a@ 7", "b@ 7", corrections={"7": "b@", "a@": "b@"}).values()) == {"b@"}
    assert set(standing("a@", "b@", "c@", corrections={"a@": "b@", "b@": "c@", "c@": "a@"}).values()) == {"a@"}


@pytest.mark.slow
def test_two_spellings_are_one_agent_by_the_newest(new_world: Worlds):
    """Field case 44."""
    world = new_world()
    said(world, "Jane@Shop.example", NOW - 2 * DAY, agentId="Agent-7")
    said(world, "jane@shop.example", NOW - 3 * DAY)
    world.event("assigned", "chat", NOW - HOUR, " JANE@shop.example")
    assert aliases(world) == {JANE: "JANE@shop.example", "agent-7": "JANE@shop.example"}
    assert aliases(world, NOW - DAY) == {JANE: "Jane@Shop.example", "agent-7": "Jane@Shop.example"}
    said(world, "jane@Shop.example", NOW - 2 * DAY)
    assert aliases(world, NOW - DAY)[JANE] == "jane@Shop.example", "of one instant the last by its bytes"


@pytest.mark.slow
def test_the_work_of_two_spellings_is_one_agents(new_world: Worlds):
    """Field case 44."""
    world = new_world()
    said(world, "Jane@Shop.example", NOW - DAY)
    said(world, JANE, NOW - DAY + MINUTE)
    world.chat("chat", known_until=NOW)
    world.freeze(NOW)
    (row,) = [row for row in world.tables["kpi.agent_leaderboard"] if row["window_days"] == 7]
    assert (row["agent"], row["replies"]) == (JANE, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "named",
    ["Ｂot@shop.example", "77", "Bot@Shop.example", "bot@Shop.example"],
)
@pytest.mark.parametrize("sender", ["bot@shop.example", "BOT@shop.example "])
def test_a_bot_leads_no_board_however_it_is_spelt(named: str, sender: str, new_world: Worlds):
    """Field case 44."""
    world = new_world(automation_senders=named)
    world.message("chat", "question", NOW - DAY, "inbound")
    world.message("chat", "bot", NOW - DAY + MINUTE / 20, "outbound", sender=sender, extra='{"agentId": 77}')
    said(world, JANE, NOW - DAY + 5 * MINUTE)
    world.chat("chat", known_until=NOW)
    world.freeze(NOW)
    (row,) = [row for row in world.tables["kpi.agent_leaderboard"] if row["window_days"] == 7]
    assert (row["agent"], row["replies"], row["first_response_seconds_median"]) == (JANE, 1, 300)


@pytest.mark.slow
def test_only_what_the_cut_knows_says_who_is_who(new_world: Worlds):
    world = new_world()
    said(world, JANE)
    said(world, BEN)
    said(world, "later@shop.example", NOW + MINUTE)
    world.message("chat", "unread", NOW - DAY, "outbound", sender="unread", first_fetched_at=NOW + HOUR)
    world.correction("merge", BEN, JANE, at=NOW - HOUR)
    world.correction("split", BEN, at=NOW - MINUTE)
    assert aliases(world) == {JANE: JANE, BEN: BEN}
    assert aliases(world, NOW - 2 * MINUTE) == {JANE: JANE, BEN: JANE}
    assert aliases(world, NOW - 2 * HOUR) == {JANE: JANE, BEN: BEN}


def test_no_odd_field_names_an_agent(new_world: Worlds):
    world = new_world()
    said(world, JANE, agent_id={"name": "Jane"}, agentId=7, operator_id="  ", agent_email=None)
    assert aliases(world) == {JANE: JANE, "7": JANE}


@pytest.fixture
def desk(new_world: Worlds) -> World:
    world = new_world()
    said(world, JANE, agentId="7")
    said(world, BEN)
    world.store()
    return world


def test_what_is_corrected_by_hand_is_kept_with_who_and_when(desk: World):
    assert merge_agents(desk.live, "7 ", "BEN@shop.example", by="cli:amina", at=NOW) == BEN
    assert merge_agents(desk.live, BEN, JANE, by="cli:amina", at=NOW + MINUTE) == JANE
    split_agent(desk.live, "7", by="cli:brian", at=NOW + HOUR)
    with desk.live.reading() as session:
        facts = session.query("select * from raw.agent_corrections order by correction_id").to_pylist()
        (ben, seven) = staff(session, cut=NOW + DAY).people[::-1]
    assert [(fact["correction_id"], fact["kind"], fact["alias"], fact["agent"], fact["who"]) for fact in facts] == [
        (1, "merge", "7", BEN, "cli:amina"),
        (2, "merge", BEN, JANE, "cli:amina"),
        (3, "split", "7", None, "cli:brian"),
    ]
    assert (ben.key, ben.aliases, ben.messages, seven.key, seven.messages) == (JANE, (BEN,), 2, "7", 0)


def test_an_agent_id_gets_an_address_that_was_never_seen(desk: World):
    assert merge_agents(desk.live, "7", "new@shop.example", by="cli:amina", at=NOW) == "new@shop.example"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alias", "agent", "why"),
    [("nobody", JANE, "'nobody'"), (JANE, "8", "'8'"), (JANE, "7", "one agent's already"), ("", JANE, "''")],
)
def test_what_cannot_be_merged_is_refused(desk: World, alias: str, agent: str, why: str):
    with pytest.raises(GiveUp, match=why):
        merge_agents(desk.live, alias, agent, by="cli:amina", at=NOW)


@pytest.mark.parametrize(("alias", "why"), [("nobody", "'nobody'"), (BEN, "no other identifier")])
def test_what_cannot_be_split_is_refused(desk: World, alias: str, why: str):
    with pytest.raises(GiveUp, match=why):
        split_agent(desk.live, alias, by="cli:amina", at=NOW)


@pytest.mark.slow
def test_a_note_stands_until_it_is_taken_away(new_world: Worlds):
    world = new_world()
    world.store()
    day = dt.date(2026, 11, 19)
    assert add_note(world.live, day, " no network ", by="cli:amina", at=NOW) == 1
    assert add_note(world.live, day, "call +254 712 345 678", by="cli:amina", at=NOW) == 2
    remove_note(world.live, 1, by="cli:brian", at=NOW + HOUR)
    with pytest.raises(GiveUp, match="no note 1"):
        remove_note(world.live, 1, by="cli:brian", at=NOW + HOUR)
    with world.live.reading() as session:
        assert [note["note_id"] for note in notes(session)] == [2]
        world.rows[raw.Notes] = session.query("select * from raw.notes").to_pylist()
    world.freeze(NOW + DAY, as_of=NOW + MINUTE)
    assert [row["note_id"] for row in world.tables["core.notes"]] == [1, 2]
    world.freeze(NOW + DAY)
    assert world.tables["core.notes"] == [{"note_id": 2, "day": day, "text": "call +254 712 345 678"}]


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "two\nlines"])
def test_what_is_no_note_is_refused(new_world: Worlds, text: str):
    world = new_world()
    world.store()
    with pytest.raises(GiveUp, match="is no note"):
        add_note(world.live, NOW.date(), text, by="cli:amina", at=NOW)


def test_what_is_told_twice_is_one_fact_and_two_addresses_are_two_peoples(new_world: Worlds):
    world, start, second = new_world(), NOW - DAY, dt.timedelta(seconds=1)
    world.chat("chat", known_until=NOW)
    world.message("chat", "m", start, "inbound")
    world.event("assigned", "chat", start, JANE)
    world.rows[raw.OperatorEvents][-1]["fetch_id"] = 1
    world.fetch("assign_chat", "chat", start)
    world.rows[ops.Fetches][-1]["finished_at"] = start + 8 * second
    world.webhook("chat.assigned", "chat", start + 9 * second, "agent-7")  # told when our request had ended
    world.webhook("chat.assigned", "chat", start + 30 * second, BEN)
    world.webhook("chat.assigned", "chat", start + 60 * second, "agent-9")
    world.webhook("chat.assigned", "chat", start + 61 * second, "agent-9")  # by another of its webhooks
    world.event("assigned", "chat", start + HOUR, JANE)
    world.webhook("chat.assigned", "chat", start + HOUR + second, BEN)
    world.webhook("chat.assigned", "chat", NOW - MINUTE, JANE, received_at=NOW + MINUTE)  # nobody knows of it yet
    world.build(NOW)
    assert [row["agent"] for row in sorted(world.tables["core.assignments"], key=lambda row: row["number"])] == [
        JANE, BEN, "agent-9", JANE, BEN,
    ]  # fmt: skip
    with world.models.reading() as session:
        found = session.query("select alias, agent from core.agent_aliases where alias <> agent").to_pylist()
    assert found == [{"alias": "agent-7", "agent": JANE}]
