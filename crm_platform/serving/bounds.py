"""How large anything may be that a client sends: its address, parameters, headers, body.

What belongs here: the bounds, and the middleware that holds every request to them before anything reads it. What does
not: what a parameter means (queries.py), how long a request may take and how many come at once (server.py).

Everything behind this may take for granted that an address is short, can be printed on one line, and holds few
parameters of modest length.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from crm_platform.publish import published_columns
from crm_platform.receipts.narrowed import DIMENSIONS
from crm_platform.schemas import KpiTable, Type
from crm_platform.serving.forms import LONGEST_BODY
from crm_platform.serving.problems import answer
from crm_platform.serving.refusals import Refused
from crm_platform.tables import TABLES

LONGEST_ADDRESS: Final = 8192  # bytes, path and query
LONGEST_PARAMETER: Final = 200  # characters of a name or a value, unless declared below
_MOST_PARAMETERS: Final = 200
_MOST_HEADERS: Final = 100
_LONGEST_HEADERS: Final = 32_768  # bytes, all of them

# A list of names, an address to go to; and a text that the tables hold, which somebody may ask for word by word.
LONGER: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{
            name: 1000
            for table in TABLES.values()
            if issubclass(table, KpiTable)
            for name, column in published_columns(table).items()
            if column.type in {Type.TEXT, Type.JSON}
        },
        **dict.fromkeys((*DIMENSIONS, "only"), 1000),
        **dict.fromkeys(("columns", "order", "campaign", "compare", "next", "back"), 4000),
    }
)


class Bounds:
    """Refuses what is too large, and addresses that no log can hold on one line.

    `longest_parameter`, `longest_body`: other bounds, for an app that takes more.
    """

    def __init__(
        self, app: ASGIApp, *, longest_parameter: int = LONGEST_PARAMETER, longest_body: int = LONGEST_BODY
    ) -> None:
        self._app = app
        self._longest_parameter = longest_parameter
        self._longest_body = longest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 400, 413, 414 or 431."""
        refused = self._refuse(scope) if scope["type"] in {"http", "websocket"} else None
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            # Whoever is told so is not shown the address again.
            plain = {**scope, "path": "/", "raw_path": b"/", "query_string": b""}
            if scope["path"].startswith("/api/"):
                plain |= {"path": "/api/", "raw_path": b"/api/"}
            await answer(Request(plain), refused)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Refused | None:
        headers = scope["headers"]
        if len(headers) > _MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > _LONGEST_HEADERS:
            hint = f"Send at most {_MOST_HEADERS} headers of {_LONGEST_HEADERS} bytes in all."
            return Refused(431, "too_long", "The headers are too long, or too many.", hint=hint)
        query: bytes = scope["query_string"]
        if len(scope.get("raw_path") or scope["path"]) + len(query) > LONGEST_ADDRESS:
            hint = f"An address has at most {LONGEST_ADDRESS} bytes."
            return Refused(414, "too_long", "The address is too long.", hint=hint)
        if not scope["path"].isprintable() or not query.isascii():
            hint = "Write every other character of a parameter as its UTF-8 bytes: %C3%A9 for é."
            return Refused(400, "bad_address", "The address holds characters that no address here has.", hint=hint)
        return self._refuse_parameters(query) or self._refuse_body(Headers(raw=headers))

    def _refuse_parameters(self, query: bytes) -> Refused | None:
        if query.count(b"&") >= _MOST_PARAMETERS:
            hint = f"Send at most {_MOST_PARAMETERS} of them."
            return Refused(400, "too_long", "There are too many parameters.", hint=hint)
        if len(query) <= self._longest_parameter:
            return None
        for name, value in parse_qsl(query.decode("ascii"), keep_blank_values=True):
            most = max(self._longest_parameter, LONGER.get(name, 0))
            if len(name) > self._longest_parameter or len(value) > most:
                shown = name if len(name) <= 40 else name[:40] + "…"
                message = f"The parameter {shown!r} is too long."
                return Refused(400, "too_long", message, hint=f"Write at most {most} characters.")
        return None

    def _refuse_body(self, headers: Headers) -> Refused | None:
        lengths = headers.getlist("content-length")
        if not lengths:
            return None
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()) or len(lengths[0]) > 18:
            message = "Content-Length is no number of bytes."
            return Refused(400, "bad_length", message, hint="Send one, in decimal digits.")
        if int(lengths[0]) > self._longest_body:
            hint = f"Send at most {self._longest_body} bytes."
            return Refused(413, "too_long", "The body is too long.", hint=hint)
        return None
