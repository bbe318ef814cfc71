"""Each check of models on rows made by hand: when it is well, when it is not, and what it then says."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.ingest import open_warehouse
from crm_platform.models import due, raw_checks
from crm_platform.models.as_of import parse_as_of
from crm_platform.models.checks import CheckResult
from crm_platform.schemas import Table, ops, raw
from crm_platform.settings import Settings

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def store(settings):
    return open_warehouse(settings)


def fill(store, table: type[Table], *rows: dict[str, object]) -> None:
    """Append rows; what a test does not care about gets a value that means nothing."""
    plain = {"text": "x", "integer": 1, "float": 0.0, "boolean": False, "timestamp": NOW, "json": "{}"}
    full = [
        {name: plain[column.type.value] for name, column in table.columns.items() if not column.nullable} | row
        for row in rows
    ]
    with store.writing() as session:
        session.append(table, table.rows(full))


def ask(store, check, *arguments, **options) -> CheckResult:
    with store.reading() as session:
        return check(session, *arguments, **options)


def message(chat: str, number: int, **values: object) -> dict[str, object]:
    return {"chat_id": chat, "message_id": f"m{number}", "direction": "inbound", **values}


def test_a_key_stands_once(store):
    fill(store, raw.Messages, message("a", 1), message("a", 2), message("b", 1))
    assert ask(store, raw_checks.unique_key, raw.Messages).passed
    fill(store, raw.Messages, message("a", 1), message("a", 1))
    found = ask(store, raw_checks.unique_key, raw.Messages)
    assert not found.passed
    assert found.figures == {"doubled_keys": 1}
    assert found.summary == "1 keys of raw.messages stand more than once"


def test_messages_have_contacts(store):
    fill(store, raw.Contacts, {"chat_id": "a"})
    fill(store, raw.Messages, message("a", 1))
    assert ask(store, raw_checks.messages_have_contacts).passed
    fill(store, raw.Messages, message("b", 1), message("b", 2))
    found = ask(store, raw_checks.messages_have_contacts)
    assert not found.passed
    assert found.figures == {"messages": 2, "chats": 1}


def test_a_message_in_two_chats_is_kept_in_one(store):
    """Field case 20."""
    fill(store, raw.Messages, message("a", 1), message("b", 1, duplicate_of="a"))
    found = ask(store, raw_checks.duplicates)
    assert found.passed
    assert found.figures == {"copies": 1, "chats": 1, "kept_in_none": 0}
    fill(store, raw.Messages, message("c", 1, duplicate_of="b"), message("c", 2, duplicate_of="nowhere"))
    found = ask(store, raw_checks.duplicates)
    assert not found.passed
    assert found.figures == {"copies": 3, "chats": 2, "kept_in_none": 2}
    assert found.summary.startswith("2 of 3 messages of 2 chats stand in another chat, too")


def test_a_suspicious_sweep_waits(store):
    """Field case 11: nobody was told."""
    fine = {"is_complete": True, "rejected_contacts": 0, "is_suspicious": False, "counted_at": NOW}
    odd = {**fine, "is_suspicious": True, "counted_at": None, "seen_contacts": 0, "missing_contacts": 60}
    fill(store, raw.ContactSweeps, {"sweep_id": 1, **fine})
    assert ask(store, raw_checks.sweeps_are_settled).passed
    fill(store, raw.ContactSweeps, {"sweep_id": 2, **odd}, {"sweep_id": 3, **odd})
    found = ask(store, raw_checks.sweeps_are_settled)
    assert not found.passed
    assert found.summary.startswith("sweep 3 holds 0 contacts and lacks 60 that were there")
    assert "`crm sweeps`" in found.summary
    assert found.figures == {"waiting": 2, "missing": 60}
    fill(store, raw.ContactSweeps, {"sweep_id": 4, **fine})
    assert ask(store, raw_checks.sweeps_are_settled).passed


def test_nothing_dated_ahead_is_well(store):
    fill(store, raw.Messages, message("a", 1))
    assert ask(store, raw_checks.future_dated, now=NOW).passed


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "hours"), [(180, 3.0), (330, 5.5), (345, 5.75), (840, 14.0)])
def test_local_time_that_says_it_is_utc_is_told_with_its_offset(store, zone, hours):
    """Field case 19: 54 messages of 321 in no figure, and no word."""
    ahead = [
        message("a", n, is_future_dated=True, timestamp=NOW + dt.timedelta(minutes=zone - 4 - 3 * n)) for n in range(54)
    ]
    fill(store, raw.Messages, *ahead, *[message("b", n) for n in range(267)])
    found = ask(store, raw_checks.future_dated, now=NOW)
    assert not found.passed
    assert found.figures == {"messages": 54, "recent": 54, "hours_ahead": hours}
    assert found.summary.startswith("54 messages are dated after their own request and in no figure")
    assert f"{hours:g} h ahead" in found.summary


def test_one_odd_stamp_is_counted_and_no_zone(store):
    fill(store, raw.Messages, message("a", 1, is_future_dated=True, timestamp=NOW + dt.timedelta(days=700)))
    found = ask(store, raw_checks.future_dated, now=NOW)
    assert not found.passed
    assert "zone" not in found.summary
    assert "UTC" not in found.summary
    later = ask(store, raw_checks.future_dated, now=NOW + dt.timedelta(days=29))
    assert later.passed
    assert later.summary == "no message of late; 1 earlier ones are in no figure"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("skews", "passed", "said"),
    [
        ([], True, "no answer"),
        ([None, None], True, "no answer"),
        ([0.0] * 5, True, "agree (5 answers)"),
        ([0.0, 0.0, 900.0], True, "agree"),  # one answer of an odd machine behind the same name
        ([100.0] * 5, True, "agree"),
        ([10_800.0] * 4 + [0.0], False, "180 min ahead of ours (4 of 5 answers in 24 h)"),
        ([-86_400.0] * 3, False, "1,440 min behind ours"),
    ],
)
def test_a_server_whose_clock_is_off_is_told(store, skews, passed, said):
    """Field case 19."""
    old = {"fetch_id": 99, "started_at": NOW - dt.timedelta(days=2), "server_clock_skew_seconds": 9999.0}
    answers = [{"fetch_id": n, "server_clock_skew_seconds": skew} for n, skew in enumerate(skews)]
    fill(store, ops.Fetches, old, *answers)
    found = ask(store, raw_checks.server_clock, now=NOW)
    assert found.passed == passed
    assert said in found.summary


DRIFT = [
    pytest.param({"record": "message", "field": "mood", "value": ""}, dt.timedelta(days=6), "mood", id="new field"),
    pytest.param(
        {"record": "message", "field": "type", "value": "poll"}, dt.timedelta(0), "type = poll", id="new value"
    ),
    pytest.param(
        {"record": "message", "field": "mood", "value": ""}, dt.timedelta(days=8), None, id="known for a week"
    ),
    pytest.param({"record": "contact", "field": "mood", "value": ""}, dt.timedelta(0), None, id="of another record"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("row", "age", "news"), DRIFT)
def test_drift_is_news_for_a_week(store, row, age, news):
    fill(store, ops.Drift, {**row, "first_seen_at": NOW - age})
    found = ask(store, raw_checks.drift, raw.Messages, now=NOW)
    assert found.passed == (news is None)
    assert (
        found.summary == f"{'nothing new' if news is None else 'new'} in the last 7 days{f': {news}' if news else ''}"
    )


FRESHNESS = [
    ("ok", dt.timedelta(minutes=119), True),
    ("ok", dt.timedelta(minutes=121), False),
    ("timeout", dt.timedelta(0), False),
]


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "age", "is_fresh"), FRESHNESS)
def test_only_a_success_makes_fresh(store, outcome, age, is_fresh):
    fill(store, ops.Fetches, {"operation": "list_contacts", "outcome": outcome, "started_at": NOW - age})
    found = ask(store, raw_checks.freshness, "list_contacts", limit=dt.timedelta(hours=2), now=NOW)
    assert found.passed == is_fresh


def state(chat: str, *, total: int, is_whole: bool) -> dict[str, object]:
    proven = {"proven_total": total} if is_whole else {}
    return {"chat_id": chat, "known_until": NOW, "reported_total": total, "is_history_whole": is_whole, **proven}


def test_stored_and_quarantined_make_up_the_reported_total(store):
    fill(store, raw.Messages, message("a", 1), message("a", 2), message("b", 1))
    fill(store, ops.Quarantine, {"record_key": "k", "operation": "list_messages", "target": "a"})
    fill(store, ops.CrawlState, state("a", total=3, is_whole=True), state("b", total=41, is_whole=False))
    found = ask(store, raw_checks.messages_reconcile)
    assert found.passed
    assert found.figures["messages_known_to_be_older"] == 40
    fill(store, ops.CrawlState, state("c", total=2, is_whole=True))
    found = ask(store, raw_checks.messages_reconcile)
    assert not found.passed
    assert found.figures["messages_missing"] == 2
    assert found.figures["chats_short_of_their_total"] == 1


def test_an_empty_warehouse_has_nothing_against_it(store):
    for question in (raw_checks.messages_reconcile, raw_checks.messages_have_contacts):
        assert ask(store, question).passed
    assert ask(store, due.last_change) is None
    assert ask(store, due.finished_without_report) == 0
    assert ask(store, raw_checks.volume, settings=Settings(), now=NOW).passed


VOLUMES = [(10, True), (20, True), (21, False), (5, True), (4, False), (0, False)]


@pytest.mark.slow
@pytest.mark.parametrize(("yesterday", "is_usual"), VOLUMES)
def test_volume_is_held_against_28_days(store, yesterday, is_usual):
    noons = [NOW - dt.timedelta(days=back) for back in range(2, 32)]
    per_day = [(at, 10) for at in noons] + [(NOW - dt.timedelta(days=1), yesterday)]
    fill(
        store,
        raw.Messages,
        *(message(f"{at:%d%m}", number, timestamp=at) for at, count in per_day for number in range(count)),
    )
    assert ask(store, raw_checks.volume, settings=Settings(), now=NOW).passed == is_usual


AS_OF = [
    (None, None),
    ("  ", None),
    ("2026-11-20T02:00:00+03:00", dt.datetime(2026, 11, 19, 23, tzinfo=dt.UTC)),
    ("2026-11-20T02:00:00Z", dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC)),
]


@pytest.mark.parametrize(("text", "cut"), AS_OF)
def test_a_cut_is_read(text, cut):
    assert parse_as_of(text, now=NOW) == cut


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("yesterday", "write a time as ISO 8601"),
        ("2026-11-20", "without an offset"),
        ("2026-11-23T00:00Z", "still to come"),
    ],
)
def test_a_cut_that_is_none_is_refused(text, complaint):
    with pytest.raises(FixConfiguration, match=complaint):
        parse_as_of(text, now=NOW)
