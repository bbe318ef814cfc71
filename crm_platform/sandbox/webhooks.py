"""What is posted to a receiver of webhooks: bodies, signatures, and what goes wrong on the way on purpose.

What belongs here: both spellings of an event, what is lost, doubled, delayed and changes places, the counts. What does
not: which events there are (`events.py`), sockets, waiting and trying again (`delivery.py`). What goes wrong with an
event follows from the seed and the event alone.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import heapq
import hmac
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from crm_platform.sandbox.chance import HOUR, MINUTE, SECOND, derive, mix
from crm_platform.sandbox.events import EventFeed, SandboxEvent
from crm_platform.sandbox.options import SandboxOptions
from crm_platform.sandbox.records import Record, encode, iso
from crm_platform.sandbox.world import World

SIGNATURE: Final = "X-Hub-Signature-256"
TIMESTAMP: Final = "X-Webhook-Timestamp"

_MOST_IN_BODY: Final = 50  # events
_STEP: Final = 10 * MINUTE  # of the world's time: so much is made up for at once (1.5 s with a million contacts)
_DOUBLED_WITHIN: Final = 10 * MINUTE
_DELAYED: Final = (MINUTE, HOUR)  # at least, at most
_HELD_FOR: Final = MINUTE  # an event that waits for the next one to pass it
_MOST_HELD: Final = 3
_CONTEXT: Final[Record] = {"channel": "whatsapp"}
_SNAKE: Final = {"csat.submitted": "csat_submitted"}  # the one name that an envelope spells otherwise
_CLOCKS_DIFFER: Final = 2 * SECOND  # under ids of their own, the times of webhooks and of the API


class Fates(NamedTuple):
    """What goes wrong with one event on its way."""

    lost: bool
    doubled: bool
    delayed: bool
    reordered: bool


class Posting(NamedTuple):
    """A body to post, and how many events it holds."""

    body: bytes
    events: int


@dataclass(slots=True)
class WebhookStats:
    """Events so far. made - lost + doubled = held + waiting + delivered + refused.

    made: there were, up to `reached`. lost, doubled, delayed, reordered: on purpose. held: to be posted later, on
    purpose. waiting: to be posted now. delivered: answered with 2xx. refused: with what is not tried again. posts:
    bodies delivered; retried: tries that failed.
    """

    reached: str = ""
    made: int = 0
    lost: int = 0
    doubled: int = 0
    delayed: int = 0
    reordered: int = 0
    held: int = 0
    waiting: int = 0
    delivered: int = 0
    refused: int = 0
    posts: int = 0
    retried: int = 0


def signature(secret: str, body: bytes) -> str:
    """The value of the header `SIGNATURE`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


# What an event looks like


def plain(event: SandboxEvent) -> Record:
    """An event as the contract has it."""
    return {
        "event": event.name,
        "userId": event.number,
        "timestamp": iso(event.at),
        "properties": event.properties,
        "context": _CONTEXT,
    }


def enveloped(event: SandboxEvent) -> Record:
    """The same as it stands in the envelope of the collectors."""
    digits = event.number.removeprefix("+")
    spellings = (digits, f"+{digits}", f"+{digits[:3]} {digits[3:6]} {digits[6:]}")
    return {
        "event_id": event.event_id,
        "event_name": _SNAKE.get(event.name, event.name),
        "event_type": "identify" if event.name == "contact.created" else "track",
        "timestamp": iso(event.at),
        "user_id": spellings[int(event.event_id[:2], 16) % len(spellings)],
        "context": _CONTEXT,
        "properties": event.properties,
    }


def renamed(event: SandboxEvent) -> SandboxEvent:
    """The event under a message id that the API does not know, by a clock that differs by up to two seconds."""
    own = event.properties.get("messageId")
    if own is None:
        return event
    digest = hashlib.blake2b(str(own).encode(), digest_size=20).digest()
    differs = int.from_bytes(digest[:4], "big") % (2 * _CLOCKS_DIFFER + 1) - _CLOCKS_DIFFER
    name = "wamid." + base64.b64encode(digest).decode()
    return event._replace(at=event.at + differs, properties={**event.properties, "messageId": name})


def postings(events: Iterable[SandboxEvent], *, shape: str, now: int) -> Iterator[Posting]:
    """Events as bodies, in their order. `shape`: a key of `WEBHOOK_SHAPES`; `now`: when they are sent."""
    left = iter(events)
    while first := list(itertools.islice(left, 1)):
        draw = int(first[0].event_id[:8], 16)
        size = _MOST_IN_BODY if shape != "mixed" else 1 + (draw >> 8) % _MOST_IN_BODY if draw % 3 else 1
        part = first + list(itertools.islice(left, size - 1))
        body: object
        if shape == "batch" or (shape == "mixed" and draw % 3 == 2):
            body = {"batch": [enveloped(one) for one in part], "sent_at": iso(now)}
        else:
            body = [plain(one) for one in part] if len(part) > 1 else plain(part[0])
        yield Posting(encode(body).encode(), len(part))


