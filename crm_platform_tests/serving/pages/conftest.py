from __future__ import annotations

import datetime as dt

import pytest

from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.serving.pages.site import Site, published

AS_OF = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A tenant of 40 contacts and 60 campaigns over 150 days, with contradictions in it."""
    facts = random_facts(4, contacts=40, days=150, campaigns=60, timezone="Africa/Nairobi", as_of=AS_OF)
    return published(facts, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A snapshot of a CRM that has nobody in it."""
    return published(random_facts(1, contacts=0, campaigns=0, as_of=AS_OF), tmp_path_factory.mktemp("empty"))
