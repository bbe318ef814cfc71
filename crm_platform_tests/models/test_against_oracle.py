"""The SQL against the oracle: every cell of every table, on random worlds full of edge cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from crm_platform.models import build_order, validate
from crm_platform_tests.models.worlds import from_facts
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.worlds import random_facts


@pytest.mark.parametrize("seed", range(30))
def test_every_cell_agrees(seed: int, tmp_path: Path):
    facts = random_facts(seed)
    world = from_facts(facts, tmp_path)
    world.build(facts.as_of + dt.timedelta(days=3), as_of=facts.as_of, aliases=facts.agent_aliases)
    problems = {
        table: found
        for table, expected in compute(facts).items()
        if (found := differences(expected, world.table(table), KEYS[table], tolerance=1e-9))
    }
    assert not problems
    assert [breach for table in build_order() for breach in validate(world.models, table)] == []
