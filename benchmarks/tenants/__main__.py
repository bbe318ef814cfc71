"""`python -m benchmarks.tenants`: build, publish, serve and export tenants of odd sizes, and print what each took.

Each tenant's rows are written into a data folder of its own (world.py), built by `crm build` as a process, and served
by `crm serve`. A page's first time is that of the first request a server gets for it, in the order shown; kept: the
same address again, from the answers the server keeps; turned: addresses nobody has asked for, each with its own days.
Times are from sending a request to the last byte of its answer, sizes as sent (gzip).
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.full_load.measuring import Run, run
from benchmarks.serving.__main__ import serving
from benchmarks.tenants.world import TENANTS, store

ROUNDS = 20
TIMEOUT = 1800.0
TURNED = {
    "/executive": "",
    "/campaigns": "&sort=read_per_delivered",
    "/support": "",
}
RECEIPTS = (
    "table=kpi.executive_summary&column=total_contacts",
    "table=kpi.executive_summary&column=first_response_seconds_median_7d",
    "table=kpi.contacts_by_country&column=contacts&region=KE",
    "table=kpi.response_times_daily&column=first_response_seconds_median&day={day}",
)
API = (
    "/api/v1/kpis",
    "/api/v1/kpis/executive_summary",
    "/api/v1/kpis/response_times_daily",
    "/api/v1/kpis/campaign_performance?limit=1000",
    "/api/v1/kpis/campaign_performance?limit=10000&format=csv",
    "/api/v1/kpis/campaign_performance?limit=10000&format=arrow",
)
EXPORTS = (
    ("--to", "kpis.xlsx"),
    ("--format", "csv", "--to", "kpis"),
    ("core.response_waits", "--to", "waits.parquet"),
    ("core.messages", "--to", "messages.csv"),
)


def crm(folder: Path, *words: str) -> Run:
    """Run a command of ours on the tenant's folder."""
    return run(
        [sys.executable, "-m", "crm_platform.cli", *words],
        environment={"CRM_DATA_DIR": str(folder)},
        timeout=TIMEOUT,
        log=folder / "log",
    )


def line(what: str, *cells: object) -> None:
    print(f"{what:72}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def commands(folder: Path) -> None:
    """Build, publish and ask, a process each."""
    line("a command", "seconds", "peak memory")

    def told(what: str, done: Run) -> None:
        line(what, f"{done.seconds:.1f} s", f"{done.peak_pss_mb:,.0f} MB")

    told("crm build --full --no-publish", crm(folder, "build", "--full", "--no-publish"))
    told("crm build (nothing changed: freeze, KPI tables, publish)", crm(folder, "build"))
    snapshot = (folder / "published" / "current").resolve()
    size = sum(path.stat().st_size for path in snapshot.rglob("*") if path.is_file())
    line("snapshot", f"{size / 1e6:,.0f} MB")
    told("crm status", crm(folder, "status"))
    told("crm kpi", crm(folder, "kpi"))
    told("crm kpi campaign_performance", crm(folder, "kpi", "campaign_performance"))
    explained = ("explain", "executive_summary", "--column", "total_contacts")
    told(f"crm {' '.join(explained)}", crm(folder, *explained))
    exports = folder / "exports"
    exports.mkdir()
    for *words, name in EXPORTS:
        told(f"crm export {' '.join(words)} {name}", crm(folder, "export", *words, str(exports / name)))


def asked(client: httpx.Client, address: str) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    answer = client.get(address)
    return time.perf_counter() - began, answer


def other_days(page: str) -> Iterator[str]:
    """Addresses with days of their own."""
    today = dt.datetime.now(dt.UTC).date()
    for number in range(ROUNDS):
        start = today - dt.timedelta(days=40 + number)
        yield f"{page}?from={start}&to={today - dt.timedelta(days=2 + number)}{TURNED[page]}"


def pages(client: httpx.Client) -> None:
    """Ask for each page and route."""
    line("a page", "first", "kept", "turned", "most turned", "kB sent", "kB unpacked")
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2)
    receipts = [f"/receipt?{one.format(day=yesterday)}" for one in RECEIPTS]
    for address in (*TURNED, "/campaigns?range=90d", "/figures", *receipts, "/charts/campaigns/campaigns.csv", *API):
        first, answer = asked(client, address)
        if answer.status_code != 200:
            line(address, f"answers {answer.status_code}")
            continue
        kept = statistics.median(asked(client, address)[0] for _ in range(ROUNDS))
        turned = [asked(client, one)[0] for one in other_days(address)] if address in TURNED else []
        line(
            address,
            ms(first),
            ms(kept),
            ms(statistics.median(turned)) if turned else "",
            ms(max(turned)) if turned else "",
            f"{answer.num_bytes_downloaded / 1000:,.1f}",
            f"{len(answer.content) / 1000:,.1f}",
        )
    found = re.search(r"^process_resident_memory_bytes (\S+)", client.get("/metrics").text, re.MULTILINE)
    line("the server's memory after all that", f"{float(found[1]) / 1e6:,.0f} MB" if found else "")


def measure(name: str, folder: Path) -> None:
    tenant = TENANTS[name]
    print(f"\n# {name}: {tenant}")
    began = time.perf_counter()
    store(folder, tenant, now=dt.datetime.now(dt.UTC).replace(second=0, microsecond=0))
    stored = (folder / "warehouse.duckdb").stat().st_size / 1e6
    line("rows written", f"{time.perf_counter() - began:.1f} s", f"{stored:,.0f} MB")
    commands(folder)
    with serving(folder) as address, httpx.Client(base_url=address, timeout=120) as client:
        pages(client)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenants", description=__doc__.splitlines()[0])
    parser.add_argument("tenants", nargs="*", default=list(TENANTS), help=f"of {', '.join(TENANTS)}; default: all")
    parser.add_argument("--keep", type=Path, help="folder for their data; default: a temporary one")
    options = parser.parse_args()
    unknown = [name for name in options.tenants if name not in TENANTS]
    if unknown:
        parser.error(f"there is no tenant {unknown[0]}; choose from {', '.join(TENANTS)}")
    with tempfile.TemporaryDirectory(prefix="tenants-") as temporary:
        for name in options.tenants:
            folder = (options.keep or Path(temporary)) / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            measure(name, folder)


if __name__ == "__main__":
    main()
