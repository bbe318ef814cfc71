"""How old is too old is one rule in the settings: pages, /healthz, doctor, digest, checks and Dagster all ask it."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

import crm_platform
from crm_platform.alerts import Alerter
from crm_platform.alerts.digest import digest
from crm_platform.defs.graph import build_defs
from crm_platform.doctor import files
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.schemas import ops
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.serving.published import AS_OF, Time, client_of, publish_rows

MINUTE = dt.timedelta(minutes=1)
# No part of the platform can have these two of its own.
STALE, OVERDUE = dt.timedelta(minutes=41), dt.timedelta(minutes=97)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture(autouse=True)
def rule(monkeypatch):
    monkeypatch.setattr(Settings, "stale_after", property(lambda _: STALE))
    monkeypatch.setattr(Settings, "overdue_after", property(lambda _: OVERDUE))


@pytest.mark.slow
@pytest.mark.parametrize(("age", "is_stale"), [(STALE, False), (STALE + MINUTE, True)])
def test_pages_and_digest_call_old_what_is_stale(published, age, is_stale):
    settings = load_settings(data_dir=published)
    page = client_of(published, now=Time(AS_OF + age)).get("/support").text
    assert ('class="status stale"' in page) == is_stale
    said = digest(settings, Alerter(settings), now=AS_OF + age).text
    assert ("These figures are" in said) == is_stale


@pytest.mark.parametrize(("age", "is_overdue"), [(OVERDUE, False), (OVERDUE + MINUTE, True)])
def test_healthz_and_doctor_are_unwell_when_it_is_overdue(published, age, is_overdue):
    assert client_of(published, now=Time(AS_OF + age)).get("/healthz").status_code == (503 if is_overdue else 200)
    (finding,) = files.snapshots(load_settings(data_dir=published), AS_OF + age)
    assert (finding.state == "BAD") == is_overdue


@pytest.mark.parametrize(("age", "is_overdue"), [(OVERDUE, False), (OVERDUE + MINUTE, True)])
def test_the_freshness_checks_fail_when_it_is_overdue(tmp_path, age, is_overdue):
    settings = load_settings(data_dir=tmp_path)
    store = DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir)
    store.prepare([ops.Fetches])
    checks = [check for check in RAW_CHECKS if check.name == "freshness"]
    fetches = [
        {name: None if column.nullable else 0 for name, column in ops.Fetches.columns.items()}
        | {"operation": operation, "outcome": "ok", "started_at": AS_OF, "finished_at": AS_OF}
        for operation in ("list_contacts", "list_campaigns", "list_messages")
    ]
    with store.writing() as session:
        session.append(ops.Fetches, ops.Fetches.rows(fetches))
    with store.reading() as session:
        assert {check.run(session, settings, AS_OF + age).passed for check in checks} == {not is_overdue}


def test_dagsters_policies_warn_and_fail_by_the_same_rule():
    policies = [spec.freshness_policy for spec in build_defs(load_settings()).resolve_all_asset_specs()]
    held = {str(policy) for policy in policies if policy is not None}
    assert len(held) == 1
    assert f"seconds={OVERDUE.seconds}" in (only := held.pop())
    assert f"seconds={STALE.seconds}" in only


def test_nobody_keeps_hours_of_his_own():
    """26 hours was said in three places, and was wrong for both cadences."""
    root = Path(crm_platform.__file__).parent
    told = [
        path for path in root.rglob("*.py") if re.search(r"hours=26|_OLD_SNAPSHOT|_STALE\b", path.read_text("utf-8"))
    ]
    assert told == []


@pytest.mark.parametrize(("mode", "interval"), [("continuous", 15 * MINUTE), ("nightly", dt.timedelta(days=1))])
def test_the_rule_follows_from_the_cadence(monkeypatch, mode, interval):
    monkeypatch.undo()
    settings = load_settings(crawl_mode=mode)
    assert settings.refresh_every == interval
    assert settings.stale_after == 2 * interval
    assert settings.overdue_after >= settings.stale_after
