"""`crm events`: take webhooks in, and feed recorded ones.

What belongs here: arguments and the words at start. What does not: the receiver (events/), what becomes of an event
(ingest/events.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from crm_platform.cli.options import FREE_PORT, File, Host
from crm_platform.errors import FixConfiguration
from crm_platform.settings import current_settings, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AT_ONCE = 1_000  # recorded events that are kept by one transaction


@click.group()
def events() -> None:
    """Take in what the CRM, or WhatsApp, sends by itself: hints where to look, and who of the staff did what."""


@events.command()
@click.option("--host", type=Host(), default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=FREE_PORT, default=8090, show_default=True, help="0 takes a free one.")
def serve(*, host: str, port: int) -> None:
    """Receive webhooks until it is stopped.

    Each is answered once it is on the disk; a crawl takes it from there. CRM_WEBHOOK_SECRET is what the CRM signs with
    (X-Hub-Signature-256: HMAC-SHA-256 of the body); while it is not set, only this machine may send. Put a proxy that
    speaks https in front.
    """
    from crm_platform.cli.ports import listen
    from crm_platform.events import create_receiver
    from crm_platform.serving.server import run

    settings = current_settings()
    is_open = settings.webhook_secret is None
    if is_open and not is_loopback(host):
        raise FixConfiguration(
            f"receiving on {host} needs a secret: set CRM_WEBHOOK_SECRET (or …_FILE) to what the CRM signs its webhooks"
            " with, or listen on 127.0.0.1"
        )
    app = create_receiver(settings)
    listening = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}"
    click.echo(
        f"Events of the CRM  POST {address}/webhooks/crm  ({'open: this machine only' if is_open else 'signed'})"
    )
    click.echo(f"  of WhatsApp      POST {address}/webhooks/whatsapp")
    click.echo(f"  health           {address}/healthz")
    click.echo("  Ctrl-C ends it")
    try:
        run(app, listening)
    finally:
        app.keeper.close()


@events.command()
@click.argument("file", type=File())
@click.option("--whatsapp", is_flag=True, help="They are WhatsApp's own, not the CRM's.")
def replay(*, file: Path, whatsapp: bool) -> None:
    """Feed recorded webhooks: a JSON document, or one on each line, as they were sent.

    What was received before stands once. The next crawl takes them in.
    """
    from crm_platform.api import utc_now
    from crm_platform.events import read_crm, read_whatsapp
    from crm_platform.ingest.inbox import Inbox

    settings = current_settings()
    inbox = Inbox(settings.inbox_path)
    kept = new = refused = 0
    for place, payload in _payloads(file):
        try:
            read = (
                read_whatsapp(payload, at=utc_now())
                if whatsapp
                else read_crm(payload, at=utc_now(), keep_text=settings.message_text == "keep")
            )
        except ValueError as problem:
            raise FixConfiguration(f"{file}, {place}: {problem}") from None
        new += inbox.put(read.events, [one for _, one in read.refused])
        kept += len(read.events)
        refused += len(read.refused)
        for index, one in read.refused:
            click.echo(f"{place}, event {index + 1}: {one.reason}", err=True)
    inbox.close()
    words = f"{kept} events, {new} of them were not waiting already"
    click.echo(words + (f"; {refused} records are no events, and kept in quarantine" if refused else ""))


def _payloads(file: Path) -> Iterator[tuple[str, object]]:
    """The documents of a file, each with its place. Raises FixConfiguration where one is no JSON."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FixConfiguration(f"{file} is no UTF-8: save it as that") from None
    try:
        yield "the document", json.loads(text)
    except ValueError:
        pass
    else:
        return
    lines: list[object] = []
    first = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as problem:
            raise FixConfiguration(f"{file}, line {number} is no JSON ({problem})") from None
        if isinstance(document, dict) and "batch" not in document and "entry" not in document:
            lines.append(document)
            if len(lines) == _AT_ONCE:
                yield f"lines {first} to {number}", lines
                lines, first = [], number + 1
        else:
            yield f"line {number}", document
    if lines:
        yield f"from line {first}", lines
