"""`crm doctor` as a whole: in time, no traceback, exit 1 when something stops the next run; and its other looks."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from crm_platform.alerts import Alert, Alerter
from crm_platform.cli import EXIT_FAILED, crm
from crm_platform.cli import doctor as command
from crm_platform.defs.dagster_home import prepare_dagster_home
from crm_platform.defs.failed_runs import standing_failures
from crm_platform.doctor import Examination, Finding, connection, examine, figures, settings_in_force, work
from crm_platform.errors import Breach, FixConfiguration, quoted
from crm_platform.ingest import open_warehouse
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.models.checks import CheckResult
from crm_platform.models.noted import note_contracts, note_results, notes_path
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.schemas import raw
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import leases_of
from crm_platform_tests.doctor.servers import WELL, serving, tarpit, trickling

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load_settings(data_dir=tmp_path)


# All of them together.


def looks(ask, **options) -> list[Examination]:
    return [Examination("first", lambda *_: [Finding("first", "ok", "well")]), Examination("odd", ask, **options)]


def test_what_hangs_is_left_behind_in_time(settings):
    """A name server that never answers, or a disk: nothing in Python ends a call to either."""
    began, end = time.monotonic(), threading.Event()

    def hang(*_):
        yield Finding("odd", "ok", "so far")
        end.wait()

    found = examine(settings, now=NOW, seconds=0.2, examinations=looks(hang, if_it_hangs="a name server sleeps"))
    end.set()
    assert time.monotonic() - began < 2
    assert [finding.words for finding in found[1:]] == ["well", "so far", "not verified in time: a name server sleeps"]
    assert found[-1].state == "BAD"


def test_a_name_server_that_never_answers_is_left_in_time(tmp_path, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: answered.wait())
    settings = load_settings(data_dir=tmp_path, base_url="https://crm.example.com", api_key=SecretStr("key"))
    examination = Examination("CRM", connection.crm, "a name server does not answer")
    found = examine(settings, now=NOW, seconds=0.5, examinations=[examination])
    answered.set()
    assert found[1:] == [Finding("CRM", "BAD", "not verified in time: a name server does not answer")]


@pytest.mark.slow
@pytest.mark.parametrize("server", [tarpit, trickling])
def test_the_command_ends_in_time_whatever_the_server_does(tmp_path, server):
    """Field case 22: within 15 s, exit code 1."""
    began = time.monotonic()
    with server() as url:
        ended = subprocess.run(
            [sys.executable, "-m", "crm_platform.cli", "doctor"],
            env=os.environ | {"CRM_DATA_DIR": str(tmp_path), "CRM_BASE_URL": url, "CRM_API_KEY": "key"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert time.monotonic() - began < 15
    assert ended.returncode == EXIT_FAILED
    assert ended.stderr == ""
    (bad,) = (line for line in ended.stdout.splitlines() if line.startswith("BAD"))
    assert "hangs" in bad


PROBLEMS = [
    (FixConfiguration("CRM_API_KEY is empty"), "CRM_API_KEY is empty"),
    (PermissionError(13, "Permission denied", "/data/x"), "/data/x: Permission denied"),
    (ValueError("row of Wanjiku, +254712345678"), "cannot be examined (ValueError): not verified"),
]


@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
def test_whatever_is_raised_is_a_finding(settings, problem, words):
    def fail(*_):
        raise problem

    assert examine(settings, now=NOW, examinations=looks(fail))[-1] == Finding("odd", "BAD", words)


def test_without_a_data_folder_the_rest_is_not_asked(tmp_path):
    (tmp_path / "file").write_text("")
    found = examine(load_settings(data_dir=tmp_path).model_copy(update={"data_dir": tmp_path / "file"}), now=NOW)
    assert [(finding.about, finding.state) for finding in found] == [("data folder", "BAD"), ("CRM", "note")]


@pytest.fixture
def shell(monkeypatch):
    def called(settings: Settings, *arguments: str):
        monkeypatch.setattr(command, "load_settings", lambda: settings)
        return CliRunner().invoke(crm, ["doctor", *arguments])

    return called


def test_a_new_platform_is_well(tmp_path, shell):
    with serving(WELL) as url:
        result = shell(load_settings(data_dir=tmp_path, base_url=url, api_key=SecretStr("key")))
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output
    assert "ok   key           accepted" in result.output


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_programs_can_read_it(tmp_path, shell, form):
    result = shell(load_settings(data_dir=tmp_path, base_url="http://127.0.0.1:9", api_key=SecretStr("key")), form)
    assert result.exit_code == EXIT_FAILED
    lines = result.output.splitlines()
    rows = list(map(json.loads, lines)) if form == "--json" else list(csv.DictReader(io.StringIO(result.output)))
    assert {"about", "state", "found"} == rows[0].keys()
    assert [row["about"] for row in rows if row["state"] == "BAD"] == ["CRM"]


# Checks.


def test_checks_that_fail_are_named_with_rule_and_count(settings):
    (before,) = figures.checks(settings, NOW)
    assert before == Finding("checks", "note", "none was asked yet: `crm refresh` asks them")
    reconciliation = next(check for check in RAW_CHECKS if check.name == "reconciliation")
    note_results(settings, [(reconciliation, CheckResult(passed=False, summary="2 of 9 chats are short"))], at=NOW)
    breach = Breach("kpi.backlog_now", "open_waits", "from 0", 3)
    note_contracts(settings, [BacklogNow, BacklogDaily], [breach], at=NOW)
    assert list(figures.checks(settings, NOW + dt.timedelta(minutes=5))) == [
        Finding("check", "BAD", "kpi.backlog_now, contract: open_waits: from 0 (3 rows)"),
        Finding("check", "note", "raw.messages, reconciliation: 2 of 9 chats are short"),
        Finding("checks", "note", "1 of 3 pass; asked 5 min ago"),
    ]
    note_results(settings, [(reconciliation, CheckResult(passed=True, summary="0 of 9"))], at=NOW)
    note_contracts(settings, [BacklogNow], [], at=NOW)
    assert list(figures.checks(settings, NOW)) == [Finding("checks", "ok", "3 of 3 pass; asked 0 s ago")]
    notes_path(settings).write_text("[{")
    (damaged,) = figures.checks(settings, NOW)
    assert damaged.state == "note", "what cannot be read was not asked"


# Senders.


def test_senders_that_were_never_seen_are_named(settings):
    """Field case 44: a bot that is misspelt answers in three seconds and leads the board."""
    plain = {
        "text": "x",
        "integer": 1,
        "float": 0.5,
        "boolean": False,
        "timestamp": NOW,
        "date": NOW.date(),
        "json": "{}",
    }
    row = {name: plain[column.type.value] for name, column in raw.Messages.columns.items()}
    row |= {"direction": "outbound", "sender": "Bot@Shop.example "}
    with open_warehouse(settings).writing() as session:
        session.append(raw.Messages, raw.Messages.rows([row]))
    named = Settings(automation_senders="bot@SHOP.example, BOT@shop.example, Robot").automation_senders
    assert named == ("bot@shop.example", "robot"), "two spellings are one sender"
    (finding,) = figures.senders(settings.model_copy(update={"automation_senders": named}), NOW)
    assert finding.state == "note"
    assert "names robot, never seen: no message is from there" in finding.words
    (well,) = figures.senders(settings.model_copy(update={"automation_senders": named[:1]}), NOW)
    assert well.state == "ok"
    assert list(figures.senders(settings, NOW)) == []


def test_lines_of_costs_that_do_not_count_are_named(settings):
    assert list(figures.campaign_costs(settings, NOW)) == []
    (settings.root / "campaign_costs.csv").write_text("name,cost,value\nspring,1.250,1\n", encoding="utf-8")
    wrong, unknown = figures.campaign_costs(settings, NOW)
    assert (wrong.state, unknown.state) == ("note", "note")
    assert "campaign_costs.csv, line 2: cost '1.250' can mean two things" in wrong.words
    assert "no campaigns are published yet" in unknown.words


# Contacts that are left out, teams.


def test_lines_that_leave_nobody_out_are_named(settings, tmp_path):
    listed = tmp_path / "left-out.txt"
    settings = settings.model_copy(update={"exclude_contacts": listed})
    (*_, missing) = examine(settings, now=NOW, examinations=[Examination("left out", figures.left_out)])
    assert (missing.state, missing.words) == (
        "BAD",
        f"CRM_EXCLUDE_CONTACTS: {quoted(str(listed))} cannot be read: No such file or directory",
    )
    listed.write_text("# test phones\nchat-1\n+254 712 345 678\nchat-9\n")
    assert list(figures.left_out(settings, NOW)) == [], "nothing was fetched yet"
    row = {
        "chat_id": "chat-1",
        "created_at_was_naive": False,
        "first_fetched_at": NOW,
        "fetched_at": NOW,
        "first_fetch_id": 1,
        "fetch_id": 1,
    }
    with open_warehouse(settings).writing() as session:
        session.append(raw.Contacts, raw.Contacts.rows([row]))
    assert list(figures.left_out(settings, NOW)) == [
        Finding("left out", "note", "CRM_EXCLUDE_CONTACTS means no contact in line 3, 4: correct it, or take it out")
    ]
    listed.write_text("chat-1\n")
    assert list(figures.left_out(settings, NOW)) == [
        Finding("left out", "ok", "every line of CRM_EXCLUDE_CONTACTS means a contact: 1 in all")
    ]


def test_agents_of_the_teams_file_that_were_never_seen_are_named(settings):
    settings.root.mkdir(parents=True, exist_ok=True)
    (settings.root / "agent_teams.csv").write_text("agent,team\nJane@shop.example,Day\nbne@shop.example,Day\n")
    assert list(figures.teams(settings, NOW)) == [], "nothing was fetched yet"
    event = {
        "event_id": "1",
        "kind": "assigned",
        "chat_id": "a",
        "agent": "jane@shop.example",
        "at": NOW,
        "source": "platform",
    }
    with open_warehouse(settings).writing() as session:
        session.append(raw.OperatorEvents, raw.OperatorEvents.rows([event]))
    assert list(figures.teams(settings, NOW)) == [
        Finding(
            "teams", "note", "agent_teams.csv, line 3, names bne@shop.example, never seen: `crm agents` lists who was"
        )
    ]
    (settings.root / "agent_teams.csv").write_text("agent,team\nJane@shop.example,\n")
    (*_, wrong) = examine(settings, now=NOW, examinations=[Examination("teams", figures.teams)])
    assert wrong == Finding("teams", "BAD", "agent_teams.csv, line 2: the team is empty; write both, or no line")


# Work.


def test_who_is_at_work_is_named_with_process_and_time(settings):
    assert list(work.leases(settings, NOW)) == [Finding("at work", "ok", "nobody")]
    with leases_of(settings).take("build", purpose="crm build"):
        (held,) = work.leases(settings, NOW)
    assert held.state == "note"
    assert held.words.startswith("build: crm build (process ")
    assert "since " in held.words


def run_of(name: str, instance: dg.DagsterInstance, problem: Exception | None = None) -> None:
    @dg.op
    def work() -> None:
        if problem is not None:
            raise problem

    @dg.job(name=name)
    def job() -> None:
        work()

    job.execute_in_process(instance=instance, raise_on_error=False)


@pytest.mark.slow
def test_a_failed_run_stands_until_its_like_succeeds(settings):
    (before,) = work.dagster(settings, NOW)
    assert before.state == "ok"
    prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        run_of(
            "kpis", instance, dg.Failure(description="kpi.backlog_now: open_waits < 0 (1 rows)", allow_retries=False)
        )
        run_of("housekeeping", instance, ValueError("row of Wanjiku"))
        failed, housekeeping, home = work.dagster(settings, NOW)
        assert {failed.words.partition(" failed")[0], housekeeping.words.partition(" failed")[0]} == {
            "kpis",
            "housekeeping",
        }
        words = failed.words + housekeeping.words
        assert "open_waits < 0 (1 rows)" in words
        assert "ValueError" in words
        assert "Wanjiku" not in words
        assert home.state == "ok"
        run_of("refresh_all", instance)
        assert [run.job for run in standing_failures(settings)] == ["housekeeping"]
        run_of("housekeeping", instance, dg.DagsterExecutionInterruptedError())
        assert [run.job for run in standing_failures(settings)] == ["housekeeping"], "being ended makes nothing good"
        run_of("housekeeping", instance)
        run_of("kpis", instance, dg.DagsterExecutionInterruptedError())
        assert standing_failures(settings) == []


# Settings.


def told(findings) -> list[tuple[str, str]]:
    return [(finding.state, finding.words) for finding in findings]


def test_a_webhook_that_is_no_web_address_is_bad(settings):
    """Field case 77: a webhook at file:///… passed."""
    odd = settings.model_copy(update={"alert_webhook_url": SecretStr("file:///etc/passwd")})
    (state, words), *_ = told(settings_in_force.alerts(odd, NOW))
    assert (state, words) == ("BAD", "CRM_ALERT_WEBHOOK_URL is no web address; write https://…")


