"""compose.yaml and the Dockerfile: no more rights and secrets than a process needs; the checkers are clean."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import crm_platform
from crm_platform.settings import Settings

ROOT = Path(crm_platform.__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DAGSTERS_OWN = ["webserver", "daemon"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_few_rights_and_bounds(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in {"root", "0", "0:0"}
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "restart"} <= service.keys()
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_comes_from_a_file_and_is_given_to_whoever_reads_it(name):
    given = SERVICES[name].get("environment", {})
    files = {value.removeprefix("/run/secrets/") for key, value in given.items() if key.endswith("_FILE")}
    assert files == set(SERVICES[name].get("secrets", []))
    for key, value in given.items():
        assert not re.search(r"KEY|SECRET|PASSWORD|POSTGRES_URL|SMTP", key) or key.endswith("_FILE"), key
        assert "PASSWORD:-" not in str(value), "there is no default password"


@pytest.mark.parametrize("name", DAGSTERS_OWN)
def test_dagsters_own_processes_have_no_secret_of_the_crm_s_and_none_of_its_data(name):
    assert SERVICES[name]["secrets"] == ["dagster-postgres-url"]
    assert set(SERVICES[name]["environment"]) == {"CRM_DAGSTER_POSTGRES_URL_FILE"}
    assert "volumes" not in SERVICES[name]


def test_only_this_machine_reaches_a_port_and_nobody_but_containers_the_database():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if "outside" in service["networks"]] == ["code"]


def test_every_variable_is_a_setting():
    named = {key for service in SERVICES.values() for key in service.get("environment", {}) if key.startswith("CRM_")}
    assert {key.removeprefix("CRM_").lower() for key in named} <= Settings.model_fields.keys()


def test_the_image_is_made_of_files_that_are_there_and_sent():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    names = [name for line in copied for name in line.split()]
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in sent, name


# Secrets.


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    return tmp_path


def _make(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(folder / "secrets.sh")], capture_output=True, text=True, check=False)


def test_secrets_are_made_once_and_never_shown(folder):
    refused = _make(folder)
    assert refused.returncode == 2
    assert "write the CRM's API key" in refused.stderr
    secrets = folder / "secrets"
    secrets.chmod(0o755)  # as whoever wrote the key may have made it
    (secrets / "crm-api-key").write_text("a key\n", encoding="utf-8")
    assert _make(folder).stdout == ""
    made = {path.name: path.read_text(encoding="utf-8").strip() for path in secrets.iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert len(set(made.values())) == len(made)
    assert made["dagster-postgres-url"] == f"postgresql://crm:{made['postgres-password']}@postgres:5432/crm"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    shown = _make(folder)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "")
    assert made == {path.name: path.read_text(encoding="utf-8").strip() for path in secrets.iterdir()}


# The checkers.


@pytest.mark.services
@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "Dockerfile"),
        (
            "compose-lint",
            "check",
            "--fail-on",
            "low",
            "--strict-config",
            "--config",
            ".compose-lint.yml",
            "compose.yaml",
        ),
    ],
)
def test_a_checker_is_clean(command):
    program = Path(sys.executable).with_name(command[0])
    found = subprocess.run([program, *command[1:]], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
