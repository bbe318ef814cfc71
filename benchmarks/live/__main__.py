"""How soon a customer's message stands on an open page: sandbox, webhooks, `crm live`, `crm serve`, a real browser.

What belongs here: starting all of these as processes, letting the made-up world go on, the seconds from each message
of a contact to the first page that holds it. What does not: whether the figures are right (crm_platform_tests).

    python -m benchmarks.live --contacts 10000 --minutes 60 --lost 0.02 --per-minute 300

A page holds a message when the snapshot that it shows was cut after the request that brought the message. `--kill` ends
`crm live`, the receiver and `crm serve` once each by SIGKILL, after a sixth, two and three sixths of the time, and
starts them anew; `--away` keeps the receiver away for so many minutes after four sixths. Messages sent meanwhile are
told apart. At the end the figures are computed on, and in full in another store: they must be the same, cell by cell.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
from playwright.sync_api import sync_playwright

from benchmarks.builds.__main__ import cells
from benchmarks.processes import await_port, cpu_of, free_port, percentile
from crm_platform.ingest import open_warehouse
from crm_platform.publish.figures import compute
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse

KEY = "benchmark"
_LOOK_EVERY = 0.05  # seconds
_STARTS_WITHIN = dt.timedelta(seconds=15)
_CRM = (sys.executable, "-m", "crm_platform.cli")


@dataclass(slots=True)
class Stage:
    """The processes, by name, and what they are started with."""

    folder: Path
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, tuple[tuple[str, ...], dict[str, str]]] = field(default_factory=dict)
    outages: list[tuple[dt.datetime, dt.datetime]] = field(default_factory=list)

    def start(self, name: str, *command: str, **variables: str) -> None:
        self.started[name] = command, variables
        log = (self.folder / f"{name}.log").open("ab")
        self.running[name] = subprocess.Popen(
            [*_CRM, *command], env={**self.environment, **variables}, stdout=log, stderr=log
        )

    def kill(self, name: str) -> None:
        """End a process by SIGKILL and start it anew."""
        self.leave(name, signal.SIGKILL)
        self.back(name)

    def leave(self, name: str, by: signal.Signals) -> None:
        """End a process; it is away."""
        self.outages.append((dt.datetime.now(dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)))
        self.running[name].send_signal(by)
        self.running[name].wait()

    def back(self, name: str) -> None:
        """Start the process that is away."""
        command, variables = self.started[name]
        self.start(name, *command, **variables)
        self.outages[-1] = self.outages[-1][0], dt.datetime.now(dt.UTC) + _STARTS_WITHIN

    def end(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()

    def cpu(self, name: str) -> float:
        """Seconds of CPU that a process has taken."""
        return cpu_of(self.running[name].pid)


def events_of(port: int, *, after: dt.datetime, until: dt.datetime) -> Iterator[dict[str, object]]:
    """What happened in the sandbox's world."""
    query = f"after={after:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sandbox/events?{query}", headers={"API-KEY": KEY})
    with urllib.request.urlopen(request, timeout=120) as answer:
        yield from map(json.loads, answer)


def differing_tables(environment: Mapping[str, str], folder: Path) -> list[str]:
    """Compute on from where `crm live` was, and in full in another store: the tables whose rows are not the same."""
    os.environ.update(environment)
    settings, now = Settings(), dt.datetime.now(dt.UTC)
    live, theirs = open_warehouse(settings), folder / "full.duckdb"
    stores = [
        DuckDbWarehouse(path, lock_dir=folder / "locks", memory=settings.build_memory, is_derived=True)
        for path in (settings.models_path, theirs)
    ]
    for store in stores:
        compute(store, live, settings=settings, now=now)
    mine, full = (cells(store) for store in stores)
    return [table for table in full if full[table] != mine[table]]


