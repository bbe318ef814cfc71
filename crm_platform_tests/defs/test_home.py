"""Dagster's folder, and the instance configuration as an operator finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import crm_platform
from crm_platform.defs import dagster_home
from crm_platform.defs.dagster_home import opened_instance, packaged_config, prepare_dagster_home
from crm_platform.errors import Busy
from crm_platform.settings import environment_with, load_settings
from crm_platform.warehouse.locks import file_lock

REPOSITORY = Path(crm_platform.__file__).parent.parent


def test_the_packaged_file_is_the_repositorys():
    assert packaged_config() == (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")


def test_it_is_installed_once_and_renewed_when_it_differs(settings):
    home = prepare_dagster_home(settings)
    assert home == settings.root / "dagster"
    installed = home / "dagster.yaml"
    assert installed.read_text(encoding="utf-8") == packaged_config()
    made = installed.stat().st_mtime_ns
    prepare_dagster_home(settings)
    assert installed.stat().st_mtime_ns == made
    installed.write_text("telemetry: {enabled: true}\n", encoding="utf-8")
    prepare_dagster_home(settings)
    assert installed.read_text(encoding="utf-8") == packaged_config()
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"], "nothing is left lying about"


def test_it_needs_no_environment():
    assert "env:" not in packaged_config().replace("`env:`", "")


def test_the_instance_is_what_a_careful_operator_wants(storage):
    assert type(storage.run_coordinator).__name__ == "QueuedRunCoordinator"
    assert storage.run_monitoring_enabled
    assert storage.run_monitoring_max_runtime_seconds == 6 * 3600
    assert storage.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
    assert storage.run_retries_enabled
    assert storage.run_retries_max_retries == 1
    assert storage.get_settings("run_retries")["retry_on_asset_or_op_failure"] is False, "assets know better"
    assert not storage.telemetry_enabled
    assert not storage.nux_enabled
    concurrency = storage.get_concurrency_config()
    assert concurrency.pool_config.default_pool_limit == 1
    assert concurrency.pool_config.pool_granularity.value == "run"
    assert concurrency.run_queue_config.max_concurrent_runs == 4


def test_everything_is_stored_under_the_data_folder(storage):
    assert Path(storage.root_directory).name == "dagster"
    assert Path(storage.storage_directory()).is_relative_to(storage.root_directory)


def test_workspace_names_the_definitions():
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace["load_from"] == [
        {"python_module": {"module_name": "crm_platform.definitions", "attribute": "defs"}}
    ]


@pytest.mark.parametrize("kind", ["schedule", "sensor", "auto_materialize"])
def test_ticks_are_not_kept_for_ever(kind):
    kept = yaml.safe_load(packaged_config())["retention"][kind]["purge_after_days"]
    assert set(kept) == {"skipped", "started", "success", "failure"}
    assert all(0 < days <= 30 for days in kept.values())


def test_a_data_folder_with_a_relative_name_is_not_at_the_mercy_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = prepare_dagster_home(load_settings(data_dir=Path("data")))
    assert home.is_absolute()


@pytest.mark.slow
def test_one_process_opens_it_at_a_time(settings, monkeypatch):
    monkeypatch.setattr(dagster_home, "_OPENING_SECONDS", 0.0)
    prepare_dagster_home(settings)
    lock = settings.lock_dir / "dagster.lock"
    with file_lock(lock, exclusive=True, timeout=0), pytest.raises(Busy, match="dagster"), opened_instance(settings):
        pass
    with opened_instance(settings) as instance, file_lock(lock, exclusive=True, timeout=0):
        assert instance.get_runs() == []


@pytest.mark.slow
def test_a_new_one_opens_in_several_processes_at_once(tmp_path):
    """`crm demo` begins a refresh beside the UI; Dagster's own opening then said "table runs already exists"."""
    opening = """
import sys
from pathlib import Path
from crm_platform.defs.dagster_home import opened_instance, prepare_dagster_home
from crm_platform.settings import load_settings

input()
for number in range(5):
    settings = load_settings(data_dir=Path(sys.argv[1]) / str(number))
    prepare_dagster_home(settings)
    with opened_instance(settings) as instance:
        assert instance.get_runs() == []
"""
    command = [sys.executable, "-W", "ignore::FutureWarning", "-c", opening, str(tmp_path)]
    several = [
        subprocess.Popen(command, env=environment_with(), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in several:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate()[1] for one in several] == ["", ""]
    assert [one.returncode for one in several] == [0, 0]
