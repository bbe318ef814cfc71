"""`crm refresh`, `build`, `dev`: the platform's own work from a shell.

What belongs here: arguments, what is said before and after. What does not: the work (ingest, models, publish), and
commands that only look (status.py).
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import gc
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from crm_platform.cli import EXIT_TRY_LATER
from crm_platform.cli.kpi import show_summary
from crm_platform.cli.options import PATIENCE, PORT, Host
from crm_platform.cli.pulse import SAY_EVERY, pulse
from crm_platform.cli.status import show_warnings, warn_of_new_start
from crm_platform.cli.words import console, spoken, write_labelled, write_rows
from crm_platform.errors import ContractBreach, Discarded, FixConfiguration
from crm_platform.schemas import raw
from crm_platform.settings import current_settings, environment_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.ingest import Outcome
    from crm_platform.languages import Language
    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse


@click.command()
@click.option("--full", is_flag=True, help="Read every chat from its first message again, and compute all anew.")
@click.option(
    "--as-of", metavar="TIME", help="The cut of the figures: 2026-11-20T02:00:00+03:00. Default: after ingest."
)
@click.option("--wait", type=PATIENCE, default=600.0, show_default=True, help="Seconds to wait for another.")
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's own log.")
def refresh(*, full: bool, as_of: str | None, wait: float, verbose: bool) -> None:
    """Fetch until current or out of quota, compute every KPI, publish.

    The run is recorded in Dagster, beside those that schedules start. Under a limit, figures of what is stored so far
    are published as soon as there are contacts and campaigns, and every few minutes from then on. While another
    refresh, crawl or build is at work this one waits, then says who it is. Spent quota is no error: what was had is
    kept, and what remains is said.
    """
    settings = current_settings()
    now = dt.datetime.now(dt.UTC)
    cut = _cut(as_of, now=now)  # said now rather than after an hour of ingest
    _ = settings.language.gettext
    click.echo(_("refreshing from {address}", address=settings.crm_url), err=True)
    warn_of_new_start(settings, settings.language)
    gc.disable()  # nothing that an import makes is garbage, and looking for it takes a third of the time
    with pulse(lambda: click.echo(_("starting"), err=True), every=SAY_EVERY):  # Dagster takes seconds to import
        from crm_platform.cli.bars import Bars
        from crm_platform.cli.pace import Gauge
        from crm_platform.defs.shell import refresh_in_process
        from crm_platform.models import build_order
        from crm_platform.publish import newest_past
    gc.freeze()
    gc.enable()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # DuckDB's bindings complain of what is still there at the end

    began = time.monotonic()
    gauge = Gauge(settings, began=now)
    with (
        contextlib.closing(gauge),
        Bars(console(stderr=True), wait_seconds=wait, tables=len(build_order()) + 1, gauge=gauge) as bars,
    ):
        try:
            refresh_in_process(settings, reporter=bars, full_refresh=full, as_of=as_of, verbose=verbose)
        except KeyboardInterrupt:
            click.echo(_("ended; what was fetched is kept, and the next refresh goes on from there"), err=True)
            raise
    ingest = _told(settings.language, bars.outcomes)
    built = settings.language.duration(bars.seconds_building)
    whole = settings.language.duration(time.monotonic() - began)
    click.echo(f"\n{ingest}; " + _("KPIs in {built}, {whole} in all", built=built, whole=whole), err=True)
    if _nothing_came(bars.outcomes):
        hint = _("start the sandbox with `crm sandbox` in another terminal, or set CRM_BASE_URL")
        words = hint if settings.is_sandbox else _("`crm doctor` says what is wrong")
        click.echo(_("nothing came: {what}", what=words), err=True)
        sys.exit(EXIT_TRY_LATER)
    show_warnings(settings)
    show_summary(settings, None if cut is None else newest_past(settings))


def _cut(as_of: str | None, *, now: dt.datetime) -> dt.datetime | None:
    from crm_platform.models.as_of import parse_as_of

    try:
        return parse_as_of(as_of, now=now)
    except FixConfiguration as problem:
        raise click.BadParameter(str(problem), param_hint="--as-of") from problem


def _told(language: Language, outcomes: Sequence[Outcome]) -> str:
    """Show what a refresh brought, a line a table, and what remains; returns its totals in words."""
    shown = spoken(language)
    rows = [
        (
            outcome.table.full_name(),
            outcome.inserted,
            outcome.updated,
            outcome.unchanged,
            outcome.rejected,
            outcome.remaining or shown.gettext("current"),
        )
        for outcome in outcomes
    ]
    names = ("table", "new", "changed", "known", "rejected", "remaining")
    if console().is_terminal:
        # What remains may be a sentence, and is what a person has to know: below the table it is never cut.
        write_rows(names[:-1], [row[:-1] for row in rows], form="table", title=shown.gettext("Fetched"))
        for table, *_, remaining in rows:
            write_labelled(f"{table:<22}", str(remaining))
    else:
        write_rows(names, rows, form="table")
    # Contacts and their sweeps are one stage with one account: it counts once.
    stages = [outcome for outcome in outcomes if outcome.table is not raw.ContactSweeps]
    requests = sum(stage.requests for stage in stages)
    seconds = sum((stage.finished_at - stage.started_at).total_seconds() for stage in stages)
    # Several threads may wait at once: together longer than the stage takes.
    throttled = sum(
        min(stage.seconds_throttled, (stage.finished_at - stage.started_at).total_seconds()) for stage in stages
    )
    words = language.gettext(
        "{n} requests, ingest in {time}", n=language.number(requests), time=language.duration(seconds)
    )
    if throttled < 1:
        return words
    waited = language.gettext("{time} of waiting for the rate limit", time=language.duration(throttled))
    return f"{words} ({waited})"


def _nothing_came(outcomes: Sequence[Outcome]) -> bool:
    """Whether requests were sent and none brought anything. With none sent the quota is spent, which is no error."""
    return any(one.requests for one in outcomes) and not any(
        one.inserted + one.updated + one.unchanged or not one.remaining for one in outcomes
    )


@click.command()
@click.option("--as-of", metavar="TIME", help="The cut of the figures: 2026-11-20T02:00:00+03:00. Default: now.")
@click.option("--full", is_flag=True, help="Compute every chat anew; by default, those that have changed.")
@click.option("--publish/--no-publish", "publishes", default=True, show_default=True, help="Write a snapshot.")
@click.option("--current", is_flag=True, help="With --as-of in the past: make the snapshot the current one.")
@click.option("--wait", type=PATIENCE, default=600.0, show_default=True, help="Seconds to wait for another.")
def build(*, as_of: str | None, full: bool, publishes: bool, current: bool, wait: float) -> None:
    """Compute every KPI from what is stored, and publish; without Dagster and without a request.

    With --as-of in the past the figures are those of that time: nothing fetched or dated after it counts. Such a
    snapshot stands beside the current one, in published/past, unless --current is given. What is computed chat by chat
    is computed for the chats that have changed since the last build; --full gives the same cells. Where nothing was
    stored since a build of the last quarter of an hour, its figures stand.
    """
    from crm_platform import publish
    from crm_platform.ingest import existing_store, open_warehouse
    from crm_platform.publish.figures import compute
    from crm_platform.serving.turned import tell_turned
    from crm_platform.warehouse import leases_of, models_store

    settings = current_settings()
    now = dt.datetime.now(dt.UTC)
    cut = _cut(as_of, now=now)
    existing_store(settings)  # none is made to build from: figures of nothing would mislead
    store = models_store(settings)
    began = time.monotonic()
    published: Snapshot | None = None
    language = settings.language

    def waiting(holder: str) -> None:
        click.echo(language.gettext("waiting for {holder}", holder=holder), err=True)

    with leases_of(settings).take("build", purpose="crm build", wait=wait, on_wait=waiting):
        live = open_warehouse(settings)
        try:
            if publishes and not full and cut is None and _stands(store, live, settings, now=now):
                return
            computed = compute(store, live, settings=settings, now=now, as_of=cut, full=full)
        except Discarded as problem:
            click.echo(language.gettext("{problem}; once more", problem=problem), err=True)
            computed = compute(store, live, settings=settings, now=now, as_of=cut, full=full)
        breaches = computed.breaches
        _run_checks(settings, live, store, now=now)
        if not breaches and publishes:
            published = publish.publish(
                store,
                settings=settings,
                now=dt.datetime.now(dt.UTC),
                validate=lambda _models, _table: [],
                turns=True if current else None,
            )
            tell_turned(settings)
            publish.purge(settings, now=dt.datetime.now(dt.UTC))
    rows = [(built.table.full_name(), built.rows, round(built.seconds, 3)) for built, _ in computed.tables]
    title = language.gettext("As of {time} UTC", time=f"{computed.cut.as_of:%Y-%m-%d %H:%M:%S}")
    write_rows(("table", "rows", "seconds"), rows, form="table", title=title)
    changed, chats = language.number(computed.cut.changed_chats), language.number(computed.cut.chats)
    some = language.gettext("{changed} of {chats} chats changed", changed=changed, chats=chats)
    scope = language.gettext("every chat") if computed.cut.is_full else some
    lasted = language.duration(time.monotonic() - began)
    click.echo(
        "\n" + language.gettext("{n} tables in {time}; {scope}", n=len(rows), time=lasted, scope=scope), err=True
    )
    show_warnings(settings)
    if breaches:
        raise ContractBreach(breaches)
    if published is not None:
        show_summary(settings, published)


def _stands(store: Models, live: Warehouse, settings: Settings, *, now: dt.datetime) -> bool:
    """Confirm and show the figures that are current, where nothing that they follow from is another."""
    from crm_platform.publish import confirm

    shown = confirm(store, live, settings=settings, now=now)
    if shown is None:
        return False
    stand = settings.language.gettext(
        "Nothing was stored since {time} UTC: these figures stand. `crm build --full` computes them anew.",
        time=f"{shown.as_of:%Y-%m-%d %H:%M:%S}",
    )
    click.echo(stand, err=True)
    show_warnings(settings)
    show_summary(settings, shown)
    return True


def _run_checks(settings: Settings, live: Warehouse, store: Models, *, now: dt.datetime) -> None:
    """Run the checks that Dagster would run beside a build, and note what they find.

    Those of the raw tables that block an ingest are left to it: they take longest, and a build changes nothing there.
    """
    from crm_platform.models.model_checks import MODEL_CHECKS
    from crm_platform.models.noted import run_and_note
    from crm_platform.models.raw_checks import RAW_CHECKS

    run_and_note(settings, live, (check for check in RAW_CHECKS if not check.is_blocking), now=now)
    run_and_note(settings, store, MODEL_CHECKS, now=now)


@click.command()
@click.option("--host", type=Host(), default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=3000, show_default=True, help="Port of the UI.")
def dev(*, host: str, port: int) -> None:
    """Run Dagster's UI and daemon: assets, runs, schedules, sensors. Ends on Ctrl-C.

    On this machine nobody has to log in, unless CRM_ADMIN_SECRET is set. Anywhere else it must be: admins type it at
    the login page, programs send it as a bearer token. CRM_SERVE_HOSTS adds names that the UI answers to.
    """
    from crm_platform.cli.ports import listen, require_free
    from crm_platform.defs import ui
    from crm_platform.defs.dagster_home import prepare_dagster_home, require_storage
    from crm_platform.serving.ui_door import require_login

    settings = current_settings()
    require_login(settings, host=host)
    require_free(port, what="the Dagster UI", remedy=f"stop what uses it, or run: crm dev --port {port + 1}")
    require_storage(settings)
    listening = listen(host, port)
    home = prepare_dagster_home(settings)
    who = "log in as admin" if settings.admin_secret else "open: this machine only"
    click.echo(f"Dagster UI on http://{host}:{port} ({who}; data in {settings.root}); Ctrl-C ends it")
    # DAGSTER_HOME is ours whatever it was: the runs of this data folder belong to it. The data folder is named in full,
    # because runs work in folders of their own.
    environment = environment_with() | {"DAGSTER_HOME": str(home), "CRM_DATA_DIR": str(settings.root)}
    # What `dagster dev` says of itself: a UI that one person starts, and that tells all of an error.
    environment |= {"DAGSTER_IS_DEV_CLI": "1"}
    sys.stdout.flush()
    # In place of this process: whoever stops `crm dev` stops Dagster, and nothing is left behind.
    os.execve(sys.executable, list(ui.arguments(listening, host=host)), environment)  # noqa: S606 - our own command