# What goes wrong


class Outbox:
    """Events that come in, and when they go out. Both are asked for by the world's time, in its order."""

    def __init__(self, options: SandboxOptions, stats: WebhookStats) -> None:
        self._seed = derive(options.seed, "webhooks")
        self._shares = (
            options.webhook_lost,
            options.webhook_doubled,
            options.webhook_delayed,
            options.webhook_reordered,
        )
        self._stats = stats
        self._numbers = itertools.count()
        self._due: list[tuple[int, int, SandboxEvent, bool]] = []  # a heap; the last: it lets the next one pass
        self._passed: list[tuple[int, SandboxEvent]] = []  # those that wait for a next one, and since when

    def fates(self, event: SandboxEvent) -> Fates:
        """What goes wrong with an event."""
        draw = derive(self._seed, event.event_id)
        return Fates(*((mix(draw + number) >> 11) / (1 << 53) < share for number, share in enumerate(self._shares)))

    def put(self, event: SandboxEvent) -> None:
        """Take an event in."""
        fates, draw = self.fates(event), derive(self._seed, "when", event.event_id)
        self._stats.made += 1
        if fates.lost:
            self._stats.lost += 1
            return
        least, most = _DELAYED
        delay = least + draw % (most - least) if fates.delayed else 0
        self._stats.delayed += fates.delayed
        heapq.heappush(self._due, (event.at + delay, next(self._numbers), event, fates.reordered))
        if fates.doubled:
            self._stats.doubled += 1
            again = event.at + delay + SECOND + (draw >> 32) % _DOUBLED_WITHIN
            heapq.heappush(self._due, (again, next(self._numbers), event, False))

    def take(self, until: int) -> Iterator[SandboxEvent]:
        """What goes out up to a time, in order."""
        while self._due and self._due[0][0] <= until:
            at, _, event, is_passed = heapq.heappop(self._due)
            yield from self._release(at)
            if is_passed and len(self._passed) < _MOST_HELD:
                self._passed.append((at, event))
                continue
            yield event
            self._stats.reordered += len(self._passed)
            yield from self._release()
        yield from self._release(until)
        self._stats.held = len(self._due) + len(self._passed)

    def _release(self, at: int | None = None) -> Iterator[SandboxEvent]:
        """Those that were passed, the last one first; with a time: those whom nobody passed for a minute."""
        if not self._passed or (at is not None and self._passed[0][0] + _HELD_FOR > at):
            return
        if at is not None:
            self._stats.reordered += len(self._passed) - 1
        yield from (event for _, event in reversed(self._passed))
        self._passed.clear()


class Webhooks:
    """What a sandbox posts for what happens after a time. Whoever asks holds the world for so long."""

    def __init__(self, world: World, options: SandboxOptions, *, after: int) -> None:
        self.counts = WebhookStats(reached=iso(after))
        self.outbox = Outbox(options, self.counts)
        self._feed = EventFeed(world, after=after)
        self._preparing = self._feed.prepare()
        self._is_prepared = False
        self._options = options

    def step(self, now: int) -> tuple[list[Posting], bool]:
        """Bodies that are due, and whether there is more to do at once. A step takes some 30 ms at first."""
        if not self._is_prepared:
            self._is_prepared = next(self._preparing, self) is self
            return [], True
        until = min(now, self._feed.reached + _STEP)
        for event in self._feed.until(until):
            self.outbox.put(event)
        due = list(self.outbox.take(until))
        self.counts.reached = iso(until)
        self.counts.waiting += len(due)
        return list(postings(map(self.as_sent, due), shape=self._options.webhook_shape, now=now)), until < now

    def as_sent(self, event: SandboxEvent) -> SandboxEvent:
        """An event under the ids by which webhooks call messages."""
        return renamed(event) if self._options.webhook_ids == "other" else event

    def answered(self, posting: Posting, *, is_accepted: bool) -> None:
        """A body is dealt with."""
        if is_accepted:
            self.counts.delivered += posting.events
            self.counts.posts += 1
        else:
            self.counts.refused += posting.events
        self.counts.waiting -= posting.events

    def stats(self) -> WebhookStats:
        """The counts so far."""
        return dataclasses.replace(self.counts)
