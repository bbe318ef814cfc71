"""Small worlds written by hand: settings, instants, messages from lines, and what to hold a table against.

What belongs here: what the tests of the oracle write their examples with. What does not: an example.

All times in the text are Nairobi's (UTC+3); the cut is Wednesday 2026-03-04 at noon.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from crm_platform.settings import Settings
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.facts import Facts, Message

SETTINGS = Settings(
    timezone="Africa/Nairobi",
    conversation_gap_hours=24,
    business_hours="Mon-Fri 08:00-17:00",
    holidays=(),
    first_response_target_minutes=15,
    segment_fields=("Segment", "VIP"),
    automation_senders=(),
)
NAIROBI = SETTINGS.zone
TICK = dt.timedelta.resolution


def at(text: str) -> dt.datetime:
    """An instant of 2026 by Nairobi's clock: "03-02 09:00"."""
    return dt.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=NAIROBI).astimezone(dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2026-{text}")


AS_OF = at("03-04 12:00")
WHAT = {
    "in": {"direction": "inbound", "status": "received"},
    "out": {"direction": "outbound", "status": "read"},
    "template": {"direction": "outbound", "type": "template", "status": "delivered"},
    "failed": {"direction": "outbound", "status": "failed"},
    "failed-template": {"direction": "outbound", "type": "template", "status": "failed"},
    "stop": {"direction": "inbound", "status": "received", "is_opt_out": True},
    "reaction": {"direction": "inbound", "type": "Reaction", "status": "received"},
    "call": {"direction": "outbound", "type": "call", "status": "read"},
}


def talk(chat_id: str, *lines: str) -> Iterator[Message]:
    """Messages from lines like "03-02 09:00 out agent-1"; ids a1, a2, … by chat."""
    for number, line in enumerate(lines, start=1):
        date, clock, what, *sender = line.split()
        yield Message(
            chat_id=chat_id,
            message_id=f"{chat_id}{number}",
            timestamp=at(f"{date} {clock}"),
            first_fetched_at=AS_OF,
            sender=sender[0] if sender else None,
            **WHAT[what],
        )


def check(facts: Facts, table: str, *expected: dict[str, object]) -> None:
    """The table holds exactly these rows, and these columns in exactly this set."""
    rows = compute(facts)[table]
    assert differences(expected, rows, KEYS[table]) == []
    assert all(set(row) == set(expected[0]) for row in rows)


def some(facts: Facts, table: str, **cells: object) -> dict[str, object]:
    """The one row of the table with these cells."""
    (row,) = [row for row in compute(facts)[table] if cells.items() <= row.items()]
    return row


def rows_of(columns: str, *rows: tuple[object, ...]) -> list[dict[str, object]]:
    return [dict(zip(columns.split(), row, strict=True)) for row in rows]
