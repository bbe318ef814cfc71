"""The ASGI app: its routes, and what every answer passes through.

What belongs here: putting pages, API and health together, middleware. What does not: what a page shows (pages/), what
the API answers (kpi_api.py), who may see it (access.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import duckdb
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from crm_platform.errors import CrmPlatformError, FixConfiguration
from crm_platform.publish.audit import Audit
from crm_platform.serving import health, kpi_api, login, mcp, metrics, pages, static, turns
from crm_platform.serving.access import Door
from crm_platform.serving.bounds import Bounds
from crm_platform.serving.caching import Kept
from crm_platform.serving.guard import AccessControl, Forwarded, Headers, Names, harden, own_names
from crm_platform.serving.hot import Hot
from crm_platform.serving.notices import Notices
from crm_platform.serving.problems import on_bug, on_refusal, on_trouble, on_wrong_question
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import is_loopback

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from crm_platform.settings import Settings

_MOST_KEPT = 64 << 20  # bytes of answers of the KPI API
_FAST = 5  # of gzip's levels: 9 takes three times as long for two per cent


def names_for(settings: Settings, *, host: str) -> Sequence[str] | None:
    """The names that a server on `host` answers to, None for any.

    Raises FixConfiguration when it could be reached from elsewhere and no secret is set.
    """
    is_open = not settings.role_secrets
    if is_open and (settings.serve_hosts or not is_loopback(host)):
        where = f"on {host}" if not is_loopback(host) else f"as {', '.join(settings.serve_hosts)}"
        raise FixConfiguration(
            f"serving {where} needs a secret: set CRM_VIEWER_SECRET, CRM_ANALYST_SECRET or CRM_ADMIN_SECRET"
            " (or …_FILE) to what its people and programs will send, or listen on 127.0.0.1"
        )
    return own_names(host, settings.serve_hosts)


def create_app(
    settings: Settings, *, host: str = "127.0.0.1", now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
) -> Starlette:
    """Build the app that a server on `host` runs.

    For every route there are `app.state.settings` and `app.state.snapshots`, and `request.state.visitor`, whose role
    says what may be offered. `now`: gives an aware time. Raises FixConfiguration when it would stand open to others.
    """
    names = names_for(settings, host=host)
    door = Door.of(settings)
    snapshots = Snapshots(settings)
    audit = Audit(settings.audit_dir, now=now)
    measured = metrics.AppMetrics(snapshots, now=now)

    def on_any_bug(request: Request, problem: Exception) -> Response:
        # Starlette answers to a bug outside of all middleware.
        response = on_bug(request, problem)
        harden(response.headers, is_https=request.url.scheme == "https", is_open=door.is_open)
        return response

    app = Starlette(
        routes=[
            *kpi_api.routes(),
            *health.routes(),
            *metrics.routes(),
            *login.routes(),
            *mcp.routes(),
            *static.routes(),
            *turns.routes(),
            *pages.routes(),
        ],
        middleware=[
            Middleware(metrics.Measured, metrics=measured),
            Middleware(Forwarded, proxies=settings.proxies),
            Middleware(Headers, door=door),
            Middleware(Bounds),
            Middleware(Names, names=names),
            Middleware(AccessControl, door=door, audit=audit),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=_FAST),
        ],
        exception_handlers={
            HTTPException: on_refusal,
            CrmPlatformError: on_trouble,
            duckdb.BinderException: on_wrong_question,
            duckdb.CatalogException: on_wrong_question,
            Exception: on_any_bug,
        },
    )
    app.state.settings = settings
    app.state.snapshots = snapshots
    app.state.audit = audit
    app.state.door = door
    app.state.metrics = measured
    app.state.kept = Kept(most_bytes=_MOST_KEPT)
    app.state.hot = Hot(settings)
    app.state.notices = Notices(settings)
    app.state.now = now
    return app
