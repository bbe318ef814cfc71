"""A report goes out once to each recipient, and only when its figures stand. What is in it: test_letters.py."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from crm_platform.errors import Busy, GiveUp
from crm_platform.reports import holding, sending
from crm_platform.reports.making import Report, ReportFile, Said
from crm_platform.reports.sending import standing
from crm_platform.warehouse import leases_of
from crm_platform_tests.alerts.conftest import PATH
from crm_platform_tests.serving.published import NOW

MAIL = "mailto:lead@example.com,week,en,support,pdf xlsx"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Reports that are made at once; what is in them is not looked at here."""

    def made(published, span, *, language, why, **_) -> Report:
        said = (Said("support", "Support health", "All is well.", "/support"),)
        files = (ReportFile("report.xlsx", "application/octet-stream", b"PK"),)
        about = {"as_of": NOW, "coverage": 0.99, "snapshot": published.opened.snapshot.id, "is_sandbox": True}
        return Report(span, language, span.title(language), said, ("As of now",), why, **about, files=files)

    monkeypatch.setattr(sending, "make", made)


def states(found) -> list[tuple[str, str]]:
    return [(one.span.name, one.state) for one in found]


def test_a_double_run_sends_once(platform):
    platform.to(MAIL)
    assert states(platform.send()) == [("2026-W46", "sent")]
    assert platform.send() == []
    assert platform.box.subjects == ["Weekly report: 9 Nov 2026 to 15 Nov 2026"]
    assert platform.box.readers == ["lead@example.com"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coverage", "why"),
    [
        (0.9, "not known yet: 9 Nov 2026 (90.0\xa0% of messages seen)"),
        (None, "not known yet: 9 Nov 2026 (share of messages seen not known)"),
    ],
)
def test_a_provisional_week_is_held_until_it_is_known(make_platform, caplog, coverage, why):
    platform = make_platform()
    platform.publish(coverage=coverage)
    platform.to(MAIL)
    caplog.set_level(logging.INFO)
    (held,) = platform.send()
    assert held.state == "held"
    assert held.why.startswith(why)
    assert held.why.endswith("; 4 days more")
    assert "the report 2026-W46 to reports.csv, line 2 (e-mail) is held: not known yet" in caplog.text
    assert platform.box.received == []
    platform.publish()
    assert states(platform.send()) == [("2026-W46", "sent")]


def test_a_week_whose_first_waits_are_open_is_held(platform, monkeypatch):
    """As the verdicts hold it: of those who wait longest the slow replies are still to come."""
    platform.to(MAIL)
    known = holding.known_days

    def with_two_open(*asked):
        late = dt.date(2026, 11, 12)
        return [replace(day, open_first_waits=2) if day.day == late else day for day in known(*asked)]

    monkeypatch.setattr(holding, "known_days", with_two_open)
    (held,) = standing(platform.settings, now=NOW)
    assert held.why == "not known yet: 12 Nov 2026 (2 of 10 conversations still wait for their first reply)"


def test_a_month_that_is_not_in_the_figures_and_a_week_that_is_not_over_are_held(platform):
    platform.to("mailto:lead@example.com,month", "mailto:lead@example.com,week")
    monday = NOW.replace(day=23)
    month, week = standing(platform.settings, now=monday)
    assert (month.span.name, month.state) == ("2026-10", "held")
    assert "1 Oct 2026 (share of messages seen not known)" in month.why
    assert (week.span.name, week.state) == ("2026-W47", "held")
    assert week.why == "22 Nov 2026 is not over in the published figures, which are as of 22 Nov 2026, 11:00 EAT"


def test_nothing_published_holds_everything(make_platform):
    platform = make_platform()
    platform.to(MAIL)
    assert [one.why for one in platform.send()] == ["nothing is published yet"]


def test_a_recipient_that_fails_stops_no_other_and_is_tried_again(platform, caplog):
    platform.to("mailto:gone@example.com,week,,support,xlsx", MAIL)
    platform.box.refused_readers = ("gone@example.com",)
    found = platform.send()
    assert states(found) == [("2026-W46", "failed"), ("2026-W46", "sent")]
    assert found[0].why == "the mail server refused every reader"
    assert "gone@example.com" not in caplog.text
    platform.box.refused_readers = ()
    assert states(platform.send()) == [("2026-W46", "sent")]
    assert platform.box.readers == ["lead@example.com", "gone@example.com"]


def test_mail_without_a_server_fails_with_what_to_set(platform):
    platform.to(MAIL)
    platform.settings = platform.settings.model_copy(update={"smtp_url": None})
    assert [one.why for one in platform.send()] == ["no mail server is set; set CRM_SMTP_URL and CRM_ALERT_EMAIL_TO"]


def test_a_process_that_dies_before_it_can_note_sends_twice_and_not_three_times(platform, monkeypatch):
    platform.to(MAIL)
    written = sending.write_memory
    calls = []

    def dies(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise GiveUp("the disk is full")
        written(*arguments)

    monkeypatch.setattr(sending, "write_memory", dies)
    with pytest.raises(GiveUp):
        platform.send()
    assert states(platform.send()) == [("2026-W46", "sent")]
    assert platform.send() == []
    assert len(platform.box.received) == 2


def test_one_process_at_a_time_sends(platform):
    platform.to(MAIL)
    with leases_of(platform.settings).take("report", purpose="sending reports"), pytest.raises(Busy):
        platform.send()
    assert platform.box.received == []


@pytest.mark.slow
def test_who_is_held_back_waits_for_four_weeks_and_gets_them_in_order(make_platform):
    platform = make_platform()
    platform.publish(coverage=0.9)
    platform.to(MAIL)
    platform.send()
    later = NOW.replace(month=12, day=22)
    names = [one.span.name for one in standing(platform.settings, now=later)]
    assert names == ["2026-W48", "2026-W49", "2026-W50", "2026-W51"]
    assert [one.span.name for one in standing(platform.settings, now=NOW.replace(day=24))] == ["2026-W46", "2026-W47"]


def test_a_clock_that_ran_ahead_keeps_nobody_waiting(platform):
    platform.to(MAIL)
    sending.send_due(platform.settings, now=NOW.replace(year=2036))
    assert states(platform.send()) == [("2026-W46", "sent")]


def test_a_memory_that_cannot_be_read_is_forgotten(platform, caplog):
    platform.to(MAIL)
    platform.send()
    (platform.settings.root / "reports.json").write_text("{", encoding="utf-8")
    assert states(platform.send()) == [("2026-W46", "sent")]
    assert "what reports were sent is forgotten" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("status", "why"), [(500, "answered 500"), (0, "cannot be reached")])
def test_a_webhook_that_fails_is_tried_again(platform, receiver, status, why):
    platform.to(f"{receiver.url},week,,support,xlsx")
    receiver.status = status
    (failed,) = platform.send()
    assert failed.state == "failed"
    assert failed.why.startswith(why)
    assert PATH not in failed.why
    receiver.status = 200
    assert states(platform.send()) == [("2026-W46", "sent")]


def test_secrets_of_the_mail_server_are_logged_nowhere(platform, caplog):
    platform.to(MAIL)
    url = SecretStr("smtp://robot:SECRETSECRET@127.0.0.1:1")
    platform.settings = platform.settings.model_copy(update={"smtp_url": url})
    (failed,) = platform.send()
    assert failed.state == "failed"
    assert "SECRET" not in caplog.text + failed.why
    assert httpx.URL(url.get_secret_value()).password == "SECRETSECRET"
