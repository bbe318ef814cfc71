"""Every cell of every model on both engines, on random worlds full of edge cases."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import duckdb
import pytest

from crm_platform import core
from crm_platform.models import Cut, build_order, dependencies, render
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform.warehouse.clickhouse import DIALECT
from crm_platform_tests.conformance.clickhouse import ClickHouseEngine
from crm_platform_tests.models.worlds import World, from_facts, told_by_events
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.worlds import random_facts

pytestmark = pytest.mark.services

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)

# Midnight that does not exist, or comes twice; half an hour; a day that was skipped; changes that the engines' own zone
# data has otherwise than `tzdata`; three quarters of an hour.
ODD_ZONES = (
    *("America/Havana", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia"),
    *("Africa/Casablanca", "America/Vancouver", "Asia/Kathmandu"),
)


def disagreements(world: World, as_of: dt.datetime, clickhouse: ClickHouseEngine) -> dict[str, list[str]]:
    """By table what ClickHouse says otherwise of a world that DuckDB has built.

    It gets the frozen rows that DuckDB got, and builds on its own tables from there.
    """
    order = build_order()
    built = {table.full_name() for table in order}
    with world.models.reading() as session:
        for name in sorted(set().union(*map(dependencies, order)) - built):
            clickhouse.load(TABLES[name], session.query(f"select * from {name}"))
    cut = Cut(as_of=as_of, rows={})
    for table in order:
        clickhouse.fill(table, render(table, dialect=DIALECT, settings=world.settings, cut=cut))
    actual = clickhouse.rows(order)
    problems = {
        table.full_name(): differences(
            world.tables[table.full_name()], actual[table.full_name()], table.key, tolerance=1e-9
        )
        for table in order
    }
    return {name: found for name, found in problems.items() if found}


def built_world(facts: Facts, folder: Path) -> World:
    """The crawl went on for three days after the cut. An event tells who sent the first message of ours."""
    world = from_facts(facts, folder)
    told_by_events(world, seed=len(facts.messages))
    today = facts.as_of.astimezone(facts.settings.zone).date()
    sent = [one for one in facts.messages if one.direction == "outbound" and one.first_fetched_at <= facts.as_of]
    for one in sent[:1]:
        world.webhook("message.sent", one.chat_id, one.timestamp, one.sender or "agent-7", message_id=one.message_id)
    world.add(raw.Notes, note_id=1, day=today, at=facts.as_of, who="cli:somebody", text="A note, which no fact makes.")
    world.build(
        facts.as_of + 3 * DAY,
        as_of=facts.as_of,
        aliases=facts.agent_aliases,
        expected_unseen={today - DAY: 2.5, today: 0.1},
    )
    return world


@pytest.mark.parametrize("seed", range(1000, 1024))
def test_both_engines_agree(seed: int, tmp_path: Path, clickhouse: ClickHouseEngine):
    facts = random_facts(seed)
    assert disagreements(built_world(facts, tmp_path), facts.as_of, clickhouse) == {}


@pytest.mark.parametrize("zone", ODD_ZONES)
def test_both_engines_agree_where_clocks_are_odd(zone: str, tmp_path: Path, clickhouse: ClickHouseEngine):
    facts = random_facts(1000 + len(zone), timezone=zone, contacts=6, days=400)
    assert disagreements(built_world(facts, tmp_path), facts.as_of, clickhouse) == {}


@pytest.mark.parametrize(("contacts", "campaigns"), [(0, 0), (0, 12), (8, 0), (2, 1)])
def test_both_engines_agree_in_small_worlds(
    contacts: int, campaigns: int, tmp_path: Path, clickhouse: ClickHouseEngine
):
    facts = random_facts(1007, contacts=contacts, campaigns=campaigns)
    assert disagreements(built_world(facts, tmp_path), facts.as_of, clickhouse) == {}


def test_both_engines_agree_in_a_larger_world_with_rows_in_every_table(tmp_path: Path, clickhouse: ClickHouseEngine):
    facts = random_facts(1077, contacts=150, days=300, messages_per_chat=20, campaigns=80)
    world = built_world(facts, tmp_path)
    assert [name for name, rows in world.tables.items() if not rows] == []
    assert disagreements(world, facts.as_of, clickhouse) == {}


def test_both_engines_agree_on_an_empty_warehouse(tmp_path: Path, clickhouse: ClickHouseEngine):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    world.build(NOW)
    assert disagreements(world, NOW, clickhouse) == {}


def test_both_engines_agree_on_awkward_texts_and_old_days(tmp_path: Path, clickhouse: ClickHouseEngine):
    """Quotes, backslashes and slashes in settings and values; values that are no texts; days before 1970."""
    fields = ("it's", 'say "so"', "back\\slash", "a/b", "a~b", "1", "-1", "emoji 🙂", "gone")
    senders = ("o'brien@example.com", "back\\slash\\", "{{ sender }}")
    world = World(tmp_path, Settings(data_dir=tmp_path, segment_fields=fields, automation_senders=senders))
    values = ("it's", "back\\slash\\", "new\nline", "%", " ", "", None, 0, -7, True, False, 1.5, ["a", 1], {"b": None})
    for number in range(len(values)):
        chat_id = f"chat's \\ {number}"
        custom = {field: values[(number + place) % len(values)] for place, field in enumerate(fields[:-1])}
        world.contact(chat_id, NOW - 3 * DAY, custom_fields=json.dumps(custom), region=("KE", "", None)[number % 3])
        world.chat(chat_id, known_until=NOW - number * HOUR)
        for place, sender in enumerate((*senders, "O'BRIEN@example.com", None)):
            at = NOW - number * DAY - place * MINUTE
            world.message(chat_id, f"m'{place}\\", at, "outbound", sender=sender)
            world.message(chat_id, f"m'{place}", at - MINUTE, "inbound")
        world.event("assigned", chat_id, NOW - number * DAY, agent=senders[number % 3])
    world.contact("old", NOW - 3 * DAY, created_at=dt.datetime(1950, 6, 30, 22, 30, 0, 500_000, tzinfo=dt.UTC))
    world.message("old", "before 1970", dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC), "inbound")
    world.sweep(NOW - 2 * DAY, [f"chat's \\ {number}" for number in range(3)])
    texts = ("98%", "98.5 %", " 7", "-3.25%", "", "n/a", "98,5%", "1e2", "100.00%", "%", "0.5\n", None)
    for number, text in enumerate(texts):
        world.campaign(f"c{number}", [(NOW - 9 * DAY, "completed")], name=text)
        rates = {"delivery_rate": text, "read_rate": text, "reply_rate": text}
        world.report(
            f"c{number}", NOW - DAY, total_recipients=100, delivered=97, read=number, replied=3, failed=1, **rates
        )
    world.build(NOW)
    assert disagreements(world, NOW, clickhouse) == {}


def test_both_engines_refuse_a_null_that_is_not_declared(tmp_path: Path, clickhouse: ClickHouseEngine):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    nothing = ", ".join(f'null as "{name}"' for name in core.Calendar.columns)
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"), world.models.writing() as session:
        session.replace(core.Calendar, f"select {nothing}")
    from clickhouse_connect.driver.exceptions import DatabaseError

    with pytest.raises(DatabaseError, match="NULL"):
        clickhouse.fill(core.Calendar, f"select {nothing}")
