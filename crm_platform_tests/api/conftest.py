"""Shared by the tests of the client: one sandbox over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_platform_tests.sandbox.running import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def live_sandbox() -> Iterator[RunningSandbox]:
    """A small sandbox, for whatever only a real connection shows."""
    with running_sandbox(contacts=20, days=10) as running:
        yield running
