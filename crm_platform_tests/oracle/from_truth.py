"""Facts of the sandbox's truth: what a crawl that stopped at given instants must hold.

What belongs here: reading the NDJSON lines of the truth. What does not: fetching them, and any rule about figures.

A line is a record in the contract's field names with its `kind`: contact, message (with `chat_id`), campaign, report,
operator_event (`chat_id`, `event` assigned, done or contact_deleted, `at`, `agent`); custom_field and broken say
nothing that a figure needs. Other kinds are an error, so that a new one is not overlooked.
"""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from crm_platform.settings import Settings
from crm_platform_tests.oracle.facts import (
    Campaign,
    Chat,
    Contact,
    Facts,
    Message,
    OperatorEvent,
    Report,
    Sweep,
)

Record = Mapping[str, object]
OPT_OUT_WORDS = (
    *("stop", "stopp", "unsubscribe", "cancel", "end", "quit", "opt out", "remove me"),
    *("acha", "sitaki", "ondoa", "nitoe", "usinitumie", "jiondoe"),
)
SENDER_FIELDS = ("sender", "operator_email", "agentId", "agent_id")
WITHOUT_FIGURES = frozenset({"custom_field", "broken"})


def facts_from_truth(
    lines: Iterable[str | Record],
    *,
    as_of: dt.datetime,
    settings: Settings,
    known_until: Mapping[str, dt.datetime],
    sweeps: Sequence[Sweep] | None = None,
    first_seen_at: Mapping[str, dt.datetime] | None = None,
    agent_aliases: Mapping[str, str] | None = None,
) -> Facts:
    """What a crawl holds at `as_of` that last read each chat's newest page at `known_until`, its history whole.

    `lines`: NDJSON texts or records already read. A message dated after its chat's `known_until`, and all of a chat
    that has none, were not seen. `sweeps`: by default a single complete one at the cut that met every contact.
    `first_seen_at`: when a contact or campaign was first seen, by its key; by default at the start of the first sweep.
    Raises ValueError on a kind of record that is not known.
    """
    by_kind: defaultdict[str, list[Record]] = defaultdict(list)
    for line in lines:
        record = json.loads(line) if isinstance(line, str) else line
        by_kind[str(record["kind"])].append(record)
    unknown = set(by_kind) - {"contact", "message", "campaign", "report", "operator_event"} - WITHOUT_FIGURES
    if unknown:
        raise ValueError(f"the truth holds unknown kinds of records: {sorted(unknown)}")

    everybody = frozenset(_text(one, "chat_id") for one in by_kind["contact"])
    ended = (Sweep(as_of, as_of, everybody),) if sweeps is None else tuple(sweeps)
    looked_at = min((sweep.started_at for sweep in ended), default=as_of)
    seen = first_seen_at or {}
    return Facts(
        as_of=as_of,
        settings=settings,
        contacts=tuple(
            Contact(
                chat_id=_text(one, "chat_id"),
                first_seen_at=seen.get(_text(one, "chat_id"), looked_at),
                created_at=_instant(one, "created_at"),
                whatsapp_number=_optional_text(one, "whatsapp_number"),
                custom_fields=_texts(one.get("custom_fields")),
            )
            for one in by_kind["contact"]
        ),
        sweeps=ended,
        messages=tuple(_messages(by_kind["message"], known_until, settings)),
        chats=tuple(Chat(chat_id, known_until.get(chat_id)) for chat_id in sorted({*everybody, *known_until})),
        campaigns=tuple(
            Campaign(
                campaign_id=_text(one, "campaign_id"),
                first_seen_at=seen.get(_text(one, "campaign_id"), looked_at),
                first_status=_text(one, "status"),
                name=_optional_text(one, "name"),
                created_at=_instant(one, "created_at"),
                scheduled_at=_instant(one, "scheduled_at"),
                total_recipients=_count(one, "total_recipients"),
            )
            for one in by_kind["campaign"]
        ),
        reports=tuple(_report(one, seen_at=looked_at) for one in by_kind["report"]),
        operator_events=tuple(
            OperatorEvent(_text(one, "chat_id"), _text(one, "event"), _known_instant(one, "at"), _agent(one))
            for one in by_kind["operator_event"]
        ),
        agent_aliases=agent_aliases or {},
    )


def _messages(
    records: Iterable[Record], known_until: Mapping[str, dt.datetime], settings: Settings
) -> Iterable[Message]:
    opt_out_words = {_words(one) for one in getattr(settings, "opt_out_words", OPT_OUT_WORDS)}
    for one in records:
        chat_id, timestamp = _text(one, "chat_id"), _known_instant(one, "timestamp")
        seen_at = known_until.get(chat_id)
        if seen_at is not None and timestamp <= seen_at:
            yield Message(
                chat_id=chat_id,
                message_id=_text(one, "message_id"),
                direction=_text(one, "direction"),
                timestamp=timestamp,
                first_fetched_at=seen_at,
                type=_optional_text(one, "type"),
                status=_optional_text(one, "status"),
                sender=next(filter(None, (_optional_text(one, name) for name in SENDER_FIELDS)), None),
                is_opt_out=_text(one, "direction") == "inbound" and _words(one.get("content")) in opt_out_words,
            )


def _words(text: object) -> str | None:
    """A text trimmed, case-folded and without the punctuation in it; None for what is no text."""
    if not isinstance(text, str):
        return None
    return "".join(one for one in text.casefold() if not unicodedata.category(one).startswith("P")).strip()


def _report(one: Record, *, seen_at: dt.datetime) -> Report:
    metrics = one.get("metrics")
    numbers: Record = metrics if isinstance(metrics, Mapping) else one
    return Report(
        campaign_id=_text(one, "campaign_id"),
        first_seen_at=seen_at,
        total_recipients=_count(numbers, "total_recipients"),
        delivered=_count(numbers, "delivered"),
        read=_count(numbers, "read"),
        replied=_count(numbers, "replied"),
        failed=_count(numbers, "failed"),
        delivery_rate=_optional_text(one, "delivery_rate"),
        read_rate=_optional_text(one, "read_rate"),
        reply_rate=_optional_text(one, "reply_rate"),
    )


def _agent(one: Record) -> str | None:
    return next(filter(None, (_optional_text(one, name) for name in ("agent", *SENDER_FIELDS))), None)


def _text(record: Record, name: str) -> str:
    return str(record[name])


def _optional_text(record: Record, name: str) -> str | None:
    """The text; empty text counts as absent."""
    value = record.get(name)
    return None if value is None or value == "" else str(value)


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): str(text) for name, text in value.items() if text is not None and text != ""}


def _count(record: Record, name: str) -> int | None:
    value = record.get(name)
    return None if value is None else int(str(value))


def _known_instant(record: Record, name: str) -> dt.datetime:
    return dt.datetime.fromisoformat(_text(record, name)).astimezone(dt.UTC)


def _instant(record: Record, name: str) -> dt.datetime | None:
    return None if record.get(name) is None else _known_instant(record, name)
