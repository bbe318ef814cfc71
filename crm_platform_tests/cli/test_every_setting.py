"""No variable ends in a traceback: it is read rightly, or refused in one line that names it. Field cases 25, 74, 77."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.alerts.channels import channels
from crm_platform.errors import FixConfiguration
from crm_platform.settings import Settings, load_settings, parse_business_hours
from crm_platform.warehouse import live_store
from crm_platform_tests.cli.conftest import run
from crm_platform_tests.cli.test_every_word import HOSTILE

ODD = [
    *(value for value in HOSTILE if "\x00" not in value),  # no system hands one over
    "none",
    "localtime",
    "posixrules",
    "Foo/Bar",
    "../../etc/passwd",
    "Mon-",
    "Mon-Fri 08:00-17:00-19:00",
    ",",
    "0000-01-01",
    "20261225",
    "https://[",
    "http://crm.example.com",
    "ftp://crm.example.com",
    "file:///etc/passwd",
    "https://crm.example.com:99999",
    "~nobody-of-this-name/x",
    "x," * 500_000,
    "\u2028",
]
# A variable that needs another beside it to be looked at.
BESIDE = {"base_url": {"api_key": "k"}, "smtp_url": {"alert_email_to": "a@example.com"}}


def use(settings: Settings) -> None:
    """All that is derived from the settings, and the objects that are made from them."""
    for name, value in vars(Settings).items():
        if isinstance(value, property):
            getattr(settings, name)
    channels(settings)


def told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Why variables are refused; None: they are read, and can be used."""
    for name, value in variables.items():
        monkeypatch.setenv(f"CRM_{name.upper()}", value)
    try:
        use(load_settings())
    except FixConfiguration as refused:
        return str(refused)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_no_value_of_a_variable_ends_in_a_traceback(name, clean, monkeypatch):
    for value in ODD:
        words = told({**BESIDE.get(name, {}), name: value}, monkeypatch)
        assert words is None or f"CRM_{name.upper()}" in words, (value[:80], words)
        assert words is None or (len(words.splitlines()) == 1 and len(words) < 400), (value[:80], words)
        if "SECRET" in name.upper() or "KEY" in name.upper():
            assert words is None or name.endswith("_file") or len(value) < 8 or value not in words


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), st.text(max_size=40), max_size=4))
def test_no_text_at_all_ends_in_a_traceback(variables):
    words = ""
    try:
        use(load_settings(**variables))
    except FixConfiguration as refused:
        words = str(refused)
    assert len(words.splitlines()) < 2


@settings(deadline=None)
@given(st.text(alphabet="MonTueSatSun-:,; 0123456789", max_size=40))
def test_business_hours_are_read_or_refused(text):
    try:
        hours = parse_business_hours(text)
    except ValueError:
        return
    assert hours is None or hours, "no hours at all are `none`, in so many letters"
    assert all(0 <= one.start_minute < one.end_minute <= 24 * 60 for one in hours or ())


@pytest.mark.parametrize("command", ["status", "kpi", "crawl --requests 1", "contacts list", "serve --port 0", "demo"])
def test_a_wrong_variable_ends_every_command_with_2(command, clean, monkeypatch):
    """Field case 74: `CRM_TIMEZONE=localtime` and its like."""
    monkeypatch.setenv("CRM_TIMEZONE", "localtime")
    said = run(*command.split())
    assert said.code == 2
    assert said.err == (
        "crm: CRM_TIMEZONE: 'localtime' is not a time zone; write an IANA name such as Africa/Nairobi\n"
    )


ZONES = ["Africa/Nairobi", "UTC", "Etc/GMT-14", "America/Argentina/ComodRivadavia", " Europe/Kyiv "]


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_of_iana_is_read(zone):
    assert load_settings(timezone=zone).zone.key == zone.strip()


