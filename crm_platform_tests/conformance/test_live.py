"""Every question to the live warehouse on both engines, over the same random rows."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crm_platform.bulk.assignments import _chats_of_numbers, _left, _owners, chats_of_segment
from crm_platform.bulk.contacts import _present
from crm_platform.ingest import stored, trouble
from crm_platform.ingest.completeness import completeness, pace
from crm_platform.ingest.notes import notes
from crm_platform.ingest.presence import judged_sweeps, known_before
from crm_platform.models.corrections import merge_agents, opt_out_words, reject_opt_out
from crm_platform.models.due import finished_without_report, last_change
from crm_platform.models.exclusion import exclusion
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.models.staff import staff
from crm_platform.schemas import live_tables, ops, raw
from crm_platform.warehouse import Session, Warehouse
from crm_platform_tests.conformance.test_models import HOUR, built_world
from crm_platform_tests.in_process import CRAWL
from crm_platform_tests.models.worlds import World
from crm_platform_tests.oracle.worlds import random_facts

pytestmark = pytest.mark.services


def filled(world: World, store: Warehouse) -> Warehouse:
    """Put every row of a world's live warehouse there."""
    store.prepare(live_tables())
    with world.live.reading() as session, store.committing(CRAWL) as commit:
        for table in live_tables():
            commit.append(table, session.query(f"select * from {table.full_name()}"))
    return store


def questions(world: World, now: dt.datetime) -> dict[str, Callable[[Session], object]]:
    settings = world.settings
    with world.live.reading() as session:
        contacts = session.query("select chat_id, whatsapp_number from raw.contacts order by chat_id").to_pylist()
    chats = [row["chat_id"] for row in contacts]
    digits = [row["whatsapp_number"].removeprefix("+") for row in contacts if row["whatsapp_number"]]
    asked: dict[str, Callable[[Session], object]] = {
        "agents": lambda session: staff(session, cut=now),
        "left out": lambda session: exclusion(session, settings, cut=now),
        "opt-outs": opt_out_words,
        "last change": last_change,
        "finished without report": finished_without_report,
        "notes": notes,
        "sweeps": judged_sweeps,
        "completeness": completeness,
        "completeness lately": lambda session: completeness(session, since=now - 100 * HOUR),
        "pace": lambda session: pace(session, now=now),
        "missed": trouble.missed,
        "campaigns": stored.campaign_statuses,
        "reports": stored.last_reports,
        "states": stored.chat_states,
        "newest ends": lambda session: stored.newest_ends(session, chats),
        "records": lambda session: stored.records_held(session, chats),
        "a segment": lambda session: chats_of_segment(session, "Segment", "a"),
        "chats of numbers": lambda session: _chats_of_numbers(session, digits),
        "present": lambda session: _present(session, digits),
        "owners": _owners,
        "left of a job": lambda session: _left(session, "job", since=now - HOUR),
    }
    for check in RAW_CHECKS:
        name = f"{check.table.full_name()} {check.name}"
        asked[name] = lambda session, check=check: check.run(session, settings, now)
    return asked


def baseline(session: Session) -> object:
    found = known_before(session)
    waiting = [row["sweep_id"] for row in found.waiting]
    return found.present, found.off_the_list, waiting, found.unlisted, found.let_go


def answers(world: World, store: Warehouse, now: dt.datetime) -> dict[str, object]:
    found: dict[str, object] = {}
    asked = {**questions(world, now), "baseline": baseline}
    with store.reading() as session:
        for name, ask in asked.items():
            try:
                found[name] = ask(session)
            except Exception as problem:  # noqa: BLE001 - both must fail alike
                found[name] = f"{type(problem).__name__}: {problem}"
        for table in set(live_tables()) - {ops.Changes}:  # whose commits are numbered store by store
            found[f"rows of {table.full_name()}"] = sorted(
                session.query(f"select * from {table.full_name()}").to_pylist(), key=repr
            )
    return found


def hold(world: World, there: Warehouse, now: dt.datetime) -> None:
    expected, actual = answers(world, world.live, now), answers(world, there, now)
    for name, answer in expected.items():
        assert actual[name] == answer, name
        assert not (isinstance(answer, str) and "refuses a statement" in answer), name


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_both_engines_answer_alike(seed: int, tmp_path: Path, clickhouse_store):
    facts = random_facts(seed)
    world = built_world(facts, tmp_path)
    hold(world, filled(world, clickhouse_store), facts.as_of)


def test_both_engines_answer_alike_where_everything_is_stored(tmp_path: Path, clickhouse_store):
    """People have corrected agents and opt-outs by hand, and contacts are spelt in odd ways."""
    facts = random_facts(1077, contacts=40, days=120, messages_per_chat=12, campaigns=20)
    now = facts.as_of
    world = built_world(facts, tmp_path)
    there = filled(world, clickhouse_store)
    fields = {"Segment": ["a", " b "], "it's": 'say "so"'}
    rows = [
        {"custom_fields": json.dumps(fields), "whatsapp_number": "+254 700-000 001", "chat_id": "odd"},
        {"custom_fields": '{"Segment": "a"}', "whatsapp_number": "254700000002", "chat_id": "odder"},
    ]
    seen = dict.fromkeys(("first_fetched_at", "fetched_at"), now) | {"first_fetch_id": 1, "fetch_id": 1}
    seen["created_at_was_naive"] = False
    with world.live.reading() as session:
        names = [person.key for person in staff(session, cut=now).people]
        (word, *_) = session.query("select opt_out_word from raw.messages where opt_out_word is not null order by 1")[
            "opt_out_word"
        ].to_pylist() or [None]
    for one in (world.live, there):
        with one.committing(CRAWL) as commit:
            commit.merge(
                raw.Contacts, raw.Contacts.rows({**row, **seen, "created_at_was_naive": False} for row in rows)
            )
            steps = {"job": "job", "state": "planned", "chat_id": "odd", "operator_email": "a@b.example", "at": now}
            commit.append(ops.BulkSteps, ops.BulkSteps.rows([{**steps, "item": "odd", "number": "254700000001"}]))
        if len(names) > 1:
            merge_agents(one, names[0], names[-1], by="cli:somebody", at=now)
        if word is not None:
            reject_opt_out(one, word, is_rejected=True, by="cli:somebody", at=now)
    hold(world, there, now)
