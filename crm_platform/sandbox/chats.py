"""The messages of one chat, made on demand.

What belongs here: ordinary conversations (questions, answers, silences, thanks), and what campaigns add to a chat. A
chat is a stream that goes forward only: asking for a later time continues it and never changes what came before, but
for delivery statuses, which are functions of time. What does not: which contacts exist, HTTP, wire formats.
"""

from __future__ import annotations

import base64
import bisect
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from crm_platform.sandbox.campaigns import SETTLES_AFTER, Campaigns
from crm_platform.sandbox.chance import (
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    SECOND,
    WEEK,
    derive,
    exponential,
    lognormal,
    mix,
    next_opening,
)
from crm_platform.sandbox.people import AGENTS, LIVELY, People

_BURST_GAP: Final = lognormal(9, 1.1, most=300)
_ANSWER_OPEN: Final = lognormal(6 * 60, 1.35, most=9 * 3600)
_ANSWER_AFTER_OPENING: Final = lognormal(15 * 60, 1.1, most=4 * 3600)
_ANSWER_AT_NIGHT: Final = lognormal(22 * 60, 1.0, most=4 * 3600)
_CUSTOMER_TURN: Final = lognormal(3.5 * 60, 1.5, most=20 * 3600)
_DELIVERED_AFTER: Final = lognormal(2.5, 1.6, most=20 * 3600)
_READ_AFTER: Final = lognormal(7 * 60, 2.0, most=48 * 3600)
_WAITING: Final = exponential()
_REACTIONS_END: Final = SETTLES_AFTER + 4 * DAY  # after sending; a reply may wait for a long weekend's answer

# Busy hours between two conversations of a contact: log-normal, so that most write rarely and a few all day.
_BETWEEN: Final = tuple(hours / SECOND for hours in reversed(lognormal(850, 1.35)))
_HOT_ONE_IN: Final = 650  # contacts; resellers and drivers who write many times a day
_SILENT_PERCENT: Final = 7  # contacts who never write

_QUESTIONS = (
    "Hello, is this still available?",
    "Habari, bei gani?",
    "Naomba price list tafadhali",
    "Do you deliver to Rongai?",
    "I paid via M-Pesa but no confirmation yet",
    "Mko open leo?",
    "Hi 👋",
    "My order has not arrived 😕",
    "Can I get 20 pieces?",
    "Nataka kujua kama iko size 42",
    "Please send me your location",
    "What time do you close?",
    "Bado sijapata refund yangu",
    "Good morning, can you help me?",
    "Is there a discount for wholesale?",
    "¿Hacen envíos a Kampala?",
    "Samahani, nimekosea order",
    'Need an invoice for Acme Ltd, "urgent"',
    "Photo attached\nSecond line",
    "ok",
    "?",
    "Naweza lipa mos mos?",
)
_ANSWERS = (
    "Hello! Yes, it is available 😊",
    "Karibu! Bei ni 1,500/=",
    "We deliver country-wide, 2 to 3 days.",
    "Let me check for you.",
    "Please share your order number.",
    "Tuko open mpaka saa kumi na mbili jioni.",
    "Payment received, asante!",
    "Your parcel left our shop this morning 🚚",
    "Yes, from 10 pieces you get 12% off.",
    "Pole sana, tunashughulikia.",
    "Here is our location: https://maps.example/savanna",
    "We close at 6 pm.",
    "Done ✅",
    "Could you send a photo please?",
)
_THANKS = (
    "asante 🙏",
    "Asante sana!",
    "Thanks 👍",
    "Thank you so much ❤️",
    "Sawa",
    "ok thanks",
    "🙏🙏",
    "Shukran",
    "Poa",
)
_WELCOMES = ("Karibu sana 😊", "Welcome!", "Karibu tena")
_FOLLOW_UPS = ("Hello?", "Uko?", "??", "Still waiting for your answer", "Any update?")
_OPENERS = (
    "Hi, your order is ready for pick-up.",
    "Habari, tumepokea stock mpya.",
    "Good morning! Following up on your request.",
)
_REPLIES_TO_CAMPAIGNS = (
    "YES",
    "Yes please",
    "Nitumie list",
    "How much?",
    "5",
    "STOP",
    "Niko interested 😍",
    "Where are you located?",
)
_MEDIA = (
    ("image", "jpg"),
    ("image", "jpg"),
    ("image", "png"),
    ("audio", "ogg"),
    ("audio", "ogg"),
    ("document", "pdf"),
    ("video", "mp4"),
)


class Message(NamedTuple):
    """One message; times in milliseconds, NEVER for what does not happen. A tuple, because a world has millions."""

    at: int
    message_id: str
    is_inbound: bool
    type: str
    content: str
    operator: str | None
    delivered: int
    read: int
    failed: int

    def status(self, now: int) -> str:
        """As of a time."""
        if self.is_inbound:
            return "received"
        if self.failed <= now:
            return "failed"
        if self.read <= now:
            return "read"
        return "delivered" if self.delivered <= now else "sent"


