"""One figure's receipt: its rows, its requests, its digest, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import duckdb
import pytest

from crm_platform.errors import GiveUp, InvalidRequest, NotFound
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import pseudonym, pseudonym_key
from crm_platform.receipts import OpenedSnapshot, Receipt, listing, receipt, why
from crm_platform.serving.snapshots import Snapshots
from crm_platform_tests.receipts.desk import CUT, DAY, Desk, at, fetch_ids

CHATS = ("chat-254711000001", "chat-254711000002", "chat-254711000003")
SECONDS = (60.0, 300.0, 90.0)


def three_chats(desk: Desk) -> None:
    """Three questions of one day, answered after 60, 300 and 90 seconds, each found by a visit of its own."""
    for number, (chat, seconds) in enumerate(zip(CHATS, SECONDS, strict=True)):
        desk.question_and_answer(chat, at(10 + number), seconds, visited=at(12 + number, day=dt.date(2026, 11, 19)))


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Iterator[Desk]:
    """The three chats, for all tests that only ask."""
    with ExitStack() as stack:
        desk = Desk(tmp_path_factory.mktemp("three-chats"), stack)
        three_chats(desk)
        yield desk


@pytest.fixture(scope="module")
def snapshot(asked: Desk) -> OpenedSnapshot:
    """They are published once."""
    return asked.open()


def median_of(desk: Desk, **options: object) -> Receipt:
    return receipt(desk.open(**options), "response_times_daily", {"day": DAY}, "response_seconds_median")  # type: ignore[arg-type]


def test_a_median_and_the_waits_behind_it(asked, snapshot):
    found = receipt(snapshot, "response_times_daily", {"day": DAY}, "response_seconds_median")
    assert found.value == found.recomputed == 90.0
    assert found.agrees
    assert found.source == "core.response_waits"
    assert found.used == ("response_seconds",)
    assert found.row_count == 3
    assert statistics.median(row["response_seconds"] for row in found.rows) == 90.0
    assert found.meaning == "Median over answered waits."
    assert found.unit == "s"
    assert found.definition_version == 2
    assert found.coverage == 1.0
    assert found.as_of == CUT
    assert "core.response_waits" in found.sql
    key = pseudonym_key(asked.settings)
    assert {row["chat_id"] for row in found.rows} == {pseudonym(key, "chat", chat) for chat in CHATS}


@pytest.mark.slow
def test_the_requests_that_the_rows_came_from(desk):
    three_chats(desk)
    desk.visit("chat-of-nobody", at(1))
    fetched = median_of(desk).fetched
    assert fetched.requests == 3
    assert fetched.by_operation == {"list_messages": 3}
    assert [row["fetch_id"] for row in fetched.listed] == [3, 2, 1]
    assert fetched.first_at == at(12, day=dt.date(2026, 11, 19)).astimezone(dt.UTC).replace(tzinfo=None)


@pytest.mark.slow
def test_a_figure_taken_from_others_names_them_and_their_requests(desk):
    three_chats(desk)
    found = receipt(
        desk.open(dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)), "executive_summary", {}, "chats_resolved_7d"
    )
    assert found.source == "kpi.chats_resolved_daily"
    assert {taken.column for taken in found.taken_from} == {"resolved"}
    assert {taken.key["day"] for taken in found.taken_from} >= {DAY}
    assert found.fetched.requests == 3


def test_a_receipt_is_json_and_names_nobody(snapshot):
    text = json.dumps(receipt(snapshot, "response_times_daily", {"day": DAY}, "response_seconds_median").to_dict())
    said = json.loads(text)
    assert said["agrees"] is True
    assert said["key"] == {"day": "2026-11-18"}
    assert said["as_of"] == "2026-11-20T08:00:00+00:00"
    assert said["fetched"]["requests"] == 3
    assert not any(chat in text for chat in CHATS)


def test_a_connection_alone_is_enough(snapshot):
    found = receipt(snapshot.connection, "kpi.response_times_daily", {"day": "2026-11-18"}, "waits")
    assert found.value == 3
    assert found == receipt(snapshot, "response_times_daily", {"day": DAY}, "waits")


@pytest.mark.slow
def test_what_the_app_has_open_can_be_asked(desk):
    three_chats(desk)
    desk.publish()
    served = Snapshots(desk.settings).current()
    assert served is not None
    assert receipt(served, "response_times_daily", {"day": "2026-11-18"}, "waits").value == 3


def test_only_so_many_rows_are_listed_but_all_are_counted(snapshot):
    some, every = (receipt(snapshot, "response_times_daily", {"day": DAY}, "waits", limit=limit) for limit in (1, None))
    assert len(some.rows) == 1
    assert some.row_count == every.row_count == len(every.rows) == 3
    assert some.digest == every.digest


def test_a_figure_without_lineage_still_has_its_definition(snapshot, monkeypatch):
    bare = replace(ResponseTimesDaily.columns["waits"], figure=None)
    monkeypatch.setattr(ResponseTimesDaily, "columns", {**ResponseTimesDaily.columns, "waits": bare})
    found = receipt(snapshot, "response_times_daily", {"day": DAY}, "waits")
    assert (found.value, found.source, found.agrees, found.rows) == (3, None, None, ())
    assert found.meaning == "Waits that began."


# The digest.


@pytest.mark.slow
def test_equal_inputs_give_equal_digests_whatever_their_order_and_whenever_built(desk):
    three_chats(desk)
    first = median_of(desk).digest
    for rows in desk.world.rows.values():
        random.Random(7).shuffle(rows)
    assert median_of(desk, now=CUT + dt.timedelta(hours=5)).digest == first


@pytest.mark.slow
def test_a_used_value_changes_the_digest_even_where_the_figure_stays(desk):
    three_chats(desk)
    before = median_of(desk)
    desk.begin()
    for chat, seconds in zip(CHATS, (61.0, 300.0, 90.0), strict=True):
        desk.question_and_answer(chat, at(10 + CHATS.index(chat)), seconds, visited=at(12, day=dt.date(2026, 11, 19)))
    after = median_of(desk, now=CUT + dt.timedelta(hours=1))
    assert after.value == before.value == 90.0
    assert after.digest != before.digest


@pytest.mark.slow
def test_what_a_figure_does_not_use_leaves_its_digest(desk):
    three_chats(desk)
    before = median_of(desk).digest
    visited = at(20, day=dt.date(2026, 11, 19))
    desk.world.contact("chat-another", visited, region="DE")
    desk.world.message("chat-another", "m", at(9), "inbound", **fetch_ids(desk.visit("chat-another", visited), visited))
    desk.world.chat("chat-another", known_until=visited)
    assert median_of(desk, now=CUT + dt.timedelta(hours=1)).digest == before


# What is refused.


@pytest.mark.parametrize(
    ("table", "key", "column", "words"),
    [
        ("response_time_daily", {"day": DAY}, "waits", "did you mean response_times_daily"),
        ("core.messages", {}, "waits", "there is no KPI table 'core.messages'"),
        ("response_times_daily", {"day": DAY}, "wait", "did you mean waits"),
        ("response_times_daily", {"day": DAY}, "coverage", "a mark of the whole row"),
        ("response_times_daily", {"day": "2027-01-01"}, "waits", "day goes from 2026-11-18 to 2026-11-20"),
        ("message_volume_hourly", {"weekday": 0, "hour": 24}, "inbound", "hour goes from 0 to 23"),
        ("contacts_by_country", {"region": "KEN"}, "contacts", "did you mean region KE?"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(snapshot, table, key, column, words):
    with pytest.raises(NotFound) as refused:
        receipt(snapshot, table, key, column)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("response_times_daily", {}, "is named by day, not by nothing"),
        ("response_times_daily", {"month": "2026-11"}, "is named by day, not by month"),
        ("response_times_daily", {"day": "yesterday"}, "write a day such as 2026-11-20"),
        ("backlog_now", {"day": "2026-11-18"}, "has one row, which no key names"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(snapshot, table, key, words):
    with pytest.raises(InvalidRequest) as refused:
        receipt(snapshot, table, key, "open_waits")
    assert words in str(refused.value)


def test_what_is_no_snapshot_has_no_receipts():
    with duckdb.connect() as connection, pytest.raises(GiveUp, match="open its analytics"):
        receipt(connection, "response_times_daily", {"day": DAY}, "waits")


@pytest.mark.slow
def test_a_range_of_days_pools_the_rows_of_all_of_them(desk):
    three_chats(desk)
    later = DAY + dt.timedelta(days=1)
    for number, seconds in enumerate((600.0, 1200.0)):
        chat = f"chat-25471200000{number}"
        desk.question_and_answer(chat, at(10 + number, day=later), seconds, visited=at(12 + number, day=later))
    snapshot, column = desk.open(), "first_response_seconds_median"
    days = {"day_from": DAY, "day_to": later + dt.timedelta(days=1)}
    both = receipt(snapshot, "response_times_daily", days, column)
    daily = [receipt(snapshot, "response_times_daily", {"day": day}, column).value for day in (DAY, later)]
    assert (daily, both.value) == ([90.0, 900.0], 300.0)
    assert both.row_count == 5
    assert both.agrees
    assert dict(both.key) == days
    one = receipt(snapshot, "response_times_daily", {"day_from": str(DAY), "day_to": str(later)}, "answered_waits")
    assert one.value == 3
    assert [row["state"] for row in one.rows] == ["answered"] * 3


@pytest.mark.slow
def test_a_person_who_wrote_on_two_days_is_one_over_both(desk):
    later = DAY + dt.timedelta(days=1)
    desk.question_and_answer("chat-254712000001", at(10), 60.0, visited=at(12, day=later))
    desk.world.message("chat-254712000001", "again", at(11, day=later), "inbound")
    days = {"day_from": DAY, "day_to": DAY + dt.timedelta(days=2)}
    both = receipt(desk.open(), "contact_activity_daily", days, "active_contacts")
    assert (both.value, both.row_count, both.agrees) == (1, 2, True)


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("response_times_daily", {"day_from": "2026-11-20", "day_to": "2026-11-20"}, "day_to is excluded"),
        ("response_times_daily", {"day_from": "soon", "day_to": "2026-11-20"}, "write a day such as"),
        ("response_times_daily", {"day_from": "2026-11-20"}, "is named by day"),
        ("backlog_daily", {"day_from": "2026-11-20", "day_to": "2026-11-21"}, "is named by day"),
        ("contact_activity_daily", {"day_from": "2026-11-20", "day_to": "2026-11-21"}, "has no value over a range"),
    ],
)
def test_a_range_that_cannot_be_pooled_is_refused(snapshot, table, key, words):
    columns = {"backlog_daily": "open_waits_at_end", "contact_activity_daily": "active_contacts_7d"}
    column = columns.get(table, "answered_waits")
    with pytest.raises(InvalidRequest, match=words):
        receipt(snapshot, table, key, column)


def test_a_range_without_a_known_day_names_the_known_ones(snapshot):
    days = {"day_from": "2020-01-01", "day_to": "2020-01-05"}
    with pytest.raises(NotFound, match="day goes from"):
        receipt(snapshot, "response_times_daily", days, "answered_waits")


def test_a_count_is_bounded_by_a_measure_of_its_rows(asked, snapshot):
    key = {"day": DAY, "at_least": 60, "below": "90"}
    found, every = (receipt(snapshot, "response_times_daily", one, "answered_waits") for one in (key, {"day": DAY}))
    assert found.value == found.recomputed == found.row_count == 1
    assert every.value == 3
    assert found.key == {"day": DAY, "measure": "response_seconds", "at_least": 60.0, "below": 90.0}
    assert found.digest != every.digest
    assert receipt(snapshot, "response_times_daily", found.key, "answered_waits") == found
    same = why(snapshot, snapshot, "response_times_daily", key, "answered_waits")
    assert (same.then, same.now, same.added) == (1, 1, 0)
    assert same.key == found.key
    with pytest.raises(InvalidRequest, match="its rows have no measure"):
        receipt(snapshot, "response_times_daily", key, "first_response_seconds_median_censored")


def test_rows_are_listed_in_any_order_page_by_page(snapshot):
    rows = listing(snapshot, "response_times_daily", {"day": DAY}, "response_seconds_median")
    assert rows is not None
    pages = [
        rows.page(["response_seconds"], order=["response_seconds desc"], offset=offset, limit=2) for offset in (0, 2)
    ]
    assert [[row["response_seconds"] for row in page] for page in pages] == [[300.0, 90.0], [60.0]]
    assert list(rows.all(["response_seconds"], order=["response_seconds"])) == [(60.0,), (90.0,), (300.0,)]
