"""The SQL against the oracle: every cell of every table, on random worlds full of edge cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import from_facts, told_by_events
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.worlds import random_facts

# Midnight that does not exist, or comes twice; half an hour; a day that was skipped; changes that the engines' own zone
# data has otherwise than `tzdata`; three quarters of an hour.
ODD_ZONES = (
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
    "America/Santiago",
    "Africa/Casablanca",
    "America/Vancouver",
    "Asia/Kathmandu",
)


def disagreements(facts: Facts, folder: Path, *, has_events: bool = False) -> dict[str, list[str]]:
    """By table what differs. The crawl went on for three days after the cut. `has_events`: those say who did what."""
    world = from_facts(facts, folder)
    if has_events:
        told_by_events(world, seed=len(facts.messages))
    world.build(facts.as_of + dt.timedelta(days=3), as_of=facts.as_of, aliases=facts.agent_aliases)
    problems = {
        table: differences(expected, world.tables[table], KEYS[table], tolerance=1e-9)
        for table, expected in compute(facts).items()
        if table in TABLES  # the oracle may be ahead of the product
    }
    return {table: found for table, found in problems.items() if found}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 30))])
def test_every_cell_agrees(seed: int, tmp_path: Path):
    assert disagreements(random_facts(seed), tmp_path) == {}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_what_events_tell_is_as_good_as_what_the_api_tells(seed: int, tmp_path: Path):
    assert disagreements(random_facts(seed), tmp_path, has_events=True) == {}


@pytest.mark.slow
@pytest.mark.parametrize("zone", ODD_ZONES)
def test_every_cell_agrees_where_clocks_are_odd(zone: str, tmp_path: Path):
    assert disagreements(random_facts(len(zone), timezone=zone, contacts=6, days=400), tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("contacts", "campaigns"), [(2, 1), (0, 0), (0, 12), (8, 0)])
def test_every_cell_agrees_in_small_worlds(contacts: int, campaigns: int, tmp_path: Path):
    assert disagreements(random_facts(7, contacts=contacts, campaigns=campaigns), tmp_path) == {}


@pytest.mark.slow
def test_every_cell_agrees_in_a_larger_world(tmp_path: Path):
    facts = random_facts(77, contacts=150, days=300, messages_per_chat=20, campaigns=80)
    assert disagreements(facts, tmp_path) == {}
