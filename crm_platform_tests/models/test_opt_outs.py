"""Opt-outs that are none: words and messages that people reject by hand, and take back."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.errors import GiveUp
from crm_platform.models.corrections import opt_out_words, reject_opt_out
from crm_platform.schemas import raw
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)


@pytest.fixture
def desk(new_world: Worlds) -> World:
    """Three who wrote `stop`, one of them twice; two who wrote `opt out`."""
    world = new_world()
    for number, (chat_id, word) in enumerate(
        (("a", "stop"), ("a", "stop"), ("b", "stop"), ("c", "stop"), ("a", "opt out"), ("b", "opt out"))
    ):
        world.message(chat_id, f"m{number}", NOW - DAY + number * MINUTE, "inbound", opt_out_word=word)
    world.message("a", "question", NOW, "inbound")
    world.store()
    return world


def told(world: World) -> list[tuple[object, ...]]:
    with world.live.reading() as session:
        return [
            (one.word, one.messages, one.contacts, one.rejected_messages, one.is_rejected)
            for one in opt_out_words(session)
        ]


def rejected(world: World, as_of: dt.datetime) -> set[tuple[object, object]]:
    """What a build counts as rejected of what is stored."""
    with world.live.reading() as session:
        world.rows[raw.OptOutRejections] = session.query("select * from raw.opt_out_rejections").to_pylist()
    world.freeze(NOW + DAY, as_of=as_of)
    with world.models.reading() as session:
        return {
            (row["kind"], row["value"]) for row in session.query("select * from core.rejected_opt_outs").to_pylist()
        }


@pytest.mark.slow
def test_a_word_or_a_message_is_rejected_and_taken_back(desk: World):
    assert told(desk) == [("stop", 4, 3, 0, False), ("opt out", 2, 2, 0, False)]
    assert reject_opt_out(desk.live, "Opt-out!", is_rejected=True, by="cli:amina", at=NOW) == ("word", 2)
    assert reject_opt_out(desk.live, "m1", is_rejected=True, by="cli:amina", at=NOW + MINUTE) == ("message", 1)
    assert told(desk) == [("stop", 4, 3, 1, False), ("opt out", 2, 2, 0, True)]
    assert reject_opt_out(desk.live, "opt out", is_rejected=False, by="cli:brian", at=NOW + 2 * MINUTE) == ("word", 2)
    assert told(desk) == [("stop", 4, 3, 1, False), ("opt out", 2, 2, 0, False)]
    assert rejected(desk, NOW - MINUTE) == set()
    assert rejected(desk, NOW + MINUTE) == {("word", "opt out"), ("message", "m1")}
    assert rejected(desk, NOW + DAY) == {("message", "m1")}
    assert {(fact["who"], fact["is_rejected"]) for fact in desk.rows[raw.OptOutRejections]} == {
        ("cli:amina", True),
        ("cli:brian", False),
    }


@pytest.mark.parametrize("what", ["question", "nothing", "", "!!!"])
def test_what_is_no_opt_out_cannot_be_rejected(desk: World, what: str):
    with pytest.raises(GiveUp, match="no word that anybody opted out by"):
        reject_opt_out(desk.live, what, is_rejected=True, by="cli:amina", at=NOW)
