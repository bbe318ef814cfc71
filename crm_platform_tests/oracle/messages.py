"""Which messages count, in which order they stand, and what they are.

What belongs here: the ground rules about single messages. What does not: staff (`staff.py`), conversations and waits
(`conversations.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from crm_platform.settings import Settings
from crm_platform_tests.oracle.arithmetic import day_of, days_from
from crm_platform_tests.oracle.facts import Facts, Message

CLOCK_SKEW = dt.timedelta(minutes=5)  # a message dated further ahead of the request that brought it is in no figure
SILENT_TYPES = ("reaction", "system", "note", "call", "revoked", "unsupported")


def known_messages(facts: Facts) -> list[Message]:
    """The messages that the cut knows of: fetched and dated by it, and not dated in the future."""
    return [
        message
        for message in facts.messages
        if message.first_fetched_at <= facts.as_of
        and message.timestamp <= facts.as_of
        and message.timestamp - message.first_fetched_at <= CLOCK_SKEW
    ]


def counted_messages(facts: Facts) -> list[Message]:
    """The messages that figures are made of: neither silent, nor kept in another chat, nor of somebody left out."""
    return [
        message
        for message in known_messages(facts)
        if not is_silent(message, facts.settings)
        and message.duplicate_of is None
        and message.chat_id not in facts.excluded
    ]


def counted_by_chat(facts: Facts) -> dict[str, list[Message]]:
    """The counted messages of each chat that has some, in the order inside a chat."""
    by_chat: defaultdict[str, list[Message]] = defaultdict(list)
    for message in counted_messages(facts):
        by_chat[message.chat_id].append(message)
    return {chat_id: sorted(by_chat[chat_id], key=place_in_chat) for chat_id in sorted(by_chat)}


def place_in_chat(message: Message) -> tuple[dt.datetime, bool, bytes]:
    """Timestamp, then inbound before outbound, then the id bytewise."""
    return message.timestamp, not is_inbound(message), message.message_id.encode()


def is_silent(message: Message, settings: Settings) -> bool:
    silent_types = getattr(settings, "silent_types", SILENT_TYPES)
    return message.type is not None and message.type.casefold() in silent_types


def is_inbound(message: Message) -> bool:
    return message.direction == "inbound"


def is_template(message: Message) -> bool:
    return message.direction == "outbound" and message.type == "template"


def is_opt_out(message: Message) -> bool:
    """Only who was written to can opt out: the mark of an outbound message says nothing."""
    return is_inbound(message) and message.is_opt_out


def activity(facts: Facts) -> list[Message]:
    """What makes a contact active: counted inbound messages that are no opt-outs."""
    return [message for message in counted_messages(facts) if is_inbound(message) and not is_opt_out(message)]


def message_days(facts: Facts) -> list[dt.date]:
    """Local days from that of the oldest counted message to that of the cut; none without a message."""
    zone = facts.settings.zone
    oldest = min((message.timestamp for message in counted_messages(facts)), default=None)
    return list(days_from(day_of(oldest, zone), day_of(facts.as_of, zone))) if oldest else []
