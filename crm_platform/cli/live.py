"""`crm live`: figures that are seconds old, from one process that goes on.

What belongs here: the command line, and what is said meanwhile. What does not: the loop (defs/live.py).
"""

from __future__ import annotations

import datetime as dt
import signal

import click

from crm_platform.cli.options import PATIENCE
from crm_platform.cli.status import warn_of_new_start
from crm_platform.settings import current_settings


@click.command()
@click.option("--wait", type=PATIENCE, default=600.0, show_default=True, help="Seconds to wait for another crawler.")
def live(*, wait: float) -> None:
    """Crawl, compute what changed and publish it, until Ctrl-C.

    A chat that an event names (`crm events serve`) is read at once, as far as the quota allows; figures and open pages
    follow within seconds. Dagster's schedules stand back while this runs, and go on when it has ended; the nightly
    build stays theirs.
    """
    from crm_platform.defs.live import run_live
    from crm_platform.publish import Snapshot

    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        raise KeyboardInterrupt

    def go_on(_: object) -> None:
        if ended:  # where a signal comes in the wrong moment, the interpreter drops what its handler raises
            raise KeyboardInterrupt

    for one in (signal.SIGTERM, signal.SIGINT):  # who stops a service ends it in order
        signal.signal(one, end)
    settings = current_settings()
    warn_of_new_start(settings)
    said: list[str] = []

    def turned(snapshot: Snapshot, seconds: float) -> None:
        lag = (dt.datetime.now(dt.UTC) - snapshot.as_of).total_seconds()
        click.echo(f"{snapshot.as_of:%H:%M:%S} UTC  published in {seconds:.1f} s, {lag:.1f} s after its cut")
        said.clear()

    def troubled(problem: str) -> None:
        if problem not in said:  # each news tries again, and once is enough to read it
            said.append(problem)
            click.echo(f"figures are not renewed: {problem}", err=True)

    click.echo("live: Ctrl-C ends it; what was fetched is kept", err=True)
    try:
        run_live(
            settings,
            progress=go_on,
            on_turn=turned,
            on_trouble=troubled,
            wait_seconds=wait,
            on_wait=lambda holder: click.echo(f"waiting for {holder}", err=True),
        )
    except KeyboardInterrupt:
        click.echo("ended; what was fetched is kept", err=True)
