"""A sandbox as a process of its own, for tests that need real HTTP.

    with running_sandbox(contacts=50, fault_rate=0.05) as crm:
        httpx.get(f"{crm.url}/crm/chat", headers={"API-KEY": crm.key})

Options are those of `crm sandbox` (`requests_per_minute=600`, `shapes="all"`, `clock="manual"`, …). It listens on a
free port of this machine and is stopped by its process id, also when the test fails.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Where it is, and what it says beside the contract. `pid`: of the process."""

    url: str
    key: str
    pid: int

    def _open(self, path: str, *, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers={"API-KEY": self.key})
        return urllib.request.urlopen(request, timeout=60)

    def stats(self) -> dict[str, Any]:
        """What arrived so far: `requests`, `by_route`, …; and `webhooks`, where they are posted: see `WebhookStats`."""
        with self._open("/sandbox/stats") as answer:
            return json.load(answer)

    def truth(self, at: dt.datetime | None = None) -> Iterator[dict[str, Any]]:
        """What a perfect sync holds at a time (default: now), record by record."""
        query = "" if at is None else "?" + urlencode({"at": at.isoformat()})
        with self._open(f"/sandbox/truth{query}") as answer:
            for line in answer:
                yield json.loads(line)

    def events(self, after: dt.datetime | None = None, until: dt.datetime | None = None) -> Iterator[dict[str, Any]]:
        """What happened in (after, until], and what webhooks make of it (default: from the start on, until now)."""
        given = {"after": after, "until": until}
        query = urlencode({name: at.isoformat() for name, at in given.items() if at is not None})
        with self._open(f"/sandbox/events?{query}") as answer:
            for line in answer:
                yield json.loads(line)

    def set_clock(self, now: dt.datetime) -> None:
        """Set the world's time (`clock="manual"`)."""
        self._open("/sandbox/clock", body={"now": now.isoformat()}).close()

    def advance(self, seconds: float) -> None:
        """Let time pass (`clock="manual"`)."""
        self._open("/sandbox/clock", body={"advance": seconds}).close()


def _argument(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return ",".join(value) if isinstance(value, tuple | list) else str(value)


@contextlib.contextmanager
def running_sandbox(**options: Any) -> Iterator[RunningSandbox]:
    """Start a sandbox, and end it with the block. Raises RuntimeError, with what it said, if it does not start."""
    options = {"port": 0, "key": "sandbox", **options}
    arguments: list[str] = []
    for name, value in options.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", _argument(value)]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from crm_platform.cli import main; main()", "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://\S+", first)
        if found is None:
            raise RuntimeError(f"the sandbox did not start: {first}{process.stdout.read()}")
        yield RunningSandbox(url=found[0], key=options["key"], pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
