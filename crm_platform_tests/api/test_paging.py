"""The one pager: where a list ends, whatever the server says of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.api import Contact, Fetch, Page
from crm_platform.api.paging import Paging, keys_of, pages
from crm_platform.errors import NotFound

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def contact(number: int) -> Contact:
    return Contact(str(number), None, None, None, {}, None, None, False, {})


@dataclass
class Contacts:
    """A contact list as a server pages it. `totals`: what each request in turn is told, the last one for ever."""

    people: list[int]
    size: int = 100
    echoes: int = 100
    totals: list[int | None] | None = None
    total_of_page: bool = False
    repeats_last: bool = False
    ends_unknown: bool = False
    requests: list[int] = field(default_factory=list)

    def __call__(self, number: int) -> Page[Contact]:
        self.requests.append(number)
        assert len(self.requests) < 500, "it does not end"
        if self.repeats_last:
            number = min(number, max(1, ceil(len(self.people) / self.size)))
        shown = self.people[(number - 1) * self.size : number * self.size]
        if self.ends_unknown and number > 1 and not shown:
            raise NotFound("Invalid page.")
        total: int | None = len(shown) if self.total_of_page else len(self.people)
        if self.totals is not None:
            total = self.totals[min(len(self.requests), len(self.totals)) - 1]
        fetch = Fetch(1, "list_contacts", None, number, 100, None, 1, NOW, NOW, 200, "ok", len(shown), total)
        return Page(tuple(map(contact, shown)), (), self.requests[-1], self.echoes, total, fetch)

    def read(self) -> set[int]:
        return {int(one.chat_id) for page in pages(self) for one in page.records}


@pytest.mark.parametrize(
    ("people", "requests"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (199, 2), (200, 2), (201, 3), (1_000, 10)]
)
def test_a_server_that_keeps_the_contract_is_asked_as_often_as_there_are_pages(people, requests):
    """A full page whose total is no more than it holds costs one request to be sure of."""
    server = Contacts(list(range(people)))
    assert len(server.read()) == people
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    "odd",
    [
        {"size": 50},
        {"size": 50, "totals": [None]},
        {"total_of_page": True},
        {"ends_unknown": True, "size": 46, "totals": [None]},
        {"ends_unknown": True, "total_of_page": True},
        {"repeats_last": True, "totals": [None]},
        {"repeats_last": True, "totals": [1_000_000]},
        {"totals": [235]},
        {"totals": [225]},
        {"totals": [90]},
        {"totals": [0]},
        {"totals": [230, None, 1_000_000, 230]},
    ],
    ids=str,
)
def test_all_of_a_list_is_read_whatever_is_said_of_it(odd):
    """Field cases 8, 13, 14, 18."""
    server = Contacts(list(range(230)), **odd)
    assert len(server.read()) == 230
    assert len(server.requests) <= 9


def test_where_the_list_shrinks_the_pages_before_are_read_again():
    server = Contacts(list(range(500)))
    paging, seen = Paging(), set()
    while paging.next is not None:
        if len(server.requests) == 3:
            del server.people[:150]
        page = server(paging.next)
        seen |= {int(one.chat_id) for one in page.records}
        paging.took(page, keys_of(page))
    assert seen == set(range(500))
    assert len(server.requests) <= 9


@pytest.mark.slow
@given(people=st.integers(0, 200), leave=st.dictionaries(st.integers(2, 25), st.integers(1, 60), max_size=6))
@settings(max_examples=300, deadline=None)
def test_whoever_stays_while_the_oldest_leave_again_and_again_is_seen(people, leave):
    """Also where a page that is read again shrinks; a list that moves on and on is left by its budget, and says so."""
    server = Contacts(list(range(people)), size=10, echoes=10)
    paging, seen = Paging(), set()
    while paging.next is not None:
        del server.people[: leave.get(len(server.requests) + 1, 0)]
        page = server(paging.next)
        seen |= {int(one.chat_id) for one in page.records}
        paging.took(page, keys_of(page))
    assert paging.end == "budget" or set(server.people) <= seen


def test_a_page_that_cannot_be_had_is_left_out_only_where_more_is_known_to_follow():
    paging = Paging()
    assert not paging.skip()
    server = Contacts(list(range(330)))
    page = server(1)
    paging.took(page, keys_of(page))
    assert (paging.next, paging.skip(), paging.next) == (2, True, 3)
    for number in (3, 4):
        page = server(number)
        paging.took(page, keys_of(page))
    assert paging.next == 5, "a page is missing: only the end of the list ends it"
    assert not paging.skip()


def test_a_page_that_is_not_known_ends_a_list_only_where_nothing_more_is_said_to_be_there():
    server = Contacts(list(range(100)))
    for total, ends in ((None, True), (100, True), (101, False)):
        server.totals = [total]
        paging = Paging()
        assert not paging.ends_with(NotFound("no such list"))
        page = server(1)
        paging.took(page, keys_of(page))
        assert paging.ends_with(NotFound("no such page")) == ends
        assert paging.end is None, "it asks for the page before, and then again"


def test_a_list_that_never_ends_is_left_by_its_budget():
    class Endless:
        requests = 0

        def __call__(self, number: int) -> Page[Contact]:
            self.requests += 1
            shown = tuple(contact(100 * number + one) for one in range(100))
            total = 100 * number + 100
            fetch = Fetch(1, "list_contacts", None, number, 100, None, 1, NOW, NOW, 200, "ok", 100, total)
            return Page(shown, (), number, 100, total if number < 5 else 400, fetch)

    server = Endless()
    list(pages(server))
    assert server.requests <= 20_000


@settings(max_examples=150, deadline=None)
@given(
    people=st.integers(0, 600),
    size=st.sampled_from([7, 50, 99, 100]),
    totals=st.none() | st.lists(st.none() | st.integers(0, 900), min_size=1, max_size=4),
    repeats_last=st.booleans(),
)
def test_a_reading_ends_and_costs_little(people, size, totals, repeats_last):
    server = Contacts(list(range(people)), size=size, totals=totals, repeats_last=repeats_last)
    seen = server.read()
    assert len(server.requests) <= 2 * ceil(people / size) + ceil(900 / size) + 25
    if totals is None:
        assert len(seen) == people
