"""An incremental build is a full one, cell for cell, whatever happened since the last build."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest

from crm_platform import core
from crm_platform.clock import stretches, zone_of
from crm_platform.models import Built, Cut, build_order, build_within, dependencies, freeze, incremental, render
from crm_platform.models.incremental import by_chat, chat_inputs, narrowed, parts
from crm_platform.models.render import words_of
from crm_platform.schemas import CoreTable, RawTable, Table, ops, raw
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform.warehouse.duckdb import SMALL
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.histories import History
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
SETTINGS = (
    {},
    {"business_hours": "none", "automation_senders": ("bot",)},
    {"business_hours": "Mon-Fri 08:00-12:30 13:15-18:00, Sat 09:00-12:00", "timezone": "Europe/Berlin"},
    {"conversation_gap_hours": 6, "timezone": "America/New_York"},
)

Tables = dict[str, list[dict[str, object]]]


def build(
    world: World,
    models: DuckDbWarehouse,
    *,
    now: dt.datetime,
    as_of: dt.datetime | None = None,
    full: bool = False,
    only: Iterable[type[Table]] | None = None,
    at_once: int = 10**6,
) -> tuple[Cut, dict[str, Built]]:
    """Freeze what is stored and build every table, or `only` some. `at_once`: so many frozen rows fit into memory."""
    unseen = {(as_of or now).astimezone(world.settings.zone).date(): 0.3}
    tables = build_order() if only is None else only
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incremental, "BYTES_A_LINE", SMALL // at_once)
        for table in filter(by_chat, tables):
            patch.setattr(table, "bytes_a_line", SMALL // at_once)
        cut = freeze(
            models, world.live, settings=world.settings, as_of=as_of, now=now, expected_unseen=unseen, full=full
        )
        with models.writing() as session:
            return cut, {table.full_name(): build_within(session, table, settings=world.settings) for table in tables}


def cells(models: DuckDbWarehouse) -> Tables:
    """Every row of every table that is frozen or built, but for what tells how the build came about."""
    found = {}
    with models.reading() as session:
        for name, table in TABLES.items():
            if issubclass(table, RawTable | CoreTable) or name.startswith("kpi.") or table is ops.CrawlState:
                rows = session.query(f"select * from {name}").to_pylist()
                # By all columns: an event's id may come again where a chat was erased.
                found[name] = sorted(rows, key=lambda row: [repr(row[column]) for column in (*table.key, *row)])
    return found


def inputs(models: DuckDbWarehouse) -> list[dict[str, object]]:
    """What each chat is computed from, as digests."""
    with models.reading() as session:
        sql = "select chat_id, digest, other_digest, lines, other_lines from ops.chat_inputs order by chat_id"
        return session.query(sql).to_pylist()


def looked_at(models: DuckDbWarehouse) -> int | None:
    """How many chats the last build looked at; None: all."""
    with models.reading() as session:
        return session.query("select looked_at from ops.builds")["looked_at"][0].as_py()


def differing(world: World, now: dt.datetime, *, as_of: dt.datetime | None = None) -> dict[str, object]:
    """By table the first rows that differ between the world's build and one from nothing at the same cut."""
    fresh = DuckDbWarehouse(world.folder / "fresh.duckdb", lock_dir=world.folder / "locks")
    fresh.path.unlink(missing_ok=True)
    cut, _ = build(world, fresh, now=now, as_of=as_of)
    assert cut.is_full
    ours, theirs = cells(world.models), cells(fresh)
    assert inputs(world.models) == inputs(fresh), "a chat that was not looked at had changed"
    return {
        name: next((pair for pair in zip(ours[name], theirs[name], strict=False) if pair[0] != pair[1]), "rows")
        for name in theirs
        if ours[name] != theirs[name]
    }


