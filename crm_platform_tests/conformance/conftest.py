from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from crm_platform.warehouse.clickhouse_client import Address
from crm_platform_tests import clickhouse_server
from crm_platform_tests.conformance.clickhouse import ClickHouseEngine


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseEngine]:
    with clickhouse_server.running(tmp_path_factory.mktemp("clickhouse")) as server:
        engine = ClickHouseEngine(Address.of(SecretStr(server.url("raw")), SecretStr(clickhouse_server.PASSWORD)))
        yield engine
        engine.close()
