"""What `crm contacts import` and `crm chats assign` for many chats share: the time it takes, its progress, its end.

What belongs here: these words. What does not: what is done (bulk/), the words of one of them (contacts.py, chats.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from crm_platform.cli.operations import connected
from crm_platform.cli.pulse import SAY_EVERY
from crm_platform.cli.words import console
from crm_platform.ingest.connect import CRAWLER_RESERVE
from crm_platform.languages import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from crm_platform.api import CrmClient, Fetch
    from crm_platform.settings import Settings

AGAIN = "run the same command again: it goes on from here, and does nothing twice"


def counted(count: int, thing: str) -> str:
    """Write `1 chat`, `1,200 chats`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def cost(settings: Settings, requests: int) -> str:
    """Say how many requests it takes, and how long by the limits as they stand."""
    from crm_platform.ingest import open_gate, seconds_of

    now = dt.datetime.now(dt.UTC)
    with contextlib.closing(open_gate(settings, reserve=CRAWLER_RESERVE)) as gate:
        limits, left, opens_at = gate.limits(), gate.available(), gate.opens_at()
    wait = 0.0 if opens_at is None else (opens_at - now).total_seconds()
    seconds = seconds_of(requests, limits=limits, left=left, wait=wait)
    words = counted(requests, "request")
    if seconds is None:
        return f"{words}; no limit paces them"
    spans = ((limits.minute, "a minute"), (limits.day, "a day"))
    paces = " and ".join(f"{limit:,} {span}" for limit, span in spans if limit)
    words += f", about {ENGLISH.duration(math.ceil(seconds))} at {paces}" if seconds else f", at once, within {paces}"
    if left.day is not None and requests > left.day:
        words += f"; {left.day:,} are left for now: when they are spent it ends, and goes on when it is run again"
    return words


def connection(settings: Settings) -> Callable[[Callable[[Fetch], None]], AbstractContextManager[CrmClient]]:
    """Give what opens the CRM. A few requests a minute are left to people at a shell, as a crawl leaves them."""
    return lambda on_fetch: connected(settings, on_fetch, reserve=CRAWLER_RESERVE)


@contextmanager
def progress(doing: str, *, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far it is, on standard error: a bar on a terminal, a line every few seconds in a pipe."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console(stderr=True)
    said_at = time.monotonic()
    with Progress(
        TextColumn(doing),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=out,
        disable=not out.is_terminal,
    ) as bars:
        task = bars.add_task(doing, total=total)

        def show(done: int) -> None:
            nonlocal said_at
            bars.update(task, completed=done)
            if not out.is_terminal and time.monotonic() - said_at >= SAY_EVERY:
                said_at = time.monotonic()
                click.echo(f"{doing}: {done:,} of {total:,}", err=True)

        yield show


@contextmanager
def told_when_it_ends_early(how_far: Callable[[], str]) -> Iterator[None]:
    """Say how far it came, and how to go on, where it is ended by an error or by Ctrl-C."""
    try:
        yield
    except BaseException:
        click.echo(f"{how_far()}; {AGAIN}", err=True)
        raise
