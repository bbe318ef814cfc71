"""From the inbox into the warehouse: whose an event is, what it says was done, hints that are followed at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools

import pytest

from crm_platform.ingest.events import find_whose, take_in
from crm_platform.ingest.inbox import Inbox, InboxEvent, RefusedEvent
from crm_platform.schemas import raw
from crm_platform.warehouse import Lease, leases_of
from crm_platform_tests.in_process import START, World, world

SECOND = 1_000_000
HOLDER = Lease("crawl", epoch=1)


def event(event_id: str, name: str = "message.sent", **values: object) -> InboxEvent:
    at = round(START.timestamp()) * SECOND
    told = {"source": "crm", "chat_id": None, "message_id": None, "agent": None, "whatsapp_number": None}
    told |= {"happened_at": at, "received_at": at + SECOND, "properties": None}
    return InboxEvent(event_id=event_id, event=name, **told | values)  # type: ignore[arg-type]


def inbox_of(crm: World) -> contextlib.closing[Inbox]:
    return contextlib.closing(Inbox(crm.settings.inbox_path))


class Busy(Inbox):
    """Another event comes whenever some are taken."""

    def take(self, most: int):
        number = itertools.count(len(super().take(10_000).events))
        self.put([event(f"more {next(number)}", chat_id="c")])
        return super().take(most)


def test_it_ends_where_events_come_faster_than_they_are_taken_in(tmp_path):
    crm = world(tmp_path)
    with contextlib.closing(Busy(crm.settings.inbox_path)) as inbox:
        inbox.put([event("a", chat_id="c")])
        take_in(inbox, crm.warehouse, HOLDER)


def test_each_event_stands_once_however_often_it_is_taken_in(tmp_path):
    crm = world(tmp_path)
    with inbox_of(crm) as inbox:
        inbox.put([event("a", chat_id="c"), event("b", "chat.resolved", chat_id="c", agent="Jane@Shop.example")])
        inbox.put([event("a", chat_id="c")], [RefusedEvent("it names no event", "{}", START.microsecond)])
        taken = inbox.take(10)
        assert [one.event_id for one in taken.events] == ["a", "b"]
        assert take_in(inbox, crm.warehouse, HOLDER) == 2
        assert not inbox.has_events()
        inbox.put([event("a", chat_id="c")])
        take_in(inbox, crm.warehouse, HOLDER)
        inbox.put([event("c", "message.read", chat_id="c")])
        assert take_in(inbox, crm.warehouse, HOLDER) == 0, "no figure is made of it"
    assert crm.rows("select event_id, chat_id from raw.events order by 1") == [
        {"event_id": "a", "chat_id": "c"},
        {"event_id": "b", "chat_id": "c"},
        {"event_id": "c", "chat_id": "c"},
    ]
    (done,) = crm.rows("from raw.operator_events")
    assert (done["kind"], done["agent_key"], done["source"]) == ("done", "jane@shop.example", "event")
    assert done["known_at"] - done["at"] == dt.timedelta(seconds=1)
    (refused,) = crm.rows("select operation, reason from ops.quarantine")
    assert refused == {"operation": "webhook", "reason": "it names no event"}


def test_what_comes_while_others_are_taken_out_stays(tmp_path):
    crm = world(tmp_path)
    with inbox_of(crm) as inbox:
        inbox.put([event("a")])
        taken = inbox.take(10)
        inbox.put([event("b")], [RefusedEvent("late", "{}", 1)])
        inbox.drop(taken)
        left = inbox.take(10)
    assert ([one.event_id for one in left.events], [one.reason for one in left.refused]) == (["b"], ["late"])


def test_an_assignment_to_nobody_and_one_of_tomorrow_are_none(tmp_path):
    crm = world(tmp_path)
    tomorrow = round((START + dt.timedelta(days=1)).timestamp()) * SECOND
    with inbox_of(crm) as inbox:
        inbox.put(
            [event("a", "chat.assigned", chat_id="c"), event("b", "chat.resolved", chat_id="c", happened_at=tomorrow)]
        )
        take_in(inbox, crm.warehouse, HOLDER)
    assert len(crm.rows("from raw.events")) == 2
    assert crm.rows("from raw.operator_events") == []


def test_what_the_store_does_not_take_stands_in_nobodys_way(tmp_path):
    crm = world(tmp_path)
    with inbox_of(crm) as inbox:
        inbox.put([event("a"), event("bad", properties='{"half": "\\ud83d"}'), event("b")])
        take_in(inbox, crm.warehouse, HOLDER)
        assert not inbox.has_events()
    assert {row["event_id"] for row in crm.rows("from raw.events")} == {"a", "b"}
    (refused,) = crm.rows("select reason, raw from ops.quarantine")
    assert refused == {"reason": "the store does not take it", "raw": '{"event_id": "bad"}'}


@pytest.mark.slow
def test_a_chat_that_no_list_names_ends_no_crawl(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 30})
    at = round(START.timestamp() * SECOND)
    with inbox_of(crm) as inbox:
        inbox.put([event("a", "message.received", chat_id="nobody", happened_at=at, received_at=at)])
    crm.crawl(minutes=6)
    assert crm.rows("from ops.crawl_state where chat_id = 'nobody'") == []


@pytest.mark.slow
def test_events_take_their_share_of_the_quota_and_no_more(tmp_path):
    """A thousand customers write at once: lists, histories and the other chats go on."""
    crm = world(tmp_path, limits={"requests_per_minute": 20}, contacts=60)
    crm.crawl(minutes=20)
    chats = [row["chat_id"] for row in crm.rows("select chat_id from ops.crawl_state where known_until is not null")]

    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        crm.time.sleep(seconds)
        looks += 1
        if seconds < 1 and looks % 10 == 0:
            at = round(crm.time.now.timestamp() * SECOND)
            named = chats[at % len(chats)]
            with inbox_of(crm) as inbox:
                inbox.put([event(f"e{at}", "message.received", chat_id=named, happened_at=at, received_at=at)])

    with inbox_of(crm) as inbox:
        inbox.put([event("first")])
    before = crm.time.now
    crm.crawl(minutes=5, sleep=sleep)
    asked = crm.rows("select target from ops.fetches where started_at > ?", before.replace(tzinfo=None))
    assert 30 < len(asked) <= 100
    assert crm.sandbox.stats().most_in_60s <= 20


def test_a_number_that_nobody_had_is_looked_up_again(tmp_path):
    crm = world(tmp_path)
    with inbox_of(crm) as inbox:
        crm.refresh(tables=[raw.Contacts])
        (contact,) = crm.rows("select chat_id, whatsapp_number from raw.contacts order by chat_id limit 1")
        number = "+" + contact["whatsapp_number"].removeprefix("+")
        with crm.warehouse.writing() as session:
            session.execute("create table held as select * from raw.contacts")
            session.execute("delete from raw.contacts")
        inbox.put([event("a", "chat.assigned", whatsapp_number=number, agent="7"), event("b", whatsapp_number="+1999")])
        take_in(inbox, crm.warehouse, HOLDER)
    assert crm.rows("select chat_id from raw.events") == [{"chat_id": None}] * 2
    with crm.warehouse.writing() as session:
        session.execute("insert into raw.contacts select * from held")
    assert find_whose(crm.warehouse, HOLDER, at=START) == 1
    assert crm.rows("select event_id, chat_id from raw.events where chat_id is not null") == [
        {"event_id": "a", "chat_id": contact["chat_id"]}
    ]
    assert len(crm.rows("from raw.operator_events where kind = 'assigned'")) == 1
    assert find_whose(crm.warehouse, HOLDER, at=START) == 0


@pytest.mark.slow
def test_a_chat_that_an_event_names_is_read_within_a_second_and_what_is_kept_free_is_free(tmp_path):
    """At 20 requests a minute for 60 chats; the event comes between two ticks."""
    crm = world(tmp_path, limits={"requests_per_minute": 20})
    crm.crawl(minutes=30)
    (quiet,) = crm.rows("select chat_id from ops.crawl_state order by known_until limit 1")
    named_at: list[dt.datetime] = []
    slept = 0.0

    def sleep(seconds: float) -> None:
        nonlocal slept
        crm.time.sleep(seconds)
        slept += seconds
        if len(named_at) < 8 and slept > 70 * (len(named_at) + 1) and seconds < 1:
            named_at.append(crm.time.now)
            at = round(crm.time.now.timestamp() * SECOND)
            with inbox_of(crm) as inbox:
                inbox.put(
                    [event(f"e{at}", "message.received", chat_id=quiet["chat_id"], happened_at=at, received_at=at)]
                )

    with inbox_of(crm) as inbox:
        inbox.put([event("first")])  # somebody receives here
    crm.crawl(minutes=14, sleep=sleep, on_stored=lambda _is_new, _planner: None)
    assert len(named_at) == 8
    visits = crm.rows("select started_at as at from ops.fetches where target = ? order by 1", quiet["chat_id"])
    read_at = [one["at"].replace(tzinfo=dt.UTC) for one in visits]
    # Of the first nobody could know; after it some requests of each minute are kept free.
    late = [min((at - named for at in read_at if at >= named), default=None) for named in named_at[1:]]
    assert all(one is not None and one <= dt.timedelta(seconds=1) for one in late), late
    assert crm.sandbox.stats().most_in_60s <= 20


def test_a_crawl_takes_in_what_came_before_it_and_ends_without_anything_waiting(tmp_path):
    crm = world(tmp_path)
    with inbox_of(crm) as inbox:
        inbox.put([event("a", chat_id="c")])
    crm.refresh(tables=[raw.Contacts])
    assert len(crm.rows("from raw.events")) == 1
    with leases_of(crm.settings).take("crawl", purpose="nobody crawls"), inbox_of(crm) as inbox:
        assert not inbox.has_events()


@pytest.mark.slow
def test_who_writes_for_the_first_time_is_looked_up_and_read_at_once(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 20})
    crm.crawl(minutes=20)
    began = crm.time.now
    named_at: list[dt.datetime] = []
    new: list[str] = []

    def sleep(seconds: float) -> None:
        crm.time.sleep(seconds)
        if not named_at and seconds < 1 and (crm.time.now - began).total_seconds() > 100:
            named_at.append(crm.time.now)
            with crm.connect(lambda _: None) as client:
                new.append(client.create_contact("+254733999001").value.chat_id)
            at = round(crm.time.now.timestamp() * SECOND)
            told = {"happened_at": at, "received_at": at}
            with inbox_of(crm) as inbox:
                inbox.put(
                    [
                        event("known soon", "message.received", whatsapp_number="+254733999001", **told),
                        event("never known", "message.received", whatsapp_number="+254733999002", **told),
                    ]
                )

    # Of the first that comes nobody could know; after it some requests of each minute are kept free.
    (known,) = crm.rows("select chat_id from ops.crawl_state order by 1 limit 1")
    at = round(crm.time.now.timestamp() * SECOND)
    with inbox_of(crm) as inbox:
        inbox.put([event("first", "message.received", chat_id=known["chat_id"], happened_at=at, received_at=at)])
    crm.crawl(minutes=10, sleep=sleep)
    (visited,) = crm.rows("select min(started_at) as at from ops.fetches where target = ?", new[0])
    assert visited["at"].replace(tzinfo=dt.UTC) - named_at[0] <= dt.timedelta(seconds=2)
    assert crm.rows("select event_id, chat_id from raw.events where event_id <> 'first' and chat_id is not null") == [
        {"event_id": "known soon", "chat_id": new[0]}
    ]
    assert len(crm.rows("from raw.contacts where chat_id = ?", new[0])) == 1
    searches = crm.rows("select started_at from ops.fetches where operation = 'search_contacts' order by 1")
    waits = [(then["started_at"] - one["started_at"]).total_seconds() for one, then in itertools.pairwise(searches[1:])]
    assert [round(one) for one in waits] == [2, 10, 50, 250]  # within eight minutes; the next after twenty more
    assert crm.sandbox.stats().most_in_60s <= 20
