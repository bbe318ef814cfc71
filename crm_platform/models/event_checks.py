"""Checks of webhook events against what the API shows: are messages fetched that events told of, do events still come?

What belongs here: the counts on both sides, and the checks on them. What does not: which event is of which message
(core/message_events.sql), how much waits to be taken in (ingest/inbox.py).

Both sides are counted by chat and direction, over the same days: ids may differ, and a chat's messages are as many. Of
what the CRM and WhatsApp both tell, the larger count is taken.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.models.checks import CheckResult, DataCheck, Figure, first_row, number, stored
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from crm_platform.warehouse import Session

WINDOW: Final = dt.timedelta(days=7)
"""What is compared: events and messages of these days."""

LATE: Final = dt.timedelta(hours=1)
"""An event may come so long after its message before it is called lost."""

UNEXPLAINED_AFTER: Final = dt.timedelta(days=1)
"""A message that an event told of should have been fetched by then."""

MOST_LOST: Final = 0.2  # share of the API's messages of contacts that no event told of
MOST_UNEXPLAINED: Final = 0.01  # share of events that no message explains


@dataclass(frozen=True, slots=True)
class Heard:
    """Messages of contacts on both sides. `newest_at`: when the newest event of any kind came, in UTC; None: never."""

    newest_at: dt.datetime | None
    messages: int = 0
    lost: int = 0

    @property
    def share_lost(self) -> float:
        """Share of the API's messages that no event told of."""
        return self.lost / self.messages if self.messages else 0.0


def heard(session: Session, *, now: dt.datetime) -> Heard:
    """How many of the last days' messages of contacts events told of, since the first event came."""
    since = first_row(
        session, f"select max(received_at) as newest, min(received_at) as first from {raw.Events.full_name()}"
    )
    newest, first = since["newest"], since["first"]
    if not isinstance(newest, dt.datetime) or not isinstance(first, dt.datetime):
        return Heard(None)
    begins = max(first, stored(now - WINDOW))
    row = first_row(
        session,
        f"""
        select
            sum(messages) as messages,
            sum(case when messages > events then messages - events else 0 end) as lost
        from (
            select chat_id, sum(messages) as messages, sum(events) as events
            from ({_both_sides("message.received", "inbound")})
            group by chat_id
        )
        """,
        (begins, stored(now - LATE)) * 2,
    )
    return Heard(newest.replace(tzinfo=dt.UTC), number(row["messages"]), number(row["lost"]))


def _both_sides(event: str, direction: str) -> str:
    """SELECT by chat the messages stored, and those that events told of; `?` twice the first and last instant."""
    return f"""
        select chat_id, count(*) as messages, 0 as events
        from {raw.Messages.full_name()}
        where direction = '{direction}' and not is_future_dated and timestamp >= ? and timestamp < ?
        group by chat_id
        union all
        select chat_id, 0, max(events)
        from (
            select chat_id, source, count(distinct coalesce(message_id, event_id)) as events
            from {raw.Events.full_name()}
            where event = '{event}' and chat_id is not null and happened_at >= ? and happened_at < ?
            group by chat_id, source
        )
        group by chat_id
    """


def events_come(session: Session, *, now: dt.datetime) -> CheckResult:
    """Say how old the newest event is, and how many messages of contacts no event told of."""
    found = heard(session, now=now)
    if found.newest_at is None:
        return CheckResult(passed=True, summary="no event has ever come: nothing to compare")
    age = (now - found.newest_at).total_seconds()
    figures: dict[str, Figure] = {"age_seconds": age, "messages": found.messages, "lost": found.lost}
    summary = f"the newest event came {age / 3600:.1f} h ago; of {found.messages} messages of contacts in the last"
    summary += f" {WINDOW.days} days no event told of {found.lost}"
    return CheckResult(found.share_lost <= MOST_LOST, summary, figures)


def events_are_explained(session: Session, *, now: dt.datetime) -> CheckResult:
    """Count the messages that an event told of more than a day ago and that no visit has brought."""
    both = " union all ".join(
        f"select '{direction}' as direction, * from ({_both_sides(event, direction)}) as one"
        for event, direction in (("message.received", "inbound"), ("message.sent", "outbound"))
    )
    row = first_row(
        session,
        f"""
        select
            sum(events) as events,
            sum(case when events > messages then events - messages else 0 end) as unexplained,
            count(*) filter (where events > messages) as chats
        from (
            select chat_id, direction, sum(messages) as messages, sum(events) as events
            from ({both})
            group by chat_id, direction
        )
        """,
        (stored(now - WINDOW), stored(now - UNEXPLAINED_AFTER)) * 4,
    )
    events, unexplained, chats = number(row["events"]), number(row["unexplained"]), number(row["chats"])
    return CheckResult(
        unexplained <= MOST_UNEXPLAINED * events,
        f"{unexplained} of {events} messages that events told of, in {chats} chats, are not fetched a day later",
        {"events": events, "unexplained": unexplained, "chats": chats},
    )


EVENT_CHECKS: Final = (
    DataCheck(
        raw.Messages,
        "events_come",
        "Events tell of most messages that the API shows.",
        lambda session, _settings, now: events_come(session, now=now),
        also=(raw.Events,),
    ),
    DataCheck(
        raw.Messages,
        "events_explained",
        "What events told of more than a day ago has been fetched.",
        lambda session, _settings, now: events_are_explained(session, now=now),
        also=(raw.Events,),
    ),
)
"""Asked of the live warehouse, after ingest."""
