"""What the second version of the definitions is about, strewn over a random world.

What belongs here: marks and what is said around them, opt-outs, silent types, spellings, copies in two chats, templates
before questions, follow-ups, contacts left out, teams, lists of values. What does not: the world itself (`worlds.py`).

Instants lie on and one microsecond beside every limit that the definitions name: the mark itself, the grace, the gap,
72 hours, 7 days.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crm_platform_tests.oracle.facts import Chat, Contact, Facts, Message, OperatorEvent

SECOND, MINUTE, HOUR, DAY = (dt.timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))
TICK, NONE = dt.timedelta.resolution, dt.timedelta()
SILENT = ("reaction", "Reaction", "SYSTEM", "note", "call", "revoked", "unsupported")
SILENT_SETTINGS = (
    *(("reaction", "system", "note", "call", "revoked", "unsupported"),) * 3,
    ("reaction", "document"),
    (),
)
KINDS: Sequence[Mapping[str, object]] = (
    *({"direction": "inbound", "type": "text", "status": "received"},) * 5,
    *({"direction": "outbound", "type": "text", "status": "read"},) * 5,
    *({"direction": "inbound", "type": "text", "status": "received", "is_opt_out": True},) * 2,
    {"direction": "outbound", "type": "text", "status": "failed"},
    {"direction": "outbound", "type": "template", "status": "delivered"},
    {"direction": "outbound", "type": "template", "status": "failed"},
)
QUESTION, REPLY, OPT_OUT, TEMPLATE, FAILED_TEMPLATE = KINDS[0], KINDS[5], KINDS[10], KINDS[-2], KINDS[-1]


def with_oddities(facts: Facts, seed: int, *, staff: Sequence[str], bot: str) -> Facts:
    """The same world with everything above. `staff`: identifiers that work is done by. Same seed, same oddities."""
    rng = random.Random(f"oddities {seed}")
    settings = facts.settings.model_copy(
        update={
            "after_done_minutes": rng.choice([30, 30, 5, 0]),
            "silent_types": rng.choice(SILENT_SETTINGS),
            # The bots of the world, and at times somebody by an alias.
            "automation_senders": facts.settings.automation_senders + rng.choice([(), (), ("agent-3",)]),
        }
    )
    world = _Oddities(rng, replace(facts, settings=settings), (*staff, bot))
    messages, events = world.talk()
    messages = list(world.copied([world.odd(message) for message in messages]))
    excluded = rng.sample(facts.contacts, min(len(facts.contacts), 1)) if rng.random() < 0.4 else []
    cut_off = rng.choice([{chat.chat_id for chat in facts.chats if not chat.is_history_whole}, {"chat-00000"}, set()])
    return replace(
        facts,
        settings=settings,
        contacts=tuple(world.listed(contact) for contact in facts.contacts),
        messages=tuple(messages),
        chats=tuple(replace(chat, is_history_whole=chat.chat_id not in cut_off) for chat in facts.chats),
        operator_events=tuple(replace(event, agent=world.respelt(event.agent)) for event in events),
        agent_teams={world.respelt(one) or one: team for one, team in zip(staff, ("Sales", "Support"), strict=False)},
        excluded=frozenset(contact.chat_id for contact in excluded),
    )


class _Oddities:
    """One stream of chance, the world, what its settings say."""

    def __init__(self, rng: random.Random, facts: Facts, senders: Sequence[str]) -> None:
        self.rng = rng
        self.facts = facts
        self.senders = senders
        self.gap = facts.settings.conversation_gap
        self.grace = getattr(facts.settings, "after_done_minutes", 30) * MINUTE

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # What is said, and when.

    def talk(self) -> tuple[list[Message], list[OperatorEvent]]:
        """The world's messages and events with those around marks, before questions and after silences."""
        messages, events = list(self.facts.messages), list(self.facts.operator_events)
        said: defaultdict[str, list[Message]] = defaultdict(list)
        taken: defaultdict[str, set[dt.datetime]] = defaultdict(set)
        for message in messages:
            said[message.chat_id].append(message)
        for event in events:
            taken[event.chat_id].add(event.at)
        for chat in self.facts.chats:
            if said[chat.chat_id] and chat.known_until is not None:
                for _ in range(self.rng.randrange(4)):
                    start = self.rng.choice(said[chat.chat_id]).timestamp
                    more, marks = self._around_marks(chat, start) if self.chance(0.8) else self._lately(chat)
                    messages += more
                    for mark in marks:
                        if mark.at not in taken[chat.chat_id]:
                            taken[chat.chat_id].add(mark.at)
                            events.append(mark)
                if self.chance(0.5):
                    messages += self._long_before(chat, min(one.timestamp for one in said[chat.chat_id]))
                for message in self.rng.sample(said[chat.chat_id], min(3, len(said[chat.chat_id]))):
                    messages += self._before_and_after(chat, message)
        return messages, events

    def _around_marks(self, chat: Chat, start: dt.datetime) -> tuple[list[Message], list[OperatorEvent]]:
        """A mark, what is said soon after it, and perhaps another mark."""
        messages: list[Message] = []
        at = start + self.rng.choice([-TICK, NONE, NONE, TICK, SECOND, 5 * MINUTE, self.gap - TICK, self.gap, 3 * DAY])
        marks = [self._mark(chat, at)]
        if self.chance(0.3):  # somebody writes within the grace, the answer comes after it
            at += self.rng.choice([TICK, SECOND, self.grace])
            messages += self._said(chat, at, self.rng.choice([QUESTION, OPT_OUT]))
            at += 40 * MINUTE
            messages += self._said(chat, at, self.rng.choice([REPLY, REPLY, TEMPLATE, QUESTION]))
        for _ in range(self.rng.randrange(5)):
            limit = self.rng.choice([NONE, self.grace, self.gap])
            soon = [NONE, NONE, TICK, SECOND, self.grace / 2, 40 * MINUTE, self.gap / 2, limit, limit + TICK]
            base = marks[-1].at if self.chance(0.5) else at
            at = max(at, base + self.rng.choice(soon))
            messages += self._said(chat, at, self.rng.choice(KINDS))
            if self.chance(0.2):
                marks.append(self._mark(chat, at + self.rng.choice([NONE, TICK, MINUTE])))
        return messages, marks

    def _lately(self, chat: Chat) -> tuple[list[Message], list[OperatorEvent]]:
        """A mark just so long before the chat was read that what it belongs to is over, or is not."""
        assert chat.known_until is not None
        ago = self.rng.choice([self.grace, self.gap, self.gap / 2]) + self.rng.choice([-TICK, NONE, TICK])
        mark = self._mark(chat, chat.known_until - ago)
        messages = list(self._said(chat, mark.at - self.rng.choice([NONE, MINUTE]), self.rng.choice(KINDS)))
        if self.chance(0.6):
            soon = self.rng.choice([NONE, TICK, self.grace / 2, self.grace])
            messages += self._said(chat, mark.at + soon, self.rng.choice(KINDS))
        return messages, [mark]

    def _mark(self, chat: Chat, at: dt.datetime) -> OperatorEvent:
        return OperatorEvent(chat.chat_id, "done", at, self.rng.choice([None, *self.senders]))

    def _before_and_after(self, chat: Chat, message: Message) -> Iterator[Message]:
        """A template that the message may be an answer to; something sent much later."""
        if self.chance(0.4):
            earlier = self.rng.choice([NONE, SECOND, HOUR, 72 * HOUR - TICK, 72 * HOUR, 72 * HOUR + TICK])
            yield from self._said(chat, message.timestamp - earlier, self.rng.choice([TEMPLATE, FAILED_TEMPLATE]))
        if self.chance(0.4):
            later = self.rng.choice([NONE, 25 * HOUR, 3 * DAY, 7 * DAY, 7 * DAY + TICK])
            yield from self._said(chat, message.timestamp + later, self.rng.choice(KINDS[5:]))

    def _long_before(self, chat: Chat, first: dt.datetime) -> Iterator[Message]:
        """A question that nobody answered, a month before everything else; a template before it, a follow-up after."""
        friday = first.astimezone(self.facts.settings.zone).date() - self.rng.randrange(28, 35) * DAY
        friday += (4 - friday.weekday()) * DAY
        closing = dt.datetime.combine(friday, dt.time(17), self.facts.settings.zone).astimezone(dt.UTC)
        just_in_time = closing - dt.timedelta(minutes=self.facts.settings.first_response_target_minutes)
        asked_at = self.rng.choice([first - 30 * DAY, first - 31 * DAY, just_in_time, just_in_time + TICK])
        yield from self._said(chat, asked_at, QUESTION)
        if self.chance(0.5):
            yield from self._said(chat, asked_at - self.rng.choice([NONE, 72 * HOUR, 72 * HOUR + TICK]), TEMPLATE)
        if self.chance(0.5):
            later = self.rng.choice([7 * DAY, 7 * DAY + TICK])
            yield from self._said(chat, asked_at + later, self.rng.choice([REPLY, TEMPLATE]))

    def _said(self, chat: Chat, at: dt.datetime, kind: Mapping[str, object]) -> Iterator[Message]:
        """The message, if it was there when the chat was last read."""
        if chat.known_until is not None and at <= chat.known_until:
            sender = self.rng.choice([None, *self.senders]) if kind["direction"] == "outbound" else None
            message_id = f"{self.rng.choice(['A', 'wamid.', 'z'])}{self.rng.getrandbits(64):016x}"
            yield Message(
                chat_id=chat.chat_id,
                message_id=message_id,
                timestamp=at,
                first_fetched_at=chat.known_until,
                sender=sender,
                **kind,
            )

    # What messages and contacts are.

    def odd(self, message: Message) -> Message:
        """The message, its sender in another spelling; a few are silent or opt-outs."""
        if self.chance(0.05):
            message = replace(message, type=self.rng.choice(SILENT))
        if message.direction == "inbound" and self.chance(0.06):
            message = replace(message, is_opt_out=True)
        return replace(message, sender=self.respelt(message.sender))

    def respelt(self, identifier: str | None) -> str | None:
        if identifier is None or self.chance(0.7):
            return identifier
        wide = chr(ord(identifier[0]) + 0xFEE0) + identifier[1:]  # a full-width first letter
        return self.rng.choice([identifier.upper(), identifier.title(), f" {identifier} ", wide])

    def copied(self, messages: Sequence[Message]) -> Iterator[Message]:
        """The messages, some of one chat in another, too, as after contacts were merged."""
        read = [chat.chat_id for chat in self.facts.chats if chat.known_until is not None]
        shared: list[Message] = []
        if len(read) > 1 and self.chance(0.7):
            one, other = self.rng.sample(read, 2)
            of_one = [message for message in messages if message.chat_id == one]
            shared = of_one[: self.rng.randrange(2, 9)]
        if sum(message.direction == "inbound" for message in shared) < 2:
            shared = []
        is_moved = self.chance(0.5)  # whether the other chat is the one that they are kept in
        for message in messages:
            is_shared = any(message is one for one in shared)
            yield replace(message, duplicate_of=other) if is_shared and is_moved else message
        for message in shared:
            yield replace(message, chat_id=other, duplicate_of=None if is_moved else message.chat_id)

    def listed(self, contact: Contact) -> Contact:
        """The contact; a few have several values in one field, or spaces around one."""
        if not self.chance(0.2):
            return contact
        value = self.rng.choice([" Retail", ("Retail", "Wholesale "), ("", "Retail", "Retail"), ()])
        return replace(contact, custom_fields={**contact.custom_fields, "Segment": value})
