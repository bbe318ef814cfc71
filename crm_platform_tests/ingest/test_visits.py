"""Reading one chat: nothing is lost or asked for twice, whatever is cut off and whatever arrives meanwhile.

And nothing is called whole that is not: on servers whose pages are short, whose totals are wrong, that ignore what they
are asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_platform.api import Fetch, Message, Page, Rejected
from crm_platform.errors import NotFound, ServerUnavailable
from crm_platform.ingest.chat_state import ChatState
from crm_platform.ingest.histories import deepen
from crm_platform.ingest.visits import KnownMessages, visit_newest

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def now() -> dt.datetime:
    return START


def rejected_key(rejected: Rejected) -> str:
    return rejected.raw


@dataclass
class Chat:
    """A chat as the API would page it; number `n` of its records is broken where `n` is in `broken`.

    `hidden`: records that the total counts and no page shows, though their places are taken; `surplus`: what the total
    counts besides. `total_of_page`, `ignores_sort`, `ignores_page`, `repeats_last_page`: as they say. `echoes`: the
    page size that is said, where it is not the one that came. `ends_unknown`: a page behind the last is a 404.
    `bad_pages`: these are never answered.
    """

    records: list[int] = field(default_factory=list)
    newest: int = 0  # no number comes twice, whatever went away
    broken: set[int] = field(default_factory=set)
    largest_page: int = 100
    reports_total: bool = True
    fail_after: int | None = None
    requests: int = 0
    arrives_between_pages: int = 0
    hidden: set[int] = field(default_factory=set)
    surplus: int = 0
    total_of_page: bool = False
    ignores_sort: bool = False
    ignores_page: bool = False
    repeats_last_page: bool = False
    ends_unknown: bool = False
    echoes: int | None = None
    bad_pages: set[int] = field(default_factory=set)
    on_request: Callable[[], None] = lambda: None
    at: dt.datetime = START

    def add(self, count: int) -> None:
        start = max([self.newest, *self.records]) + 1
        self.records += range(start, start + count)
        self.newest = max(self.newest, start + count - 1)

    def list_messages(self, chat_id: str, *, page: int, limit: int, sort: str, retries: int | None = None) -> Page:
        if self.fail_after is not None and self.requests >= self.fail_after:
            raise ServerUnavailable("down")
        self.requests += 1
        self.on_request()
        if page in self.bad_pages:
            raise ServerUnavailable("HTTP 500")
        size = min(limit, self.largest_page)
        ordered = self.records[::-1] if sort == "newest" or self.ignores_sort else self.records
        number = 1 if self.ignores_page else page
        if self.repeats_last_page:
            number = min(number, max(1, ceil(len(ordered) / size)))
        if self.ends_unknown and page > 1 and (page - 1) * size >= len(ordered):
            raise NotFound("Invalid page.")
        wanted = [n for n in ordered[(number - 1) * size : number * size] if n not in self.hidden]
        total = len(wanted) if self.total_of_page else len(self.records) + self.surplus
        fetch = Fetch(
            self.requests,
            "list_messages",
            chat_id,
            page,
            limit,
            sort,
            1,
            self.at,
            self.at,
            200,
            "ok",
            len(wanted),
            None,
        )
        answer = Page(
            records=tuple(
                Message(f"m{n}", "text", "", "inbound", "received", START + dt.timedelta(seconds=n), False, None, {})
                for n in wanted
                if n not in self.broken
            ),
            rejected=tuple(Rejected("no usable timestamp", f"m{n}") for n in wanted if n in self.broken),
            page=page,
            page_size=self.echoes or size,
            total=total if self.reports_total else None,
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
    now: dt.datetime = START
    reads_to_end: bool = False
    bad_page: int | None = None

    def hold(self, visit) -> None:
        """Store what came, and the state."""
        self.state = visit.state
        for page in visit.pages:
            self.stored |= {message.message_id for message in page.records}
            self.quarantined |= {rejected.raw for rejected in page.rejected}

    def keep(self, visit) -> None:
        """The same, and count the rows where the reading is over."""
        self.hold(visit)
        if visit.has_ended or self.state.meets:
            held = len(self.stored) + len(self.quarantined)
            counted = self.state.counted(held, has_ended=visit.has_ended, at=self.now)
            self.reads_to_end, self.state = counted == self.state, counted
        if visit.failed_page is not None and visit.failure is not None:
            self.bad_page = visit.failed_page

    def visit(self, chat: Chat) -> None:
        known = KnownMessages(frozenset(self.stored), frozenset(self.quarantined))
        self.keep(visit_newest(chat, self.state, known, rejected_key=rejected_key, now=now))

    def deepen(self, chat: Chat, most_pages: int = 1_000) -> None:
        left = chat.requests + most_pages
        while self.state.is_due(self.now) and chat.requests < left:
            visit = deepen(
                chat,
                self.state,
                most_pages=left - chat.requests,
                now=now,
                to_end=self.reads_to_end,
                skip_page=self.bad_page,
            )
            self.keep(visit)
            if visit.failure is not None:
                break

    def read(self, chat: Chat, *, pieces: int = 1_000) -> None:
        """All that can be had at once; history in pieces of so many pages."""
        self.visit(chat)
        before = None
        while self.state.is_due(self.now) and self.state != before:
            before = self.state
            self.deepen(chat, most_pages=pieces)

    def knows_all(self, chat: Chat) -> bool:
        return self.stored | self.quarantined == {f"m{n}" for n in chat.records if n not in chat.hidden}


@pytest.mark.parametrize("messages", [0, 1, 99, 101, 199, 200, 201, 250, 1_000, 1_001])
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
    [(0, 0, 1), (250, 0, 1), (250, 1, 1), (250, 99, 1), (250, 100, 2), (250, 101, 2), (250, 200, 3), (250, 350, 4)],
)
def test_a_later_visit_goes_on_until_known_ground(before, new, requests):
    """Where just so many pages are new, only one more shows that they end there: their number need not tell."""
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
    # Records 1 to 300 from the oldest end; 301 to 500 were just read. 1 to 150 were proven, but where they stand now,
    # nobody who was cut off can know.
    assert chat.requests == 3


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
        reader.read(chat)
        assert reader.knows_all(chat)
        assert reader.state.is_history_whole


def test_a_missing_chat_is_a_failure_of_the_visit_and_no_more():
    class Gone:
        def list_messages(self, *_, **__):
            raise NotFound("no such chat", status=404)

    visit = visit_newest(Gone(), ChatState("c"), KnownMessages(), rejected_key=rejected_key, now=now)
    assert isinstance(visit.failure, NotFound)
    assert visit.state.known_until is None


@pytest.mark.slow
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


# Servers that are not as the contract says.


def test_a_full_page_whose_total_is_no_more_may_be_one_of_many():
    """Field case 18: one request more finds out, and only where the page is full."""
    chat, reader = Chat(), Reader()
    chat.add(100)
    reader.read(chat)
    assert (chat.requests, reader.state.is_history_whole) == (2, True)
    chat, reader = Chat(total_of_page=True), Reader()
    chat.add(230)
    reader.read(chat)
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole


@pytest.mark.parametrize("pieces", [1, 2, 3, 1_000])
@pytest.mark.parametrize(
    "odd",
    [
        {"largest_page": 50, "echoes": 100},  # field case 8
        {"largest_page": 30, "echoes": 100},
        {"largest_page": 50, "echoes": 100, "reports_total": False},
        {"ignores_sort": True},  # field case 15
        {"ignores_sort": True, "largest_page": 40, "echoes": 100},
        {"reports_total": False, "repeats_last_page": True},  # field case 14
        {"repeats_last_page": True},
        {"total_of_page": True},
        {"total_of_page": True, "ignores_sort": True},
    ],
    ids=str,
)
def test_all_of_an_odd_servers_list_is_read(odd, pieces):
    for messages in (1, 30, 99, 150, 275, 430, 1_763):
        chat, reader = Chat(**odd), Reader()
        chat.add(messages)
        reader.read(chat, pieces=pieces)
        assert reader.knows_all(chat), messages
        assert reader.state.is_history_whole, messages
        chat.add(7)
        chat.requests = 0
        reader.read(chat, pieces=pieces)
        assert reader.knows_all(chat), messages
        assert reader.state.is_history_whole
        assert chat.requests <= 2


@pytest.mark.parametrize("pieces", [1, 4, 1_000])
def test_pages_with_a_record_less_in_the_middle_are_no_end(pieces):
    """Field case 7: what the total counts and no page shows is short, then unreachable; never whole at first."""
    chat, reader = Chat(hidden={150, 260, 777}), Reader()
    chat.add(990)
    reader.read(chat, pieces=pieces)
    assert reader.knows_all(chat)
    assert not reader.state.is_history_whole
    assert (reader.state.missing, reader.state.reported_total) == (3, 990)
    asked = chat.requests
    reader.read(chat, pieces=pieces)
    assert chat.requests == asked + 1, "it rests for a day"
    reader.now += dt.timedelta(hours=25)
    reader.read(chat, pieces=pieces)
    assert reader.state.is_history_whole, "a second reading from the other end brought nothing more"
    assert reader.state.unreachable == 3
    chat.add(5)
    reader.now += dt.timedelta(hours=25)
    asked = chat.requests
    reader.read(chat, pieces=pieces)
    assert (reader.state.unreachable, chat.requests) == (3, asked + 1), "the difference is the same: nothing to repeat"


def test_pages_of_99_that_add_up_to_the_total_are_whole():
    """Field case 7 as it came: the total is right, and every page but the last holds 99."""
    chat, reader = Chat(largest_page=99, echoes=100), Reader()
    chat.add(990)
    reader.read(chat)
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole


def test_a_second_reading_that_finds_more_is_no_proof():
    chat, reader = Chat(hidden={50, 450}), Reader()
    chat.add(500)
    reader.read(chat)
    chat.hidden.discard(50)
    reader.now += dt.timedelta(hours=25)
    reader.read(chat)
    assert not reader.state.is_history_whole
    assert reader.state.missing == 1
    chat.hidden.clear()
    reader.now += dt.timedelta(hours=25)
    reader.read(chat)
    assert reader.state.is_history_whole
    assert reader.state.unreachable == 0


@pytest.mark.parametrize("surplus", [1, 5, 999_763])
def test_a_total_that_was_never_true_costs_little(surplus):
    """Field cases 13, 14: it is read to its end once, and once more a day later."""
    chat, reader = Chat(surplus=surplus), Reader()
    chat.add(237)
    reader.read(chat)
    assert reader.knows_all(chat)
    assert not reader.state.is_history_whole
    assert chat.requests <= 6
    reader.now += dt.timedelta(hours=25)
    reader.read(chat)
    assert (reader.state.is_history_whole, reader.state.unreachable) == (True, surplus)
    assert chat.requests <= 12


def test_a_page_that_is_always_the_same_ends_the_reading():
    """Field case 14: `page` is ignored."""
    for chat in (Chat(ignores_page=True), Chat(ignores_page=True, reports_total=False)):
        chat.add(1_763)
        reader = Reader()
        reader.read(chat)
        assert chat.requests <= 11
        assert not reader.state.is_history_whole
        assert reader.state.failure == (None if chat.reports_total else "RejectedRequest")


@pytest.mark.parametrize("messages", [99, 100, 101, 200])
@pytest.mark.parametrize("pieces", [1, 1_000])
def test_a_chat_of_one_full_page_that_comes_again_is_whole(messages, pieces):
    chat, reader = Chat(repeats_last_page=True, reports_total=False), Reader()
    chat.add(messages)
    reader.read(chat, pieces=pieces)
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole


@pytest.mark.parametrize("pieces", [1, 1_000])
def test_a_server_that_does_not_page_is_not_believed_in_pieces_either(pieces):
    chat, reader = Chat(ignores_page=True, reports_total=False), Reader()
    chat.add(450)
    reader.visit(chat)
    for _ in range(6):
        reader.deepen(chat, most_pages=pieces)
        assert not reader.state.is_history_whole


@pytest.mark.parametrize("after", range(2, 15))
@pytest.mark.parametrize("pieces", [1, 3, 1_000])
def test_what_is_deleted_while_a_history_is_read_moves_the_place_back(after, pieces):
    """Field case 10: the oldest 200 of 1,500 go away at any moment of the reading."""
    chat, reader = Chat(), Reader()
    chat.add(1_500)

    def delete() -> None:
        if chat.requests == after:
            del chat.records[:200]

    chat.on_request = delete
    reader.visit(chat)
    for _ in range(30):
        reader.deepen(chat, most_pages=pieces)
    assert reader.state.is_history_whole
    assert reader.stored >= {f"m{n}" for n in chat.records}
    assert chat.requests <= 15 + 4 + after  # at worst all that was read before it is read again


def test_deletions_between_a_visit_and_the_next_move_the_place_back_too():
    chat, reader = Chat(), Reader()
    chat.add(1_500)
    reader.visit(chat)
    reader.deepen(chat, most_pages=6)
    del chat.records[:200]
    chat.add(30)
    reader.read(chat)
    assert reader.stored >= {f"m{n}" for n in chat.records}
    assert reader.state.is_history_whole


def test_a_page_that_is_never_answered_is_left_out_and_missed():
    """Field case 17 of a chat: the others are read, what is missing is counted."""
    chat, reader = Chat(bad_pages={3}), Reader()
    chat.add(900)
    reader.visit(chat)
    reader.deepen(chat)
    assert reader.bad_page == 3
    reader.deepen(chat)
    assert len(reader.stored) == 800
    assert not reader.state.is_history_whole
    assert reader.state.missing == 100


@settings(max_examples=60, deadline=None)
@given(
    server=st.fixed_dictionaries(
        {
            "largest_page": st.sampled_from([10, 33, 50, 99, 100]),
            "echoes": st.sampled_from([None, 100]),
            "hidden": st.sets(st.integers(1, 700), max_size=5),
            "surplus": st.sampled_from([0, 0, 3]),
            "reports_total": st.booleans(),
            "ignores_sort": st.booleans(),
            "repeats_last_page": st.booleans(),
        }
    ),
    messages=st.integers(0, 700),
    pieces=st.sampled_from([1, 2, 7, 1_000]),
    deleted=st.integers(0, 80),
)
def test_nothing_that_is_missing_is_called_whole(server, messages, pieces, deleted):
    chat = Chat(**server)
    chat.add(messages)
    reader = Reader()
    reader.visit(chat)
    reader.deepen(chat, most_pages=2)
    if chat.reports_total and not chat.ignores_sort:  # what goes away unannounced, nobody can notice
        del chat.records[:deleted]
    reader.read(chat, pieces=pieces)
    shown = {f"m{n}" for n in chat.records if n not in chat.hidden}
    if reader.state.is_history_whole:
        assert shown <= reader.stored
    for _ in range(4):
        reader.now += dt.timedelta(hours=25)
        reader.read(chat, pieces=pieces)
    assert shown <= reader.stored
    assert reader.state.is_history_whole
    if chat.reports_total and len(reader.stored) == len(shown):
        assert reader.state.unreachable == len(chat.records) + chat.surplus - len(shown)


CHANGES = st.one_of(
    st.tuples(st.just("add"), st.sampled_from([1, 3, 30, 99, 100, 101, 130, 230])),
    st.tuples(st.just("delete"), st.integers(1, 150)),
    st.tuples(st.just("visit"), st.sampled_from([None, None, 1, 2, 3])),
    st.tuples(st.just("deepen"), st.sampled_from([1, 2, 5, 50])),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    largest_page=st.sampled_from([10, 33, 99, 100]),
    messages=st.sampled_from([5, 100, 150, 300, 700]),
    changes=st.lists(CHANGES, min_size=3, max_size=14),
)
@example(100, 300, [("visit", None), ("deepen", 50), ("add", 230), ("delete", 150), ("visit", None)])
@example(10, 100, [("visit", None), ("deepen", 2), ("add", 30), ("delete", 36), ("deepen", 50)])
@example(33, 700, [("visit", None), ("deepen", 10), ("delete", 81), ("add", 100), ("deepen", 50)])
@example(100, 300, [("visit", None), ("deepen", 50), ("add", 230), ("delete", 100), ("visit", 1), ("deepen", 50)])
def test_as_much_may_come_as_goes_away(largest_page, messages, changes):
    """Field case 10: records go away at the oldest end while others come, and the total tells of neither."""
    chat, reader = Chat(largest_page=largest_page), Reader()
    chat.add(messages)
    at_visit: list[int] = []
    for what, number in changes:
        if what == "add":
            chat.add(number)
        elif what == "delete":
            del chat.records[:number]
        elif what == "visit":
            at_visit = list(chat.records)
            chat.fail_after = None if number is None else chat.requests + number
            reader.visit(chat)
            chat.fail_after = None
        elif reader.state.known_until is not None:
            reader.deepen(chat, most_pages=number)
        if reader.state.is_history_whole:
            assert {f"m{n}" for n in at_visit if n in chat.records} <= reader.stored
    for _ in range(3):
        reader.read(chat)
        reader.now += dt.timedelta(hours=25)
    assert reader.state.is_history_whole
    assert {f"m{n}" for n in chat.records} <= reader.stored


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    largest_page=st.sampled_from([10, 33, 100]),
    messages=st.integers(0, 400),
    leave=st.dictionaries(st.integers(1, 60), st.integers(1, 60), max_size=6),
    pieces=st.lists(st.sampled_from([1, 2, 3, 5, 50]), min_size=1, max_size=12),
    join=st.dictionaries(st.integers(0, 11), st.integers(1, 130), max_size=3),
    visits=st.sets(st.integers(0, 11), max_size=3),
)
# The total grows, and is what it was when the next piece is read.
@example(largest_page=10, messages=21, leave={3: 1}, pieces=[1, 1], join={0: 1}, visits=set())
# As much comes as goes while the reading pauses.
@example(largest_page=10, messages=31, leave={4: 1}, pieces=[2, 1], join={1: 1}, visits=set())
def test_whatever_leaves_before_whichever_page_nothing_missing_is_called_whole(
    *, largest_page, messages, leave, pieces, join, visits
):
    """An hour passes between two pieces of the history."""
    chat, reader = Chat(largest_page=largest_page), Reader()
    chat.add(messages)
    chat.on_request = lambda: chat.records.__delitem__(slice(leave.get(chat.requests, 0)))

    def visit() -> set[int]:
        listed = set(chat.records)
        reader.visit(chat)
        return listed

    def lacking(listed: set[int]) -> set[str]:
        whole = reader.state.is_history_whole
        return {f"m{n}" for n in listed & set(chat.records)} - reader.stored if whole else set()

    listed = visit()
    for number, pages in enumerate(pieces):
        chat.add(join.get(number, 0))
        chat.at += dt.timedelta(hours=1)
        if number in visits:
            listed = visit()
        reader.deepen(chat, most_pages=pages)
        assert not lacking(listed)
    for _ in range(4):
        listed = set(chat.records)
        reader.read(chat)
        reader.now += dt.timedelta(hours=25)
        assert not lacking(listed)
    assert reader.state.is_history_whole


@pytest.mark.parametrize("messages", [0, 1, 99, 100, 101, 200, 250, 1_000])
@pytest.mark.parametrize("odd", [{}, {"reports_total": False}, {"total_of_page": True}], ids=str)
@pytest.mark.parametrize("pieces", [1, 1_000])
def test_a_chat_whose_end_is_a_page_not_found_is_whole(messages, odd, pieces):
    """What frameworks answer behind the last page: 100 messages of a total of 100 were trouble, and never whole."""
    chat, reader = Chat(ends_unknown=True, **odd), Reader()
    chat.add(messages)
    reader.read(chat, pieces=pieces)
    assert reader.knows_all(chat)
    assert reader.state.is_history_whole
