"""What an event says: every spelling that senders use, read into one kind of record.

What belongs here: names of fields, one event or many, the CRM's own form and its collectors' envelope, WhatsApp's
Cloud API. What does not: who may send (signatures.py), single values (api/scalars.py, api/instants.py).

A message's text is never kept: a message's row comes from the API alone. What cannot be an event is refused with its
reason, and what is named otherwise than known is kept under its name.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from crm_platform.api.instants import Believable, micros, parse_timestamp
from crm_platform.api.scalars import parse_id, parse_number
from crm_platform.ingest.inbox import InboxEvent, RefusedEvent

KNOWN: Final = frozenset(
    {
        "message.received",
        "message.sent",
        "message.delivered",
        "message.read",
        "message.failed",
        "chat.assigned",
        "chat.resolved",
        "contact.created",
        "agent.handoff",
        "csat.submitted",
    }
)
"""Events that something becomes of. Others are kept."""

MOST_EVENTS: Final = 10_000
"""Events in one request."""

_LONGEST_NAME: Final = 100  # characters of an event's name
_LONGEST_KEPT: Final = 16_384  # characters of what an event says besides, and of a record that is refused

# Where each thing may stand: in the event's properties, else at its top; the first that holds something counts.
_NAME: Final = ("event", "event_name", "eventName", "name")
_OWN_ID: Final = ("event_id", "eventId")
_MOMENT: Final = ("timestamp", "occurred_at", "occurredAt", "time")
_NUMBER: Final = ("userId", "user_id", "whatsapp_number", "whatsappNumber", "phone")
_CHAT: Final = ("chatId", "chat_id")
_MESSAGE: Final = ("messageId", "message_id")
_AGENT: Final = ("operator_email", "operatorEmail", "agentEmail", "agent_email", "agentId", "agent_id", "operator_id")
_TEXTS: Final = frozenset({"content", "text", "body", "caption", "message"})  # of a message, and so of no event
_WHATSAPP_STATUS: Final = {
    "sent": "message.sent",
    "delivered": "message.delivered",
    "read": "message.read",
    "failed": "message.failed",
}


@dataclass(slots=True)
class Read:
    """What one request holds: events, and records that are none, with their places in it from 0."""

    events: list[InboxEvent] = field(default_factory=list)
    refused: list[tuple[int, RefusedEvent]] = field(default_factory=list)


Understand = Callable[[Mapping[str, object], dt.datetime], InboxEvent]


class _NoEventError(ValueError):
    """Why a record is no event."""


def read_crm(payload: object, *, at: dt.datetime, keep_text: bool = True) -> Read:
    """Read what the CRM sends: one event, a list, or an envelope with a `batch`. `at`: aware, when it came.

    `keep_text`: whether what people wrote beside a score is kept. Raises ValueError when it is none of the three, or
    holds more than `MOST_EVENTS`.
    """
    payload = _storable(payload)
    if isinstance(payload, Mapping):
        records = payload["batch"] if isinstance(payload.get("batch"), list) else [payload]
    elif isinstance(payload, list):
        records = payload
    else:
        raise ValueError("send one event as an object, a list of them, or an object with a batch")  # noqa: TRY004
    return _read(records, functools.partial(_crm_event, keep_text=keep_text), at=at)


def read_whatsapp(payload: object, *, at: dt.datetime) -> Read:
    """Read what WhatsApp's Cloud API sends: messages and statuses. Raises ValueError when it is no such thing."""
    payload = _storable(payload)
    entries = payload.get("entry") if isinstance(payload, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("send what WhatsApp's Cloud API sends: an object with a list of entries")  # noqa: TRY004
    return _read(list(_whatsapp_records(entries)), _whatsapp_event, at=at)


def _storable(value: object) -> object:
    """A payload whose texts and numbers every store holds: half a letter becomes a sign for it, NUL is left out."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(_storable(name)): _storable(held) for name, held in value.items()}
    return [_storable(held) for held in value] if isinstance(value, list) else value


def _read(records: list[object], understand: Understand, *, at: dt.datetime) -> Read:
    if len(records) > MOST_EVENTS:
        raise ValueError(f"send at most {MOST_EVENTS:,} events at once")
    found, received_at = Read(), micros(at)
    for place, record in enumerate(records):
        try:
            found.events.append(understand(_object(record), at))
        except _NoEventError as problem:
            found.refused.append((place, RefusedEvent(str(problem), _raw(record), received_at)))
    return found


def _object(record: object) -> Mapping[str, object]:
    if not isinstance(record, Mapping):
        raise _NoEventError("it is no object")
    return record


def _raw(record: object) -> str:
    """A refused record as it is kept: as JSON, without what people wrote, and not for ever."""
    text = json.dumps(_without_texts(record), ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONGEST_KEPT else json.dumps(text[:_LONGEST_KEPT], ensure_ascii=False)


def _without_texts(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: "…" if name in _TEXTS else _without_texts(held) for name, held in value.items()}
    return [_without_texts(held) for held in value] if isinstance(value, list) else value


def _crm_event(record: Mapping[str, object], at: dt.datetime, *, keep_text: bool) -> InboxEvent:
    told = record.get("properties")
    properties = dict(told) if isinstance(told, Mapping) else {}
    places = (properties, record)
    event = _name(_first(_NAME, record))
    moment = _first(_MOMENT, record, properties)
    own_id = parse_id(_first(_OWN_ID, record))
    number_told = _first(_NUMBER, record, properties)
    agents = [found for name in _AGENT if (found := parse_id(_first((name,), *places)))]
    dropped = {*_TEXTS, *_CHAT, *_MESSAGE, *(() if keep_text else ("feedback",))}
    context = record.get("context")
    channel = context.get("channel") if isinstance(context, Mapping) else None
    kept = {name: value for name, value in properties.items() if name not in dropped}
    if agents[1:]:
        kept["agents"] = agents  # identifiers that stood together are one person's
    if channel is not None and channel != "whatsapp":
        kept["channel"] = channel
    identity = ("id", event, own_id) if own_id else (event, number_told, moment, properties)
    return InboxEvent(
        event_id=_digest("crm", identity),
        event=event,
        source="crm",
        chat_id=parse_id(_first(_CHAT, *places)),
        message_id=parse_id(_first(_MESSAGE, *places)),
        agent=agents[0] if agents else None,
        whatsapp_number=_number(number_told),
        happened_at=_moment(moment, at),
        received_at=micros(at),
        properties=_json(kept),
    )


def _whatsapp_records(entries: list[object]) -> Iterator[object]:
    """Each message, echo and status of a notification, with the name of the list it stands in."""
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, Mapping) else None
        for change in changes if isinstance(changes, list) else ():
            value = change.get("value") if isinstance(change, Mapping) else None
            if not isinstance(value, Mapping):
                yield change
                continue
            for name in ("messages", "message_echoes", "smb_message_echoes", "statuses"):
                found = value.get(name)
                for record in found if isinstance(found, list) else ():
                    yield {**record, "": name} if isinstance(record, Mapping) else record


def _whatsapp_event(record: Mapping[str, object], at: dt.datetime) -> InboxEvent:
    kind = record.get("")
    if kind == "statuses":
        status = record.get("status")
        event = _WHATSAPP_STATUS.get(status) if isinstance(status, str) else None
        if event is None:
            raise _NoEventError("its status is none of sent, delivered, read and failed")
        number, kept = record.get("recipient_id"), {}
    elif kind == "messages":
        event, number, kept = "message.received", record.get("from"), {"contentType": record.get("type")}
    elif kind in {"message_echoes", "smb_message_echoes"}:
        event, number, kept = "message.sent", record.get("to"), {"contentType": record.get("type")}
    else:
        raise _NoEventError("it is neither a message nor a status")
    message_id = parse_id(record.get("id"))
    if message_id is None:
        raise _NoEventError("it has no id")
    return InboxEvent(
        event_id=_digest("whatsapp", (event, message_id)),
        event=event,
        source="whatsapp",
        chat_id=None,
        message_id=message_id,
        agent=None,
        whatsapp_number=_number(number),
        happened_at=_moment(record.get("timestamp"), at),
        received_at=micros(at),
        properties=_json({name: value for name, value in kept.items() if value is not None}),
    )


def _first(names: tuple[str, ...], *places: Mapping[str, object]) -> object:
    """What stands first under one of these names."""
    return next((place[name] for place in places for name in names if place.get(name) is not None), None)


def _name(value: object) -> str:
    """An event's name; `csat_submitted` is `csat.submitted`."""
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME or not value.isprintable():
        raise _NoEventError("it names no event")
    name = value.strip().lower()
    dotted = name.replace("_", ".", 1)
    return dotted if dotted in KNOWN else name


def _moment(value: object, at: dt.datetime) -> int:
    read = parse_timestamp(value)
    if read is None:
        raise _NoEventError("it does not say when it happened")
    believed = Believable.at(at)
    if not believed.since <= read[0] < believed.until:
        raise _NoEventError("it says to have happened at a time that nobody believes")
    return micros(read[0])


def _number(value: object) -> str | None:
    """A contact's number, `+254…` also where it came as bare digits."""
    digits = (parse_number(value) or "").removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 else None


def _json(value: Mapping[str, object]) -> str | None:
    if not value:
        return None
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONGEST_KEPT else None


def _digest(source: str, identity: object) -> str:
    told = json.dumps([source, identity], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
