"""A seed runs alike on DuckDB and on stores without transactions, killed between any two steps of their commits."""

from __future__ import annotations

import pytest

from crm_platform_tests.simulation import simulate
from crm_platform_tests.simulation.run import StoreName

REPLAY = "python -m crm_platform_tests.simulation --seed"


def hold(seed: int, store: StoreName = "memory") -> None:
    there, here = simulate(seed), simulate(seed, store=store)
    assert not here.broken, f"replay: {REPLAY} {seed} --store {store}"
    assert not there.broken, f"replay: {REPLAY} {seed}"
    assert here.digest == there.digest, "another request, answer, commit or trouble"
    assert here.stored == there.stored, "other rows, with the same troubles"
    assert here.stored


@pytest.mark.parametrize("seed", [2, 20])
def test_both_stores_end_with_the_same_rows(seed):
    hold(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5, 9, 16, 25])
def test_both_stores_end_with_the_same_rows_in_larger_worlds(seed):
    hold(seed)


@pytest.mark.services
@pytest.mark.parametrize("seed", [2, 9, 12, 16, 20])
def test_clickhouse_ends_with_the_same_rows(seed):
    """Killed at any write of its commits, and at writes of making them good."""
    hold(seed, "clickhouse")
