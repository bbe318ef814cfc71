"""Watched figures: what breaks a target or a usual range, and what is no reason to speak."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_platform.alerts import Alerter, watches
from crm_platform.alerts.usual import usual_range
from crm_platform.alerts.watches import WatchResult, check, tell
from crm_platform.languages import Language
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.chats_resolved_daily.table import ChatsResolvedDaily
from crm_platform.metrics.contact_growth_daily.table import ContactGrowthDaily
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import Snapshot, current
from crm_platform.receipts import claims
from crm_platform.receipts.behind import SnapshotReader, opened
from crm_platform.settings import Settings
from crm_platform.verdicts import Claim, Ranges, Span
from crm_platform_tests.alerts import published

DOCUMENT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
FRIDAY = dt.date(2026, 11, 20)
SATURDAY_NOON = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)  # 12:00 in Nairobi
MEDIAN, WITHIN, ANSWERED, WAITS, BACKLOG, UNRESOLVED, NEW, GONE = (
    "first_response_seconds_median",
    "first_within_target_rate",
    "answer_rate",
    "waits",
    "open_waits_at_end",
    "unresolved",
    "new_contacts",
    "gone_contacts",
)
USUAL = {
    ResponseTimesDaily: {
        "waits": 100,
        "first_waits": 50,
        "answered_waits": 90,
        "first_answered_waits": 45,
        MEDIAN: 600.0,
        WITHIN: 0.7,
        ANSWERED: 0.9,
    },
    BacklogDaily: {BACKLOG: 40},
    ChatsResolvedDaily: {UNRESOLVED: 9},
    ContactGrowthDaily: {"total_contacts": 1000, NEW: 12, GONE: 3},
}


class Tenant:
    """Ten weeks of days that are all alike, apart from what a test changes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.changes: dict[tuple[type, dt.date], dict[str, object]] = {}

    def on(self, table: type, day: dt.date, **changed: object) -> Tenant:
        self.changes.setdefault((table, day), {}).update(changed)
        return self

    def snapshot(self, *, at: dt.datetime = SATURDAY_NOON, weeks: int = 10) -> Snapshot:
        newest = at.astimezone(self.settings.zone).date()
        days = [newest - dt.timedelta(days=back) for back in range(7 * weeks)]
        tables = {
            table: [
                published.row(
                    table, day=day, **{**usual, "is_provisional": day == newest, **self.changes.get((table, day), {})}
                )
                for day in days
            ]
            for table, usual in USUAL.items()
        }
        return published.publish(self.settings, as_of=at, tables=tables)

    def verdict(self, column: str, rule: str = "range", **options: object) -> WatchResult:
        found = check(self.settings, self.snapshot(**options))
        (verdict,) = (one for one in found if (one.watch.column, one.rule) == (column, rule))
        return verdict


@pytest.fixture
def tenant(tmp_path) -> Tenant:
    return Tenant(Settings(data_dir=tmp_path))


def test_a_usual_day_is_well_by_every_rule(tenant):
    verdicts = check(tenant.settings, tenant.snapshot())
    assert {one.state for one in verdicts} == {"well"}
    assert [(one.watch.column, one.rule) for one in verdicts if one.rule == "target"] == [(MEDIAN, "target")]
    assert {one.watch.column for one in verdicts} == {MEDIAN, WITHIN, ANSWERED, WAITS, BACKLOG, UNRESOLVED, NEW, GONE}


