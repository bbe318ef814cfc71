"""What the oracle is told: the tenant's records as a crawl holds them, in plain frozen dataclasses.

What belongs here: the shape of the input. What does not: any rule about it (the other modules), any way to fill it
(`from_truth.py`, `worlds.py`). All instants are aware and in UTC; `None` stands for what the API did not send. Records
that were first fetched after the cut may be present: leaving them out is the oracle's business, not the caller's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from crm_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact at its newest stored version. `first_seen_at`: start of the request that first brought it."""

    chat_id: str
    first_seen_at: dt.datetime
    created_at: dt.datetime | None = None
    whatsapp_number: str | None = None
    custom_fields: Mapping[str, str | Sequence[str] | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the contact list that ended. `seen`: the chat_ids it met, also when it is not complete.

    `rejected`: records that could not be kept. `accepted_at`: when a person accepted it though it was suspicious.
    """

    started_at: dt.datetime
    ended_at: dt.datetime
    seen: frozenset[str]
    is_complete: bool = True
    rejected: int = 0
    accepted_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the furthest status known. `first_fetched_at`: start of the request that first brought it.

    `duplicate_of`: the chat in which the same message is kept, when that is another one.
    """

    chat_id: str
    message_id: str
    direction: str
    timestamp: dt.datetime
    first_fetched_at: dt.datetime
    type: str | None = "text"
    status: str | None = None
    sender: str | None = None
    is_opt_out: bool = False
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """What the crawl knows of a chat at the cut. `known_until` is None before its first newest-page request."""

    chat_id: str
    known_until: dt.datetime | None
    is_history_whole: bool = True


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign; `first_status` is the one it was first seen in, `changes` what was observed later, oldest first."""

    campaign_id: str
    first_seen_at: dt.datetime
    first_status: str
    name: str | None = None
    created_at: dt.datetime | None = None
    scheduled_at: dt.datetime | None = None
    total_recipients: int | None = None
    changes: tuple[tuple[dt.datetime, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One kept snapshot of a campaign's report, first seen when its content changed to this."""

    campaign_id: str
    first_seen_at: dt.datetime
    total_recipients: int | None
    delivered: int | None
    read: int | None
    replied: int | None
    failed: int | None
    delivery_rate: str | None = None
    read_rate: str | None = None
    reply_rate: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """`kind`: assigned, done or contact_deleted. `agent`: the assignee, or who marked it, where that is known."""

    chat_id: str
    kind: str
    at: dt.datetime
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What a webhook told: `event` is agent.handoff or csat.submitted, `score` what the contact answered, if it is one.

    `key` names it; of two of one instant the greater, bytewise, is the later.
    """

    key: str
    chat_id: str
    event: str
    at: dt.datetime
    received_at: dt.datetime
    score: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the figures of one cut follow from. Keys are unique: one entry a contact, message, chat, campaign.

    `agent_aliases` leads from a normalised identifier to the one that stands for the person. Senders, assignees and
    markers are spelt as they came. `agent_teams`: by staff identifier the team. `excluded`: chats that are left out on
    purpose. Every chat with messages stands in `chats`.
    """

    as_of: dt.datetime
    settings: Settings
    contacts: tuple[Contact, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    messages: tuple[Message, ...] = ()
    chats: tuple[Chat, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    reports: tuple[Report, ...] = ()
    operator_events: tuple[OperatorEvent, ...] = ()
    events: tuple[Event, ...] = ()
    agent_aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    agent_teams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    excluded: frozenset[str] = frozenset()