def test_a_zone_in_other_letters_is_named_as_it_is_written():
    with pytest.raises(FixConfiguration, match=r"did you mean Africa/Nairobi\?"):
        load_settings(timezone="africa/nairobi")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"conversation_gap_hours": "1e-300"}, "write a number from 0.01 to 8,760"),
        ({"conversation_gap_hours": "1e400"}, "write a number from 0.01 to 8,760"),
        ({"first_response_target_minutes": "nan"}, "write a number from 0.01 to 525,600"),
        ({"first_response_target_share": "80"}, "write a number from 0.01 to 1"),
        ({"requests_per_day": "٣"}, "write a whole number from 1 to 1,000,000,000, or none"),
        ({"requests_per_minute": "-5"}, "or none"),
        ({"digest_hour": "7.5"}, "write a whole number from 0 to 23"),
        ({"holidays": "0000-01-01"}, "write 2026-12-25,2026-12-26"),
        ({"holidays": "20261225"}, "write 2026-12-25,2026-12-26"),
        ({"business_hours": ","}, "names no hours"),
        ({"segment_fields": "x," * 60 + "y" * 300}, "at most 50 names"),
        ({"segment_fields": "x" * 1_000_000}, "longer than 65,536 characters"),
        ({"data_dir": "/dev/null"}, "is a file; name a folder"),
        ({"data_dir": "/dev/null/x"}, "Not a directory"),
        ({"data_dir": "a" * 300}, "too long"),
        ({"data_dir": "~nobody-of-this-name/x"}, "no such path"),
        ({"data_dir": "a\x00b"}, "take it out"),
        ({"api_key": "two\nlines"}, "take it out"),
        ({"pseudonym_key": "two\nlines"}, "take it out"),
        ({"api_key": "k", "api_key_file": "/dev/null"}, "CRM_API_KEY and CRM_API_KEY_FILE are both set"),
        ({"crawl_mode": "hourly"}, "write 'continuous' or 'nightly'"),
        ({"allow_plain_http": "true"}, "write 'yes' or 'no'"),
    ],
)
def test_what_is_out_of_bounds_is_told_with_what_to_write(variables, words):
    """Field case 74."""
    with pytest.raises(FixConfiguration) as refused:
        load_settings(**variables)
    assert words in str(refused.value)
    assert f"CRM_{next(iter(variables)).upper()}" in str(refused.value)


def test_a_working_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir("gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FixConfiguration, match="CRM_DATA_DIR: 'data' cannot be used"):
        load_settings(data_dir="data")


def test_the_word_none_lifts_a_limit_beyond_loopback():
    settings = load_settings(base_url="https://crm.example.com", api_key="k", requests_per_day="None")
    assert settings.day_limit is None
    assert settings.minute_limit == 60


# Files of secrets.


FILES = {
    "plain": b"abc",
    "with a line's end": b"abc\n",
    "from Windows": b"abc\r\n",
    "with a byte order mark": b"\xef\xbb\xbfabc\n",
    "in UTF-16": "abc\r\n".encode("utf-16"),
    "in UTF-16, big end first": b"\xfe\xff" + "abc".encode("utf-16-be"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_key_s_file_is_read_whatever_editor_wrote_it(kind, tmp_path):
    """Field case 25."""
    (tmp_path / "key").write_bytes(FILES[kind])
    assert load_settings(api_key_file=tmp_path / "key").crm_key.get_secret_value() == "abc"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds nothing"),
        (b" \n\n", "holds nothing"),
        (b"\xef\xbb\xbf", "holds nothing"),
        (b"abc\ndef\n", "holds several lines"),
        ("abc".encode("utf-16-le"), "not written in UTF-8"),
        (b"schl\xfcssel", "not written in UTF-8"),
        (b"\xff\xfea", "not written in UTF-8"),
        (b"a" * 70_000, "holds more than 65,536 bytes"),
        (b"two words", "CRM_API_KEY: the key holds spaces"),
    ],
)
def test_a_key_s_file_that_holds_no_key_is_told_in_one_line(content, words, tmp_path):
    """Field case 25."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(FixConfiguration, match=words) as refused:
        load_settings(api_key_file=tmp_path / "key")
    assert "abc" not in str(refused.value)
    assert str(refused.value).startswith("CRM_API_KEY")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", ".", "pipe"])
def test_what_may_have_no_end_is_not_read(path, tmp_path, monkeypatch):
    """Field case 73: `CRM_API_KEY_FILE=/dev/zero` read 22 GB."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(FixConfiguration, match=r"CRM_API_KEY_FILE: .* is no plain file"):
        load_settings(api_key_file=path)


# Addresses.


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (" https://crm.example.com/ ", "https://crm.example.com"),
        ("HTTPS://CRM.Example.COM///", "https://crm.example.com"),
        ("https://crm.example.com:", "https://crm.example.com"),
        ("https://crm.example.com:8443/tenant/", "https://crm.example.com:8443/tenant"),
        ("http://127.0.0.1:8800", "http://127.0.0.1:8800"),
        ("http://localhost:8800/", "http://localhost:8800"),
        ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://crm.bücher.example", "https://crm.xn--bcher-kva.example"),
    ],
)
def test_an_address_that_means_one_thing_is_read_so(written, read):
    """Field case 25."""
    assert load_settings(base_url=written, api_key="k").crm_url == read


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://crm.example.com?x", "leave out what follows ?"),
        ("https://crm.example.com/#f", "leave out what follows #"),
        ("https://crm.example.com/a b", "holds a space"),
        ("https://crm example.com", "write an address like"),
        ("https://crm.example.com/crm", "leave out /crm"),
        ("https://crm.example.com/crm/", "leave out /crm"),
        ("https://crm.example.com/crm/chat", "leave out /crm"),
        ("https://user:word@crm.example.com", "without user or password"),
        ("crm.example.com", "write an address like"),
        ("//crm.example.com", "write an address like"),
        ("https:/crm.example.com", "write an address like"),
        ("ftp://crm.example.com", "write an address like"),
        ("https://[::1", "write an address like"),
        ("https://a..example", "write an address like"),
        (f"https://{'a' * 300}.example", "write an address like"),
        ("https://crm.example.com:0", "port"),
        ("https://crm.example.com:65536", "port"),
        ("https://straße.example", "two ways"),
    ],
)
def test_an_address_that_cannot_be_is_told_in_one_line(url, words):
    """Field case 25."""
    with pytest.raises(FixConfiguration, match=r"^CRM_BASE_URL: [^\n]*$") as refused:
        load_settings(base_url=url, api_key="k")
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["base_url", "alert_webhook_url"])
def test_nothing_crosses_the_network_in_clear_unless_that_is_allowed(name):
    """Field case 77."""
    there = {name: "http://198.51.100.7/x", "api_key": "k"}
    with pytest.raises(FixConfiguration, match=f"CRM_{name.upper()}: .* in clear.*CRM_ALLOW_PLAIN_HTTP=yes"):
        load_settings(**there)
    load_settings(**there, allow_plain_http="yes")
    for host in ("127.0.0.1", "localhost", "[::1]"):
        load_settings(**{name: f"http://{host}:1/x", "api_key": "k"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://hooks.example.com/x", "hooks.example.com/x", "https://", "x"]
)
def test_an_alert_goes_to_a_web_address_only(url):
    """Field case 77: `file:///…` passed, and no alert ever arrived."""
    with pytest.raises(FixConfiguration, match="CRM_ALERT_WEBHOOK_URL: write the webhook's whole address") as refused:
        load_settings(alert_webhook_url=url)
    assert url not in str(refused.value) or url in "https://x"


def test_every_variable_that_may_hold_a_secret_may_come_from_a_file():
    files = {name for name in Settings.model_fields if name.endswith("_file")}
    assert all(name.removesuffix("_file") in Settings.model_fields for name in files)
    for name, other in itertools.product(files, [Path("/nowhere")]):
        with pytest.raises(FixConfiguration, match=f"CRM_{name.upper()}: .* cannot be read: No such file"):
            load_settings(**{name: other})


STORE = "clickhouse://crm@127.0.0.1:8123/crm_acme"


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://127.0.0.1:8123",
        "clickhouse://127.0.0.1:8123/a-b",
        "clickhouse://127.0.0.1/a?b=c",
        "clickhouse:///crm",
        "https://127.0.0.1/crm",
        "duckdb:///crm",
        "clickhouse://user:hunter2hunter2@/crm",
    ],
)
def test_a_warehouse_that_is_no_database_of_clickhouse_s_is_told(url):
    with pytest.raises(FixConfiguration, match="CRM_WAREHOUSE_URL: write clickhouse://user@host:8123/database") as told:
        load_settings(warehouse_url=url)
    assert "hunter2" not in str(told.value)


