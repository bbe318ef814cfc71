"""Who is looked up when: numbers that events name and no contact has."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

from crm_platform.errors import RateLimited, ServerUnavailable
from crm_platform.ingest import list_steps
from crm_platform.ingest.inbox import Inbox, InboxEvent
from crm_platform.ingest.strangers import AT_ONCE, Stranger, Strangers
from crm_platform_tests.in_process import world

AT = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)


def asked_at(*, received_at: dt.datetime) -> list[int]:
    """After how many seconds a number that nobody has is asked for."""
    strangers = Strangers()
    strangers.named(Stranger("+1", AT, received_at), at=AT)
    found = []
    for second in range(3 * 3600):
        if strangers.due(AT + second * SECOND):
            strangers.asked("+1", at=AT + second * SECOND)
            found.append(second)
    return found


def test_a_number_is_asked_for_soon_then_ever_more_rarely_and_then_left_to_the_sweeps():
    assert asked_at(received_at=AT) == [0, 2, 12, 62, 312, 1562]


def test_one_that_an_old_event_named_is_asked_for_once():
    assert asked_at(received_at=AT - 2 * HOUR) == [0]


def test_few_are_looked_up_at_once_and_the_newest_message_of_each_is_known():
    strangers = Strangers()
    for number in range(2_000):
        strangers.named(Stranger(f"+{number}", AT, AT), at=AT)
    assert len(strangers.due(AT)) == AT_ONCE
    strangers.named(Stranger("+1500", AT - HOUR, AT + SECOND), at=AT)
    for _ in range(60):
        for one in strangers.due(AT):
            assert one.message_at == AT
            strangers.found(one.number)
    assert strangers.due(AT) == []


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [ServerUnavailable("down"), RateLimited("slow down", retry_after=1.0)])
def test_a_search_that_fails_holds_no_known_chat_up(tmp_path, monkeypatch, trouble):
    crm = world(tmp_path, limits={"requests_per_minute": 20})
    crm.crawl(minutes=20)
    (quiet,) = crm.rows("select chat_id from ops.crawl_state order by known_until limit 1")
    searches: list[dt.datetime] = []
    told_at: list[dt.datetime] = []

    def search(*_: object, **__: object) -> None:
        searches.append(crm.time.now)
        raise trouble

    def sleep(seconds: float) -> None:
        crm.time.sleep(seconds)
        if seconds < 1 and (not told_at or crm.time.now - told_at[-1] > 100 * SECOND):
            told_at.append(crm.time.now)
            at = round(crm.time.now.timestamp() * 1_000_000)
            told = {"source": "crm", "message_id": None, "agent": None, "happened_at": at, "received_at": at}
            told |= {"event": "message.received", "properties": None}
            with contextlib.closing(Inbox(crm.settings.inbox_path)) as inbox:
                inbox.put(
                    [InboxEvent(event_id=f"s{n}{at}", chat_id=None, whatsapp_number=f"+25473399900{n}", **told)
                     for n in range(5)]
                    + [InboxEvent(event_id=f"k{at}", chat_id=quiet["chat_id"], whatsapp_number=None, **told)]
                )  # fmt: skip

    monkeypatch.setattr(list_steps, "contacts_of_number", search)
    with contextlib.closing(Inbox(crm.settings.inbox_path)) as inbox:
        inbox.put([])
    crm.crawl(minutes=8, sleep=sleep)
    visits = [
        row["at"].replace(tzinfo=dt.UTC)
        for row in crm.rows("select started_at as at from ops.fetches where target = ?", quiet["chat_id"])
    ]
    assert len(told_at) >= 4
    # Of the first nobody could know; after it some requests of each minute are kept free.
    assert all(any(SECOND * 0 <= visit - told <= SECOND for visit in visits) for told in told_at[1:])
    assert 0 < len(searches) <= 30, "one fails, and no other is tried at once"
    assert crm.sandbox.stats().most_in_60s <= 20
