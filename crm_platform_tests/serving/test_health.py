"""/healthz and /metrics: whether all is well, and what is measured. The snapshot that requests are answered from."""

from __future__ import annotations

import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from crm_platform.publish import current, published_tables, read_manifest
from crm_platform.publish.files import replace_sealed
from crm_platform.publish.manifest import MANIFEST
from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import AS_OF, DAYS, NOW, SECRETS, Time, client_of, publish_rows

RESPONSES = "/api/v1/kpis/response_times_daily"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)


def measured(client: httpx.Client, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_a_fresh_snapshot_is_well(root: Path):
    response = client_of(root, **SECRETS).get("/healthz")
    assert response.status_code == 200
    told = response.json()
    assert told.pop("snapshot").startswith("20261122T080500")
    assert told == {
        "status": "ok",
        "reasons": [],
        "as_of": "2026-11-22T08:00:00Z",
        "confirmed_at": None,
        "age_seconds": 300.0,
        "coverage": 0.62,
        "is_sandbox": True,
        "overdue_after_seconds": 7200.0,
    }
    assert response.headers["cache-control"] == "no-store"


def test_nothing_published_yet_is_not_well(tmp_path: Path):
    response = client_of(tmp_path).get("/healthz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unwell",
        "reasons": ["nothing has been published yet: run `crm refresh`"],
        "overdue_after_seconds": 7200.0,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "grey", "limit", "words"),
    [("continuous", 0.5, 2, "3 h old, more than 2 h"), ("nightly", 48, 48, "49 h old, more than 48 h")],
)
def test_an_old_snapshot_is_not_well_but_is_shown(root: Path, mode: str, grey: float, limit: float, words: str):
    time = Time()
    client = client_of(root, now=time, crawl_mode=mode)
    time.now = AS_OF + dt.timedelta(hours=grey)
    assert 'class="status stale"' not in client.get("/support").text
    time.now += dt.timedelta(minutes=1)
    assert 'class="status stale"' in client.get("/support").text
    time.now = AS_OF + dt.timedelta(hours=limit)
    assert client.get("/healthz").status_code == 200
    time.now += dt.timedelta(hours=1)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert words in response.json()["reasons"][0]
    assert client.get(RESPONSES).status_code == 200


@pytest.mark.slow
def test_when_the_newest_snapshot_is_broken_the_last_good_one_goes_on(root: Path):
    client = client_of(root)
    good = client.get(RESPONSES).json()["snapshot"]
    broken = publish_rows(load_settings(data_dir=root), now=NOW + dt.timedelta(minutes=15))
    (broken.path / "manifest.json").unlink()
    assert client.get(RESPONSES).json()["snapshot"] == good
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["snapshot"] == good
    assert broken.id in response.json()["reasons"][0]
    again = publish_rows(load_settings(data_dir=root), now=NOW + dt.timedelta(minutes=30))
    assert client.get("/healthz").status_code == 200
    assert client.get(RESPONSES).json()["snapshot"] == again.id


@pytest.mark.slow
def test_everybody_gets_a_whole_answer_while_snapshots_turn(root: Path):
    client = client_of(root)
    published = [(root / "published" / "current").resolve().name]

    def ask(number: int) -> tuple[str, int]:
        # Another question each time: none is answered from what was kept.
        answer = client.get(f"{RESPONSES}?limit={100 + number}").json()
        return answer["snapshot"], len(answer["rows"])

    with ThreadPoolExecutor(max_workers=4) as pool:
        asked = [pool.submit(ask, number) for number in range(40)]
        published.extend(
            publish_rows(load_settings(data_dir=root), now=NOW + dt.timedelta(minutes=minutes)).id
            for minutes in (10, 20)
        )
        asked += [pool.submit(ask, number) for number in range(40, 60)]
        answers = [one.result() for one in asked]
    assert {rows for _, rows in answers} == {DAYS}
    assert {snapshot for snapshot, _ in answers} <= set(published)
    assert client.get(RESPONSES).json()["snapshot"] == published[-1]


@pytest.mark.parametrize("file", ["manifest.json", "analytics.duckdb"])
def test_a_broken_first_snapshot_is_said_everywhere(root: Path, file: str):
    snapshot = (root / "published" / "current").resolve()
    (snapshot / file).chmod(0o600)
    (snapshot / file).write_bytes(b"not what it was")
    client = client_of(root)
    assert "publish again" in client.get("/healthz").json()["reasons"][0]
    response = client.get(RESPONSES)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert measured(client)["crm_snapshot_readable", ()] == 0


