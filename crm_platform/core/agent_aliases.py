"""core.agent_aliases: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.languages import N_
from crm_platform.schemas.base import CoreTable, text


class AgentAliases(CoreTable):
    """Every identifier of an operator, and the one that stands for all of that operator's."""

    key = ("alias",)

    alias = text("E-mail address or agent id, normalised (NFKC, trimmed, case-folded).")
    agent = text(
        "The identifier figures use, as it was last spelt: an e-mail address where one is the same operator's.",
        label=N_("Agent"),
    )
