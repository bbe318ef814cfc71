"""What two snapshots say of how a table was computed: definition versions, settings, SQL.

What belongs here: the reasons that hold for all figures of a table at once. What does not: those of single rows
(reasons.py), which figures moved (moved.py, rebuilt.py).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from crm_platform.models import dependencies
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.publish import Manifest

_NAMED: Final = 3  # so many tables a reason names
_INSTANTS: Final = re.compile(r"\b(timestamp|date) '[^']*'")


def overall_reasons(now: Manifest, then: Manifest, table: str) -> dict[str, str]:
    """The reasons that hold for every figure of a KPI table, by its full name: each kind with what it adds in words."""
    entry, old = now.tables.get(table), then.tables.get(table)
    found: dict[str, str] = {}
    if entry and old and entry.definition_version != old.definition_version:
        found["definition"] = f" ({old.definition_version} → {entry.definition_version})"
    elif names := _computed_anew(now, then, table):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        found["computed"] = f" ({', '.join(names[:_NAMED])}{more})"
    if reset := _changed_settings(now, then):
        found["settings"] = f" ({', '.join(reset)})"
    return found


def _changed_settings(now: Manifest, then: Manifest) -> list[str]:
    """Settings that both builds had, with other values: one that came with newer software, nobody has changed."""
    settings, before = now.settings or {}, then.settings or {}
    return sorted(name for name in settings.keys() & before.keys() if settings[name] != before[name])


def _computed_anew(now: Manifest, then: Manifest, table: str) -> list[str]:
    """The table, and those it is computed from, whose version or SQL differs; the nearest first."""
    # Settings stand in SQL as values do: where one has changed, other SQL says nothing more.
    by_sql = not _changed_settings(now, then)
    found = []
    for name in _read(table):
        entry, old = now.tables.get(name), then.tables.get(name)
        if entry is None or old is None:
            continue
        is_other = None not in {entry.sql, old.sql} and _shape(entry.sql) != _shape(old.sql)
        if entry.definition_version != old.definition_version or (by_sql and is_other):
            found.append(name)
    return found


def _shape(sql: str | None) -> str:
    """SQL without the instants and days of its cut."""
    return _INSTANTS.sub(r"\1", sql or "")


@functools.cache
def _read(table: str) -> tuple[str, ...]:
    """A table and all that it is computed from, the nearest first."""
    found = dict.fromkeys([table])
    waiting = [table]
    while waiting:
        below = TABLES.get(waiting.pop(0))
        new = sorted(dependencies(below) - found.keys()) if below else []
        found.update(dict.fromkeys(new))
        waiting += new
    return tuple(found)
