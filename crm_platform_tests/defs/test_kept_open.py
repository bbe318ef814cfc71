"""Dagster's storage with its connections kept open holds the same, is seen by others, and opens few."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from crm_platform.defs.dagster_home import opened_instance, prepare_dagster_home
from crm_platform.defs.kept_open import KeptOpen, with_kept_connections
from crm_platform_tests.defs.conftest import settings_for


@dg.asset(check_specs=[dg.AssetCheckSpec("is_there", asset="one")])
def one() -> dg.MaterializeResult:
    check = dg.AssetCheckResult(check_name="is_there", passed=True)
    return dg.MaterializeResult(metadata={"dagster/row_count": 3}, check_results=[check])


@pytest.fixture
def settings(tmp_path):
    settings = settings_for(tmp_path)
    prepare_dagster_home(settings)
    return settings


@pytest.fixture
def opened(monkeypatch) -> Counter[str]:
    """Files that Dagster connects to, and how often."""
    found: Counter[str] = Counter()
    connect = sqlite3.dbapi2.connect

    def counted(path, *arguments, **options):
        found[Path(path).stem] += 1
        return connect(path, *arguments, **options)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
    return found


def _told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str | None, str]]:
    return [(entry.dagster_event_type, entry.message) for entry in instance.all_logs(run_id)]


def test_a_run_connects_to_each_file_once_or_twice(settings, opened):
    with opened_instance(settings, keeps_connections=True) as instance:
        dg.materialize([one], instance=instance)
        opened.clear()
        run_id = dg.materialize([one], instance=instance).run_id
    assert opened.pop(run_id) <= 2
    assert not opened


def test_what_it_writes_is_read_by_others_at_once_and_as_dagsters_own_would_tell_it(settings):
    with opened_instance(settings) as plain:
        usual = _told(plain, dg.materialize([one], instance=plain).run_id)
    with opened_instance(settings, keeps_connections=True) as instance:
        result = dg.materialize([one], instance=instance)
        with opened_instance(settings) as plain:
            seen = _told(plain, result.run_id)
            newest = plain.get_latest_materialization_event(dg.AssetKey("one"))
            assert plain.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.SUCCESS
    assert [kind for kind, _ in seen] == [kind for kind, _ in usual]
    assert newest.run_id == result.run_id
    assert newest.asset_materialization.metadata["dagster/row_count"].value == 3


def test_it_leaves_no_journal_and_no_open_file(settings):
    with opened_instance(settings, keeps_connections=True) as instance:
        dg.materialize([one], instance=instance)
    assert not list(settings.dagster_home.rglob("*-wal"))


def test_another_storage_stays_as_it_is(settings):
    ref = InstanceRef.from_dir(str(settings.dagster_home))
    assert with_kept_connections(ref).storage_data.class_name == KeptOpen.__name__
    elsewhere = ref._replace(storage_data=ref.storage_data._replace(class_name="DagsterPostgresStorage"))
    assert with_kept_connections(elsewhere) is elsewhere
