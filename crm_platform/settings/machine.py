"""How much memory this machine, or the container the process runs in, has.

What belongs here: asking. What does not: how much of it something may take (variables.py).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Most memory of the process's group, version 2 and 1: bytes, or a word for none.
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory() -> int:
    """Bytes of memory that processes here may take; 1 GiB where nothing tells."""
    found = [int(path.read_text()) for path in _LIMITS if path.exists() and path.read_text().strip().isdecimal()]
    try:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        found.append(1 << 30)
    return min(found)
