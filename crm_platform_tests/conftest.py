"""Tells what `make test` leaves out, from the run itself: to collect everything again for it takes ten seconds.

And a published world that tests of several folders read, and none changes; and a ClickHouse server, a database a test.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from crm_platform.settings import Settings
from crm_platform.warehouse.clickhouse_client import Address
from crm_platform.warehouse.clickhouse_store import ClickHouseWarehouse
from crm_platform_tests import clickhouse_server
from crm_platform_tests.receipts.weeks import published, weeks

_left_out = pytest.StashKey[list[str]]()
_WORKER_OUTPUT = "left_out"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tell-left-out", action="store_true", help="list the tests that -m and -k leave out")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[_left_out].append(item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_OUTPUT] = session.config.stash[_left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of xdist's workers has collected the same."""
    node.config.stash[_left_out] = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--tell-left-out") and config.stash[_left_out]:
        terminalreporter.section("left to make test-heavy (Chromium, Redis, ClickHouse's engine, or minutes)")
        for name in config.stash[_left_out]:
            terminalreporter.line(f"  {name}")


@pytest.fixture(scope="session")
def slower_weeks(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """40 chats: first replies took 10 minutes at the median, and 30 in the last week."""
    folder = tmp_path_factory.mktemp("slower")
    return published(weeks(folder, chats=40, minutes=lambda ago: 30 if ago <= 7 else 10))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clickhouse_server.Server]:
    """A ClickHouse server."""
    with clickhouse_server.running(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def address(server: clickhouse_server.Server) -> Address:
    """A database of it that there is none of yet."""
    url = server.url(f"crm_{secrets.token_hex(6)}")
    return Address.of(SecretStr(url), SecretStr(clickhouse_server.PASSWORD))


@pytest.fixture
def clickhouse_store(address: Address, tmp_path: Path) -> ClickHouseWarehouse:
    """A live warehouse there."""
    return ClickHouseWarehouse(address, lock_dir=tmp_path / "locks", mirror=tmp_path / "mirror.duckdb")
