"""What `crm doctor` says of Redis."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import SecretStr

from crm_platform.doctor import examine
from crm_platform.doctor.redis_server import redis
from crm_platform.settings import load_settings
from crm_platform_tests.redis_process import running

NOW = dt.datetime(2026, 11, 22, 8, 5, tzinfo=dt.UTC)


def told(settings):
    return [(finding.about, finding.state, finding.words) for finding in redis(settings, NOW)]


def test_without_one_nothing_is_said(tmp_path):
    assert told(load_settings(data_dir=tmp_path)) == []


@pytest.mark.services
@pytest.mark.parametrize(
    ("options", "states", "words"),
    [
        ((), ["ok", "ok"], "noeviction"),
        (("--maxmemory-policy", "allkeys-lru"), ["ok", "note"], "allkeys-lru"),
        (("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"), ["ok", "BAD"], "set noeviction"),
    ],
)
def test_it_answers_and_keeps_what_it_is_given(tmp_path, options, states, words):
    with running(tmp_path / "redis", *options) as process:
        found = told(load_settings(data_dir=tmp_path, redis_url=process.url))
        assert [state for _, state, _ in found] == states
        assert f"127.0.0.1:{process.port} answers: version " in found[0][2]
        assert words in found[1][2]


@pytest.mark.services
def test_a_server_that_is_away_refuses_or_is_a_replica(tmp_path):
    with running(tmp_path / "redis", password="secret-of-redis") as process:
        settings = load_settings(data_dir=tmp_path, redis_url=process.url)

        def of_redis(settings):
            found = [finding for finding in examine(settings, now=NOW) if finding.about.startswith("Redis")]
            return [(finding.state, finding.words) for finding in found]

        ((state, words),) = of_redis(settings)
        assert state == "BAD"
        assert "CRM_REDIS_PASSWORD" in words
        known = settings.model_copy(update={"redis_password": SecretStr("secret-of-redis")})
        assert [state for state, _ in of_redis(known)] == ["ok", "ok"]
        process.kill()
        ((state, words),) = of_redis(known)
        assert state == "BAD"
        assert "does not answer" in words
        assert "secret-of-redis" not in words
    with running(tmp_path / "replica", "--replicaof", "127.0.0.1", "1") as process:
        assert told(load_settings(data_dir=tmp_path, redis_url=process.url))[0][1] == "BAD"