def test_a_published_folder_that_vanishes_is_noticed(root: Path):
    client = client_of(root)
    assert client.get("/healthz").status_code == 200
    shutil.rmtree(root / "published")
    assert "is gone" in client.get("/healthz").json()["reasons"][0]
    assert client.get(RESPONSES).status_code == 200  # the open snapshot can still be read


def test_metrics_tell_figures_tables_and_age(root: Path):
    found = measured(client_of(root, **SECRETS), authorization=f"Bearer {SECRETS['admin_secret']}")
    assert found["crm_snapshot_readable", ()] == 1
    assert found["crm_snapshot_age_seconds", ()] == 300
    assert found["crm_snapshot_as_of_timestamp_seconds", ()] == AS_OF.timestamp()
    assert found["crm_snapshot_sandbox", ()] == 1
    responses = (("table", "kpi.response_times_daily"),)
    assert found["crm_table_rows", responses] == DAYS
    assert found["crm_table_coverage_ratio", responses] == 0.62
    assert found["crm_table_provisional_rows", responses] == 35
    assert {labels[0][1] for name, labels in found if name == "crm_table_rows"} == {
        table.full_name() for table in published_tables()
    }
    assert found["crm_executive_total_contacts", ()] == 2000
    assert found["crm_executive_answer_rate_7d", ()] == 0.75
    assert ("crm_executive_monthly_growth_rate", ()) not in found  # not known is not nought


def test_metrics_count_and_time_answers_by_route(root: Path):
    client = client_of(root)
    for _ in range(3):
        client.get(RESPONSES)
    client.get(f"{RESPONSES}?limit=0")
    for path in ("/nothing", "/nothing/else", "/api/nothing"):
        client.get(path)
    client.request("BREW", "/healthz")
    found = measured(client)

    def count(route: str, status: str, method: str = "GET") -> float:
        return found["crm_http_requests_total", (("method", method), ("route", route), ("status", status))]

    assert count("/api/v1/kpis/{table}", "200") == 3
    assert count("/api/v1/kpis/{table}", "400") == 1
    assert count("(none)", "404") == 3
    assert count("/healthz", "405", "(other)") == 1
    assert found["crm_http_request_seconds_count", (("route", "/api/v1/kpis/{table}"),)] == 4
    assert found["crm_http_request_seconds_bucket", (("le", "+Inf"), ("route", "(none)"))] == 3


def test_openmetrics_is_spoken_too(root: Path):
    response = client_of(root).get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def confirm_snapshot(root: Path, at: dt.datetime) -> None:
    published = current(load_settings(data_dir=root))
    manifest = read_manifest(published.path).model_copy(update={"confirmed_at": at})
    replace_sealed(published.path / MANIFEST, manifest.text(), draft=root / "draft")


def test_a_confirmed_snapshot_is_told_without_being_opened_anew(root: Path):
    """The API, the pages and /healthz say when, under another ETag; figures are as old as that."""
    now = Time()
    client = client_of(root, now=now)
    before = client.get(RESPONSES)
    assert before.json()["confirmed_at"] is None
    assert "confirmed at" not in client.get("/support").text
    confirm_snapshot(root, NOW)
    after = client.get(RESPONSES, headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.json()["confirmed_at"]) == (200, "2026-11-22T08:05:00Z")
    assert after.json()["rows"] == before.json()["rows"]
    assert client.get(f"{RESPONSES}?format=csv").headers["x-confirmed-at"] == "2026-11-22T08:05:00Z"
    assert client.get("/api/v1/kpis").json()["confirmed_at"] == "2026-11-22T08:05:00Z"
    assert "Nov, 11:00 EAT, confirmed at 11:05" in client.get("/support").text
    now.now = AS_OF + dt.timedelta(minutes=34)
    assert 'class="status stale"' not in client.get("/support").text
    now.now = AS_OF + dt.timedelta(minutes=36)
    assert 'class="status stale"' in client.get("/support").text
    now.now = AS_OF + dt.timedelta(hours=2, minutes=4)
    assert client.get("/healthz").status_code == 200
    now.now = AS_OF + dt.timedelta(hours=2, minutes=6)
    assert client.get("/healthz").status_code == 503
