"""How often chance alone is called a change, and a change is seen, on a few hundred pairs of each kind.

The full table, of 2,000 pairs, is `python -m benchmarks.verdicts --pairs 2000`. Bounds here leave room for the noise of
fewer pairs: of 300 at 5 % more than 8.5 % are called one time in 200.
"""

from __future__ import annotations

import pytest

from benchmarks.verdicts.__main__ import changes, equals, share

EQUALS = {f"{kind}: {what}": judge for kind, what, judge, _ in equals()}
CHANGES = {f"{kind}: {what}": judge for kind, what, judge in changes()}


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUALS)
def test_chance_alone_is_hardly_ever_called(name):
    assert share(EQUALS[name], 300) <= 0.085


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "median: +30 %, 500 waits a side, σ 0.5",
        "median: +30 %, 500 waits a side, σ 1.0",
        "median: −30 %, 500 waits a side, σ 1.0",
    ],
)
def test_a_real_change_is_seen(name):
    assert share(CHANGES[name], 300) >= 0.78
