"""`crm notebook`: what it says and starts; and the notebook itself, run as a script on published figures."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import duckdb
import pytest

from crm_platform.cli import analysts, main
from crm_platform.models import build, build_order, freeze
from crm_platform.publish import publish
from crm_platform.schemas import live_tables
from crm_platform.settings import Settings, current_settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.publish.conftest import AS_OF, NOW


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def own_settings(settings, monkeypatch, tmp_path):
    """A data folder of its own that shares the published figures."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "published").symlink_to(settings.published_dir)
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "data"))
    current_settings.cache_clear()
    yield Settings(data_dir=tmp_path / "data")
    current_settings.cache_clear()


@pytest.fixture
def started(monkeypatch):
    """What `crm notebook` would become, instead of becoming it; marimo is taken to be there."""
    found: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _path, command, environment: found.append((command, environment)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    return found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["notebook", *arguments])
    return ended.value.code


def test_without_marimo_it_says_what_to_install(own_settings, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "marimo" else real(name) or object())
    assert run() == 2
    assert "the notebook needs marimo: " in (said := capsys.readouterr().err)
    assert "pip install marimo" in said


def test_before_the_first_snapshot_it_says_what_to_do(started, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path))
    current_settings.cache_clear()
    assert run() == 2
    current_settings.cache_clear()
    assert "run `crm refresh` first" in capsys.readouterr().err
    assert started == []


def test_it_opens_a_copy_that_stays_as_it_was_left(own_settings, started):
    port = str(free_port())
    assert run("--port", port, "--no-browser") == 0
    mine = own_settings.root / "notebooks" / "first-look.py"
    assert mine.read_text() == analysts.NOTEBOOK.read_text()
    ((command, environment),) = started
    assert command[:7] == [sys.executable, "-m", "marimo", "--yes", "edit", "--skip-update-check", str(mine)]
    assert command[7:] == ["--token", "--host", "127.0.0.1", "--port", port, "--headless"]
    assert environment["CRM_DATA_DIR"] == str(own_settings.root)
    mine.write_text("# mine\n")
    run("--port", port)
    assert mine.read_text() == "# mine\n"
    assert "--headless" not in started[1][0]


def test_its_results_can_be_shown_alone(own_settings, started):
    port = str(free_port())
    run("--port", port, "--run")
    ((command, _),) = started
    assert command[4:6] == ["run", str(own_settings.root / "notebooks" / "first-look.py")]
    assert command[6:] == ["--token", "--host", "127.0.0.1", "--port", port]


def test_outside_a_checkout_it_says_so(own_settings, started, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(analysts, "NOTEBOOK", tmp_path / "nowhere.py")
    assert run("--port", str(free_port())) == 2
    assert "run crm from a checkout" in capsys.readouterr().err
    assert started == []


# The notebook itself: marimo and altair come with `make test-heavy`.


def look(settings: Settings) -> dict:
    """Run the notebook's cells in a process of its own; what they defined, as JSON."""
    script = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("first_look", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
_, made = module.app.run()
frames = ("waits", "weeks", "campaigns", "hours", "columns")
charts = ("response_chart", "campaign_chart", "heat_map")
print(json.dumps({
    **{name: json.loads(made[name].to_json(orient="records", date_format="iso")) for name in frames},
    **{name: made[name].to_dict() for name in charts},
    "agreement": {key: int(value) for key, value in made["agreement"].items()},
}))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(analysts.NOTEBOOK)],
        env=environment | {"CRM_DATA_DIR": str(settings.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def seen(settings):
    return look(settings)


@pytest.mark.services
def test_the_notebook_shows_the_published_figures(seen, snapshot):
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        days = connection.execute(
            "select strftime(day, '%Y-%m-%d'), first_response_seconds_median / 60, coverage"
            " from kpi.response_times_daily order by day desc"
        ).fetchall()
        ranked = connection.execute(
            "select read_per_delivered from kpi.campaign_performance"
            " where is_settled and is_consistent and delivered > 0 order by read_per_delivered_low desc limit 25"
        ).fetchall()
        messages = connection.execute("select sum(inbound + replies) / 12 from kpi.message_volume_hourly").fetchone()
    assert [(row["day"][:10], row["median"], row["coverage"]) for row in seen["waits"]] == [
        (day, pytest.approx(median) if median is not None else None, coverage) for day, median, coverage in days
    ]
    assert [row["rate"] for row in seen["campaigns"]] == [pytest.approx(rate) for (rate,) in ranked]
    assert sum(row["messages"] for row in seen["hours"]) == pytest.approx(messages[0])
    assert len(seen["hours"]) == 2 * 168
    assert {row["table"].split(".")[0] for row in seen["columns"]} == {"kpi", "core"}
    assert all(row["meaning"] for row in seen["columns"])


@pytest.mark.services
def test_the_notebook_finds_the_published_medians_in_their_rows(seen):
    assert seen["agreement"]["days"] > 10
    assert seen["agreement"]["equal"] == seen["agreement"]["days"]


@pytest.mark.services
def test_the_charts_are_vega_lite_with_their_data_inside(seen):
    for name in ("response_chart", "campaign_chart", "heat_map"):
        assert "vega-lite" in seen[name]["$schema"]
        assert any(seen[name]["datasets"].values())
        assert '"url"' not in json.dumps(seen[name])


@pytest.mark.services
def test_the_notebook_survives_an_empty_warehouse(tmp_path):
    settings = Settings(data_dir=tmp_path)
    live = DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir)
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    live.prepare(live_tables())
    freeze(models, live, settings=settings, as_of=AS_OF, now=NOW, expected_unseen=None)
    for table in build_order():
        build(models, table, settings=settings)
    publish(models, settings=settings, now=NOW, turns=True)
    assert look(settings)["agreement"] == {"days": 0, "equal": 0}


@pytest.mark.services
@pytest.mark.parametrize("how", [[], ["--run"]], ids=["edit", "run"])
def test_the_command_starts_a_notebook_that_asks_for_a_token(own_settings, tmp_path, how):
    port = free_port()
    environment = os.environ | {"CRM_DATA_DIR": str(own_settings.root), "HOME": str(tmp_path)}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "crm_platform.cli", "notebook", "--no-browser", "--port", str(port)],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            while (answer := _status(f"http://127.0.0.1:{port}/api/status")) is None:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            assert answer in {401, 403}
            assert "access_token=" in (tmp_path / "log").read_text()
        finally:
            process.terminate()


def _status(address: str) -> int | None:
    """The HTTP status of an answer; None while nobody listens."""
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except urllib.error.URLError:
        return None
