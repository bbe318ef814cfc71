"""Dagster's processes as deploy/compose.yaml has them, and Postgres killed in the middle of a run.

The code server has the CRM's key. The daemon has none, and a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from crm_platform.ingest import open_warehouse, refresh
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.postgres.server import PostgresServer, free_port
from crm_platform_tests.sandbox.running import running_sandbox

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.long]

_TICK = 60.0  # seconds between two looks of a sensor, and of the run monitor
_STARTING = 60.0  # seconds that a run takes from the queue to its first line, on a busy machine

_WORKSPACE = """
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: crm_platform.definitions}}
"""


@dataclass
class Deployment:
    """Processes that know of each other by the database and a port."""

    settings: Settings
    server: PostgresServer
    database: str

    def runs(self) -> dict[str, str]:
        """Status of every run of `kpis`, by id, oldest first."""
        sql = "select run_id, status from runs where pipeline_name = 'kpis' order by id"
        return {str(run_id): str(status) for run_id, status in self.server.query(sql, database=self.database)}

    def until(self, is_so: Callable[[dict[str, str]], bool], *, within: float) -> float:
        """Wait until the runs are so; returns the seconds that it took."""
        began = time.monotonic()
        while not is_so(self.runs()):
            assert time.monotonic() - began < within, self.runs()
            time.sleep(0.05)
        return time.monotonic() - began


@contextlib.contextmanager
def _process(name: str, *arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One of Dagster's, over a folder that is made ready first, as in a container."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("CRM_", "DAGSTER_"))}
    environment = plain | environment | {"DAGSTER_HOME": f"{environment['CRM_DATA_DIR']}/dagster"}
    prepare = [sys.executable, "-W", "ignore", "-m", "crm_platform.defs.dagster_home"]
    subprocess.run(prepare, env=environment, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([Path(sys.executable).with_name(name), *arguments], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def deployment(server, database, receiver, tmp_path) -> Iterator[Deployment]:
    secret = tmp_path / "secret"
    secret.write_text(database.get_secret_value(), encoding="utf-8")
    with running_sandbox(contacts=400, days=90) as crm:
        settings = load_settings(data_dir=tmp_path / "data", base_url=crm.url, api_key=SecretStr(crm.key))
        for _ in refresh(settings, open_warehouse(settings)):
            pass
        port = free_port()
        workspace = tmp_path / "workspace.yaml"
        workspace.write_text(_WORKSPACE.format(port=port), encoding="utf-8")
        storage = {"CRM_DAGSTER_POSTGRES_URL_FILE": str(secret)}
        own = {"CRM_DATA_DIR": str(settings.root), "CRM_BASE_URL": crm.url, "CRM_API_KEY": crm.key}
        own |= {"CRM_AUTOMATION": "on", "CRM_ALERT_WEBHOOK_URL": receiver.url}
        code = ["api", "grpc", "--host", "127.0.0.1", "--port", str(port), "--module-name", "crm_platform.definitions"]
        code += ["--attribute", "defs", "--location-name", "crm_platform.definitions"]
        with (
            _process("dagster", *code, environment={**storage, **own}),
            _process(
                "dagster-daemon",
                "run",
                "--workspace",
                str(workspace),
                environment={**storage, "CRM_DATA_DIR": str(tmp_path / "daemon")},
            ),
        ):
            yield Deployment(settings, server, database.get_secret_value().rpartition("/")[2])


def test_a_run_under_which_it_is_killed_fails_and_is_told_and_the_next_starts_within_two_ticks(deployment, receiver):
    deployment.until(lambda runs: "STARTED" in runs.values(), within=3 * _TICK)
    (killed,) = deployment.runs()
    deployment.server.kill()
    time.sleep(25)  # longer than a statement waits
    deployment.server.start()
    deployment.until(
        lambda runs: any(run != killed and status in {"STARTED", "SUCCESS"} for run, status in runs.items()),
        within=2 * _TICK + _STARTING,
    )
    assert deployment.runs()[killed] == "FAILURE"
    deployment.until(lambda runs: "SUCCESS" in runs.values(), within=2 * _TICK)
    deployment.until(lambda _runs: any("over: kpis failed" in title for title in receiver.titles), within=2 * _TICK)
    assert any(title.endswith("kpis failed") and "over" not in title for title in receiver.titles)
    assert set(deployment.runs().values()) == {"FAILURE", "SUCCESS"}
