"""What every request and every answer passes through: names, origins, roles, the audit log, headers.

What belongs here: ASGI middleware of the whole app. What does not: who somebody is (access.py), routes.

From outside to inside: Headers (every answer is told how a browser may treat it), Names (the Host header, against DNS
rebinding), Gate (roles, requests forged by other sites, the audit log).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers as HeaderMap
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_platform.errors import RateLimited
from crm_platform.publish.audit import Audit
from crm_platform.serving.access import OPEN, Door, Visitor, is_export, needed_role
from crm_platform.serving.pages.frame import address_of
from crm_platform.serving.problems import answer, wants_page
from crm_platform.serving.refused import Refused

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
SECURE_COOKIE: Final = "__Host-crm_session"  # a browser keeps it only over https, for this host alone
PLAIN_COOKIE: Final = "crm_session"

# Everything comes from here; pictures may also be drawn in the page, for PNG export. Nothing is inline, nothing frames.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_YEAR: Final = "max-age=31536000"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def harden(headers: MutableHeaders, *, is_https: bool, is_open: bool) -> None:
    """Add what every answer carries; a Cache-Control that a route has set stays."""
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-cache" if is_open else "no-store")
    if is_https:
        headers["Strict-Transport-Security"] = _A_YEAR


class Headers:
    """Adds security headers to every answer."""

    def __init__(self, app: ASGIApp, *, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its answer with headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                harden(headers, is_https=scope["scheme"] == "https", is_open=self._door.is_open)
            await send(message)

        await self._app(scope, receive, hardened)


class Names:
    """Answers to known names only: another site's name that resolves to this machine is a forgery. None: any name."""

    def __init__(self, app: ASGIApp, *, names: Sequence[str] | None) -> None:
        self._app = app
        self._names = None if names is None else {name.lower().strip("[]") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 421."""
        # Style sheets are everybody's, and let the page that says so be read.
        if scope["type"] == "http" and self._names is not None and not scope["path"].startswith("/static/"):
            name = _hostname(HeaderMap(scope=scope).get("host", ""))
            if name not in self._names:
                names = ", ".join(sorted(self._names))
                hint = f"Use {names}; CRM_SERVE_HOSTS adds names."
                message = "This server does not answer to that name."
                refused = Refused(421, "wrong_host", message, hint=hint, places={"names": names})
                await answer(Request(scope), refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Gate:
    """Lets in who may see what they ask for; writes down what leaves the house."""

    def __init__(self, app: ASGIApp, *, door: Door, audit: Audit) -> None:
        self._app = app
        self._door = door
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with `request.state.visitor` set, or say no."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            visitor = self._let_in(request)
        except Refused as problem:
            await answer(request, problem)(scope, receive, send)
            return
        if isinstance(visitor, Response):
            await visitor(scope, receive, send)
            return
        request.state.visitor = visitor

        async def audited(message: Message) -> None:
            # Before the first byte leaves: when the line cannot be written, nothing does.
            if message["type"] == "http.response.start" and message["status"] == 200 and visitor is not None:
                self._write(request, visitor, HeaderMap(raw=message["headers"]))
            await send(message)

        watched = request.method == "GET" and is_export(request.url.path)
        await self._app(scope, receive, audited if watched else send)

    def _let_in(self, request: Request) -> Visitor | Response | None:
        """Who comes; None: nobody in particular, to a public place. Raises Refused."""
        if request.method not in _SAFE_METHODS and _is_forged(request):
            raise Refused(403, "cross_site", "This request was made by another site.", hint="Open the page here.")
        visitor = self._visitor(request)
        needed = needed_role(request.url.path)
        if needed is None or (visitor is not None and visitor.may(request.url.path)):
            return visitor
        if visitor is not None:
            request.state.visitor = visitor  # who is refused one page is offered the others
            self._audit.write(
                "refused", role=visitor.role.name.lower(), by=visitor.came_by, client=_address(request),
                path=request.url.path,
            )  # fmt: skip
            places = {"needed": needed.name.lower(), "role": visitor.role.name.lower()}
            message = f"This needs the role {places['needed']}; you came as {places['role']}."
            hint = f"Log in with CRM_{needed.name}_SECRET, or send it as a bearer token."
            raise Refused(403, "role_too_low", message, hint=hint, places=places)
        if wants_page(request) and request.method in _SAFE_METHODS:
            return RedirectResponse(f"/login?next={quote(address_of(request), safe='')}", 303)
        hint = "Send Authorization: Bearer and the secret of your role."
        raise Refused(401, "not_logged_in", "This needs a secret.", hint=hint, headers={"WWW-Authenticate": "Bearer"})

    def _visitor(self, request: Request) -> Visitor | None:
        if self._door.is_open:
            return OPEN
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            role = recognise(self._door, self._audit, request, token.strip())
            if role is None:
                hint = "Send the secret of your role, as its setting holds it."
                wrong = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
                raise Refused(401, "wrong_secret", "No role has this secret.", hint=hint, headers=wrong)
            return role
        name = request.cookies.get(cookie_name(request))
        # A page that is left open asks for news by itself: that keeps nobody logged in.
        is_person = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        return self._door.by_session(name, renews=is_person) if name else None

    def _write(self, request: Request, visitor: Visitor, headers: HeaderMap) -> None:
        self._audit.write(
            "export",
            role=visitor.role.name.lower(),
            by=visitor.came_by,
            client=_address(request),
            path=request.url.path,
            query=request.url.query,
            form=headers.get("content-type", "").partition(";")[0],
            snapshot=headers.get("x-snapshot"),
        )


def recognise(door: Door, audit: Audit, request: Request, secret: str) -> Visitor | None:
    """Who has this secret; a wrong one is written down. Raises Refused after too many."""
    try:
        role = door.recognise(secret, address=_address(request))
    except RateLimited as problem:
        wait = str(int(problem.retry_after or 0) + 1)
        message, hint = "Too many wrong secrets came from your address.", f"Wait {wait} s."
        headers, places = {"Retry-After": wait}, {"wait": wait}
        raise Refused(429, "too_many_failures", message, hint=hint, headers=headers, places=places) from None
    if role is None:
        audit.write("wrong secret", client=_address(request), path=request.url.path)
        return None
    return Visitor(role, "token")


def cookie_name(request: Request) -> str:
    """The session cookie's name, by how the request came."""
    return SECURE_COOKIE if request.url.scheme == "https" else PLAIN_COOKIE


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _hostname(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


def _is_forged(request: Request) -> bool:
    """Whether a browser says that another site sends this. Programs send neither header."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