@pytest.mark.parametrize(
    ("table", "column", "value", "state"),
    [
        (ResponseTimesDaily, MEDIAN, 1200.0, "broken"),
        (ResponseTimesDaily, MEDIAN, 790.0, "well"),  # a third above is still usual
        (ResponseTimesDaily, MEDIAN, 60.0, "well"),  # faster is no problem
        (ResponseTimesDaily, WITHIN, 0.3, "broken"),
        (ResponseTimesDaily, WITHIN, 1.0, "well"),
        (ResponseTimesDaily, WAITS, 0, "broken"),
        (ResponseTimesDaily, WAITS, 200, "broken"),
        (ResponseTimesDaily, WAITS, 120, "well"),
        (BacklogDaily, BACKLOG, 80, "broken"),
        (BacklogDaily, BACKLOG, 0, "well"),
        (ContactGrowthDaily, NEW, 40, "broken"),
        (ContactGrowthDaily, GONE, 30, "broken"),
        (ContactGrowthDaily, GONE, 0, "well"),
        (ContactGrowthDaily, GONE, None, "held"),
    ],
)
def test_a_figure_outside_its_usual_range_on_its_bad_side_is_broken(tenant, table, column, value, state):
    assert tenant.on(table, FRIDAY, **{column: value}).verdict(column).state == state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "bad"), [(ResponseTimesDaily, ANSWERED, 0.4), (ChatsResolvedDaily, UNRESOLVED, 30)]
)
def test_what_is_known_only_after_the_gap_is_judged_then(tenant, table, column, bad):
    tenant.on(table, FRIDAY, **{column: bad})
    assert tenant.verdict(column).day == FRIDAY - dt.timedelta(days=1), "conversations of Friday may still go on"
    later = tenant.verdict(column, at=SATURDAY_NOON + dt.timedelta(days=1))
    assert (later.day, later.state) == (FRIDAY, "broken")


def test_a_response_time_waits_until_nearly_all_are_answered(tenant):
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 1200.0, "open_waits": 6})
    assert tenant.verdict(MEDIAN).day == FRIDAY - dt.timedelta(days=1)
    tenant.on(ResponseTimesDaily, FRIDAY, open_waits=5)
    assert tenant.verdict(MEDIAN, at=SATURDAY_NOON + dt.timedelta(minutes=1)).day == FRIDAY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"coverage": 0.94}, "the crawl is behind: coverage 94 %"),
        ({"coverage": None}, "the crawl is behind: coverage not known"),
        ({"is_provisional": True}, "provisional"),
        ({"first_answered_waits": 9}, "only 9 first answered waits"),
        ({MEDIAN: None}, "not known for that day"),
    ],
)
@pytest.mark.parametrize("rule", ["target", "range"])
def test_a_day_that_tells_nothing_is_held(tenant, changed, reason, rule):
    verdict = tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 9000.0, **changed}).verdict(MEDIAN, rule)
    assert (verdict.state, verdict.reason) == ("held", reason)


@pytest.mark.slow
@pytest.mark.parametrize(("missed", "state"), [(30, "broken"), (10, "broken"), (9, "held")])
def test_a_day_on_which_nobody_was_answered_misses_the_target(tenant, missed, state):
    """Field case 41, of a tenant that is too young to have a usual range."""
    nobody = {MEDIAN: None, "first_answered_waits": 0, "missed_waits": missed}
    tenant.on(ResponseTimesDaily, FRIDAY, **nobody)
    assert tenant.verdict(MEDIAN, "target", weeks=2).state == state
    if state == "broken":
        problems = told(tenant, at=SATURDAY_NOON + dt.timedelta(minutes=1), weeks=2)
        assert problems[f"kpi:response_times_daily.{MEDIAN}:target"] == "The median first response is above its target"
        text = Alerter(tenant.settings).standing()[0].text
        assert text.startswith(f"Fri 20 Nov 2026: {missed} wrote, none got a reply; target: at most 15 min.\n")


@pytest.mark.parametrize("changed", [{"coverage": 0.9}, {"is_provisional": True}])
def test_nobody_was_answered_is_said_of_days_that_are_known(tenant, changed):
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: None, "missed_waits": 30, **changed})
    assert tenant.verdict(MEDIAN, "target").state == "held"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verdict", "state"),
    [("worse", "broken"), ("not_judged", "broken"), (None, "broken"), ("about_the_same", "held"), ("too_few", "held")],
)
def test_what_chance_explains_is_not_called_unusual(tenant, monkeypatch, verdict, state):
    """An outage that cannot be judged is told all the same."""
    day, before = FRIDAY, FRIDAY - dt.timedelta(weeks=1)
    ranges = Ranges(Span(day, day, (day,)), Span(before, before, (before,)))
    claim = verdict and Claim(
        figure=MEDIAN, good="down", verdict=verdict, ranges=ranges, measure="difference", n_current=12, n_base=400
    )
    asked = []
    monkeypatch.setattr(claims, "of_weekday", lambda *question: asked.append(question) or claim)
    found = watches._beyond_chance(tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 1200.0}).verdict(MEDIAN), "reader")
    assert found.state == state
    assert asked[0][1:4] == (ResponseTimesDaily, MEDIAN, FRIDAY)
    assert len(asked[0][4]) == 8
    if state == "held":
        assert found.reason == "unusual, but of so few that it may be chance: 12 then, 400 on the days before"


