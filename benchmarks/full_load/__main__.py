"""`python -m benchmarks.full_load`: load one world three ways, side by side, and print the ratios.

Each contender gets a sandbox of its own on loopback, with the same world in the same state. The bare loop and
`crm refresh` take turns, since a machine's speed changes by the minute; each one's median run is shown, and its every
run below. dlt, which takes minutes, has one run. For `crm refresh`, load is the span of its ingest's requests, with
every commit but the last. Requests are the server's count, memory is the process tree's, sandbox excluded.

Then both once more on the world that `crm refresh` knows by now: it has to find that nothing is new, and the bare loop
asks for what that takes, each list and each chat's newest page.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.full_load.measuring import KEY, Run, Sandbox, run, sandbox

HERE = Path(__file__).parent
LOCK = HERE / "requirements-dlt.lock"
# Messages a chat has for each day of history, in the sandbox's worlds of this size.
MESSAGES_A_CHAT_DAY = 153_352 / 3000 / 180


@dataclass(frozen=True, slots=True)
class Result:
    """One contender. `seconds`: from its first request to the end of its load; `whole_seconds`: the command's."""

    name: str
    seconds: float
    whole_seconds: float
    requests: int
    messages: int
    run: Run


@dataclass(frozen=True, slots=True)
class World:
    """What is loaded, and where contenders may write."""

    contacts: int
    days: int
    start: str
    seed: int
    folder: Path
    timeout: float

    def fresh(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def serve(self):
        return sandbox(contacts=self.contacts, days=self.days, start=self.start, seed=self.seed)


def bare_loop(world: World) -> tuple[Result, int]:
    """The floor, and the API's minimum of requests for this world."""
    with world.serve() as crm:
        done = _bare(world, crm)
        found = json.loads(done.output)
        result = Result("bare httpx loop", found["seconds"], done.seconds, crm.requests(), found["messages"], done)
        return result, found["minimum_requests"]


def _bare(world: World, crm: Sandbox, *which: str) -> Run:
    command = [sys.executable, "-m", "benchmarks.full_load.bare_loop", crm.url, KEY, *which]
    log = world.fresh("bare") / "log"
    return run(command, environment={"PYTHONPATH": str(HERE.parents[1])}, timeout=world.timeout, log=log)


def crm_refresh(world: World) -> tuple[Result, tuple[Run, Run]]:
    """This platform: ingest, KPIs and publishing in one command; its load is from first to last request.

    And what it takes to find that nothing is new: the bare loop, and `crm refresh` again.
    """
    data = world.fresh("crm")
    with world.serve() as crm:
        command = [sys.executable, "-m", "crm_platform.cli", "refresh"]
        environment = {"CRM_API_KEY": KEY, "CRM_DATA_DIR": str(data), "PYTHONPATH": str(HERE.parents[1])}
        environment["CRM_BASE_URL"] = crm.url
        done = run(command, environment=environment, timeout=world.timeout, log=data / "log")
        requests = crm.requests()
        seconds, messages = _loaded(data)
        again = (
            _bare(world, crm, "newest"),
            run(command, environment=environment, timeout=world.timeout, log=data / "log"),
        )
    return Result("crm refresh", seconds, done.seconds, requests, messages, done), again


def _loaded(data: Path) -> tuple[float, int]:
    """Seconds from the first request to the last, and messages."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select date_diff('microsecond', min(started_at), max(finished_at)) / 1e6,"
            " (select count(distinct (chat_id, message_id)) from raw.messages) from ops.fetches"
        ).fetchone()


def dlt(world: World) -> Result:
    """dlt's rest_api source into DuckDB, from an environment of its own."""
    python = dlt_python(world.folder)
    folder = world.fresh("dlt")
    with world.serve() as crm:
        command = [str(python), str(HERE / "with_dlt.py"), crm.url, KEY, str(folder)]
        done = run(command, environment={}, timeout=world.timeout, log=folder / "log")
        found = json.loads(done.output.splitlines()[-1])
        name = f"dlt {found['version']} rest_api"
        return Result(name, found["seconds"], done.seconds, crm.requests(), found["distinct"], done)


def dlt_python(folder: Path) -> Path:
    """Install the locked dlt once; returns its Python."""
    home = folder / "dlt-venv"
    python, stamp = home / "bin" / "python", home / "lock"
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        print("installing dlt …", flush=True)
        venv.create(home, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK)]
        subprocess.run([str(python), *install], check=True, timeout=600)
        stamp.write_text(LOCK.read_text())
    return python


