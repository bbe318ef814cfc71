"""What the shell says while the Redis that is configured does not answer."""

from __future__ import annotations

import pytest

from crm_platform_tests.cli.conftest import run

pytestmark = pytest.mark.services

NOBODY = "127.0.0.1:1"  # nobody listens on port 1


@pytest.fixture(autouse=True)
def away(clean, monkeypatch):
    monkeypatch.setenv("CRM_REDIS_URL", f"redis://:hidden-word@{NOBODY}/0")


@pytest.mark.parametrize(("command", "code"), [("status", 0), ("doctor", 1)])
def test_everything_else_is_told_all_the_same(command, code):
    said = run(*command.split())
    assert said.code == code
    assert f"Redis at {NOBODY} does not answer" in said.out
    assert "snapshot" in said.out
    assert "hidden-word" not in said.out + said.err


def test_nothing_is_fetched_past_it():
    said = run("crawl", "--requests", "1")
    assert said.code == 75
    assert said.err == f"crm: Redis at {NOBODY} does not answer (ConnectionError)\n"
