"""A shorter way to talk to a sandbox in this process, on a clock that the test sets."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

from crm_platform.sandbox import ManualClock, Sandbox, SandboxClock, SandboxOptions, SandboxResponse

# A Wednesday, half past noon in Nairobi: everybody is at work.
START = dt.datetime(2026, 3, 4, 9, 30, tzinfo=dt.UTC)


class Desk:
    """`desk("GET", "/crm/chat", limit=100)` gives (status, JSON)."""

    def __init__(self, *, clock: SandboxClock | None = None, **options: Any) -> None:
        options = {"contacts": 40, "days": 60, "start": START, **options}
        self.clock = clock or ManualClock(options["start"])
        self.sandbox = Sandbox(SandboxOptions(**options), clock=self.clock)
        self.key = self.sandbox.options.key

    def answer(self, method: str, path: str, body: Any = None, /, **query: Any) -> SandboxResponse:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.sandbox.handle(method, path, urlencode(query), {"api-key": self.key}, raw)

    def __call__(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        answer = self.answer(method, path, body, **query)
        return answer.status, json.loads(answer.body)

    def advance(self, **duration: float) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(dt.timedelta(**duration).total_seconds())

    def contacts(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """Every contact, by reading all pages."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            _, body = self("GET", "/crm/chat", page=page, limit=limit)
            found += body["data"]
            if page * limit >= body["pagination"]["total"]:
                return found
            page += 1

    def messages(self, chat_id: str, *, sort: str = "newest", limit: int = 100) -> list[dict[str, Any]]:
        """Every message of a chat, by reading all pages."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            _, body = self("GET", f"/crm/chat/{chat_id}/messages", page=page, limit=limit, sort=sort)
            data = body["data"]
            found += data["messages"] if isinstance(data, dict) else data
            pagination = (data if isinstance(data, dict) else body)["pagination"]
            if page * limit >= pagination["total"]:
                assert len(found) == pagination["total"]
                return found
            page += 1

    def truth(self, kind: str, at: dt.datetime | None = None) -> list[dict[str, Any]]:
        """The truth's records of one kind, as JSON gives them."""
        return [json.loads(json.dumps(one)) for one in self.sandbox.truth(at) if one["kind"] == kind]
