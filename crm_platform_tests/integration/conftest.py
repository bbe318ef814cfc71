"""A live CRM to test against: the one that CRM_BASE_URL and CRM_API_KEY name, else a sandbox started here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_platform.api import CrmClient, SqliteGate
from crm_platform.settings import load_settings
from crm_platform_tests.sandbox.running import running_sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--crm-writes",
        action="store_true",
        help="let the integration tests create, change and delete in the CRM that CRM_BASE_URL names; they clean up",
    )


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrmClient]:
    """A client within the limits of the settings."""
    settings = load_settings()
    gate = SqliteGate(
        tmp_path_factory.mktemp("gate") / "gate.sqlite", per_minute=settings.minute_limit, per_day=settings.day_limit
    )
    if not settings.is_sandbox:
        with CrmClient(settings.crm_url, settings.crm_key, gate=gate) as client:
            yield client
        return
    with (
        running_sandbox(contacts=150, days=30) as sandbox,
        CrmClient(sandbox.url, settings.crm_key, gate=gate) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def may_write(pytestconfig: pytest.Config) -> bool:
    """Whether the CRM may be changed: a sandbox of our own always, any other with --crm-writes."""
    return load_settings().is_sandbox or bool(pytestconfig.getoption("--crm-writes", default=False))
