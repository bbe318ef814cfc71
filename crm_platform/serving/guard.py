"""What every request and every answer passes through: names, origins, roles, the audit log, headers.

What belongs here: ASGI middleware that the dashboards and the Dagster UI share. What does not: who somebody is
(access.py), how large a request may be (bounds.py), routes.

From outside to inside: Forwarded (who a believed proxy speaks for), Headers (every answer is told how a browser may
treat it), Names (the Host header, against DNS rebinding), AccessControl (roles, requests forged by other sites, the
audit log).

WebSockets pass the same checks; whoever may not open one is refused without a word, which is all that browsers tell.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers as HeaderMap
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_platform.errors import CrmPlatformError, RateLimited
from crm_platform.publish.audit import Audit
from crm_platform.serving.access import OPEN, Door, Role, Visitor, is_export, needed_role
from crm_platform.serving.pages.frame import address_of
from crm_platform.serving.problems import answer, on_trouble, wants_page
from crm_platform.serving.refusals import Refused
from crm_platform.settings import Network, is_loopback

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")

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


def own_names(host: str, more: Sequence[str]) -> Sequence[str] | None:
    """The names that a server on `host` answers to, None for any. `more`: names that somebody has given it."""
    if more:
        return (*LOOPBACK_NAMES, *more)
    # Where anybody may ask for a name, cookies and secrets keep strangers out: a name that lies brings neither.
    return (*LOOPBACK_NAMES, host) if is_loopback(host) else None


def harden(headers: MutableHeaders, *, is_https: bool, is_open: bool, has_policy: bool = True) -> None:
    """Add what every answer carries; a Cache-Control that a route has set stays.

    `has_policy`: it is of ours, and holds to our content policy.
    """
    for name, value in _HEADERS.items():
        if has_policy or value is not _POLICY:
            headers[name] = value
    headers.setdefault("Cache-Control", "no-cache" if is_open else "no-store")
    if is_https:
        headers["Strict-Transport-Security"] = _A_YEAR


def _everywhere(_path: str) -> bool:
    return True


class Forwarded:
    """Believes what a proxy says of whom it speaks for.

    From `proxies`, X-Forwarded-For gives the client's address: the last one that is no proxy of ours. From these and
    from this machine, X-Forwarded-Proto tells whether the client speaks https, which opens nothing.
    """

    def __init__(self, app: ASGIApp, *, proxies: Sequence[Network]) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as the client's own."""
        if scope["type"] in {"http", "websocket"} and scope.get("client"):
            scope.update(self._told(scope))
        await self._app(scope, receive, send)

    def _told(self, scope: Scope) -> Scope:
        peer, _ = scope["client"]
        is_believed = self._is_proxy(peer)
        headers = HeaderMap(scope=scope)
        told: Scope = {}
        if is_believed or is_loopback(peer):
            scheme = headers.get("x-forwarded-proto", "").strip().lower()
            if scheme in {"http", "https"}:
                told["scheme"] = scheme if scope["type"] == "http" else scheme.replace("http", "ws")
        if is_believed:
            hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
            client = next((hop for hop in reversed(hops) if not self._is_proxy(hop)), None)
            if client is not None and _is_address(client):
                told["client"] = (client, 0)
        return told

    def _is_proxy(self, text: str) -> bool:
        return _is_address(text) and any(ipaddress.ip_address(text) in network for network in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Headers:
    """Adds security headers to every answer. `has_policy`: which paths hold to our content policy."""

    def __init__(self, app: ASGIApp, *, door: Door, has_policy: Callable[[str], bool] = _everywhere) -> None:
        self._app = app
        self._door = door
        self._has_policy = has_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its answer with headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                harden(
                    headers,
                    is_https=scope["scheme"] == "https",
                    is_open=self._door.is_open,
                    has_policy=self._has_policy(scope["path"]),
                )
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
        is_asked = scope["type"] in {"http", "websocket"} and not scope["path"].startswith("/static/")
        if not is_asked or self._names is None or _hostname(HeaderMap(scope=scope).get("host", "")) in self._names:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await _close(send)
        else:
            names = ", ".join(sorted(self._names))
            hint = f"Use {names}; CRM_SERVE_HOSTS adds names."
            message = "This server does not answer to that name."
            refused = Refused(421, "wrong_host", message, hint=hint, places={"names": names})
            await answer(Request(scope), refused)(scope, receive, send)


class AccessControl:
    """Lets in who may see what they ask for; writes down what leaves the house.

    `needed`: the least role of a path, None for anybody.
    """

    def __init__(
        self, app: ASGIApp, *, door: Door, audit: Audit, needed: Callable[[str], Role | None] = needed_role
    ) -> None:
        self._app = app
        self._door = door
        self._audit = audit
        self._needed = needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with `request.state.visitor` set, or say no."""
        if scope["type"] == "websocket":
            is_welcome = await run_in_threadpool(self._may_open, HTTPConnection(scope))
            await (self._app(scope, receive, send) if is_welcome else _close(send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            visitor = self._let_in(request)
        except Refused as problem:
            await answer(request, problem)(scope, receive, send)
            return
        except CrmPlatformError as problem:
            await on_trouble(request, problem)(scope, receive, send)
            return
        if isinstance(visitor, Response):
            await visitor(scope, receive, send)
            return
        request.state.visitor = visitor
        if visitor is None or request.method != "GET" or not is_export(scope["path"]):
            await self._app(scope, receive, send)
            return
        is_held_back = False

        async def audited(message: Message) -> None:
            # Before the first byte leaves: when the line cannot be written, nothing does.
            nonlocal is_held_back
            if message["type"] == "http.response.start" and message["status"] == 200:
                try:
                    await run_in_threadpool(self._write, request, visitor, HeaderMap(raw=message["headers"]))
                except CrmPlatformError as problem:
                    is_held_back = True
                    await on_trouble(request, problem)(scope, receive, send)
            if not is_held_back:
                await send(message)

        await self._app(scope, receive, audited)

    def _may_open(self, asked: HTTPConnection) -> bool:
        """Whether a WebSocket may be opened: by no page of another site, and by whoever may ask for its path."""
        needed = self._needed(asked.scope["path"])
        try:
            visitor = None if _is_forged(asked) else self._visitor(asked)
        except (Refused, CrmPlatformError):
            return False
        return visitor is not None and (needed is None or visitor.role >= needed)

    def _let_in(self, request: Request) -> Visitor | Response | None:
        """Who comes; None: nobody in particular, to a public place. Raises Refused."""
        if request.method not in _SAFE_METHODS and _is_forged(request):
            raise Refused(403, "cross_site", "This request was made by another site.", hint="Open the page here.")
        visitor = self._visitor(request)
        needed = self._needed(request.scope["path"])
        if needed is None or (visitor is not None and visitor.role >= needed):
            return visitor
        if visitor is not None:
            request.state.visitor = visitor  # who is refused one page is offered the others
            self._audit.write(
                "refused", role=visitor.role.name.lower(), by=visitor.came_by, client=_address(request),
                path=request.scope["path"],
            )  # fmt: skip
            places = {"needed": needed.name.lower(), "role": visitor.role.name.lower()}
            message = f"This needs the role {places['needed']}; you came as {places['role']}."
            hint = f"Log in with CRM_{needed.name}_SECRET, or send it as a bearer token."
            raise Refused(403, "role_too_low", message, hint=hint, places=places)
        if wants_page(request) and request.method in _SAFE_METHODS:
            return RedirectResponse(f"/login?next={quote(address_of(request), safe='')}", 303)
        hint = "Send Authorization: Bearer and the secret of your role."
        raise Refused(401, "not_logged_in", "This needs a secret.", hint=hint, headers={"WWW-Authenticate": "Bearer"})

    def _visitor(self, request: HTTPConnection) -> Visitor | None:
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
        name = request.cookies.get(self._door.cookie(request.scope["scheme"]))
        # A page that is left open asks for news by itself: that keeps nobody logged in.
        is_person = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        return self._door.by_session(name, renews=is_person) if name else None

    def _write(self, request: Request, visitor: Visitor, headers: HeaderMap) -> None:
        self._audit.write(
            "export",
            role=visitor.role.name.lower(),
            by=visitor.came_by,
            client=_address(request),
            path=request.scope["path"],
            query=request.scope["query_string"].decode("latin-1"),
            form=headers.get("content-type", "").partition(";")[0],
            snapshot=headers.get("x-snapshot"),
        )


def recognise(door: Door, audit: Audit, request: HTTPConnection, secret: str) -> Visitor | None:
    """Who has this secret; a wrong one is written down. Raises Refused for one wrong secret too many."""
    try:
        role = door.recognise(secret, address=_address(request))
    except RateLimited as problem:
        wait = str(int(problem.retry_after or 0) + 1)
        message, hint = "Too many wrong secrets came from your address.", f"Send the right one, or wait {wait} s."
        headers, places = {"Retry-After": wait}, {"wait": wait}
        raise Refused(429, "too_many_failures", message, hint=hint, headers=headers, places=places) from None
    if role is None:
        audit.write("wrong secret", client=_address(request), path=request.scope["path"])
        return None
    return Visitor(role, "token")


def _address(request: HTTPConnection) -> str:
    return request.client.host if request.client else "unknown"


async def _close(send: Send) -> None:
    """Refuse a WebSocket: the server answers 403."""
    await send({"type": "websocket.close", "code": 1008})


def _hostname(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


def _is_forged(request: HTTPConnection) -> bool:
    """Whether a browser says that another site sends this. Programs send neither header."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    except ValueError:  # an origin that no browser sends
        return True
