"""The CRM: whether it answers, whether it takes our key, and whether a request is free.

What belongs here: one request through the gate, put into words as a finding. What does not: sending it, and telling
one cause from another (api/probe.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Final

from crm_platform.api.probe import Seen, look
from crm_platform.doctor.finding import Finding
from crm_platform.ingest.connect import open_gate
from crm_platform.languages import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_PATIENCE: Final = 5.0  # seconds for each wait: for a connection, for an answer
_WAIT_FOR_SLOT: Final = 1.0  # seconds
_SHORT_PAUSE: Final = 90.0  # seconds: what a run waits for by itself
_SKEW: Final = dt.timedelta(minutes=1)


def crm(settings: Settings, now: dt.datetime, *, timeout: float = _PATIENCE) -> Iterator[Finding]:
    """Ask the CRM for one contact: address, key, quota and the server's clock."""
    gate = open_gate(settings, max_wait=_WAIT_FOR_SLOT)
    seen = look(settings.crm_url, settings.crm_key, gate=gate, timeout=timeout)
    is_reached = seen.verdict in {"well", "limited", "refused", "forbidden"}
    if seen.verdict in {"spent", "waiting"}:
        yield Finding("CRM", "note", f"{settings.crm_url} was not asked: no request is free")
    elif is_reached:
        yield Finding("CRM", "ok", f"{settings.crm_url} answers")
    else:
        words = f"{settings.crm_url}: {seen.words}"
        if settings.is_sandbox:
            words += "; start it with `crm sandbox`, or say where it is: CRM_SANDBOX_PORT, or CRM_BASE_URL of your CRM"
        yield Finding("CRM", "BAD", words)
    if seen.verdict in {"well", "refused", "forbidden"}:
        yield Finding("key", "ok" if seen.verdict == "well" else "BAD", seen.words)
    else:
        yield Finding("key", "note", "not verified: the CRM said nothing of it")
    yield _requests(settings, seen, now=now)
    if seen.skew is not None and abs(seen.skew) > _SKEW:
        side = "ahead of" if seen.skew > dt.timedelta(0) else "behind"
        skew = ENGLISH.duration(abs(seen.skew).total_seconds())
        words = f"{skew} {side} this machine's: one of the two is wrong; set it right"
        yield Finding("CRM's clock", "note", words)


def _requests(settings: Settings, seen: Seen, *, now: dt.datetime) -> Finding:
    """How many requests are free; while the gate is closed, until when and why."""
    if seen.verdict in {"limited", "spent", "waiting"}:
        if seen.retry_after is None:
            return Finding("requests", "note" if seen.verdict == "limited" else "BAD", seen.words)
        until = (now + dt.timedelta(seconds=seen.retry_after)).astimezone(settings.zone)
        span = f"{until:%Y-%m-%d %H:%M:%S} {until.tzname()} ({ENGLISH.duration(seen.retry_after)})"
        # On a small tier every day ends with a spent quota, and a run waits for a short pause. A long pause stops a
        # run.
        stops = seen.verdict != "spent" and seen.retry_after > _SHORT_PAUSE
        return Finding("requests", "BAD" if stops else "note", f"closed until {span}: {seen.words}")
    with contextlib.closing(open_gate(settings)) as gate:
        left = gate.available()
    words = ", ".join(
        f"{count:,} left this {name}"
        for name, count in (("minute", left.minute), ("day", left.day))
        if count is not None
    )
    return Finding("requests", "ok", words or "no limit")
