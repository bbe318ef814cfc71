"""The crawl planner under any sequence of calls: limits, gone chats, determinism, restarts; and a small simulation."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.crawl.crawlers import Baseline
from benchmarks.crawl.replay import replay
from benchmarks.crawl.world import START as WORLD_START
from benchmarks.crawl.world import Shape, build
from crm_platform.ingest.planner import CrawlPlanner, SavedPlanner, SeenMessage

START = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)


@dataclass
class Life:
    """A random life of a planner, the same for the same seed: every call that a crawl makes, and what came back."""

    made: CrawlPlanner
    dice: random.Random
    chats: int = 150
    gone: set[str] = field(default_factory=set)
    spent: list[tuple[dt.datetime, int]] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)

    def begin(self) -> None:
        self.made.sighted([f"c{chat}" for chat in range(self.chats)], at=START)

    def step(self, at: dt.datetime) -> None:
        dice, made = self.dice, self.made
        chance = dice.random()
        some = f"c{dice.randrange(self.chats)}"
        if chance < 0.1:
            made.hinted(some, message_at=at - dt.timedelta(minutes=dice.randrange(300)), at=at)
        elif chance < 0.13:
            chosen = None if dice.random() < 0.5 else [f"c{chat}" for chat in range(0, self.chats, 3)]
            made.campaign_sent(at=at - dt.timedelta(hours=dice.random() * 5), recipients=40, chat_ids=chosen)
        elif chance < 0.16:
            made.gone([some])
            self.gone.add(some)
        elif chance < 0.18:
            made.sighted([some], at=at)
            self.gone.discard(some)
        available = dice.choice([None, None, 0, 1, 7, 40])
        plan = made.plan(at, available=available)
        assert available is None or len(plan.chats) + plan.sweep <= available
        assert len(set(plan.chats)) == len(plan.chats)
        assert not self.gone & set(plan.chats)
        paid = len(plan.chats)
        if plan.sweep:
            cost = -(-self.chats // 100)
            made.sighted([f"c{self.chats}"], at=at)
            self.chats += 1
            made.swept(at=at, requests=cost)
            paid += cost
        for chat in plan.chats:
            if dice.random() < 0.9:  # the others failed
                made.visited(chat, at=at, new_messages=self._news(at))
        self.spent.append((at, paid))
        self.answers += [plan, made.expected_unseen(at), made.explain(some, at)]

    def _news(self, at: dt.datetime) -> list[SeenMessage]:
        dice = self.dice
        return [
            SeenMessage(
                at - dt.timedelta(minutes=dice.random() * 60),
                dice.choice(["inbound", "outbound"]),
                dice.random() < 0.1,
            )
            for _ in range(dice.choice([0, 0, 0, 0, 1, 3]))
        ]


def moments(seed: int, count: int, *, most_minutes: float) -> list[dt.datetime]:
    dice = random.Random(seed)
    at, found = START, []
    for _ in range(count):
        found.append(at)
        at += dt.timedelta(minutes=dice.choice([0.2, 1, 1, 1, 5, most_minutes]))
    return found


def life(seed: int, *, per_minute: int | None, per_day: int | None) -> Life:
    made = CrawlPlanner(requests_per_minute=per_minute, requests_per_day=per_day, start=START)
    return Life(made, random.Random(seed))


LIMITS = st.sampled_from([(None, None), (5, None), (60, None), (None, 300), (10, 300), (60, 5_000)])


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), limits=LIMITS)
def test_no_window_goes_over_its_limit_and_nobody_gone_is_planned(seed: int, limits: tuple[int | None, int | None]):
    per_minute, per_day = limits
    one = life(seed, per_minute=per_minute, per_day=per_day)
    one.begin()
    for at in moments(seed, 60, most_minutes=600):
        one.step(at)
    previous = START - dt.timedelta(minutes=1)
    for at, paid in one.spent:
        if per_day is not None:
            day = sum(other for then, other in one.spent if at - dt.timedelta(days=1) < then <= at)
            assert day <= per_day
        if per_minute is not None:
            # A plan holds the work of the time since the one before, of 15 minutes at most; sweeps are paid afterwards.
            minutes = min(max((at - previous) / dt.timedelta(minutes=1), 1.0), 15.0)
            assert paid <= per_minute * minutes + 2
            if minutes == 1.0:
                window = sum(other for then, other in one.spent if at - dt.timedelta(minutes=1) < then < at)
                assert not paid or window + paid <= max(per_minute + 2, window)
        previous = at


@pytest.mark.slow
@pytest.mark.parametrize("limits", [(60, None), (60, 1_000), (None, None)])
def test_same_calls_same_answers(limits: tuple[int | None, int | None]):
    answers = []
    for _ in range(2):
        one = life(3, per_minute=limits[0], per_day=limits[1])
        one.begin()
        for at in moments(3, 60, most_minutes=90):
            one.step(at)
        answers.append(one.answers)
    assert answers[0] == answers[1]


@pytest.mark.slow
@pytest.mark.parametrize("limits", [(60, None), (60, 1_000), (None, None)])
@pytest.mark.parametrize("stop", [0, 1, 40])
def test_a_restart_changes_no_later_answer(limits: tuple[int | None, int | None], stop: int):
    one = life(5, per_minute=limits[0], per_day=limits[1])
    one.begin()
    steps = moments(5, 90, most_minutes=90)
    for at in steps[:stop]:
        one.step(at)
    state = one.made.to_arrow()
    backwards = state.chats.take(pa.array(range(state.chats.num_rows - 1, -1, -1)))
    other = Life(
        CrawlPlanner.from_arrow(SavedPlanner(backwards, state.planner)), random.Random(), one.chats, set(one.gone)
    )
    other.dice.setstate(one.dice.getstate())
    one.answers.clear()
    for at in steps[stop:]:
        one.step(at)
        other.step(at)
    assert one.answers == other.answers
    assert one.made.to_arrow().planner.equals(other.made.to_arrow().planner)
    assert one.made.to_arrow().chats.equals(other.made.to_arrow().chats)


def test_the_state_of_some_chats_is_their_rows():
    one = life(1, per_minute=60, per_day=None)
    one.begin()
    one.step(START)
    assert one.made.to_arrow(["c7", "c3"]).chats["chat_id"].to_pylist() == ["c7", "c3"]
    whole = one.made.to_arrow().chats
    assert one.made.to_arrow(["c7"]).chats.equals(whole.slice(7, 1).combine_chunks())


def test_two_campaigns_of_one_moment_stay_two():
    one = life(1, per_minute=60, per_day=None)
    one.begin()
    for chat in range(4):
        one.made.visited(f"c{chat}", at=START, new_messages=[])
    later = START + dt.timedelta(hours=5)
    for chat in ("c1", "c2"):
        one.made.campaign_sent(at=START + dt.timedelta(hours=1), recipients=1, chat_ids=[chat])
    again = CrawlPlanner.from_arrow(one.made.to_arrow())
    assert again.expected_unseen_per_chat(later) == one.made.expected_unseen_per_chat(later)


def test_state_without_chats_comes_back():
    made = CrawlPlanner(requests_per_minute=60, requests_per_day=None, start=START)
    again = CrawlPlanner.from_arrow(made.to_arrow())
    assert again.plan(START) == made.plan(START)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.95])
def test_in_a_small_world_it_sees_more_messages_soon_than_going_round(share: float):
    world = build(1, days=3, shape=Shape(contacts=400))
    quota = 400
    planner = CrawlPlanner(requests_per_minute=60, requests_per_day=quota, start=WORLD_START, close_share=0.0)
    ours = replay(world, planner, requests_per_day=quota, per_minute=60, tick_minutes=5, hints=share)
    round_robin = Baseline(requests_per_day=quota, chats=len(world.joined))
    theirs = replay(world, round_robin, requests_per_day=quota, per_minute=60, tick_minutes=5)
    assert ours.share_within(6) > (1.9 if share else 1.4) * theirs.share_within(6)
    assert ours.mean_delay < theirs.mean_delay
    assert ours.requests <= quota * 3 + quota / 24
    assert ours.most_in_a_day <= quota
