"""The page that says what each figure means and is good for.

What belongs here: its groups and tables. What does not: the words, which stand with the tiles (tiles.py) and with the
declared tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from crm_platform.languages import N_
from crm_platform.receipts import figure_columns
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.column_words import column_words
from crm_platform.serving.pages.frame import bare_page, language_of
from crm_platform.serving.pages.tiles import TILES, Subject
from crm_platform.serving.queries import kpi_tables

_SUBJECTS: Final[Mapping[Subject, str]] = {
    "support": N_("Support"),
    "contacts": N_("Contacts"),
    "campaigns": N_("Campaigns"),
}


def explain(request: Request) -> Response:
    """Answer the page; it needs no figures. Descriptions of tables and columns are English."""
    tables = [
        (
            column_words(table.table),
            table.description(),
            [(column_words(name), table.columns[name].description) for name in figure_columns(table)],
        )
        for table in kpi_tables().values()
    ]
    return bare_page(
        request,
        "figures.html",
        page="figures",
        here=request.url.path,
        subjects=_SUBJECTS,
        tiles=TILES,
        tables=tables,
        target=numbers.duration(language_of(request), request.app.state.settings.first_response_target_seconds),
    )
