"""The door of the Dagster UI, which has none of its own: names, origins, the login of admins.

What belongs here: what stands around the UI's app. What does not: running it (defs/ui.py), the checks themselves
(guard.py, access.py, bounds.py), which the dashboards share.

The UI starts and stops runs and schedules. So it answers to its own names only, changes nothing for another site's
page, nothing at all by GET, and beyond this machine, or once CRM_ADMIN_SECRET is set, only for admins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers as HeaderMap
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Mount, Route

from crm_platform.errors import CrmPlatformError, FixConfiguration
from crm_platform.publish.audit import Audit
from crm_platform.serving import login, static
from crm_platform.serving.access import Door, Role
from crm_platform.serving.bounds import LONGEST_ADDRESS, Bounds
from crm_platform.serving.guard import AccessControl, Forwarded, Headers, Names, own_names
from crm_platform.serving.pages.frame import preferences
from crm_platform.serving.problems import answer, on_bug, on_refusal, on_trouble
from crm_platform.serving.refusals import Refused
from crm_platform.settings import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from crm_platform.settings import Settings

_LONGEST_BODY: Final = 10 << 20  # bytes: a run's configuration
_COOKIE: Final = "crm_ui_session"
_GRAPHQL: Final = "/graphql"
_GRAPHQL_TYPES: Final = frozenset({"application/json", "application/graphql"})  # no page of another site can send these
_OURS: Final = frozenset({"/login", "/logout", "/preferences"})


def require_login(settings: Settings, *, host: str) -> None:
    """Raise FixConfiguration when a UI on `host` would stand open to others."""
    if settings.admin_secret is None and not is_loopback(host):
        raise FixConfiguration(
            f"the Dagster UI on {host} needs a login: set CRM_ADMIN_SECRET (or CRM_ADMIN_SECRET_FILE) to what admins"
            " will type, or listen on 127.0.0.1"
        )


def behind_door(
    ui: ASGIApp, settings: Settings, *, host: str, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
) -> Starlette:
    """The UI's app, guarded. `now`: gives an aware time. Raises FixConfiguration when it would stand open to others."""
    require_login(settings, host=host)
    secret = settings.admin_secret
    door = Door({} if secret is None else {Role.ADMIN: secret.get_secret_value()}, cookie=_COOKIE)
    audit = Audit(settings.audit_dir, now=now)
    app = Starlette(
        routes=[
            *login.routes(),
            *static.routes(),
            Route("/preferences", preferences),
            Mount("/", ui),
        ],
        middleware=[
            Middleware(Forwarded, proxies=settings.proxies),
            Middleware(Headers, door=door, has_policy=_is_ours),
            Middleware(Bounds, longest_parameter=LONGEST_ADDRESS, longest_body=_LONGEST_BODY),
            # Without a login there is nothing but the name to tell friend from foe: no other one is taken then.
            Middleware(Names, names=own_names(host, () if door.is_open else settings.serve_hosts)),
            Middleware(AccessControl, door=door, audit=audit, needed=_needed),
            Middleware(OwnPages),
        ],
        exception_handlers={HTTPException: on_refusal, CrmPlatformError: on_trouble, Exception: on_bug},
    )
    app.state.door = door
    app.state.audit = audit
    app.state.settings = settings
    app.state.now = now
    return app


def _is_ours(path: str) -> bool:
    return path in _OURS or path.startswith("/static/")


def _needed(path: str) -> Role | None:
    return None if path in {"/login", "/preferences"} or path.startswith("/static/") else Role.ADMIN


class OwnPages:
    """Keeps GET from changing anything, and what is not a page of its own from other sites' pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403, 405 or 415."""
        refused = _refuse(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await answer(Request(scope), refused)(scope, receive, send)


def _refuse(scope: Scope) -> Refused | None:
    headers = HeaderMap(scope=scope)
    if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"} and not _is_link(headers):
        message = "This request was made by another site."
        return Refused(403, "cross_site", message, hint="Open the page here.")
    if scope["path"].rstrip("/") != _GRAPHQL:
        return None
    if scope["method"] != "POST":
        if "text/html" in headers.get("accept", "") and not scope["query_string"]:
            return None  # the page in which one writes queries; it asks by POST
        hint = "Send the query by POST, as application/json."
        return Refused(405, "method_not_allowed", "Nothing is asked by GET.", hint=hint, headers={"Allow": "POST"})
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _GRAPHQL_TYPES:
        hint = f"Send {' or '.join(sorted(_GRAPHQL_TYPES))}."
        return Refused(415, "bad_form", "A query is not asked in this form.", hint=hint)
    return None


def _is_link(headers: HeaderMap) -> bool:
    """Whether somebody followed a link: a page is opened, in a window of its own."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
