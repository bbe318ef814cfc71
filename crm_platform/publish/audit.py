"""The audit log: who took figures out of the house, who saw whose name, who came in.

What belongs here: writing a line so that it is whole and stays, reading the newest. What does not: deciding what is
audited (serving/, export.py, receipts/).

One JSON document a line, in ASCII whatever was sent, one file a month (`audit/2026-11.jsonl` under the data folder,
readable by its owner only), appended to and never rewritten. A line that cannot be written is an error: what cannot be
audited does not happen. A line that a full disk or a crash has torn costs itself alone: the next one begins on a line
of its own, and readers leave the torn one out and count it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crm_platform.errors import GiveUp

_LONGEST_VALUE: Final = 2000  # characters: a query can be long
_CHUNK: Final = 1 << 16  # bytes of a file read at a time, from its end
_LONGEST_LINE: Final = 1 << 17  # bytes: no line of ours is near it


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Read:
    """The newest lines, newest first, and how many between them could not be read."""

    lines: list[dict[str, object]]
    unreadable: int


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

        `who`: `cli:amina`, `analyst` …; `what`: tables, filters and snapshot, never a value that names a person. When
        this returns the line is whole and on the disk. Raises GiveUp when it cannot be written: what it tells of must
        not happen then.
        """
        now = self._now().astimezone(dt.UTC)
        short = {name: value[:_LONGEST_VALUE] if isinstance(value, str) else value for name, value in about.items()}
        line = json.dumps({"at": now.isoformat(timespec="milliseconds"), "event": event, **short}) + "\n"
        path = self.path(now)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _append(path, line.encode("ascii"))
        except OSError as problem:
            raise GiveUp(
                f"cannot write the audit log {path} ({problem.strerror}), and what cannot be written down is not done:"
                " make room on the disk, or mend the folder's rights"
            ) from problem

    def newest(self, limit: int) -> Read:
        """The newest lines, at most `limit`. Raises GiveUp when the files cannot be read."""
        found: list[dict[str, object]] = []
        unreadable = 0
        try:
            for path in sorted(self._folder.glob("*.jsonl"), reverse=True):
                with path.open("rb") as file:
                    lines = _from_the_end(file.fileno())
                    while len(found) < limit and (line := next(lines, None)) is not None:
                        entry = _entry(line)
                        if entry is None:
                            unreadable += 1
                        else:
                            found.append(entry)
        except OSError as problem:
            raise GiveUp(f"the audit log in {self._folder} cannot be read ({problem.strerror})") from problem
        return Read(found, unreadable)


def _append(path: Path, line: bytes) -> None:
    """Add a line, whole or not at all."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # ends with the handle, and with its process
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # somebody died in the middle of the last one
        written = 0
        try:
            written = os.write(handle, line)
            os.fsync(handle)
        except OSError:
            written = 0
            raise
        finally:
            if written < len(line):  # the lock is ours: nobody has written after it
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, size)
    finally:
        os.close(handle)
    if written < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _from_the_end(handle: int) -> Iterator[bytes]:
    """The lines of a file that are not empty, last one first, without holding the file in memory."""
    place, rest = os.fstat(handle).st_size, b""
    while place:
        start = max(0, place - _CHUNK)
        first, *lines = (os.pread(handle, place - start, start) + rest).split(b"\n")
        yield from (line for line in reversed(lines) if line)
        # What a line without an end would grow to is no line of ours: its rest is as unreadable as its beginning.
        place, rest = start, first[:_LONGEST_LINE]
    if rest:
        yield rest


def _entry(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return entry if isinstance(entry, dict) else None
