"""A seed runs alike on DuckDB and on a store without transactions, killed between any two steps of its commits."""

from __future__ import annotations

import pytest

from crm_platform_tests.simulation import simulate

REPLAY = "python -m crm_platform_tests.simulation --seed"


def hold(seed: int) -> None:
    there, here = simulate(seed), simulate(seed, store="memory")
    assert not here.broken, f"replay: {REPLAY} {seed} --store memory"
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
