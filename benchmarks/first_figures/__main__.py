"""How soon `crm demo` shows figures of an own CRM at 60 requests a minute.

What belongs here: starting a sandbox as that CRM and `crm demo` beside it, and the seconds until the pages and the
Dagster UI answer, until the first request, until figures of growth and of campaigns are published, and the longest
silence at the shell. What does not: how well the figures agree (crm_platform_tests).

    python -m benchmarks.first_figures --contacts 8500 --per-minute 60 --minutes 6
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import duckdb

FIGURES = {
    "growth": "select count(*) from kpi.contact_growth_daily where new_contacts > 0",
    "campaigns": "select count(*) from kpi.campaign_performance",
    "campaign reports": "select count(*) from kpi.campaign_performance where delivered is not null",
    "first responses": "select count(*) from kpi.response_times_daily where answered_waits > 0",
}


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether something says 200 there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def requests_of(url: str, key: str) -> int:
    """Count what the CRM was asked."""
    request = urllib.request.Request(f"{url}/sandbox/stats", headers={"API-KEY": key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["requests"])


def main() -> None:
    """Run it once and print when what was there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=8500)
    parser.add_argument("--per-minute", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=6, help="How long to watch.")
    options = parser.parse_args()
    crm_port, pages, ui = free_port(), free_port(), free_port()
    crm_url = f"http://127.0.0.1:{crm_port}"
    command = [sys.executable, "-u", "-m", "crm_platform.cli"]
    arguments = ["--contacts", str(options.contacts), "--port", str(crm_port), "--latency", "150"]
    with tempfile.TemporaryDirectory() as data:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CRM_", "DAGSTER_"))}
        own |= {"CRM_DATA_DIR": data, "CRM_BASE_URL": crm_url, "CRM_API_KEY": "sandbox"}
        own |= {"CRM_REQUESTS_PER_MINUTE": str(options.per_minute), "CRM_REQUESTS_PER_DAY": "none"}
        crm = subprocess.Popen([*command, "sandbox", *arguments], env=own, stdout=subprocess.DEVNULL)
        while crm.poll() is None:
            with contextlib.suppress(OSError):
                requests_of(crm_url, "sandbox")
                break
            time.sleep(0.2)
        began = time.monotonic()
        demo = subprocess.Popen(
            [*command, "demo", "--port", str(ui), "--dashboards-port", str(pages), "--events-port", str(free_port())],
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        spoke = [(0.0, "")]

        def listen() -> None:
            for line in demo.stdout or ():
                spoke.append((time.monotonic() - began, line.rstrip()))
                print(f"{spoke[-1][0]:7.1f}  {line.rstrip()}", flush=True)

        listener = threading.Thread(target=listen)
        listener.start()
        seen: dict[str, float] = {}
        try:
            while time.monotonic() - began < options.minutes * 60 and demo.poll() is None:
                at = time.monotonic() - began
                if "pages" not in seen and answers(f"http://127.0.0.1:{pages}/executive"):
                    seen["pages"] = at
                if "Dagster UI" not in seen and answers(f"http://127.0.0.1:{ui}/server_info"):
                    seen["Dagster UI"] = at
                if "first request" not in seen and requests_of(crm_url, "sandbox"):
                    seen["first request"] = at
                current = Path(data, "published", "current", "analytics.duckdb").resolve()
                if current.exists() and len(seen) < len(FIGURES) + 3:
                    with duckdb.connect(str(current), read_only=True) as snapshot:
                        for name, question in FIGURES.items():
                            (rows,) = snapshot.execute(question).fetchone() or (0,)
                            if rows and name not in seen:
                                seen[name] = at
                time.sleep(0.2)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(90)
            listener.join()
            crm.terminate()
            crm.wait(30)
    print()
    for name, at in sorted(seen.items(), key=lambda one: one[1]):
        print(f"{name:<20}{at:6.1f} s")
    silences = [(later - earlier, words) for (earlier, _), (later, words) in itertools.pairwise(spoke)]
    length, before = max(silences)
    print(f"{'longest silence':<20}{length:6.1f} s, before: {re.sub(r'[^ -~]', ' ', before)[:80]}")


if __name__ == "__main__":
    main()
