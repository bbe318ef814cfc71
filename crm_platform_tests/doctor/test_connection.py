"""Field cases 22 and 24: what stands between us and the CRM has a name each, and nothing unverified is called ok."""

from __future__ import annotations

import datetime as dt
import email.utils
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from crm_platform.doctor import Finding, connection
from crm_platform.doctor.connection import crm
from crm_platform.settings import Settings
from crm_platform_tests.doctor.servers import (
    CONTACTS,
    ELSEWHERE,
    EXPIRED,
    SELF_SIGNED,
    WELL,
    answer,
    serving,
    tarpit,
)

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def asked(tmp_path):
    """Examine the CRM at an address; findings by what they are about."""

    def examined(url: str, *, timeout: float = 5.0, **settings: object) -> dict[str, Finding]:
        made = Settings(data_dir=tmp_path, base_url=url, api_key=SecretStr("key"), **settings)
        return {finding.about: finding for finding in crm(made, NOW, timeout=timeout)}

    return examined


def states(found: dict[str, Finding]) -> tuple[str, str]:
    return found["CRM"].state, found["key"].state


def test_a_crm_that_answers_is_well(asked):
    with serving(WELL) as url:
        found = asked(url)
    assert states(found) == ("ok", "ok")
    assert found["key"].words == "accepted"
    assert found["requests"] == Finding("requests", "ok", "no limit")


