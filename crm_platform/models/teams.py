"""Teams of agents, if the tenant says so: `agent_teams.csv` in the data folder, with the columns agent and team.

What belongs here: reading and checking that file, and whose team it says. What does not: figures by team (metrics/).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.errors import FixConfiguration, quoted
from crm_platform.settings import LONGEST_LIST, text_in
from crm_platform.spellings import staff_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crm_platform.models.staff import Staff

FILE: Final = "agent_teams.csv"

_LONGEST: Final = 200  # characters of a team's name: it is a choice on a page


@dataclass(frozen=True, slots=True)
class Member:
    """A line of the file: an agent as it is written there, and the team."""

    agent: str
    team: str
    line: int


def read_teams(root: Path) -> dict[str, Member]:
    """Read the data folder's file, by normalised agent; empty where there is none.

    Raises FixConfiguration with the line that is wrong and what to write.
    """
    if not (root / FILE).exists():
        return {}
    try:
        text = text_in(root / FILE, of="a list of teams", most=LONGEST_LIST)
    except ValueError as problem:
        raise FixConfiguration(f"{FILE}: {problem}") from None
    found: dict[str, Member] = {}
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if not {"agent", "team"} <= {(name or "").strip() for name in reader.fieldnames or ()}:
            raise FixConfiguration(f"{FILE}: the first line must name the columns: agent,team")
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        for row in reader:
            member = Member((row["agent"] or "").strip(), (row["team"] or "").strip(), reader.line_num)
            key = staff_key(member.agent) or ""
            _require(member, found.get(key))
            found[key] = member
    except csv.Error as problem:
        raise FixConfiguration(f"{FILE}, line {reader.line_num}: it is no CSV ({problem})") from None
    return found


def _require(member: Member, same: Member | None) -> None:
    """Refuse a line that says nothing, or says again what an earlier one has said of the same agent."""
    place = f"{FILE}, line {member.line}"
    if not member.agent or not member.team:
        raise FixConfiguration(f"{place}: the {'team' if member.agent else 'agent'} is empty; write both, or no line")
    if len(member.team) > _LONGEST:
        raise FixConfiguration(f"{place}: the team's name is longer than {_LONGEST} characters; shorten it")
    if same is not None:
        raise FixConfiguration(
            f"{place}: {quoted(member.agent)} stands in line {same.line} already; an agent is in one team"
        )


def teams_of(staff: Staff, members: Mapping[str, Member]) -> dict[str, str]:
    """The team of each agent, by name. Of two lines about one person that of the identifier that stands for them wins.

    Agents that were never seen have none.
    """
    teams = {}
    for person in staff.people:
        lines = [members[key] for key in (person.key, *person.aliases) if key in members]
        if lines:
            teams[person.name] = lines[0].team
    return teams
