"""The CRM's side: a sandbox whose world lives while it is crawled, and the wire between the two.

What belongs here: what happens to the CRM of itself, what happens to a request on its way, and the server's own count
of requests. What does not: what the platform makes of it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import heapq
import itertools
import math
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx

from crm_platform.sandbox import Sandbox, SandboxOptions
from crm_platform.sandbox.campaign_store import CampaignStore
from crm_platform.sandbox.chance import NEVER
from crm_platform.sandbox.chats import Chat, id_prefix
from crm_platform.sandbox.conversations import SandboxMessage
from crm_platform.sandbox.faults import Faults
from crm_platform.sandbox.limits import RateLimit
from crm_platform.sandbox.people import Person
from crm_platform.sandbox.records import Record, milliseconds
from crm_platform_tests.simulation.oddities import TOO_HIGH_BY, Departures, OddShapes, shown
from crm_platform_tests.simulation.scenario import SHRINKING, SHRINKING_CHANCE, WORLD_CHANGES, Scenario

if TYPE_CHECKING:
    from crm_platform_tests.simulation.lives import Life
    from crm_platform_tests.simulation.run import Simulation

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
BUSY_GAP, CALM_GAP = 60.0, 4 * 3600.0  # mean seconds between two things that happen of themselves
BUSY_TIMES = 60  # how many come at the first pace
TIMEOUT = 30.0  # seconds; the client's own
CHAT = re.compile(r"/crm/chat/([^/]+)/messages")
REPORT = re.compile(r"/crm/campaign/([^/]+)/report")
LISTS = {"/crm/chat": "contacts", "/crm/campaign": "campaigns"}
MOST_GONE = 40  # messages that a chat loses at once, or half of its history


class Time:
    """The one time of a simulation. It moves when somebody sleeps, and what is due on the way happens then."""

    def __init__(self, start: dt.datetime) -> None:
        self.now = start
        self._due: list[tuple[dt.datetime, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def __call__(self) -> dt.datetime:
        return self.now

    def at(self, moment: dt.datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (moment, next(self._number), what))

    def sleep(self, seconds: float) -> None:
        until = self.now + dt.timedelta(seconds=max(0.0, seconds))
        while self._due and self._due[0][0] <= until:
            moment, _, what = heapq.heappop(self._due)
            self.now = max(self.now, moment)
            what()
        self.now = until


class WorldClock:
    """The sandbox's clock. The world can be frozen; the time by which it counts requests goes on."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.frozen_at: dt.datetime | None = None

    def now(self) -> dt.datetime:
        return self.frozen_at or self._time.now

    def wall(self) -> float:
        return self._time.now.timestamp()