@pytest.mark.parametrize(("value", "state"), [(900.0, "well"), (900.1, "broken")])
def test_the_median_is_held_to_the_target(tenant, value, state):
    verdict = tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: value}).verdict(MEDIAN, "target")
    assert (verdict.state, verdict.high) == (state, 900.0)


@pytest.mark.parametrize(("value", "state"), [(0.8, "well"), (0.79, "broken")])
def test_the_share_within_the_target_is_held_to_its_own_if_there_is_one(tmp_path, value, state):
    tenant = Tenant(Settings(data_dir=tmp_path, first_response_target_share=0.8))
    assert tenant.on(ResponseTimesDaily, FRIDAY, **{WITHIN: value}).verdict(WITHIN, "target").state == state


@pytest.mark.parametrize("closed", [{"business_hours": "Mon-Thu 08:00-17:00"}, {"holidays": "2026-11-20"}])
def test_a_promise_does_not_bind_on_a_closed_day(tmp_path, closed):
    tenant = Tenant(Settings(data_dir=tmp_path, **closed)).on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 50_000.0})
    assert tenant.verdict(MEDIAN, "target").state == "held"


def test_without_business_hours_every_day_is_open(tmp_path):
    tenant = Tenant(Settings(data_dir=tmp_path, business_hours="none"))
    saturday = FRIDAY + dt.timedelta(days=1)
    tenant.on(ResponseTimesDaily, saturday, **{MEDIAN: 50_000.0})
    assert tenant.verdict(MEDIAN, "target", at=SATURDAY_NOON + dt.timedelta(days=1)).state == "broken"


def test_a_weekday_is_compared_with_its_like(tenant):
    """Sundays are quiet every week: that is no news on a Sunday."""
    sunday = dt.date(2026, 11, 22)
    for weeks in range(9):
        tenant.on(ResponseTimesDaily, sunday - dt.timedelta(weeks=weeks), waits=10)
    monday = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
    assert tenant.verdict(WAITS, at=monday).state == "well"
    tenant.on(ResponseTimesDaily, sunday, waits=100)
    assert tenant.verdict(WAITS, at=monday + dt.timedelta(minutes=1)).state == "broken"


def test_one_odd_week_does_not_move_the_range(tenant):
    before = tenant.verdict(WAITS)
    tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(weeks=3), waits=10_000)
    after = tenant.verdict(WAITS, at=SATURDAY_NOON + dt.timedelta(minutes=1))
    assert (after.low, after.high) == (before.low, before.high)


def test_weeks_that_tell_nothing_are_no_comparison(tmp_path):
    """Five of eight weeks badly covered, holidays or small: three are left, and four are needed."""
    tenant = Tenant(Settings(data_dir=tmp_path, holidays="2026-11-13,2026-11-06"))
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 5000.0})
    for weeks, changed in {3: {"coverage": 0.5}, 4: {"first_answered_waits": 1}, 5: {MEDIAN: None}}.items():
        tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(weeks=weeks), **changed)
    verdict = tenant.verdict(MEDIAN)
    assert (verdict.state, verdict.reason) == ("held", "3 of the 4 weeks needed to compare it with")


def test_a_young_tenant_has_no_usual_range_but_has_targets(tenant):
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 5000.0})
    assert tenant.verdict(MEDIAN, weeks=2).state == "held"
    assert tenant.verdict(MEDIAN, "target", weeks=2, at=SATURDAY_NOON + dt.timedelta(minutes=1)).state == "broken"


def test_a_holiday_is_no_usual_day(tmp_path):
    tenant = Tenant(Settings(data_dir=tmp_path, holidays="2026-11-20")).on(ResponseTimesDaily, FRIDAY, waits=0)
    assert tenant.verdict(WAITS).reason == "a holiday: no day to compare it with"


