"""What a call of the client would send, without sending it: `--dry-run`.

What belongs here: a transport that notes the request instead of sending it. What does not: the client. It is the one
that would send, so what is shown is exactly what would be sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
from pydantic import SecretStr

from crm_platform.api.client import CrmClient


class Rehearsed(Exception):
    """The request that would have been sent: method, path (percent-encoded, with query), decoded JSON body if any."""

    def __init__(self, method: str, path: str, body: object) -> None:
        super().__init__(f"{method} {path}")
        self.method = method
        self.path = path
        self.body = body


class _Rehearsal(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        raise Rehearsed(request.method, request.url.raw_path.decode(), json.loads(content) if content else None)


def rehearse(call: Callable[[CrmClient], object]) -> Rehearsed:
    """Give what `call` would send first. Raises InvalidRequest for arguments that the contract forbids."""
    with CrmClient("http://rehearsal.invalid", SecretStr("rehearsal"), transport=_Rehearsal()) as client:
        try:
            call(client)
        except Rehearsed as request:
            return request
    raise AssertionError("the call sends nothing")
