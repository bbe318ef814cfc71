"""From pseudonyms back to chats, for those who may know, with a line in the audit log.

What belongs here: the one way back, which needs the live warehouse and the key. What does not: receipts themselves,
which name nobody.
"""

from __future__ import annotations

import datetime as dt
import getpass
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_platform.publish.audit import Audit
from crm_platform.publish.pseudonyms import bind_key, pseudonym_key, pseudonym_sql
from crm_platform.schemas import raw
from crm_platform.warehouse import live_store
from crm_platform.warehouse.duckdb import scratch

if TYPE_CHECKING:
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A chat as the CRM knows it. `whatsapp_number`, `name`: as the API sent them, None when it sent none."""

    chat_id: str
    whatsapp_number: str | None
    name: str | None


def reveal(
    settings: Settings,
    pseudonyms: Iterable[str],
    *,
    purpose: str,
    now: dt.datetime,
    who: Mapping[str, str] | None = None,
) -> Mapping[str, Revealed]:
    """The chats behind pseudonyms, by pseudonym; one that is erased or unknown is left out.

    `purpose`: what is written to the audit log, with the time (`now`, aware), how many chats were asked for, and `who`
    asks (unset: the user of this shell): before anything is revealed. Raises Busy when the warehouse is locked.
    """
    wanted = sorted(set(pseudonyms))
    if not wanted:
        return {}
    audit = Audit(settings.audit_dir, now=lambda: now)
    asking = {"who": f"cli:{getpass.getuser()}"} if who is None else who
    audit.write("revealed", **asking, what=purpose, chats=len(wanted))
    _log.warning("%d chats revealed for %s", len(wanted), purpose)
    live = live_store(settings)
    if not live.exists():
        return {}
    with live.reading() as session:
        known = session.query(f"select chat_id from {raw.Contacts.full_name()}")
        with scratch() as reckoning:
            bind_key(reckoning, pseudonym_key(settings))
            made = f"select chat_id, {pseudonym_sql('chat_id', 'chat')} as pseudonym from known"
            found = reckoning.query(
                f"select * from ({made}) where pseudonym in (select unnest(?))", [wanted], tables={"known": known}
            )
        people = session.query(
            f"select chat_id, whatsapp_number, name from {raw.Contacts.full_name()}"
            " where chat_id in (select chat_id from meant)",
            tables={"meant": found.select(["chat_id"])},
        )
    named = {row["chat_id"]: Revealed(**row) for row in people.to_pylist()}
    pairs = found.to_pylist()
    return {row["pseudonym"]: named[row["chat_id"]] for row in pairs if row["chat_id"] in named}