def id_prefix(number: str) -> str:
    """The beginning of a chat's message ids: like WhatsApp's own, it decodes to the phone number."""
    digits = number.removeprefix("+").encode()
    head = b"\x1c\x18" + bytes([len(digits)]) + digits + b"\x15\x02\x00\x11\x18\x12"
    return "wamid." + base64.b64encode(head + b"\x00" * (-len(head) % 3)).decode()


class Talk:
    """How one contact and the team talk: an endless iterator of ordinary messages in order of time."""

    def __init__(self, seed: int, *, prefix: str, begins: int, hours_between: float) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a made-up world
        self._draw = self._random.random
        self._prefix = prefix
        self._begins = begins
        self._hours_between = hours_between

    def _pick(self, table: tuple[int, ...]) -> int:
        return table[int(self._draw() * len(table))]

    def _text(self, texts: tuple[str, ...]) -> tuple[str, str]:
        draw = self._draw()
        if draw < 0.1:
            kind, ending = _MEDIA[int(draw * 10 * len(_MEDIA))]
            return kind, f"{kind}-{self._random.getrandbits(24):06x}.{ending}"
        return "text", texts[int(draw * len(texts))]

    def _id(self) -> str:
        return f"{self._prefix}{self._random.getrandbits(64):016X}"

    def _inbound(self, at: int, texts: tuple[str, ...] = _QUESTIONS) -> Message:
        kind, content = self._text(texts)
        return Message(at, self._id(), True, kind, content, None, NEVER, NEVER, NEVER)

    def _outbound(self, at: int, operator: str | None, texts: tuple[str, ...] = _ANSWERS) -> Message:
        kind, content = self._text(texts)
        fate = self._draw()
        delivered = read = failed = NEVER
        if fate < 0.018:
            failed = at + self._pick(_BURST_GAP)
        elif fate < 0.99:
            delivered = at + self._pick(_DELIVERED_AFTER)
            if fate < 0.86:
                read = delivered + self._pick(_READ_AFTER)
        return Message(at, self._id(), False, kind, content, operator, delivered, read, failed)

    def _answered_at(self, asked: int) -> int:
        opening = next_opening(asked)
        if opening == asked:
            return asked + self._pick(_ANSWER_OPEN)
        if self._draw() < 0.18:  # sometimes somebody answers at night
            return asked + self._pick(_ANSWER_AT_NIGHT)
        return opening + self._pick(_ANSWER_AFTER_OPENING)

    def _burst(self, at: int) -> Iterator[Message]:
        """One to three messages of the contact; every eighth follows within the same millisecond."""
        draw = self._draw()
        for number in range(1 if draw < 0.66 else 2 if draw < 0.9 else 3):
            if number and self._draw() > 0.125:
                at += self._pick(_BURST_GAP)
            yield self._inbound(at)

    def conversation(self, at: int) -> Iterator[Message]:
        """One conversation that starts at a time; messages in order of time."""
        draw = self._draw
        agent = AGENTS[int(draw() ** 1.5 * len(AGENTS))]  # some do more than others
        operator = agent if draw() < 0.45 else None  # the CRM does not always say who wrote
        if draw() < 0.08:
            at = next_opening(at)
            yield self._outbound(at, operator, _OPENERS)
            if draw() < 0.4:
                return
            at += self._pick(_CUSTOMER_TURN)
        is_missed = draw() < 0.09
        turns = 1
        while draw() < 0.46 and turns < 12:
            turns += 1
        for turn in range(turns):
            for message in self._burst(at):
                at = message.at
                yield message
            if is_missed:
                if draw() < 0.3:
                    yield self._inbound(at + HOUR + self._pick(_CUSTOMER_TURN), _FOLLOW_UPS)
                return
            at = self._answered_at(at)
            answer = self._outbound(at, operator)
            yield answer
            if answer.failed < NEVER:
                if draw() < 0.7:
                    at = answer.failed + self._pick(_BURST_GAP)
                    yield self._outbound(at, operator)
            elif draw() < 0.25:
                at += self._pick(_BURST_GAP)
                yield self._outbound(at, operator)
            if turn < turns - 1:
                at += self._pick(_CUSTOMER_TURN)
        if draw() < 0.4:
            at += self._pick(_CUSTOMER_TURN)
            yield self._inbound(at, _THANKS)
            if draw() < 0.2:
                yield self._outbound(self._answered_at(at), operator, _WELCOMES)

    def reaction(self, at: int) -> Iterator[Message]:
        """A reply to a campaign, and often an answer to it."""
        yield self._inbound(at, _REPLIES_TO_CAMPAIGNS)
        if self._draw() < 0.6:
            yield self._outbound(self._answered_at(at), None)

    def __iter__(self) -> Iterator[Message]:
        """Conversations one after the other, for ever."""
        end = self._begins
        while True:
            gap = _WAITING[int(self._draw() * len(_WAITING))] * self._hours_between
            # A table gives one of 1,024 values only: a few minutes are added so that chats do not run in step.
            end = max(WEEK.time(WEEK.activity(end) + gap) + int(self._draw() * 20 * MINUTE), end + MINUTE)
            if int(self._draw() * 3) == 0:
                end -= end % SECOND  # WhatsApp itself dates messages to the second
            for message in self.conversation(end):
                end = message.at
                yield message


