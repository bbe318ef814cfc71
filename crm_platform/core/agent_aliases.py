"""core.agent_aliases: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_
from crm_platform.schemas.base import CoreTable, text


class AgentAliases(CoreTable):
    """Every identifier of an operator, and the one that stands for all of that operator's."""

    key = ("alias",)

    alias = text("E-mail address or agent id, as it came.")
    agent = text(
        "The identifier figures use: an e-mail address where one is known to be the same operator's.", label=N_("Agent")
    )