def test_the_password_of_a_warehouse_is_said_once_and_never_shown():
    inside = "clickhouse://crm:hunter2%2Fhunter2@127.0.0.1:8123/crm_acme"
    for variables in ({"warehouse_url": inside, "warehouse_password": "other"}, {"warehouse_password": "other"}):
        with pytest.raises(FixConfiguration, match="CRM_WAREHOUSE_PASSWORD is set, so CRM_WAREHOUSE_URL must be, too"):
            load_settings(**variables)
    for variables in ({"warehouse_url": inside}, {"warehouse_url": STORE, "warehouse_password": "hunter2/hunter2"}):
        read = load_settings(**variables)
        assert "hunter2" not in repr(read) + read.model_dump_json() + live_store(read).describe()
        assert live_store(read).client.address.password.get_secret_value() == "hunter2/hunter2"
        assert live_store(read).describe() == "ClickHouse at 127.0.0.1:8123, database crm_acme"


def test_a_warehouse_beyond_this_machine_is_asked_over_https():
    with pytest.raises(FixConfiguration, match=r"the password and every message would cross .* write clickhouses://"):
        load_settings(warehouse_url="clickhouse://db.example.com/crm")
    load_settings(warehouse_url="clickhouse://db.example.com/crm", allow_plain_http="yes")
    address = live_store(load_settings(warehouse_url="clickhouses://db.example.com/crm")).client.address
    assert (address.port, address.is_encrypted, address.user) == (8443, True, "default")


def test_without_a_warehouse_s_address_it_is_a_file(tmp_path):
    assert live_store(load_settings(data_dir=tmp_path)).describe() == str(tmp_path / "warehouse.duckdb")


def test_a_package_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(FixConfiguration, match="clickhouse-connect is not installed: make setup-scale"):
        live_store(load_settings(warehouse_url=STORE)).exists()
