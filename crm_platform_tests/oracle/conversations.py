"""Chats cut into conversations, and conversations into waits: `core.conversations` and `core.response_waits`.

What belongs here: which messages count, what a reply is, conversations, waits, how both end. What does not: figures by
day, agent or week (`operations.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crm_platform.settings import Settings
from crm_platform_tests.oracle.arithmetic import Window, office_seconds
from crm_platform_tests.oracle.facts import Chat, Facts, Message, OperatorEvent

CLOCK_SKEW = dt.timedelta(minutes=5)  # a message dated further ahead of the request that brought it is in no figure


@dataclass(frozen=True, slots=True)
class Wait:
    """From an unanswered question to the next reply of the same conversation, if there is one."""

    question: Message
    reply: Message | None
    is_first: bool
    state: str
    business_response_seconds: float | None

    @property
    def since(self) -> dt.datetime:
        return self.question.timestamp

    @property
    def answered_at(self) -> dt.datetime | None:
        return self.reply.timestamp if self.reply else None

    @property
    def response_seconds(self) -> float | None:
        return (self.reply.timestamp - self.since).total_seconds() if self.reply else None

    @property
    def is_answered(self) -> bool:
        return self.state == "answered"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages of one chat without a silence longer than the gap, oldest first, and what became of them."""

    chat: Chat
    number: int
    messages: tuple[Message, ...]
    replies: int
    waits: tuple[Wait, ...]
    is_over: bool
    is_left_truncated: bool
    resolved_at: dt.datetime | None
    resolved_by: str | None
    mark: OperatorEvent | None

    @property
    def started_at(self) -> dt.datetime:
        return self.messages[0].timestamp

    @property
    def ended_at(self) -> dt.datetime:
        return self.messages[-1].timestamp

    @property
    def inbound(self) -> list[Message]:
        return [message for message in self.messages if message.direction == "inbound"]

    @property
    def is_missed(self) -> bool:
        return any(wait.state == "missed" for wait in self.waits)

    @property
    def state(self) -> str:
        if self.resolved_at is not None:
            return "resolved"
        if any(wait.state == "open" for wait in self.waits):
            return "waiting"
        if not self.is_over:
            return "active"
        return "missed" if self.is_missed else "quiet"

    @property
    def resolution_seconds(self) -> float | None:
        if self.resolved_at is None or not self.inbound:
            return None
        seconds = (self.resolved_at - self.inbound[0].timestamp).total_seconds()
        return seconds if seconds >= 0 else None


def counted_messages(facts: Facts) -> list[Message]:
    """The messages that figures are made of: fetched and dated by the cut, and not dated in the future."""
    return [
        message
        for message in facts.messages
        if message.first_fetched_at <= facts.as_of
        and message.timestamp <= facts.as_of
        and message.timestamp - message.first_fetched_at <= CLOCK_SKEW
    ]


def is_template(message: Message) -> bool:
    return message.direction == "outbound" and message.type == "template"


def is_reply(message: Message, settings: Settings) -> bool:
    return (
        message.direction == "outbound"
        and message.type != "template"
        and message.status != "failed"
        and message.sender not in settings.automation_senders
    )


def conversations(facts: Facts) -> list[Conversation]:
    """Every conversation of every chat, by chat and time."""
    chats = {chat.chat_id: chat for chat in facts.chats}
    by_chat: defaultdict[str, list[Message]] = defaultdict(list)
    for message in counted_messages(facts):
        by_chat[message.chat_id].append(message)
    marks: defaultdict[str, list[OperatorEvent]] = defaultdict(list)
    for event in facts.operator_events:
        if event.kind == "done" and event.at <= facts.as_of:
            marks[event.chat_id].append(event)
    return [
        _conversation(chats[chat_id], number, run, marks=marks[chat_id], settings=facts.settings)
        for chat_id in sorted(by_chat)
        for number, run in enumerate(_runs(by_chat[chat_id], facts.settings.conversation_gap), start=1)
    ]


