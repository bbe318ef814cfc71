"""Contacts that are left out on purpose are in no figure, and teams are read from their file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.models.exclusion import exclusion, read_exclusion
from crm_platform.models.teams import FILE, read_teams
from crm_platform.schemas import CoreTable, RawTable
from crm_platform.settings import LONGEST_LIST
from crm_platform.tables import TABLES
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

NUMBERS = ["+254712345678", "254712345678", " 00254 712-345-678 ", "whatsapp:+254712345678", "254712345678@c.us"]


def shop(new_world: Worlds, lines: str) -> World:
    """Three contacts with a question each, the first with a number; `lines`: who is left out."""
    world = new_world()
    listed = world.folder / "left-out.txt"
    listed.write_text(lines)
    world.settings = world.settings.model_copy(update={"exclude_contacts": listed})
    for chat_id, number in (("ann", "+254712345678"), ("bob", "0712 345"), ("cyd", None)):
        world.contact(chat_id, whatsapp_number=number)
        world.chat(chat_id, known_until=NOW - HOUR)
        world.message(chat_id, f"{chat_id}-1", NOW - 3 * DAY, "inbound")
        world.event("assigned", chat_id, NOW - 3 * DAY, "jane@shop.example")
    world.sweep(NOW - 4 * DAY, ["ann", "bob", "cyd"])
    return world


def left_out(world: World) -> set[object]:
    world.freeze(NOW)
    with world.models.reading() as session:
        (count,) = session.query("select excluded_contacts as n from ops.builds")["n"].to_pylist()
        found = set(session.query("select chat_id from core.excluded_contacts")["chat_id"].to_pylist())
    assert count == len(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_compared_as_the_apis_are(number: str, new_world: Worlds):
    assert left_out(shop(new_world, f"{number}  # our test phone\n")) == {"ann"}


def test_a_line_is_a_number_or_a_chat_id(new_world: Worlds):
    world = shop(new_world, "\ufeff# staff\n\ncyd\r\n0712 345\nnobody # left\n")
    assert left_out(world) == {"bob", "cyd"}
    with world.live.reading() as session:
        found = exclusion(session, world.settings, cut=NOW)
        assert found.unknown == (5,)
        assert exclusion(session, world.settings, cut=NOW - 40 * 365 * DAY).chat_ids == {"cyd"}, "no contact yet"


@pytest.mark.slow
def test_who_is_left_out_is_in_no_table_of_the_cut(new_world: Worlds):
    world = shop(new_world, "cyd\n")
    world.build(NOW)
    with world.models.reading() as session:
        for name, table in TABLES.items():
            if "chat_id" in table.columns and issubclass(table, RawTable | CoreTable):
                chats = set(session.query(f"select chat_id from {name}")["chat_id"].to_pylist())
                assert chats <= ({"cyd"} if name == "core.excluded_contacts" else {"ann", "bob"}), name
    assert world.row("kpi.executive_summary")["total_contacts"] == 2
    assert sum(row["waits"] for row in world.tables["kpi.response_times_daily"]) == 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"ann\nbob, cyd\n", "line 2 .* write one a line"),
        (b"ann\n" + b"x" * 600, "line 2"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"1\n" * LONGEST_LIST, "more than"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(content: bytes, why: str, tmp_path: Path):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(FixConfiguration, match=f"CRM_EXCLUDE_CONTACTS: .*{why}"):
        read_exclusion(tmp_path / "list")


@pytest.mark.parametrize("path", ["nowhere", ".", "/dev/zero", "~nobody-of-this-name/x"])
def test_what_is_no_list_is_named(path: str):
    with pytest.raises(FixConfiguration, match="CRM_EXCLUDE_CONTACTS: "):
        read_exclusion(Path(path))


def test_teams_are_those_of_agents_that_were_seen(new_world: Worlds):
    world = new_world()
    (world.folder / FILE).write_text(
        "\ufeffteam, agent\nNight,JANE@shop.example \nDay,agent-9\nDay,jane.old@shop.example\n"
    )
    world.message("chat", "m", NOW - DAY, "outbound", sender="jane@shop.example")
    world.message("chat", "n", NOW - DAY, "outbound", sender="jane.old@shop.example")
    world.chat("chat", known_until=NOW)
    world.correction("merge", "jane.old@shop.example", "jane@shop.example")
    world.freeze(NOW)
    with world.models.reading() as session:
        teams = session.query("select * from core.agent_teams").to_pylist()
    assert teams == [{"agent": "jane@shop.example", "team": "Night"}]


def test_without_the_file_nobody_has_a_team(tmp_path: Path):
    assert read_teams(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "first line must name"),
        (b"agent;team\na;b\n", "first line must name"),
        (b"agent,team\na@x,\n", "line 2: the team is empty"),
        (b"agent,team\n,Day\n", "line 2: the agent is empty"),
        (b"agent,team\na@x\n", "line 2: the team is empty"),
        (b"agent,team\na@x,Day\nA@X ,Night\n", "line 3: 'A@X' stands in line 2 already"),
        (b"agent,team\na@x," + b"x" * 201, "line 2: .* longer than 200"),
        (b'agent,team\n"a', "no CSV"),
        (b"\xff", "UTF-8"),
        (b"x" * (LONGEST_LIST + 1), "more than"),
    ],
)
def test_a_file_of_teams_that_cannot_be_read_is_named(content: bytes, why: str, tmp_path: Path):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(FixConfiguration, match=f"{FILE}.*{why}"):
        read_teams(tmp_path)
