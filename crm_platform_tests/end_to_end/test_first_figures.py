"""Kind 15, as a newcomer with a CRM of their own meets it: pages first, figures soon, no silence, no orphans."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crm_platform_tests.end_to_end.platform_run import Platform
from crm_platform_tests.end_to_end.test_dagster_ui import ask, free_port
from crm_platform_tests.sandbox.running import RunningSandbox, running_sandbox

pytestmark = pytest.mark.slow

CONTACTS = 150
LINKS = """{ assetNodes(pipeline: {pipelineName: "kpis", repositoryName: "__repository__",
  repositoryLocationName: "crm_platform.definitions"}) { assetKey { path } assetMaterializations(limit: 1) {
  metadataEntries { label ... on UrlMetadataEntry { url } } } } }"""


@dataclass
class Demo:
    """`crm demo` on ports of its own, against a CRM that gives 60 requests a minute."""

    crm: RunningSandbox
    platform: Platform
    ui: str
    pages: str
    process: subprocess.Popen[str]
    said: list[tuple[float, str]] = field(default_factory=list)

    def listen(self) -> None:
        for line in self.process.stdout or ():
            self.said.append((time.monotonic(), line.rstrip()))

    def wait_for(self, condition: Callable[[], object], *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.words
            assert time.monotonic() < deadline, self.words
            time.sleep(0.1)

    def are_up(self) -> bool:
        return answers(f"{self.pages}/executive") and answers(f"{self.ui}/server_info")

    @property
    def words(self) -> str:
        """All that was said, for who reads why a test failed: pytest shortens a list, and no text."""
        return "\n".join(f"{at:.1f} {words}" for at, words in self.said)

    @property
    def requests(self) -> int:
        return self.crm.stats()["requests"]


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status == 200
    return False


def descendants(pid: int) -> list[int]:
    """The processes that a process began, and those that they did."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = stat.read_text().rpartition(")")[2].split()
            if int(after_name[1]) == pid:
                children.append(int(stat.parent.name))
    return children + [one for child in children for one in descendants(child)]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    with running_sandbox(contacts=CONTACTS, days=40) as crm:
        platform = Platform(tmp_path, crm.url)
        ui, pages = free_port(), free_port()
        process = subprocess.Popen(
            platform.command(
                *("demo", "--port", str(ui), "--dashboards-port", str(pages), "--events-port", str(free_port()))
            ),
            env=platform.environment(CRM_REQUESTS_PER_MINUTE="60", CRM_REQUESTS_PER_DAY="1000"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        one = Demo(crm, platform, f"http://127.0.0.1:{ui}", f"http://127.0.0.1:{pages}", process)
        listener = threading.Thread(target=one.listen)
        listener.start()
        try:
            yield one
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(120)
            listener.join()
            process.stdout.close()


def test_pages_first_then_figures_then_messages(demo):
    while True:
        asked, up = demo.requests, demo.are_up()  # in this order: what is up a moment later must be up now
        if asked:
            break
        time.sleep(0.1)
        assert demo.process.poll() is None, demo.words
    assert up, "the pages and the Dagster UI answer before the first request"
    began = time.monotonic()

    demo.wait_for((demo.platform.data / "published" / "current").exists, seconds=120)
    visited = demo.crm.stats()["by_route"].get("list_messages", 0)
    assert visited < CONTACTS, "and messages are far from whole"
    (growth,) = demo.platform.published("select max(total_contacts) as n from kpi.contact_growth_daily")
    assert growth["n"] >= CONTACTS
    assert demo.platform.published("select * from kpi.campaign_performance where delivered > 0")
    (summary,) = demo.platform.published("from kpi.executive_summary")
    assert summary["is_provisional"]
    assert answers(f"{demo.pages}/executive")

    status = demo.platform.crm("status", CRM_REQUESTS_PER_MINUTE="60", CRM_REQUESTS_PER_DAY="1000")
    assert status.returncode == 0, status.stderr
    assert "messages that are thought to exist" in status.stdout
    assert "loaded in" in status.stdout

    # Word of the Dagster UI: what leads to the pages leads to the port they are on.
    def links() -> set[str]:
        return {
            entry["url"]
            for node in ask(demo.ui, LINKS)["assetNodes"]
            for told in node["assetMaterializations"]
            for entry in told["metadataEntries"]
            if entry["label"] == "dashboard"
        }

    demo.wait_for(links, seconds=120)
    assert all(link.startswith(f"{demo.pages}/") for link in links())

    demo.wait_for(lambda: time.monotonic() - began > 45, seconds=60)
    begun = descendants(demo.process.pid)
    assert len(begun) > 3
    os.kill(demo.process.pid, signal.SIGINT)
    demo.process.wait(120)
    deadline = time.monotonic() + 30
    while any(map(is_alive, begun)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in begun if is_alive(pid)], "nothing of it goes on"

    spoken = [at for at, words in demo.said if at >= began]
    assert max(later - earlier for earlier, later in itertools.pairwise(spoken)) < 15
    assert any("waiting for the CRM's limit" in words for _, words in demo.said)