def live_through(world: World, seed: int, *, steps: int) -> tuple[list[Cut], int, int]:
    """Builds after each step of a random history, in parts of a few rows, all of them compared.

    Also returns how many tables of figures kept some of their keys, and how many builds did not look at all chats.
    """
    history = History(world, seed=seed, chats=12, now=NOW)
    cuts, kept, told = [], 0, 0
    for step in range(steps):
        world.store()
        as_of = history.now - 26 * HOUR if step % 7 == 5 else None  # a look back, and on again
        if step % 5 == 3:
            order = build_order()
            build(world, world.models, now=history.now, only=order[: 3 + step], at_once=30)  # given up half way
            history.go_on()
            world.store()
        cut, built = build(world, world.models, now=history.now, as_of=as_of, at_once=40 if step % 4 == 1 else 10**6)
        kept += sum(one.keys is not None for one in built.values())
        told += looked_at(world.models) is not None
        assert differing(world, history.now, as_of=as_of) == {}, f"step {step}"
        cuts.append(cut)
        history.go_on()
        if step % 6 == 4:
            history.erase()
    return cuts, kept, told


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_cell_is_that_of_a_full_build(seed: int, new_world: Worlds):
    cuts, _, told = live_through(new_world(**SETTINGS[seed % len(SETTINGS)]), seed, steps=10)
    # The comparison is worth something only if much of it was incremental.
    assert sum(not cut.is_full for cut in cuts) >= 2
    assert told >= 2
    assert all(cut.changed_chats < cut.chats for cut in cuts if not cut.is_full)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 101, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(102, 112))])
def test_every_cell_is_that_of_a_full_build_in_many_histories(seed: int, new_world: Worlds):
    _, kept, told = live_through(new_world(**SETTINGS[seed % len(SETTINGS)]), seed, steps=25)
    assert kept >= 10
    assert told >= 8


# Tables without chats whose rows are digested with the rows that they give a meaning to.
SEEN_IN_DIGESTS = {"core.agent_aliases", "core.rejected_opt_outs"}
CHAT_TABLES = [table for table in build_order() if by_chat(table)]


def some_world(new_world: Worlds, **settings: object) -> World:
    """Four chats with a question each, built once."""
    world = new_world(**settings)
    for number in range(4):
        world.chat(f"chat-{number}", known_until=NOW - HOUR)
        world.message(f"chat-{number}", "m1", NOW - 20 * HOUR, "inbound")
    again(world)
    return world


def again(world: World, **options: object) -> tuple[Cut, set[int | None]]:
    """Store and build the tables by chat; returns the cut, and how many chats each table computed again."""
    world.store()
    cut, built = build(world, world.models, **{"now": NOW, "only": CHAT_TABLES, **options})  # type: ignore[arg-type]
    return cut, {one.chats for one in built.values()}


def test_only_changed_chats_are_computed_again(new_world: Worlds):
    world = some_world(new_world)
    world.message("chat-2", "m2", NOW - HOUR, "outbound")
    cut, chats = again(world)
    assert (cut.number, cut.is_full, cut.chats, cut.changed_chats, chats) == (2, False, 4, 1, {1})
    assert cut.rows["raw.messages"] == 5
    cut, chats = again(world, now=NOW + 30 * DAY)
    assert (cut.number, cut.is_full, cut.changed_chats, chats) == (3, False, 0, {0}), "time alone changes none of these"
    with world.models.reading() as session:
        (noted,) = session.query("select number, is_full, chats, changed_chats from ops.builds").to_pylist()
        states = session.query("select state from core.response_waits order by chat_id")["state"].to_pylist()
    assert noted == {"number": 3, "is_full": False, "chats": 4, "changed_chats": 0}
    assert states == ["open", "open", "answered", "open"]


@pytest.mark.slow
def test_a_message_dated_ahead_counts_when_its_time_has_come(new_world: Worlds):
    world = some_world(new_world)
    world.message("chat-1", "m2", NOW + 2 * MINUTE, "outbound")
    assert again(world, now=NOW)[1] == {1}
    assert again(world, now=NOW + MINUTE)[1] == {0}
    assert again(world, now=NOW + 2 * MINUTE)[1] == {1}
    with world.models.reading() as session:
        (wait,) = session.query("select state from core.response_waits where chat_id = 'chat-1'").to_pylist()
    assert wait == {"state": "answered"}


