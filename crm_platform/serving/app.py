"""The ASGI app: its routes, and what every answer passes through.

What belongs here: putting pages, API and health together, middleware. What does not: what a page shows (pages/), what
the API answers (kpi_api.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from crm_platform.serving import kpi_api, pages
from crm_platform.serving.snapshots import Snapshots

if TYPE_CHECKING:
    from crm_platform.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Build the app. `app.state.settings` and `app.state.snapshots` are there for every route."""
    app = Starlette(routes=[*pages.routes(), *kpi_api.routes()])
    app.state.settings = settings
    app.state.snapshots = Snapshots(settings)
    return app
