"""What stands around every page: language, theme, range, filters, status line; and how a page is answered.

What belongs here: reading the request, the templates, kept answers, the states empty and broken. What does not: what a
page says (executive.py, campaigns.py, support.py).
"""

from __future__ import annotations

import datetime as dt
import gzip
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

from babel import negotiate_locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from crm_platform.api import Closed
from crm_platform.errors import GiveUp
from crm_platform.languages import N_, NP_, Language, Words, languages
from crm_platform.receipts import figure_columns
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.access import Visitor
from crm_platform.serving.caching import Kept, KeptAnswer
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import Chart, plain
from crm_platform.serving.pages.column_words import column_words
from crm_platform.serving.pages.costs import stamp
from crm_platform.serving.pages.figure_words import EXPLAINED, FIGURE_WORDS
from crm_platform.serving.pages.period import RANGES, BadAddress, Period, read_period
from crm_platform.serving.pages.published import PublishedFigures
from crm_platform.serving.pages.receipt import behind, receipt_href
from crm_platform.serving.pages.tiles import SEEN_WORDS, Tile
from crm_platform.serving.pauses import Pauses
from crm_platform.serving.queries import kpi_tables
from crm_platform.serving.snapshots import Snapshots
from crm_platform.serving.static import static_url
from crm_platform.settings import Settings

Theme = Literal["light", "dark", "auto"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark", "auto")
# The pages by their addresses: the name in the row of pages, and the title.
PAGES: Final[Mapping[str, tuple[Words, Words]]] = {
    "executive": (N_("Executive"), NP_("title", "Executive")),
    "campaigns": (N_("Campaigns"), N_("Campaign ROI")),
    "support": (N_("Support"), N_("Support health")),
}
# Who may come in, and what they may do.
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "viewer": (N_("viewer"), N_("Sees the pages.")),
    "analyst": (N_("analyst"), N_("Sees the pages, and may export figures.")),
    "admin": (N_("admin"), N_("May export figures, and sees metrics and the audit log.")),
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
    "languages": languages,
    "pages": PAGES,
    "plain": plain,
    "roles": ROLES,
    "seen_words": SEEN_WORDS,
    "static_url": static_url,
}


