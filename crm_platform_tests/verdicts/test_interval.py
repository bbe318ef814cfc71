"""The interval of one rate."""

from __future__ import annotations

import math
import random

import pytest

from crm_platform.verdicts import Interval, Rows, interval


def of_chats(shares: list[tuple[int, int]]) -> Interval:
    """The interval of chats with so many kept of so many."""
    kept, decided = zip(*shares, strict=True)
    return interval(Rows(value=list(kept), of=list(decided), cluster=[f"chat-{number}" for number in range(len(kept))]))


def test_of_many_chats_that_are_no_more_alike_than_others_it_is_wilsons():
    chance = random.Random(1)
    found = of_chats([(int(chance.random() < 0.8), 1) for _ in range(2000)])
    assert found.rate is not None
    assert found.low is not None
    assert found.high is not None
    wide = 1.96**2 / 2000
    middle = (found.rate + wide / 2) / (1 + wide)
    reach = math.sqrt(wide * (found.rate * (1 - found.rate) + wide / 4)) / (1 + wide)
    assert found.low == pytest.approx(middle - reach, abs=2e-4)
    assert found.high == pytest.approx(middle + reach, abs=2e-4)


def test_waits_of_one_chat_that_are_alike_tell_less():
    apart = of_chats([(1, 1)] * 80 + [(0, 1)] * 20)
    alike = of_chats([(5, 5)] * 16 + [(0, 5)] * 4)
    assert apart.rate == alike.rate == 0.8
    assert alike.low < apart.low  # type: ignore[operator]
    assert alike.high > apart.high  # type: ignore[operator]


@pytest.mark.parametrize("kept", [0, 1])
def test_all_or_none_still_leaves_room(kept: int):
    found = of_chats([(kept, 1)] * 30)
    assert found.rate == kept
    assert (found.low, found.high)[kept] == kept
    assert 0.05 < found.high - found.low < 0.2  # type: ignore[operator]


@pytest.mark.parametrize("shares", [[(1, 1)] * 9, [(3, 5)] * 4, [(40, 50)]])
def test_few_waits_or_chats_have_none(shares: list[tuple[int, int]]):
    found = of_chats(shares)
    assert found.n == sum(of for _, of in shares)
    assert (found.low, found.high) == (None, None)
    assert found.rate == sum(kept for kept, _ in shares) / found.n


def test_of_nothing_there_is_nothing():
    assert interval(Rows(value=[], of=[], cluster=[])) == Interval(rate=None, n=0)


def test_one_row_a_wait_is_the_same_as_sums_by_chat():
    single = interval(Rows(value=[1, 0, 1, 1] * 6, cluster=[f"chat-{number // 4}" for number in range(24)]))
    summed = of_chats([(3, 4)] * 6)
    assert (single.rate, single.n) == (summed.rate, summed.n)
    assert single.low == pytest.approx(summed.low)
