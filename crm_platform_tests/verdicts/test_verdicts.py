"""What is said of a change: blind to the order of rows, mirrored by the other side, never by a degenerate interval."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.verdicts.worlds import Campaigns, Days, Waits, question, ranges
from crm_platform.verdicts import (
    Claim,
    Day,
    Question,
    Rows,
    count,
    is_told_as_numbers,
    like_with_like,
    median,
    on_one_page,
    rate,
    stock,
)

OPPOSITE = {"better": "worse", "worse": "better"}
SEEDS = st.integers(0, 10_000)
CHANGES = st.sampled_from([0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 2.0])


def shuffled(rows: Rows, rng: np.random.Generator) -> Rows:
    order = rng.permutation(len(rows.value))
    columns = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
    return Rows(**{name: None if held is None else np.asarray(held)[order] for name, held in columns.items()})


def swapped(asked: Question) -> Question:
    return dataclasses.replace(asked, ranges=asked.ranges.swapped())


def drawn(kind: str, seed: int, times: float):
    """A question, and rows of both sides of one of the kinds; some small, some not."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([12, 40, 300]))
    if kind == "median":
        return median, question("median", "down"), Waits(current=n, base=2 * n).drawn(rng, times=times)
    if kind == "rate":
        rows = Waits(current=2 * n, base=n).answered(rng, 0.5, current=min(0.95, 0.5 * times))
        return rate, question("answered"), rows
    return rate, question("read"), Campaigns(current=6, base=9).drawn(rng, current_rate=0.3 * times)


kinds = pytest.mark.parametrize("kind", ["median", "rate", "campaigns"])
quickly = settings(max_examples=15, deadline=None)


@kinds
@given(seed=SEEDS, times=CHANGES)
@quickly
def test_the_order_of_rows_is_nothing(kind, seed, times):
    judge, asked, sides = drawn(kind, seed, times)
    rng = np.random.default_rng(seed)
    assert judge(asked, *sides) == judge(asked, *(shuffled(rows, rng) for rows in sides))


@kinds
@given(seed=SEEDS, times=CHANGES)
@quickly
def test_the_other_side_sees_the_mirror(kind, seed, times):
    judge, asked, (current, base) = drawn(kind, seed, times)
    there, back = judge(asked, current, base), judge(swapped(asked), base, current)
    assert back.verdict == OPPOSITE.get(there.verdict, there.verdict)
    assert back.p_value == there.p_value
    if there.low is not None:
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


@given(seed=SEEDS, times=CHANGES, unit=st.sampled_from([1 / 60, 1 / 3600, 7, 1000]))
@quickly
def test_the_unit_of_time_is_nothing(seed, times, unit):
    judge, asked, sides = drawn("median", seed, times)
    seconds = judge(asked, *sides)
    scaled = judge(asked, *(dataclasses.replace(rows, value=np.asarray(rows.value) * unit) for rows in sides))
    assert (scaled.verdict, scaled.p_value) == (seconds.verdict, seconds.p_value)
    if seconds.change is not None:
        assert scaled.change == pytest.approx(seconds.change * unit)


@kinds
@given(seed=SEEDS, times=CHANGES)
@quickly
def test_a_filter_changes_the_draws_alone(kind, seed, times):
    judge, asked, sides = drawn(kind, seed, times)
    narrowed = dataclasses.replace(asked, filters={"country": "KE"})
    one, other = judge(asked, *sides), judge(narrowed, *sides)
    assert dataclasses.replace(one, low=None, high=None, p_value=None, verdict="no_verdict") == dataclasses.replace(
        other, low=None, high=None, p_value=None, verdict="no_verdict"
    )
    if one.p_value is not None:
        assert one.p_value == pytest.approx(other.p_value, abs=0.05)


def test_figure_ranges_filters_and_rows_seed_the_draws():
    rng = np.random.default_rng(7)
    sides = Waits(current=300, base=300).answered(rng, 0.5)
    asked = question("answered")
    others = [
        rate(dataclasses.replace(asked, figure="within"), *sides),
        rate(dataclasses.replace(asked, filters={"country": "KE"}), *sides),
        rate(dataclasses.replace(asked, ranges=ranges(7)), *sides),
        rate(asked, *(dataclasses.replace(rows, cluster=[f"other {chat}" for chat in rows.cluster]) for rows in sides)),
    ]
    assert len({one.low for one in (rate(asked, *sides), *others)}) == 5


@given(seed=SEEDS, times=CHANGES)
@quickly
def test_counts_of_days_are_mirrored_too(seed, times):
    current, base = Days(days=28).drawn(np.random.default_rng(seed), times=times)
    there = count(question("resolved"), current, base)
    back = count(swapped(question("resolved")), base, current)
    assert back.verdict == OPPOSITE.get(there.verdict, there.verdict)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))
    assert there == count(question("resolved"), dict(reversed(current.items())), base)


