"""`python -m benchmarks.pages`: how quickly the three pages are answered, from the data folder's published snapshot.

Three measurements of a server process of its own: one page after the other, warm; the same with a range nobody asked
for before, so that nothing is kept; and 100 requests a second for a minute, mixed over the pages. A time is from
sending a request to the last byte of the answer, on this machine; under load it counts from when the request was due,
so that a server that falls behind is not flattered.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

import httpx

PAGES = ("/executive", "/campaigns", "/support")
START_SECONDS = 60
CONNECTIONS = 16


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(START_SECONDS * 10):
        assert server.poll() is None, "crm serve ended: is anything published? run crm refresh first"
        try:
            urllib.request.urlopen(f"{url}/state.json", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"crm serve did not answer within {START_SECONDS} s")


def told(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(
        f"{name:<34}{len(seconds):>7,} answers   median {statistics.median(ordered) * 1e3:7.1f} ms   "
        f"p99 {p99 * 1e3:7.1f} ms   slowest {ordered[-1] * 1e3:7.1f} ms"
    )


def one_by_one(url: str, paths: list[str]) -> list[float]:
    taken = []
    with httpx.Client(base_url=url) as client:
        for path in paths:
            began = time.perf_counter()
            client.get(path).raise_for_status()
            taken.append(time.perf_counter() - began)
    return taken


async def under_load(port: int, *, rate: int, seconds: int) -> list[float]:
    """Ask on 16 connections that are kept, each for its share, without a client library's own cost."""
    taken: list[float] = []
    began = time.perf_counter()

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, rate * seconds, CONNECTIONS):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            path = PAGES[number % len(PAGES)]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")]
            await reader.readexactly(length)
            taken.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(connection(first) for first in range(CONNECTIONS)))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how quickly the pages are answered.")
    parser.add_argument("--rate", type=int, default=100, help="requests a second under load (default 100)")
    parser.add_argument("--seconds", type=int, default=60, help="how long the load lasts (default 60)")
    options = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "crm_platform.cli", "serve", "--port", str(port)])
    try:
        wait_for(url, server)
        for page in PAGES:
            one_by_one(url, [page] * 3)
            told(f"{page}, warm", one_by_one(url, [page] * 100))
            fresh = [f"{page}?from=2026-{9 + n // 28:02d}-{1 + n % 28:02d}&to=2026-11-20" for n in range(40)]
            told(f"{page}, a new range each time", one_by_one(url, fresh))
        taken = asyncio.run(under_load(port, rate=options.rate, seconds=options.seconds))
        told(f"all, {options.rate} a second for {options.seconds} s", taken)
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
