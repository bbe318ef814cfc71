"""Which days may be held against each other: truth tables of known days, counterparts, and what is left."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.verdicts import Day, Dropped, like_with_like, whole_ranges

START = dt.date(2026, 3, 9)  # a Monday
KNOWN = {"coverage": 1.0, "first_waits": 100, "open_first_waits": 0}


def after(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def known(numbers, **odd):
    """Days by their number from START; `odd`: what is told of day d<number> instead."""
    return [Day(day=after(number), **(KNOWN | odd.get(f"d{abs(number)}", {}))) for number in numbers]


@pytest.mark.parametrize(
    ("coverage", "waits", "still_open", "reason"),
    [
        (1.0, 100, 0, None),
        (0.95, 100, 1, None),
        (0.949, 100, 0, "coverage"),
        (None, 100, 0, "coverage"),
        (1.0, 100, 2, "open waits"),
        (1.0, 99, 1, "open waits"),
        (1.0, 0, 0, None),  # nobody wrote: that is known
        (0.5, 86, 50, "coverage"),
    ],
)
def test_a_day_is_known_when_it_is_covered_and_hardly_a_wait_is_open(coverage, waits, still_open, reason):
    assert Day(day=START, coverage=coverage, first_waits=waits, open_first_waits=still_open).lacks() == reason


def test_more_open_waits_than_waits_are_refused():
    with pytest.raises(ValueError, match="51 of 50"):
        Day(day=START, coverage=1.0, first_waits=50, open_first_waits=51)


def test_the_base_is_the_equal_range_just_before():
    ranges = like_with_like(after(0), after(6), known(range(-7, 7)))
    assert (ranges.base.start, ranges.base.end) == (after(-7), after(-1))
    assert ranges.dropped == ()
    assert ranges.are_judged


def test_the_base_may_be_any_range():
    base = (after(-364), after(-358))
    ranges = like_with_like(after(0), after(6), known([*range(-364, -357), *range(7)]), base=base)
    assert (ranges.base.start, ranges.base.end, ranges.dropped) == (*base, ())
    assert whole_ranges(after(0), after(6), base=base).base == ranges.base


def test_a_day_on_both_sides_counts_on_neither():
    ranges = like_with_like(after(0), after(13), known(range(-7, 14)), base=(after(-7), after(0)))
    assert Dropped(after(0), "both sides") in ranges.dropped
    assert after(0) not in {*ranges.current.kept, *ranges.base.kept}


def test_a_day_that_is_not_known_takes_its_weekday_with_it():
    days = known(range(-7, 7), d2={"coverage": 0.5})  # d2: day 2 and day -2, a Wednesday and a Saturday
    ranges = like_with_like(after(0), after(6), days)
    assert ranges.dropped == (
        Dropped(after(-5), "counterpart", after(2)),
        Dropped(after(-2), "coverage"),
        Dropped(after(2), "coverage"),
        Dropped(after(5), "counterpart", after(-2)),
    )
    assert [day.weekday() for day in ranges.current.kept] == [day.weekday() for day in ranges.base.kept]


def test_a_range_of_today_is_not_judged():
    """Field case 46: of a custom range of one day 50 of 86 were open, and it was called 100 % better."""
    days = [
        Day(day=after(0), coverage=1.0, first_waits=86, open_first_waits=50),
        Day(day=after(-1), coverage=1.0, first_waits=80, open_first_waits=0),
    ]
    assert not like_with_like(after(0), after(0), days).are_judged


def test_a_day_without_a_row_is_not_known():
    ranges = like_with_like(after(0), after(6), known(range(7)))
    assert {dropped.reason for dropped in ranges.dropped} == {"no data", "counterpart"}
    assert not ranges.are_judged


@pytest.mark.parametrize(("lost", "judged"), [(3, True), (4, False)])
def test_half_of_the_days_have_to_be_left(lost, judged):
    days = known(range(-7, 7 - lost))
    assert like_with_like(after(0), after(6), days).are_judged == judged


def test_a_range_ends_after_it_starts():
    with pytest.raises(ValueError, match="ends on or after"):
        whole_ranges(after(0), after(-1))


@given(st.data(), st.integers(1, 16))
@settings(max_examples=30, deadline=None)
def test_what_is_left_and_what_is_dropped_are_all_days(data, length):
    given_days = [
        Day(
            day=after(number),
            coverage=data.draw(st.sampled_from([None, 0.9, 1.0, 1.0, 1.0])),
            first_waits=10,
            open_first_waits=0,
        )
        for number in range(-length, length)
    ]
    ranges = like_with_like(after(0), after(length - 1), data.draw(st.permutations(given_days)))
    assert ranges == like_with_like(after(0), after(length - 1), given_days)
    kept = {*ranges.current.kept, *ranges.base.kept}
    dropped = {one.day for one in ranges.dropped}
    assert not kept & dropped
    assert kept | dropped == {one.day for one in given_days}
    if length % 7 == 0:
        assert [day - dt.timedelta(days=length) for day in ranges.current.kept] == list(ranges.base.kept)
