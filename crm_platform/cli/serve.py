"""`crm serve`: the dashboards and the KPI API.

What belongs here: the command line. What does not: the app (serving/).
"""

from __future__ import annotations

import click

from crm_platform.settings import current_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(*, host: str, port: int) -> None:
    """Serve the dashboards and the KPI API until it is stopped."""
    import uvicorn

    from crm_platform.serving import create_app

    uvicorn.run(create_app(current_settings()), host=host, port=port, log_level="warning")
