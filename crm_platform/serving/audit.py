"""The audit log: who took which figures out, and who came in.

What belongs here: writing a line, reading the newest. What does not: deciding what is audited (guard.py, login.py).

One JSON document a line, one file a month (`audit/2026-11.jsonl` under the data folder, readable by its owner only),
appended to and never rewritten. A line that cannot be written is an error: what cannot be audited does not happen.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LONGEST_VALUE: Final = 2000  # characters: a query can be long


class Audit:
    """Writes the log under `folder`. Threads may share it. `now`: gives an aware time."""

    def __init__(self, folder: Path, *, now: Callable[[], dt.datetime]) -> None:
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()

    def write(self, event: str, **about: str | int | None) -> None:
        """Append a line: the time, what happened, and what is known of it. Raises OSError when it cannot."""
        now = self._now().astimezone(dt.UTC)
        short = {name: value[:_LONGEST_VALUE] if isinstance(value, str) else value for name, value in about.items()}
        line = json.dumps({"at": now.isoformat(timespec="milliseconds"), "event": event, **short}) + "\n"
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{now:%Y-%m}.jsonl"
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)

    def newest(self, limit: int) -> list[dict[str, object]]:
        """The newest lines, newest first, at most `limit`."""
        found: list[dict[str, object]] = []
        for path in sorted(self._folder.glob("*.jsonl"), reverse=True):
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [json.loads(line) for line in reversed(lines[-(limit - len(found)) :])]
            if len(found) >= limit:
                break
        return found
