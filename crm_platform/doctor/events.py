"""Webhook events: whether they come, how old the newest is, how many were lost.

What belongs here: what the inbox and the warehouse say of them. What does not: how they are held against the API's
messages (models/event_checks.py), secrets (settings_in_force.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Final

from crm_platform.api.instants import moment_of
from crm_platform.doctor.finding import Finding
from crm_platform.ingest.inbox import Inbox
from crm_platform.languages import ENGLISH
from crm_platform.models.due import holds
from crm_platform.models.event_checks import MOST_LOST, WINDOW, Heard, heard
from crm_platform.schemas import raw
from crm_platform.warehouse import live_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_SILENT_AFTER: Final = dt.timedelta(hours=24)


def events(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Say whether events come, and how much of what the API shows they told of."""
    with contextlib.closing(Inbox(settings.inbox_path)) as inbox:
        state = inbox.state()
    found = _heard(settings, now)
    came = None if state.newest_at is None else moment_of(state.newest_at)
    newest = max(filter(None, (came, found.newest_at)), default=None)
    if newest is None:
        yield Finding("events", "ok", "none has ever come: no webhooks, or `crm events serve` was never running")
        return
    age = now - newest
    words = f"the newest came {ENGLISH.duration(max(0.0, age.total_seconds()))} ago, {state.waiting} wait for a crawl"
    if found.messages:
        words += (
            f"; of {found.messages} messages of contacts in the last {WINDOW.days} days none told of {found.lost}"
            f" ({found.share_lost:.0%})"
        )
    if age > _SILENT_AFTER:
        yield Finding("events", "note", f"{words}: is `crm events serve` running, and does the CRM still send?")
    elif found.share_lost > MOST_LOST:
        yield Finding("events", "note", f"{words}: many are lost on the way")
    else:
        yield Finding("events", "ok", words)


def _heard(settings: Settings, now: dt.datetime) -> Heard:
    store = live_store(settings)
    if not store.exists():
        return Heard(None)
    with store.reading() as session:
        return heard(session, now=now) if holds(session, raw.Events, raw.Messages) else Heard(None)
