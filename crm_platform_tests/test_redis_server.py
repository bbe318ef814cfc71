"""The connection to Redis, as far as it needs no server: its settings, and that its password is never shown."""

from __future__ import annotations

import sys

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.ingest.connect import open_gate
from crm_platform.redis_server import RedisServer
from crm_platform.settings import load_settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host:6379/0",
        "rediss://host:6380/12",
        "redis://:word@[::1]:6379/0",
        "redis://me:word@host",
    ],
)
def test_an_address_is_read(url):
    assert load_settings(redis_url=url).redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"redis_url": "http://host"}, "CRM_REDIS_URL: write redis://host:6379/0, or rediss://"),
        ({"redis_url": "redis://"}, "write redis://host:6379/0"),
        ({"redis_url": "redis://host/zero"}, "write redis://host:6379/0"),
        ({"redis_url": "redis://host/0?password=hidden-word"}, "write redis://host:6379/0"),
        ({"redis_url": "redis://host:0"}, "port 0"),
        ({"redis_password": "hidden-word"}, "CRM_REDIS_PASSWORD is set but CRM_REDIS_URL is not"),
        ({"redis_url": "redis://:one-word@host", "redis_password": "hidden-word"}, "keep one of them"),
        ({"redis_password_file": "/nowhere/at/all"}, "CRM_REDIS_PASSWORD_FILE"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(variables, words):
    with pytest.raises(FixConfiguration) as refused:
        load_settings(**variables)
    assert words in str(refused.value)
    assert "-word" not in str(refused.value)


def test_a_password_may_come_from_a_file_and_is_in_no_repr(tmp_path):
    (tmp_path / "secret").write_text("hidden-word\n")
    settings = load_settings(redis_url="redis://host", redis_password_file=tmp_path / "secret")
    assert settings.redis_password.get_secret_value() == "hidden-word"
    assert "hidden-word" not in repr(settings) + repr(load_settings(redis_url="redis://:hidden-word@host"))


def test_without_the_client_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    settings = load_settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1")
    with pytest.raises(FixConfiguration, match="make setup-scale"):
        RedisServer(settings, patience=1)
    with pytest.raises(FixConfiguration, match="make setup-scale"):
        open_gate(settings)
