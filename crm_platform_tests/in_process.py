"""The platform against the sandbox in one process: no sockets, no sleeps, a clock that tests set.

What belongs here: the transport that stands where HTTP stood, and what tests share to run an ingest on it.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from crm_platform.api import CrmClient, Fetch
from crm_platform.ingest import Outcome, crawl, open_warehouse, refresh
from crm_platform.ingest.connect import CRAWLER_RESERVE, open_gate
from crm_platform.sandbox import Sandbox, SandboxClock, SandboxOptions
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import DuckDbWarehouse, Lease

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
CRAWL = Lease("crawl", epoch=1)


@dataclass
class VirtualTime:
    """Time that moves only when somebody sleeps."""

    now: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


class SandboxTransport(httpx.BaseTransport):
    """httpx's way to a Sandbox object. `on_request` is called before each request is handled."""

    def __init__(self, sandbox: Sandbox, *, sleep: Callable[[float], None], on_request: Callable[[], None]) -> None:
        self._sandbox = sandbox
        self._sleep = sleep
        self._on_request = on_request

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._on_request()
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, query = request.url.path, request.url.query.decode()
        answer = self._sandbox.handle(request.method, path, query, headers, request.read())
        self._sleep(answer.delay)
        if answer.cut is not None:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)


@dataclass
class World:
    """A sandbox, a data folder and a clock that both share."""

    root: Path
    options: SandboxOptions
    limits: dict[str, int] = field(default_factory=dict)
    time: VirtualTime = field(default_factory=VirtualTime)
    on_request: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(self.options, clock=SandboxClock(self.time))
        self.settings: Settings = load_settings(
            data_dir=self.root, base_url="http://127.0.0.1:1", api_key="sandbox", **self.limits
        )
        self.warehouse: DuckDbWarehouse = open_warehouse(self.settings)

    def _requested(self) -> None:
        self.on_request()  # looked up now: tests set it while a client is open

    def connect(self, on_fetch: Callable[[Fetch], None]) -> CrmClient:
        return CrmClient(
            "http://127.0.0.1:1",
            SecretStr("sandbox"),
            transport=SandboxTransport(self.sandbox, sleep=self.time.sleep, on_request=self._requested),
            gate=open_gate(self.settings, reserve=CRAWLER_RESERVE, now=self.time, sleep=self.time.sleep),
            on_fetch=on_fetch,
            now=self.time,
            sleep=self.time.sleep,
            jitter=random.Random(1),
        )

    def refresh(self, **options) -> list[Outcome]:
        return list(refresh(self.settings, self.warehouse, connect=self.connect, now=self.time, **options))

    def crawl(self, **options) -> list[Outcome]:
        """Crawl on the virtual clock, in one thread."""
        options = {"connect": self.connect, "now": self.time, "sleep": self.time.sleep, "workers": 1, **options}
        return list(crawl(self.settings, self.warehouse, **options))

    def truth(self) -> Iterator[dict]:
        return self.sandbox.truth(self.time.now)

    def rows(self, sql: str, *parameters: object) -> list[dict]:
        with self.warehouse.reading() as session:
            return session.query(sql, parameters).to_pylist()


def world(root: Path, *, limits: dict[str, int] | None = None, **options) -> World:
    """A small sandbox whose world begins at START; `limits`: the platform's own, as settings."""
    return World(root, SandboxOptions(**{"contacts": 60, "days": 40, "start": START, **options}), limits or {})
