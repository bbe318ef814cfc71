"""The definition graph, as a text that a person reads in a review; and that it loads from nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

import crm_platform
from crm_platform import core
from crm_platform.defs.graph import build_defs
from crm_platform.models import code_version
from crm_platform.schemas import KpiTable
from crm_platform.schemas.figures import Rows
from crm_platform.settings import load_settings
from crm_platform.tables import TABLES

SNAPSHOT = Path(__file__).with_name("graph.txt")
PACKAGE = Path(crm_platform.__file__).parent


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(load_settings(data_dir=Path("/nowhere")))


def drawn(defs: dg.Definitions) -> str:
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    lines = ["# assets: key <- what it is made of | group | checks (! blocks)"]
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        checks = sorted(check.name + ("!" if graph.get_check_spec(check).blocking else "") for check in node.check_keys)
        lines.append(f"{key.to_user_string()} <- {parents or '-'} | {node.group_name} | {' '.join(checks) or '-'}")
    lines.append("\n# jobs")
    lines += sorted(
        f"{job.name}: {', '.join(sorted(node.name for node in job.nodes))}" for job in repository.get_all_jobs()
    )
    lines.append("\n# schedules")
    lines += sorted(
        f"{schedule.name}: {schedule.cron_schedule} {schedule.execution_timezone} -> {schedule.job_name}"
        for schedule in repository.schedule_defs
    )
    lines.append("\n# sensors")
    for sensor in sorted(repository.sensor_defs, key=lambda one: one.name):
        targets = ", ".join(target.job_name for target in sensor.targets) or "-"
        lines.append(f"{sensor.name}: every {sensor.minimum_interval_seconds} s -> {targets}")
    return "\n".join(lines) + "\n"


def test_the_graph_is_the_one_that_was_reviewed(defs):
    """After a change that is meant: python -m crm_platform_tests.defs.test_graph, and look at the difference."""
    assert drawn(defs) == SNAPSHOT.read_text(encoding="utf-8")


def test_the_graph_is_valid(defs):
    dg.Definitions.validate_loadable(defs)


def test_definitions_py_is_short():
    assert len((PACKAGE / "definitions.py").read_text(encoding="utf-8").splitlines()) < 30


def test_every_declared_asset_says_what_it_is(defs):
    for key in defs.get_repository_def().asset_graph.get_all_asset_keys():
        node = defs.get_repository_def().asset_graph.get(key)
        assert node.description, key
        assert node.owners == ("team:data",), key
        assert node.kinds, key


def test_kpis_carry_their_columns_their_rules_and_their_versions(defs):
    node = defs.get_repository_def().asset_graph.get(dg.AssetKey(["kpi", "response_times_daily"]))
    schema = node.metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert columns["response_seconds_median"].description.endswith("[s]")
    assert not columns["waits"].constraints.nullable
    assert columns["answer_rate"].constraints.other == ["is finite", ">= 0", "<= 1"]
    assert schema.constraints.other[0] == "key: day"
    assert node.metadata["definition_version"] == 2
    assert node.code_version == code_version(TABLES["kpi.response_times_daily"])


@pytest.mark.parametrize(("automation", "status"), [("on", "RUNNING"), ("off", "STOPPED")])
def test_one_setting_switches_schedules_and_sensors(automation, status):
    repository = build_defs(load_settings(automation=automation, digest_hour=7)).get_repository_def()
    started = [*repository.schedule_defs, *repository.sensor_defs]
    assert {one.default_status.value for one in started} == {status}
    assert len(started) == 11


@pytest.mark.slow
@pytest.mark.parametrize(("hour", "cron"), [(7, "*/15 7-9 * * *"), (22, "*/15 22-23 * * *"), (None, None)])
def test_the_digest_has_a_schedule_when_it_has_an_hour(hour, cron):
    repository = build_defs(load_settings(digest_hour=hour)).get_repository_def()
    crons = {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert crons.get("digest_daily") == cron


def test_schedules_follow_the_tenants_clock():
    repository = build_defs(load_settings(timezone="Asia/Kolkata")).get_repository_def()
    assert {schedule.execution_timezone for schedule in repository.schedule_defs} == {"Asia/Kolkata"}


@pytest.mark.slow
@pytest.mark.parametrize("executor", [{}, {"in_process": {}}, {"multiprocess": {"max_concurrent": 2}}])
def test_a_runs_configuration_picks_its_executor(defs, executor):
    execution = {"execution": {"config": executor}} if executor else {}
    chosen = dg.validate_run_config(defs.resolve_job_def("refresh_all"), execution)["execution"]
    assert list(chosen["in_process_or_multiprocess"]) == list(executor or {"in_process": {}})


def test_a_kpi_is_one_declaration(monkeypatch):
    """Its asset, lineage, contract, group and place before the snapshot follow."""
    monkeypatch.setitem(TABLES, "kpi.chats_ever", None)  # so that the declaration is forgotten after this test

    class ChatsEver(KpiTable):
        """Chats, ever."""

        key = ()
        pillar = "operations"
        seen = "1e0"

        chats = Rows(core.Chats).count("Chats.")

    graph = build_defs(load_settings()).get_repository_def().asset_graph
    node = graph.get(dg.AssetKey(["kpi", "chats_ever"]))
    assert node.parent_keys == {dg.AssetKey(["core", "chats"])}
    assert node.group_name == "operations"
    assert {check.name for check in node.check_keys} == {"contract"}
    assert dg.AssetKey(["kpi", "chats_ever"]) in graph.get(dg.AssetKey(["published", "snapshot"])).parent_keys


@pytest.mark.slow
def test_everything_loads_with_no_network_and_no_environment(tmp_path):
    program = """
import importlib, pathlib, pkgutil, socket

def refuse(*arguments, **options):
    raise AssertionError("a module reached for the network when it was imported")

socket.socket.connect = socket.socket.bind = socket.create_connection = socket.getaddrinfo = refuse
import crm_platform
for module in pkgutil.walk_packages(crm_platform.__path__, "crm_platform."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from crm_platform.definitions import defs
defs.get_repository_def()
print(sorted(path.name for path in pathlib.Path(".").iterdir()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n", "loading wrote something"


if __name__ == "__main__":
    SNAPSHOT.write_text(drawn(build_defs(load_settings(data_dir=Path("/nowhere")))), encoding="utf-8")
