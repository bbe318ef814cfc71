"""The same message in two chats, as after contacts were merged: where it is kept, so that it counts once.

What belongs here: which chats hold one person's messages, which copy is kept, and when that is decided. What does not:
what a copy counts for (core/), which copies a cut knew (models/frozen.py), merging the rows of one chat.

Ids alone prove nothing: a CRM may number the messages of each chat from 1. So two chats are linked only when they share
LINKING inbound messages: same id, instant and direction. Chats that are linked, directly or over others, are one
family: whatever two of them share is the same message. It is kept in the chat that is there, then in the one whose
first copy was stored later, then in the one whose id comes first by its bytes. A chat keeps all that it shares with
those behind it, so that no conversation is torn in two.

What is looked at: the messages that came or changed since the last decision, and all that are known to stand in two
chats. Nothing else can change a decision. The request ids of the rows themselves say what came since, so a run that
was killed is made good by the next one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from crm_platform.ingest.clocks import CLOCK_SLACK
from crm_platform.ingest.meta import DECIDED_UNTIL, note, note_decided, noted
from crm_platform.schemas import raw
from crm_platform.warehouse import ask
from crm_platform.warehouse.digests import is_in_part_sql

if TYPE_CHECKING:
    from datetime import datetime

    from crm_platform.warehouse import Commit, Lease, Session, Warehouse

LINKING: Final = 2
"""Inbound messages that two chats must share."""

MOST_COPIES: Final = 50
"""Chats that a message may stand in: one that stands in more was never merged, but invented for each of them."""

# A clock may go back a little between two runs, and its request ids with it: so much is looked at again.
_LOOK_BACK: Final = CLOCK_SLACK // timedelta(microseconds=1) * 1024

_NEWEST: Final = f"""
    select greatest(
        (select coalesce(max(fetch_id), 0) from {raw.Messages.full_name()}),
        (select coalesce(max(sweep_id), 0) from {raw.ContactSweeps.full_name()})
    ) as newest
"""

_NEWS: Final = "select message_id from raw.messages where (fetch_id > ? or duplicate_of is not null)"

_AT_ONCE: Final = 500_000
"""Messages whose copies are looked for at once: of all of a large warehouse memory does not hold the ids."""

_SUSPECTS: Final = f"""
    select message_id, timestamp, direction
    from raw.messages
    semi join ({_NEWS} and {{is_in_part}}) as news using (message_id)
    group by message_id, timestamp, direction
    having count(*) between 2 and {MOST_COPIES}
"""
"""What stands in several chats. `?`: the newest request that was decided on; `is_in_part`: which ids are looked at."""

_SHARED: Final = f"""
    with
    chats as (
        select distinct chat_id from raw.messages semi join suspects using (message_id, timestamp, direction)
    ),
    held as (
        select chat_id, message_id, timestamp, direction, first_fetched_at, duplicate_of
        from raw.messages
        semi join chats using (chat_id)
    ),
    repeated as (
        select message_id, timestamp, direction
        from held
        group by message_id, timestamp, direction
        having count(*) between 2 and {MOST_COPIES}
    )
    select chat_id, message_id, timestamp, direction, first_fetched_at, duplicate_of
    from held semi join repeated using (message_id, timestamp, direction)
"""
"""Of the chats that hold one of the `suspects`, what stands in several of them."""

_WRONG: Final = f"""
    with recursive
    links as (
        select one.chat_id as chat_id, other.chat_id as other
        from shared as one
        join shared as other
            on other.message_id = one.message_id and other.timestamp = one.timestamp and other.chat_id <> one.chat_id
        where one.direction = 'inbound' and other.direction = 'inbound'
        group by one.chat_id, other.chat_id
        having count(*) >= {LINKING}
    ),
    reached(chat_id, other) as (
        select chat_id, other from links
        union
        select reached.chat_id, links.other from reached join links on links.chat_id = reached.other
    ),
    families as (select chat_id, min(other) as family from reached group by chat_id),
    copies as (
        select shared.*, families.family
        from shared
        join families on families.chat_id = shared.chat_id
        qualify count(*) over (partition by family, message_id, timestamp, direction) > 1
    ),
    ranked as (
        select
            copies.chat_id,
            row_number() over (
                order by present.chat_id is null, min(copies.first_fetched_at) desc, copies.chat_id
            ) as place
        from copies
        left join present on present.chat_id = copies.chat_id
        group by copies.chat_id, present.chat_id
    ),
    kept as (
        select
            copies.chat_id,
            copies.message_id,
            copies.duplicate_of,
            first_value(copies.chat_id) over (
                partition by copies.family, copies.message_id, copies.timestamp, copies.direction
                order by ranked.place
            ) as kept_in
        from copies
        join ranked on ranked.chat_id = copies.chat_id
    )
    select chat_id, message_id, nullif(kept_in, chat_id) as duplicate_of
    from kept
    where duplicate_of is distinct from nullif(kept_in, chat_id)
    union all
    select chat_id, message_id, null as duplicate_of
    from noted
    anti join kept using (chat_id, message_id)
"""
"""Copies that are noted otherwise than they should be, of `shared`, who is `present`, and what is `noted`.

It is asked of these rows alone, in memory: not every store can follow who is linked over others.
"""


def decide_duplicates(warehouse: Warehouse, holder: Lease, *, at: datetime) -> int:
    """Decide where messages that stand in several chats are kept, if anything came or was reopened since it was done.

    Returns how many copies are kept elsewhere than before.
    """
    with warehouse.reading() as session:
        if noted(session, DECIDED_UNTIL) == str(_newest(session)):
            return 0
    with warehouse.committing(holder) as commit:
        decided_until, newest = int(noted(commit, DECIDED_UNTIL) or 0), _newest(commit)
        changed = _wrong(commit, suspects=_suspects(commit, since=decided_until - _LOOK_BACK))
        if changed.num_rows:
            commit.touch(raw.Messages, changed)
            note_decided(commit, at=at)
        note(commit, DECIDED_UNTIL, str(newest), at=at)
        return int(changed.num_rows)


def reopen_decision(commit: Commit, *, at: datetime) -> None:
    """Note that something else was committed that a decision goes by: the next one is not passed over."""
    decided_until = noted(commit, DECIDED_UNTIL)
    if decided_until is not None:
        note(commit, DECIDED_UNTIL, str(int(decided_until) - 1), at=at)


def _suspects(session: Session, *, since: int) -> pa.Table:
    """Find what came since a request, or is known, and stands in several chats."""
    news = int(session.query(f"select count(*) as n from ({_NEWS})", [since])["n"][0].as_py())
    parts = 1 + news // _AT_ONCE
    return pa.concat_tables(
        session.query(
            _SUSPECTS.format(is_in_part=is_in_part_sql("message_id", part, of=parts, dialect=session.dialect)), [since]
        )
        for part in range(parts)
    )


def _wrong(session: Session, *, suspects: pa.Table) -> pa.Table:
    """Find the copies whose chat is noted otherwise than it should be."""
    shared = session.query(_SHARED, tables={"suspects": suspects})
    chats = shared.select(["chat_id"])
    present = f"select chat_id from ({raw.CONTACTS_PRESENT}) as present where chat_id in (select chat_id from sharing)"
    return ask(
        _WRONG,
        {
            "shared": shared,
            "present": session.query(present, tables={"sharing": chats}),
            "noted": session.query("select chat_id, message_id from raw.messages where duplicate_of is not null"),
        },
    )


def _newest(session: Session) -> int:
    return int(session.query(_NEWEST)["newest"][0].as_py())
