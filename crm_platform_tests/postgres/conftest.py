"""One server for all tests here, and a database for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from crm_platform_tests.alerts.conftest import receiver
from crm_platform_tests.postgres.server import PostgresServer, running_postgres

__all__ = ["database", "receiver", "server"]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture
def database(server) -> SecretStr:
    """URL of a database that nothing is in."""
    return server.new_database()