def test_a_day_is_over_at_local_midnight(tmp_path):
    """Through the night in which New York's clocks go back, a day of 25 hours."""
    tenant = Tenant(Settings(data_dir=tmp_path, timezone="America/New_York"))
    midnight = dt.datetime(2026, 11, 2, 5, tzinfo=dt.UTC)
    before, after = (tenant.verdict(WAITS, at=midnight + dt.timedelta(seconds=shift)) for shift in (-1, 0))
    assert (before.day, after.day) == (dt.date(2026, 10, 31), dt.date(2026, 11, 1))


def test_since_when_goes_back_over_days_that_tell_nothing(tenant):
    """Broken on Tuesday, a badly covered Wednesday, broken on Thursday and Friday; Monday was well."""
    for back in (0, 1, 2, 3):
        tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(days=back), **{MEDIAN: 1500.0})
    tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(days=2), coverage=0.2)
    assert tenant.verdict(MEDIAN, "target").since == dt.date(2026, 11, 17)


def test_an_empty_warehouse_is_judged_too(tenant):
    empty = published.publish(tenant.settings, as_of=SATURDAY_NOON, tables=dict.fromkeys(USUAL, ()))
    assert {(one.state, one.reason) for one in check(tenant.settings, empty)} == {("held", "no complete day yet")}
    missing = published.publish(tenant.settings, as_of=SATURDAY_NOON + dt.timedelta(hours=1), tables={})
    assert {one.state for one in check(tenant.settings, missing)} == {"held"}


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=8), st.floats(0.01, 1e3))
def test_the_usual_range_holds_the_median_and_is_blind_to_order(history, floor):
    low, high = usual_range(history, floor=floor)
    assert usual_range(history[::-1], floor=floor) == (low, high)
    assert low <= sorted(history)[len(history) // 2] <= high or len(history) % 2 == 0
    assert high - low >= 2 * floor * (1 - 1e-9)


def test_the_usual_range_by_hand():
    """Median 12, deviations 2 2 1 0 0 1 3 88 → sorted 0 0 1 1 2 2 3 88, MAD 1.5; 5 × 1.4826 × 1.5 = 11.1195."""
    assert usual_range([10, 10, 11, 12, 12, 13, 15, 100], floor=5) == pytest.approx((0.8805, 23.1195))
    assert usual_range([7] * 8, floor=5) == (2, 12)


# Telling.


def told(tenant: Tenant, **options: object) -> dict[str, str]:
    alerter = Alerter(tenant.settings)
    tell(check(tenant.settings, tenant.snapshot(**options)), alerter, settings=tenant.settings)
    return alerter.open_problems()


@pytest.mark.slow
def test_a_break_is_told_once_held_through_a_gap_and_called_over(tenant, caplog):
    key = f"kpi:response_times_daily.{MEDIAN}:target"
    caplog.set_level("INFO")
    tenant.on(ResponseTimesDaily, FRIDAY, **{MEDIAN: 950.0})
    assert told(tenant) == {key: "The median first response is above its target"}
    assert told(tenant, at=SATURDAY_NOON + dt.timedelta(hours=1)).keys() == {key}
    monday = dt.date(2026, 11, 23)
    tenant.on(ResponseTimesDaily, monday, coverage=0.5)
    tuesday_noon = SATURDAY_NOON + dt.timedelta(days=3)
    assert told(tenant, at=tuesday_noon).keys() == {key}, "the crawl is behind: nothing is said, nothing is over"
    tenant.on(ResponseTimesDaily, monday, coverage=1.0)
    assert told(tenant, at=tuesday_noon + dt.timedelta(hours=1)) == {}
    begun, over = caplog.messages
    assert begun.splitlines() == [
        "The median first response is above its target: 15 min 50 s on Fri 20 Nov 2026; target: at most 15 min.",
        "It is of 45 conversations.",
        "Coverage 100 %.",
        f"Receipt: `crm explain kpi.response_times_daily --day 2026-11-20 --column {MEDIAN}`",
    ]
    assert over.splitlines() == [
        "over: The median first response is above its target: 10 min on Mon 23 Nov 2026; target: at most 15 min.",
        "Coverage 100 %.",
    ]


def test_a_message_says_since_when_and_where_to_look(tmp_path):
    tenant = Tenant(Settings(data_dir=tmp_path, serve_url="https://kpi.example.com/"))
    for back in (0, 1):
        tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(days=back), waits=3, coverage=0.9678)
    (verdict,) = (one for one in check(tenant.settings, tenant.snapshot()) if one.watch.column == WAITS)
    alert = watches.alert(verdict, settings=tenant.settings)
    assert alert.title == "The number of waits for a reply is below its usual range"
    assert alert.text.splitlines() == [
        "3 on Fri 20 Nov 2026; usual on a Friday: 65 to 135.",
        "Usual is what 8 such days before were, 25 Sep 2026 to 13 Nov 2026.",
        "So since Thu 19 Nov 2026. Coverage 96.7 %.",
        "Page: https://kpi.example.com/support",
        "Receipt: `crm explain kpi.response_times_daily --day 2026-11-20 --column waits`",
    ]


