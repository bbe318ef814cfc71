"""When published figures stand: only where nothing that they follow from is another, and for a while."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.models import freeze
from crm_platform.models.standing import STANDS_FOR, standing_cut
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def world(new_world: Worlds) -> World:
    """A chat with a question, frozen."""
    world = new_world()
    world.chat("chat", known_until=NOW - MINUTE)
    world.message("chat", "m1", NOW - 5 * MINUTE, "inbound")
    world.store()
    frozen(world)
    return world


def frozen(world: World, *, as_of: dt.datetime | None = None) -> None:
    freeze(world.models, world.live, settings=world.settings, as_of=as_of, now=NOW, expected_unseen=None)


def standing(world: World, *, now: dt.datetime = NOW + MINUTE) -> dt.datetime | None:
    return standing_cut(world.models, world.live, settings=world.settings, now=now)


def test_before_the_first_build_nothing_stands(new_world: Worlds):
    assert standing(new_world()) is None


def test_figures_stand_for_a_quarter_of_an_hour(world: World):
    assert standing(world) == NOW
    assert standing(world, now=NOW + STANDS_FOR) == NOW
    assert standing(world, now=NOW + STANDS_FOR + MINUTE) is None
    assert standing(world, now=NOW - MINUTE) is None, "the clock went back"


def test_over_midnight_they_do_not(world: World):
    evening = dt.datetime(2026, 11, 20, 20, 55, tzinfo=dt.UTC)  # 23:55 in Nairobi
    freeze(world.models, world.live, settings=world.settings, as_of=None, now=evening, expected_unseen=None)
    assert standing(world, now=evening + 4 * MINUTE) == evening
    assert standing(world, now=evening + 6 * MINUTE) is None


def test_whoever_wrote_to_the_warehouse_ends_that(world: World):
    with world.live.writing() as session:
        session.execute("update raw.messages set status = 'read'")
    assert standing(world) is None


def test_a_setting_or_a_list_of_people_ends_that(world: World):
    (world.settings.root / "agent_teams.csv").write_text("agent,team\namina@example.com,Sales\n")
    assert standing(world) is None
    frozen(world)
    assert standing(world) == NOW
    world.settings = world.settings.model_copy(update={"conversation_gap_hours": 12})
    assert standing(world) is None


def test_a_message_whose_time_comes_ends_that(world: World):
    world.message("chat", "m2", NOW + 3 * MINUTE, "inbound")
    world.store()
    frozen(world)
    assert standing(world, now=NOW + 2 * MINUTE) == NOW
    assert standing(world, now=NOW + 4 * MINUTE) is None


def test_a_cut_in_the_past_never_stands(world: World):
    frozen(world, as_of=NOW - 2 * MINUTE)
    assert standing(world) is None


def test_a_first_build_that_was_given_up_leaves_nothing_that_stands(new_world: Worlds):
    world = new_world()
    with world.models.writing() as session:
        session.execute("create table left_behind as select 1 as one")
    assert standing(world) is None
