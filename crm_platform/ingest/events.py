"""Events as hints: what a webhook named is worth fetching now.

What belongs here: reading the events that came since the last look, and telling the planner. What does not: receiving
them, and what else becomes of them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crm_platform.ingest.planner_store import PlannerStore
    from crm_platform.warehouse import Warehouse

LOOK_BACK = timedelta(hours=24)
"""How far back a crawl that begins looks for events; the planner knows which of them it has met or heard of."""

# An event names its chat, or only the contact's number.
_NEW_EVENTS = """
    select coalesce(events.chat_id, contacts.chat_id) as chat_id, events.happened_at, events.received_at
    from raw.events as events
    left join raw.contacts as contacts
        on events.chat_id is null and contacts.whatsapp_number = events.whatsapp_number
    where events.event in ('message.received', 'message.sent') and events.received_at > ?
    order by events.received_at, events.event_id
"""


class EventReader:
    """The events of raw.events, each read once by a crawl."""

    def __init__(self, warehouse: Warehouse, *, since: datetime) -> None:
        self._warehouse = warehouse
        self._read_until = since - LOOK_BACK

    def pass_on(self, planner_store: PlannerStore, *, at: datetime) -> int:
        """Tell the planner of what came since the last look; returns how many chats were named."""
        with self._warehouse.reading() as session:
            since = self._read_until.astimezone(UTC).replace(tzinfo=None)
            events = session.query(_NEW_EVENTS, [since]).to_pylist()
        for event in events:
            self._read_until = max(self._read_until, event["received_at"].replace(tzinfo=UTC))
            if event["chat_id"] is not None:
                planner_store.hinted(event["chat_id"], message_at=event["happened_at"].replace(tzinfo=UTC), at=at)
        return len({event["chat_id"] for event in events})
