"""How a command ends: its exit code, what it says of an error, a pipe whose reader has left. And what its CSV holds."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from crm_platform import cli
from crm_platform.cli import exit_code
from crm_platform.cli import kpi as kpi_module
from crm_platform.cli.words import write_rows
from crm_platform.errors import (
    Busy,
    ContractBreach,
    FixConfiguration,
    GiveUp,
    NotFound,
    QuotaSpent,
    Unauthorized,
    WriteUncertain,
)
from crm_platform.ingest import connect
from crm_platform_tests.cli.conftest import run
from crm_platform_tests.serving.published import NAMES

COMMAND = [sys.executable, "-m", "crm_platform.cli"]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (FixConfiguration("x"), 2),
        (Unauthorized("x"), 2),
        (QuotaSpent("x"), 75),
        (Busy("x"), 75),
        (GiveUp("x"), 1),
        (ContractBreach([]), 1),
        (NotFound("x"), 1),
        (WriteUncertain("x"), 1),
    ],
)
def test_the_exit_code_tells_a_script_what_to_do(problem, code):
    assert exit_code(problem) == code
    assert f"\n    {code} " in (cli.__doc__ or "")


@pytest.mark.parametrize("command", ["contacts list", "campaigns trigger c --yes", "chats messages 1"])
def test_a_client_that_cannot_be_made_ends_in_one_line(command, idle, monkeypatch):
    """Field case 23: `ALL_PROXY=socks5://…` is refused where the client is made."""

    def refuse(*_: object, **__: object) -> None:
        raise FixConfiguration("ALL_PROXY: socks5:// is no proxy that is spoken here; write http://host:port")

    monkeypatch.setattr(connect, "open_client", refuse)
    said = run(*command.split())
    assert said.code == 2
    assert said.err == "crm: ALL_PROXY: socks5:// is no proxy that is spoken here; write http://host:port\n"


def test_an_alert_through_a_proxy_that_is_not_spoken_is_told(clean, monkeypatch):
    """Field case 23."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("CRM_ALERT_WEBHOOK_URL", "https://hooks.example.com/x")
    said = run("alerts", "test")
    assert said.code == 1
    assert "webhook" in said.out
    assert "cannot be reached (ImportError)" in said.out


def test_ctrl_c_ends_with_130(idle, monkeypatch):
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kpi_module, "published_snapshot", interrupted)
    assert run("kpi").code == 130


def test_ctrl_c_at_a_question_ends_with_130(idle, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def interrupted(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    assert run("campaigns", "trigger", "c").code == 130
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert run("campaigns", "trigger", "c").code == 1


@pytest.mark.parametrize(("free", "is_told"), [(0, True), (10**9, False)])
def test_what_a_library_says_of_a_full_disk_is_told_in_a_line(idle, monkeypatch, free, is_told):
    """Dagster's storage raises an error of SQLAlchemy's; where there is room it is a bug, and shown as one."""

    def fails(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(kpi_module, "published_snapshot", fails)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    if is_told:
        said = run("kpi")
        assert said.code == 1
        assert said.err.endswith("its disk is full: make room, then run it again\n")
        assert said.err.count("\n") == 1
    else:
        with pytest.raises(sqlite3.OperationalError):
            run("kpi")


def test_a_full_disk_is_named_without_a_traceback(idle, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/data/warehouse.duckdb")

    monkeypatch.setattr(kpi_module, "published_snapshot", full)
    said = run("kpi")
    assert said.code == 1
    assert said.err == "crm: /data/warehouse.duckdb: No space left on device: make room, then run it again\n"


def test_a_run_that_fails_on_a_full_disk_says_so_whatever_its_reason_says(idle, monkeypatch):
    def failed(*_: object, **__: object) -> None:
        raise GiveUp("the run 5a97dc75 failed (OperationalError)")

    monkeypatch.setattr(kpi_module, "published_snapshot", failed)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert run("kpi").err.endswith("is full: make room, then run it again\n")


def test_a_bug_still_ends_in_a_traceback(idle, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise OSError("nobody knows")

    monkeypatch.setattr(kpi_module, "published_snapshot", broken)
    with pytest.raises(OSError, match="nobody knows"):
        run("kpi")


@pytest.mark.slow
def test_a_reader_that_has_left_is_not_told(published):
    process = subprocess.Popen(
        [*COMMAND, "kpi", "message_volume_hourly", "--csv"],
        env={**os.environ, "CRM_DATA_DIR": str(published)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.slow
def test_what_a_terminal_cannot_show_is_no_reason_to_fail(published):
    done = subprocess.run(
        [*COMMAND, "kpi", "campaign_performance", "--csv"],
        env={**os.environ, "CRM_DATA_DIR": str(published), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert rb"\u201cwateja\u201d" in done.stdout


# CSV.


def test_a_name_is_no_formula_in_a_csv(idle):
    """Field case 77: `crm kpi --csv` with a campaign called `=cmd…`."""
    rows = list(csv.DictReader(io.StringIO(run("kpi", "campaign_performance", "--csv").out)))
    names = {row["name"] for row in rows}
    assert names == {"" if name is None else f"'{name}" if name[0] in "=+-@" else name for name in NAMES}
    assert {row["is_provisional"] for row in rows} == {"false"}
    assert {row["as_of"] for row in rows} == {"2026-11-22T08:00:00Z"}


def test_programs_get_names_as_they_are(idle):
    said = run("kpi", "campaign_performance", "--json")
    assert {json.loads(line)["name"] for line in said.out.splitlines()} == set(NAMES)


def test_numbers_stay_numbers_in_a_csv(capsys):
    row = [-5, -0.25, 1e-7, True, None, dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3), "-5", "\tx", "\rx", "a", "＝1"]
    write_rows([f"c{place}" for place in range(len(row))], [row], form="csv")
    assert next(csv.reader(io.StringIO(capsys.readouterr().out.partition("\n")[2], newline=""))) == [
        *("-5", "-0.25", "1e-07", "true", "", "2026-01-02", "2026-01-02T03:00:00Z"),
        *("'-5", "'\tx", "'\rx", "a", "'＝1"),
    ]


@pytest.mark.parametrize(("words", "code"), [("--version", 0), ("no-such-command", 2)])
def test_what_is_to_be_done_at_the_end_is_done(words, code):
    """The process leaves at once, after all that others have registered, with what was said and its code."""
    program = (
        "import sys; sys.argv = ['crm', *sys.argv[1:]]\n"
        "from crm_platform.cli import main\n"
        "import crm_platform.cli.options, atexit, threading\n"
        "late = lambda: print('and a thread')\n"
        "begin = lambda: (atexit.register(print, 'said at the end'), threading.Timer(0.2, late).start())\n"
        "crm_platform.cli._keep_files_private = lambda _: begin()\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program, words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.endswith("and a thread\nsaid at the end\n")
    assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_said():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
