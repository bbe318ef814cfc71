"""The sandbox behind the client without a socket: an httpx transport around `Sandbox.handle`."""

from __future__ import annotations

import datetime as dt
import random

import httpx
from pydantic import SecretStr

from crm_platform.api import CrmClient
from crm_platform.sandbox import ManualClock, Sandbox, SandboxOptions

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


class SandboxTransport(httpx.BaseTransport):
    """Hands each request to a sandbox; an answer that the sandbox cuts is a connection that drops."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.sandbox.handle(
            request.method,
            request.url.path,
            request.url.query.decode(),
            dict(request.headers.items()),
            request.read(),
        )
        if answer.cut is not None:
            raise httpx.RemoteProtocolError("peer closed the connection")
        # As a stream: the library times only what it reads itself.
        return httpx.Response(answer.status, headers=list(answer.headers), stream=httpx.ByteStream(answer.body))


def make_sandbox(**options) -> Sandbox:
    options = {"contacts": 30, "days": 30, "start": NOW, "clock": "manual"} | options
    return Sandbox(SandboxOptions(**options), clock=ManualClock(options["start"]))


def connect(transport: httpx.BaseTransport, *, key: str = "sandbox", **options) -> CrmClient:
    """A client that never sleeps for real; its naps are in `options["naps"]` if a list is given."""
    naps: list[float] = options.pop("naps", [])
    options = {"sleep": naps.append, "jitter": random.Random(1)} | options
    return CrmClient("http://crm.test", SecretStr(key), transport=transport, **options)
