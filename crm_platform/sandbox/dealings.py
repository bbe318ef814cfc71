"""What happens between one contact and the team: its messages' fates, who takes the chat over, how it ends.

What belongs here: following a stream of messages and telling what each makes happen, in order of time. What does not:
which contacts anything happens to, what the API adds (`events.py`), how an event is written and sent (`webhooks.py`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, NamedTuple

from crm_platform.sandbox.chance import HOUR, MINUTE, NEVER, QUANTILES, SECOND, lognormal, mix
from crm_platform.sandbox.conversations import SandboxMessage

# Every event there is, in the order in which those of one instant come.
EVENTS: Final = (
    "contact.created",
    "message.received",
    "agent.handoff",
    "chat.assigned",
    "message.sent",
    "message.delivered",
    "message.read",
    "chat.resolved",
    "csat.submitted",
)

_FATES_END: Final = 68 * HOUR  # after a message: the longest until it is delivered, and then read
_TAKEN_BEFORE: Final = 20 * SECOND  # a chat is taken over at most so long before the first answer
_RESOLVED_AFTER: Final = lognormal(8 * 60, 1.0, most=4 * 3600)
_RATED_AFTER: Final = lognormal(12 * 60, 1.2, most=20 * 3600)
_ENDINGS_END: Final = 24 * HOUR  # after the last message: the longest until it is resolved, and then rated
_RATED_ONE_IN: Final = 3  # resolved conversations
_RATINGS: Final = (5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 2, 1)


class Ending(NamedTuple):
    """How a conversation ended. agent: who of the team wrote last, None: only the bot did. minutes: it lasted."""

    agent: str | None
    messages: int
    minutes: int
    rating: int | None


class Happening(NamedTuple):
    """Something that happens at a time: what (a place in `EVENTS`), and of which message.

    `ending`: of `chat.resolved` and `csat.submitted`, whose message is the conversation's last.
    """

    at: int
    event: int
    message: SandboxMessage
    ending: Ending | None = None


CREATED, RECEIVED, HANDOFF, ASSIGNED, SENT, DELIVERED, READ, RESOLVED, RATED = range(len(EVENTS))


def ending_of(messages: list[SandboxMessage], rating: int | None = None) -> Ending:
    """How a conversation ended, by its messages; the minutes are whole."""
    writers = [one.writer for one in messages if one.writer is not None]
    lasted = messages[-1].at - messages[0].at if messages else 0
    return Ending(writers[-1] if writers else None, len(messages), round(lasted / MINUTE), rating)


class Dealings:
    """What messages of one contact make happen after a time. `seed`: the chance of endings follows from it.

    A conversation's end is known once the next one's first message is; so one message is always looked at ahead.
    """

    def __init__(self, messages: Iterator[SandboxMessage], *, seed: int, after: int) -> None:
        self._messages = messages
        self._seed = seed
        self._after = after
        self._ahead = after - 1  # when the message that was looked at last is written
        self._conversation: list[SandboxMessage] = []
        self._upcoming: list[Happening] = []  # a heap
        self.looked_at = 0

    @property
    def next_at(self) -> int:
        """When something happens next, once `until` has been asked; NEVER after the end."""
        return self._upcoming[0].at if self._upcoming else NEVER

    def until(self, until: int) -> Iterator[Happening]:
        """What happens up to a time, from where it was left on."""
        while self._ahead <= until:
            self._look()
        while self._upcoming and self._upcoming[0].at <= until:
            yield heapq.heappop(self._upcoming)

    def _look(self) -> None:
        message = next(self._messages, None)
        conversation = self._conversation
        if conversation and (message is None or message.conversation not in {0, conversation[0].conversation}):
            self._end(NEVER if message is None else message.at)
            self._conversation = conversation = []
        if message is None:
            self._ahead = NEVER
            return
        self._ahead = message.at
        self.looked_at += 1
        if message.at > self._after - _FATES_END:
            self._tell(message)
        if message.conversation:
            conversation.append(message)

    def _happens(self, at: int, event: int, message: SandboxMessage, ending: Ending | None = None) -> None:
        if self._after < at < NEVER:
            heapq.heappush(self._upcoming, Happening(at, event, message, ending))

    def _tell(self, message: SandboxMessage) -> None:
        if message.is_inbound:
            self._happens(message.at, RECEIVED, message)
            return
        before = self._conversation if message.conversation else []
        if message.writer is not None and all(one.writer is None for one in before):
            taken = message.at
            if before:
                taken -= min(_TAKEN_BEFORE, (message.at - before[-1].at) // 2)
            if not all(one.is_inbound for one in before):
                self._happens(taken, HANDOFF, message)
            self._happens(taken, ASSIGNED, message)
        self._happens(message.at, SENT, message)
        self._happens(message.delivered, DELIVERED, message)
        self._happens(message.read, READ, message)

    def _end(self, next_begins: int) -> None:
        messages = self._conversation
        last = messages[-1]
        if last.at <= self._after - _ENDINGS_END or all(one.is_inbound for one in messages):
            return
        draw = mix(self._seed ^ messages[0].conversation)
        resolved = last.at + _RESOLVED_AFTER[draw % QUANTILES]
        resolved = max(min(resolved, next_begins - SECOND), last.at)
        is_rated = (draw >> 10) % _RATED_ONE_IN == 0
        ending = ending_of(messages, _RATINGS[(draw >> 40) % len(_RATINGS)] if is_rated else None)
        self._happens(resolved, RESOLVED, last, ending)
        if is_rated:
            self._happens(resolved + _RATED_AFTER[(draw >> 20) % QUANTILES], RATED, last, ending)
