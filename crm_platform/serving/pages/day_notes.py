"""Notes on days, as charts show them: a numbered flag, its text beneath, a column of the table.

What belongs here: the published notes, by their day. What does not: keeping notes (ingest/notes.py), the page on which
they are written (note_page.py), drawing flags (trends.py).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crm_platform.serving.pages.trends import Flag

if TYPE_CHECKING:
    from crm_platform.serving.pages.published import PublishedFigures


def published_notes(published: PublishedFigures) -> Mapping[dt.date, str]:
    """What is noted of each day; the notes of one day in one line. Empty for a snapshot from before there were any."""
    if "core.notes" not in published.opened.manifest.tables:
        return {}
    found: defaultdict[dt.date, list[str]] = defaultdict(list)
    for row in published.ask("core.notes", "select day, text from core.notes order by day, note_id"):
        found[row["day"]].append(row["text"])
    return {day: "; ".join(texts) for day, texts in found.items()}


def flags(published: PublishedFigures, days: Sequence[dt.date]) -> dict[int, Flag]:
    """A flag for each of these days with a note, numbered from 1, by the number of its day."""
    noted = published_notes(published)
    marked = [index for index, day in enumerate(days) if day in noted]
    return {index: Flag(str(number), noted[days[index]]) for number, index in enumerate(marked, 1)}
