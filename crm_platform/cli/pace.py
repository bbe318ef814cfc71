"""How a loading goes on, in words: how far, what is left of the limit, what it waits for, how long it will take.

What belongs here: these words. What does not: where they are shown (bars.py,
crawl.py, status.py), the estimates (ingest/completeness.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import time
from typing import TYPE_CHECKING, Final

from crm_platform.errors import CrmPlatformError
from crm_platform.ingest import completeness, open_gate, pace, seconds_by_schedule, seconds_of
from crm_platform.ingest.connect import CRAWLER_RESERVE
from crm_platform.languages import ENGLISH, Language
from crm_platform.warehouse import Warehouse, live_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crm_platform.api import Allowance
    from crm_platform.ingest import Completeness, Progress
    from crm_platform.settings import Settings

_LOOK_EVERY: Final = 10.0  # seconds between two looks at the stored state
_PATIENCE: Final = 1.0  # seconds, for a file that somebody writes to
_SHORTEST: Final = 10.0  # seconds: no estimate is better than that
_SHORT: Final = 120.0  # seconds of waiting that are the minute's limit, said in seconds


def percent(share: float, language: Language = ENGLISH) -> str:
    """Write a share; all of it only when nothing is missing."""
    return f"{language.number(math.floor(round(1000 * share, 6)) / 10, '.1f')}%"


def how_far(progress: Progress) -> str:
    """Say where a stage stands."""
    share = f" ({percent(progress.done / progress.total)})" if progress.total else ""
    total = "" if progress.total is None else f" of {progress.total:,}{' chats' * (progress.stage == 'messages')}"
    parts = [f"{progress.stage} {progress.done:,}{total}{share}", f"{progress.requests:,} requests"]
    if progress.messages:
        parts.append(f"{progress.messages:,} messages")
    return " · ".join(parts)


def what_is_left(left: Allowance) -> str:
    """Say what the limits let through; empty where there is none."""
    spans = (("this minute", left.minute), ("today", left.day))
    words = ", ".join(f"{count:,} {span}" for span, count in spans if count is not None)
    return f"requests left: {words}" if words else ""


def what_is_waited_for(opens_at: dt.datetime | None, *, now: dt.datetime, zone: dt.tzinfo) -> str:
    """Say when the limit lets the next request through; empty when it does now."""
    if opens_at is None or opens_at <= now:
        return ""
    seconds = (opens_at - now).total_seconds()
    if seconds <= _SHORT:
        return f"waiting for the CRM's limit, {math.ceil(seconds)} s"
    return f"the CRM's limit lets nothing through until {opens_at.astimezone(zone):%Y-%m-%d %H:%M}"


class Gauge:
    """Says how a run stands beside its limits. `began`: when it did; `now` and `monotonic` are its clocks."""

    def __init__(
        self,
        settings: Settings,
        *,
        began: dt.datetime,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._began = began
        self._now = now
        self._monotonic = monotonic
        self._gate = open_gate(settings, reserve=CRAWLER_RESERVE, now=now)
        self._stage = ""
        self._stage_began = (0.0, 0)  # when, and requests before it
        self._looked_at = -math.inf
        self._requests: int | None = None  # still to be sent for the messages

    def hear(self, progress: Progress) -> None:
        """Note when a stage begins."""
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._stage_began = (self._monotonic(), progress.requests - 1)

    def words(self, progress: Progress) -> str:
        """Say all of it in a line. Where the ledger or the store cannot be read, what they would say is left out."""
        parts = [how_far(progress)]
        with contextlib.suppress(CrmPlatformError):
            left = self._gate.available()
            parts += [what_is_left(left), self.waits(), self._to_go(progress, left=left)]
        return " · ".join(filter(None, parts))

    def waits(self) -> str:
        """Say what is waited for; empty when it is nothing, or cannot be read."""
        with contextlib.suppress(CrmPlatformError):
            return what_is_waited_for(self._gate.opens_at(), now=self._now(), zone=self._settings.zone)
        return ""

    def close(self) -> None:
        """Let go of the ledger."""
        self._gate.close()

    def _to_go(self, progress: Progress, *, left: Allowance) -> str:
        """When the stage will be done: the messages' end is that of all."""
        began, before = self._stage_began
        spent = progress.requests - before
        what = "all of it" if progress.stage == "messages" else progress.stage
        ahead: float | None = None
        if progress.stage == "messages":
            ahead = self._ahead()
        elif progress.total is not None and progress.done:
            ahead = max(0, progress.total - progress.done) * spent / progress.done
        seconds = None
        if ahead is not None:
            opens_at = self._gate.opens_at()
            wait = 0.0 if opens_at is None else (opens_at - self._now()).total_seconds()
            seconds = seconds_of(ahead, limits=self._gate.limits(), left=left, wait=wait)
            if seconds is None and spent > 0:  # no limit: as fast as until now
                seconds = ahead * (self._monotonic() - began) / spent
        if seconds is None:
            return f"{what}: how long is not known yet"
        return f"{what} in about {ENGLISH.duration(math.ceil(max(seconds, _SHORTEST)))}"

    def _ahead(self) -> float | None:
        """Requests until every chat has been visited by this run and every history is whole."""
        at = self._monotonic()
        store = live_store(self._settings, timeout=_PATIENCE)
        if at - self._looked_at >= _LOOK_EVERY and store.exists():
            self._looked_at = at
            with contextlib.suppress(CrmPlatformError), store.reading() as session:
                self._requests = completeness(session, since=self._began).requests
        return self._requests


