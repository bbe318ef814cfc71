"""`crm serve` as a process of its own, for tests that need a real one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVE = (sys.executable, "-m", "crm_platform.cli", "serve")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The process, its address, what it said at start."""

    process: subprocess.Popen[str]
    url: str
    words: str

    @property
    def place(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


def environment(root: Path, **settings: str) -> dict[str, str]:
    """Nothing of the CRM's settings but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    return {**clean, "CRM_DATA_DIR": str(root), **{f"CRM_{name.upper()}": text for name, text in settings.items()}}


@contextlib.contextmanager
def running_server(
    root: Path, *arguments: str, command: Sequence[str] = SERVE, **settings: str
) -> Iterator[RunningServer]:
    """Serve a data folder on a free port until the block ends. What it says of errors is in `server.log` there."""
    log = root / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--port", "0", *arguments],
            env=environment(root, **settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        words = ""
        while "Ctrl-C" not in words:
            line = process.stdout.readline()
            assert line, f"it ended before it listened: {log.read_text()}"
            words += line
        address = re.search(r"http://\S+", words)
        assert address is not None
        yield RunningServer(process, address[0], words)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
    assert "Traceback" not in log.read_text()
