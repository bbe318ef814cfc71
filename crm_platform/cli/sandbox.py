"""`crm sandbox`: a made-up CRM on this machine.

What belongs here: options, the words at start. What does not: the sandbox itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from crm_platform.cli.options import COUNT, FREE_PORT, Amount, Host, Instant, OneOf, Whole
from crm_platform.errors import quoted
from crm_platform.sandbox.limits import TIERS
from crm_platform.sandbox.options import FAULTS, MOST_CONTACTS, WEBHOOK_IDS, WEBHOOK_SHAPES, SandboxOptions
from crm_platform.sandbox.shapes import ALL, SHAPES
from crm_platform.settings import Settings, load_settings

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Words(click.ParamType[tuple[str, ...]]):
    """Comma-separated words, each one of a few."""

    name = "words"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        words = tuple(filter(None, (word.strip() for word in str(value).split(","))))
        for word in words:
            if word not in self._allowed:
                self.fail(f"{quoted(word)} is none of {', '.join(self._allowed)}", param, ctx)
        return words


def _table(words: dict[str, str]) -> str:
    return "\n".join(f"  {word:16} {meaning}" for word, meaning in words.items())


def _share(name: str, words: str) -> Callable[[_Command], _Command]:
    return click.option(name, type=Amount(0, 1), default=0.0, show_default=True, metavar="SHARE", help=words)


_EPILOG = f"""\b
Faults:
{_table(FAULTS)}

\b
Shapes:
{_table(SHAPES | {ALL: "every shape that can go together"})}

\b
Webhooks, by --webhook-shape:
{_table(WEBHOOK_SHAPES)}
and by --webhook-ids:
{_table(WEBHOOK_IDS)}

\b
Beside the contract, with the same key, for tests:
  GET  /sandbox/truth?at=TIME   what a perfect sync holds then, as NDJSON
  GET  /sandbox/events?after=TIME&until=TIME   what happened, and what webhooks make of it, as NDJSON
  GET  /sandbox/stats           requests by route, most in any 60 s and 24 h; webhooks sent, lost, waiting
  POST /sandbox/clock           {{"now": TIME}} or {{"advance": SECONDS}} (--clock manual)
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--host", type=Host(), default="127.0.0.1", show_default=True, help="Address to listen on; this machine only."
)
@click.option(
    "--port",
    type=FREE_PORT,
    default=lambda: load_settings().sandbox_port,
    show_default="CRM_SANDBOX_PORT, or 8800",
    help="0 takes a free one.",
)
@click.option("--contacts", default=2000, show_default=True, type=Whole(10, MOST_CONTACTS), help="Contacts at first.")
@click.option("--days", default=180, show_default=True, type=Whole(1, 3650), help="Days of history.")
@click.option(
    "--seed", type=Whole(-(2**63), 2**63 - 1), default=7, show_default=True, help="Another seed is another world."
)
@click.option("--key", default="sandbox", show_default=True, help="The API key to ask for.")
@click.option("--start", type=Instant(), help="The world's time at start.  [default: now]")
@click.option(
    "--began",
    type=Instant(),
    help="When history begins: gives the same world on another day.  [default: --days before start]",
)
@click.option(
    "--speed", type=Amount(0, 1_000_000, above=True), default=1.0, show_default=True, help="World seconds in a second."
)
@click.option(
    "--clock",
    type=OneOf(["real", "manual"]),
    default="real",
    show_default=True,
    help="manual: stands still until it is set.",
)
@click.option("--tier", type=OneOf(list(TIERS)), help="Rate limit of the CRM's tiers.  [default: none]")
@click.option("--requests-per-minute", type=COUNT, help="Rate limit in any 60 s.")
@click.option("--requests-per-day", type=COUNT, help="Rate limit in any 24 h.")
@click.option(
    "--latency",
    "latency_ms",
    type=Amount(0, 600_000),
    default=0.0,
    show_default=True,
    metavar="MS",
    help="Milliseconds an answer waits.",
)
@click.option(
    "--fault-rate",
    default=0.0,
    show_default=True,
    type=Amount(0, 1),
    help="Share of requests answered badly.",
)
@click.option(
    "--faults", type=_Words(tuple(FAULTS)), default=tuple(FAULTS), help="Which faults, comma-separated.  [default: all]"
)
@click.option("--shapes", type=_Words((*SHAPES, ALL)), default=(), help="Odd shapes, comma-separated.  [default: none]")
@click.option("--webhook-url", metavar="URL", help="Post what happens from now on to a receiver of webhooks.")
@click.option(
    "--webhook-secret",
    metavar="SECRET",
    help="Sign them; beyond this machine it is needed.  [default: CRM_WEBHOOK_SECRET]",
)
@click.option(
    "--webhook-shape", type=OneOf(list(WEBHOOK_SHAPES)), default="crm", show_default=True, help="How they look."
)
@click.option(
    "--webhook-ids",
    type=OneOf(list(WEBHOOK_IDS)),
    default="api",
    show_default=True,
    help="How they call messages.",
)
@_share("--webhook-lost", "Share of events that never come.")
@_share("--webhook-doubled", "Share of events that come twice.")
@_share("--webhook-delayed", "Share of events that come a minute to an hour late.")
@_share("--webhook-reordered", "Share of events that come after the next one.")
def sandbox(host: str, port: int, webhook_url: str | None, webhook_secret: str | None, **options: object) -> None:
    """Run a made-up CRM: seeded people, chats and campaigns behind the CRM's API.

    It keeps nothing: what is written through the API is gone when it ends. The same seed and the same times give the
    same world.
    """
    from crm_platform.cli.ports import listen
    from crm_platform.sandbox import Sandbox
    from crm_platform.sandbox.server import serve

    if webhook_url is not None and webhook_secret is None and (kept := load_settings().webhook_secret) is not None:
        webhook_secret = kept.get_secret_value()
    told = SandboxOptions(webhook_url=webhook_url, webhook_secret=webhook_secret, **options)  # type: ignore[arg-type]  # click has checked each of them
    listening = listen(host, port)
    crm = Sandbox(told)
    address = f"http://{host}:{listening.getsockname()[1]}"
    contacts, messages = crm.size()
    click.echo(f"Sandbox CRM at {address}  (key: {'sandbox' if crm.options.key == 'sandbox' else 'as given'})")
    click.echo(f"  {contacts:,} contacts, about {messages:,} messages; world time {crm.clock.now():%Y-%m-%d %H:%M} UTC")
    click.echo(f"  try:   curl -H 'API-KEY: …' '{address}/crm/chat?limit=2'")
    click.echo(f"  again: --began {crm.began:%Y-%m-%dT%H:%M:%S.%fZ} gives the same world on another day")
    if webhook_url is not None:
        click.echo(f"  events: posted to {urlsplit(webhook_url).netloc}{'' if webhook_secret is None else ', signed'}")
    own = listening.getsockname()[1]
    elsewhere = "" if own == Settings.model_fields["sandbox_port"].default else f"CRM_SANDBOX_PORT={own} "
    click.echo(f"  next:  {elsewhere}crm refresh    (in another terminal; Ctrl-C here ends the sandbox)")
    serve(crm, listening)
