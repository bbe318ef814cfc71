"""`crm report`, as a shell runs it."""

from __future__ import annotations

import json
import re

import pytest

from crm_platform_tests.cli.conftest import clean, run

__all__ = ["clean"]


@pytest.fixture
def shell(clean, platform, monkeypatch):
    monkeypatch.setenv("CRM_DATA_DIR", str(platform.settings.root))
    monkeypatch.setenv("CRM_CHROMIUM", "/nowhere/chromium")
    monkeypatch.setenv("CRM_SMTP_URL", f"smtp://127.0.0.1:{platform.box.port}")
    monkeypatch.setenv("CRM_ALERT_EMAIL_TO", "robot@example.com")
    return platform


@pytest.mark.slow
def test_make_writes_files_and_says_where(shell, clean):
    words = ["report", "make", "--week", "2026-W46", "--language", "sw", "--pages", "support", "--to", "out"]
    said = run(*words)
    assert said.code == 0, said
    names = ["out/crm-report-2026-W46-sw.html", "out/crm-report-2026-W46-sw.xlsx"]
    assert [line.split(" ")[0] for line in said.out.splitlines()] == names
    assert all((clean / name).stat().st_size > 1000 for name in names)
    assert "Ripoti ya wiki: 9 Nov 2026 hadi 15 Nov 2026" in said.err
    again = run(*words)
    assert again.code == 1
    assert "is in the way" in again.err
    assert run(*words, "--force").code == 0


@pytest.mark.slow
def test_make_refuses_what_is_provisional_unless_it_is_asked_for(shell):
    words = ["report", "make", "--month", "2026-10", "--pages", "support", "--format", "xlsx", "--to", "out"]
    said = run(*words)
    assert said.code == 1
    assert "2026-10 is provisional: not known yet: 1 Oct 2026" in said.err
    assert run(*words, "--even-provisional").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--week 2026-47 --to out", "'2026-47' is no week; write one such as 2026-W47"),
        ("--week 2026-W46 --month 2026-10 --to out", "not both"),
        ("--pages now --to out", "page 'now' is none"),
        ("--format docx --to out", "format 'docx' is none"),
    ],
)
def test_make_names_a_word_that_is_wrong(shell, words, told):
    said = run("report", "make", *words.split())
    assert said.code == 2
    assert told in said.err


def test_a_week_to_come_has_no_report(shell):
    said = run(*["report", "make", "--week", "2030-W01", "--even-provisional", "--to", "out"])
    assert said.code == 1
    assert "has not begun" in said.err


def test_list_says_who_gets_what_and_what_is_due(shell):
    assert "nobody gets a report" in run("report", "list").out
    shell.to("mailto:lead@example.com,week,sw,support,xlsx", "https://hooks.example.com/SECRET,month")
    lead, hook = (json.loads(line) for line in run("report", "list", "--json").out.splitlines())
    assert (lead["to"], lead["every"], lead["language"], lead["last"]) == ("lead@example.com", "week", "sw", None)
    assert re.match(r"20\d\d-W\d\d: (due|held, )", lead["next"]), "which week it is says the clock"
    assert hook["to"] == "https://hooks.example.com/…"
    assert "held, " in hook["next"]


@pytest.mark.slow
def test_send_says_what_became_of_each(shell, monkeypatch):
    shell.to("mailto:lead@example.com,month,,support,xlsx")
    said = run("report", "send")
    assert said.code == 0
    assert "lead@example.com: held, " in said.out
    assert run("report", "send", "--even-provisional").code == 0
    assert len(shell.box.received) == 1
    assert "nothing is due" in run("report", "send").out
    shell.to("mailto:other@example.com,month,,support,xlsx")
    shell.box.refuses = {"MAIL": 451}
    failed = run("report", "send", "--even-provisional")
    assert failed.code == 1
    assert "fails, the mail server answered 451" in failed.out
