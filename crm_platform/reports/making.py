"""All of a report: its words, its document and its workbook, for one language, one choice of pages and formats.

What belongs here: making it once, and what becomes of a PDF that cannot be printed. What does not: to whom it goes
(sending.py), whether it may (holding.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.publish import current, read_manifest, reading
from crm_platform.reports.document import document, draw
from crm_platform.reports.pdf import NotPrinted, print_pdf
from crm_platform.reports.workbook import workbook
from crm_platform.serving.pages.published import PublishedFigures
from crm_platform.serving.snapshots import OpenSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crm_platform.languages import Language
    from crm_platform.reports.recipients import Form
    from crm_platform.reports.spans import Span
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

MEDIA_TYPES: Final[dict[str, str]] = {
    "pdf": "application/pdf",
    "html": "text/html",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One file of a report."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """What a page says in a sentence, under its title. `address`: its path and query where the pages are served."""

    page: str
    title: str
    sentence: str
    address: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report in one language. `standing`: as of when, how complete; `why` it is provisional, empty if it is not."""

    span: Span
    language: Language
    title: str
    said: tuple[Said, ...]
    standing: tuple[str, ...]
    why: str
    as_of: dt.datetime
    coverage: float | None
    snapshot: str
    is_sandbox: bool
    files: tuple[ReportFile, ...]


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[PublishedFigures | None]:
    """Open the published figures for a while; None before the first. Raises GiveUp on a broken snapshot."""
    snapshot = current(settings)
    if snapshot is None:
        yield None
        return
    manifest = read_manifest(snapshot.path)
    with reading(snapshot.path) as connection:
        yield PublishedFigures(OpenSnapshot(snapshot, manifest, connection))


def make(
    published: PublishedFigures,
    span: Span,
    *,
    settings: Settings,
    language: Language,
    pages: Sequence[str],
    forms: Sequence[Form],
    now: dt.datetime,
    why: str = "",
) -> Report:
    """Make a report. `why`: why its figures are provisional, empty where they are not.

    A PDF that cannot be printed is an HTML file instead, and the log says why.
    """
    drawn = draw(published, span, settings=settings, language=language, pages=pages, now=now)
    title, standing = span.title(language), tuple(drawn[0].view.status().parts)
    name = f"crm-report-{span.name}-{language.code}"
    files: dict[str, bytes] = {}
    if {"pdf", "html"} & set(forms):
        html = document(drawn, title=title, standing=standing, why=why)
        printed = _printed(html, span, settings) if "pdf" in forms else None
        if printed is not None:
            files["pdf"] = printed
        if printed is None or "html" in forms:
            files["html"] = html.encode()
    if "xlsx" in forms:
        files["xlsx"] = workbook(drawn, span, title=title, standing=standing, why=why)
    return Report(
        span=span,
        language=language,
        title=title,
        said=tuple(Said(page.name, page.title, page.content.sentence, page.address) for page in drawn),
        standing=standing,
        why=why,
        as_of=published.as_of,
        coverage=published.coverage(span.period(today=published.today)),
        snapshot=published.opened.snapshot.id,
        is_sandbox=published.opened.manifest.is_sandbox,
        files=tuple(ReportFile(f"{name}.{form}", MEDIA_TYPES[form], content) for form, content in files.items()),
    )


def _printed(html: str, span: Span, settings: Settings) -> bytes | None:
    """The document as PDF; None where it cannot be printed."""
    try:
        return print_pdf(html, settings)
    except NotPrinted as problem:
        _log.warning("the report %s goes out as HTML, not as PDF: %s", span.name, problem)
        return None
