"""The crawl planner, rule by rule: what it prefers, what it may spend, what it expects, what it remembers."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
from pathlib import Path

import pytest

from crm_platform.ingest import planner as rules
from crm_platform.ingest.planner import CrawlPlanner, Plan, SeenMessage
from crm_platform.ingest.planner.clock import FURTHEST_HOURS

START = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)  # a Monday, 09:00 in Nairobi
FLAT = [1.0] * 168

PAGE = (Path(rules.__file__).parents[3] / "docs" / "planner.md").read_text(encoding="utf-8")


def after(hours: float) -> dt.datetime:
    return START + dt.timedelta(hours=hours)


def inbound(hours: float) -> SeenMessage:
    return SeenMessage(after(hours), "inbound", False)


def reply(hours: float) -> SeenMessage:
    return SeenMessage(after(hours), "outbound", False)


def copy(hours: float) -> SeenMessage:
    return SeenMessage(after(hours), "outbound", True)


def planner(per_minute: int | None = 60, per_day: int | None = None, **options: object) -> CrawlPlanner:
    options.setdefault("activity", FLAT)
    options.setdefault("close_share", 0.0)
    options.setdefault("audit_share", 0.0)
    return CrawlPlanner(requests_per_minute=per_minute, requests_per_day=per_day, start=START, **options)


def known(*chats: str, messages: dict[str, list[SeenMessage]] | None = None, **options: object) -> CrawlPlanner:
    """A planner that swept and visited these chats at START."""
    made = planner(**options)
    made.sighted(chats, at=START)
    for chat in chats:
        made.visited(chat, at=START, new_messages=(messages or {}).get(chat, []))
    made.swept(at=START, requests=0)
    return made


def order(made: CrawlPlanner, hours: float, *, available: int | None = None) -> list[str]:
    """The chats of a plan; a sweep has just been made, so none is due."""
    made.swept(at=after(hours), requests=0)
    return made.plan(after(hours), available=available).chats


# What it prefers.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param([inbound(-0.2), reply(-0.1)], [], id="a talk before silence"),
        pytest.param([inbound(-0.3), reply(-0.2), reply(-0.1)], [reply(-0.1)], id="a lively talk before a short one"),
        pytest.param([reply(-0.1)], [reply(-300)], id="today's talk before last week's"),
        pytest.param([reply(-300), reply(-200), reply(-100)], [reply(-300)], id="a regular before a stranger"),
        pytest.param(
            [reply(-0.2), inbound(-0.1)], [inbound(-0.2), reply(-0.1)], id="an open question before an answer"
        ),
        pytest.param([inbound(-1)], [copy(-1)], id="a message before a campaign's copy"),
        pytest.param([copy(-1)], [], id="a campaign's copy before nothing"),
    ],
)
def test_who_is_next(first: list[SeenMessage], second: list[SeenMessage]):
    made = known("first", "second", messages={"first": first, "second": second})
    assert order(made, 0.5, available=1) == ["first"]


def test_the_longer_wait_is_next():
    made = known("long", "short")
    made.visited("short", at=after(2), new_messages=[])
    assert order(made, 3, available=1) == ["long"]


def test_a_newcomer_comes_before_quiet_chats():
    made = known("old")
    made.sighted(["new"], at=after(1))
    assert order(made, 1.1, available=1) == ["new"]


@pytest.mark.slow
def test_no_chat_starves():
    made = known("hot", "quiet", messages={"hot": [inbound(-0.1)]})
    planned = set()
    for hour in range(1, 24 * 40):
        for chat in order(made, hour, available=1):
            made.visited(chat, at=after(hour), new_messages=[inbound(hour - 0.1)] if chat == "hot" else [])
            planned.add(chat)
    assert planned == {"hot", "quiet"}


def test_the_score_is_the_formula():
    messages = [inbound(-1.0), reply(-0.5)]
    made = known("one", messages={"one": messages})
    passed = 3.0
    expected = rules.BASE_PER_HOUR * passed
    for hours, weight in zip(rules.ECHO_HOURS[:4], rules.WEIGHTS[:4], strict=True):
        counter = math.exp(-1.0 / hours) + math.exp(-0.5 / hours)
        expected += weight * counter * (1 - math.exp(-passed / hours))
    horizon = 1.0  # two rounds of one chat take two seconds: the least
    z = passed / horizon
    worth = expected / passed * (horizon**2 * (1 - math.exp(-z) * (1 + z)) + 0.05 * passed**2 / 2)
    assert made.expected_unseen(after(passed)) == pytest.approx(expected, rel=1e-9)
    assert f"score {worth:.3g}" in made.explain("one", after(passed))


def test_operating_hours_run_with_the_business():
    by_day = [1.0 if 8 <= hour < 18 else 0.0 for _ in range(7) for hour in range(24)]
    made = known("one", activity=by_day, messages={"one": [inbound(-0.1)]})
    working = made.expected_unseen(after(8))  # 09:00 to 17:00
    made.visited("one", at=after(10), new_messages=[inbound(9.9)])
    night = made.expected_unseen(after(18))  # 19:00 to 03:00
    assert night < 0.5 * working


# What it may spend.


@pytest.mark.parametrize(
    ("per_minute", "per_day", "minutes", "chats"),
    [
        (60, None, [0], [60]),
        (60, None, [0, 1, 2], [60, 60, 60]),
        (60, None, [0, 0.5, 1], [60, 0, 60]),
        (60, None, [0, 5], [60, 300]),
        (60, None, [0, 600], [60, 900]),  # never the backlog of a night
        (60, 1000, [0, 60], [41, 37]),  # an hour's share at once; a tenth of what comes is put by for sweeps
        (None, 1000, [0], [41]),
        (10, 1000, [0, 1, 2], [10, 10, 10]),
    ],
)
def test_tokens(per_minute: int | None, per_day: int | None, minutes: list[float], chats: list[int]):
    made = known(*[f"c{i}" for i in range(2000)], per_minute=per_minute, per_day=per_day)
    assert [len(order(made, minute / 60)) for minute in minutes] == chats


@pytest.mark.parametrize("available", [0, 1, 3, 50])
def test_never_more_than_the_gate_has_left(available: int):
    made = known(*[f"c{i}" for i in range(200)])
    plan = made.plan(after(1), available=available)
    assert len(plan.chats) + 2 * plan.sweep == available
    assert plan.sweep == (available >= 3)


def test_nothing_known_means_a_sweep():
    made = planner()
    assert made.plan(START) == Plan(sweep=True, chats=[])
    made.sighted(["a"], at=START)
    made.swept(at=START, requests=1)
    assert made.plan(after(1 / 60)) == Plan(sweep=False, chats=["a"])


def test_a_sweep_that_failed_is_asked_again_later():
    made = planner()
    assert made.plan(START).sweep
    assert not made.plan(after(0.25)).sweep
    assert made.plan(after(0.75)).sweep


@pytest.mark.parametrize(("per_minute", "again_after"), [(20, 3), (60, 1), (None, 30)])
def test_a_sweep_that_broke_off_is_made_again_out_of_the_sweeps_share(per_minute, again_after):
    """Field case 78: a refusal on the last page of the first sweep cost half an hour (simulation, seed 7015)."""
    made = planner(per_minute=per_minute)
    assert made.plan(START).sweep
    made.sighted(["a", "b"], at=START)
    made.swept_in_part(at=START, requests=5)
    minutes = next(minute for minute in range(1, 60) if made.plan(after(minute / 60)).sweep)
    assert minutes == pytest.approx(again_after, abs=1)


@pytest.mark.slow
def test_sweeps_that_break_off_for_ever_take_no_more_than_their_share():
    made = planner(per_minute=60)
    sweeps = 0
    for minute in range(240):
        if made.plan(after(minute / 60)).sweep:
            sweeps += 1
            made.sighted([f"c{i}" for i in range(4000)], at=after(minute / 60))
            made.swept_in_part(at=after(minute / 60), requests=40)
    assert 10 <= sweeps <= 240 * 60 * 0.1 / 40 + 1


@pytest.mark.slow
def test_sweeps_take_a_tenth_of_the_quota_and_never_come_twice_in_half_an_hour():
    made = known(*[f"c{i}" for i in range(900)], per_minute=60, per_day=2000)
    swept = []
    for minute in range(1, 3 * 1440):
        at = after(minute / 60)
        plan = made.plan(at)
        for chat in plan.chats:
            made.visited(chat, at=at, new_messages=[])
        if plan.sweep:
            swept.append(minute)
            made.sighted([f"n{minute}"], at=at)
            made.swept(at=at, requests=10)
    assert min(later - earlier for earlier, later in itertools.pairwise(swept)) >= 30
    assert 3 <= len(swept) <= 3 * 2000 * 0.1 / 9


def test_extra_pages_and_other_requests_come_off_the_tokens():
    made = known(*[f"c{i}" for i in range(500)])
    chats = order(made, 1 / 60)
    for chat in chats:
        made.visited(chat, at=after(1 / 60), new_messages=[], requests=2 if chat == chats[0] else 1)
    made.spent(at=after(1 / 60), requests=9)
    assert len(order(made, 2 / 60)) == 50


def test_known_history_is_loaded_for_nothing():
    made = known(*[f"c{i}" for i in range(500)])
    assert len(order(made, 1 / 60)) == 60


def test_the_day_is_full_when_it_is_full():
    made = known(*[f"c{i}" for i in range(3000)], per_minute=None, per_day=1000)
    spent = [(hour, len(order(made, hour))) for hour in (23.9, 24.0, 30.0, 47.0, 47.8)]
    assert sum(count for _, count in spent) <= 1000


def test_the_close_keeps_its_share_of_the_day():
    made = known(*[f"c{i}" for i in range(3000)], per_minute=None, per_day=1000, close_share=0.4)
    by_hour: dict[int, int] = {}
    for quarter in range(1, 4 * 72):
        at = after(quarter / 4)
        plan = made.plan(at)
        local = (at - dt.timedelta(minutes=15)).astimezone(dt.timezone(dt.timedelta(hours=3))).hour
        if quarter > 4 * 48:
            by_hour[local] = by_hour.get(local, 0) + len(plan.chats)
        for chat in plan.chats:
            made.visited(chat, at=at, new_messages=[])
    closing = sum(by_hour[hour] for hour in (21, 22, 23, 0, 1))
    assert closing / sum(by_hour.values()) == pytest.approx(0.4 + 0.6 * 5 / 24, abs=0.06)


def test_without_a_quota_only_what_is_worth_it():
    made = known("hot", "quiet", "named", messages={"hot": [inbound(-0.1)]}, per_minute=None)
    made.sighted(["never"], at=START)
    made.hinted("named", message_at=after(0.01), at=after(0.01))
    assert set(order(made, 0.4)) == {"hot", "named", "never"}
    assert "quiet" in order(made, 24.1)


def test_a_chat_handed_out_is_not_handed_out_again_at_once():
    made = known("a", "b")
    assert len(order(made, 1)) == 2
    assert order(made, 1.1) == []
    made.visited("a", at=after(1.1), new_messages=[])
    assert order(made, 1.2) == ["a"]
    assert set(order(made, 1.5)) == {"a", "b"}


# Events.


def test_a_named_chat_is_next_and_the_longest_wait_first():
    made = known("a", "b", "c")
    made.hinted("b", message_at=after(1.5), at=after(1.5))
    made.hinted("c", message_at=after(1.0), at=after(1.6))
    assert order(made, 2, available=2) == ["c", "b"]


@pytest.mark.parametrize(
    ("hints", "counted"),
    [
        pytest.param([(1.0, 1.0)], 1, id="once"),
        pytest.param([(1.0, 1.0), (1.0, 1.2)], 1, id="repeated"),
        pytest.param([(1.0, 1.0), (0.5, 1.2)], 2, id="out of order"),
        pytest.param([(-0.5, 1.0)], 0, id="seen by the last visit"),
        pytest.param([(9.0, 1.0)], 1, id="a clock that runs ahead"),
    ],
)
def test_hints(hints: list[tuple[float, float]], counted: int):
    made = known("a")
    before = made.expected_unseen(after(2))
    for message_at, at in hints:
        made.hinted("a", message_at=after(message_at), at=after(at))
    named = made.expected_unseen(after(2)) - before
    assert counted <= named <= counted * (1 + rules.WEIGHTS[-1]) + 1e-12
    made.visited("a", at=after(2), new_messages=[])
    made.hinted("a", message_at=after(1.0), at=after(2.5))  # late: the visit has seen it
    assert made.expected_unseen(after(2)) == 0.0


def test_a_named_chat_nobody_knew_is_sighted():
    made = known("a")
    made.hinted("new", message_at=after(1), at=after(1))
    assert order(made, 1.1, available=1) == ["new"]


# Gone.


def test_gone_chats_are_never_planned_until_sighted_again():
    made = known("a", "b", messages={"b": [inbound(-0.1)]})
    made.gone(["b", "unknown"])
    made.hinted("b", message_at=after(0.5), at=after(0.5))
    assert order(made, 1) == ["a"]
    assert "b" not in made.expected_unseen_per_chat(after(1))
    assert "gone" in made.explain("b", after(1))
    made.sighted(["b"], at=after(1))
    assert "b" in order(made, 2)


# Campaigns.


def test_a_campaign_raises_what_is_expected_of_chats_not_visited_since():
    made = known("a", "b", "c", "d")
    made.visited("d", at=after(2), new_messages=[])
    before = made.expected_unseen_per_chat(after(4))
    made.campaign_sent(at=after(1), recipients=2)
    later = made.expected_unseen_per_chat(after(4))
    share = rules.WEIGHTS[5] * 0.5 * (1 - math.exp(-3 / rules.ECHO_HOURS[5]))
    assert {chat: later[chat] - before[chat] for chat in before} == pytest.approx(
        {"a": share, "b": share, "c": share, "d": 0.0}
    )


def test_a_campaign_to_named_chats_touches_only_those():
    made = known("a", "b")
    before = made.expected_unseen_per_chat(after(4))
    made.campaign_sent(at=after(1), recipients=1, chat_ids=["b", "unknown"])
    later = made.expected_unseen_per_chat(after(4))
    assert later["a"] == before["a"]
    assert later["b"] > before["b"]


def test_who_got_copies_before_is_expected_to_get_them_again():
    made = known("loyal", "never")
    for week in range(3):
        made.campaign_sent(at=after(week * 168 + 1), recipients=1)
        made.visited("loyal", at=after(week * 168 + 2), new_messages=[copy(week * 168 + 1)])
        made.visited("never", at=after(week * 168 + 2), new_messages=[])
    before = made.expected_unseen_per_chat(after(600))
    made.campaign_sent(at=after(599), recipients=1)
    later = made.expected_unseen_per_chat(after(600))
    assert later["loyal"] - before["loyal"] > 3 * (later["never"] - before["never"]) > 0


# What it expects.


def test_spans_add_up_and_agree_with_one_by_one():
    made = known("a", "b", "c", messages={"a": [inbound(-1)], "b": [reply(-30), copy(-2)]})
    made.visited("c", at=after(5), new_messages=[inbound(4)])
    made.campaign_sent(at=after(3), recipients=2)
    made.hinted("b", message_at=after(6), at=after(6))
    made.sighted(["new"], at=after(7))
    at = after(9)
    edges = [after(hour) for hour in (-2, 0, 2, 5, 6, 7, 9)]
    spans = made.expected_unseen_by(at, edges)
    assert spans == pytest.approx(
        [made.expected_unseen(at, since=one, until=two) for one, two in itertools.pairwise(edges)]
    )
    assert sum(spans) == pytest.approx(made.expected_unseen(at))
    assert made.expected_unseen(at) == pytest.approx(sum(made.expected_unseen_per_chat(at).values()))
    assert made.expected_unseen(at, until=after(-1)) == 0


def test_long_histories_cost_their_ends_and_say_the_same():
    """A variant of field case 2: a day of every year since 2000 is expected as one by one, without asking each day."""
    made = known("a", messages={"a": [inbound(-1)]})
    made.sighted(["never visited"], at=after(2))
    cold = planner()
    cold.sighted([f"c{number}" for number in range(3)], at=START)
    for one in (made, cold):
        at = after(9)
        edges = [after(-24 * days) for days in (9700, 9600, 5000, 31, 30, 1, 0)] + [after(5), at]
        asked = []
        dated_before = one._estimate.dated_before
        one._estimate.dated_before = lambda *given, of=dated_before, told=asked: told.append(given) or of(*given)
        spans = one.expected_unseen_by(at, edges)
        assert len(asked) <= 5
        assert spans == pytest.approx(
            [one.expected_unseen(at, since=first, until=until) for first, until in itertools.pairwise(edges)], abs=1e-6
        )


@pytest.mark.parametrize("year", [1, 1970, 2031, 9999])
def test_no_moment_sizes_the_planner(year):
    """Field case 1: whoever tells the planner of it, a far date costs no more than a near one."""
    far = dt.datetime(year, 12, 31, tzinfo=dt.UTC)
    made = known("a", "b", messages={"a": [SeenMessage(far, "inbound", False), reply(-1)]})
    made.visited("b", at=after(1), new_messages=[SeenMessage(far, "inbound", True)])
    made.campaign_sent(at=far, recipients=2)
    made.campaign_sent(at=far, recipients=1)  # another one: told apart by a moment, where such dates know of none
    made.hinted("a", message_at=far, at=after(2))
    assert made.plan(after(3)).chats is not None
    assert math.isfinite(made.expected_unseen(after(3)))
    assert len(made._state.clock._cells) <= FURTHEST_HOURS + 1
    restored = CrawlPlanner.from_arrow(made.to_arrow())
    assert math.isfinite(restored.expected_unseen(after(4)))


def test_newcomers_that_no_sweep_has_found_are_expected_too():
    made = known("a")
    for hour in range(6, 60, 6):
        made.sighted([f"n{hour}"], at=after(hour))
        made.visited(f"n{hour}", at=after(hour), new_messages=[inbound(hour - 1)] * 3)
        made.swept(at=after(hour), requests=1)
    per_chat = sum(made.expected_unseen_per_chat(after(60)).values())
    assert made.expected_unseen(after(60)) - per_chat == pytest.approx(6 / 6 * 3.3, abs=0.7)


def test_a_cold_chat_is_as_unknown_last_month_as_today():
    made = planner()
    made.sighted(["a"], at=START)
    day = made.expected_unseen(START, since=after(-24))
    assert day == pytest.approx(made.expected_unseen(START, since=after(-24 * 30), until=after(-24 * 29)))
    assert day == pytest.approx(rules.FIRST_VISIT_MESSAGES / 10)


def test_weights_follow_what_visits_find():
    """Chats that answer every message twice teach more than the prior expects; silent ones less."""
    found = {}
    for name, answers in (("talkative", 3), ("silent", 0)):
        made = known(name, messages={name: [inbound(-0.1)]})
        for hour in range(1, 200):
            news = [reply(hour - 0.5 + 0.1 * answer) for answer in range(answers)]
            made.plan(after(hour))
            made.visited(name, at=after(hour), new_messages=news)
        made.visited(name, at=after(200), new_messages=[inbound(199.9)])
        found[name] = made.expected_unseen(after(201))
    assert found["talkative"] > 1.5 * found["silent"]


# Audits, nights, words.


def test_about_one_visit_in_a_hundred_is_drawn_at_random_from_all():
    chats = [f"c{i}" for i in range(400)]
    made = known(*chats, audit_share=0.01, messages={chat: [inbound(-0.1)] for chat in chats[:50]})
    for minute in range(1, 601):
        for chat in made.plan(after(minute / 60), available=10).chats:
            made.visited(chat, at=after(minute / 60), new_messages=[inbound(minute / 60)] if chat == "c7" else [])
    summary = made.audit()
    assert summary.visits == pytest.approx(60, abs=2)
    assert summary.ratio is not None
    assert summary.low is not None
    assert summary.high is not None
    assert summary.low <= summary.ratio <= summary.high


def test_nightly_scan_ends_at_two():
    chats = [f"c{i}" for i in range(1200)]
    made = known(*chats, per_minute=60, mode="nightly")
    visited: dict[str, float] = {}
    first = None
    for minute in range(1, 24 * 60):
        at = after(minute / 60)
        plan = made.plan(at)
        if plan.chats or plan.sweep:
            first = first or at
        for chat in plan.chats:
            assert chat not in visited
            visited[chat] = minute
            made.visited(chat, at=at, new_messages=[])
        if plan.sweep:
            made.swept(at=at, requests=12)
    ends = dt.datetime(2026, 3, 2, 23, tzinfo=dt.UTC)  # 02:00 in Nairobi
    assert visited.keys() == set(chats)
    assert first is not None
    assert dt.timedelta(minutes=15) < ends - first < dt.timedelta(minutes=30)
    assert dt.timedelta(0) <= ends - after(max(visited.values()) / 60) < dt.timedelta(minutes=10)


@pytest.mark.parametrize(
    ("per_minute", "per_day", "mode", "is_advised"),
    [
        (60, None, "continuous", True),
        (60, 1000, "continuous", True),
        (60, 101, "continuous", True),
        (60, 100, "continuous", False),
        (None, None, "continuous", True),
        (60, None, "nightly", False),
    ],
)
def test_advice(per_minute: int | None, per_day: int | None, mode: str, is_advised: bool):
    made = planner(per_minute, per_day, mode=mode)
    assert made.advice() is None
    made.sighted([f"c{i}" for i in range(100)], at=START)
    assert (made.advice() is not None) == is_advised


def test_it_explains_itself():
    made = known("hot", "quiet", messages={"hot": [inbound(-0.1)]})
    made.hinted("hot", message_at=after(0.5), at=after(0.5))
    assert "not known" in made.explain("nobody", after(1))
    assert "1 named by events" in made.explain("hot", after(1))
    assert "rank 2 of 2" in made.explain("quiet", after(1))
    made.plan(after(1))
    assert "handed out 3 minutes ago" in made.explain("hot", after(1.05))


def test_optimal_delay_of_equal_chats_is_half_a_cycle():
    made = known(*[f"c{i}" for i in range(100)])
    assert made.optimal_delay_hours(START, visits_per_day=200) == pytest.approx(6.0)
    assert planner().optimal_delay_hours(START, visits_per_day=200) is None


@pytest.mark.parametrize(
    "options",
    [
        {"requests_per_minute": 0},
        {"requests_per_day": 0},
        {"close_share": 1.1},
        {"audit_share": -0.1},
        {"activity": [1.0] * 24},
        {"activity": [0.0] * 168},
        {"mode": "hourly"},
        {"start": dt.datetime(2026, 3, 2)},
    ],
)
def test_what_cannot_be_is_refused(options: dict):
    defaults = {"requests_per_minute": 60, "requests_per_day": None, "start": START}
    with pytest.raises(ValueError):
        CrawlPlanner(**{**defaults, **options})


def test_naive_times_are_refused():
    with pytest.raises(ValueError, match="aware"):
        planner().plan(dt.datetime(2026, 3, 2))


# The page of its formulas.


def test_the_page_has_the_echoes_of_the_code():
    rows = re.findall(r"^\| (\d) \| .* \| ([\d.]+) \| ([\d.]+) \|$", PAGE, flags=re.MULTILINE)
    told = [(int(number), float(hours), float(weight)) for number, hours, weight in rows]
    assert told == list(zip(itertools.count(), rules.ECHO_HOURS.tolist(), rules.WEIGHTS.tolist(), strict=False))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_/]+\.py)`", PAGE))))
def test_the_page_names_modules_that_there_are(name: str):
    package = Path(rules.__file__).parent
    assert (package / name).is_file() or (package.parents[1] / name).is_file()
