"""A snapshot from before an upgrade: pages open, filters are not offered, and what is not there is told as that."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_platform.publish import current
from crm_platform.settings import Settings
from crm_platform_tests.receipts.weeks import BEFORE_FILTERS, NOW, altered
from crm_platform_tests.serving.pages.site import Site

pytestmark = pytest.mark.slow  # it publishes worlds of its own

PAGES = ("/executive", "/campaigns", "/support", "/support?hours=business", "/audience", "/now", "/figures")
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def older(slower_weeks: Settings, tmp_path_factory: pytest.TempPathFactory) -> Site:
    settings = altered(slower_weeks, tmp_path_factory.mktemp("older"), *BEFORE_FILTERS)
    snapshot = current(settings)
    assert snapshot is not None
    manifest = snapshot.path / "manifest.json"
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"core.coverage_sources"', '"core.gone"'))
    return Site(settings, NOW)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_offers_no_filter(older: Site, slower_weeks: Settings, path: str):
    offered = 'name="country"', 'name="origin"'
    said = older.get(path, **HTML).text
    assert older.get(path, **HTML).status_code == 200
    assert path == "/now" or not any(one in said for one in offered)
    if path == "/executive":
        assert any(one in Site(slower_weeks, NOW).get(path, **HTML).text for one in offered)


def test_receipts_and_the_api_open_as_well(older: Site):
    for address in ("/receipt?table=kpi.backlog_now&column=open_waits", "/api/v1/kpis/contact_growth_daily"):
        assert older.get(address).status_code == 200
    refused = older.get("/api/v1/kpis/response_times_daily?only=country:KE")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_value")
    assert "there is none" in refused.json()["error"]["message"]
    assert older.get("/executive?country=KE", **HTML).status_code == 400


def test_what_the_snapshot_lacks_is_told_as_that(slower_weeks: Settings, tmp_path: Path):
    settings = altered(
        slower_weeks,
        tmp_path,
        "alter table core.response_waits drop agent",
        "alter table kpi.executive_summary drop read_delivered_30d",
    )
    site = Site(settings, NOW)
    said = site.get("/support", **HTML)
    assert said.status_code == 503
    assert "These figures are not published yet" in said.text
    assert site.get("/support").json()["error"]["code"] == "not_published"
    assert site.get("/executive", **HTML).status_code == 200
    assert "crm_executive_open_waits" in site.get("/metrics").text


def test_a_wrong_question_to_a_snapshot_that_lacks_nothing_is_a_bug(
    slower_weeks: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    site = Site(slower_weeks, NOW)
    monkeypatch.setattr(
        "crm_platform.receipts.claims._DAYS",
        "select no_such_column from kpi.response_times_daily as days where $today is not null",
    )
    said = site.get("/support", **HTML)
    assert (said.status_code, "could not be drawn" in said.text) == (500, True)
    assert "no_such_column" in caplog.text
    assert "no_such_column" not in said.text