def _runs(messages: Sequence[Message], gap: dt.timedelta) -> Iterator[list[Message]]:
    ordered = sorted(messages, key=lambda message: (message.timestamp, message.message_id.encode()))
    run = [ordered[0]]
    for before, message in pairwise(ordered):
        if message.timestamp - before.timestamp > gap:
            yield run
            run = []
        run.append(message)
    yield run


def _conversation(
    chat: Chat, number: int, run: list[Message], *, marks: Sequence[OperatorEvent], settings: Settings
) -> Conversation:
    gap = settings.conversation_gap
    ended_at = run[-1].timestamp
    is_over = chat.known_until is not None and chat.known_until - ended_at > gap
    waits = tuple(_waits(run, is_over=is_over, settings=settings))
    replies = sum(is_reply(message, settings) for message in run)
    has_inbound = any(message.direction == "inbound" for message in run)

    markable = Window(run[0].timestamp, ended_at + gap)
    mark = max((one for one in marks if one.at in markable), key=lambda one: one.at, default=None)
    resolved_at, resolved_by = None, None
    if mark is not None:
        resolved_at, resolved_by = mark.at, "operator"
    elif is_over and has_inbound and replies and not any(wait.state == "missed" for wait in waits):
        resolved_at, resolved_by = ended_at, "quiet"

    return Conversation(
        chat=chat,
        number=number,
        messages=tuple(run),
        replies=replies,
        waits=waits,
        is_over=is_over,
        is_left_truncated=number == 1 and not chat.is_history_whole,
        resolved_at=resolved_at,
        resolved_by=resolved_by,
        mark=mark,
    )


def _waits(run: Sequence[Message], *, is_over: bool, settings: Settings) -> Iterator[Wait]:
    is_first = True
    question: Message | None = None
    for message in run:
        if message.direction == "inbound" and question is None:
            question = message
        elif question is not None and is_reply(message, settings):
            yield Wait(question, message, is_first, "answered", _office_response(question, message, settings))
            is_first, question = False, None
    if question is not None:
        unanswered = ("missed" if is_first else "trailing") if is_over else "open"
        yield Wait(question, None, is_first, unanswered, None)


def _office_response(question: Message, reply: Message, settings: Settings) -> float | None:
    if settings.open_hours is None:
        return None
    window = Window(question.timestamp, reply.timestamp)
    return office_seconds(window, hours=settings.open_hours, holidays=settings.holidays, zone=settings.zone)


def conversation_rows(conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`core.conversations`."""
    return [
        {
            "chat_id": one.chat.chat_id,
            "first_message_id": one.messages[0].message_id,
            "conversation_number": one.number,
            "started_at": one.started_at,
            "ended_at": one.ended_at,
            "inbound_messages": len(one.inbound),
            "replies": one.replies,
            "templates": sum(map(is_template, one.messages)),
            "initiated_by": "contact" if one.messages[0].direction == "inbound" else "business",
            "is_over": one.is_over,
            "is_left_truncated": one.is_left_truncated,
            "resolved_at": one.resolved_at,
            "resolved_by": one.resolved_by,
            "state": one.state,
        }
        for one in conversations
    ]


def wait_rows(conversations: Sequence[Conversation]) -> list[dict[str, object]]:
    """`core.response_waits`; two waits may open in one second, so the opening message is their key."""
    return [
        {
            "chat_id": one.chat.chat_id,
            "first_message_id": one.messages[0].message_id,
            "opening_message_id": wait.question.message_id,
            "closing_message_id": wait.reply.message_id if wait.reply else None,
            "waiting_since": wait.since,
            "answered_at": wait.answered_at,
            "response_seconds": wait.response_seconds,
            "business_response_seconds": wait.business_response_seconds,
            "is_first": wait.is_first,
            "is_left_truncated": one.is_left_truncated,
            "state": wait.state,
        }
        for one in conversations
        for wait in one.waits
    ]
