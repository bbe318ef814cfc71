"""Who took figures out of the house: one line of JSON for each export, in the audit log of the data folder.

What belongs here: writing such a line so that it is whole and stays. What does not: deciding who may export (serving/),
exporting (export.py).

One file a month, `audit/2026-11.jsonl`, readable by its owner only, appended to and never rewritten.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.settings import Settings


def audit_path(settings: Settings, *, at: dt.datetime) -> Path:
    """The file of the log that an aware time falls into, by UTC month."""
    return settings.audit_dir / f"{at.astimezone(dt.UTC):%Y-%m}.jsonl"


def record(
    settings: Settings,
    *,
    who: str,
    what: str,
    rows: int,
    format: str,  # noqa: A002 - the name of the field in the log
    now: dt.datetime | None = None,
) -> None:
    """Append an export to the audit log. Call it before the figures are handed over: what is not recorded stays here.

    `who`: `cli:amina`, `analyst` …; `what`: tables, filters and snapshot, never a value that names a person; `rows`:
    how many left; `now`: aware, default the present. Processes may write at once: a line is one write at the end of the
    file, synced to disk. Raises OSError when it cannot be written.
    """
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    entry = {
        "at": moment.isoformat(timespec="milliseconds"),
        "event": "export",
        "who": who,
        "what": what,
        "rows": rows,
        "format": format,
    }
    line = json.dumps(entry, ensure_ascii=False) + "\n"
    path = audit_path(settings, at=moment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
