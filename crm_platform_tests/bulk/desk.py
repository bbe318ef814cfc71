"""A CRM and a warehouse that do not share a process with luck: either may be killed between any two steps."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from crm_platform.api import CrmClient, Fetch
from crm_platform.ingest import open_warehouse
from crm_platform.sandbox import Sandbox
from crm_platform.schemas import raw
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import Commit, Lease, Leases, one_commit
from crm_platform_tests.api.inprocess import NOW, SandboxTransport, connect, make_sandbox


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Life:
    """Steps that a process takes until it is killed before the one of this number; None: it lives on."""

    left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class _Mortal(httpx.BaseTransport):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._inner = SandboxTransport(desk.sandbox)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._desk.life.step()
        self._desk.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        answer = self._desk.answer(request) or self._inner.handle_request(request)
        self._desk.life.step()
        return answer


@dataclass
class Desk:
    """A sandbox, a data folder, and the one who works there. It stands where a Warehouse stands, too.

    `answer`: what is answered in the sandbox's place, None where the sandbox answers itself.
    """

    root: Path
    sandbox: Sandbox = field(default_factory=lambda: make_sandbox(contacts=10, days=2))
    life: Life = field(default_factory=Life)
    asked: list[str] = field(default_factory=list)
    answer: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
    dialect: str = "duckdb"

    def __post_init__(self) -> None:
        self.settings: Settings = load_settings(data_dir=self.root, base_url="http://127.0.0.1:1", api_key="sandbox")
        self.store = open_warehouse(self.settings)

    def connect(self, on_fetch: Callable[[Fetch], None]) -> CrmClient:
        return connect(_Mortal(self), on_fetch=on_fetch)

    def prepare(self, tables) -> None:
        self.store.prepare(tables)

    def reading(self):
        return self.store.reading()

    @property
    def leases(self) -> Leases:
        return self.store.leases

    def recover(self, holder: Lease) -> None:
        self.store.recover(holder)

    @contextlib.contextmanager
    def committing(self, holder: Lease) -> Iterator[Commit]:
        self.life.step()
        with self.store.committing(holder) as commit:
            yield commit
        self.life.step()

    def rows(self, sql: str) -> list[dict]:
        with self.store.reading() as session:
            return session.query(sql).to_pylist()

    def put(self, table, *rows: dict) -> None:
        with one_commit(self.store, purpose="what is known before") as commit:
            commit.merge(table, table.rows(rows))

    def swept(self) -> None:
        """The contact list was read to its end, and everybody on it is known."""
        everybody = list(self.sandbox_contacts())
        sweep = {
            "sweep_id": 1,
            "started_at": NOW,
            "ended_at": NOW,
            "seen_contacts": len(everybody),
            "rejected_contacts": 0,
            "requests": 1,
            "is_complete": True,
            "is_suspicious": False,
            "counted_at": NOW,
        }
        self.put(raw.ContactSweeps, sweep)
        self.contacts(*everybody)

    def contacts(self, *contacts: tuple[str, str, str | None]) -> None:
        """Contacts that are there: chat, number, custom fields as JSON."""
        provenance = {"first_fetched_at": NOW, "fetched_at": NOW, "first_fetch_id": 1, "fetch_id": 1}
        self.put(
            raw.Contacts,
            *(
                {"chat_id": chat_id, "whatsapp_number": number, "custom_fields": fields, "created_at_was_naive": False}
                | provenance
                for chat_id, number, fields in contacts
            ),
        )
        self.put(
            raw.ContactSightings,
            *({"chat_id": chat_id, "sweep_id": 1, "at": NOW, "is_present": True} for chat_id, _, _ in contacts),
        )

    def sandbox_contacts(self) -> Iterator[tuple[str, str, str | None]]:
        with connect(SandboxTransport(self.sandbox)) as client:
            for page in client.contact_pages():
                for one in page.records:
                    assert one.whatsapp_number
                    yield one.chat_id, one.whatsapp_number, json.dumps(one.custom_fields) if one.custom_fields else None


def now() -> dt.datetime:
    return NOW
