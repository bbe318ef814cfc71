"""Which processes hold a file, where the system tells (Linux: /proc/locks).

What belongs here: kernel locks on files, and the name of a process. What does not: what it means.

The locks are read from the system's list. Trying to take one would release those that this process itself holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_LOCKS: Final = Path("/proc/locks")


def holders(path: Path) -> frozenset[int]:
    """Ids of the other processes that hold a POSIX lock on a file; none where the system does not tell."""
    try:
        inode, lines = path.stat().st_ino, _LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return frozenset()
    # `1: POSIX  ADVISORY  READ 1234 fe:00:2146409 0 EOF`; one that waits has an arrow before the kind.
    fields = [line.split() for line in lines]
    found = {
        int(part[4])
        for part in fields
        if len(part) >= 6 and part[1] == "POSIX" and part[4].isdigit() and part[5].endswith(f":{inode}")
    }
    return frozenset(found - {0, os.getpid()})


def name_of(process: int) -> str:
    """Write a process for people: `process 1234 (python3)`."""
    try:
        command = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {process}"
    return f"process {process} ({command})"
