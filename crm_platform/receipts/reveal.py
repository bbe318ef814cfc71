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
        bind_key(session, pseudonym_key(settings))
        found = session.query(
            f"""
            select * from (
                select {pseudonym_sql("chat_id", "chat")} as pseudonym, chat_id, whatsapp_number, name
                from {raw.Contacts.full_name()}
            ) as contacts
            where pseudonym in (select unnest(?))
            """,
            [wanted],
        )
    return {
        row["pseudonym"]: Revealed(row["chat_id"], row["whatsapp_number"], row["name"]) for row in found.to_pylist()
    }
