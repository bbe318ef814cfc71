"""The page on which those with the right write down what happened on a day, for all to see in the charts.

What belongs here: what stands, the form, and its answer. What does not: what a note may be and where it is kept
(ingest/notes.py), who may write one (access.py), the charts (day_notes.py).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from crm_platform.errors import GiveUp
from crm_platform.ingest import existing_store, open_warehouse
from crm_platform.ingest.notes import LONGEST, add_note, check_note, notes
from crm_platform.models.due import holds
from crm_platform.schemas import raw
from crm_platform.serving.forms import read_form
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.frame import Frame, bare_page, language_of
from crm_platform.warehouse import live_store

if TYPE_CHECKING:
    from starlette.requests import Request

    from crm_platform.settings import Settings

NOTES: Final = "/notes"


def show_notes(request: Request, frame: Frame) -> Response:
    """Answer the notes that stand, and which of them the charts show yet. Raises Busy."""
    return _page(request, frame)


async def write_note(request: Request, frame: Frame) -> Response:
    """Write a note down, after a line of the audit log, and lead to those that stand.

    Raises Refused, Busy, GiveUp where it cannot be audited, and FixConfiguration where no notes are kept.
    """
    form = await read_form(request, hint="Send day=2026-11-20 and text=…")
    day, text = _day(form.get("day", "")), form.get("text", "").strip()
    if day is None or not _is_note(day, text):
        return await run_in_threadpool(_page, request, frame, form=form, is_wrong=True)
    note_id = await run_in_threadpool(_write, request, day, text)
    return RedirectResponse(f"{NOTES}#note-{note_id}", 303)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _is_note(day: dt.date, text: str) -> bool:
    try:
        check_note(day, text)
    except GiveUp:
        return False
    return True


def _write(request: Request, day: dt.date, text: str) -> int:
    settings: Settings = request.app.state.settings
    visitor = request.state.visitor
    existing_store(settings)  # where nothing was ever fetched, no warehouse is made for a note
    warehouse = open_warehouse(settings)
    role = visitor.role.name.lower()
    client = request.client.host if request.client else "unknown"
    request.app.state.audit.write("note", role=role, by=visitor.came_by, client=client, what=f"note on {day}")
    return add_note(warehouse, day, text, by=f"page:{role}", at=request.app.state.now())


def _page(request: Request, frame: Frame, *, form: dict[str, str] | None = None, is_wrong: bool = False) -> Response:
    language = language_of(request)
    published, broken = frame.published(request)
    settings: Settings = request.app.state.settings
    standing: list[dict[str, Any]] = []
    store = live_store(settings)
    is_kept_here = store.exists()
    if is_kept_here:
        with store.reading() as session:
            standing = notes(session) if holds(session, raw.Notes) else []
    shown = published.note_ids if published else frozenset()
    return bare_page(
        request,
        "notes.html",
        status=400 if is_wrong else 200,
        headers={"Cache-Control": "no-store"},
        page="notes",
        here=NOTES,
        broken=broken,
        standing=[(note, numbers.day(language, note["day"], year=True), note["note_id"] in shown) for note in standing],
        form=form or {"day": str(published.today if published else request.app.state.now().date())},
        is_wrong=is_wrong,
        is_kept_here=is_kept_here,
        longest=LONGEST,
    )
