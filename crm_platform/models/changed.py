"""Which chats a build looks at: those that the journal names since the last build, and those that time has changed.

What belongs here: this, as SQL over the live warehouse. What does not: whether a chat that is looked at is another
(incremental.py), writing the journal (warehouse/journal.py).

All chats are looked at where the journal cannot tell: after a build that nobody noted where it stood in, or that stood
on another history (a backup was restored), at a cut that goes back, where what rows count for is decided anew for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crm_platform.schemas import ops, raw
from crm_platform.warehouse.journal import ANY

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from crm_platform.warehouse import BuildSession, Session

LOOKED_AT: Final = "looked_at"
"""Temporary table: the chats to look at."""

OTHERS: Final = "touched_others"
"""Temporary table: the chats of which rows may be others that are no messages or events."""

_JOURNAL: Final = f"live.{ops.Changes.full_name()}"
_OF_ROWS: Final = "is_other is distinct from true"


@dataclass(frozen=True, slots=True)
class Since:
    """What a build knows of the one before. `last`: its row of ops.builds; `number`: of the build that begins.

    `is_same`: nothing but rows decides a chat's figures otherwise than then. `newest`: the journal's newest commit.
    `is_told`: the journal tells which chats have other messages or events; `is_told_of_others`: and which have other
    rows besides.
    """

    last: Mapping[str, Any] | None
    number: int
    is_same: bool
    newest: str | None
    is_told: bool
    is_told_of_others: bool


def look_back(session: BuildSession, *, basis: str, meaning: str, cut: dt.datetime) -> Since:
    """Ask what has changed since the build before; where the journal tells, it fills the temporary tables."""
    builds = session.query(f"select * from {ops.Builds.full_name()}").to_pylist()
    last = builds[0] if builds else None
    is_same = last is not None and last["basis"] == basis
    newest = _newest_change(session)
    is_told = last is not None and is_same and _look_at(session, last=last, newest=newest, cut=cut, meaning=meaning)
    number = 1 + max((row["number"] or 0 for row in builds), default=0)
    is_told_of_others = is_told and last is not None and _find_others(session, last=last)
    return Since(last, number, is_same, newest, is_told, is_told_of_others)


def _newest_change(session: Session) -> str | None:
    """The newest commit that the live warehouse's journal holds; None: it has none."""
    known = session.query(
        "select 1 as one from information_schema.columns"
        f" where table_catalog = 'live' and table_schema = '{ops.Changes.schema}'"
        f" and table_name = '{ops.Changes.table}' and column_name = 'is_other'"
    )
    if not known.num_rows:
        return None
    newest = session.query(f'select number, "commit" from {_JOURNAL} order by number desc limit 1').to_pylist()
    return _named(**newest[0]) if newest else None


def _look_at(
    session: BuildSession, *, last: Mapping[str, Any], newest: str | None, cut: dt.datetime, meaning: str
) -> bool:
    """Fill the temporary table of the chats to look at; False: it must be all of them.

    `last`: the row of ops.builds of the build before; `newest`, `meaning`: the newest change and the meaning as this
    build notes them.
    """
    seen, before = last.get("newest_change"), last["as_of"]
    if seen is None or newest is None or last.get("meaning") != meaning or cut.replace(tzinfo=None) < before:
        return False
    number = int(seen.partition(" ")[0])
    found = session.query(
        f"""
        select
            (select any_value("commit") from {_JOURNAL} where number = {number}) as then_seen,
            (select count(*) from {_JOURNAL} where number > {number} and chat_id = '{ANY}' and {_OF_ROWS}) as of_any
        """
    ).to_pylist()[0]
    if found["then_seen"] is None or _named(number, found["then_seen"]) != seen or found["of_any"]:
        return False
    session.execute(
        f"""
        create or replace temp table {LOOKED_AT} as
        with recursive kept as (
            -- A message in two chats: which of them keeps it is told by the copies that are known.
            select chat_id, duplicate_of from live.raw.messages where duplicate_of is not null
            union select chat_id, duplicate_of from raw.messages where duplicate_of is not null
        ),
        beside as (
            select chat_id as chat, duplicate_of as other from kept
            union select duplicate_of, chat_id from kept
        ),
        named as (
            select chat_id from {_JOURNAL} where number > {number} and {_OF_ROWS}
            union select chat_id from live.raw.messages where {_later("first_fetched_at", before)}
            -- What an older version of this program commits, it does not note.
            union select chat_id from live.raw.messages where {_later("fetched_at", before)}
            union select chat_id from live.raw.messages where {_later("timestamp", before)}
            union select chat_id from live.raw.operator_events where {_later("at", before)}
            union select chat_id from live.raw.operator_events where {_later("known_at", before)}
            union select chat_id from live.raw.events where {_later(raw.Events.seen_at, before)}
        ),
        reached as (
            select chat_id from named
            union select beside.other from reached join beside on beside.chat = reached.chat_id
        )
        select distinct chat_id from reached where chat_id is not null
        """
    )
    return True


def _find_others(session: BuildSession, *, last: Mapping[str, Any]) -> bool:
    """Fill the temporary table of the chats of which other rows may have changed; False: it must be all of them."""
    number, before = int(last["newest_change"].partition(" ")[0]), last["as_of"]
    session.execute(
        f"""
        create or replace temp table {OTHERS} as
        select chat_id from {_JOURNAL} where number > {number}
        union select chat_id from live.raw.messages where {_later("first_fetched_at", before)}
        union select chat_id from live.ops.crawl_state where {_later("known_until", before)}
        union select chat_id from live.raw.contacts where {_later("first_fetched_at", before)}
        union select chat_id from live.raw.contact_sightings where sweep_id in (
            select sweep_id from live.raw.contact_sweeps where {_later("ended_at", before)}
        )
        union select target from live.ops.quarantine where {_later("first_fetched_at", before)}
        -- What an older version of this program commits, it does not note.
        union select chat_id from live.raw.contacts where {_later("fetched_at", before)}
        union select chat_id from live.raw.contact_sightings where {_later("at", before)}
        union select target from live.ops.quarantine where {_later("fetched_at", before)}
        union select target from live.ops.fetches
            where operation = 'list_messages' and {_later("started_at", before)}
        """
    )
    return not session.query(f"select 1 as one from {OTHERS} where chat_id = '{ANY}'").num_rows


def _later(column: str, moment: dt.datetime) -> str:
    return f"\"{column}\" > timestamp '{moment:%Y-%m-%d %H:%M:%S.%f}'"


def _named(number: int, commit: str) -> str:
    return f"{number} {commit}"
