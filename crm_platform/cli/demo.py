"""`crm demo`: from nothing to KPIs in one command, over real HTTP.

What belongs here: starting the sandbox when no CRM is configured, one refresh, the Dagster UI and the dashboards. What
does not: any of their work; each is a `crm` command of its own, run as a process of its own.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from crm_platform.cli.options import PORT
from crm_platform.errors import FixConfiguration, GiveUp
from crm_platform.settings import SANDBOX_URL, environment_with, load_settings
from crm_platform.warehouse import keep_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.settings import Settings

_SANDBOX_DAYS = 180
"""How much history the sandbox has on the first day."""

_START_SECONDS = 30.0
"""How long the sandbox may take until it answers."""

_STOP_SECONDS = 30.0
"""How long a process may take to end before it is killed."""


@click.command()
@click.option("--once", is_flag=True, help="End after the KPIs instead of keeping the pages running.")
@click.option("--port", type=PORT, default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option("--dashboards-port", type=PORT, default=8080, show_default=True, help="Port of the dashboards.")
def demo(*, once: bool, port: int, dashboards_port: int) -> None:
    """Load a CRM, compute its KPIs, show them; then keep the dashboards and the Dagster UI running.

    Without CRM_BASE_URL the CRM is a sandbox: 2,000 made-up contacts with 180 days of messages.
    """
    # Whoever ends the demo ends all of its processes: by SIGTERM too, and where a shell began it in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    settings = load_settings()
    environment = environment_with(CRM_AUTOMATION="on")
    if not once:
        require_free(port, what="the Dagster UI", remedy=f"stop what uses it, or run: crm demo --port {port + 1}")
        remedy = f"stop what uses it, or run: crm demo --dashboards-port {dashboards_port + 1}"
        require_free(dashboards_port, what="the dashboards", remedy=remedy)
    with contextlib.ExitStack() as processes:
        if settings.is_sandbox:
            processes.enter_context(_sandbox(environment, began=_history_began(settings)))
        refreshed = subprocess.run(_crm("refresh"), env=environment, check=False)  # noqa: S603 - our own command
        if refreshed.returncode:
            sys.exit(refreshed.returncode if refreshed.returncode > 0 else 128 - refreshed.returncode)  # < 0: a signal
        if not once:
            processes.enter_context(_process(_crm("serve", "--port", str(dashboards_port)), environment))
            ui = processes.enter_context(_process(_crm("dev", "--port", str(port)), environment))
            with contextlib.suppress(KeyboardInterrupt):
                ui.wait()


def require_free(port: int, *, what: str, remedy: str) -> None:
    """Raise FixConfiguration if something on this machine listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise FixConfiguration(f"port {port}, which {what} needs, is in use: {remedy}")


def _crm(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "crm_platform.cli", *arguments]


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
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


@contextlib.contextmanager
def _sandbox(environment: dict[str, str], *, began: str) -> Iterator[None]:
    port = urlsplit(SANDBOX_URL).port
    assert port is not None
    require_free(port, what="the sandbox CRM", remedy="stop what uses it, or set CRM_BASE_URL to a CRM of yours")
    with _process(
        _crm("sandbox", "--port", str(port), "--days", str(_SANDBOX_DAYS), "--began", began), environment
    ) as process:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise GiveUp("the sandbox CRM did not start; run `crm sandbox` to see why")
            time.sleep(0.1)
        yield
