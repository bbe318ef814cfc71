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

import httpx

from crm_platform.settings import environment_with

PAGES = ("/executive", "/campaigns", "/support", "/figures")
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


def cells(route: str, times: Sequence[float], bytes_each: int | None = None) -> str:
    marks = (quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), max(times))
    size = "" if bytes_each is None else f"{bytes_each / 1000:>10.1f}"
    return f"{route:48}{len(times):>7}" + "".join(f"{mark * 1000:>9.1f}" for mark in marks) + size


def head(what: str, *more: str) -> str:
    words = ("count", "median", "p95", "p99", "max")
    return f"\n{what:48}{words[0]:>7}" + "".join(f"{word:>9}" for word in words[1:]) + "".join(f"{m:>10}" for m in more)


def alone(client: httpx.Client, routes: Sequence[str], requests: int) -> list[str]:
    """Time each route by itself, one request after the other; returns the routes that answer."""
    answering = []
    print(head("one at a time, ms", "kB sent"))
    for route in routes:
        status = client.get(route).status_code
        if status != 200:
            print(f"{route:48}answers {status}: left out")
            continue
        answering.append(route)
        for _ in range(WARM_UP):
            client.get(route)
        times = []
        for _ in range(requests):
            began = time.perf_counter()
            response = client.get(route)
            times.append(time.perf_counter() - began)
        print(cells(route, times, response.num_bytes_downloaded), flush=True)
    return answering


async def together(address: str, routes: Sequence[str], *, rate: float, seconds: float) -> None:
    """Ask for the routes in turn, `rate` times a second, and print what came of it."""
    times: dict[str, list[float]] = {route: [] for route in routes}
    failures: list[str] = []
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as client:
        began = asyncio.get_running_loop().time()

        async def ask(number: int) -> None:
            route, due = routes[number % len(routes)], began + number / rate
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            try:
                status = (await client.get(route)).status_code
            except httpx.HTTPError as problem:
                failures.append(f"{route}: {type(problem).__name__}")
                return
            times[route].append(asyncio.get_running_loop().time() - due)
            if status != 200:
                failures.append(f"{route}: {status}")

        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                group.create_task(ask(number))
        took = asyncio.get_running_loop().time() - began
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
            asyncio.run(together(address, routes, rate=options.rate, seconds=options.seconds))
        promise(client)


if __name__ == "__main__":
    main()
