"""Notes on days: what people write down so that a chart can show it, such as an outage or a promotion.

What belongs here: writing, listing and taking away notes in the live warehouse. What does not: where they are shown.
A note is never deleted: one that was taken away stands in builds of cuts before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from crm_platform.errors import GiveUp, quoted
from crm_platform.schemas import raw
from crm_platform.warehouse import one_commit

if TYPE_CHECKING:
    import datetime as dt

    from crm_platform.warehouse import Session, Warehouse

LONGEST: Final = 200
"""Characters of a note: so many are published of a text."""

YEARS: Final = range(2000, 2200)
"""A day of any other year is a slip of the pen."""


def check_note(day: dt.date, text: str) -> None:
    """Raise GiveUp where the text is empty, long or not one line, or the day is of no year that figures are of."""
    if day.year not in YEARS:
        raise GiveUp(f"{day} is not of the years {YEARS[0]} to {YEARS[-1]}")
    if not text.strip() or len(text) > LONGEST or len(text.splitlines()) > 1:
        raise GiveUp(f"{quoted(text)} is no note: write one line of at most {LONGEST} characters")


def add_note(warehouse: Warehouse, day: dt.date, text: str, *, by: str, at: dt.datetime) -> int:
    """Write a note down and return its number. Raises GiveUp as check_note does."""
    text = text.strip()
    check_note(day, text)
    with one_commit(warehouse, purpose="a note") as commit:
        last = commit.query("select max(note_id) as last from raw.notes")["last"][0].as_py()
        note_id: int = (last or 0) + 1
        note = {"note_id": note_id, "day": day, "text": text, "at": at, "who": by}
        commit.append(raw.Notes, raw.Notes.rows([note]))
        return note_id


def remove_note(warehouse: Warehouse, note_id: int, *, by: str, at: dt.datetime) -> None:
    """Take a note away. Raises GiveUp where there is none of this number."""
    with one_commit(warehouse, purpose="a note") as commit:
        found = [note for note in notes(commit) if note["note_id"] == note_id]
        if not found:
            raise GiveUp(f"there is no note {note_id}: `crm notes` lists them")
        commit.merge(raw.Notes, raw.Notes.rows([found[0] | {"removed_at": at, "removed_by": by}]))


def notes(session: Session) -> list[dict[str, Any]]:
    """Give the notes that stand, the newest day first."""
    found = session.query("select * from raw.notes where removed_at is null order by day desc, note_id desc")
    return list(found.to_pylist())
