"""`python -m benchmarks.serving --data data`: time the pages and the KPI API, warm, then under 100 requests a second.

`crm serve` runs as a process of its own on loopback and reads the snapshot that is published in the data folder
(`make demo ONCE=1` makes one). Times are from sending a request to the last byte of its answer, as a client on the same
machine sees them. Under load, requests are due at fixed times and timed from when they were due: a server that falls
behind shows it. Its own histogram (/metrics) says beside that how many answers took it 50 ms at most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from crm_platform.settings import environment_with

PAGES = ("/executive", "/campaigns", "/support", "/audience", "/now", "/figures")
TABLE = "/api/v1/kpis/response_times_daily"
API = (
    "/api/v1/kpis",
    f"{TABLE}?order=-day&limit=7",
    TABLE,
    f"{TABLE}?format=csv",
    f"{TABLE}?format=arrow",
    "/api/v1/kpis/campaign_performance",
    "/api/v1/kpis/executive_summary",
    "/api/v1/openapi.json",
    "/healthz",
    "/metrics",
)
CONNECTIONS = 32  # at most so many answers are waited for at once
WARM_UP = 20  # requests to each route before it is timed
PROMISE = "0.05"  # seconds, a bound of the server's own histogram


@contextlib.contextmanager
def serving(data: Path) -> Iterator[str]:
    """Run `crm serve` on a data folder; gives its address."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "crm_platform.cli", "serve", "--port", "0"],
            env={**environment_with(), "CRM_DATA_DIR": str(data)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            if address is None:
                server.wait(timeout=10)
                log.seek(0)
                raise SystemExit(f"crm serve did not start: {log.read()}")
            yield address[0]
        finally:
            server.terminate()
            server.wait(timeout=20)


def quantile(values: Sequence[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def cells(route: str, times: Sequence[float]) -> str:
    marks = (quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), max(times))
    return f"{route:48}{len(times):>7}" + "".join(f"{mark * 1000:>9.1f}" for mark in marks)


def cpu_seconds(client: httpx.Client) -> float:
    """CPU time that the server has taken so far."""
    found = re.search(r"^process_cpu_seconds_total (\S+)", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def head(what: str, *more: str) -> str:
    words = ("count", "median", "p95", "p99", "max")
    return f"\n{what:48}{words[0]:>7}" + "".join(f"{word:>9}" for word in words[1:]) + "".join(f"{m:>10}" for m in more)


def alone(client: httpx.Client, routes: Sequence[str], requests: int) -> list[str]:
    """Time each route by itself, one request after the other; returns the routes that answer."""
    answering = []
    print(head("one at a time, ms", "CPU", "kB sent"))
    for route in routes:
        status = client.get(route).status_code
        if status != 200:
            print(f"{route:48}answers {status}: left out")
            continue
        answering.append(route)
        for _ in range(WARM_UP):
            client.get(route)
        times, cpu = [], cpu_seconds(client)
        for _ in range(requests):
            began = time.perf_counter()
            response = client.get(route)
            times.append(time.perf_counter() - began)
        each = (cpu_seconds(client) - cpu) / requests * 1000
        print(f"{cells(route, times)}{each:>10.1f}{response.num_bytes_downloaded / 1000:>10.1f}", flush=True)
    return answering


class Connection:
    """One keep-alive connection: as little of HTTP as it takes, for the client shares the machine with the server."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, route: str) -> int:
        """Ask, read the whole answer, give its status. Raises OSError or EOFError when the connection breaks."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        host = f"{self._host}:{self._port}"
        writer.write(f"GET {route} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?im)^content-length: (\d+)", answer)
        await reader.readexactly(int(length[1]) if length else 0)
        return int(answer.split(" ", 2)[1])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def together(address: str, routes: Sequence[str], *, rate: float, seconds: float) -> None:
    """Ask for the routes in turn, `rate` times a second, and print what came of it."""
    times: dict[str, list[float]] = {route: [] for route in routes}
    failures: list[str] = []
    clock = asyncio.get_running_loop().time
    began, numbers = clock() + 0.1, iter(range(int(rate * seconds)))

    async def ask() -> None:
        connection = Connection(address)
        for number in numbers:  # shared: whoever is free takes the next
            route, due = routes[number % len(routes)], began + number / rate
            await asyncio.sleep(max(0.0, due - clock()))
            try:
                status = await connection.get(route)
            except (OSError, EOFError) as problem:
                failures.append(f"{route}: {type(problem).__name__}")
                connection.close()
                continue
            times[route].append(clock() - due)
            if status != 200:
                failures.append(f"{route}: {status}")
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(ask())
    took = clock() - began
    print(head(f"{rate:.0f} requests a second for {seconds:.0f} s, ms"))
    for route, some in times.items():
        if some:
            print(cells(route, some))
    every = [one for some in times.values() for one in some]
    print(cells("all", every))
    print(f"\n{len(every) / took:.1f} answers a second, {len(failures)} failed {sorted(set(failures))[:5] or ''}")


def promise(client: httpx.Client) -> None:
    """Print the share of answers that took the server 50 ms at most, by its own clock."""
    text = client.get("/metrics").text
    print("\nanswered within 50 ms by the server's own histogram, whole run")
    for route, count in re.findall(r'crm_http_request_seconds_count\{route="([^"]+)"\} (\S+)', text):
        bucket = re.search(rf'_bucket\{{le="{PROMISE}",route="{re.escape(route)}"\}} (\S+)', text)
        if bucket is not None:
            print(f"{route:48}{float(bucket[1]) / float(count):>8.1%} of {float(count):,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder with a published snapshot")
    parser.add_argument("--requests", type=int, default=200, help="requests to each route alone")
    parser.add_argument("--rate", type=float, default=100, help="requests a second under load")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of load; 0 leaves it out")
    options = parser.parse_args()
    with serving(options.data) as address, httpx.Client(base_url=address, timeout=30) as client:
        routes = alone(client, [*PAGES, *API], options.requests)
        if options.seconds > 0:
            cpu = cpu_seconds(client)
            asyncio.run(together(address, routes, rate=options.rate, seconds=options.seconds))
            print(f"the server took {(cpu_seconds(client) - cpu) / options.seconds:.0%} of a processor")
        promise(client)


if __name__ == "__main__":
    main()
