"""`crm events serve` as a process of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from crm_platform_tests.serving.running import RunningServer, running_server

RECEIVE = (sys.executable, "-m", "crm_platform.cli", "events", "serve")


@contextlib.contextmanager
def receiver(
    root: Path, *arguments: str, command: tuple[str, ...] = RECEIVE, **settings: str
) -> Iterator[RunningServer]:
    root.mkdir(exist_ok=True)
    with running_server(root, *arguments, command=command, **settings) as server:
        yield RunningServer(server.process, server.url.removesuffix("/webhooks/crm"), server.words)
