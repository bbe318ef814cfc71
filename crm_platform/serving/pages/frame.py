"""How a page is answered, and what stands around it: language, theme, range, status line.

What belongs here: reading the request, the templates, kept answers, the states empty and broken. What does not: what a
page asks of its request (view.py), what it says (executive.py and its like, figures.py, receipt.py).
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from babel import negotiate_locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from crm_platform.errors import GiveUp, NotFound
from crm_platform.languages import N_, NP_, Language, Words, languages
from crm_platform.receipts.narrowed import DIMENSIONS, Narrowing
from crm_platform.serving.caching import Kept, KeptAnswer
from crm_platform.serving.pages.addresses import Pairs
from crm_platform.serving.pages.chart import plain
from crm_platform.serving.pages.costs import stamp
from crm_platform.serving.pages.filters import menus, read_narrowing
from crm_platform.serving.pages.period import BASES, BadAddress, read_period
from crm_platform.serving.pages.published import PublishedFigures
from crm_platform.serving.pages.receipt import asked_rows, behind, rows_csv
from crm_platform.serving.pages.tiles import SEEN_WORDS
from crm_platform.serving.pages.view import NOW, Build, Content, Notice, Status, Theme, View, narrowed
from crm_platform.serving.pauses import Pauses
from crm_platform.serving.snapshots import NARROWED_KEPT, Snapshots
from crm_platform.serving.static import static_url
from crm_platform.settings import Settings

THEMES: Final[tuple[Theme, ...]] = ("light", "dark", "auto")
# The pages by their addresses: the name in the row of pages, and the title.
PAGES: Final[Mapping[str, tuple[Words, Words]]] = {
    "executive": (N_("Executive"), NP_("title", "Executive")),
    "campaigns": (N_("Campaigns"), N_("Campaign ROI")),
    "support": (N_("Support"), N_("Support health")),
    "audience": (N_("Audience"), N_("Audience")),
    NOW: (NP_("page", "Now"), N_("Who waits for a reply now")),
}
# Who may come in, and what they may do.
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "viewer": (N_("viewer"), N_("Sees the pages.")),
    "analyst": (N_("analyst"), N_("Sees the pages, and may export figures.")),
    "admin": (
        N_("admin"),
        N_("May export figures and write notes on days, and sees metrics, the audit log and who is behind a chat."),
    ),
}

_MOST_KEPT: Final = 32 << 20  # bytes of packed pages
_YEAR: Final = 365 * 86_400
_VARY: Final = "Accept-Language, Cookie"

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {
    "bases": BASES,
    "languages": languages,
    "menus": menus,
    "pages": PAGES,
    "plain": plain,
    "roles": ROLES,
    "seen_words": SEEN_WORDS,
    "static_url": static_url,
}


def language_of(request: Request) -> Language:
    """The language chosen, else the first of the browser's that there is, else the tenant's."""
    there = languages()
    chosen = there.get(request.cookies.get("lang", ""))
    if chosen is not None:
        return chosen
    wishes = [part.partition(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    found = negotiate_locale([wish.replace("-", "_") for wish in wishes if wish], list(there))
    settings: Settings = request.app.state.settings
    return there[found] if found else settings.language


def _told(problem: BadAddress, language: Language) -> Notice:
    title = language.gettext("This address cannot be shown as asked")
    return Notice(title, language.gettext(problem.words, **problem.places), language)


def theme_of(request: Request) -> Theme:
    """The theme chosen, else the system's."""
    return next((theme for theme in THEMES if theme == request.cookies.get("theme")), "auto")


