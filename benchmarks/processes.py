"""What benchmarks that start programs share: ports, the CPU that a process took, shares of what was measured.

What belongs here: this. What does not: what is measured (each benchmark's own package).
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from pathlib import Path


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until something listens there."""
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that so large a share does not exceed; not a number where there is none."""
    return math.nan if not values else sorted(values)[max(0, -(-len(values) * round(share * 100) // 100) - 1)]
