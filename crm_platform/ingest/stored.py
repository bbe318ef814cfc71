"""What is stored already of campaigns and chats: what a crawl is held against.

What belongs here: those questions to the warehouse, and their rows as the crawl's own types. What does not: who is on
the contact list (presence.py), what a crawl makes of the answers (list_steps.py, chat_steps.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crm_platform.ingest.batch import aware
from crm_platform.ingest.chat_state import PAGE_SIZE, ChatState
from crm_platform.ingest.visits import KnownMessages

if TYPE_CHECKING:
    from datetime import datetime

    from crm_platform.warehouse import Session

KNOWN_MESSAGES = 2 * 100
"""Newest stored messages a chat that a visit is held against: two pages' worth."""


def campaign_statuses(session: Session) -> dict[str, str | None]:
    """Give each campaign's last status."""
    known = session.query(
        "select campaign_id, status from (select campaign_id, status, row_number() over (partition by "
        "campaign_id order by observed_at desc) as newest from raw.campaign_statuses) as statuses "
        "where newest = 1"
    )
    return dict(zip(known["campaign_id"].to_pylist(), known["status"].to_pylist(), strict=True))


def last_reports(session: Session) -> dict[str, tuple[str, datetime]]:
    """Give the newest snapshot of each campaign's report: content hash, and when it was first fetched."""
    snapshots = session.query(
        "select campaign_id, content_hash, first_fetched_at from (select *, row_number() over (partition by "
        "campaign_id order by first_fetched_at desc) as newest from raw.campaign_reports) as reports "
        "where newest = 1"
    ).to_pylist()
    return {row["campaign_id"]: (row["content_hash"], row["first_fetched_at"]) for row in snapshots}


def chat_states(session: Session) -> dict[str, ChatState]:
    """Give the crawl state of every chat that has one."""
    return {row["chat_id"]: _state_of(row) for row in session.query("select * from ops.crawl_state").to_pylist()}


def _state_of(row: dict[str, Any]) -> ChatState:
    """A chat's state from its row, which may have been written before some of its columns existed."""
    values = {name: value for name, value in aware(row).items() if value is not None}
    if "pages_from_oldest" not in values:
        values["pages_from_oldest"] = values["read_from_oldest"] // PAGE_SIZE
        values["read_from_oldest"] = values["pages_from_oldest"] * PAGE_SIZE
    return ChatState(**values)


def newest_ends(session: Session, chat_ids: list[str]) -> dict[str, KnownMessages]:
    """Give what is stored of these chats' newest ends."""
    marks = ", ".join("?" * len(chat_ids))
    stored = session.query(
        f"select chat_id, message_id from (select chat_id, message_id, row_number() over "
        f"(partition by chat_id order by timestamp desc, message_id desc) as newest from raw.messages "
        f"where chat_id in ({marks})) as messages where newest <= {KNOWN_MESSAGES}",
        chat_ids,
    )
    rejected = session.query(
        f"select target, record_key from ops.quarantine where operation = 'list_messages' and target in ({marks})",
        chat_ids,
    )
    ids: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}
    for into, table in ((ids, stored), (keys, rejected)):
        for chat_id, key in zip(*(column.to_pylist() for column in table.columns), strict=True):
            into.setdefault(chat_id, set()).add(key)
    return {
        chat_id: KnownMessages(frozenset(ids.get(chat_id, ())), frozenset(keys.get(chat_id, ())))
        for chat_id in chat_ids
    }


def records_held(session: Session, chat_ids: list[str]) -> dict[str, int]:
    """Count the records of these chats that are stored or in quarantine."""
    marks = ", ".join("?" * len(chat_ids))
    counts = session.query(
        f"""
        select chat_id, count(*) as records from raw.messages where chat_id in ({marks}) group by chat_id
        union all
        select target as chat_id, count(*) as records from ops.quarantine
        where operation = 'list_messages' and target in ({marks}) group by target
        """,
        [*chat_ids, *chat_ids],
    )
    held: dict[str, int] = {}
    for chat_id, records in zip(*(column.to_pylist() for column in counts.columns), strict=True):
        held[chat_id] = held.get(chat_id, 0) + records
    return held