class Frame:
    """Answers requests for pages; keeps the last answers of a snapshot, which are the same until the next one."""

    def __init__(self) -> None:
        self._book: PublishedFigures | None = None
        self._narrowed: dict[Narrowing, PublishedFigures] = {}
        self._kept = Kept(most_bytes=_MOST_KEPT)
        self._pauses = Pauses()
        self._lock = threading.Lock()

    def published(self, request: Request) -> tuple[PublishedFigures | None, str]:
        """The current snapshot's figures, None before the first; and what is wrong when an older one stands in."""
        snapshots: Snapshots = request.app.state.snapshots
        try:
            opened = snapshots.current()
        except GiveUp as problem:
            return None, str(problem)
        if opened is None:
            return None, ""
        with self._lock:
            if self._book is None or self._book.opened is not opened:
                self._book = PublishedFigures(opened)
                self._narrowed.clear()
                self._kept.clear()
            return self._book, snapshots.problem

    def _of(self, request: Request, published: PublishedFigures, narrowing: Narrowing) -> PublishedFigures:
        """The figures of what is chosen alone."""
        if not narrowing:
            return published
        opened = request.app.state.snapshots.narrowed(published.opened, narrowing)
        with self._lock:
            found = self._narrowed.get(narrowing)
            if found is None or found.opened is not opened:
                if len(self._narrowed) >= NARROWED_KEPT:
                    self._narrowed.clear()
                found = self._narrowed[narrowing] = PublishedFigures(opened, narrowing, published)
            return found

    def view(self, request: Request, published: PublishedFigures, *, page: str) -> View:
        """Read a request. A range or a filter that cannot be read gives the default one and a notice."""
        query = [(key, value) for key, value in request.query_params.multi_items() if value]
        make = partial(
            View,
            page=page,
            path=request.url.path,
            query=query,
            language=language_of(request),
            theme=theme_of(request),
            settings=request.app.state.settings,
            visitor=request.state.visitor,
            now=request.app.state.now(),
        )
        try:
            period = read_period(dict(query), today=published.today)
            narrowing = read_narrowing(_filters(page, query), published)
        except BadAddress as problem:
            period = read_period({}, today=published.today)
            return make(published=published, period=period, notice=_told(problem, language_of(request)))
        return make(published=self._of(request, published, narrowing), period=period)

    async def answer(self, request: Request, *, page: str, build: Build) -> Response:
        """Answer a page: at once when it is kept, else drawn in a thread, where snapshots are narrowed, too."""
        published, broken = self.published(request)
        if published is None:
            return _without_figures(request, page=page, broken=broken)
        read = partial(self.view, request, published, page=page)
        is_narrowed = any(name in DIMENSIONS for name in request.query_params)
        view = await run_in_threadpool(read) if is_narrowed else read()
        status = self._status(view, broken)
        key = (
            published.opened.snapshot.id,
            page,
            tuple(view.query),
            view.language,
            view.theme,
            (status.words, *status.parts),
            broken,
            view.visitor.role,
            view.visitor.can_leave,
            stamp(view.settings.root),
            view.age // 60 if view.is_of_now else None,  # such a page says how old it is
        )
        kept = self._kept.get(key)
        if kept is not None:
            return _html(request, kept.body)
        return await run_in_threadpool(self._draw, request, view, status=status, broken=broken, build=build, key=key)

    def _draw(
        self, request: Request, view: View, *, status: Status, broken: str, build: Build, key: tuple[object, ...]
    ) -> Response:
        is_bad = bool(view.notice)
        try:
            content = build(view)
        except BadAddress as problem:
            view.query, view.notice, is_bad = [], _told(problem, view.language), True
            view.published = view.published.everyone
            content = build(view)
        content = narrowed(view, content)
        if is_bad and status.look == "good":
            status = replace(
                status,
                look="provisional",
                words=view._("Not what the address asks for: the days shown are this page's own."),
            )
        template = "not_narrowed.html" if content.is_empty and view.published.narrowing else f"{view.page}.html"
        body = _filled(template, view, status=status, broken=broken, content=content).encode()
        if is_bad or view.notice:
            return HTMLResponse(body, 400 if is_bad else 200)
        packed = gzip.compress(body, compresslevel=5)
        self._kept.put(key, KeptAnswer(packed, {}))
        return _html(request, packed)

    def behind(self, request: Request) -> Response:
        """Answer the page behind a figure.

        Raises NotFound and InvalidRequest for a figure that is not there, BadAddress for a page of its rows.
        """
        published, broken = self.published(request)
        if published is None:
            return _without_figures(request, page="receipt", broken=broken)
        view = self.view(request, published, page="receipt")
        status = self._status(view, broken)
        return HTMLResponse(_filled("receipt.html", view, status=status, broken=broken, behind=behind(view)))

    def rows_csv(self, request: Request) -> Response:
        """Answer all rows behind a figure as CSV. Raises as `behind` does, and NotFound before the first snapshot."""
        published, _ = self.published(request)
        if published is None:
            raise NotFound("nothing is published yet")
        file, parts = rows_csv(self.view(request, published, page="receipt"))
        headers = {"Content-Disposition": f'attachment; filename="{file}"'}
        return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)

    def _status(self, view: View, broken: str) -> Status:
        return view.status(broken=broken, pause=self._pauses.now(view.settings, now=view.now))


