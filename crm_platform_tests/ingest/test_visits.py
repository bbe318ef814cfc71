"""Reading one chat: nothing is lost or asked for twice, whatever is cut off and whatever arrives meanwhile."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.api import Fetch, Message, Page, Rejected
from crm_platform.errors import NotFound, ServerUnavailable
from crm_platform.ingest.visits import ChatState, Known, deepen, visit_newest

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def now() -> dt.datetime:
    return START


def rejected_key(rejected: Rejected) -> str:
    return rejected.raw


@dataclass
class Chat:
    """A chat as the API would page it; number `n` of its records is broken where `n` is in `broken`."""

    records: list[int] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    largest_page: int = 100
    reports_total: bool = True
    fail_after: int | None = None
    requests: int = 0
    arrives_between_pages: int = 0

    def add(self, count: int) -> None:
        start = max(self.records, default=0) + 1
        self.records += range(start, start + count)

    def list_messages(self, chat_id: str, *, page: int, limit: int, sort: str) -> Page[Message]:
        if self.fail_after is not None and self.requests >= self.fail_after:
            raise ServerUnavailable("down")
        self.requests += 1
        size = min(limit, self.largest_page)
        ordered = self.records[::-1] if sort == "newest" else self.records
        wanted = ordered[(page - 1) * size : page * size]
        fetch = Fetch(
            self.requests, "list_messages", chat_id, page, limit, sort, 1, START, START, 200, "ok", len(wanted), None
        )
        answer = Page(
            records=tuple(
                Message(f"m{n}", "text", "", "inbound", "received", START + dt.timedelta(seconds=n), False, None, {})
                for n in wanted
                if n not in self.broken
            ),
            rejected=tuple(Rejected("no usable timestamp", f"m{n}") for n in wanted if n in self.broken),
            page=page,
            page_size=size,
            total=len(self.records) if self.reports_total else None,
            fetch=fetch,
        )
        self.add(self.arrives_between_pages)
        return answer


@dataclass
class Reader:
    """What a crawl keeps of one chat between visits."""

    state: ChatState = field(default_factory=lambda: ChatState("c"))
    stored: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)

    def keep(self, visit) -> None:
        self.state = visit.state
        for page in visit.pages:
            self.stored |= {message.message_id for message in page.records}
            self.quarantined |= {rejected.raw for rejected in page.rejected}

    def visit(self, chat: Chat) -> None:
        known = Known(frozenset(self.stored), frozenset(self.quarantined))
        self.keep(visit_newest(chat, self.state, known, rejected_key=rejected_key, now=now))

    def deepen(self, chat: Chat, most_pages: int = 1_000) -> None:
        self.keep(deepen(chat, self.state, most_pages=most_pages, now=now))

    def knows_all(self, chat: Chat) -> bool:
        return self.stored | self.quarantined == {f"m{n}" for n in chat.records}


@pytest.mark.parametrize("messages", [0, 1, 99, 100, 101, 199, 200, 201, 250, 1_000, 1_001])
def test_a_first_load_costs_the_least_that_the_api_allows(messages):
    chat, reader = Chat(), Reader()
    chat.add(messages)
    reader.visit(chat)
    assert chat.requests == 1
    reader.deepen(chat)
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole
    assert chat.requests == max(1, ceil(messages / 100))


@pytest.mark.parametrize(
    ("before", "new", "requests"),
    [(0, 0, 1), (250, 0, 1), (250, 1, 1), (250, 99, 1), (250, 100, 1), (250, 101, 2), (250, 200, 2), (250, 350, 4)],
)
def test_a_later_visit_goes_on_until_known_ground(before, new, requests):
    chat, reader = Chat(), Reader()
    chat.add(before)
    reader.visit(chat)
    reader.deepen(chat)
    chat.add(new)
    chat.requests = 0
    reader.visit(chat)
    assert chat.requests == requests
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole
    assert reader.state.proven_total == before + new


def test_a_visit_cut_off_above_known_ground_leaves_history_that_is_read_later():
    chat, reader = Chat(), Reader()
    chat.add(150)
    reader.visit(chat)
    reader.deepen(chat)
    chat.add(350)
    chat.fail_after = chat.requests + 2
    reader.visit(chat)
    assert reader.state.failure == "ServerUnavailable"
    assert not reader.state.is_history_whole
    chat.fail_after = None
    chat.requests = 0
    reader.deepen(chat)
    assert reader.knows_all(chat)
    assert chat.requests == 2  # records 101 to 300 from the oldest end: 1 to 150 were proven, 301 to 500 just read


def test_history_that_arrives_late_is_noticed_by_the_count():
    chat, reader = Chat(), Reader()
    chat.add(300)
    reader.visit(chat)
    reader.deepen(chat)
    chat.records.insert(5, 10_000)  # older than everything on the newest page
    reader.visit(chat)
    assert not reader.state.is_history_whole
    reader.deepen(chat)
    assert reader.knows_all(chat)
    chat.requests = 0
    reader.visit(chat)
    assert (chat.requests, reader.state.is_history_whole) == (1, True)


def test_a_server_with_smaller_pages_and_one_without_totals():
    for chat in (Chat(largest_page=30), Chat(reports_total=False), Chat(largest_page=30, reports_total=False)):
        chat.add(275)
        reader = Reader()
        reader.visit(chat)
        reader.deepen(chat)
        assert reader.knows_all(chat)
        assert reader.state.is_history_whole


def test_a_missing_chat_is_a_failure_of_the_visit_and_no_more():
    class Gone:
        def list_messages(self, *_, **__):
            raise NotFound("no such chat", status=404)

    visit = visit_newest(Gone(), ChatState("c"), Known(), rejected_key=rejected_key, now=now)
    assert isinstance(visit.failure, NotFound)
    assert visit.state.known_until is None


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 330),  # messages that arrive before the visit
            st.integers(0, 3),  # messages that arrive between two of its pages
            st.none() | st.integers(0, 4),  # requests until the server goes down
            st.booleans(),  # is history read afterwards?
        ),
        max_size=6,
    ),
    broken=st.sets(st.integers(1, 600), max_size=40),
    largest_page=st.sampled_from([100, 100, 50]),
)
def test_whatever_is_cut_off_two_quiet_visits_know_it_all(steps, broken, largest_page):
    chat, reader = Chat(broken=broken, largest_page=largest_page), Reader()
    for arrived, between, patience, reads_history in steps:
        chat.add(arrived)
        chat.arrives_between_pages = between
        chat.fail_after = None if patience is None else chat.requests + patience
        reader.visit(chat)
        if reads_history:
            reader.deepen(chat, most_pages=2)
        chat.arrives_between_pages = 0
        if reader.state.is_history_whole and reader.state.proven_total == len(chat.records):
            assert reader.knows_all(chat)
    chat.fail_after = None
    reader.visit(chat)
    reader.deepen(chat)
    assert reader.state.is_history_whole
    assert reader.knows_all(chat)
    chat.requests = 0
    reader.visit(chat)
    assert chat.requests == 1
