"""The protocol: the official SDK's server, over standard input and output, and over HTTP.

What belongs here: all that touches the SDK. What does not: the tools (tools.py), who may come in over HTTP (guard.py).

The SDK's low-level server is used. Its other one, MCPServer, sets up the logging of the whole process, and offers
prompts and resources that are not there.

Over HTTP each request stands alone: no session, no stream, nothing to keep in memory for whoever asked. The door stands
in front, with its names, origins, roles and bounds, so the SDK's own checks of these are left off.
"""

from __future__ import annotations

import functools
import getpass
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as OfferedTool
from pydantic.json_schema import GenerateJsonSchema
from starlette.requests import Request

from crm_platform.errors import CrmPlatformError, quoted
from crm_platform.publish.audit import Audit
from crm_platform.serving.access import Role
from crm_platform.serving.forms import LONGEST_BODY
from crm_platform.serving.mcp.gives import Refusal
from crm_platform.serving.mcp.tools import INSTRUCTIONS, TOOLS, Tool, call, offered, refusal
from crm_platform.serving.snapshots import Snapshots

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from pydantic import BaseModel
    from starlette.datastructures import State
    from starlette.types import Receive, Scope, Send

    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `told`: what the audit log is told of them."""

    role: Role
    told: Mapping[str, str | None]


def create_server(
    settings: Settings,
    snapshots: Snapshots,
    audit: Audit,
    *,
    caller: Callable[[ServerRequestContext[Any, Any]], Caller],
) -> Server[Any]:
    """The server that both ways share. `caller`: says who asks, by what came with the request."""

    async def list_tools(ctx: ServerRequestContext[Any, Any], _: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_offer(tool) for tool in offered(caller(ctx).role)])

    async def call_tool(ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            message = f"There is no tool {quoted(params.name)}. There is {', '.join(TOOLS)}."
            raise MCPError(INVALID_PARAMS, message)
        return await anyio.to_thread.run_sync(_answer, tool, params.arguments or {}, caller(ctx))

    def _answer(tool: Tool, arguments: Mapping[str, Any], who: Caller) -> CallToolResult:
        try:
            if who.role < tool.role:
                audit.write("refused", **who.told, tool=tool.name)
                needed, own = tool.role.name, who.role.name.lower()
                problem = f"{tool.name} needs the role {needed.lower()}; this connection was made as {own}"
                remedy = f"whoever set it up can give it the secret of that role (CRM_{needed}_SECRET of the server)"
                return _result(Refusal(error=f"{problem}: {remedy}"), is_error=True)
            found = call(tool, arguments, settings=settings, snapshots=snapshots)
            if tool.has_figures:
                # Before anything leaves: when the line cannot be written, nothing does.
                asked = json.dumps(arguments, ensure_ascii=False, sort_keys=True)
                audit.write(
                    "export", **who.told, tool=tool.name, query=asked, snapshot=getattr(found, "snapshot", None)
                )
        except CrmPlatformError as problem:
            return _result(refusal(problem), is_error=True)
        except Exception:  # noqa: BLE001 - the SDK would tell its text, which may hold anything
            _log.exception("the tool %s failed", tool.name)
            return _result(Refusal(error="Something went wrong here; the server's log says what"), is_error=True)
        return _result(found)

    return Server(
        "crm",
        title="CRM figures",
        version=version("crm_platform"),
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint()},  # each role has its own list
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


class _Untitled(GenerateJsonSchema):
    """Schemas without a title a field, which repeats its name: an assistant reads all of it each time."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's own
        """Never."""
        return False


@functools.cache
def _offer(tool: Tool) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(schema_generator=_Untitled),
        output_schema=tool.gives.model_json_schema(mode="serialization", schema_generator=_Untitled),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def _result(found: BaseModel, *, is_error: bool = False) -> CallToolResult:
    """An answer twice, as the protocol wants it: for programs, and as text for assistants that read no other."""
    text = TextContent(type="text", text=found.model_dump_json())
    return CallToolResult(content=[text], structured_content=found.model_dump(mode="json"), is_error=is_error)


# Over HTTP.


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request that the door has let in."""
    state: State = scope["app"].state
    if not hasattr(state, "mcp"):
        state.mcp = create_server(state.settings, state.snapshots, state.audit, caller=_visitor)
    manager = StreamableHTTPSessionManager(
        state.mcp, json_response=True, stateless=True, max_request_body_size=LONGEST_BODY
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _visitor(ctx: ServerRequestContext[Any, Any]) -> Caller:
    request = ctx.request
    assert isinstance(request, Request), "over HTTP each message comes with its request"
    visitor = request.state.visitor
    client = request.client.host if request.client else "unknown"
    told = {"role": visitor.role.name.lower(), "by": visitor.came_by, "client": client, "path": request.url.path}
    return Caller(visitor.role, told)


# Over standard input and output.


def run(settings: Settings) -> None:
    """Answer one assistant, which has started this process, until it closes our standard input."""
    who = Caller(Role.ADMIN, {"who": f"cli:{getpass.getuser()}"})
    server = create_server(settings, Snapshots(settings), Audit(settings.audit_dir), caller=lambda _: who)

    async def talk() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(talk)