def _filters(page: str, query: Pairs) -> Pairs:
    """Parameters of a page that narrow its figures."""
    if page == "receipt":
        return asked_rows(query).kept
    # Who has a chat now is told by another column than who answered: that page has filters of its own.
    return [(name, value) for name, value in query if name == "segment" or page != NOW]


def _without_figures(request: Request, *, page: str, broken: str) -> Response:
    # With an empty name the page looks for the first snapshot by itself.
    status, here = 503 if broken else 200, request.url.path
    return bare_page(request, "empty.html", status=status, page=page, here=here, broken=broken, snapshot="")


def _filled(template: str, view: View, *, status: Status, broken: str, **values: object) -> str:
    """Fill the template of a page that shows figures."""
    return TEMPLATES.get_template(template).render(
        view=view,
        status=status,
        broken=broken,
        **_speech(view.language),
        theme=view.theme,
        page=view.page,
        here=view.href(),
        visitor=view.visitor,
        snapshot=view.published.opened.snapshot.id,
        **values,
    )


def drawn(view: View, build: Build) -> tuple[Content, str]:
    """Draw a page that nobody has asked for over HTTP, such as for a report: what it shows, and its HTML."""
    content = build(view)
    return content, _filled(f"{view.page}.html", view, status=view.status(), broken="", content=content)


def _speech(language: Language) -> dict[str, object]:
    """The reader's language, and its words by the names that extraction knows."""
    return {
        "language": language,
        "_": language.gettext,
        "pgettext": language.pgettext,
        "ngettext": language.ngettext,
    }


def bare_page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    page: str = "",
    here: str = "",
    broken: str = "",
    snapshot: str | None = None,
    **values: object,
) -> Response:
    """Answer a page that shows no figures, in the same frame: the door, what went wrong, what figures mean.

    `here`: where a choice of language or theme leads back to, empty where it cannot; `values`: for the template.
    """
    language = language_of(request)
    body = TEMPLATES.get_template(template).render(
        view=None,
        **_speech(language),
        theme=theme_of(request),
        page=page,
        here=here,
        broken=broken,
        snapshot=snapshot,
        visitor=getattr(request.state, "visitor", None),
        **values,
    )
    return HTMLResponse(body, status, {"Vary": _VARY, **(headers or {})})


def address_of(request: Request) -> str:
    """A request's path and query."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _html(request: Request, packed: bytes) -> Response:
    """Answer with a packed page, unpacked for whoever cannot."""
    headers = {"Vary": f"Accept-Encoding, {_VARY}", "Cache-Control": "private, no-cache"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return HTMLResponse(packed, headers=headers | {"Content-Encoding": "gzip"})
    return HTMLResponse(gzip.decompress(packed), headers=headers)


def preferences(request: Request) -> Response:
    """Remember language and theme in cookies and go back to the page; only to one of our own."""
    back = request.query_params.get("back", "/executive")
    if not back.startswith("/") or back.startswith(("//", "/\\")):
        back = "/executive"
    answer = RedirectResponse(back, 303)
    for name, known in (("lang", tuple(languages())), ("theme", THEMES)):
        value = request.query_params.get(name)
        if value is not None and value in known:
            answer.set_cookie(name, value, max_age=_YEAR, path="/", samesite="lax", httponly=True)
    return answer
