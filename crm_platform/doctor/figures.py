"""What the figures depend on: the checks of the last run, and settings that name senders nobody has seen.

What belongs here: looks into the stores and the checks' notes. What does not: the files themselves (files.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform.alerts.checks import one_line
from crm_platform.doctor.finding import Finding
from crm_platform.languages import ENGLISH
from crm_platform.models.due import holds
from crm_platform.models.noted import failing, noted
from crm_platform.schemas import raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import DuckDbWarehouse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_PATIENCE: Final = 5.0  # seconds, for a file that one of ours writes to


def checks(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """What each check said when it was last asked; only those that fail have a line of their own."""
    notes, bad = noted(settings), failing(settings)
    for note in bad:
        yield Finding("check", "BAD" if note.is_blocking else "note", one_line(note))
    if not notes:
        yield Finding("checks", "note", "none was asked yet: `crm refresh` asks them")
        return
    age = ENGLISH.duration(max(0.0, (now - max(note.at for note in notes)).total_seconds()))
    yield Finding("checks", "note" if bad else "ok", f"{len(notes) - len(bad)} of {len(notes)} pass; asked {age} ago")


def senders(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Senders that are configured as bots: one that never sent a message is most likely misspelt."""
    if not settings.automation_senders or not settings.warehouse_path.is_file():
        return
    store = DuckDbWarehouse(settings.warehouse_path, lock_dir=settings.lock_dir, timeout=_PATIENCE)
    with store.reading() as session:
        if not holds(session, raw.Messages):
            return
        # By what was sent, not by its key: a warehouse of an earlier version has none yet.
        sent = session.query(f"select distinct sender from {raw.Messages.full_name()} where direction = 'outbound'")[
            "sender"
        ].to_pylist()
    unseen = [sender for sender in settings.automation_senders if sender not in set(map(staff_key, sent))]
    for sender in unseen:
        words = (
            f"CRM_AUTOMATION_SENDERS names {sender}, never seen: no message is from there; correct it, or take it out"
        )
        yield Finding("senders", "note", words)
    if not unseen:
        yield Finding("senders", "ok", f"all {len(settings.automation_senders)} automation senders have sent messages")
