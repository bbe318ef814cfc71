"""`python -m benchmarks.pages --data data`: what drawing each page takes, for everyone and narrowed by each filter.

The pages are served in this process, from the snapshot that is published in the data folder, past sockets: from a
request to the last byte of its answer. For each page and filter a server begins that has shown the page for everyone.

* first: the first look at the filter.
* range: another range of days (7 and 90 days in turn), looked at for the first time with that filter; median.
* drawn: a page that is drawn anew from what the server remembers of its figures, as for each new address; median.
* kept: the same address again, from the answers that the server keeps; median.

Beside the wall time, which other work on the machine stretches, stands the CPU time of all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import httpx

from crm_platform.receipts.choices import choices
from crm_platform.serving import create_app
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import Settings

PAGES = ("executive", "campaigns", "support", "audience", "now")
FILTERS = ("", "segment", "country", "team", "agent", "origin")
OTHER_RANGES = ("7d", "90d")

Took = tuple[float, float]
"""Wall and CPU time, in seconds."""


class Server:
    """The app in this process, asked without a socket."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.draws = 0

    def get(self, address: str) -> Took:
        """Ask for a page. Raises httpx.HTTPStatusError when it cannot be shown."""

        async def ask() -> Took:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                wall, cpu = time.perf_counter(), time.process_time()
                answer = await client.get(address)
                took = time.perf_counter() - wall, time.process_time() - cpu
            answer.raise_for_status()
            return took

        return asyncio.run(ask())

    def drawn(self, address: str) -> Took:
        """The same past the kept answers: a parameter that no page reads makes it a new address."""
        self.draws += 1
        return self.get(f"{address}&draw={self.draws}")


def values(settings: Settings) -> dict[str, str]:
    """For each filter the parameter that chooses its most frequent value."""
    opened = Snapshots(settings).current()
    if opened is None:
        raise SystemExit(f"nothing is published in {settings.data_dir}: run crm build")
    found: dict[str, str] = {"": ""}
    for one in choices(opened):
        if not one.value.startswith("("):
            found.setdefault(one.name, f"&{one.name}={quote(one.address)}")
    return found


def median(times: Sequence[Took]) -> Took:
    return statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times)


def cell(took: Took) -> str:
    return f"{took[0] * 1000:>9.1f}{took[1] * 1000:>8.1f}"


def measure(settings: Settings, page: str, chosen: str, draws: int) -> tuple[Took, Took, Took, Took]:
    """First look, other ranges, drawn, kept."""
    server, address = Server(settings), f"/{page}?range=28d{chosen}"
    if chosen:
        server.get(f"/{page}?range=28d")
    first = server.get(address)
    ranges = [server.get(address.replace("28d", other)) for other in OTHER_RANGES]
    drawn = [server.drawn(address) for _ in range(draws)]
    kept = [server.get(address) for _ in range(draws)]
    return first, median(ranges), median(drawn), median(kept)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder with a published snapshot")
    parser.add_argument("--draws", type=int, default=15, help="so many draws a median is of")
    parser.add_argument("--pages", nargs="*", default=PAGES, choices=PAGES, help="these alone")
    options = parser.parse_args()
    settings = Settings(data_dir=options.data)
    there = values(settings)
    Server(settings).get("/executive?range=28d")  # templates and imports
    print("ms: wall and CPU time of each")
    print(f"{'page':12}{'narrowed by':12}" + "".join(f"{what:>17}" for what in ("first", "range", "drawn", "kept")))
    for page in options.pages:
        for name in FILTERS:
            if name in there:
                took = measure(settings, page, there[name], options.draws)
                print(f"{page:12}{name or 'nothing':12}" + "".join(map(cell, took)), flush=True)


if __name__ == "__main__":
    main()
