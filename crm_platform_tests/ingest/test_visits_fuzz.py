"""Thousands of chats, each read by chance, on servers that are wrong by chance: what is missing is never called whole.

What belongs here: chance. What does not: cases with a name (test_visits.py), a whole platform's chances (simulation/).

Left out is what no reading can tell: that as much comes as goes between two answers; on a server that knows no order,
that so much comes while it is read that pages repeat.
"""

from __future__ import annotations

import datetime as dt
import random

import pytest

from crm_platform.errors import NotFound, ServerUnavailable
from crm_platform.ingest.histories import deepen
from crm_platform.ingest.visits import KnownMessages, visit_newest
from crm_platform_tests.ingest.test_visits import Chat, Reader, now, rejected_key

TOTALS = ("right", "right", "right", "missing", "missing", "of the page", "sometimes", "too high")
NEEDLESSLY_MANY = 12  # quiet days after which everything is known


def server(chance: random.Random) -> tuple[Chat, str]:
    """A chat on a server with its own oddities, and what its totals are."""
    totals = chance.choice(TOTALS)
    size = chance.choice([1, 2, 3, 5, 10, 10, 33, 100])
    chat = Chat(
        largest_page=size,
        reports_total=totals != "missing",
        total_of_page=totals == "of the page",
        surplus=chance.choice([1, 3]) if totals == "too high" else 0,
        echoes=chance.choice([None, None, 100]) if totals != "of the page" else None,
        ends_unknown=chance.random() < 0.15,
        ignores_sort=totals != "of the page" and size >= 5 and chance.random() < 0.07,
        hidden=set(chance.sample(range(1, 300), 5)) if size >= 10 and chance.random() < 0.2 else set(),
        broken=set(chance.sample(range(1, 300), 20)) if chance.random() < 0.2 else set(),
    )
    # One full page that comes again, from a server that knows neither order nor total, may be all that it ever gives.
    chat.repeats_last_page = not (chat.ends_unknown or chat.ignores_sort) and chance.random() < 0.15
    if chat.total_of_page:
        chat.hidden.clear()
    chat.add(
        chance.choice([0, 1, size - 1, size, size + 1, 2 * size, 2 * size + 3, 7 * size + 1, chance.randrange(300)])
    )
    return chat, totals