def watch(
    page_url: str, published: Path, *, seconds: float, at: dict[float, Callable[[], None]]
) -> list[tuple[dt.datetime, dt.datetime]]:
    """Look at a page that is open: when it showed which cut. `at`: what is called after how many seconds."""
    turns: list[tuple[dt.datetime, dt.datetime]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(page_url)
        began, shown = time.monotonic(), ""
        while (passed := time.monotonic() - began) < seconds:
            for due in [one for one in at if one <= passed]:
                at.pop(due)()
            snapshot = page.evaluate("document.documentElement.dataset.snapshot")
            if snapshot != shown:
                seen_at, shown = dt.datetime.now(dt.UTC), snapshot
                manifest = json.loads((published / snapshot / "manifest.json").read_text(encoding="utf-8"))
                turns.append((seen_at, dt.datetime.fromisoformat(manifest["as_of"])))
            time.sleep(_LOOK_EVERY)
        browser.close()
    return turns


def main() -> None:
    """Run it once and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=60, help="of history before")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--lost", type=float, default=0.02, help="share of events that never come")
    parser.add_argument("--per-minute", type=int, help="requests that the platform may send; none: no limit")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--away", type=float, default=0.0, help="minutes that the receiver is away")
    parser.add_argument("--requests", type=int, help="of the crawl before; none: everything is fetched")
    parser.add_argument("--json", type=Path, help="where each message's seconds are written, too")
    chosen = parser.parse_args()
    crm, hooks, pages = (free_port() for _ in range(3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("CRM_", "DAGSTER_"))}
        stage = Stage(folder, clean | {"CRM_DATA_DIR": str(folder / "data"), "CRM_API_KEY": KEY,
                                       "CRM_BASE_URL": f"http://127.0.0.1:{crm}"})  # fmt: skip
        limit = {} if chosen.per_minute is None else {"CRM_REQUESTS_PER_MINUTE": str(chosen.per_minute)}
        try:
            stage.start("receiver", "events", "serve", "--port", str(hooks))
            stage.start("sandbox", "sandbox", "--port", str(crm), "--key", KEY, "--contacts", str(chosen.contacts),
                        "--days", str(chosen.days), "--webhook-url", f"http://127.0.0.1:{hooks}/webhooks/crm",
                        "--webhook-lost", str(chosen.lost))  # fmt: skip
            await_port(crm)
            crawled = ("refresh",) if chosen.requests is None else ("crawl", "--requests", str(chosen.requests))
            subprocess.run([*_CRM, *crawled], env=stage.environment, check=True, capture_output=True)
            stage.start("serve", "serve", "--port", str(pages))
            stage.start("live", "live", **limit)
            await_port(pages)
            current = folder / "data" / "published" / "current"
            while not current.exists():
                time.sleep(1)
            time.sleep(30)  # what waited for the first turn
            began = dt.datetime.now(dt.UTC)
            sixth, at = chosen.minutes * 10, dict[float, Callable[[], None]]()
            if chosen.kill:
                at |= {
                    sixth * number: partial(stage.kill, name)
                    for number, name in enumerate(("live", "receiver", "serve"), start=1)
                }
            if chosen.away:
                at[sixth * 4] = partial(stage.leave, "receiver", signal.SIGTERM)
                at[sixth * 4 + chosen.away * 60] = partial(stage.back, "receiver")
            cpu = stage.cpu("live")
            published = folder / "data" / "published"
            turns = watch(f"http://127.0.0.1:{pages}/now", published, seconds=chosen.minutes * 60, at=at)
            ended = dt.datetime.now(dt.UTC)
            cpu = stage.cpu("live") - (0.0 if chosen.kill else cpu)
            told = [one for one in events_of(crm, after=began, until=ended - dt.timedelta(seconds=60))
                    if one.get("event") == "message.received"]  # fmt: skip
        finally:
            stage.end()
        with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as store:
            rows = store.execute("select message_id, first_fetched_at, timestamp from raw.messages").fetchall()
            most = store.execute("""
                select max(n) from (select count(*) as n from ops.fetches where started_at >= ?
                group by date_trunc('minute', started_at))""", [began.replace(tzinfo=None)]).fetchone()  # fmt: skip
        took = [float(one) for one in re.findall(r"published in ([\d.]+) s", (folder / "live.log").read_text())]
        fetched = {key: (first.replace(tzinfo=dt.UTC), sent.replace(tzinfo=dt.UTC)) for key, first, sent in rows}
        waited: dict[str, list[float]] = {"told": [], "lost": [], "outage": []}
        never, caught_up = 0, 0.0
        for one in told:
            found = fetched.get(str(one["message_id"]))
            seen = None if found is None else next((when for when, cut in turns if cut >= found[0]), None)
            if found is None or seen is None:
                never += 1
                continue
            outage = next((ends for begins, ends in stage.outages if begins <= found[1] <= ends), None)
            how = "outage" if outage else "lost" if "lost" in (one.get("fates") or ()) else "told"
            waited[how].append((seen - found[1]).total_seconds())
            if outage:
                caught_up = max(caught_up, (seen - outage + _STARTS_WITHIN).total_seconds())
        every = waited["told"] + waited["lost"]
        print(f"{chosen.contacts:,} contacts, {chosen.minutes:g} minutes, {len(turns)} turns of the page, live took "
              f"{cpu:.0f} s of CPU; most requests in a minute of the clock: {most[0] if most else 0}")  # fmt: skip
        for words, values in (("all, outages apart", every), ("told by an event", waited["told"]),
                              ("event lost", waited["lost"]), ("in an outage", waited["outage"])):  # fmt: skip
            if values:
                print(f"{words:18} {len(values):5} messages: p50 {percentile(values, 0.5):6.1f} s  "
                      f"p95 {percentile(values, 0.95):6.1f} s  longest {max(values):7.1f} s")  # fmt: skip
        print(f"{len(stage.outages)} outages; seconds after the last of them until all sent meanwhile was on the page: "
              f"{caught_up:.1f}")  # fmt: skip
        new = sum(first >= began.replace(tzinfo=None) for _, first, _ in rows)
        shown = [(seen_at - cut).total_seconds() for seen_at, cut in turns]
        print(f"not on the page by the end: {never}; new messages in all: {new}; a turn took p50 "
              f"{percentile(took, 0.5):.1f} s, p95 {percentile(took, 0.95):.1f} s; from the cut to the page "
              f"p50 {percentile(shown, 0.5):.1f} s, p95 {percentile(shown, 0.95):.1f} s")  # fmt: skip
        differing = differing_tables(stage.environment, folder)
        print(f"tables that differ from those computed in full: {', '.join(differing) or 'none'}")
        if chosen.json:
            chosen.json.write_text(json.dumps(waited), encoding="utf-8")


if __name__ == "__main__":
    main()