@dataclass(frozen=True, slots=True)
class Status:
    """The line that never scrolls away. `look`: the dot."""

    look: Literal["good", "provisional", "stale"]
    words: str
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says of itself before all else: something it was given cannot be used."""

    title: str
    text: str
    language: Language


@dataclass(slots=True)
class View:
    """One request for one page: how it is to be said, over which days, and the words and numbers that follow."""

    page: str
    path: str
    query: list[tuple[str, str]]
    language: Language
    theme: Theme
    settings: Settings
    published: PublishedFigures
    period: Period
    visitor: Visitor
    notice: Notice | None = None
    chips: list[Chip] = field(default_factory=list)

    # Words in the reader's language, by gettext's own names.

    def _(self, message: Words, /, **places: object) -> str:
        return self.language.gettext(message, **places)

    def pgettext(self, context: str, message: str, /, **places: object) -> str:
        """Say words whose translation depends on where they stand."""
        return self.language.pgettext(context, message, **places)

    def ngettext(self, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things."""
        return self.language.ngettext(singular, plural, n, **places)

    def npgettext(self, context: str, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things whose translation depends on where they stand."""
        return self.language.npgettext(context, singular, plural, n, **places)

    def title(self, figure: str) -> str:
        """Say what a figure is called."""
        return self._(FIGURE_WORDS[figure].title, target=self.target)

    def meaning(self, figure: str) -> str:
        """Say what a figure means."""
        return self._(FIGURE_WORDS[figure].meaning, target=self.target)

    def is_unread(self, coverage: float | None) -> bool:
        """Whether so much of the messages is missing that finding nothing says nothing; of nobody nothing is."""
        if coverage is None:
            return bool(self.published.one("executive_summary").get("total_contacts"))
        return coverage < WELL_COVERED

    def why_none(self, figure: Tile) -> str:
        """Say why a figure has no value."""
        is_unread = figure.seen_of == "messages" and self.is_unread(figure.coverage)
        if is_unread:
            return self._("not known: too little is read so far")
        return self._("not known: nothing to measure in these days")

    def value(self, kind: numbers.Kind, amount: float | None) -> str:
        """Write a value in the reader's language."""
        return numbers.value(self.language, kind, amount)

    def count(self, value: float) -> str:
        """Write a whole number."""
        return numbers.count(self.language, value)

    def percent(self, value: float) -> str:
        """Write a share of 1."""
        return numbers.percent(self.language, value)

    def seen(self, value: float) -> str:
        """Write a coverage."""
        return numbers.seen(self.language, value)

    def day(self, date: dt.date) -> str:
        """Write a day."""
        return numbers.day(self.language, date, year=date.year != self.period.today.year)

    def duration(self, seconds: float) -> str:
        """Write a duration."""
        return numbers.duration(self.language, seconds)

    def time(self, moment: dt.datetime, *, seconds: bool = False) -> str:
        """Write an aware instant in the tenant's zone: `22 Nov, 14:05 EAT`."""
        local = moment.astimezone(self.published.zone)
        return f"{self.day(local.date())}, {local:{'%H:%M:%S' if seconds else '%H:%M'}} {local.tzname()}"

    def get(self, name: str) -> str:
        """First value of a parameter, empty when it is not there."""
        return next((value for key, value in self.query if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a parameter, those between commas too, each once."""
        values = [part for key, value in self.query if key == name for part in value.split(",")]
        return list(dict.fromkeys(filter(None, values)))

    def href(self, path: str = "", /, *, drop: Sequence[str] = (), **changes: object) -> str:
        """Address of this view with some parameters changed, or left out."""
        gone = {*drop, *changes}
        kept = [(key, value) for key, value in self.query if key not in gone]
        query = urlencode([*kept, *((key, str(value)) for key, value in changes.items())])
        return (path or self.path) + (f"?{query}" if query else "")

    def page_href(self, page: str) -> str:
        """Address of another page over the same days."""
        kept = [(key, value) for key, value in self.query if key in {"range", "from", "to"}]
        return f"/{page}" + (f"?{urlencode(kept)}" if kept else "")

    def csv_href(self, chart: str) -> str:
        """Address of a chart's rows as CSV."""
        return self.href(f"/charts/{self.page}/{chart}.csv")

    def rows_href(self, figure: Tile) -> str:
        """Address of the rows behind a figure: its receipt; of campaigns, which are rows themselves, the ranking."""
        source = figure.receipt or figure.source
        if source.how == "cell":
            return receipt_href(source.table, source.column, dict(source.key))
        return self.csv_href("campaigns")

    @property
    def is_bare(self) -> bool:
        """Whether no contact and no message is stored."""
        return not self.published.one("executive_summary").get("total_contacts") and not self.published.rows(
            "backlog_daily"
        )

    @property
    def target(self) -> str:
        """The first response target, in words."""
        return self.duration(self.settings.first_response_target_seconds)

    @property
    def window(self) -> str:
        """The chosen days, in words."""
        start, end = self.day(self.period.start), self.day(self.period.end)
        if self.period.length == 1:
            return start
        if self.period.holds_today or self.period.name in {"custom", "month"}:
            return self._("{from_} to {to}", from_=start, to=end)
        return self.ngettext(
            "last full day, {from_} to {to}",
            "last {n} full days, {from_} to {to}",
            self.period.length,
            from_=start,
            to=end,
        )

    @property
    def when(self) -> str:
        """The chosen days, as a sentence says them."""
        if self.period.length == 1:
            return self._("on {day}", day=self.day(self.period.start))
        if self.period.name in {"custom", "month"}:
            return self._("from {from_} to {to}", from_=self.day(self.period.start), to=self.day(self.period.end))
        return self.ngettext("in the last day", "in the last {n} days", self.period.length)

    @property
    def before(self) -> str:
        """The days before, as a sentence says them."""
        return self.ngettext("the day before", "in the {n} days before", self.period.length)

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """Ranges to choose from: words, address, whether it is on. `custom` is a form of its own."""
        return [
            (self._(words), self.href(drop=("from", "to", "page"), range=name), name == self.period.name)
            for name, words in RANGES.items()
            if name != "custom"
        ]

    def difference(self, figure: Tile) -> str:
        """Write how far a figure moved, without a sign."""
        if figure.value is None or figure.previous is None:
            return ""
        return numbers.difference(self.language, figure.kind, figure.value, figure.previous)

    def may(self, href: str) -> bool:
        """Whether the reader's role may follow a link: others are not offered."""
        return self.visitor.may(href)

    def status(self, now: dt.datetime, *, broken: str = "", pause: Closed | None = None) -> Status:
        """Say how old, how complete and how real the figures are.

        `broken`: why newer ones cannot be shown. `pause`: until when the CRM lets nobody ask, and why.
        """
        seen = self.published.coverage(self.period)
        parts = [self._("As of {time}", time=self.time(self.published.as_of))]
        if seen is None:
            parts.append(self._("share of messages seen not known"))
        else:
            parts.append(self._("{share} of messages seen", share=self.seen(seen)))
        if self.published.opened.manifest.is_sandbox:
            parts.append(self._("sandbox data, made up"))
        if pause is not None:
            parts.append(
                self._("the CRM may not be asked until {time}: {why}", time=self.time(pause.until), why=pause.why)
            )
        if broken:
            return Status("stale", self._("Old: newer figures are published and cannot be read."), parts)
        age = now - self.published.as_of
        if age > self.settings.stale_after:
            return Status(
                "stale",
                self._(
                    "Old: published {age} ago. What came since is not in these figures; tell whoever runs the "
                    "platform.",
                    age=self.duration(age.total_seconds() // 60 * 60),
                ),
                parts,
            )
        if seen is None:
            return Status("provisional", self._("Provisional: how much of these days is seen is not known yet."), parts)
        if seen < WELL_COVERED:
            return Status(
                "provisional",
                self._(
                    "Provisional: less than 95 % of the messages of these days are seen. Figures may move until the "
                    "rest is fetched."
                ),
                parts,
            )
        if self.period.holds_today:
            return Status(
                "provisional",
                self._(
                    "Provisional: {day} is not over. Its figures may move until midnight.",
                    day=self.day(self.period.today),
                ),
                parts,
            )
        return Status("good", self._("Up to date"), parts)


@dataclass(slots=True)
class Content:
    """What a page shows: a sentence, figures, charts by their name, and whatever else its template asks for."""

    sentence: str
    figures: list[Tile]
    charts: dict[str, Chart]
    more: dict[str, Any] = field(default_factory=dict)


Build = Callable[[View], Content]


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
            if self._book is None or self._book.opened.snapshot.id != opened.snapshot.id:
                self._book = PublishedFigures(opened)
                self._kept.clear()
            return self._book, snapshots.problem

    def view(self, request: Request, published: PublishedFigures, *, page: str, default: str) -> View:
        """Read a request. A range that cannot be read gives the default one and a notice."""
        query = [(key, value) for key, value in request.query_params.multi_items() if value]
        make = partial(
            View,
            page=page,
            path=request.url.path,
            query=query,
            language=language_of(request),
            theme=theme_of(request),
            settings=request.app.state.settings,
            published=published,
            visitor=request.state.visitor,
        )
        try:
            return make(period=read_period(dict(query), today=published.today, default=default))
        except BadAddress as problem:
            period = read_period({}, today=published.today, default=default)
            return make(period=period, notice=_told(problem, language_of(request)))

    async def answer(self, request: Request, *, page: str, default: str, build: Build) -> Response:
        """Answer a page: at once when it is kept, else drawn in a thread."""
        published, broken = self.published(request)
        now = moment(request)
        if published is None:
            return self._without_figures(request, page=page, broken=broken)
        view = self.view(request, published, page=page, default=default)
        status = view.status(now, broken=broken, pause=self._pauses.now(view.settings, now=now))
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
            content = build(view)
        if is_bad and status.look == "good":
            status = replace(
                status,
                look="provisional",
                words=view._("Not what the address asks for: the days shown are this page's own."),
            )
        body = _filled(f"{view.page}.html", view, status=status, broken=broken, content=content).encode()
        if is_bad or view.notice:
            return HTMLResponse(body, 400 if is_bad else 200)
        packed = gzip.compress(body, compresslevel=5)
        self._kept.put(key, KeptAnswer(packed, {}))
        return _html(request, packed)

    def explain(self, request: Request) -> Response:
        """Answer the page that says what each figure is for; it needs no figures."""
        language = language_of(request)
        settings: Settings = request.app.state.settings
        target = numbers.duration(language, settings.first_response_target_seconds)
        return bare_page(
            request,
            "figures.html",
            page="figures",
            here=request.url.path,
            groups=EXPLAINED,
            figures=FIGURE_WORDS,
            tables=_told_tables(),
            target=target,
        )

    def behind(self, request: Request) -> Response:
        """Answer the page behind a figure. Raises NotFound and InvalidRequest for a figure that is not there."""
        published, broken = self.published(request)
        if published is None:
            return self._without_figures(request, page="receipt", broken=broken)
        view = self.view(request, published, page="receipt", default="7d")
        body = _filled(
            "receipt.html",
            view,
            status=view.status(
                moment(request), broken=broken, pause=self._pauses.now(view.settings, now=moment(request))
            ),
            broken=broken,
            behind=behind(view),
        )
        return HTMLResponse(body)

    def _without_figures(self, request: Request, *, page: str, broken: str) -> Response:
        # With an empty name the page looks for the first snapshot by itself.
        status, here = 503 if broken else 200, request.url.path
        return bare_page(request, "empty.html", status=status, page=page, here=here, broken=broken, snapshot="")


def _told_tables() -> Iterator[tuple[Words, str, list[tuple[Words, str]]]]:
    """Each KPI table: its name, what it says, and its figures by name with what they say; descriptions are English."""
    for table in kpi_tables().values():
        told = [(column_words(name), table.columns[name].description) for name in figure_columns(table)]
        yield column_words(table.table), table.description(), told


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


def moment(request: Request) -> dt.datetime:
    """Now; `app.state.now`, a function, stands in for the clock in tests."""
    clock: Callable[[], dt.datetime] | None = getattr(request.app.state, "now", None)
    return clock() if clock else dt.datetime.now(dt.UTC)


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
