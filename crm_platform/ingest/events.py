"""Events in the warehouse: taken out of the inbox, told to the planner as hints, turned into what operators did.

What belongs here: which chat an event is of, reading the events that came since the last look. What does not: receiving
them (events/), the file that they wait in (inbox.py), figures.

An event names its chat, or only the contact's number. Whose a number is that no contact has yet is looked for again
after each sweep, and at once where a search finds the contact (strangers.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from crm_platform.api import FUTURE_TOLERANCE
from crm_platform.api.instants import micros, moment_of
from crm_platform.api.scalars import parse_int
from crm_platform.errors import CrmPlatformError
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.inbox import InboxEvent, RefusedEvent
from crm_platform.ingest.meta import note_decided
from crm_platform.ingest.strangers import Stranger
from crm_platform.schemas import ops, raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    from crm_platform.ingest.inbox import Inbox
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.warehouse import Lease, Session, Warehouse

_log = logging.getLogger(__name__)

LOOK_BACK = timedelta(hours=24)
"""How far back a crawl that begins looks for events; the planner knows which of them it has met or heard of."""

AT_ONCE: Final = 5_000
"""Events that are taken in by one commit."""

_NOBODYS_FOR: Final = timedelta(days=30)
"""How long the number of an event is looked up again where no contact has it."""

# What became of a chat, by the event that says so.
_DONE_BY: Final = {"chat.assigned": "assigned", "agent.handoff": "assigned", "chat.resolved": "done"}

# A campaign's messages are no hint: there is nothing to hurry for, and they are many.
_NEW_EVENTS = f"""
    select chat_id, whatsapp_number, happened_at, received_at
    from {raw.Events.full_name()}
    where event in ('message.received', 'message.sent') and received_at > ?
        and {{of_template}} is null
    order by received_at, event_id
"""

_OF_NOBODY = f"""
    select {", ".join(f"events.{name}" for name in raw.Events.columns if name != "chat_id")}, contacts.chat_id
    from {raw.Events.full_name()} as events
    join {raw.Contacts.full_name()} as contacts
        on trim(leading '+' from contacts.whatsapp_number) = trim(leading '+' from events.whatsapp_number)
    where events.chat_id is null and events.received_at > ?
    order by events.event_id, contacts.fetched_at, contacts.chat_id
"""


def take_in(inbox: Inbox, warehouse: Warehouse, holder: Lease) -> int:
    """Move what waits in the inbox into raw.events, raw.operator_events and ops.quarantine.

    Returns how many events are such that figures are made of: a receipt that a message was read is none. Killed in
    between, it is taken in once more: each event and record has a key, and stands once.
    """
    count, is_more = 0, True
    while is_more and (taken := inbox.take(AT_ONCE)):
        # Not until nothing waits: where they come faster than they are taken in, that is never.
        is_more = AT_ONCE in {len(taken.events), len(taken.refused)}
        with warehouse.reading() as session:
            chats = _chats_of(session, {one.whatsapp_number for one in taken.events if one.chat_id is None})
        events = [replace(one, chat_id=one.chat_id or chats.get(one.whatsapp_number or "")) for one in taken.events]
        _commit(warehouse, holder, events, taken.refused)
        inbox.drop(taken)
        count += sum(one.event in raw.Events.OF_FIGURES or one.event in _DONE_BY for one in taken.events)
    return count


def _commit(
    warehouse: Warehouse, holder: Lease, events: Sequence[InboxEvent], refused: Sequence[RefusedEvent] = ()
) -> None:
    """Store events. One that the store does not take goes to quarantine: it must not stand before all that follow."""
    batch = Batch()
    for event in events:
        _add(batch, event)
    for record in refused:
        batch.add(ops.Quarantine, _quarantined(record))
    try:
        batch.commit(warehouse, holder)
    except (CrmPlatformError, OSError):
        raise
    except Exception:
        if not events:
            raise
        if len(events) > 1:
            _commit(warehouse, holder, [], refused)
            for event in events:
                _commit(warehouse, holder, [event])
            return
        (event,) = events
        _log.exception("an event cannot be stored, and is kept in quarantine")
        raw_text = json.dumps({"event_id": event.event_id})
        _commit(warehouse, holder, [], [RefusedEvent("the store does not take it", raw_text, event.received_at)])


def find_whose(warehouse: Warehouse, holder: Lease, *, at: datetime) -> int:
    """Look up again whose the events of an unknown number are; returns how many were found."""
    since = (at - _NOBODYS_FOR).astimezone(UTC).replace(tzinfo=None)
    with warehouse.reading() as session:
        found = session.query(_OF_NOBODY, [since]).to_pylist()
    batch = Batch()
    events = {row["event_id"]: row for row in found}  # of several contacts the one that was seen last
    for row in events.values():
        moments = {name: micros(row[name].replace(tzinfo=UTC)) for name in ("happened_at", "received_at")}
        del row["agent_key"], row["score"]  # they follow from the rest
        _add(batch, InboxEvent(**{**row, **moments, "source": row["source"] or "crm"}))
    batch.commit(warehouse, holder)
    if events:
        with warehouse.committing(holder) as commit:
            note_decided(commit, at=at)  # no row is newer, and figures are others
    return len(events)


def _chats_of(session: Session, numbers: Iterable[str | None]) -> dict[str, str]:
    """Whose chat each of these numbers is; of several contacts the one that was seen last."""
    digits = sorted(number.removeprefix("+") for number in numbers if number)
    if not digits:
        return {}
    spellings = [*digits, *(f"+{one}" for one in digits)]
    marks = ", ".join("?" * len(spellings))
    found = session.query(
        f"select ltrim(whatsapp_number, '+') as digits, chat_id from {raw.Contacts.full_name()}"
        f" where whatsapp_number in ({marks}) order by fetched_at, chat_id",
        spellings,
    )
    return {f"+{digits}": chat for digits, chat in zip(*(c.to_pylist() for c in found.columns), strict=True)}


def _add(batch: Batch, event: InboxEvent) -> None:
    """Add an event, and what it says was done to its chat."""
    happened_at, received_at = moment_of(event.happened_at), moment_of(event.received_at)
    batch.add(
        raw.Events,
        {
            "event_id": event.event_id,
            "event": event.event,
            "source": event.source,
            "chat_id": event.chat_id,
            "message_id": event.message_id,
            "agent": event.agent,
            "agent_key": staff_key(event.agent),
            "whatsapp_number": event.whatsapp_number,
            "happened_at": happened_at,
            "received_at": received_at,
            "score": _score(event.properties),
            "properties": event.properties,
        },
    )
    kind = _DONE_BY.get(event.event)
    is_told = kind == "done" or event.agent is not None  # to nobody in particular nothing is assigned
    if kind is None or event.chat_id is None or not is_told or happened_at > received_at + FUTURE_TOLERANCE:
        return
    batch.add(
        raw.OperatorEvents,
        {
            "event_id": f"event-{event.event_id}",
            "kind": kind,
            "chat_id": event.chat_id,
            "agent": event.agent,
            "agent_key": staff_key(event.agent),
            "at": happened_at,
            "source": "event",
            "note": None,
            "fetch_id": None,
            "known_at": received_at,
        },
    )


def _score(properties: str | None) -> int | None:
    """The whole number from 1 to 5 that an event's properties hold as its rating, or as its score."""
    told = json.loads(properties or "{}")
    found = (parse_int(told.get(name)) for name in ("rating", "score"))
    return next((score for score in found if score is not None and 1 <= score <= 5), None)


