"""How the app says no: one JSON envelope for programs, a page in the reader's language for people.

What belongs here: both shapes of a refusal, what people read of it, and what becomes of errors. What does not: deciding
to refuse.

    {"error": {"code": "unknown_column", "message": "…", "hint": "…"}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_platform.errors import CrmPlatformError
from crm_platform.languages import N_
from crm_platform.receipts.older import is_older
from crm_platform.serving.pages.frame import ROLES, address_of, bare_page, language_of
from crm_platform.serving.refusals import Refused

_log = logging.getLogger(__name__)

# What a path that nobody serves, or a method that it does not know, gets to hear.
_WORDS: Final = {
    404: ("not_found", "There is nothing here.", "/api/v1/kpis lists the tables; / leads to the pages."),
    405: ("method_not_allowed", "This method is not for this address.", "Use one that the Allow header names."),
}
# What people read: a title, and what to do. `refused` stands for whatever is not here.
TOLD: Final[Mapping[str, tuple[str, str]]] = {
    "not_found": (
        N_("There is no such page"),
        N_("Nothing stands at this address. It may be mistyped, or from before an update."),
    ),
    "method_not_allowed": (
        N_("This cannot be done here"),
        N_("This address is for something else. Begin again from a page."),
    ),
    "wrong_host": (
        N_("This server has another name"),
        N_(
            "It does not answer to the name in your address bar, but to: {names}. Whoever runs it adds names "
            "with CRM_SERVE_HOSTS."
        ),
    ),
    "cross_site": (
        N_("Another site sent this"),
        N_("The request was made by a page of another site, so nothing was done. Open the page here and try again."),
    ),
    "role_too_low": (
        N_("Your role may not see this"),
        N_(
            "This needs the role {needed}; you came as {role}. Log in with its secret, or ask whoever runs this server."
        ),
    ),
    "not_logged_in": (
        N_("Log in first"),
        N_("You are not logged in, or your session is over. Nothing was done."),
    ),
    "wrong_secret": (
        N_("No role has this secret"),
        N_("The secret that was sent is not that of any role."),
    ),
    "too_many_failures": (
        N_("Too many wrong secrets"),
        N_("They came from your address. The right one opens at once; a wrong one is looked at again in {wait} s."),
    ),
    "too_long": (
        N_("This is too long"),
        N_("Nothing here needs an address or a form of that length. Begin again from a page."),
    ),
    "bad_address": (
        N_("There is no such address"),
        N_("It holds characters that no address here has. Begin again from a page."),
    ),
    "bad_length": (
        N_("This request cannot be read"),
        N_("It says of itself a length that is no number. Nothing was done."),
    ),
    "bad_form": (
        N_("This form cannot be read"),
        N_("It is not the form of this page, or did not come whole. Open the page and try again."),
    ),
    "bad_range": (
        N_("This address cannot be shown as asked"),
        N_("The days it asks for cannot be read. Choose them on a page."),
    ),
    "bad_page": (
        N_("This address cannot be shown as asked"),
        N_("The rows behind the figure have no such page. Begin with the first."),
    ),
    "no_such_figure": (
        N_("There is no such figure"),
        N_("It may have been of an earlier snapshot. Follow a figure's rows from its page."),
    ),
    "no_such_chat": (
        N_("There is no such chat"),
        N_("No chat that is stored goes by this pseudonym. It may have been erased. Follow a chat from the page Now."),
    ),
    "no_such_chart": (
        N_("There is no such chart"),
        N_("Follow a chart's rows from its page."),
    ),
    "unavailable": (
        N_("The figures cannot be read now"),
        N_(
            "The server works, but something that it reads is not in order. Whoever runs it learns more from "
            "crm doctor."
        ),
    ),
    "not_published": (
        N_("These figures are not published yet"),
        N_(
            "They came with a newer version of the program than the published snapshot. They are here after the next "
            "snapshot; whoever runs the server makes it with crm build."
        ),
    ),
    "internal_error": (
        N_("This page could not be drawn"),
        N_(
            "It is a fault of the program and nothing that you did; the server's log says what happened. The "
            "other pages may well work."
        ),
    ),
    "refused": (
        N_("This cannot be answered"),
        N_("The server says:"),
    ),
}
# People are told their message too: it says more than any words of the page could.
_TELLING: Final = frozenset({"bad_page", "bad_range", "no_such_chart", "no_such_figure", "refused", "unavailable"})
# Under another name the server's own addresses lead nowhere.
_LEADING_NOWHERE: Final = "wrong_host"


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, rather than a program."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def answer(request: Request, problem: Refused) -> Response:
    """Say no in the shape that is asked for."""
    headers = dict(problem.headers or {})
    if wants_page(request):
        language = language_of(request)
        title, text = TOLD.get(problem.code, TOLD["refused"])
        places = {
            name: language.gettext(ROLES[value][0]) if value in ROLES else value
            for name, value in problem.places.items()
        }
        return bare_page(
            request,
            "problem.html",
            status=problem.status_code,
            headers=headers,
            here="" if problem.code == _LEADING_NOWHERE else address_of(request),
            code=problem.code,
            title=language.gettext(title),
            text=language.gettext(text, **places),
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


def on_wrong_question(request: Request, problem: Exception) -> Response:
    """Handle what DuckDB does not find: of a snapshot from before an upgrade it is no fault, else it is a bug."""
    found = request.app.state.snapshots.current()
    if found is None or not is_older(found):
        _log.error("%s failed", request.url.path, exc_info=problem)
        return on_bug(request, problem)
    message = "The published snapshot lacks what this version declares."
    return answer(request, Refused(503, "not_published", message, hint="Run `crm build`."))


def on_bug(request: Request, _problem: Exception) -> Response:
    """Handle anything else: nothing of it is told, the log has it."""
    hint = "The other pages may still work. The server's log says what happened."
    return answer(request, Refused(500, "internal_error", "Something went wrong here.", hint=hint))