def test_columns_of_arrow_and_lists_say_the_same():
    rng = np.random.default_rng(3)
    sides = Waits(current=60, base=60).drawn(rng)
    asked = question("median", "down")
    as_lists = [Rows(value=list(rows.value), cluster=[f"c{chat:05d}" for chat in rows.cluster]) for rows in sides]
    as_columns = [
        Rows(
            value=pa.chunked_array([pa.array(rows.value[:20]), pa.array(rows.value[20:])]),
            cluster=pa.array(rows.cluster).dictionary_encode(),
        )
        for rows in as_lists
    ]
    assert median(asked, *as_lists) == median(asked, *as_columns)


def waits(values, chats=None):
    """One wait a chat, unless chats are told."""
    return Rows(value=values, cluster=list(range(len(values))) if chats is None else chats)


def test_nine_minutes_against_ten_is_about_the_same():
    """Field case 45: the medians of a week differ by 55 s, and the interval holds 0."""
    rng = np.random.default_rng(45)
    sides = [waits(middle * np.exp(1.5 * rng.normal(size=300))) for middle in (593, 538)]
    claim = median(question("first_response", "down"), *sides)
    assert claim.verdict == "about_the_same"
    assert claim.low < 0 < claim.high


def test_a_change_has_two_directions():
    slow, fast = waits(np.arange(600, 700)), waits(np.arange(60, 160))
    assert median(question("seconds", "down"), fast, slow).verdict == "better"
    assert median(question("seconds", "down"), slow, fast).verdict == "worse"
    assert median(question("seconds", "up"), slow, fast).verdict == "better"
    neither = median(question("seconds", "neither"), slow, fast)
    assert (neither.verdict, neither.change, neither.p_value) == ("no_verdict", 540, None)


@pytest.mark.parametrize(("n", "verdict"), [(0, "too_few"), (9, "too_few"), (10, "better")])
def test_under_ten_on_a_side_are_too_few(n, verdict):
    claim = median(question("seconds", "down"), waits(np.full(n, 60.0)), waits(np.full(500, 6000.0)))
    assert (claim.verdict, claim.n_current, claim.n_base) == (verdict, n, 500)


@pytest.mark.parametrize("judge", [median, rate])
def test_waits_of_few_chats_are_too_few(judge):
    one_chat, many = waits([1.0] * 40, [7] * 40), waits([0.0] * 40)
    assert judge(question("figure"), one_chat, many).verdict == "too_few"


@pytest.mark.parametrize(("n", "verdict"), [(4, "too_few"), (5, "better")])
def test_campaigns_are_judged_from_five_a_side(n, verdict):
    """Field case 47: 1 campaign against 3 was called 200 % more."""
    good, bad = (
        Rows(value=[read] * n, of=[1000] * n, cluster=[f"{read}-{one}" for one in range(n)]) for read in (700, 100)
    )
    claim = rate(question("read"), good, bad)
    assert (claim.verdict, claim.n_current) == (verdict, n)


@pytest.mark.parametrize(
    ("answered", "of", "others", "called"),
    [
        (40, 40, 40, False),  # all and all
        (40, 40, 38, False),  # a plain bootstrap of all answered never varies
        (40, 40, 37, False),  # Fisher's exact test: p = 0.24
        (40, 40, 25, True),
        (0, 40, 0, False),
        (0, 40, 3, False),
        (0, 40, 20, True),
        (10, 10, 7, False),
    ],
)
def test_all_or_none_answered_is_called_only_where_it_says_something(answered, of, others, called):
    sides = [waits([1] * yes + [0] * (of - yes)) for yes in (answered, others)]
    claim = rate(question("answered"), *sides)
    assert (claim.verdict in OPPOSITE) == called
    assert claim.low < claim.high


def test_a_chat_that_talks_a_lot_counts_as_one():
    """200 waits of five chats a side: four chats differ, which is chance; as single waits it would be a claim."""
    chats = np.repeat(np.arange(5), 40)
    current, base = np.isin(chats, [0, 1, 2, 3]), np.isin(chats, [0, 1, 2])
    assert rate(question("answered"), waits(current), waits(base)).verdict == "better"
    assert rate(question("answered"), waits(current, chats), waits(base, 10 + chats)).verdict == "about_the_same"


def test_waits_on_days_that_were_dropped_do_not_count():
    both = ranges(7)
    lost = both.current.kept[2]
    days = [
        Day(day=day, coverage=0.5 if day == lost else 1.0, first_waits=9, open_first_waits=0)
        for day in (*both.base.kept, *both.current.kept)
    ]
    asked = Question(figure="seconds", good="down", ranges=like_with_like(both.current.start, both.current.end, days))
    sides = [
        Rows(
            value=np.full(140, 60.0),
            cluster=np.arange(140),
            day=np.repeat(np.array(span.kept, dtype="datetime64[D]"), 20),
        )
        for span in (both.current, both.base)
    ]
    claim = median(asked, *sides)
    assert (claim.n_current, claim.n_base) == (120, 120)
    assert [one.day for one in claim.ranges.dropped] == [lost - dt.timedelta(days=7), lost]


def test_where_too_little_is_left_nothing_is_judged():
    unknown = like_with_like(ranges(7).current.start, ranges(7).current.end, [])
    asked = Question(figure="figure", good="up", ranges=unknown)
    assert median(asked, waits(np.full(99, 6e3)), waits(np.full(99, 60.0))).verdict == "not_judged"
    assert count(asked, {}, {}).verdict == "not_judged"


