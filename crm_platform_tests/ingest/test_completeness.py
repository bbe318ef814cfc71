"""What is said to be stored, missing and how long it takes, held against what the sandbox truly has."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from math import ceil

import pytest

from crm_platform.api import Allowance
from crm_platform.ingest import Completeness, completeness, pace, seconds_by_schedule, seconds_of
from crm_platform.schemas import raw
from crm_platform_tests.in_process import world

LIMITS = {"requests_per_minute": 30}


def look(crm, **options) -> Completeness:
    with crm.warehouse.reading() as session:
        return completeness(session, **options)


def true_messages(crm) -> int:
    return sum(line["kind"] == "message" for line in crm.truth())


def test_nothing_is_known_before_the_first_contact_list(tmp_path):
    found = look(world(tmp_path))
    assert (found.chats, found.share, found.requests) == (0, None, None)


@pytest.mark.slow
def test_contacts_alone_say_nothing_of_messages(tmp_path):
    crm = world(tmp_path)
    crm.refresh(tables=[raw.Contacts, raw.ContactSweeps])
    found = look(crm)
    assert found.chats == 60
    assert found.visited == 0
    assert found.share is None
    assert found.requests is None


@pytest.mark.slow
@pytest.mark.parametrize("requests", [25, 45])
def test_a_part_is_estimated_from_the_chats_that_were_visited(tmp_path, requests):
    crm = world(tmp_path, limits=LIMITS, contacts=60)
    crm.crawl(requests=requests)
    found = look(crm)
    assert 0 < found.visited < found.chats
    (stored,) = crm.rows("select count(*) as n from raw.messages")
    assert found.stored == stored["n"]
    # The planner visits those first that it expects most of: the estimate is no better than that.
    assert found.expected == pytest.approx(true_messages(crm), rel=0.5)
    assert found.visits == found.chats - found.visited
    assert found.requests >= found.visits


@pytest.mark.slow
def test_all_is_said_only_when_all_is_there(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    found = look(crm)
    assert found.share == 1.0
    assert found.stored == found.expected == true_messages(crm)
    assert found.requests == 0
    assert look(crm, since=crm.time.now + dt.timedelta(seconds=1)).requests == found.chats, "each once more, then"


@pytest.mark.slow
def test_of_lists_that_fell_short_all_is_loaded_but_what_they_lack(tmp_path):
    crm = world(tmp_path, contacts=12)
    handle = type(crm.sandbox).handle.__get__(crm.sandbox)

    def too_high(method, path, query, headers, body):
        answer = handle(method, path, query, headers, body)
        if not path.endswith("/messages"):
            return answer
        return replace(
            answer, body=re.sub(rb'"total":\s*(\d+)', lambda m: b'"total": %d' % (int(m[1]) + 3), answer.body)
        )

    crm.sandbox.handle = too_high
    crm.refresh()
    found = look(crm)
    assert found.stored == true_messages(crm)
    assert found.expected == found.stored + 3 * 12


def test_what_is_missing_is_never_rounded_away():
    assert Completeness(10_000, 10_000, 9_999, 999_999, 1_000_000.0, 0, 1.0).share < 1


@pytest.mark.slow
def test_history_counts_in_pages(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    with crm.warehouse.writing() as session:
        session.execute(
            "update ops.crawl_state set is_history_whole = false, reported_total = 450, newest_run = 100, "
            "read_from_oldest = 100 where chat_id = (select min(chat_id) from ops.crawl_state)"
        )
    found = look(crm)
    assert found.whole == found.chats - 1
    assert found.requests == found.pages == ceil(250 / 100)
    assert found.share < 1


@pytest.mark.parametrize(
    ("requests", "limits", "left", "wait", "seconds"),
    [
        (0, (60, None), (0, None), 40, 0),
        (28, (60, None), (0, None), 47, 47),  # one opening of the window is enough
        (10, (60, None), (57, None), 0, 0),
        (600, (60, None), (0, None), 40, 600),
        (3000, (60, 1000), (60, 1000), 0, 2 * 86_400),  # two more days
        (900, (60, 1000), (0, 950), 10, 900),
        (500, (None, None), (None, None), 0, None),
    ],
)
def test_how_long_requests_take_follows_from_the_limits(requests, limits, left, wait, seconds):
    found = seconds_of(requests, limits=Allowance(*limits), left=Allowance(*left), wait=wait)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_schedules_give_histories_a_share_only():
    found = Completeness(100, 100, 0, 10_000, 40_000.0, 0, 300.0)
    assert seconds_by_schedule(found, limits=Allowance(60, None)) == pytest.approx(300 / 0.1)
    assert seconds_by_schedule(found, limits=Allowance(None, None)) is None


@pytest.mark.slow
def test_the_pace_is_that_of_the_last_minutes(tmp_path):
    crm = world(tmp_path, limits=LIMITS)
    with crm.warehouse.reading() as session:
        assert pace(session, now=crm.time.now) is None
    crm.crawl(minutes=6)
    with crm.warehouse.reading() as session:
        assert pace(session, now=crm.time.now) == pytest.approx(30 / 60, rel=0.4)
        assert pace(session, now=crm.time.now + dt.timedelta(hours=1)) is None
