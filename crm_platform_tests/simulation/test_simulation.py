"""Seeds of the simulation: a few at every run of the tests, two dozen in CI, any number on demand."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

from crm_platform_tests.simulation import simulate
from crm_platform_tests.simulation.scenario import COMMIT_TROUBLES, REQUEST_TROUBLES, WORLD_CHANGES

REPLAY = "python -m crm_platform_tests.simulation --seed"
SEEDS = 24  # every kind of trouble; more on demand: python -m crm_platform_tests.simulation --seeds 200


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_every_invariant_holds(seed):
    result = simulate(seed)
    assert not result.broken, f"replay: {REPLAY} {seed}"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run():
    here = simulate(10)
    script = "from crm_platform_tests.simulation import simulate; print(simulate(10).digest)"
    # Another order of sets, another process id: neither may decide which request comes next.
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here.digest
    assert here.requests > 20


@pytest.mark.slow
def test_two_dozen_seeds_and_every_kind_of_trouble():
    context = multiprocessing.get_context("spawn")  # a fork would carry the database's threads along
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(simulate, range(SEEDS)))
    broken = {result.seed: result.broken for result in results if result.broken}
    assert not broken, f"replay: {REPLAY} {next(iter(broken))}"
    troubles = sum((result.troubles for result in results), Counter())
    assert troubles.keys() >= REQUEST_TROUBLES.keys() | COMMIT_TROUBLES.keys() | WORLD_CHANGES.keys()
