"""`crm serve`: the dashboards, the KPI API, and the figures for assistants.

What belongs here: the command line. What does not: the app (serving/).
"""

from __future__ import annotations

import click

from crm_platform.cli.options import FREE_PORT, Host
from crm_platform.settings import current_settings


@click.command()
@click.option("--host", type=Host(), default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=FREE_PORT, default=8080, show_default=True, help="0 takes a free one.")
def serve(*, host: str, port: int) -> None:
    """Serve the dashboards, the KPI API and the figures for assistants until it is stopped.

    On loopback, with no secret set, they are open. Anywhere else CRM_VIEWER_SECRET, CRM_ANALYST_SECRET or
    CRM_ADMIN_SECRET must be set: people type it at the login page, programs send it as a bearer token. Put a proxy that
    speaks https in front, and name it in CRM_SERVE_HOSTS.
    """
    from crm_platform.cli.ports import listen
    from crm_platform.serving import create_app
    from crm_platform.serving.server import run

    settings = current_settings()
    app = create_app(settings, host=host)
    listening = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}"
    roles = ", ".join(settings.role_secrets)
    click.echo(f"Dashboards at {address}  ({f'log in as {roles}' if roles else 'open: this machine only'})")
    click.echo(f"  KPI API    {address}/api/v1/kpis")
    click.echo(f"  assistants {address}/mcp")
    click.echo(f"  health     {address}/healthz")
    if not settings.published_dir.is_dir():
        click.echo("  nothing is published yet: run `crm refresh` in another terminal")
    click.echo("  Ctrl-C ends it")
    run(app, listening)