class Crm:
    """A sandbox to which things happen. `seen_at`: when the server answered what was asked at a platform's time."""

    def __init__(self, scenario: Scenario, time: Time, *, count: Callable[[str], None]) -> None:
        self.scenario = scenario
        self.clock = WorldClock(time)
        self.sandbox = Sandbox(
            SandboxOptions(
                contacts=scenario.contacts,
                days=scenario.days,
                seed=scenario.seed,
                start=START,
                requests_per_minute=scenario.server_per_minute,
                requests_per_day=scenario.server_per_day,
                fault_rate=scenario.bad_answers,
                shapes=scenario.shapes,
            ),
            clock=self.clock,
        )
        self.world = self.sandbox.world
        self.shapes = self.sandbox.shapes = OddShapes(scenario, count=count)
        self.departures = Departures(scenario, count=count)
        self.arrivals: list[float] = []  # Unix seconds at which the server saw a request
        self.seen_at: dict[tuple[str, dt.datetime], int] = {}  # path, platform's time of asking → server's milliseconds
        self.steps_forward: list[float] = []  # Unix seconds at which the platform's clock went forward
        self._time = time
        self._count = count
        self._chance = random.Random(f"world {scenario.seed}")
        self._shrinking = random.Random(f"shrinking {scenario.seed}")
        self._gone: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)  # index → when, how many until then
        self._added: defaultdict[int, list[SandboxMessage]] = defaultdict(list)
        self._numbers = itertools.count(1)
        self._is_lively = True
        self._happened = 0
        self._make_chat = self.world.chats.make
        self.world.chats.make = self._chat
        self._all_messages = self.world.messages
        self.world.messages = self._messages
        _date_every_campaign(self.world.campaigns)
        for length in scenario.long_chats:
            self._lengthen(length)
        self._happen()
        if scenario.odd.refusals:
            begins = START + dt.timedelta(seconds=scenario.odd.refuses_after)
            self._time.at(begins, lambda: self.refuse(is_so=self._is_lively))

    # What happens of itself.

    @property
    def now(self) -> int:
        """The world's time in milliseconds."""
        return milliseconds(self.clock.now())

    def _chat(self, index: int) -> Chat:
        """A chat as the world makes it, with what was added to it."""
        chat = self._make_chat(index)
        own = chat._talk if chat._next is None else itertools.chain([chat._next], chat._talk)
        chat._talk = heapq.merge(own, sorted(self._added[index]), key=lambda one: one.at)
        chat._next = next(chat._talk, None)
        return chat

    def messages(self, index: int, until: int) -> list[SandboxMessage]:
        """Everything said in a chat, present or gone, oldest first."""
        chat = self.world.chats.make(index)
        chat.extend(until)
        return chat.messages

    def gone(self, index: int, at: int) -> int:
        """How many of a chat's oldest messages are no longer listed at a time."""
        return max((number for when, number in self._gone[index] if when <= at), default=0)

    def _messages(
        self, index: int, now: int, *, offset: int, limit: int, newest_first: bool
    ) -> tuple[int, list[Record]]:
        """A page of a chat, without what is gone."""
        gone = self.gone(index, now)
        start = offset if newest_first else offset + gone
        total, records = self._all_messages(index, now, offset=start, limit=limit, newest_first=newest_first)
        return total - gone, records[: max(0, total - gone - offset)]

    def listed_messages(self, index: int, until: int) -> list[Record]:
        """A chat's messages at a time, oldest first, as far as any page holds them."""
        records = self.world.every_message(index, until)
        return shown(self.shapes, "message", records[self.gone(index, until) :])

    def said_total(self, index: int) -> int | None:
        """What the CRM says now that a chat holds; None where it says nothing, or nothing to hold it to."""
        wrong = self.scenario.odd.totals.get("messages")
        if wrong in ("missing", "of the page"):
            return None
        total = len(self.messages(index, self.now)) - self.gone(index, self.now)
        return total + (TOO_HIGH_BY if wrong == "high" else 0)

    def _shrink(self, index: int) -> None:
        """The oldest messages of a chat are deleted."""
        gone = self.gone(index, self.now)
        left = len(self.messages(index, self.now)) - gone
        if left >= 4:
            most = self._shrinking.choice([MOST_GONE, left])
            self._gone[index].append((self.now, gone + self._shrinking.randint(1, max(1, min(most, left // 2)))))
            self._count(SHRINKING)

    def refuse(self, *, is_so: bool) -> None:
        """Whether some objects are refused from now on."""
        self.departures.refuses = is_so

    def page_size(self, name: str) -> int:
        """How many records the server gives at most, whatever is asked for."""
        own = {"contacts": self.scenario.contacts_page, "messages": self.scenario.messages_page}.get(name)
        return min(filter(None, (own, self.scenario.odd.page, 100)))

    def _present(self) -> list[int]:
        return list(self.world.present(self.now))

    def _message(self, index: int, at: int) -> SandboxMessage:
        prefix = id_prefix(self.world.person(index).whatsapp_number)
        name = f"{prefix}{zlib.crc32(b'added'):08X}{next(self._numbers):08X}"
        if self._chance.random() < 0.5:
            return SandboxMessage(at, name, True, "text", "Habari", None, NEVER, NEVER, NEVER)
        delivered = at + self._chance.randrange(60_000)
        read = delivered + self._chance.randrange(7_200_000) if self._chance.random() < 0.8 else NEVER
        return SandboxMessage(at, name, False, "text", "Karibu", None, delivered, read, NEVER)

    def _lengthen(self, length: int) -> None:
        index = self._chance.choice(self._present())
        begins, now = max(self.world.began, self.world.created_at(index)), self.now
        moments = sorted(self._chance.randrange(begins, now) for _ in range(length))
        self._added[index] += [self._message(index, at) for at in moments]

    def write(self, index: int, messages: int, *, at_once: bool = False) -> None:
        """So many messages more at the newest end of a chat, within two seconds; `at_once`: at this instant."""
        first = self.now
        moments = [first if at_once else first + self._chance.randrange(1, 2000) for _ in range(messages)]
        self._added[index] += [self._message(index, at) for at in sorted(moments)]
        self.world.chats.forget(index)
        self._count("messages written")

    def create(self) -> None:
        """A new contact, often with something to say."""
        number = f"+2547{self._chance.randrange(10**8):08d}"
        if self.world.find_number(number, self.now) is None:
            index = self.world.create_contact(Person(number, "Mgeni", None, None, "active"), self.now)
            self._count("contact created")
            self._time.at(
                self._time.now + dt.timedelta(seconds=self._chance.uniform(0, 300)), lambda: self._greet(index)
            )

    def _greet(self, index: int) -> None:
        if self.clock.frozen_at is None and self.world.is_present(index, self.now):
            self.write(index, self._chance.randrange(1, 4))

    def delete(self) -> None:
        """A contact gone, but for the last few."""
        present = self._present()
        if len(present) > 8:
            self.world.delete_contact(self._chance.choice(present), self.now)
            self._count("contact deleted")

    def _happen(self) -> None:
        """Something now and then: mostly messages, sometimes more than a page of them at once."""
        if not self._is_lively:
            return
        self._happened += 1
        # Later more quietly: a pause of a day need not fill a small world.
        gap = BUSY_GAP if self._happened < BUSY_TIMES else CALM_GAP
        self._time.at(self._time.now + dt.timedelta(seconds=self._chance.expovariate(1 / gap)), self._happen)
        if self._time.now == START:
            return
        # Where time is measured only messages and marks happen: a list that moves is read anew half an hour later,
        # and a rush opens a history again, whether there is trouble or not.
        kind = self._chance.choice([0.0, 0.92]) if self.scenario.is_timed else self._chance.random()
        present = self._present()
        if kind < 0.70:
            self.write(self._chance.choice(present), self._chance.randrange(1, 4))
        elif kind < 0.75:
            self._rush(present)
        elif kind < 0.85:
            self.create()
        elif kind < 0.90:
            self.delete()
        elif kind < 0.95:
            self.world.mark_as_done(self._chance.choice(present), None, self.now)
        else:
            self.world.assign(self._chance.choice(present), "amani@savanna-traders.example", self.now)

    def _rush(self, present: list[int]) -> None:
        """More than a page at once, in a chat that was quiet, so that no older status is still to change."""
        index = self._chance.choice(present)
        old = self.messages(index, self.now)
        if not old or self.now - old[-1].at > 15 * 60_000:
            self.write(index, self._chance.choice([30, 100, 101, 140, 230]))

    def calm_down(self) -> None:
        """From now on the world stands still, answers well and counts no limit down."""
        self._is_lively = False
        self.answer_well()
        self.clock.frozen_at = self._time.now

    def answer_well(self) -> None:
        """No bad answers of the sandbox's own."""
        self.sandbox._faults = Faults(0, rate=0.0, kinds=())

    def lift_limits(self) -> None:
        """For a second reader, whose requests are nobody's business."""
        self.sandbox._limit = RateLimit(per_minute=None, per_day=None)

    def draw_back(self, now: dt.datetime, by: dt.timedelta) -> None:
        """The platform has moved back what it stored ahead of `now`: the moments it asked at are called otherwise."""
        self.seen_at = {(path, at - by if at > now else at): seen for (path, at), seen in self.seen_at.items()}

    def seen_until(self, path: str, asked_at: dt.datetime) -> Iterator[int]:
        """When the server answered what was asked at a platform's time, and what was asked later by an earlier clock.

        A status never moves backwards: what a clock that is behind dates before the newest version has told it, too.
        """
        first = self.seen_at[path, asked_at]
        yield first
        yield from (seen for (of, at), seen in self.seen_at.items() if of == path and at < asked_at and seen > first)

    # What happens between two pages.

    def _shift(self, path: str, page: int) -> None:
        if not self._is_lively:
            return
        chat = CHAT.fullmatch(path)
        index = None if chat is None else self.world.find_chat(chat[1], self.now)
        if index is not None and self.scenario.odd.shrinks and self._shrinking.random() < SHRINKING_CHANCE:
            self._shrink(index)
            return  # what comes while as much goes between the same two pages, no total tells
        if page < 2:
            return
        if chat is not None:
            if index is not None and self._happens("a message between two pages of its chat"):
                self.write(index, self._chance.randrange(1, 4), at_once=True)
        elif path == "/crm/chat" and not self.scenario.is_timed:
            if self._happens("a contact created between two pages of the list"):
                self.create()
            if self._happens("a contact deleted between two pages of the list"):
                self.delete()

    def _happens(self, what: str) -> bool:
        if self._chance.random() >= WORLD_CHANGES[what]:
            return False
        self._count(what)
        return True

    # Answering.

    def answer(self, request: httpx.Request, asked_at: dt.datetime) -> httpx.Response | None:
        """What the server says; None: the connection closes in mid-answer."""
        path, query = request.url.path, request.url.query.decode()
        arguments = {name: values[0] for name, values in parse_qs(query).items()}
        self._shift(path, int(arguments.get("page", "1")))
        chat, report = CHAT.fullmatch(path), REPORT.fullmatch(path)
        name = "messages" if chat else LISTS.get(path)
        asked = int(arguments.get("limit", "100"))
        size = asked if name is None else min(asked, self.page_size(name))
        query = re.sub(r"limit=\d+", f"limit={size}", query)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.arrivals.append(self.clock.wall())
        self.seen_at[path, asked_at] = self.now
        self.shapes.is_answering = True
        answer = self.sandbox.handle(request.method, path, query, headers, request.read())
        self.shapes.is_answering = False
        if name is not None:
            answer = self.departures.listed(answer, name, asked=asked, size=size)
        if chat is not None:
            answer = self.departures.refusal(answer, path, "chat", chat[1])
        if report is not None:
            answer = self.departures.refusal(answer, path, "report", report[1])
        if answer.cut is not None:
            return None
        # As every HTTP server does; the platform reads the server's clock from it.
        date = email.utils.format_datetime(self._time.now.replace(microsecond=0), usegmt=True)
        return httpx.Response(answer.status, headers=[*answer.headers, ("date", date)], content=answer.body)


def _date_every_campaign(campaigns: CampaignStore) -> None:
    """Let the API say when each campaign is sent: else that depends on who looked when, and no two runs agree."""
    keep = campaigns.add

    def dated(campaign):
        if campaign.scheduled_at is None and campaign.starts < NEVER:
            campaign = dataclasses.replace(campaign, scheduled_at=campaign.starts)
        keep(campaign)

    for one in list(campaigns._by_id.values()):
        dated(one)
    campaigns.add = dated


class Wire(httpx.BaseTransport):
    """httpx's way to the CRM, for one life of the platform, and what goes wrong on it."""

    def __init__(self, simulation: Simulation, life: Life) -> None:
        self._simulation = simulation
        self._life = life

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        simulation, life = self._simulation, self._life
        life.check()
        asked_at = life.now()
        trouble = simulation.trouble_with_request(is_of_a_chat=CHAT.fullmatch(request.url.path) is not None)
        said = f"{request.method} {request.url.path}?{request.url.query.decode()}"
        simulation.note(f"{said} {trouble or ''}")
        chance = simulation.on_the_wire
        if trouble == "kill before sending":
            life.die(trouble)
        if trouble == "kill before the server sees it":
            # Its bytes are on their way, and will be counted; the gate expects that within two minutes.
            arrives_at = simulation.time.now + dt.timedelta(seconds=chance.uniform(0.01, 100))
            simulation.time.at(arrives_at, lambda: simulation.receive(request, asked_at))
            life.die(trouble)
        if trouble == "connection refused":
            simulation.delay(chance.uniform(0.001, 0.5))
            raise httpx.ConnectError("connection refused")
        if trouble == "timeout, never seen":
            simulation.delay(TIMEOUT)
            raise httpx.ReadTimeout("no answer")
        if trouble == "timeout, seen after it":
            # It stood in somebody's queue; given up here, it is counted there all the same.
            simulation.time.at(
                simulation.time.now + dt.timedelta(seconds=TIMEOUT + chance.uniform(0, 20)),
                lambda: simulation.receive(request, asked_at),
            )
            simulation.delay(TIMEOUT)
            raise httpx.ReadTimeout("no answer")
        if trouble == "slow answer":
            simulation.delay(chance.uniform(1, TIMEOUT / 2))
        simulation.delay(chance.uniform(0.002, 0.2))
        if trouble == "another process asks meanwhile":
            simulation.ask_from_another_process()
        answer = simulation.receive(request, asked_at)
        if trouble == "kill after the server saw it":
            life.die(trouble)
        if trouble == "timeout, seen":
            simulation.delay(TIMEOUT)
            raise httpx.ReadTimeout("no answer")
        simulation.delay(chance.uniform(0.002, 0.2) + (chance.uniform(1, 14) if trouble == "slow answer" else 0))
        if answer is None:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        if trouble == "404 for a chat that exists":
            return httpx.Response(404, json={"success": False, "error": {"code": "NOT_FOUND", "message": "no"}})
        if trouble == "401":
            return httpx.Response(401, json={"success": False, "developer_message": "no"})
        if trouble == "HTML with 200":
            return httpx.Response(200, html="<html>maintenance</html>")
        return answer


class PlainWire(httpx.BaseTransport):
    """The same without trouble, for those who are not watched: another process, a second reader."""

    def __init__(self, simulation: Simulation, now: Callable[[], dt.datetime]) -> None:
        self._simulation = simulation
        self._now = now

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked_at = self._now()
        self._simulation.delay(0.05)
        answer = self._simulation.receive(request, asked_at)
        if answer is None:
            raise httpx.RemoteProtocolError("peer closed connection")
        return answer


def windows(arrivals: list[float], seconds: float, *, steps_forward: list[float]) -> Iterator[int]:
    """How many arrivals the rolling window that ends with each of them holds.

    A window reaches no further back than to where the platform's clock last went forward: by its own clock what was
    before is long ago, and nothing on its machine could tell otherwise.
    """
    first = 0
    steps = sorted(steps_forward)
    for last, moment in enumerate(arrivals):
        begins = max((step for step in steps if step <= moment), default=-math.inf)
        while moment - arrivals[first] >= seconds or arrivals[first] < begins:
            first += 1
        yield last - first + 1
