"""Alerts by e-mail, against a real mail server on loopback."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_platform.alerts import Alert, Alerter, Notification
from crm_platform.alerts.channels import channels
from crm_platform.errors import FixConfiguration
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.alerts.conftest import FAILED
from crm_platform_tests.alerts.mailbox import CERTIFICATE, Mailbox, running_mailbox

READER = "team@example.com"
PASSWORD = "p@ss/w:rd"
LOGIN = "robot:p%40ss%2Fw%3Ard@"

ENCRYPTED = pytest.mark.parametrize(
    ("tls", "url"), [("starttls", "smtp://{}localhost:{}?starttls"), ("at once", "smtps://{}localhost:{}")]
)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with running_mailbox() as box:
        yield box


def mailing(folder: Path, url: str, **more: object) -> Settings:
    return Settings(**{"data_dir": folder, "smtp_url": url, "alert_email_to": (READER,), **more})


def plain(folder: Path, box: Mailbox, **more: object) -> Settings:
    return mailing(folder, f"smtp://127.0.0.1:{box.port}", **more)


def test_a_problem_and_its_end_arrive_once_each(tmp_path, box, clock):
    settings = plain(tmp_path, box, alert_email_from="crm@example.com", alert_email_to=(READER, "lead@example.com"))
    alerter = Alerter(settings, now=clock)
    assert alerter.report(FAILED)
    assert not alerter.report(FAILED)
    clock.pass_time(hours=2)
    assert alerter.resolve(FAILED.key, text="Run 12 succeeded.")
    assert box.subjects == ["🔴 refresh_all failed", "🟢 over: refresh_all failed"]
    assert box.readers == [READER, "lead@example.com"] * 2
    first, last = box.received
    assert first["From"] == "crm@example.com"
    assert first["To"] == f"{READER}, lead@example.com"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] != last["Message-ID"]
    assert first.get_content() == (
        "step raw__messages: the CRM answered 500\n\nsince 2026-11-22 08:00 UTC · sandbox data\n"
    )
    assert "lasted from 2026-11-22 08:00 to 2026-11-22 10:00 UTC" in last.get_content()


def test_without_a_sender_the_first_reader_is_it(tmp_path, box, clock):
    Alerter(plain(tmp_path, box), now=clock).report(FAILED)
    assert box.received[0]["From"] == READER


@ENCRYPTED
def test_login_and_message_are_encrypted(tmp_path, clock, monkeypatch, tls, url):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with running_mailbox(tls) as box:
        box.login = ("robot", PASSWORD)
        assert Alerter(mailing(tmp_path, url.format(LOGIN, box.port)), now=clock).report(FAILED)
        assert box.was_encrypted


@ENCRYPTED
def test_a_server_that_cannot_prove_its_name_gets_no_password(tmp_path, clock, tls, url, caplog):
    with running_mailbox(tls) as box:
        box.login = ("robot", PASSWORD)
        assert not Alerter(mailing(tmp_path, url.format(LOGIN, box.port)), now=clock).report(FAILED)
        assert not box.received
    assert "SSLCertVerificationError" in caplog.text


def test_a_server_that_offers_no_encryption_gets_no_password(tmp_path, box, clock):
    box.login = ("robot", PASSWORD)
    assert not Alerter(mailing(tmp_path, f"smtp://{LOGIN}localhost:{box.port}?starttls"), now=clock).report(FAILED)
    assert not box.received


@pytest.mark.parametrize(
    ("refuses", "reason"),
    [
        ({"MAIL": 451}, "the mail server answered 451"),
        ({"RCPT": 550}, "the mail server refused every reader"),
        ({"DATA": 554}, "the mail server answered 554"),
        ({"EHLO": 500, "HELO": 421}, "the mail server answered 421"),
    ],
)
def test_a_refusal_is_said_in_safe_words_and_tried_again(tmp_path, box, clock, caplog, *, refuses, reason):
    alerter = Alerter(plain(tmp_path, box), now=clock)
    box.refuses = refuses
    assert not alerter.report(FAILED)
    assert alerter.failing_channels() == {"log": None, "e-mail": f"{reason}, since 2026-11-22 08:00 UTC"}
    assert READER not in caplog.text
    box.refuses = {}
    alerter.catch_up()
    assert not box.received, "not at once"
    clock.pass_time(minutes=5)
    alerter.catch_up()
    alerter.catch_up()
    assert box.subjects == ["🔴 refresh_all failed"]
    assert alerter.failing_channels() == {"log": None, "e-mail": None}


def test_a_wrong_password_is_named_and_not_shown(tmp_path, box, clock, caplog):
    box.login = ("robot", "another")
    with caplog.at_level(logging.DEBUG):
        assert not Alerter(mailing(tmp_path, f"smtp://{LOGIN}127.0.0.1:{box.port}"), now=clock).report(FAILED)
    kept = caplog.text + (tmp_path / "alerts.json").read_text()
    assert "the mail server refused the login" in kept
    for hidden in (PASSWORD, "p%40ss", "robot", READER):
        assert hidden not in kept


def test_a_server_that_hangs_up_or_is_not_there_fails_nobody(tmp_path, box, clock, caplog):
    alerter = Alerter(plain(tmp_path, box), now=clock)
    box.hangs_up_on = "DATA"
    assert not alerter.report(FAILED)
    assert "SMTPServerDisconnected" in caplog.text
    assert not Alerter(mailing(tmp_path / "other", "smtp://127.0.0.1:1"), now=clock).report(FAILED)
    assert "ConnectionRefusedError" in caplog.text


def test_a_goodbye_that_fails_does_not_send_it_again(tmp_path, box, clock):
    box.hangs_up_on = "QUIT"
    alerter = Alerter(plain(tmp_path, box), now=clock)
    assert alerter.report(FAILED)
    clock.pass_time(minutes=10)
    alerter.catch_up()
    assert len(box.received) == 1


def test_one_reader_that_is_refused_keeps_it_from_no_other(tmp_path, box, clock, caplog):
    box.refused_readers = ("gone@example.com",)
    settings = plain(tmp_path, box, alert_email_to=("gone@example.com", READER))
    assert Alerter(settings, now=clock).report(FAILED)
    assert box.readers == [READER]
    assert "refused 1 of 2 readers" in caplog.text
    assert "gone@example.com" not in caplog.text


def test_a_server_that_says_nothing_is_left_after_the_time_set(tmp_path, clock, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = mailing(tmp_path, f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        assert not Alerter(settings, now=clock, timeout=0.05).report(FAILED)
    assert "the mail server cannot be reached" in caplog.text


def test_a_channel_that_fails_stops_no_other(tmp_path, box, receiver, clock):
    alerter = Alerter(plain(tmp_path, box, alert_webhook_url=receiver.url), now=clock)
    receiver.status = 500
    assert not alerter.report(FAILED)
    alerter.report(Alert("job:ingest", "ingest failed"))
    assert len(box.received) == 2
    assert len(receiver.received) == 1, "a channel that failed rests: the second problem does not wait for it again"
    receiver.status = 200
    clock.pass_time(minutes=5)
    alerter.catch_up()
    assert len(box.received) == 2, "and what arrived is not sent again"
    assert receiver.titles[1:] == ["🔴 refresh_all failed", "🔴 ingest failed"]


def test_a_problem_that_comes_back_is_new_only_to_who_heard_of_its_end(tmp_path, box, receiver, clock):
    alerter = Alerter(plain(tmp_path, box, alert_webhook_url=receiver.url), now=clock)
    alerter.report(FAILED)
    receiver.status = 500
    clock.pass_time(hours=1)
    alerter.resolve(FAILED.key)
    assert alerter.open_problems() == {}
    receiver.status = 200
    clock.pass_time(hours=1)
    assert alerter.report(FAILED)
    assert box.subjects == ["🔴 refresh_all failed", "🟢 over: refresh_all failed", "🔴 refresh_all failed"]
    assert receiver.titles == ["🔴 refresh_all failed", "🟢 over: refresh_all failed"], "the second one was refused"
    clock.pass_time(hours=1)
    assert alerter.resolve(FAILED.key)
    assert len(box.received) == 4
    assert receiver.titles[2:] == ["🟢 over: refresh_all failed"]


def test_a_channel_taken_out_of_the_settings_keeps_no_problem(tmp_path, box, receiver, clock):
    Alerter(plain(tmp_path, box, alert_webhook_url=receiver.url), now=clock).report(FAILED)
    alerter = Alerter(Settings(data_dir=tmp_path), now=clock)
    assert alerter.resolve(FAILED.key)
    assert json.loads((tmp_path / "alerts.json").read_text())["problems"] == {}


def test_a_message_with_a_turn_is_sent_once_a_turn_on_each_channel(tmp_path, box, receiver, clock):
    settings = plain(tmp_path, box, alert_webhook_url=receiver.url)
    receiver.status = 503
    assert not Alerter(settings, now=clock).say_once("digest", "2026-11-22", Notification("Digest", "All is well."))
    receiver.status = 200
    clock.pass_time(minutes=5)
    assert Alerter(settings, now=clock).say_once("digest", "2026-11-22", Notification("Digest", "All is well."))
    assert Alerter(settings, now=clock).say_once("digest", "2026-11-22", Notification("Digest", "All is well."))
    assert box.subjects == ["Digest"]
    assert receiver.titles == ["Digest", "Digest"], "refused, then taken"
    assert Alerter(settings, now=clock).owes("digest", "2026-11-23")


def test_a_mail_holds_no_secret_and_no_person(tmp_path, box, clock):
    settings = mailing(tmp_path, f"smtp://{LOGIN}127.0.0.1:{box.port}")
    box.login = ("robot", PASSWORD)
    alerter = Alerter(settings, now=clock)
    alerter.report(Alert("x", f"no answer from {settings.smtp_url.get_secret_value()}", f"{PASSWORD} +254712345678"))
    assert box.subjects == ["🔴 no answer from [secret]"]
    assert box.received[0].get_content().startswith("[secret] [number]")


def test_a_title_with_a_line_break_adds_no_header(tmp_path, box, clock):
    Alerter(plain(tmp_path, box), now=clock).report(Alert("x", "failed\r\nBcc: all@example.com"))
    assert box.received[0]["Bcc"] is None


# The settings.


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"smtp_url": "smtp://mail.example.com"}, "both CRM_SMTP_URL"),
        ({"alert_email_to": READER}, "both CRM_SMTP_URL"),
        ({"smtp_url": "https://mail.example.com"}, "CRM_SMTP_URL: write smtp://"),
        ({"smtp_url": "smtp://"}, "CRM_SMTP_URL: write smtp://"),
        ({"smtp_url": "smtp://host?tls"}, "CRM_SMTP_URL: write smtp://"),
        ({"smtp_url": "smtp://host:99999"}, "no number from 0 to 65535"),
        ({"smtp_url": "smtp://robot:secret@mail.example.com"}, "would cross the network in clear"),
        ({"alert_email_to": "Team <team@example.com>"}, "write plain addresses"),
        ({"alert_email_from": "crm@example.com\r\nBcc: x@example.com"}, "write plain addresses"),
        ({"digest_hour": "24"}, "CRM_DIGEST_HOUR"),
        ({"first_response_target_share": "80"}, "CRM_FIRST_RESPONSE_TARGET_SHARE"),
        ({"serve_url": "dashboards.example.com"}, "CRM_SERVE_URL: write an address"),
    ],
)
def test_a_setting_that_cannot_work_is_named_without_its_secret(variables, words):
    with pytest.raises(FixConfiguration) as refused:
        load_settings(**variables)
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_mail_server_may_come_from_a_file_and_is_never_shown(tmp_path, monkeypatch):
    (tmp_path / "smtp").write_text(f"smtps://{LOGIN}mail.example.com\n")
    monkeypatch.setenv("CRM_SMTP_URL_FILE", str(tmp_path / "smtp"))
    monkeypatch.setenv("CRM_ALERT_EMAIL_TO", f"{READER}, lead@example.com")
    settings = load_settings()
    assert settings.alert_email_to == (READER, "lead@example.com")
    assert [one.name for one in channels(settings)] == ["log", "e-mail"]
    assert "p%40ss" not in repr(settings)
