"""The audit log: who took figures out of the house, who saw whose name, who came in.

What belongs here: writing a line so that it is whole and stays, reading the newest. What does not: deciding what is
audited (serving/, export.py, receipts/).

One JSON document a line, one file a month (`audit/2026-11.jsonl` under the data folder, readable by its owner only),
appended to and never rewritten. A line that cannot be written is an error: what cannot be audited does not happen.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LONGEST_VALUE: Final = 2000  # characters: a query can be long


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Audit:
    """The log under `folder`. Threads and processes may write at once. `now`: gives an aware time."""

    def __init__(self, folder: Path, *, now: Callable[[], dt.datetime] = _utc_now) -> None:
        self._folder = folder
        self._now = now

    def path(self, at: dt.datetime) -> Path:
        """The file that an aware time falls into, by UTC month."""
        return self._folder / f"{at.astimezone(dt.UTC):%Y-%m}.jsonl"

    def write(self, event: str, **about: str | int | None) -> None:
        """Append the time, what happened (`export`, `login` …) and what is known of it, before it happens.

        `who`: `cli:amina`, `analyst` …; `what`: tables, filters and snapshot, never a value that names a person. A line
        is one write at the end of the file, synced to disk. Raises OSError when it cannot be written.
        """
        now = self._now().astimezone(dt.UTC)
        short = {name: value[:_LONGEST_VALUE] if isinstance(value, str) else value for name, value in about.items()}
        entry = {"at": now.isoformat(timespec="milliseconds"), "event": event, **short}
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.path(now), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
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
