"""How the app says no: one JSON envelope for programs, a plain page for people.

What belongs here: the refusals that routes raise, and both of their shapes. What does not: deciding to refuse.

    {"error": {"code": "unknown_column", "message": "…", "hint": "…"}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from crm_platform.errors import CrmPlatformError
from crm_platform.serving.static import static_url

_log = logging.getLogger(__name__)

# The frame's own few pages: login, and what went wrong.
TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
TEMPLATES.globals["static_url"] = static_url


class Refused(HTTPException):
    """A request ends here. `code`: a word for programs; `message`: what is wrong; `hint`: what to do instead."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code = code
        self.hint = hint


# What a path that nobody serves, or a method that it does not know, gets to hear.
_WORDS: Final = {
    404: ("not_found", "There is nothing here.", "/api/v1/kpis lists the tables; / leads to the pages."),
    405: ("method_not_allowed", "This method is not for this address.", "Use one that the Allow header names."),
}


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, rather than a program."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def answer(request: Request, problem: Refused) -> Response:
    """Say no in the shape that is asked for."""
    headers = dict(problem.headers or {})
    if wants_page(request):
        page = TEMPLATES.get_template("problem.html").render(
            title=HTTPStatus(problem.status_code).phrase,
            message=problem.detail,
            hint=problem.hint,
            offers_login=problem.code == "role_too_low",
        )
        return HTMLResponse(page, problem.status_code, headers)
    error = {"code": problem.code, "message": problem.detail, "hint": problem.hint}
    return JSONResponse({"error": error}, problem.status_code, headers)


def on_refusal(request: Request, problem: Exception) -> Response:
    """Handle what routes and the router raise."""
    if isinstance(problem, Refused):
        return answer(request, problem)
    assert isinstance(problem, HTTPException)
    fallback = ("refused", problem.detail, "")
    code, message, hint = _WORDS.get(problem.status_code, fallback)
    return answer(request, Refused(problem.status_code, code, message, hint=hint, headers=problem.headers))


def on_trouble(request: Request, problem: Exception) -> Response:
    """Handle the platform's own errors: their message says what to do, and is safe to show."""
    assert isinstance(problem, CrmPlatformError)
    _log.error("%s: %s", type(problem).__name__, problem)
    return answer(request, Refused(503, "unavailable", str(problem), hint="`crm doctor` says more."))


def on_bug(request: Request, _problem: Exception) -> Response:
    """Handle anything else: nothing of it is told, the log has it."""
    hint = "The other pages may still work. The server's log says what happened."
    return answer(request, Refused(500, "internal_error", "Something went wrong here.", hint=hint))
