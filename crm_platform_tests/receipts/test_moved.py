"""Figures that moved between two snapshots, and the reason that is given."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.errors import GiveUp, NotFound
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import purge, read_manifest
from crm_platform.receipts import Movement, all_moved_since, moved, moved_since, why
from crm_platform.schemas import ops, raw
from crm_platform_tests.receipts.desk import CUT, DAY, Desk, at, fetch_ids

pytestmark = pytest.mark.slow  # each builds two snapshots

LATER = CUT + dt.timedelta(hours=1)
VISIT = at(12, day=dt.date(2026, 11, 19))
CHAT = "chat-254711000001"
OTHER = "chat-254711000002"


def one_chat(desk: Desk) -> None:
    desk.question_and_answer(CHAT, at(10), 60, visited=VISIT)


def compared(desk: Desk, before, column: str, table: str = "response_times_daily", **key: object) -> Movement:
    return why(desk.open(LATER), before, table, key or {"day": DAY}, column)


def reasons(movement: Movement) -> dict[str, int]:
    return {reason.kind: reason.rows for reason in movement.reasons}


def test_late_messages(desk):
    one_chat(desk)
    before = desk.open()
    desk.question_and_answer(OTHER, at(11), 300, visited=LATER - dt.timedelta(minutes=5))
    movement = compared(desk, before, "response_seconds_median")
    assert (movement.then, movement.now) == (60.0, 180.0)
    assert (movement.added, movement.removed, movement.changed) == (1, 0, 0)
    assert reasons(movement) == {"late": 1}
    assert "late messages" in movement.to_dict()["reasons"][0]["words"]


def test_new_messages(desk):
    one_chat(desk)
    desk.visit(OTHER, VISIT)
    before = desk.open()
    asked = CUT + dt.timedelta(minutes=10)
    desk.question_and_answer(OTHER, asked, 30, visited=LATER)
    after = desk.open(LATER + dt.timedelta(minutes=1))
    movement = why(after, before, "response_times_daily", {"day": CUT.date()}, "waits")
    assert movement.now == 1
    assert reasons(movement) == {"new": 1}


def test_a_changed_status(desk):
    one_chat(desk)
    before = desk.open()
    for row in desk.world.rows[raw.Messages]:
        if row["direction"] == "outbound":
            row.update(status="failed", fetched_at=LATER)
    movement = compared(desk, before, "answered_waits")
    assert (movement.then, movement.now) == (1, 0)
    assert movement.removed == 1
    assert reasons(movement) == {"status": 1}


def test_erased_people(desk):
    one_chat(desk)
    desk.question_and_answer(OTHER, at(11), 300, visited=VISIT)
    before = desk.open()
    for table in (raw.Messages, raw.Contacts, ops.CrawlState):
        desk.world.rows[table] = [row for row in desk.world.rows[table] if row["chat_id"] != OTHER]
    movement = compared(desk, before, "waits")
    assert (movement.then, movement.now) == (2, 1)
    assert reasons(movement) == {"erased": 1}


def test_time_that_passed(desk):
    desk.visit(CHAT, at(11))
    desk.world.contact(CHAT, at(11))
    desk.world.chat(CHAT, known_until=at(11))
    desk.world.message(CHAT, "q", at(10), "inbound", **fetch_ids(1, at(11)))
    before = desk.open(at(12))
    desk.world.rows[ops.CrawlState][0]["known_until"] = VISIT
    desk.visit(CHAT, VISIT)
    movement = compared(desk, before, "open_waits")
    assert (movement.then, movement.now) == (1, 0)
    assert reasons(movement) == {"time": 1}


def test_a_mark_as_done(desk):
    desk.question_and_answer(CHAT, at(10), 60, visited=at(12))
    before = desk.open(at(15))
    desk.world.event("done", CHAT, at(16), "amina@example.com")
    movement = compared(desk, before, "resolved_by_operator", table="chats_resolved_daily", day=DAY)
    assert movement.now == 1
    assert reasons(movement) == {"marked": 1}


def test_a_report_that_grew(desk):
    desk.world.campaign("spring", [(at(8), "completed")], scheduled_at=at(8), total_recipients=100)
    report = {"total_recipients": 100, "delivered": 90, "read": 40, "replied": 4, "failed": 10}
    desk.world.report("spring", at(9), **report)
    before = desk.open()
    desk.world.report("spring", CUT + dt.timedelta(minutes=1), **{**report, "read": 60})
    movement = compared(desk, before, "read", table="campaign_performance", campaign_id="spring")
    assert (movement.then, movement.now) == (40, 60)
    assert movement.changed == 1
    assert reasons(movement) == {"report": 1}
    assert movement.rows[0]["then"] == {"read": 40}
    month = why(desk.open(LATER + dt.timedelta(hours=1)), before, "engagement_monthly", {"month": "2026-11"}, "read")
    assert reasons(month) == {"report": 1}


def test_a_contact_that_came(desk):
    desk.world.sweep(at(8), [CHAT])
    desk.world.contact(CHAT, at(8), region="KE")
    before = desk.open()
    desk.world.sweep(CUT + dt.timedelta(minutes=1), [CHAT, OTHER])
    desk.world.contact(OTHER, CUT + dt.timedelta(minutes=1), region="KE")
    movement = compared(desk, before, "contacts", table="contacts_by_country", region="KE")
    assert (movement.then, movement.now) == (1, 2)
    assert reasons(movement) == {"contact": 1}


def test_settings_that_changed(desk):
    one_chat(desk)
    before = desk.open()
    desk.settings = desk.settings.model_copy(update={"first_response_target_minutes": 0.5})
    movement = compared(desk, before, "first_within_target_rate")
    assert (movement.then, movement.now) == (1.0, 0.0)
    assert reasons(movement) == {"settings": 0}
    assert movement.reasons[0].words.endswith("(first_response_target_minutes)")


def test_a_new_definition(desk, monkeypatch):
    one_chat(desk)
    before = desk.open()
    monkeypatch.setattr(ResponseTimesDaily, "version", ResponseTimesDaily.version + 1)
    movement = compared(desk, before, "waits")
    assert not movement.has_moved
    assert reasons(movement) == {"definition": 0}


def test_a_row_that_only_one_snapshot_has_is_no_error(desk):
    one_chat(desk)
    before = desk.open()
    after = desk.open(CUT + dt.timedelta(days=2))
    movement = why(after, before, "response_times_daily", {"day": dt.date(2026, 11, 21)}, "waits")
    assert (movement.then, movement.now) == (None, 0)


def test_what_moved_is_found_by_comparing_tables(desk):
    one_chat(desk)
    before = desk.open()
    assert moved(before, before) == []
    desk.question_and_answer(OTHER, at(11), 300, visited=LATER - dt.timedelta(minutes=5))
    found = {(one.table, one.column): one for one in moved(desk.open(LATER), before)}
    one = found["kpi.response_times_daily", "response_seconds_median"]
    assert one.to_dict() == {
        "table": "kpi.response_times_daily",
        "key": {"day": "2026-11-18"},
        "column": "response_seconds_median",
        "then": 60.0,
        "now": 180.0,
    }
    assert ("kpi.response_times_daily", "missed_waits") not in found
    assert ("kpi.response_times_daily", "as_of") not in found


def test_messages_that_a_later_reading_of_the_history_brought_did_not_come_late(desk):
    one_chat(desk)
    one = desk.world.rows[ops.CrawlState][0]
    one["is_history_whole"] = False
    before = desk.open()
    one["is_history_whole"] = True
    chat = one["chat_id"]
    desk.question_and_answer(chat, at(5), 300, visited=LATER - dt.timedelta(minutes=5))
    for row in desk.world.rows[ops.CrawlState]:
        row["is_history_whole"] = True
    movement = compared(desk, before, "waits")
    assert movement.added >= 1
    assert reasons(movement).keys() == {"history"}


def test_older_history(desk):
    one_chat(desk)
    desk.world.rows[ops.CrawlState][0]["is_history_whole"] = False
    before = desk.open()
    desk.world.rows[ops.CrawlState][0]["is_history_whole"] = True
    movement = compared(desk, before, "waits")
    assert (movement.then, movement.now) == (0, 1)
    assert reasons(movement) == {"history": 1}


def test_a_message_that_is_no_longer_kept(desk):
    one_chat(desk)
    before = desk.open()
    desk.world.rows[raw.Messages].pop()
    movement = compared(desk, before, "answered_waits")
    assert movement.now == 0
    assert reasons(movement) == {"removed": 1}


# Against kept snapshots.


def test_the_newest_kept_snapshot_that_differs(desk):
    one_chat(desk)
    desk.publish(CUT)
    desk.question_and_answer(OTHER, at(11), 300, visited=CUT + dt.timedelta(minutes=5))
    unlike = desk.publish(CUT + dt.timedelta(minutes=10))
    current = desk.open(LATER)
    asked = ("response_times_daily", {"day": DAY}, "waits")
    movement = moved_since(desk.settings, current, *asked)
    assert movement is not None
    assert (movement.then, movement.now) == (1, 2)
    same = moved_since(desk.settings, current, *asked, since=unlike.id)
    assert same is not None
    assert not same.has_moved
    assert moved_since(desk.settings, current, "response_times_daily", {"day": DAY}, "missed_waits") is None
    with pytest.raises(NotFound, match="no snapshot of an earlier day"):
        moved_since(desk.settings, current, *asked, since="yesterday")
    with pytest.raises(NotFound, match=f"there is {unlike.id}"):
        moved_since(desk.settings, current, *asked, since="1999")


def test_yesterday_is_the_last_snapshot_before_today(desk):
    one_chat(desk)
    desk.publish(CUT - dt.timedelta(days=1))
    last = desk.publish(CUT - dt.timedelta(hours=12))
    desk.publish(CUT - dt.timedelta(hours=1))
    current = desk.open(CUT)
    movement = moved_since(desk.settings, current, "response_times_daily", {"day": DAY}, "waits", since="yesterday")
    assert movement is not None
    assert movement.earlier == last.id
    assert movement.coverage_then is not None
    noon = (CUT - dt.timedelta(hours=11)).isoformat()
    assert moved_since(desk.settings, current, "response_times_daily", {"day": DAY}, "waits", since=noon) == movement
    desk.question_and_answer(OTHER, at(11), 300, visited=CUT - dt.timedelta(minutes=5))
    earlier, found = all_moved_since(desk.settings, desk.open(CUT + dt.timedelta(minutes=1)), since=last.id)
    assert earlier.id == last.id
    assert ("kpi.response_times_daily", "waits") in {(one.table, one.column) for one in found}


def test_a_snapshot_from_before_receipts_is_passed_over(desk):
    one_chat(desk)
    old = desk.publish(CUT)
    manifest = old.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(
        read_manifest(old.path).model_copy(update={"settings": None}).model_dump_json(), encoding="utf-8"
    )
    current = desk.open(LATER)
    asked = ("response_times_daily", {"day": DAY}, "waits")
    assert moved_since(desk.settings, current, *asked) is None
    with pytest.raises(GiveUp, match="publish again"):
        moved_since(desk.settings, current, *asked, since=old.id)


def _flip(path):
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    for place in range(4096, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)


def _of_a_newer_version(path):
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 99'), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("analytics.duckdb", _flip),
        ("analytics.duckdb", lambda path: path.unlink()),
        ("manifest.json", lambda path: path.unlink()),
        ("manifest.json", _flip),
        ("manifest.json", _of_a_newer_version),
    ],
)
def test_a_broken_snapshot_is_left_out_and_named(desk, caplog, file, damage):
    """Field case 68."""
    one_chat(desk)
    oldest = desk.publish(CUT - dt.timedelta(days=3))
    broken = desk.publish(CUT - dt.timedelta(days=1))
    damage(broken.path / file)
    current = desk.open(CUT)
    asked = ("response_times_daily", {"day": DAY}, "waits")
    movement = moved_since(desk.settings, current, *asked, since="yesterday")
    assert movement is not None
    assert movement.earlier == oldest.id
    assert broken.id in caplog.text
    moved_since(desk.settings, current, *asked)
    with pytest.raises(GiveUp, match=broken.id):
        moved_since(desk.settings, current, *asked, since=broken.id)
    assert broken.id not in purge(desk.settings, now=CUT)


@pytest.mark.parametrize("column", ["waits", "response_seconds_median"])
def test_a_figure_that_did_not_move_has_no_reason(desk, column):
    one_chat(desk)
    before = desk.open()
    movement = compared(desk, before, column)
    assert not movement.has_moved
    assert movement.reasons == ()
    assert movement.rows == ()