class Life:
    """One chat and its reader: what happens to them, in a row that a seed names."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.chat, self.totals = server(chance)
        self.not_found, self.unavailable = chance.choice([0, 0, 0.02, 0.1]), chance.choice([0, 0, 0.02, 0.1])
        self.comes, self.goes = chance.choice([0, 0, 0.1, 0.3]), chance.choice([0, 0, 0.1, 0.3])
        if self.chat.ignores_sort:
            self.comes = self.not_found = 0
        self.reader = Reader()
        self.listed: dict[dt.datetime | None, list[int]] = {}  # by the visit's time: what the server then had
        self._commit()

    def _trouble(self) -> None:
        """What befalls a request, and the chat just before it is answered."""
        chance, chat = self.chance, self.chat
        if chance.random() < self.not_found:
            raise NotFound("in trouble")
        if chance.random() < self.unavailable:
            raise ServerUnavailable("in trouble")
        if chance.random() < self.goes and len(chat.records) > 3:
            del chat.records[: chance.randint(1, chance.choice([3, len(chat.records) // 2]))]
        elif chance.random() < self.comes:
            size = chat.largest_page
            chat.add(chance.choice([1, 2, 3, size, size + 1, 2 * size]))
        if self.totals == "sometimes":
            chat.reports_total = chance.random() < 0.7

    def _commit(self) -> None:
        reader = self.reader
        self.saved = (reader.state, set(reader.stored), set(reader.quarantined))

    def _die(self) -> None:
        """What was not committed is lost; what was read to where the ends meet may be counted by the next process."""
        reader = self.reader
        state, stored, quarantined = self.saved
        reader.state, reader.stored, reader.quarantined = state, set(stored), set(quarantined)
        reader.reads_to_end, reader.bad_page = False, None
        if state.meets and self.chance.random() < 0.7:
            reader.state = state.counted(len(stored) + len(quarantined), has_ended=False, at=reader.now)

    def _keep(self, visit) -> None:
        fate = self.chance.random()
        if fate < 0.05:  # killed between the commit of the rows and their count
            self.reader.hold(visit)
            self._commit()
        if fate < 0.1:
            self._die()
            return
        self.reader.keep(visit)
        if fate < 0.7:
            self._commit()

    def visit(self) -> None:
        reader, chat = self.reader, self.chat
        first: list[int] | None = None

        def on_request() -> None:
            nonlocal first
            self._trouble()
            first = first or list(chat.records)

        chat.on_request = on_request
        known = KnownMessages(frozenset(reader.stored), frozenset(reader.quarantined))
        visit = visit_newest(chat, reader.state, known, rejected_key=rejected_key, now=now)
        if visit.pages:
            self.listed[visit.state.known_until] = first or []
        self._keep(visit)

    def deepen(self, pages: int) -> None:
        reader = self.reader
        if not reader.state.is_due(reader.now):
            return
        self.chat.on_request = self._trouble
        skip = reader.bad_page if self.chance.random() < 0.5 else None
        self._keep(
            deepen(self.chat, reader.state, most_pages=pages, now=now, to_end=reader.reads_to_end, skip_page=skip)
        )

    def pause(self, minutes: int) -> None:
        self.chat.at += dt.timedelta(minutes=minutes)
        self.reader.now = self.chat.at

    def step(self) -> None:
        chance, chat = self.chance, self.chat
        self.chat.at += dt.timedelta(seconds=1)
        what = chance.random()
        if what < 0.3:
            self.visit()
        elif what < 0.75:
            self.deepen(chance.choice([1, 1, 2, 3, 10]))
        elif what < 0.85:
            chat.add(chance.choice([1, 3, 30, chat.largest_page, chat.largest_page * 2 + 1]))
            self.pause(chance.choice([11, 60]))
        elif what < 0.95:
            del chat.records[: min(chance.choice([1, 3, 30, chat.largest_page]), len(chat.records) - 1)]
            self.pause(chance.choice([11, 60]))
        else:
            self.pause(25 * 60)

    def lacking(self) -> set[str]:
        """What is missing though the state says that nothing is."""
        state, held = self.reader.state, self.reader.stored | self.reader.quarantined
        listed = self.listed.get(state.known_until, [])
        claimed = listed if state.is_history_whole else listed[max(0, len(listed) - state.newest_run) :]
        return {f"m{n}" for n in set(claimed) & set(self.chat.records) - self.chat.hidden} - held

    def calm_down(self) -> None:
        self.not_found = self.unavailable = self.comes = self.goes = 0
        if self.totals == "sometimes":
            self.totals, self.chat.reports_total = "right", True

    def is_known_in_the_end(self) -> bool:
        """Days of quiet, each with a visit and all that its history is due; lacks nothing meanwhile."""
        for _ in range(NEEDLESSLY_MANY):
            self.pause(25 * 60)
            self.visit()
            before = None
            while self.reader.state.is_due(self.reader.now) and self.reader.state != before:
                before = self.reader.state
                self.deepen(50 if self.chat.largest_page < 10 else 3)
                assert not self.lacking()
            if self.reader.state.is_history_whole:
                return not self.lacking()
        return False


def live(seed: int) -> None:
    life = Life(seed)
    for _ in range(life.chance.randint(2, 14)):
        life.step()
        assert not life.lacking(), f"seed {seed}: {life.reader.state}"
    life.calm_down()
    assert life.is_known_in_the_end(), f"seed {seed}: {life.reader.state}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 1_000, 250))
def test_nothing_missing_is_called_whole(first):
    for seed in range(first, first + 250):
        live(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 30_000, 1_000))
def test_nothing_missing_is_called_whole_in_many_more(first):
    for seed in range(first, first + 1_000):
        live(seed)