@pytest.mark.slow
def test_what_makes_a_build_full(new_world: Worlds, monkeypatch: pytest.MonkeyPatch):
    world = some_world(new_world)

    def is_full(**options: object) -> bool:
        cut, chats = again(world, **options)
        assert chats == ({None} if cut.is_full else {cut.changed_chats})
        return cut.is_full

    assert not is_full()
    assert is_full(full=True)
    assert not is_full()
    world.settings = world.settings.model_copy(update={"conversation_gap_hours": 6})
    assert is_full(), "another setting"
    with monkeypatch.context() as patch:
        patch.setattr("crm_platform.models.incremental.code_version", lambda _table: "another")
        assert is_full(), "another template"
    assert is_full(), "and back"
    with monkeypatch.context() as patch:
        elsewhere = stretches(zone_of("Asia/Kathmandu"), as_of=NOW)
        patch.setattr("crm_platform.models.frozen.stretches", lambda _zone, as_of: elsewhere)
        assert is_full(), "another tzdata, in which the zone has other rules"
    assert is_full(), "and back"
    for number in range(3):
        world.message(f"chat-{number}", "m2", NOW - HOUR, "outbound")
    assert is_full(), "most chats have changed"
    for rows in (world.rows[raw.Messages], world.rows[ops.CrawlState]):
        rows[:] = [row for row in rows if row["chat_id"] != "chat-3"]
    assert is_full(), "nothing is left of a chat"
    assert not is_full()
    with world.models.writing() as session:
        session.execute("create or replace table ops.builds as select as_of, started_at, settings from ops.builds")
    assert is_full(), "the store of an older version"


@pytest.mark.slow
def test_a_build_that_was_given_up_is_made_up_for(new_world: Worlds):
    world = some_world(new_world)
    world.message("chat-0", "m2", NOW - 3 * HOUR, "outbound")
    assert again(world, only=[core.MessageEvents, core.Messages])[1] == {1}
    world.message("chat-1", "m2", NOW - 2 * HOUR, "outbound")
    world.store()
    _, built = build(world, world.models, now=NOW)
    assert built["core.messages"].chats == 1
    assert built["core.response_waits"].chats == 2
    assert differing(world, NOW) == {}


@pytest.mark.slow
def test_a_table_built_before_what_it_reads_keeps_nothing(new_world: Worlds):
    world = some_world(new_world)
    world.message("chat-0", "m2", NOW - 3 * HOUR, "outbound")
    assert again(world, only=[core.ConversationSpans])[1] == {None}, "its messages are those of the last build"
    cut, built = build(world, world.models, now=NOW)
    assert not cut.is_full
    assert (built["core.messages"].chats, built["core.conversation_spans"].chats) == (1, None)
    assert differing(world, NOW) == {}


@pytest.mark.slow
def test_what_is_corrected_by_hand_touches_the_chats_that_name_it(new_world: Worlds):
    world = some_world(new_world)
    for number, sender in enumerate(("Jane@shop.example", "jane@shop.example", "7", None)):
        world.message(f"chat-{number}", "m2", NOW - HOUR, "outbound", sender=sender)
    world.event("assigned", "chat-3", NOW - HOUR, "ben@shop.example")
    again(world, full=True)
    assert again(world)[0].changed_chats == 0
    world.correction("merge", "7", "jane@shop.example", at=NOW - HOUR)
    assert again(world)[0].changed_chats == 1
    world.correction("split", "7", at=NOW - MINUTE)
    assert again(world, as_of=NOW - 2 * MINUTE)[0].changed_chats == 0, "nobody knew it then"
    assert again(world)[0].changed_chats == 1
    world.correction("merge", "ben@shop.example", "7", at=NOW)
    assert again(world)[0].changed_chats == 1, "an assignment names him"
    world.message("chat-0", "m3", NOW - MINUTE, "outbound", sender="JANE@shop.example")
    assert again(world)[0].changed_chats == 2, "her newest spelling is everywhere"
    build(world, world.models, now=NOW)
    assert differing(world, NOW) == {}


@pytest.mark.slow
def test_a_bot_that_is_somebody_else_touches_the_chats_of_both(new_world: Worlds):
    """Her name stays what it was; what she writes is no reply any more."""
    world = some_world(new_world, automation_senders=("bot@shop.example",))
    for number, sender in enumerate(("jane@shop.example", "BOT@shop.example", None, None)):
        world.message(f"chat-{number}", "m2", NOW - HOUR, "outbound", sender=sender)
    again(world, full=True)
    world.correction("merge", "bot@shop.example", "jane@shop.example", at=NOW)
    assert again(world)[0].changed_chats == 2
    build(world, world.models, now=NOW)
    assert differing(world, NOW) == {}


