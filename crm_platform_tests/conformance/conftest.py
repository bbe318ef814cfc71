from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_platform_tests.conformance.clickhouse import EmbeddedClickHouse


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    engine = EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse"))
    yield engine
    engine.close()
