"""An assistant in this process, which asks by the SDK's own client.

What belongs here: asking as a role. What does not: what is asked, and expectations.
"""

from __future__ import annotations

import asyncio
import json

from mcp import Client
from mcp.types import CallToolResult

from crm_platform.publish.audit import Audit
from crm_platform.serving.access import Role
from crm_platform.serving.mcp.protocol import Caller, create_server
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import Settings


class Assistant:
    """An assistant in this process. `role`: as whom it came."""

    def __init__(self, settings: Settings, *, role: Role = Role.ADMIN) -> None:
        self.settings = settings
        who = Caller(role, {"who": "cli:amina"})
        audit = Audit(settings.audit_dir)
        self.server = create_server(settings, Snapshots(settings), audit, caller=lambda _: who)

    def ask(self, tool: str, **arguments: object) -> CallToolResult:
        async def asked() -> CallToolResult:
            async with Client(self.server) as client:
                return await client.call_tool(tool, arguments)

        return asyncio.run(asked())

    def answer(self, tool: str, **arguments: object) -> dict:
        found = self.ask(tool, **arguments)
        assert not found.is_error, found.content
        return found.structured_content

    def refused(self, tool: str, **arguments: object) -> dict:
        found = self.ask(tool, **arguments)
        assert found.is_error
        assert json.loads(found.content[0].text) == found.structured_content
        assert len(found.content[0].text) < 3_000
        return found.structured_content

    def tools(self) -> list[str]:
        async def asked() -> list[str]:
            async with Client(self.server) as client:
                return [tool.name for tool in (await client.list_tools()).tools]

        return asyncio.run(asked())
