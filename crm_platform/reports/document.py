"""The document: the pages of a finished week or month below each other, in one HTML file that needs nothing else.

What belongs here: drawing the pages for a reader, and what stands around them. What does not: what a page says
(serving/pages/), leaving out what can be pressed (paper.py), printing (pdf.py).

A report is what a viewer sees: no persons, no downloads. Its policy forbids scripts and whatever is not in the file.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crm_platform.reports.paper import on_paper
from crm_platform.serving.access import Role, Visitor
from crm_platform.serving.pages import BUILDS
from crm_platform.serving.pages.frame import PAGES, drawn
from crm_platform.serving.pages.view import Content, View
from crm_platform.serving.static import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.languages import Language
    from crm_platform.reports.spans import Span
    from crm_platform.serving.pages.published import PublishedFigures
    from crm_platform.settings import Settings

_TEMPLATES: Final = Path(__file__).parent / "templates"
_READER: Final = Visitor(Role.VIEWER, "report")


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page of a report. `address`: its path and query where the pages are served; `body`: HTML, as on paper."""

    name: str
    title: str
    view: View
    content: Content
    address: str
    body: str


def draw(
    published: PublishedFigures,
    span: Span,
    *,
    settings: Settings,
    language: Language,
    pages: Sequence[str],
    now: dt.datetime,
) -> list[DrawnPage]:
    """Draw pages over the days of a report. `pages`: their names, one at least."""
    found = []
    for name in pages:
        query = [("from", span.start.isoformat()), ("to", span.end.isoformat())]
        view = View(
            page=name,
            path=f"/{name}",
            query=query,
            language=language,
            theme="light",
            settings=settings,
            published=published,
            period=span.period(today=published.today),
            visitor=_READER,
            now=now,
        )
        content, html = drawn(view, BUILDS[name])
        found.append(
            DrawnPage(
                name=name,
                title=language.gettext(PAGES[name][1]),
                view=view,
                content=content,
                address=f"/{name}?{urlencode(query)}",
                body=on_paper(html, page=name),
            )
        )
    return found


def document(pages: Sequence[DrawnPage], *, title: str, standing: Sequence[str], why: str) -> str:
    """Put pages into one HTML document. `standing`: as of when, how complete; `why` it is provisional, empty if not."""
    view = pages[0].view
    language, published = view.language, view.published
    return (
        _environment()
        .get_template("report.html")
        .render(
            language=language,
            _=language.gettext,
            title=title,
            style=_style(),
            standing=standing,
            why=why,
            pages=pages,
            snapshot=published.opened.snapshot.id,
            zone=published.zone.key,
            knows_bots=bool(view.settings.automation_senders),
        )
    )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _style() -> str:
    """The pages' look on paper, on a screen too, and the report's own."""
    look = (FOLDER / "pages.css").read_text(encoding="utf-8").replace("@media print", "@media all")
    return look + (_TEMPLATES / "report.css").read_text(encoding="utf-8")