@pytest.mark.slow
def test_a_rejected_opt_out_touches_the_chats_that_have_it(new_world: Worlds):
    world = some_world(new_world)
    for number, word in enumerate(("stop", "stop", "end", None)):
        world.message(f"chat-{number}", f"o{number}", NOW - HOUR, "inbound", opt_out_word=word)
    again(world, full=True)
    facts = [
        ("word", "stop", True, 2),
        ("message", "o2", True, 1),
        ("message", "o0", True, 0),
        ("word", "stop", False, 1),
        ("message", "o3", True, 0),
    ]
    for number, (kind, value, is_rejected, changed) in enumerate(facts, start=1):
        at = NOW - HOUR + number * MINUTE
        world.add(raw.OptOutRejections, kind=kind, value=value, is_rejected=is_rejected, at=at, who="cli:somebody")
        assert again(world)[0].changed_chats == changed, (kind, value)
    with world.models.reading() as session:
        rejected = session.query("select kind, value from core.rejected_opt_outs order by value").to_pylist()
    assert [(row["kind"], row["value"]) for row in rejected] == [
        (kind, f"o{n}") for n, kind in ((0, "message"), (2, "message"), (3, "message"))
    ]


@pytest.mark.slow
def test_who_is_left_out_touches_their_chat_alone(new_world: Worlds):
    world = some_world(new_world)
    listed = world.folder / "left-out.txt"
    listed.write_text("chat-1\n")
    world.settings = world.settings.model_copy(update={"exclude_contacts": listed})
    for text, waits in (("chat-1\n", 3), ("# chat-1\n", 4)):
        listed.write_text(text)
        cut, chats = again(world)
        assert (cut.is_full, cut.changed_chats, chats) == (False, 1, {1})
        with world.models.reading() as session:
            assert session.query("select * from core.response_waits").num_rows == waits
        build(world, world.models, now=NOW)
        assert differing(world, NOW) == {}