class Chat:
    """Everything said in one chat up to a time that only moves forward."""

    __slots__ = (
        "_campaign_ids",
        "_campaigns",
        "_index",
        "_next",
        "_prefix",
        "_seed",
        "_talk",
        "begins",
        "covered",
        "messages",
    )

    def __init__(
        self, index: int, *, seed: int, prefix: str, begins: int, hours_between: float | None, campaigns: Campaigns
    ) -> None:
        self._index = index
        self._seed = seed
        self._prefix = prefix
        self._campaigns = campaigns
        talk = Talk(seed, prefix=prefix, begins=begins, hours_between=hours_between) if hours_between else ()
        self._talk = iter(talk)
        self._next = next(self._talk, None)
        self.begins = begins
        self.covered = begins - 1
        self.messages: list[Message] = []

    def extend(self, until: int) -> None:
        """Go on to `until` (milliseconds)."""
        if until <= self.covered:
            return
        found: list[Message] = []
        upcoming = self._next
        while upcoming is not None and upcoming.at <= until:
            found.append(upcoming)
            upcoming = next(self._talk, None)
        self._next = upcoming
        found += [one for one in self._from_campaigns(until) if self.covered < one.at <= until]
        found.sort(key=lambda one: one[:2])
        self.messages += found
        self.covered = until

    def _from_campaigns(self, until: int) -> Iterator[Message]:
        for campaign, sent, delivered, read, replied, failed in self._campaigns.reaching(self._index, until=until):
            if sent + _REACTIONS_END < self.covered or sent < self.begins:
                continue
            own = mix(campaign.seed ^ self._seed)
            yield Message(
                sent, f"{self._prefix}{own:016X}", False, "template", campaign.text, None, delivered, read, failed
            )
            if replied <= until:
                yield from Talk(own, prefix=self._prefix, begins=sent, hours_between=0).reaction(replied)

    def seen(self, now: int) -> int:
        """How many messages there are as of a time within what is covered."""
        return bisect.bisect_right(self.messages, now, key=lambda one: one.at)


class Chats:
    """Chats by index; the most recently read ones are kept, up to so many messages in all."""

    _AHEAD: Final = 6 * HOUR  # a kept chat is made a little beyond now, so that time passing costs nothing

    def __init__(
        self, seed: int, *, people: People, campaigns: Campaigns, begins: Callable[[int], int], keep: int = 60_000
    ) -> None:
        self._seed = derive(seed, "chats")
        self._people = people
        self._campaigns = campaigns
        self._begins = begins
        self._keep = keep
        self._kept: OrderedDict[int, Chat] = OrderedDict()
        self._messages = 0
        self._numbers: dict[int, str] = {}

    def hours_between(self, index: int) -> float | None:
        """Mean busy hours from one conversation of a contact to the next; None if it never writes."""
        draw = mix(self._seed ^ derive("pace", index))
        if index == LIVELY:
            return 30.0
        if draw % 100 < _SILENT_PERCENT:
            return None
        hot = 40 if (draw >> 10) % _HOT_ONE_IN == 0 else 1
        return max(_BETWEEN[(draw >> 32) % len(_BETWEEN)] / hot, 0.8)

    def make(self, index: int) -> Chat:
        """A fresh chat, not kept."""
        extra = self._numbers.get(index)
        return Chat(
            index,
            seed=mix(self._seed ^ derive("chat", index)),
            prefix=id_prefix(extra or self._people.number(index)),
            begins=self._begins(index),
            hours_between=None if extra else self.hours_between(index),
            campaigns=self._campaigns,
        )

    def add(self, index: int, number: str) -> None:
        """A contact made through the API: its chat starts empty, and it writes nothing of itself."""
        self._numbers[index] = number

    def forget(self, index: int | None) -> None:
        """A campaign changed: make this chat (None: every chat) anew when it is next read."""
        if index is None:
            self._kept.clear()
            self._messages = 0
        elif (chat := self._kept.pop(index, None)) is not None:
            self._messages -= len(chat.messages)

    def get(self, index: int, now: int) -> Chat:
        """The chat, covering at least `now`."""
        chat = self._kept.get(index)
        if chat is None:
            chat = self._kept[index] = self.make(index)
        else:
            self._kept.move_to_end(index)
        if chat.covered < now:
            before = len(chat.messages)
            chat.extend(now + self._AHEAD)
            self._messages += len(chat.messages) - before
            while self._messages > self._keep and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._messages -= len(dropped.messages)
        return chat