def days_of(current: int, base: int, days: int = 28):
    both = ranges(days)
    return dict.fromkeys(both.current.kept, current), dict.fromkeys(both.base.kept, base)


@pytest.mark.parametrize(
    ("current", "base", "days", "verdict"),
    [
        (50, 50, 28, "about_the_same"),
        (60, 50, 28, "better"),
        (40, 50, 28, "worse"),
        (60, 50, 90, "better"),
        (0, 50, 28, "too_few"),
        (1, 3, 3, "too_few"),
        (60, 50, 2, "too_few"),
        (500, 50, 5, "better"),
    ],
)
def test_counts_are_judged_by_their_days(current, base, days, verdict):
    claim = count(question("resolved", days=days), *days_of(current, base, days))
    assert (claim.verdict, claim.measure) == (verdict, "ratio")
    assert claim.change == pytest.approx(current / base)


def test_a_range_with_a_sunday_more_is_evened_out():
    """30 days of 1,000, none on Saturdays and Sundays: the ranges differ by two working days, nothing has changed."""
    both = ranges(30)
    sides = [{day: 1000 * (day.weekday() < 5) for day in span.kept} for span in (both.current, both.base)]
    assert sum(sides[0].values()) != sum(sides[1].values())
    claim = count(question("inbound", days=30), *sides)
    assert (claim.verdict, claim.change) == ("about_the_same", pytest.approx(1))


def test_a_stock_gets_no_verdict():
    claim = stock(question("contacts"), 2000, 1578)
    assert (claim.verdict, claim.change, claim.p_value) == ("no_verdict", 422, None)
    assert stock(question("contacts"), 2000, None).change is None


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (Rows(value=[1.0, 2.0], cluster=["a"]), "one length"),
        (Rows(value=[1.0, None], cluster=["a", "b"]), "`value` has missing"),
        (Rows(value=[1.0, math.nan], cluster=["a", "b"]), "numbers from 0"),
        (Rows(value=[1.0, -1.0], cluster=["a", "b"]), "numbers from 0"),
        (Rows(value=[1.0, 1.0], cluster=["a", None]), "`cluster` has missing"),
        (Rows(value=[1.0, 1.0]), "name their clusters"),
        (Rows(value=[1, 1], of=[2, 2], cluster=["a", "b"]), "`of`"),
        (Rows(value=[2.0, 1.0], cluster=["a", "b"]), "above its denominator"),
    ],
)
def test_bad_rows_are_refused_in_words(rows, says):
    with pytest.raises(ValueError, match=says):
        rate(question("answered"), rows, waits([1, 0] * 10))


def test_a_day_without_a_count_is_refused():
    current, base = days_of(5, 5)
    base.popitem()
    with pytest.raises(ValueError, match="a day on which nothing happened has 0"):
        count(question("resolved"), current, base)


# A page.


def claim(p_value: float | None) -> Claim:
    """A rise that is good, whose own interval leaves out 0 where its p value is at most 0.05."""
    judged = {} if p_value is None else {"low": 0.05 - p_value, "high": 1.0, "p_value": p_value}
    return Claim(
        figure="figure", good="up", verdict="too_few", ranges=ranges(), measure="difference", change=0.5, **judged
    )


@pytest.mark.parametrize(
    ("p_values", "stand"),
    [
        ([0.04], [0]),
        ([0.04, 0.04], []),
        ([0.04, 0.02], [0, 1]),
        ([0.04, 0.03, 0.001], [2]),
        ([0.2, 0.016, None, 0.012], [1, 3]),
        ([None, 0.04, None], [1]),
        ([], []),
    ],
)
def test_the_claims_of_a_page_stand_together(p_values, stand):
    judged = on_one_page([claim(p_value) for p_value in p_values])
    assert [place for place, one in enumerate(judged) if one.verdict == "better"] == stand
    assert [one.p_value for one in judged] == p_values
    assert all(one.verdict == "too_few" for one in judged if one.p_value is None)
    assert on_one_page(judged) == judged


@given(st.lists(st.floats(0.0001, 1), max_size=8), st.randoms())
def test_the_order_of_claims_is_nothing(p_values, random):
    p_values = sorted(set(p_values))
    stand = {one.p_value for one in on_one_page(list(map(claim, p_values))) if one.verdict == "better"}
    random.shuffle(p_values)
    assert {one.p_value for one in on_one_page(list(map(claim, p_values))) if one.verdict == "better"} == stand
    assert all(one * len(p_values) <= 0.05 for one in p_values[:0] or sorted(stand)[:1])


@pytest.mark.parametrize(("current", "base", "numbers"), [(3, 1, True), (19, 400, True), (20, 20, False), (0, 0, True)])
def test_a_change_of_a_small_count_is_two_numbers(current, base, numbers):
    assert is_told_as_numbers(current, base) is numbers


def test_what_is_no_count_is_refused():
    with pytest.raises(ValueError, match="numbers from 0"):
        is_told_as_numbers(-1, 5)
