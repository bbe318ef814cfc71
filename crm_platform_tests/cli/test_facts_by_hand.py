"""`crm agents`, `crm optouts`, `crm notes`: what people say by hand, and what a shell shows of it."""

from __future__ import annotations

import csv
import datetime as dt
import getpass
import io
import json
from pathlib import Path

import pytest

from crm_platform.ingest import open_warehouse
from crm_platform.schemas import raw
from crm_platform.settings import load_settings
from crm_platform_tests.cli.conftest import run
from crm_platform_tests.models.worlds import World

JANE, BEN = "jane@shop.example", "ben@shop.example"
YESTERDAY = dt.datetime(2026, 11, 19, 9, tzinfo=dt.UTC)


@pytest.fixture
def desk(clean: Path) -> Path:
    """A warehouse of the sandbox with a few messages of two agents and two opt-outs."""
    settings = load_settings()
    store = open_warehouse(settings)
    world = World(clean, settings)
    world.message("a", "m1", YESTERDAY, "outbound", sender="Jane@shop.example", extra='{"agentId": "7"}')
    world.message("b", "m2", YESTERDAY, "outbound", sender=BEN)
    world.message("a", "m3", YESTERDAY, "inbound", opt_out_word="stop")
    world.message("b", "m4", YESTERDAY, "inbound", opt_out_word="end")
    with store.writing() as session:
        session.append(raw.Messages, raw.Messages.rows(world.rows[raw.Messages]))
    return clean


def listed(*words: str) -> list[dict[str, object]]:
    """A list by `--json`; its CSV and its lines in a pipe have as many."""
    said = run(*words, "--json")
    assert (said.code, said.err) == (0, "")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(list(csv.DictReader(io.StringIO(run(*words, "--csv").out)))) == len(rows)
    assert len(run(*words).out.splitlines()) == len(rows) + 1
    return rows


def done(*words: str) -> str:
    said = run(*words)
    assert (said.code, said.err) == (0, ""), said
    return said.out


@pytest.mark.slow
def test_agents_are_listed_merged_and_split(desk):
    assert listed("agents") == [
        {"agent": JANE, "name": "Jane@shop.example", "aliases": "7", "messages": 1, "last_seen": "2026-11-19T09:00:00"},
        {"agent": BEN, "name": BEN, "aliases": "", "messages": 1, "last_seen": "2026-11-19T09:00:00"},
    ]
    assert done("agents", "merge", "7", BEN) == f"7 is {BEN} from now on; the next build shows it\n"
    assert [(row["agent"], row["aliases"]) for row in listed("agents")] == [(JANE, ""), (BEN, "7")]
    assert done("agents", "split", "7") == "7 stands for itself from now on; the next build shows it\n"
    assert [row["agent"] for row in listed("agents")] == ["7", JANE, BEN]
    with open_warehouse(load_settings()).reading() as session:
        who = session.query("select distinct who from raw.agent_corrections")["who"].to_pylist()
    assert who == [f"cli:{getpass.getuser()}"]
    said = run("agents", "merge", "nobody", BEN)
    assert (said.code, said.err) == (
        1,
        "crm: nobody was ever seen under 'nobody': `crm agents` lists every identifier\n",
    )


@pytest.mark.slow
def test_opt_outs_are_listed_rejected_and_accepted(desk):
    assert [(row["word"], row["messages"], row["is_rejected"]) for row in listed("optouts")] == [
        ("end", 1, False),
        ("stop", 1, False),
    ]
    assert done("optouts", "reject", "End") == "End: 1 message is no opt-out from now on; the next build shows it\n"
    assert [row["is_rejected"] for row in listed("optouts")] == [True, False]
    assert done("optouts", "accept", "end") == "end: 1 message is an opt-out again; the next build shows it\n"
    done("optouts", "reject", "m3")
    assert [(row["is_rejected"], row["rejected_messages"]) for row in listed("optouts")] == [(False, 0), (False, 1)]
    assert run("optouts", "reject", "hello").code == 1


@pytest.mark.slow
def test_notes_are_written_listed_and_taken_away(desk):
    assert done("notes", "add", "2026-11-18", "no network") == "note 1 is written; the next build shows it\n"
    done("notes", "add", "2026-11-19", "promotion")
    rows = listed("notes")
    assert [(row["note_id"], row["day"], row["text"]) for row in rows] == [
        (2, "2026-11-19", "promotion"),
        (1, "2026-11-18", "no network"),
    ]
    assert done("notes", "remove", "2") == "note 2 is taken away; the next build shows it\n"
    assert [row["note_id"] for row in listed("notes")] == [1]
    assert run("notes", "remove", "2").code == 1


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "20261118", "1999-12-31", "2026-11-18T00:00"])
def test_what_is_no_day_has_no_note(desk, day):
    said = run("notes", "add", day, "text")
    assert said.code == 2
    assert "is no day such as 2026-11-20" in said.err


def test_words_on_a_terminal_are_the_readers(desk, monkeypatch):
    monkeypatch.setenv("CRM_LANGUAGE", "fr")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert "le prochain calcul" in done("notes", "add", "2026-11-18", "no network")
