"""A report that is asked for and does not go out is found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from crm_platform.doctor.reports import reports
from crm_platform.errors import FixConfiguration
from crm_platform.reports.memory import Failure, Known, Memory, write_memory
from crm_platform.reports.recipients import read_recipients
from crm_platform.settings import Settings, load_settings

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    program = tmp_path / "prints"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return load_settings(data_dir=tmp_path, chromium=program, smtp_url="smtp://127.0.0.1:1", alert_email_to="a@b.c")


def found(settings: Settings, *lines: str) -> list[tuple[str, str]]:
    (settings.root / "reports.csv").write_text("\n".join(["to,every", *lines]), encoding="utf-8")
    return [(one.state, one.words) for one in reports(settings, NOW)]


def test_nobody_is_told_of_what_nobody_asked_for(tmp_path):
    assert list(reports(load_settings(data_dir=tmp_path), NOW)) == []


def test_what_works_is_well(settings):
    said = found(settings, "mailto:lead@example.com,week", "https://hooks.example.com/SECRET,month")
    assert said == [("ok", "lines of reports.csv: 2; `crm report list` says what is due")]


def test_a_line_that_is_wrong_is_named(settings):
    with pytest.raises(FixConfiguration, match=r"reports\.csv, line 2: every is 'never'"):
        found(settings, "mailto:lead@example.com,never")


def test_mail_needs_a_server(settings):
    said = found(settings.model_copy(update={"smtp_url": None}), "mailto:lead@example.com,week")
    words = "reports.csv, line 2 (e-mail) cannot be reached: set CRM_SMTP_URL and CRM_ALERT_EMAIL_TO"
    assert said == [("BAD", words)]


def test_a_program_that_is_not_there_is_bad_where_it_is_named(settings):
    (bad,) = found(settings.model_copy(update={"chromium": Path("/nowhere")}))
    assert bad == ("BAD", "CRM_CHROMIUM names no program that can be run; correct it, or unset it")


def test_without_one_a_pdf_is_no_pdf(settings, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    said = found(settings.model_copy(update={"chromium": None}), "mailto:lead@example.com,week")
    assert said[0] == ("note", "no Chromium is found: reports go out as HTML; install it, or set CRM_CHROMIUM")


def test_who_cannot_be_reached_is_noted_without_the_address(settings):
    found(settings, "https://hooks.example.com/SECRET,week")
    (hook,) = read_recipients(settings)
    failure = Failure(since=NOW, at=NOW, reason="answered 500")
    write_memory(settings, Memory(known={hook.id: Known(first="2026-W46", failure=failure)}))
    said = found(settings, "https://hooks.example.com/SECRET,week")
    assert said == [("note", "reports.csv, line 2 (webhook) fails: answered 500, since 2026-11-22 12:00 UTC")]
