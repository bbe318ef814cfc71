"""A check that warns is told once, with table, rule and count, and once more when it passes; a breach with its run."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.alerts import Alert, Alerter
from crm_platform.alerts.checks import breach_lines, tell_checks
from crm_platform.alerts.digest import digest
from crm_platform.errors import Breach
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.models.checks import CheckResult
from crm_platform.models.noted import Note, failing, note_contracts, note_results, noted, notes_path
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.settings import Settings
from crm_platform.warehouse.locks import file_lock
from crm_platform_tests.alerts.conftest import START

QUARTER = dt.timedelta(minutes=15)
CHECKS = {f"{check.table.full_name()}:{check.name}": check for check in RAW_CHECKS}
SHORT = "2 of 9 whole chats hold fewer messages than reported (12 in all)"


def note(settings: Settings, key: str, *, passed: bool, words: str = SHORT, at: dt.datetime = START) -> None:
    note_results(settings, [(CHECKS[key], CheckResult(passed=passed, summary=words))], at=at)


@pytest.fixture
def settings(tmp_path, receiver) -> Settings:
    return Settings(data_dir=tmp_path, alert_webhook_url=receiver.url)


def test_a_warning_is_told_once_with_an_all_clear(settings, receiver, clock):
    alerter = Alerter(settings, now=clock)
    note(settings, "raw.messages:reconciliation", passed=False)
    for _ in range(30):  # the sensor looks every minute, a run asks every quarter of an hour
        clock.pass_time(minutes=1)
        if clock.now - START in {QUARTER, 2 * QUARTER}:
            note(settings, "raw.messages:reconciliation", passed=False, at=clock.now)
        tell_checks(settings, alerter)
    assert receiver.titles == ["🔴 raw.messages: reconciliation warns"]
    assert SHORT in receiver.received[0]["text"]
    assert [one.seen for one in alerter.standing()] == [3], "once each time it was asked"
    note(settings, "raw.messages:reconciliation", passed=True, words="0 of 9 whole chats hold fewer")
    tell_checks(settings, alerter)
    tell_checks(settings, alerter)
    assert receiver.titles[1:] == ["🟢 over: raw.messages: reconciliation warns"]
    assert "0 of 9 whole chats" in receiver.received[1]["text"]


def test_two_checks_of_one_name_are_two_problems(settings, receiver, clock):
    note(settings, "raw.messages:drift", passed=False, words="new in the last 7 days: mood")
    note(settings, "raw.contacts:drift", passed=False, words="new in the last 7 days: colour")
    tell_checks(settings, Alerter(settings, now=clock))
    assert sorted(receiver.titles) == ["🔴 raw.contacts: drift warns", "🔴 raw.messages: drift warns"]


def test_a_check_that_is_asked_no_longer_is_called_over(settings, receiver, clock):
    alerter = Alerter(settings, now=clock)
    alerter.report(Alert("check:raw.messages:gone", "raw.messages: gone warns"))
    alerter.report(Alert("job:ingest", "ingest failed"))
    tell_checks(settings, alerter)
    assert list(alerter.open_problems()) == ["job:ingest"], "what is no check's is left alone"


def test_a_breach_is_told_with_the_run_that_failed_for_it(settings, receiver, clock):
    breaches = [Breach("kpi.backlog_now", "", "open_waits < 0", 1), Breach("kpi.backlog_now", "coverage", "up to 1", 4)]
    note_contracts(settings, [BacklogNow, BacklogDaily], breaches, at=START)
    tell_checks(settings, Alerter(settings, now=clock))
    assert receiver.titles == [], "its run tells"
    assert list(breach_lines(settings, since=START)) == [
        "kpi.backlog_now, contract: open_waits < 0 (1 rows); coverage: up to 1 (4 rows)"
    ]
    assert list(breach_lines(settings, since=START + QUARTER)) == [], "an earlier run's is not this one's"
    note_contracts(settings, [BacklogNow], [], at=START + QUARTER)
    assert failing(settings) == []


def test_the_digest_names_what_fails_and_counts_it_once(settings, clock):
    alerter = Alerter(settings, now=clock)
    note(settings, "raw.messages:reconciliation", passed=False)
    note_contracts(settings, [BacklogNow], [Breach("kpi.backlog_now", "", "open_waits < 0", 1)], at=START)
    tell_checks(settings, alerter)
    assert digest(settings, alerter, now=START).text.splitlines()[1:] == [
        "No open problem.",
        "Checks that fail: 2.",
        "• kpi.backlog_now, contract: open_waits < 0 (1 rows)",
        f"• raw.messages, reconciliation: {SHORT}",
    ]


@pytest.mark.parametrize("content", [b"", b"[{", b'{"table": 1}', b"\xff", b"[" * 100_000])
def test_notes_that_are_damaged_are_made_anew(settings, content):
    notes_path(settings).write_bytes(content)
    assert noted(settings) == []
    note(settings, "raw.messages:drift", passed=True, words="nothing new")
    assert noted(settings) == [
        Note(table="raw.messages", rule="drift", passed=True, is_blocking=False, words="nothing new", at=START)
    ]


def test_notes_that_cannot_be_kept_fail_nothing(settings, monkeypatch, caplog):
    monkeypatch.setattr("crm_platform.models.noted._LOCK_SECONDS", 0.0)
    with file_lock(settings.lock_dir / "checks.lock", exclusive=True, timeout=1):
        note(settings, "raw.messages:drift", passed=True)
    notes_path(settings).mkdir()
    note(settings, "raw.messages:drift", passed=True)
    assert caplog.text.count("cannot be kept") == 2
