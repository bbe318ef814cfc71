"""What Dagster's storage in Postgres costs a refresh, beside SQLite, and leases in Postgres besides.

What belongs here: a sandbox, a Postgres of its own, and `crm refresh` as a process on each storage in turn: the first
one and those after it, in seconds, seconds of its CPU, and connections to the server. What does not: whether the runs
tell the same (crm_platform_tests/postgres).

    python -m benchmarks.dagster_storage --contacts 300 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from crm_platform_tests.postgres.server import PostgresServer, running_postgres
from crm_platform_tests.sandbox.running import RunningSandbox, running_sandbox


@dataclass
class Platform:
    """One data folder. `settings`: what it is told besides; `database`: whose connections are counted."""

    name: str
    folder: Path
    settings: dict[str, str]
    database: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)

    def refresh(self, crm: RunningSandbox, server: PostgresServer) -> None:
        """Run it once, in a process of its own, and note what it took."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CRM_", "DAGSTER_"))}
        own |= {"CRM_DATA_DIR": str(self.folder), "CRM_BASE_URL": crm.url, "CRM_API_KEY": crm.key, **self.settings}
        before = server.connections(self.database) if self.database else 0
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_platform.cli", "refresh"],
            env=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"crm refresh on {self.name} ended with {process.returncode}")
        self.seconds.append(time.monotonic() - began)
        self.cpu.append(used.ru_utime + used.ru_stime)
        self.connections.append(server.connections(self.database) - before if self.database else 0)


def main() -> None:
    """Run them in turn and print each beside SQLite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=300)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5, help="Refreshes on each storage, after the first.")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgres() as server,
        running_sandbox(contacts=options.contacts, days=options.days) as crm,
    ):
        storage, both = server.new_database().get_secret_value(), server.new_database().get_secret_value()
        platforms = [
            Platform("SQLite", Path(folder, "sqlite"), {}),
            Platform(
                "Postgres", Path(folder, "postgres"), {"CRM_DAGSTER_POSTGRES_URL": storage}, storage.rpartition("/")[2]
            ),
            Platform(
                "Postgres, leases too",
                Path(folder, "both"),
                {"CRM_DAGSTER_POSTGRES_URL": both, "CRM_COORDINATION_URL": both},
                both.rpartition("/")[2],
            ),
        ]
        for _ in range(1 + options.rounds):
            for platform in platforms:
                platform.refresh(crm, server)
    print(f"{options.contacts} contacts, {options.days} days; medians of {options.rounds} refreshes after the first\n")
    print(f"{'':<22}{'first, s':>10}{'later, s':>10}{'CPU, s':>8}{'ratio':>8}{'CPU ratio':>11}{'connections':>13}")
    sqlite = platforms[0]
    for platform in platforms:
        later, cpu = statistics.median(platform.seconds[1:]), statistics.median(platform.cpu[1:])
        ratio, cpu_ratio = later / statistics.median(sqlite.seconds[1:]), cpu / statistics.median(sqlite.cpu[1:])
        print(
            f"{platform.name:<22}{platform.seconds[0]:>10.1f}{later:>10.1f}{cpu:>8.1f}{ratio:>8.2f}{cpu_ratio:>11.2f}"
            f"{max(platform.connections[1:]):>13}"
        )


if __name__ == "__main__":
    main()