def table(results: list[Result], minimum: int, floor: float) -> Iterator[str]:
    """Rows of the comparison, as text."""
    head = ("load", "× bare", "command", "CPU", "requests", "× min", "PSS", "RSS", "messages")
    yield " " * 22 + "".join(f"{word:>10}" for word in head)
    for one in results:
        cells = (
            f"{one.seconds:.1f} s",
            f"{one.seconds / floor:.2f}",
            f"{one.whole_seconds:.1f} s",
            f"{one.run.cpu_seconds:.1f} s",
            f"{one.requests:,}",
            f"{one.requests / minimum:.3f}",
            f"{one.run.peak_pss_mb:.0f} MB",
            f"{one.run.peak_rss_mb:.0f} MB",
            f"{one.messages:,}",
        )
        yield f"{one.name:22}" + "".join(f"{cell:>10}" for cell in cells)


def again(rounds: Sequence[tuple[Run, Run]]) -> Iterator[str]:
    """Rows of what it takes to find that nothing is new, medians."""
    for name, runs in zip(("bare loop", "crm refresh"), zip(*rounds, strict=True), strict=True):
        seconds = statistics.median(one.seconds for one in runs)
        cpu = statistics.median(one.cpu_seconds for one in runs)
        yield f"again, nothing new, {name + ':':13} {seconds:.1f} s, {cpu:.1f} s of CPU, {runs[0].peak_pss_mb:.0f} MB"


def _median(runs: Sequence[Result]) -> Result:
    return sorted(runs, key=lambda one: one.seconds)[len(runs) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_load", description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, default=3000)
    parser.add_argument("--messages", type=int, default=160_000, help="about so many; sets the days of history")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3, help="runs of the bare loop and of crm refresh")
    parser.add_argument("--timeout", type=float, default=900, help="seconds each contender may take")
    parser.add_argument("--folder", type=Path, default=Path("data") / "benchmarks" / "full_load")
    parser.add_argument("--without-dlt", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    world = World(
        contacts=chosen.chats,
        days=max(1, round(chosen.messages / chosen.chats / MESSAGES_A_CHAT_DAY)),
        start=dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat(),
        seed=chosen.seed,
        folder=chosen.folder.resolve(),
        timeout=chosen.timeout,
    )
    rounds: list[tuple[Result, Result]] = []
    later: list[tuple[Run, Run]] = []
    for _ in range(chosen.rounds):
        bare, minimum = bare_loop(world)
        if not rounds:
            print(f"{world.contacts:,} chats, {bare.messages:,} messages, at least {minimum:,} requests", flush=True)
        refreshed, nothing_new = crm_refresh(world)
        rounds.append((bare, refreshed))
        later.append(nothing_new)
    results = [_median(runs) for runs in zip(*rounds, strict=True)]
    if not chosen.without_dlt:
        results.append(dlt(world))
    floor = results[0].seconds
    print(*table(results, minimum, floor), sep="\n")
    for name, runs in zip(("bare loop", "crm refresh"), zip(*rounds, strict=True), strict=True):
        print(f"every run of the {name}: {', '.join(f'{one.seconds:.1f} s' for one in runs)}")
    print(*again(later), sep="\n")
    if chosen.json:
        figures = {
            one.name: {
                "seconds": one.seconds,
                "times_bare": one.seconds / floor,
                "requests": one.requests,
                "times_minimum": one.requests / minimum,
                "peak_pss_mb": one.run.peak_pss_mb,
                "messages": one.messages,
            }
            for one in results
        }
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


main()
