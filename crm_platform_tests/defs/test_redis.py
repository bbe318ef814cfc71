"""A whole platform with a Redis beside it: Dagster's refresh passes the gate there, and leaves its answers there."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from crm_platform.cli import crm, platform
from crm_platform.defs.shell import refresh_in_process
from crm_platform.publish import current
from crm_platform.serving.queries import kpi_tables
from crm_platform_tests.defs.conftest import Listener, settings_for
from crm_platform_tests.redis_process import running
from crm_platform_tests.sandbox.running import running_sandbox
from crm_platform_tests.serving.published import client_of

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_a_refresh_and_a_build_leave_their_answers_in_redis(tmp_path, monkeypatch):
    from crm_platform.redis_server import RedisServer

    with running(tmp_path / "redis") as process, running_sandbox(contacts=12, days=30) as crm_api:
        settings = settings_for(
            tmp_path / "data", base_url=crm_api.url, api_key=SecretStr(crm_api.key), redis_url=process.url
        )
        server = RedisServer(settings, patience=5)
        refresh_in_process(settings, reporter=Listener(), full_refresh=False, as_of=None, verbose=False)
        with server.asking() as client:
            assert int(client.hget(server.key("gate"), "slot")) > 12, "every request took a slot there"
            first = client.get(server.key("answers"))
            assert client.hlen(first) >= len(kpi_tables()), "the list, and each table"
        monkeypatch.setattr(platform, "current_settings", lambda: settings)
        built = CliRunner().invoke(crm, ["build", "--full"])
        assert built.exit_code == 0, built.output
        with server.asking() as client:
            second = client.get(server.key("answers"))
            assert second != first
        known = {"base_url": settings.base_url, "api_key": settings.api_key}
        plain, hot = client_of(settings.root, **known), client_of(settings.root, redis_url=process.url, **known)
        for name in kpi_tables():
            before, after = plain.get(f"/api/v1/kpis/{name}"), hot.get(f"/api/v1/kpis/{name}")
            assert before.status_code == 200
            assert before.content == after.content
            assert before.json()["snapshot"] == current(settings).id
        with server.asking() as client:
            assert client.get(server.key("answers")) == second, "nothing was missing"
