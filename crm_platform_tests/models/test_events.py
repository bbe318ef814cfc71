"""What events tell, by hand: which conversation a handoff or a score is of, and what nobody told of."""

from __future__ import annotations

import datetime as dt

from crm_platform.models import build_order, build_within, freeze
from crm_platform.schemas import raw
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
START = NOW - 3 * DAY


def desk(new_world: Worlds, **settings: object) -> World:
    """One chat: asked at START, answered 10 minutes later."""
    world = new_world(**settings)
    world.contact("a", custom_fields='{"CSAT": "5"}')
    world.sweep(NOW - DAY, ["a"])
    world.chat("a", known_until=NOW)
    world.message("a", "m1", START, "inbound")
    world.message("a", "m2", START + 10 * MINUTE, "outbound", sender="jane")
    return world


def test_without_events_there_is_nothing(new_world: Worlds):
    world = desk(new_world)
    world.freeze(NOW)
    for table in ("core.handoffs", "core.satisfaction", "core.field_scores"):
        assert world.tables[table] == []
    for table in ("kpi.handoffs_daily", "kpi.satisfaction_daily", "kpi.satisfaction_by_agent"):
        assert world.tables[table] == []


def test_a_handoff_is_of_the_conversation_that_had_begun(new_world: Worlds):
    world = desk(new_world)
    world.webhook("agent.handoff", "a", START - MINUTE)  # before anybody wrote
    world.webhook("agent.handoff", "a", START + 10 * MINUTE + DAY)  # the conversation is over
    world.webhook("agent.handoff", "a", START + 5 * MINUTE, received_at=START - MINUTE)  # dated far ahead
    world.webhook("agent.handoff", "a", START + 2 * MINUTE, received_at=NOW + MINUTE)  # told after the cut
    world.webhook("agent.handoff", None, START + MINUTE)
    world.freeze(NOW)
    assert world.tables["core.handoffs"] == []
    world.webhook("agent.handoff", "a", START + 4 * MINUTE, received_at=START + 3 * MINUTE)
    world.freeze(NOW)
    (row,) = world.tables["core.handoffs"]
    assert (row["human_reply_seconds"], row["state"], row["agent"]) == (7 * 60, "answered", "jane")


def test_a_reply_of_the_handoffs_own_instant_came_before_it(new_world: Worlds):
    world = desk(new_world)
    world.webhook("agent.handoff", "a", START + 10 * MINUTE)
    world.freeze(NOW)
    assert world.row("core.handoffs", chat_id="a")["state"] == "unanswered"


def test_a_score_is_of_the_last_conversation_with_a_reply_in_the_week_before(new_world: Worlds):
    tick = dt.timedelta.resolution
    for late, conversation in ((7 * DAY, "m1"), (7 * DAY + tick, "m3")):
        world = desk(new_world)
        world.message("a", "m3", START + 2 * DAY, "inbound")
        world.webhook("csat.submitted", "a", START + 10 * MINUTE + late, score=4)
        world.freeze(NOW + 9 * DAY)
        (row,) = world.tables["core.satisfaction"]
        assert (row["first_message_id"], row["score"]) == (conversation, 4)


def test_a_score_that_is_none_counts_for_nothing(new_world: Worlds):
    world = desk(new_world)
    world.webhook("csat.submitted", "a", START + HOUR, score=2)
    world.webhook("csat.submitted", "a", START + 2 * HOUR)
    world.freeze(NOW)
    assert world.row("core.satisfaction", chat_id="a")["score"] == 2


def test_a_fields_score_is_by_agent_alone(new_world: Worlds):
    world = desk(new_world, satisfaction_field="CSAT")
    world.freeze(NOW)
    (row,) = world.tables["kpi.satisfaction_by_agent"]
    assert (row["agent"], row["responses"], row["share_good"], row["is_enough"]) == ("jane", 0, None, False)
    assert (row["field_responses"], row["field_good"], row["field_share_good"]) == (1, 1, 1)
    assert world.tables["kpi.satisfaction_daily"] == []


def test_ten_scores_are_enough(new_world: Worlds):
    for scores, is_enough in ((9, False), (10, True)):
        world = new_world()
        for number in range(scores):
            chat_id = f"chat-{number}"
            world.chat(chat_id, known_until=NOW)
            world.message(chat_id, "m1", START, "inbound")
            world.message(chat_id, "m2", START + MINUTE, "outbound", sender="jane")
            world.webhook("csat.submitted", chat_id, START + HOUR, score=5)
        world.freeze(NOW)
        assert world.row("kpi.satisfaction_by_agent", agent="jane")["is_enough"] is is_enough


def test_an_event_of_a_number_that_moved_is_of_one_chat(new_world: Worlds):
    """The same event comes again, and its number is another contact's by now: it leaves the chat it was of."""
    world = desk(new_world)
    world.contact("b")
    world.chat("b", known_until=NOW)
    world.message("b", "m1", START, "inbound")
    world.message("b", "m2", START + 10 * MINUTE, "outbound", sender="jane")
    for number in range(8):  # chats enough for what follows to be little
        world.chat(f"other-{number}", known_until=NOW)
        world.message(f"other-{number}", "m1", START, "inbound")
    world.webhook("csat.submitted", "a", START + HOUR, score=5)
    world.build(NOW)
    told = raw.Events.rows([world.rows[raw.Events][0] | {"chat_id": "b"}])
    with world.live.leases.take("crawl", purpose="test") as holder, world.live.committing(holder) as commit:
        commit.merge(raw.Events, told)
    settings = {"settings": world.settings, "as_of": None, "now": NOW + MINUTE, "expected_unseen": None}
    cut = freeze(world.models, world.live, **settings)
    assert not cut.is_full
    assert cut.changed_chats == 2
    with world.models.writing() as session:
        for table in build_order():
            build_within(session, table, settings=world.settings)
        rows = session.query("select chat_id, score from core.satisfaction").to_pylist()
    assert rows == [{"chat_id": "b", "score": 5}]
