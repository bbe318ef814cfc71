"""Chats cut into conversations, and conversations into waits: `core.conversations` and `core.response_waits`.

What belongs here: where conversations begin, waits, how both end, what became of them. What does not: which messages
count (`messages.py`), what a reply is and whose (`staff.py`), figures by day, agent or week (`operations.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crm_platform.settings import Settings
from crm_platform_tests.oracle.arithmetic import Window, office_seconds
from crm_platform_tests.oracle.facts import Chat, Facts, Message, OperatorEvent
from crm_platform_tests.oracle.messages import counted_by_chat, is_inbound, is_opt_out, is_template
from crm_platform_tests.oracle.staff import Staff, known_events

AFTER_DONE_MINUTES = 30  # what is said so soon after a mark still belongs to the conversation that it ended
CAMPAIGN_REACH = dt.timedelta(hours=72)
FOLLOW_UP = dt.timedelta(days=7)
SHUT_WITHIN = dt.timedelta(hours=24)
CAMPAIGN, ORGANIC = "campaign", "organic"


@dataclass(frozen=True, slots=True)
class Wait:
    """From an unanswered question to the next reply of the same conversation, if there is one.

    `ended_at`: the mark that ended it without a reply, if one did. `agent`: whose the closing reply is. `follow_up` and
    `is_shut` are of missed waits alone.
    """

    question: Message
    reply: Message | None
    is_first: bool
    ended_at: dt.datetime | None
    state: str
    origin: str
    agent: str | None
    business_response_seconds: float | None
    follow_up: Message | None
    is_shut: bool | None

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
    """Messages of one chat that belong together, oldest first, and what became of them.

    `origins`: of each inbound message, by its id. `mark`: the last that belongs to it. `agent`: of the last reply.
    """

    chat: Chat
    number: int
    messages: tuple[Message, ...]
    replies: int
    waits: tuple[Wait, ...]
    origins: Mapping[str, str]
    agent: str | None
    is_over: bool
    is_left_truncated: bool
    is_reopened: bool
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
        return [message for message in self.messages if is_inbound(message)]

    @property
    def opt_outs(self) -> list[Message]:
        return [message for message in self.messages if is_opt_out(message)]

    @property
    def templates(self) -> int:
        return sum(is_template(message) for message in self.messages)

    @property
    def initiated_by(self) -> str:
        return "contact" if is_inbound(self.messages[0]) else "business"

    @property
    def origin(self) -> str | None:
        return self.origins[self.inbound[0].message_id] if self.inbound else None

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


def conversations(facts: Facts) -> list[Conversation]:
    """Every conversation of every chat, by chat and time."""
    staff = Staff(facts)
    chats = {chat.chat_id: chat for chat in facts.chats}
    marks: defaultdict[str, list[OperatorEvent]] = defaultdict(list)
    for event in known_events(facts):
        if event.kind == "done":
            marks[event.chat_id].append(event)
    return [
        conversation
        for chat_id, messages in counted_by_chat(facts).items()
        for conversation in _Thread(chats[chat_id], messages, marks[chat_id], staff, facts.settings).conversations()
    ]


@dataclass(slots=True)
class _Run:
    """The messages of one conversation."""

    messages: list[Message]
    is_cut_by_mark_alone: bool

    @property
    def ended_at(self) -> dt.datetime:
        return self.messages[-1].timestamp


@dataclass(frozen=True, slots=True)
class _Span:
    """A wait before anybody asks what became of it."""

    question: Message
    reply: Message | None
    ended_at: dt.datetime | None


class _Thread:
    """One chat: its counted messages in order, its marks oldest first."""

    def __init__(
        self, chat: Chat, messages: Sequence[Message], marks: Sequence[OperatorEvent], staff: Staff, settings: Settings
    ) -> None:
        self.chat = chat
        self.messages = messages
        self.places = {message.message_id: place for place, message in enumerate(messages)}
        self.marks = marks
        self.staff = staff
        self.settings = settings
        self.gap = settings.conversation_gap
        self.grace = dt.timedelta(minutes=getattr(settings, "after_done_minutes", AFTER_DONE_MINUTES))

    def conversations(self) -> Iterator[Conversation]:
        for number, run in enumerate(self._runs(), start=1):
            yield self._conversation(number, run)

    # Where conversations begin.

    def _runs(self) -> list[_Run]:
        runs: list[_Run] = []
        for message in self.messages:
            if not runs or message.timestamp - runs[-1].ended_at > self.gap:
                runs.append(_Run([message], is_cut_by_mark_alone=False))
            elif self._is_cut_off_by_mark(message, runs[-1]):
                runs.append(_Run([message], is_cut_by_mark_alone=True))
            else:
                runs[-1].messages.append(message)
        return runs

    def _is_cut_off_by_mark(self, message: Message, run: _Run) -> bool:
        """Whether a message, soon enough after the last of the run, still opens a new conversation."""
        # The mark that matters is the last one before the message, if its anchor is in the run; a message of the mark's
        # own second stands before it.
        earlier = [mark.at for mark in self.marks if mark.at < message.timestamp]
        if not earlier or run.messages[0].timestamp > earlier[-1]:
            return False
        mark_at = earlier[-1]
        if message.timestamp <= mark_at + self.grace:
            return False
        answers = self.staff.is_reply(message) and self._is_somebody_waiting_since(mark_at, run)
        return not answers

    def _is_somebody_waiting_since(self, mark_at: dt.datetime, run: _Run) -> bool:
        """Whether a wait opened after the mark and has no reply yet."""
        is_waiting = False
        for message in run.messages:
            if message.timestamp > mark_at:
                if is_inbound(message) and not is_opt_out(message):
                    is_waiting = True
                elif self.staff.is_reply(message):
                    is_waiting = False
        return is_waiting

    # How they end.

    def _marks_of(self, run: _Run) -> list[OperatorEvent]:
        """The marks that belong to a conversation, oldest first."""
        followers = self.messages[self.places[run.messages[-1].message_id] + 1 :]
        return [
            mark
            for mark in self.marks
            # The newest message at or before the mark, its anchor, is in the run.
            if run.messages[0].timestamp <= mark.at
            and not any(message.timestamp <= mark.at for message in followers[:1])
            and mark.at < run.ended_at + self.gap
        ]

    def _is_over(self, run: _Run, marks: Sequence[OperatorEvent], spans: Sequence[_Span]) -> bool:
        ends_at = run.ended_at + self.gap
        if marks:
            mark_at = marks[-1].at
            is_waiting = any(span.reply is None and span.question.timestamp > mark_at for span in spans)
            ends_at = min(ends_at, mark_at + (self.gap if is_waiting else self.grace))
        return self.chat.known_until is not None and self.chat.known_until > ends_at

    def _conversation(self, number: int, run: _Run) -> Conversation:
        marks = self._marks_of(run)
        spans = list(self._spans(run, marks))
        is_over = self._is_over(run, marks, spans)
        waits = [self._wait(span, run, is_first=span is spans[0], is_over=is_over) for span in spans]
        replies = [message for message in run.messages if self.staff.is_reply(message)]
        inbound = [message for message in run.messages if is_inbound(message)]

        resolved_at, resolved_by = None, None
        if marks:
            resolved_at, resolved_by = marks[-1].at, "operator"
        elif is_over and inbound and replies and not any(wait.state == "missed" for wait in waits):
            resolved_at, resolved_by = run.ended_at, "quiet"

        return Conversation(
            chat=self.chat,
            number=number,
            messages=tuple(run.messages),
            replies=len(replies),
            waits=tuple(waits),
            origins={message.message_id: self._origin(message) for message in inbound},
            agent=self.staff.credit_of_reply(replies[-1]) if replies else None,  # None: the last reply is of nobody
            is_over=is_over,
            is_left_truncated=number == 1 and not self.chat.is_history_whole,
            is_reopened=run.is_cut_by_mark_alone and is_inbound(run.messages[0]),
            resolved_at=resolved_at,
            resolved_by=resolved_by,
            mark=marks[-1] if marks else None,
        )

    # Waits.

    def _spans(self, run: _Run, marks: Sequence[OperatorEvent]) -> Iterator[_Span]:
        question: Message | None = None
        for message in run.messages:
            if question is not None:
                # Every mark that belongs to the conversation ends the wait that is open at it, not only the last one.
                ended_at = _first_mark(marks, question.timestamp, before=message.timestamp)
                if ended_at is not None:
                    yield _Span(question, None, ended_at)
                    question = None
            if question is None and is_inbound(message) and not is_opt_out(message):
                question = message
            elif question is not None and self.staff.is_reply(message):
                yield _Span(question, message, None)
                question = None
        if question is not None:
            yield _Span(question, None, _first_mark(marks, question.timestamp))

    def _wait(self, span: _Span, run: _Run, *, is_first: bool, is_over: bool) -> Wait:
        question, reply = span.question, span.reply
        if reply is not None:
            state = "answered"
        elif span.ended_at is not None or is_over:
            state = "missed" if is_first else "trailing"
        else:
            state = "open"
        is_missed = state == "missed"
        return Wait(
            question=question,
            reply=reply,
            is_first=is_first,
            ended_at=span.ended_at,
            state=state,
            origin=self._origin(question),
            agent=self.staff.credit_of_reply(reply) if reply else None,
            business_response_seconds=self._office_seconds(question.timestamp, reply.timestamp) if reply else None,
            follow_up=self._follow_up(run) if is_missed else None,
            is_shut=self._is_shut(question.timestamp) if is_missed else None,
        )

    def _office_seconds(self, start: dt.datetime, end: dt.datetime) -> float | None:
        """Business seconds in [start, end); None without business hours."""
        settings = self.settings
        if settings.open_hours is None:
            return None
        return office_seconds(
            Window(start, end), hours=settings.open_hours, holidays=settings.holidays, zone=settings.zone
        )

    def _is_shut(self, waiting_since: dt.datetime) -> bool | None:
        """Whether nobody could be expected to keep the target; None without business hours."""
        seconds = self._office_seconds(waiting_since, waiting_since + SHUT_WITHIN)
        return None if seconds is None else seconds < self.settings.first_response_target_minutes * 60

    def _follow_up(self, run: _Run) -> Message | None:
        """What was sent after the last inbound message of the conversation, also within it, before the next one."""
        last_inbound = [message for message in run.messages if is_inbound(message)][-1]
        for message in self.messages[self.places[last_inbound.message_id] + 1 :]:
            if is_inbound(message):
                return None
            if message.status != "failed" and not self.staff.is_bot(message.sender):
                return message if message.timestamp - run.ended_at <= FOLLOW_UP else None
        return None

    def _origin(self, inbound: Message) -> str:
        """Campaign, when looking back one meets a template that did not fail, at most 72 h older, before any reply."""
        for message in reversed(self.messages[: self.places[inbound.message_id]]):
            if self.staff.is_reply(message):
                return ORGANIC
            if is_template(message) and message.status != "failed":
                return CAMPAIGN if inbound.timestamp - message.timestamp <= CAMPAIGN_REACH else ORGANIC
        return ORGANIC


def _first_mark(
    marks: Sequence[OperatorEvent], since: dt.datetime, *, before: dt.datetime | None = None
) -> dt.datetime | None:
    """The first mark at or after an instant, and before another."""
    return next((one.at for one in marks if since <= one.at and (before is None or one.at < before)), None)


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
            "templates": one.templates,
            "initiated_by": one.initiated_by,
            "is_over": one.is_over,
            "is_left_truncated": one.is_left_truncated,
            "resolved_at": one.resolved_at,
            "resolved_by": one.resolved_by,
            "state": one.state,
            "agent": one.agent,
            "origin": one.origin,
            "reopened": one.is_reopened,
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
            "agent": wait.agent,
            "origin": wait.origin,
            "followed_up_at": wait.follow_up.timestamp if wait.follow_up else None,
            "followed_up_by": ("template" if is_template(wait.follow_up) else "reply") if wait.follow_up else None,
            "shut": wait.is_shut,
        }
        for one in conversations
        for wait in one.waits
    ]


def credit_rows(facts: Facts) -> list[dict[str, object]]:
    """`core.reply_credit`: every counted reply."""
    staff = Staff(facts)
    return [
        {"chat_id": message.chat_id, "message_id": message.message_id, "agent": staff.credit_of_reply(message)}
        for messages in counted_by_chat(facts).values()
        for message in messages
        if staff.is_reply(message)
    ]
