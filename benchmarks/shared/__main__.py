"""`python -m benchmarks.shared --data data`: what it costs that several hosts share, in Redis, what one keeps in files.

It starts Debian's redis-server on loopback. Printed are: requests that pass the gate in a second, by one and by four
processes, of a file and of Redis; the KPI API's answers about all tables, read from the snapshot of the data folder and
from Redis, each asked for the first time; what it takes to put them there after a snapshot was published.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import await_port, free_port, percentile
from crm_platform.api import SqliteGate
from crm_platform.api.redis_gate import RedisGate
from crm_platform.redis_server import RedisServer
from crm_platform.serving.hot import Hot, place_of, put
from crm_platform.serving.kpi_api import answers
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import Settings, load_settings

SECONDS = 3.0  # that each measurement of the gate lasts
LIMIT = 1_000_000  # a minute: it counts, and refuses nobody
ROUNDS = 20


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a redis-server that keeps nothing on disk; gives its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is missing: apt-get install redis-server")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        await_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def pass_through(kind: str, place: str, told: multiprocessing.Queue[list[float]]) -> None:
    """Pass the gate for a while; tells how long each passage took (s)."""
    gate = (
        SqliteGate(Path(place), per_minute=LIMIT, per_day=None)
        if kind == "file"
        else RedisGate(RedisServer(load_settings(redis_url=place), patience=5), per_minute=LIMIT, per_day=None)
    )
    took: list[float] = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        gate.acquire("x").release({}, 200)
        took.append(time.perf_counter() - began)
    told.put(took)


def open_at_once(url: str) -> None:
    """End the wait that begins with a new Redis: no request is under way."""
    server = RedisServer(load_settings(redis_url=url), patience=5)
    RedisGate(server, per_minute=LIMIT, per_day=None).closed()
    with server.asking() as client:
        client.hset(server.key("gate"), "closed_until", 0)


def gate(kind: str, place: str, processes: int) -> None:
    told: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=pass_through, args=(kind, place, told)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    took = [one for _ in workers for one in told.get()]
    for worker in workers:
        worker.join()
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    print(
        f"gate, {kind:5}, {processes} processes: {len(took) / SECONDS:6,.0f} a second,"
        f" p50 {p50 * 1e3:5.2f} ms, p99 {p99 * 1e3:6.2f} ms"
    )


def api(settings: Settings) -> None:
    found = Snapshots(settings).current()
    if found is None:
        raise SystemExit(f"nothing is published in {settings.root}: make demo ONCE=1")
    ready = answers(found)
    size = sum(answer.size for answer in ready.values())
    print(f"{len(ready)} answers, {size / 1e6:.2f} MB, of {len(found.manifest.tables)} tables")
    made, read, written = [], [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ready = answers(found)
        made.append(time.perf_counter() - began)
        began = time.perf_counter()
        put(settings, found.version, ready)
        written.append(time.perf_counter() - began)
        hot = Hot(settings)
        hot.get(found.version, place_of(("", "")), otherwise=dict)
        began = time.perf_counter()
        for place, answer in ready.items():
            assert hot.get(found.version, place, otherwise=dict) == answer
        read.append(time.perf_counter() - began)
    for name, seconds in (("made of the file", made), ("put into Redis", written), ("read from Redis", read)):
        print(f"all answers, {name}: {statistics.median(seconds) * 1e3:.1f} ms (median of {ROUNDS})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/sandbox"), help="a data folder with a snapshot")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder)) as url:
        open_at_once(url)
        for processes in (1, 4):
            gate("file", f"{folder}/gate{processes}.sqlite", processes)
            gate("Redis", url, processes)
        api(load_settings(data_dir=asked.data, redis_url=url))


if __name__ == "__main__":
    main()
