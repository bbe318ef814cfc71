"""How the app says no: one JSON envelope for programs, a page in the reader's language for people.

What belongs here: both shapes of a refusal, and what becomes of errors. What does not: deciding to refuse, the words
that people read (pages/words.py).

    {"error": {"code": "unknown_column", "message": "…", "hint": "…"}}
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_platform.errors import CrmPlatformError
from crm_platform.serving.pages.frame import address_of, bare_page
from crm_platform.serving.refused import Refused

_log = logging.getLogger(__name__)

# What a path that nobody serves, or a method that it does not know, gets to hear.
_WORDS: Final = {
    404: ("not_found", "There is nothing here.", "/api/v1/kpis lists the tables; / leads to the pages."),
    405: ("method_not_allowed", "This method is not for this address.", "Use one that the Allow header names."),
}
# People are told their message too: it says more than any words of the page could.
_TELLING: Final = frozenset({"bad_range", "no_such_chart", "no_such_figure", "refused", "unavailable"})
# Under another name the server's own addresses lead nowhere.
_LEADING_NOWHERE: Final = "wrong_host"


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, rather than a program."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def answer(request: Request, problem: Refused) -> Response:
    """Say no in the shape that is asked for."""
    headers = dict(problem.headers or {})
    if wants_page(request):
        return bare_page(
            request,
            "problem.html",
            status=problem.status_code,
            headers=headers,
            here="" if problem.code == _LEADING_NOWHERE else address_of(request),
            code=problem.code,
            places=problem.places,
            detail=problem.detail if problem.code in _TELLING else "",
        )
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