def _quarantined(refused: RefusedEvent) -> dict[str, object]:
    at = moment_of(refused.received_at)
    return {
        "record_key": hashlib.sha256(f"webhook\x00{refused.raw}".encode()).hexdigest(),
        "operation": "webhook",
        "target": None,
        "reason": refused.reason,
        "raw": refused.raw,
        "first_fetched_at": at,
        "fetched_at": at,
        "fetch_id": 0,  # it came unasked
    }


class Hint(NamedTuple):
    """A chat that an event named: when the newest message it told of was written, and when it came."""

    chat_id: str
    message_at: datetime
    received_at: datetime


class Named(NamedTuple):
    """Whom new events named: chats that the contact list has, and numbers that no chat of it has.

    `moments`: the minutes in which any of them was named, each once: as many visits as following them takes.
    """

    hints: list[Hint]
    strangers: list[Stranger]
    moments: list[datetime]


class EventReader:
    """The events of raw.events, each read once by a crawl."""

    def __init__(self, warehouse: Warehouse, *, since: datetime) -> None:
        self._warehouse = warehouse
        self._read_until = since - LOOK_BACK

    def pass_on(self, planner_store: PlannerStore, *, known: Container[str], at: datetime) -> Named:
        """Tell the planner of what came since the last look; returns a hint for each chat, with its newest message.

        `known`: the chats that the contact list names. Of another one nobody can be asked before its contact is found.
        """
        with self._warehouse.reading() as session:
            since = self._read_until.astimezone(UTC).replace(tzinfo=None)
            of_template = words(session.dialect).json_text("properties", "templateId")
            events = session.query(_NEW_EVENTS.format(of_template=of_template), [since]).to_pylist()
        hints: dict[str, Hint] = {}
        strangers: dict[str, Stranger] = {}
        minutes: set[tuple[str, datetime]] = set()
        for event in events:
            chat_id, number = event["chat_id"], event["whatsapp_number"]
            received_at = event["received_at"].replace(tzinfo=UTC)
            message_at = event["happened_at"].replace(tzinfo=UTC)
            self._read_until = max(self._read_until, received_at)
            if chat_id in known:
                planner_store.hinted(chat_id, message_at=message_at, at=at)
                newest = max(message_at, hints[chat_id].message_at) if chat_id in hints else message_at
                hints[chat_id] = Hint(chat_id, newest, received_at)
            elif number:
                newest = max(message_at, strangers[number].message_at) if number in strangers else message_at
                strangers[number] = Stranger(number, newest, received_at)
            else:
                continue
            minutes.add((chat_id or number, received_at.replace(second=0, microsecond=0)))
        return Named(list(hints.values()), list(strangers.values()), [minute for _, minute in minutes])