def test_a_message_speaks_the_tenants_language(tmp_path):
    tenant = Tenant(Settings(data_dir=tmp_path, language=Language("sw"), serve_url="https://kpi.example.com"))
    for back in (0, 1):
        tenant.on(ResponseTimesDaily, FRIDAY - dt.timedelta(days=back), waits=3, coverage=0.9678)
    assert told(tenant) == {
        "kpi:response_times_daily.waits:range": "Idadi ya kusubiri jibu: chini ya kiwango cha kawaida"
    }
    (problem,) = Alerter(tenant.settings).standing()
    assert problem.text.splitlines() == [
        "3 tarehe Iju 20 Nov 2026; kawaida siku ya Ijumaa: 65 hadi 135.",
        "Kawaida ni jinsi siku 8 kama hiyo zilivyokuwa kabla, 25 Sep 2026 hadi 13 Nov 2026.",
        "Ni hivyo tangu Alh 19 Nov 2026. 96.7 % imeonekana.",
        "Ukurasa: https://kpi.example.com/support",
        "Ushahidi: `crm explain kpi.response_times_daily --day 2026-11-20 --column waits`",
    ]


def test_a_figure_that_is_watched_no_longer_leaves_no_problem(tmp_path):
    tenant = Tenant(Settings(data_dir=tmp_path, first_response_target_share=0.9))
    assert told(tenant).keys() == {f"kpi:response_times_daily.{WITHIN}:target"}
    Alerter(tenant.settings).report(watches.Alert("job:ingest", "ingest failed"))
    tenant.settings = Settings(data_dir=tmp_path)
    assert told(tenant, at=SATURDAY_NOON + dt.timedelta(hours=1)).keys() == {"job:ingest"}


def test_the_sample_of_a_watched_figure_is_what_it_is_over(slower_weeks):
    """Of a rate its denominator, of a median the rows that it is of."""
    with opened(current(slower_weeks).path) as one:
        asked = SnapshotReader.of(one)
        for watch in watches.WATCHES:
            if not watch.declared.sample:
                continue
            behind = asked.over(asked.lineage(watch.table, watch.column), dt.date(2026, 1, 1), dt.date(2027, 1, 1))
            (rows,) = asked.query(behind.asking("select count(*) as n from behind"), behind.parameters)["n"].to_pylist()
            counted = " + ".join(f"sum({name})" for name in watch.declared.sample)
            (told,) = asked.query(f"select {counted} as n from {watch.table.full_name()}")["n"].to_pylist()
            assert rows == told > 0, watch.column


def test_every_watched_figure_is_declared_and_documented(tenant):
    for watch in watches.WATCHES:
        assert watch.column in watch.table.columns
        assert watch.table.period == "day"
        assert set(watch.declared.sample) <= watch.table.columns.keys()
        assert watch.declared.final != "answered" or {"waits", "open_waits"} <= watch.table.columns.keys()
        assert f"| `{watch.table.full_name()}.{watch.column}` |" in DOCUMENT
    keys = [watch.key(rule) for watch in watches.WATCHES for rule in ("target", "range")]
    assert len(keys) == len(set(keys))
