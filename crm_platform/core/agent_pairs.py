"""core.agent_pairs: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, text


class AgentPairs(CoreTable):
    """Two identifiers of one operator that a message carried together."""

    key = ("alias", "agent")
    is_published = False

    alias = text("One identifier.")
    agent = text("Another one, on the same message.")
