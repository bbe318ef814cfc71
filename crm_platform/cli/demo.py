"""`crm demo`: from nothing to KPIs in one command, over real HTTP.

What belongs here: starting the sandbox when no CRM is configured, the dashboards and the Dagster UI, then one refresh,
so that everything can be looked at while it fills. What does not: any of their work; each is a `crm` command of its
own, run as a process of its own.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from crm_platform.cli.options import PORT
from crm_platform.cli.ports import listens, require_free
from crm_platform.errors import FixConfiguration, GiveUp
from crm_platform.settings import environment_with, load_settings
from crm_platform.warehouse import keep_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crm_platform.settings import Settings

_SANDBOX_DAYS = 180
"""How much history the sandbox has on the first day."""

_START_SECONDS = 180.0
"""How long a process may take until it listens: Dagster's UI, beside other work, a minute."""

_SAY_EVERY = 10.0
"""Seconds between two words about what is waited for."""

_STOP_TRIES = 3
"""So many times `_SAY_EVERY` may a process take to end before it is killed."""

_WAIT_SECONDS = 1200
"""How long the refresh waits for another crawler: longer than a scheduled one works."""


@click.command()
@click.option("--once", is_flag=True, help="End after the KPIs, without the dashboards and the Dagster UI.")
@click.option("--port", default=3000, show_default=True, type=PORT, help="Port of the Dagster UI.")
@click.option("--dashboards-port", default=8080, show_default=True, type=PORT, help="Port of the dashboards.")
@click.option("--events-port", default=8090, show_default=True, type=PORT, help="Port that webhooks are received on.")
@click.option("--sandbox-port", type=PORT, help="Port of the sandbox CRM.  [default: CRM_SANDBOX_PORT, or 8800]")
def demo(*, once: bool, port: int, dashboards_port: int, events_port: int, sandbox_port: int | None) -> None:
    """Start the dashboards and the Dagster UI, load a CRM, show its KPIs; all goes on until Ctrl-C.

    The pages are there before the first request, and fill while the CRM is read. Without CRM_BASE_URL the CRM is a
    sandbox: 2,000 made-up contacts with 180 days of messages.
    """
    # Whoever ends the demo ends all of its processes: by SIGTERM too, and where a shell began it in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    settings = load_settings(**({} if sandbox_port is None else {"sandbox_port": sandbox_port}))
    needed = {"--sandbox-port": (settings.sandbox_port, "the sandbox CRM")} if settings.is_sandbox else {}
    if not once:
        needed |= {
            "--port": (port, "the Dagster UI"),
            "--dashboards-port": (dashboards_port, "the dashboards"),
            "--events-port": (events_port, "the receiver of webhooks"),
        }
    _require_all_free(needed)
    # The Dagster UI links to the dashboards, wherever they are.
    environment = environment_with(CRM_AUTOMATION="on", CRM_SERVE_URL=f"http://127.0.0.1:{dashboards_port}")
    environment["CRM_SANDBOX_PORT"] = str(settings.sandbox_port)
    with contextlib.ExitStack() as processes:

        def begin(*arguments: str, says: bool = True) -> subprocess.Popen[bytes]:
            return processes.enter_context(_process(_crm(*arguments), environment, says=says))

        if settings.is_sandbox:
            days = ("--days", str(_SANDBOX_DAYS), "--began", _history_began(settings))
            hooks = () if once else ("--webhook-url", f"http://127.0.0.1:{events_port}/webhooks/crm")
            crm = begin("sandbox", "--port", str(settings.sandbox_port), *days, *hooks, says=False)
            _await_port(settings.sandbox_port, of=crm, what="the sandbox CRM", command="crm sandbox")
            click.echo(f"sandbox CRM {settings.crm_url} (key: sandbox), made-up data")
        if once:
            _await_end(begin("refresh"))
            return
        pages, ui = begin("serve", "--port", str(dashboards_port), says=False), begin("dev", "--port", str(port))
        webhooks = begin("events", "serve", "--port", str(events_port), says=False)
        _await_port(dashboards_port, of=pages, what="the dashboards", command="crm serve")
        _await_port(port, of=ui, what="the Dagster UI", command="crm dev")
        _await_port(events_port, of=webhooks, what="the receiver of webhooks", command="crm events serve")
        where = f"dashboards http://127.0.0.1:{dashboards_port} · Dagster UI http://127.0.0.1:{port}"
        click.echo(f"\n{where}\nThey are up, and fill while the CRM is read, which begins now; Ctrl-C ends all.\n")
        # A schedule of the UI may be faster than the refresh, which then waits for it.
        beside = {"the dashboards": pages, "the Dagster UI": ui, "the receiver of webhooks": webhooks}
        _await_end(begin("refresh", "--wait", str(_WAIT_SECONDS)), beside=beside)
        begin("live", "--wait", str(_WAIT_SECONDS), says=False)
        click.echo(f"\n{where}\nFigures follow what happens within seconds; Ctrl-C ends all.")
        with contextlib.suppress(KeyboardInterrupt):
            ui.wait()


def _require_all_free(needed: dict[str, tuple[int, str]]) -> None:
    """Raise FixConfiguration, naming the option, when a port is in use or was given twice: before anything starts."""
    users: dict[int, str] = {}
    for option, (port, what) in needed.items():
        if port in users:
            raise FixConfiguration(f"{what} and {users[port]} cannot both have port {port}: give {option} another")
        users[port] = what
        require_free(port, what=what, remedy=f"stop what uses it, or give `crm demo` another {option}")


def _crm(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "crm_platform.cli", *arguments]


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], *, says: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends.

    Without `says` its hints for people are left out, which name next steps that the demo takes by itself; its errors
    are seen all the same.
    """
    out = None if says else subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=out)  # noqa: S603 - our own command
    try:
        yield process
    finally:
        process.terminate()
        for _ in range(_STOP_TRIES):
            try:
                process.wait(_SAY_EVERY)
                break
            except subprocess.TimeoutExpired:
                click.echo("still ending", err=True)
        else:
            process.kill()
            process.wait()


def _history_began(settings: Settings) -> str:
    """When the sandbox's history begins: kept with the data, so that tomorrow's demo goes on in the same world."""
    note = settings.root / "sandbox.began"
    if not note.exists():
        keep_private(note.parent)
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=_SANDBOX_DAYS)
        note.write_text(f"{began.isoformat()}\n", encoding="utf-8")
    return note.read_text(encoding="utf-8").strip()


def _await_port(port: int, *, of: subprocess.Popen[bytes], what: str, command: str) -> None:
    """Wait until the process listens, saying so. Raises GiveUp when it ends instead, or takes too long."""
    began = said_at = time.monotonic()
    while not listens(port):
        now = time.monotonic()
        if of.poll() is not None or now - began > _START_SECONDS:
            raise GiveUp(f"{what} did not start; run `{command}` to see why")
        if now - said_at >= _SAY_EVERY:
            said_at = now
            click.echo(f"starting {what}, {now - began:.0f} s", err=True)
        time.sleep(0.1)


def _await_end(
    refresh: subprocess.Popen[bytes], *, beside: Mapping[str, subprocess.Popen[bytes]] | None = None
) -> None:
    """Wait for the refresh. Ends with its exit code when that is not 0, and when what runs beside it has gone."""
    while refresh.poll() is None:
        for what, other in (beside or {}).items():
            if other.poll() is not None:
                raise GiveUp(f"{what} ended (status {other.returncode}) while the CRM was read")
        with contextlib.suppress(subprocess.TimeoutExpired):
            refresh.wait(1)
    if refresh.returncode:
        sys.exit(refresh.returncode)
