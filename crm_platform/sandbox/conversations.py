"""What is said between one contact and the team, made on demand.

What belongs here: ordinary conversations (questions, answers, silences, thanks), and a reply to a campaign. What does
not: what a chat holds at a time (`chats.py`), the texts themselves (`phrases.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

from crm_platform.sandbox import phrases
from crm_platform.sandbox.chance import HOUR, MINUTE, NEVER, SECOND, WEEK, exponential, lognormal, mix, next_opening
from crm_platform.sandbox.people import AGENTS

_BURST_GAP: Final = lognormal(9, 1.1, most=300)
_ANSWER_OPEN: Final = lognormal(6 * 60, 1.35, most=9 * 3600)
_ANSWER_AFTER_OPENING: Final = lognormal(15 * 60, 1.1, most=4 * 3600)
_ANSWER_AT_NIGHT: Final = lognormal(22 * 60, 1.0, most=4 * 3600)
_CUSTOMER_TURN: Final = lognormal(3.5 * 60, 1.5, most=20 * 3600)
_DELIVERED_AFTER: Final = lognormal(2.5, 1.6, most=20 * 3600)
_READ_AFTER: Final = lognormal(7 * 60, 2.0, most=48 * 3600)
_WAITING: Final = exponential()
_BOT_WITHIN: Final = 90 * SECOND  # a first answer that is quicker, and that nobody signs, is the bot's


class SandboxMessage(NamedTuple):
    """One message; times in milliseconds, NEVER for what does not happen. A tuple, because a world has millions.

    operator: who the CRM's API says wrote it. writer: the person who did, None where a bot, a campaign or the contact
    did. conversation: when the one that it belongs to began, 0 for what belongs to none.
    """

    at: int
    message_id: str
    is_inbound: bool
    type: str
    content: str
    operator: str | None
    delivered: int
    read: int
    failed: int
    writer: str | None = None
    conversation: int = 0

    def status(self, now: int) -> str:
        """As of a time."""
        if self.is_inbound:
            return "received"
        if self.failed <= now:
            return "failed"
        if self.read <= now:
            return "read"
        return "delivered" if self.delivered <= now else "sent"


class Talk:
    """How one contact and the team talk: an endless iterator of ordinary messages in order of time."""

    def __init__(self, seed: int, *, prefix: str, begins: int, hours_between: float) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - a made-up world
        self._draw = self._random.random
        self._prefix = prefix
        self._begins = begins
        self._hours_between = hours_between
        self._conversation = 0

    def _pick(self, table: tuple[int, ...]) -> int:
        return table[int(self._draw() * len(table))]

    def _text(self, texts: tuple[str, ...]) -> tuple[str, str]:
        draw = self._draw()
        if draw < 0.1:
            kind, ending = phrases.MEDIA[int(draw * 10 * len(phrases.MEDIA))]
            return kind, f"{kind}-{self._random.getrandbits(24):06x}.{ending}"
        return "text", texts[int(draw * len(texts))]

    def _id(self) -> str:
        return f"{self._prefix}{self._random.getrandbits(64):016X}"

    def _inbound(self, at: int, texts: tuple[str, ...] = phrases.QUESTIONS) -> SandboxMessage:
        kind, content = self._text(texts)
        return SandboxMessage(at, self._id(), True, kind, content, None, NEVER, NEVER, NEVER, None, self._conversation)

    def _outbound(
        self, at: int, operator: str | None, writer: str | None, texts: tuple[str, ...] = phrases.ANSWERS
    ) -> SandboxMessage:
        kind, content = self._text(texts)
        fate = self._draw()
        delivered = read = failed = NEVER
        if fate < 0.018:
            failed = at + self._pick(_BURST_GAP)
        elif fate < 0.99:
            delivered = at + self._pick(_DELIVERED_AFTER)
            if fate < 0.86:
                read = delivered + self._pick(_READ_AFTER)
        return SandboxMessage(
            at, self._id(), False, kind, content, operator, delivered, read, failed, writer, self._conversation
        )

    def _answered_at(self, asked: int) -> int:
        opening = next_opening(asked)
        if opening == asked:
            return asked + self._pick(_ANSWER_OPEN)
        if self._draw() < 0.18:  # sometimes somebody answers at night
            return asked + self._pick(_ANSWER_AT_NIGHT)
        return opening + self._pick(_ANSWER_AFTER_OPENING)

    def _burst(self, at: int) -> Iterator[SandboxMessage]:
        """One to three messages of the contact; every eighth follows within the same millisecond."""
        draw = self._draw()
        for number in range(1 if draw < 0.66 else 2 if draw < 0.9 else 3):
            if number and self._draw() > 0.125:
                at += self._pick(_BURST_GAP)
            yield self._inbound(at)

    def conversation(self, at: int) -> Iterator[SandboxMessage]:
        """One conversation that starts at a time; messages in order of time."""
        self._conversation = at
        draw = self._draw
        agent = AGENTS[int(draw() ** 1.5 * len(AGENTS))]  # some do more than others
        operator = agent if draw() < 0.45 else None  # the CRM does not always say who wrote
        writer = None if operator is None else agent  # the bot, until somebody takes over
        if draw() < 0.08:
            at = next_opening(at)
            writer = agent
            yield self._outbound(at, operator, writer, phrases.OPENERS)
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
                    yield self._inbound(at + HOUR + self._pick(_CUSTOMER_TURN), phrases.FOLLOW_UPS)
                return
            asked, at = at, self._answered_at(at)
            if at - asked >= _BOT_WITHIN:
                writer = agent
            answer = self._outbound(at, operator, writer)
            yield answer
            if answer.failed < NEVER:
                if draw() < 0.7:
                    at = answer.failed + self._pick(_BURST_GAP)
                    yield self._outbound(at, operator, writer)
            elif draw() < 0.25:
                at += self._pick(_BURST_GAP)
                yield self._outbound(at, operator, writer)
            if turn < turns - 1:
                at += self._pick(_CUSTOMER_TURN)
        if draw() < 0.4:
            at += self._pick(_CUSTOMER_TURN)
            yield self._inbound(at, phrases.THANKS)
            if draw() < 0.2:
                asked, at = at, self._answered_at(at)
                if at - asked >= _BOT_WITHIN:
                    writer = agent
                yield self._outbound(at, operator, writer, phrases.WELCOMES)

    def reaction(self, at: int) -> Iterator[SandboxMessage]:
        """A reply to a campaign, and often an answer to it."""
        self._conversation = at
        yield self._inbound(at, phrases.REPLIES_TO_CAMPAIGNS)
        if self._draw() < 0.6:
            answered = self._answered_at(at)
            agent = AGENTS[mix(self._seed) % len(AGENTS)]
            yield self._outbound(answered, None, None if answered - at < _BOT_WITHIN else agent)

    def __iter__(self) -> Iterator[SandboxMessage]:
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