def loading_lines(
    settings: Settings, store: Warehouse, *, now: dt.datetime, language: Language
) -> Iterator[tuple[str, str]]:
    """Say how much is stored of what is thought to exist, and how long the rest takes; from what is committed."""
    _ = language.gettext
    with store.reading() as session:
        found = completeness(session)
        lately = pace(session, now=now)
    yield _("loaded"), _loaded(language, found)
    if found.requests is None:
        return
    about = _("about {n}", n=language.number(found.requests))
    yield _("requests to go"), about if found.requests else _("none")
    if found.requests:
        yield _("loaded in"), _loaded_in(language, settings, found, lately=lately, now=now)


def _loaded(language: Language, found: Completeness) -> str:
    _ = language.gettext
    if not found.chats:
        return _("not known: no contact list has been read yet")
    if found.share is None or found.expected is None:
        return _("not known: no chat has been read yet")
    if found.whole == found.chats:
        return _(
            "{share}: every history, {n} messages, as of each chat's last visit",
            share=percent(1.0, language),
            n=language.number(found.stored),
        )
    return _(
        "{share} of about {n} messages that are thought to exist",
        share=percent(found.share, language),
        n=language.number(round(found.expected)),
    )


def _loaded_in(
    language: Language, settings: Settings, found: Completeness, *, lately: float | None, now: dt.datetime
) -> str:
    _ = language.gettext
    requests = found.requests or 0
    with contextlib.closing(open_gate(settings, now=lambda: now)) as gate:
        limits, left, opens_at = gate.limits(), gate.available(), gate.opens_at()
    wait = 0.0 if opens_at is None else (opens_at - now).total_seconds()
    at_once = seconds_of(requests, limits=limits, left=left, wait=wait)
    if at_once is None:
        if lately is None:
            return _("not known: no limit paces it, and nothing was fetched in the last minutes")
        needed = language.duration(math.ceil(requests / lately))
        return _("about {time} at the pace of the last minutes", time=needed)
    words = _("about {time} by `crm refresh`", time=language.duration(math.ceil(at_once)))
    by_schedule = seconds_by_schedule(found, limits=limits)
    if by_schedule is not None:
        # Schedules begin with what is free, too: they are not faster than one run that does nothing else.
        needed = language.duration(math.ceil(max(at_once, by_schedule)))
        words += _(", about {time} by the schedules, which serve new messages first", time=needed)
    return words
