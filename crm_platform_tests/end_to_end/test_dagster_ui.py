"""The Dagster UI as an operator sees it after a refresh: all there, all green, all switched on."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm_platform_tests.end_to_end.platform_run import Platform
from crm_platform_tests.sandbox.running import running_sandbox

pytestmark = [pytest.mark.services, pytest.mark.slow]

ASSETS = """{ assetNodes { assetKey { path } isMaterializable assetMaterializations(limit: 1) { timestamp }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } }"""
AUTOMATION = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{url}/graphql", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


@contextlib.contextmanager
def dagster_ui(platform: Platform) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        platform.command("dev", "--port", str(port)), env=platform.environment(CRM_AUTOMATION="on")
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                if ask(url, AUTOMATION)["repositoriesOrError"].get("nodes"):
                    break
            assert process.poll() is None, "crm dev ended"
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def ui(tmp_path_factory) -> Iterator[str]:
    with running_sandbox(contacts=80, days=40) as sandbox:
        platform = Platform(tmp_path_factory.mktemp("data"), sandbox.url)
        refreshed = platform.crm("refresh")
        assert refreshed.returncode == 0, refreshed.stderr
        with dagster_ui(platform) as url:
            yield url


def test_every_asset_is_materialised_and_every_check_is_green(ui):
    nodes = ask(ui, ASSETS)["assetNodes"]
    assert len(nodes) > 30
    for node in nodes:
        name = "/".join(node["assetKey"]["path"])
        if node["isMaterializable"]:
            assert node["assetMaterializations"], f"{name} was never materialised"
        for check in node["assetChecksOrError"]["checks"]:
            assert check["executionForLatestMaterialization"]["status"] == "SUCCEEDED", f"{name}: {check['name']}"


def test_schedules_and_sensors_are_on(ui):
    (repository,) = ask(ui, AUTOMATION)["repositoriesOrError"]["nodes"]
    states = {one["name"]: one["scheduleState"]["status"] for one in repository["schedules"]}
    states |= {one["name"]: one["sensorState"]["status"] for one in repository["sensors"]}
    expected = {"ingest_every_15_minutes", "kpis_nightly", "kpis_follow_raw", "failed_runs", "kpi_watches"}
    assert expected <= states.keys()
    assert set(states.values()) == {"RUNNING"}


def test_the_lineage_page_shows_every_group_from_raw_to_published(ui, tmp_path):
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "this test needs Debian's chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        arguments += ["--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1800, "height": 1100})
        page.goto(f"{ui}/asset-groups")
        places = {}
        for group in ("raw", "core", "growth", "engagement", "operations", "executive", "published"):
            node = page.locator(f"xpath=//*[name()='foreignObject']//*[normalize-space(text())='{group}']").first
            node.wait_for(timeout=60_000)
            box = node.bounding_box()
            assert box is not None
            places[group] = box["x"]
        page.screenshot(path=str(tmp_path / "lineage.png"))
        browser.close()
    assert places["raw"] < places["core"] < places["growth"] < places["executive"] < places["published"]
    assert Path(tmp_path / "lineage.png").stat().st_size > 10_000