@pytest.mark.slow
def test_a_message_that_is_kept_elsewhere_changes_both_chats(new_world: Worlds):
    world = some_world(new_world)
    copy = world.rows[raw.Messages][0]  # they have one id in all chats
    for kept_in in ("chat-1", "chat-2", None):
        changed = {copy["chat_id"], copy.get("duplicate_of"), kept_in} - {None}
        copy["duplicate_of"] = kept_in
        cut, _ = again(world)
        assert (cut.is_full, cut.changed_chats) == ((True, 4) if len(changed) > 2 else (False, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hours", "expected"),
    [(1, {"a": None}), (2, {"a": "b", "b": None}), (3, {"a": "c", "b": "c", "c": None})],
)
def test_at_a_cut_a_message_is_kept_in_a_chat_that_held_it_by_then(new_world: Worlds, hours: int, expected: object):
    """What keeps it now may have come later; then the copy that was stored last by then does."""
    world = new_world()
    for number, chat_id in enumerate("abc", start=1):
        at = NOW - 9 * HOUR + number * HOUR
        seen = {"first_fetched_at": at, "fetched_at": at}
        world.message(chat_id, "m", NOW - 20 * HOUR, "inbound", duplicate_of=None if chat_id == "c" else "c", **seen)
        world.message(chat_id, f"own {chat_id}", NOW - 20 * HOUR, "inbound", **seen)
    world.store()
    cut = NOW - 9 * HOUR + hours * HOUR
    freeze(world.models, world.live, settings=world.settings, as_of=cut, now=NOW, expected_unseen=None)
    with world.models.reading() as session:
        rows = session.query("select chat_id, message_id, duplicate_of from raw.messages").to_pylist()
    assert {row["chat_id"]: row["duplicate_of"] for row in rows if row["message_id"] == "m"} == expected
    assert {row["duplicate_of"] for row in rows if row["message_id"] != "m"} == {None}


@pytest.mark.slow
def test_a_table_asked_for_twice_is_computed_anew(new_world: Worlds):
    world = some_world(new_world)
    with world.models.writing() as session:
        session.execute("delete from core.messages")
        built = build_within(session, core.Messages, settings=world.settings)
    assert (built.chats, built.rows) == (None, 4)


def test_a_visit_without_news_changes_no_chat_whose_conversations_are_over(new_world: Worlds):
    world = some_world(new_world)
    world.chat("quiet", known_until=NOW - HOUR, is_history_whole=True)
    world.message("quiet", "m1", NOW - 30 * DAY, "inbound")
    again(world)
    assert again(world)[0].changed_chats == 0
    for state in world.rows[ops.CrawlState]:
        state["known_until"] = NOW + HOUR if state["chat_id"] in {"quiet", "chat-0"} else state["known_until"]
    cut, _ = again(world, now=NOW + 2 * HOUR)
    assert (cut.is_full, cut.changed_chats) == (False, 1), "chat-0 alone: its conversation goes on"
    with world.models.reading() as session:
        (seen,) = session.query("select known_until from core.chats where chat_id = 'quiet'")["known_until"].to_pylist()
    assert seen == (NOW + HOUR).replace(tzinfo=None)
    build(world, world.models, now=NOW + 2 * HOUR)
    assert differing(world, NOW + 2 * HOUR) == {}


def test_a_visit_shows_in_chats_and_decides_of_what_is_unfinished_alone():
    named = {table.full_name() for table in CHAT_TABLES if "known_until" in words_of(table)}
    assert named == {"core.chats", "core.conversation_spans", "core.response_waits"}


@pytest.mark.slow
def test_what_no_figure_of_a_table_reads_touches_none_of_its_keys(new_world: Worlds):
    world = some_world(new_world)
    world.message("chat-0", "m2", NOW - 19 * HOUR, "outbound")
    again(world)
    world.store()
    build(world, world.models, now=NOW)
    found = []
    for chat in ("chat-0", "chat-1"):
        world.message(chat, "m3", NOW - 18 * HOUR, "outbound")
        world.store()
        _, built = build(world, world.models, now=NOW)
        assert built["core.response_waits"].chats == 1
        found.append(built["kpi.support_by"].keys)
        assert differing(world, NOW) == {}
    assert found[0] == 0, "the conversation of an answered wait goes on"
    assert found[1], "a wait is answered"


def test_what_memory_does_not_hold_is_computed_in_parts(new_world: Worlds):
    world = some_world(new_world)
    build(world, world.models, now=NOW, full=True, at_once=3)
    with world.models.reading() as session, pytest.MonkeyPatch.context() as patch:
        assert parts(session, core.Messages, since=0) == ["select chat_id from ops.chat_inputs where (changed_in > 0)"]
        patch.setattr(core.Messages, "bytes_a_line", SMALL // 3)
        several = parts(session, core.Messages, since=0)
        found = [session.query(one)["chat_id"].to_pylist() for one in several]
    assert len(several) > 1
    assert sorted(chat for part in found for chat in part) == [f"chat-{number}" for number in range(4)]
    assert differing(world, NOW) == {}


def test_a_narrowed_select_keeps_the_names_its_tables_have():
    sql = """select messages.chat_id from core.messages
        join core.chats as known on known.chat_id = messages.chat_id join core.business_hours as hours on true"""
    messages, chats = (
        f"(select * from core.{name} where chat_id in (select chat_id from ops.chosen_chats))"
        for name in ("messages", "chats")
    )
    expected = f"""select messages.chat_id from {messages} as messages
        join {chats} as known on known.chat_id = messages.chat_id join core.business_hours as hours on true"""
    assert narrowed(sql) == expected


def test_tables_by_chat_follow_from_their_chats_rows_alone():
    """What they read has rows by chat, or never changes for a day once it is there; and no time but the cut counts."""
    assert [table.full_name() for table in chat_inputs()] == [
        "core.chat_quarantine",
        "core.excluded_contacts",
        "ops.crawl_state",
        "raw.contacts",
        "raw.events",
        "raw.messages",
        "raw.operator_events",
    ]
    for table in CHAT_TABLES:
        others = {name for name in dependencies(table) if "chat_id" not in TABLES[name].columns}
        assert others <= SEEN_IN_DIGESTS | {"core.business_hours"}, table.full_name()
        sql = [
            render(
                table, dialect="duckdb", settings=Settings.model_construct(), cut=Cut(as_of=NOW + days * DAY, rows={})
            )
            for days in (0, 40)
        ]
        literals = [f"timestamp <= timestamp '{NOW + days * DAY:%Y-%m-%d %H:%M:%S.%f}'" for days in (0, 40)]
        assert sql[0].replace(literals[0], literals[1]) == sql[1], table.full_name()
