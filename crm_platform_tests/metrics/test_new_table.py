"""A new KPI table is one folder: a copy of the package gets one with two figures, and no other file is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crm_platform

pytestmark = pytest.mark.slow  # a copy of the package, built and published

PACKAGE = Path(crm_platform.__file__).parent
TABLE = '''"""kpi.evening_waits_daily: its figures, and the waits that they are computed from."""

from __future__ import annotations

from crm_platform.core import ResponseWaits
from crm_platform.metrics.rows import MESSAGE_DAYS
from crm_platform.schemas.base import KpiTable, date
from crm_platform.schemas.figures import Rows, Watched

EVENING = Rows(
    ResponseWaits, by={"day": "r.day"}, where="{{ local_hour('r.waiting_since') }} >= 11", lists=("response_seconds",)
)


class EveningWaitsDaily(KpiTable):
    """Waits that began at eleven or later, by local day."""

    key = ("day",)
    pillar = "operations"
    period = "day"
    keys = MESSAGE_DAYS
    seen = "keys.coverage"

    day = date("Local day of waiting_since.")
    evening_waits = EVENING.count(
        "Waits that began at eleven or later.", watch=Watched(title="Evening waits", final="at once")
    )
    slow_share = EVENING.rate(
        "Of them, those answered after an hour or more.", "response_seconds >= 3600", good="down", label="Answered late"
    )
'''


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every surface says of the new table, in a process that imports the copy."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, home / "crm_platform", ignore=shutil.ignore_patterns("__pycache__"))
    folder = home / "crm_platform" / "metrics" / "evening_waits_daily"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""All that kpi.evening_waits_daily is."""\n', encoding="utf-8")
    (folder / "table.py").write_text(TABLE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "crm_platform_tests.metrics.surfaces", "evening_waits_daily", str(home / "data")],
        cwd=home,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(home), str(PACKAGE.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_an_asset_with_its_parents_and_its_contract(said):
    assert said["asset"] == ["core/chats", "core/coverage_daily", "core/cut", "core/response_waits"]
    assert said["checks"] == ["contract"]
    assert said["breaches"] == []


def test_alerts_watch_the_figure_that_says_so(said):
    assert "kpi:evening_waits_daily.evening_waits:range" in said["watches"]


def test_it_is_in_the_snapshot(said):
    assert said["is_published"]
    assert said["parquet"]


def test_the_command_line_shows_it(said):
    assert said["kpi"].startswith("0 ")
    assert "evening_waits" in said["kpi"]
    assert "slow_share" in said["kpi"]
    assert said["export"].startswith("0 ")
    assert "evening_waits_daily.csv" in said["export"]


@pytest.mark.parametrize(("column", "value"), [("evening_waits", "2"), ("slow_share", "50")])
def test_each_figure_has_a_receipt(said, column, value):
    told = said["explain"][column]
    assert told.startswith("0 ")
    assert value in told
    assert "core.response_waits" in told
    status, page = said["receipts"][column]
    assert status == 200
    assert value in page


def test_the_api_has_it_and_its_value_over_a_range_of_days(said):
    status, rows = said["api"]
    assert status == 200
    (row,) = json.loads(rows)["rows"]
    assert (row["evening_waits"], row["slow_share"]) == (2, 0.5)
    status, receipt = said["range"]
    assert status == 200
    assert json.loads(receipt)["value"] == 2
    assert said["openapi"]


def test_the_figures_page_and_the_dictionary_explain_it(said):
    status, page = said["figures"]
    assert status == 200
    assert "Waits that began at eleven or later" in page
    assert "<dt>Evening waits</dt>" in page
    assert "<dt>Answered late</dt>" in page
    assert "Of them, those answered after an hour or more." in said["dictionary"]
