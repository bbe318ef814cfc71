"""`crm crawl`: spend requests where they are worth most, without Dagster.

What belongs here: how long to crawl, and showing it. What does not: the crawl (ingest/).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from crm_platform.cli.options import COUNT, PATIENCE, Amount
from crm_platform.cli.words import console, duration, write_rows
from crm_platform.schemas import raw
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from crm_platform.ingest import Outcome, Progress

_SAY_EVERY = 60.0
"""Seconds between two lines where there is no terminal to draw on."""


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
    err = console(stderr=True)
    with _watch(err) as progress:
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
    err.print(f"remaining: {messages.remaining or 'nothing'}")
    if messages.seconds_throttled >= 1:
        err.print(f"{duration(messages.seconds_throttled)} of waiting for the rate limit")


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
        parts.append(f"histories whole in about {duration(progress.seconds_to_whole)}")
    return " · ".join(parts)


@contextlib.contextmanager
def _watch(err: Console) -> Iterator[Callable[[Progress], None]]:
    """A live line on a terminal; in a pipe a line a minute."""
    if err.is_terminal:
        with err.status("crawling …") as status:
            yield lambda progress: status.update(describe(progress))
        return
    import time

    said_at = [-_SAY_EVERY]

    def say(progress: Progress) -> None:
        now = time.monotonic()
        if now - said_at[0] >= _SAY_EVERY:
            said_at[0] = now
            err.print(describe(progress), soft_wrap=True)

    yield say
