"""`crm crawl`: spend requests where they are worth most, without Dagster.

What belongs here: how long to crawl, and showing it. What does not: the crawl (ingest/).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING, Self

import click

from crm_platform.cli.options import COUNT, PATIENCE, Amount
from crm_platform.cli.pace import Gauge
from crm_platform.cli.pulse import SAY_EVERY, pulse
from crm_platform.cli.status import warn_of_new_start
from crm_platform.cli.words import console, write_rows
from crm_platform.languages import ENGLISH
from crm_platform.schemas import raw
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from crm_platform.ingest import Outcome, Progress


@click.command()
@click.option("--requests", type=COUNT, help="End after so many requests.")
@click.option("--minutes", type=Amount(0, 525_600, above=True), help="End after so many minutes.")
@click.option("--forever", is_flag=True, help="Go on until Ctrl-C, also over spent quotas and a server that is down.")
@click.option("--wait", type=PATIENCE, default=0.0, help="Seconds to wait for another crawler.")
def crawl(*, requests: int | None, minutes: float | None, forever: bool, wait: float) -> None:
    """Spend requests on the chats where the most is expected to be unseen, minute by minute.

    Each minute is committed, so it can be ended or killed at any time and goes on where it was. Without a limit on
    requests it fetches everything at once and ends. KPIs are another command: crm build.
    """
    from crm_platform.ingest import crawl as run
    from crm_platform.ingest import open_warehouse

    if requests is None and minutes is None and not forever:
        raise click.UsageError("say how long: --requests N, --minutes M or --forever")
    settings = current_settings()
    warn_of_new_start(settings)
    err = console(stderr=True)
    gauge = Gauge(settings, began=dt.datetime.now(dt.UTC))
    with contextlib.closing(gauge), _Watch(err, gauge).going_on() as progress:
        outcomes: list[Outcome] = []
        try:
            outcomes += run(
                settings,
                open_warehouse(settings),
                requests=requests,
                minutes=minutes,
                forever=forever,
                progress=progress,
                wait_seconds=wait,
                on_wait=lambda holder: err.print(f"waiting for {holder}"),
            )
        except KeyboardInterrupt:
            err.print("ended; what was fetched is kept")
            return
    write_rows(
        ("table", "new", "changed", "rejected", "requests"),
        [(one.table.full_name(), one.inserted, one.updated, one.rejected, one.requests) for one in outcomes],
        form="table",
        title="Crawled",
    )
    messages = next(one for one in outcomes if one.table is raw.Messages)
    for words in _remaining(outcomes) or ["nothing"]:
        err.print(f"remaining: {words}")
    if messages.seconds_throttled >= 1:
        err.print(f"{ENGLISH.duration(messages.seconds_throttled)} of waiting for the rate limit")


def _remaining(outcomes: list[Outcome]) -> list[str]:
    """What is still missing: of chats first, then of the lists and reports, each by its table."""
    chats = [one.remaining for one in outcomes if one.table is raw.Messages and one.remaining]
    others = [one for one in outcomes if one.remaining and one.table not in (raw.Messages, raw.ContactSweeps)]
    return chats + [f"{one.table.full_name()}: {one.remaining}" for one in others]


def describe(progress: Progress) -> str:
    """Say how a crawl stands, in a line."""
    total = "" if progress.total is None else f" of {progress.total:,}"
    parts = [
        f"{progress.stage} {progress.done:,}{total}",
        f"{progress.requests:,} requests",
        f"{progress.messages:,} messages",
    ]
    if progress.requests_left is not None:
        parts.append(f"{progress.requests_left:,} requests free now")
    if progress.coverage is not None:
        parts.append(f"{progress.coverage:.1%} of messages seen")
    if progress.seconds_to_whole is not None:
        parts.append(f"histories whole in about {ENGLISH.duration(progress.seconds_to_whole)}")
    return " · ".join(parts)


class _Watch:
    """A live line on a terminal, in a pipe one every few seconds: also while the crawl waits for its next minute."""

    def __init__(self, err: Console, gauge: Gauge) -> None:
        self._err = err
        self._gauge = gauge
        self._words = "crawling …"
        self._said_at = time.monotonic()
        self._drawn = err.status(self._words) if err.is_terminal else None

    def __call__(self, progress: Progress) -> None:
        """Hear how far the crawl is."""
        self._words = describe(progress)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[Self]:
        """Say it for as long as the block runs."""
        with self._drawn or contextlib.nullcontext(), pulse(self._beat):
            yield self

    def _beat(self) -> None:
        now = time.monotonic()
        if self._drawn is None and now - self._said_at < SAY_EVERY:
            return
        words = " · ".join(filter(None, (self._words, self._gauge.waits())))
        if self._drawn is not None:
            self._drawn.update(words)
        else:
            self._said_at = now
            self._err.print(words, soft_wrap=True)
