"""Claims of a published snapshot: which days and rows they are made of, for whoever asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_platform.publish import current
from crm_platform.receipts import claims
from crm_platform.receipts.behind import SnapshotReader, opened
from crm_platform.receipts.keys import find_kpi
from crm_platform.settings import Settings
from crm_platform.verdicts import Claim
from crm_platform_tests.receipts.weeks import altered

TIMES = "response_times_daily"
MEDIAN = "first_response_seconds_median"
WEEK = (dt.date(2026, 11, 15), dt.date(2026, 11, 21))
BEFORE = (dt.date(2026, 11, 8), dt.date(2026, 11, 14))
FRIDAY = dt.date(2026, 11, 20)


@pytest.fixture
def asked(slower_weeks: Settings) -> Iterator[SnapshotReader]:
    with opened(current(slower_weeks).path) as one:
        yield SnapshotReader.of(one)


def judged(asked: SnapshotReader, table: str, column: str, *, current=WEEK, base=BEFORE) -> Claim | None:  # type: ignore[no-untyped-def]
    days = claims.known_days(asked, current, base)
    return claims.over_days(asked, find_kpi(table), column, current=current, base=base, days=days)


def test_a_claim_is_of_the_rows_behind_the_figure(asked: SnapshotReader):
    claim, line = judged(asked, TIMES, MEDIAN), asked.lineage(find_kpi(TIMES), MEDIAN)
    assert claim is not None
    assert claim.verdict == "worse"
    for value, n, (first, last) in ((claim.current, claim.n_current, WEEK), (claim.base, claim.n_base, BEFORE)):
        behind = asked.over(line, first, last + dt.timedelta(days=1))
        assert value == pytest.approx(asked.value(behind))
        assert [n] == asked.query(behind.asking("select count(*) as n from behind"), behind.parameters)["n"].to_pylist()


def test_the_base_is_the_range_that_is_asked_for(asked: SnapshotReader):
    further = (dt.date(2026, 11, 1), dt.date(2026, 11, 7))
    assert judged(asked, TIMES, MEDIAN, current=BEFORE, base=further).verdict == "about_the_same"
    assert judged(asked, TIMES, MEDIAN, base=further).ranges.base.start == further[0]


def test_a_day_of_its_own_table_that_is_badly_covered_counts_for_nothing(slower_weeks: Settings, tmp_path: Path):
    settings = altered(
        slower_weeks, tmp_path, "update kpi.chats_resolved_daily set coverage = 0.5 where day = date '2026-11-18'"
    )
    with opened(current(settings).path) as one:
        claim = judged(SnapshotReader.of(one), "chats_resolved_daily", "resolved")
    assert dt.date(2026, 11, 18) in {dropped.day for dropped in claim.ranges.dropped}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("backlog_daily", "open_waits_at_end"),  # a stock
        (TIMES, "first_response_seconds_p90"),
        (TIMES, "open_waits"),  # of later days more are open, whatever happened
        ("contact_activity_daily", "active_contacts"),  # people who write on two days are counted once
        ("opt_outs_daily", "contacts"),
        ("contact_growth_daily", "net_growth"),
        ("contact_growth_monthly", "monthly_growth_rate"),
    ],
)
def test_what_no_verdict_can_judge_has_no_claim(asked: SnapshotReader, table: str, column: str):
    assert judged(asked, table, column) is None


def test_a_day_that_is_not_over_is_not_known(asked: SnapshotReader):
    today = dt.date(2026, 11, 22)
    days = claims.known_days(asked, (FRIDAY, today))
    assert [day.day for day in days] == [FRIDAY, FRIDAY + dt.timedelta(days=1)]


def test_a_day_is_judged_against_its_weekday(asked: SnapshotReader):
    fridays = [FRIDAY - dt.timedelta(weeks=weeks) for weeks in (1, 2, 3)]
    claim = claims.of_weekday(asked, find_kpi(TIMES), MEDIAN, FRIDAY, fridays)
    assert (claim.verdict, claim.n_current, claim.n_base) == ("worse", 20, 60)
    assert claims.of_weekday(asked, find_kpi(TIMES), "waits", FRIDAY, fridays) is None


def test_a_campaign_on_both_sides_counts_on_neither():
    rows = [{"campaign_id": f"k{n}", "read": 300 + n, "delivered": 1000} for n in range(12)]
    claim = claims.of_campaigns("read", "delivered", WEEK, BEFORE, sides=(rows[:7], rows[6:]))
    assert (claim.n_current, claim.n_base) == (6, 5)