def test_a_channel_that_fails_and_problems_that_are_open_are_noted(settings):
    dead = settings.model_copy(update={"alert_webhook_url": SecretStr("http://127.0.0.1:9/hook")})
    assert told(settings_in_force.alerts(dead, NOW)) == [("ok", "told on: log, webhook")]
    Alerter(dead).report(Alert("job:ingest", "ingest failed"))
    fails, channels = told(settings_in_force.alerts(dead, NOW))
    assert "webhook fails: cannot be reached" in fails[1]
    assert channels == ("note", "told on: log; 1 open problems, `crm alerts list` names them")


def test_short_secrets_are_noted_and_never_shown(settings):
    short = settings.model_copy(
        update={"pseudonym_key": SecretStr("guessme"), "whatsapp_verify_token": SecretStr("x" * 16)}
    )
    ((state, words),) = told(settings_in_force.secrets(short, NOW))
    assert (state, words[:40]) == ("note", "CRM_PSEUDONYM_KEY has fewer than 16 char")
    assert "guessme" not in words
    assert told(settings_in_force.secrets(settings, NOW))[0][0] == "ok"


PAGES = [
    ({}, "ok", "open, on this machine only"),
    ({"viewer_secret": SecretStr("v" * 16)}, "ok", "log in as viewer"),
    ({"serve_hosts": ("kpi.example.com",)}, "BAD", "`crm serve` refuses to start"),
    (
        {
            "viewer_secret": SecretStr("v" * 16),
            "serve_hosts": ("kpi.example.com",),
            "serve_url": "https://kpis.example.com",
        },
        "note",
        "CRM_SERVE_URL names kpis.example.com",
    ),
]


@pytest.mark.parametrize(("update", "state", "words"), PAGES)
def test_pages_that_would_refuse_are_told(settings, update, state, words):
    ((found, said),) = told(settings_in_force.pages(settings.model_copy(update=update), NOW))
    assert found == state
    assert words in said