ANSWERS = [
    pytest.param(
        answer("200 OK", b"<!doctype html><title>Log in</title>", form="text/html"),
        ("BAD", "note"),
        "HTML page (HTTP 200)",
        id="html",
    ),
    pytest.param(
        answer("200 OK", b"\n <html>", form="application/json"), ("BAD", "note"), "HTML page", id="html as json"
    ),
    pytest.param(
        answer("502 Bad Gateway", b"<h1>", form="text/html"), ("BAD", "note"), "HTML page (HTTP 502)", id="a gateway's"
    ),
    pytest.param(
        answer("301 Moved", b"<html>", "Location: https://new.example.com/crm?token=x", form="text/html"),
        ("BAD", "note"),
        "redirected to https://new.example.com",
        id="redirect",
    ),
    pytest.param(
        answer("403 Forbidden", b"<html>", form="text/html"), ("BAD", "note"), "HTML page (HTTP 403)", id="a firewall's"
    ),
    pytest.param(answer("404 Not Found", b"{}"), ("BAD", "note"), "no such API (404)", id="another place"),
    pytest.param(answer("500 Oh", b'{"success": false}'), ("BAD", "note"), "HTTP 500", id="broken"),
    pytest.param(
        answer("200 OK", b'{"success": false, "message": "Maintenance"}'),
        ("BAD", "note"),
        "Maintenance",
        id="no success",
    ),
    pytest.param(answer("200 OK", CONTACTS[:40]), ("BAD", "note"), "not as the API does", id="torn"),
    pytest.param(
        answer("200 OK", CONTACTS.replace(b"chat_id", b"id")), ("BAD", "note"), "contacts cannot be read", id="shape"
    ),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", ("BAD", "note"), "does not answer in HTTP", id="no http"),
    pytest.param(b"", ("BAD", "note"), "does this port speak https?", id="hangs up"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("said", "verdicts", "words"), ANSWERS)
def test_what_is_no_answer_of_the_api_is_named(asked, said, verdicts, words):
    with serving(said) as url:
        found = asked(url)
    assert states(found) == verdicts
    assert words in found["CRM"].words
    assert "token" not in found["CRM"].words


@pytest.mark.parametrize(
    ("status", "words"),
    [("401 Unauthorized", "refuses it (401)"), ("403 Forbidden", "no right to list contacts (403)")],
)
def test_a_wrong_key_and_a_missing_right_are_two_things(asked, status, words):
    with serving(answer(status, b'{"success": false}')) as url:
        found = asked(url)
    assert states(found) == ("ok", "BAD")
    assert words in found["key"].words


CERTIFICATES = [
    pytest.param(SELF_SIGNED, None, "is self-signed", id="self-signed"),
    pytest.param(EXPIRED, EXPIRED, "has expired", id="expired"),
    pytest.param(ELSEWHERE, ELSEWHERE, "is made out to another host", id="wrong host"),
]


@pytest.mark.parametrize(("certificate", "trusted", "words"), CERTIFICATES)
def test_a_bad_certificate_says_what_is_wrong_with_it(asked, monkeypatch, certificate: Path, trusted, words):
    if trusted is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(WELL, certificate=certificate) as url:
        found = asked(url)
    assert states(found) == ("BAD", "note")
    assert f"its certificate {words}" in found["CRM"].words


def test_a_certificate_of_an_authority_that_is_named_is_well(asked, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(SELF_SIGNED))
    with serving(WELL, certificate=SELF_SIGNED) as url:
        assert states(asked(url)) == ("ok", "ok")


@pytest.mark.parametrize("said", [answer("400 Bad Request", b"what?"), b""])
def test_plain_http_behind_https_is_told(asked, said):
    with serving(said) as url:
        found = asked(url.replace("http:", "https:"))
    assert states(found) == ("BAD", "note")
    assert "does not speak TLS" in found["CRM"].words


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_hangs_is_left_in_time(asked, scheme):
    began = time.monotonic()
    with tarpit() as url:
        found = asked(url.replace("http", scheme), timeout=0.2)
    assert time.monotonic() - began < 3
    assert states(found) == ("BAD", "note")
    assert "hangs" in found["CRM"].words


def test_nobody_is_there(asked):
    found = asked("http://127.0.0.1:9")
    assert states(found) == ("BAD", "note")
    assert "Connection refused; check CRM_BASE_URL" in found["CRM"].words


# Proxies: 192.0.2.1 is nobody's (RFC 5737), so that what answers is the proxy.


def test_a_proxy_that_refuses_is_named_without_its_password(asked, monkeypatch):
    with serving(answer("403 Forbidden", b"no")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.replace("http://", "http://me:secret@"))
        found = asked("https://192.0.2.1")
    assert states(found) == ("BAD", "note")
    assert "the proxy of HTTPS_PROXY (127.0.0.1:" in found["CRM"].words
    assert "refuses the way: 403" in found["CRM"].words
    assert "secret" not in found["CRM"].words


def test_a_proxy_that_nobody_runs_is_named(asked, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    found = asked("https://192.0.2.1")
    assert "the proxy of ALL_PROXY (127.0.0.1:9) Connection refused; check that variable" in found["CRM"].words


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:notaport", "names a proxy that cannot be used"),
        ("HTTP_PROXY", "http://", "names a proxy that cannot be used"),
        ("ALL_PROXY", "gopher://127.0.0.1:1", "names a proxy that cannot be used"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "names a SOCKS proxy"),
    ],
)
def test_a_proxy_that_is_misspelt_names_its_variable(asked, monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    found = asked("http://192.0.2.1", allow_plain_http="yes")
    assert states(found) == ("BAD", "note")
    assert f"{variable} {words}" in found["CRM"].words


def test_this_machine_is_asked_without_a_proxy(asked, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(WELL) as url:
        assert states(asked(url)) == ("ok", "ok")


# Quotas.


def test_a_pause_that_the_crm_asks_for_says_until_when(asked):
    """Field case 24: `Retry-After: 30000` closes the way for more than eight hours, for every command."""
    with serving(answer("429 Too Many Requests", b"{}", "Retry-After: 30000")) as url:
        first = asked(url)
        again = asked(url)
    assert states(first) == ("ok", "note")
    assert first["requests"].state == "BAD"
    assert first["requests"].words == (
        "closed until 2026-11-22 23:20:00 EAT (8 h 20 min): the CRM asks for a pause (429)"
    )
    assert again["CRM"].state == "note", "nobody was asked, so nobody is well"
    assert again["requests"].state == "BAD"
    assert "closed until 2026-11-22 23:" in again["requests"].words
    assert "asked for a pause" in again["requests"].words


def test_a_pause_without_an_end_is_told(asked):
    with serving(answer("429 Too Many Requests", b"{}")) as url:
        found = asked(url)
    assert states(found) == ("ok", "note")
    assert found["requests"] == Finding("requests", "note", "the CRM asks for a pause (429)")


def test_a_quota_that_is_spent_is_no_trouble(asked):
    with serving(WELL) as url:
        assert asked(url, requests_per_day=1)["requests"].words == "0 left this day"
        found = asked(url, requests_per_day=1)
    assert found["CRM"].state == found["key"].state == found["requests"].state == "note"
    assert "closed until" in found["requests"].words
    assert "the day's requests are used up" in found["requests"].words


def test_a_server_whose_clock_is_off_is_told(asked):
    date = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=3), usegmt=True)
    with serving(answer("200 OK", CONTACTS, f"Date: {date}")) as url:
        found = asked(url)
    assert found["CRM's clock"].state == "note"
    assert "ahead of this machine's" in found["CRM's clock"].words
    assert states(found) == ("ok", "ok")


def test_one_look_costs_one_request(asked, tmp_path):
    with serving(answer("500 Oh", b"{}")) as url:
        found = asked(url, requests_per_minute=10)
    assert found["requests"].words == "9 left this minute"
    assert connection._PATIENCE <= 5


def test_a_ledger_that_cannot_be_used_is_named_and_nobody_is_asked(asked, tmp_path):
    """Field case 73: without the ledger no request may be sent, so nothing is known of the CRM."""
    (tmp_path / "gate.sqlite").mkdir()
    with serving(WELL) as url:
        found = asked(url, requests_per_minute=10)
    assert states(found) == ("note", "note")
    assert found["requests"].state == "BAD"
    assert "gate.sqlite cannot be used" in found["requests"].words


def test_a_damaged_ledger_is_made_anew_and_closed_until_it_can_be_right(asked, tmp_path):
    (tmp_path / "gate.sqlite").write_bytes(b"no ledger" * 1000)
    with serving(WELL) as url:
        found = asked(url, requests_per_minute=10)
    assert states(found) == ("note", "note")
    assert found["requests"].state == "BAD"
    assert found["requests"].words.startswith("closed until")
