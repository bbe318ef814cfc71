"""core.agent_teams: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.languages import N_
from crm_platform.schemas.base import CoreTable, text


class AgentTeams(CoreTable):
    """The team of each agent that `agent_teams.csv` names and that was ever seen."""

    key = ("agent",)

    agent = text("The agent, as core.agent_aliases names it.")
    # Translators: several agents who work together
    team = text("The team, as the file names it.", label=N_("Team"))
