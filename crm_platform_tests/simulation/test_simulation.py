"""Seeds of the simulation: a few at every run of the tests; `make simulate SEEDS=…` runs any number."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crm_platform_tests.simulation import simulate

REPLAY = "python -m crm_platform_tests.simulation --seed"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 4, 12])
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
