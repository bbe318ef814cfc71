"""The workbook: a report's figures, its days, and what they mean, as an Excel file.

What belongs here: which sheets there are, and what stands in them. What does not: how a cell is written
(publish/excel.py), the figures (serving/pages/).

Sheets that people read first are in their language. The days have the published names of tables and columns, which
`crm export` and the API have too; the sheet of definitions says what each is called and means.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter

from crm_platform.publish import published_columns
from crm_platform.publish.excel import FORMATS, SheetContent, put, write_sheets
from crm_platform.schemas import KpiTable
from crm_platform.serving.pages.column_words import column_words
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xlsxwriter.format import Format

    from crm_platform.languages import Language
    from crm_platform.reports.document import DrawnPage
    from crm_platform.reports.spans import Span

_CAMPAIGNS: Final = "campaign_performance"
# Whose days belong to a page.
_PILLARS: Final[Mapping[str, tuple[str, ...]]] = {
    "executive": ("operations", "growth", "engagement"),
    "campaigns": (),
    "support": ("operations",),
    "audience": ("growth", "engagement"),
}
_WIDTHS: Final = (26, 40, 16, 16, 34, 34, 16, 14)

Line = tuple[object, ...]


def workbook(pages: Sequence[DrawnPage], span: Span, *, title: str, standing: Sequence[str], why: str) -> bytes:
    """Write the file. `standing`: as of when, how complete; `why` it is provisional, empty if not."""
    language, manifest = pages[0].view.language, pages[0].view.published.opened.manifest
    sheets = list(_sheets(pages, span))
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.set_properties({"title": title, "created": manifest.created_at})
        bold = book.add_format({"bold": True})
        formats = {name: book.add_format({"num_format": shown}) for name, shown in FORMATS.items()}
        _write_lines(book, language.gettext("Figures"), _figures(pages, title, standing, why), bold, formats)
        for sheet in sheets:
            write_sheets(book, sheet, bold, formats)
        _write_lines(book, language.gettext("Definitions"), _definitions(pages, sheets), bold, formats)
    return made.getvalue()


def _write_lines(
    book: xlsxwriter.Workbook, name: str, lines: Iterator[tuple[Line, str]], bold: Format, formats: Mapping[str, Format]
) -> None:
    """Write a sheet of lines, each with how its numbers are written: `bold`, or a key of FORMATS."""
    sheet = book.add_worksheet(name)
    for place, width in enumerate(_WIDTHS):
        sheet.set_column(place, place, width)
    for number, (line, how) in enumerate(lines):
        for place, value in enumerate(line):
            put(sheet, number, place, value, bold if how == "bold" else formats.get(how))


def _figures(pages: Sequence[DrawnPage], title: str, standing: Sequence[str], why: str) -> Iterator[tuple[Line, str]]:
    """The first sheet: what the report is of, and the figures of its pages."""
    _ = pages[0].view.language.gettext
    yield (title,), "bold"
    for words in standing:
        yield (words,), ""
    if why:
        yield (_("Provisional: {why}. These figures may move.", why=why),), "bold"
    for page in pages:
        yield (), ""
        yield (page.title, page.content.sentence), "bold"
        headings = (_("Figure"), _("Days"), _("Value"), _("Before"), _("Unit"), _("Over"), _("Seen"), _("Provisional"))
        yield headings, "bold"
        for tile in (*page.content.figures, *page.content.more.get("second", ())):
            view, (_now, before) = page.view, tile.compared
            how = "rate" if tile.kind in {"rate", "growth"} else "seconds" if tile.kind == "seconds" else ""
            unit = {"rate": "%", "growth": "%", "seconds": "s"}.get(how or tile.kind, "")
            seen = view.seen(tile.coverage) if tile.coverage is not None else _("not known")
            provisional = _("yes") if tile.is_provisional else _("no")
            yield (view.title(tile.words), tile.window, tile.value, before, unit, tile.base, seen, provisional), how


def _sheets(pages: Sequence[DrawnPage], span: Span) -> Iterator[SheetContent]:
    """The days of every daily table that belongs to the pages, and the campaigns sent on these days."""
    published, names = pages[0].view.published, {page.name for page in pages}
    pillars = {pillar for name in names for pillar in _PILLARS[name]}
    period = span.period(today=published.today)
    for table in TABLES.values():
        if not issubclass(table, KpiTable):
            continue
        if table.key == ("day",) and table.pillar in pillars:
            yield _sheet(table, [row for row in published.by_day(table.table, period.days) if row])
        elif table.table == _CAMPAIGNS and names & {"campaigns", "executive"}:
            first, after = period.bounds(published.zone)
            rows = published.rows(_CAMPAIGNS)
            yield _sheet(table, [row for row in rows if row["sent_at"] and first <= row["sent_at"] < after])


def _sheet(table: type[KpiTable], rows: Sequence[Mapping[str, Any]]) -> SheetContent:
    columns = published_columns(table)
    return SheetContent(table.table, table, columns, (tuple(row.get(name) for name in columns) for row in rows))


def _definitions(pages: Sequence[DrawnPage], sheets: Sequence[SheetContent]) -> Iterator[tuple[Line, str]]:
    """The last sheet: what the figures mean, in the reader's words, and what the columns of the days do."""
    language: Language = pages[0].view.language
    _ = language.gettext
    yield (_("Figure"), _("What it means")), "bold"
    said: set[str] = set()
    for page in pages:
        for tile in (*page.content.figures, *page.content.more.get("second", ())):
            if tile.words.name not in said:
                said.add(tile.words.name)
                yield (page.view.title(tile.words), page.view.meaning(tile.words)), ""
    yield (), ""
    yield (_("Sheet"), _("Column"), _("Name"), _("Unit"), _("What it means")), "bold"
    for sheet in sheets:
        for name, column in sheet.columns.items():
            words = language.gettext(column_words(name))
            yield (sheet.name, name, words, column.unit, column.description), ""
