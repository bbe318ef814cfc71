"""The login page: a secret in, a session out.

What belongs here: the form, the cookie, leaving. What does not: whether a secret is right (access.py), requests that
other sites forge (guard.py looks at every one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crm_platform.serving.access import LONGEST_SESSION
from crm_platform.serving.bounds import LONGEST_ADDRESS
from crm_platform.serving.forms import read_form
from crm_platform.serving.guard import recognise
from crm_platform.serving.pages.frame import bare_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute


def _page(request: Request, status: int, *, onwards: str) -> Response:
    # Whoever chooses a language comes back to where they were going.
    here = f"/login?next={quote(onwards, safe='')}"
    headers = {"Cache-Control": "no-store"}
    return bare_page(
        request, "login.html", status=status, headers=headers, here=here, onwards=onwards, is_wrong=status != 200
    )


def _local(address: str | None) -> str:
    """An address inside this app; anything else leads to the first page."""
    inside = address is not None and address.startswith("/") and address[1:2] not in {"/", "\\"}
    fits = inside and address is not None and address.isprintable() and len(address) <= LONGEST_ADDRESS // 4
    return address if fits and address is not None else "/"


async def _ask(request: Request) -> Response:
    if request.app.state.door.is_open:
        return RedirectResponse("/", 303)
    return _page(request, 200, onwards=_local(request.query_params.get("next")))


async def _log_in(request: Request) -> Response:
    state = request.app.state
    if state.door.is_open:
        return RedirectResponse("/", 303)
    form = await read_form(request, hint="Send secret=… and next=…")
    onwards = _local(form.get("next"))
    visitor = await run_in_threadpool(recognise, state.door, state.audit, request, form.get("secret", "").strip())
    if visitor is None:
        return _page(request, 401, onwards=onwards)
    _forget(request)  # a session that was there before is over: nobody goes on under a name they were given
    name = state.door.log_in(visitor.role)
    state.audit.write("login", role=visitor.role.name.lower(), client=request.client.host if request.client else None)
    response = RedirectResponse(onwards, 303)
    response.set_cookie(**_cookie(request), value=name, max_age=int(LONGEST_SESSION))
    return response


def _cookie(request: Request) -> dict[str, Any]:
    """The session's cookie: its name, and how a browser is to treat it."""
    scheme = request.url.scheme
    key = request.app.state.door.cookie(scheme)
    return {"key": key, "path": "/", "secure": scheme == "https", "httponly": True, "samesite": "strict"}


def _forget(request: Request) -> None:
    name = request.cookies.get(request.app.state.door.cookie(request.url.scheme))
    if name:
        request.app.state.door.log_out(name)


async def _log_out(request: Request) -> Response:
    _forget(request)
    visitor = request.state.visitor
    request.app.state.audit.write("logout", role=visitor.role.name.lower(), by=visitor.came_by)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(**_cookie(request))
    return response


def routes() -> list[BaseRoute]:
    """Login and logout."""
    return [
        Route("/login", _ask, methods=["GET"]),
        Route("/login", _log_in, methods=["POST"]),
        Route("/logout", _log_out, methods=["POST"]),
    ]
