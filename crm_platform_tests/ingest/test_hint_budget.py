"""How much of the quota events may take."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.api import Allowance
from crm_platform.ingest.hint_budget import HintBudget

AT = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def test_no_limit_is_no_bound():
    budget = HintBudget(Allowance(None, None), per_minute=None)
    budget.named([AT] * 1_000, at=AT)
    assert (budget.room(AT), budget.reserved()) == (None, 0)


def test_events_take_seven_tenths_of_a_minute_and_leave_the_rest():
    budget = HintBudget(Allowance(60, None), per_minute=60)
    assert budget.room(AT) == 42
    budget.spent(42)
    assert budget.room(AT) == 0
    assert budget.room(AT + MINUTE / 2) == 21
    assert budget.room(AT + 60 * MINUTE) == 42  # what was not used is no debt of the others


@pytest.mark.parametrize(("named", "kept_free"), [(0, 0), (1, 2), (40, 7), (1_000, 42)])
def test_what_is_kept_free_follows_from_the_last_ten_minutes(named, kept_free):
    budget = HintBudget(Allowance(60, None), per_minute=60)
    budget.named([AT] * named, at=AT)
    assert budget.reserved() == kept_free
    budget.named([], at=AT + 11 * MINUTE)
    assert budget.reserved() == 0


@pytest.mark.parametrize(("named", "are_followed"), [(700, True), (701, False)])
def test_a_day_whose_events_do_not_fit_into_their_share_is_left_to_the_planner(named, are_followed):
    budget = HintBudget(Allowance(60, 1_000), per_minute=1_000 / 1_440)
    budget.named([AT - MINUTE * 1.9 * one for one in range(named)], at=AT)
    assert (budget.room(AT) != 0) is are_followed
    assert (budget.reserved() > 0) is are_followed
    budget.named([], at=AT + dt.timedelta(hours=12))
    assert budget.room(AT + dt.timedelta(hours=12)) != 0
