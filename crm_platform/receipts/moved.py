"""A figure that moved between two snapshots, and why.

What belongs here: comparing one figure in two snapshots, and finding the earlier one. What does not: all figures of two
snapshots (rebuilt.py), the rows behind one that differ and their reasons (reasons.py), what holds for all figures of a
table (redefined.py), what a figure is made of (receipt.py), which snapshots are kept (publish/).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from crm_platform.errors import GiveUp, NotFound, quoted
from crm_platform.publish import kept
from crm_platform.publish.retention import created_at
from crm_platform.receipts.behind import OpenedSnapshot, SnapshotReader, is_same, opened
from crm_platform.receipts.bounds import split
from crm_platform.receipts.keys import check_column, find_kpi, typed
from crm_platform.receipts.reasons import REASONS, SnapshotPair, differences
from crm_platform.receipts.receipt import ROWS, jsonable_fields
from crm_platform.receipts.redefined import overall_reasons

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

_LISTED: Final = 5  # so many snapshots an error names


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a figure moved. `kind`: a key of REASONS; `rows`: how many of its rows came, went or changed for it."""

    kind: str
    words: str
    rows: int


@dataclass(frozen=True, slots=True)
class Movement:
    """One figure in two snapshots.

    `then`, `now`: its values, None where it had no row; `coverage_then`, `coverage_now`: the coverage of these rows
    (0 to 1, None where not known). `earlier`, `current`: the snapshots' ids, with their cuts (aware UTC). `added`,
    `removed`, `changed`: how many rows behind it differ; `rows` lists the first of them: `what` happened to it, its
    `reason`, its key, and its used values `then` and `now`.
    """

    table: str
    key: Mapping[str, object]
    column: str
    then: object
    now: object
    earlier: str
    earlier_as_of: dt.datetime
    current: str
    current_as_of: dt.datetime
    added: int
    removed: int
    changed: int
    rows: tuple[Mapping[str, object], ...]
    reasons: tuple[Reason, ...]
    coverage_then: float | None = None
    coverage_now: float | None = None

    @property
    def has_moved(self) -> bool:
        """Whether the value differs."""
        return not is_same(self.then, self.now)

    def to_dict(self) -> dict[str, Any]:
        """As JSON writes it."""
        return {**jsonable_fields(self), "has_moved": self.has_moved}


def why(
    current: OpenedSnapshot | duckdb.DuckDBPyConnection,
    earlier: OpenedSnapshot | duckdb.DuckDBPyConnection,
    table: str,
    key: Mapping[str, object],
    column: str,
    *,
    limit: int | None = ROWS,
) -> Movement:
    """Compare one figure and the rows behind it in two snapshots.

    `limit`: most rows listed. Raises as `receipt` does; a row that only one of the snapshots has is no error.
    """
    now, then = SnapshotReader.of(current), SnapshotReader.of(earlier)
    declared = find_kpi(table)
    check_column(declared, column)
    key, bounds = split(declared, column, key)
    row, old = (asked.row(declared, key, column, bounds=bounds) for asked in (now, then))
    if row is None and old is None:
        raise now.no_such_row(declared, key)
    own = typed(declared, key)
    overall = overall_reasons(now.manifest, then.manifest, declared.full_name())
    differing = differences(SnapshotPair(now, then), declared, column, own, bounds=bounds)
    counts = Counter(dict.fromkeys(overall, 0))
    counts.update(one.reason for one in differing)
    reasons = [
        Reason(kind, words + overall.get(kind, ""), counts[kind]) for kind, words in REASONS.items() if kind in counts
    ]
    happened = Counter(one.what for one in differing)
    return Movement(
        table=declared.full_name(),
        key=MappingProxyType(own | (bounds.key if bounds else {})),
        column=column,
        then=old[column] if old else None,
        now=row[column] if row else None,
        earlier=then.manifest.id,
        earlier_as_of=then.manifest.as_of,
        current=now.manifest.id,
        current_as_of=now.manifest.as_of,
        added=happened["added"],
        removed=happened["removed"],
        changed=happened["changed"],
        rows=tuple(one.to_row() for one in differing[:limit]),
        reasons=tuple(reasons),
        coverage_then=old["coverage"] if old else None,
        coverage_now=row["coverage"] if row else None,
    )


def earlier_snapshot(settings: Settings, now: SnapshotReader, since: str | None) -> Path:
    """The kept snapshot of a word, as in `moved_since`; None: the newest. Raises NotFound when there is none."""
    earlier = _earlier(settings, now)
    if not earlier:
        raise NotFound("no earlier snapshot is kept yet")
    return earlier[0] if since is None else _named(since, earlier, now, settings)[0]


def moved_since(
    settings: Settings,
    current: OpenedSnapshot | duckdb.DuckDBPyConnection,
    table: str,
    key: Mapping[str, object],
    column: str,
    *,
    since: str | None = None,
    limit: int | None = ROWS,
) -> Movement | None:
    """`why`, against a kept snapshot.

    `since`: the beginning of its id, `yesterday` (the last one made before the local day of the current one), or a time
    (the last one made by then, local where it names no zone); None: the newest one of an earlier or the same cut where
    the figure differs; the answer is None when there is none. Raises NotFound when no such snapshot is kept. One that
    is broken is passed over with a word in the log.
    """
    now = SnapshotReader.of(current)
    earlier = _earlier(settings, now)
    if since is not None:
        *better, last = _named(since, earlier, now, settings)
        for path in better:
            with _unless_broken(path), opened(path) as then:
                return why(current, then, table, key, column, limit=limit)
        with opened(last) as then:
            return why(current, then, table, key, column, limit=limit)
    declared = find_kpi(table)
    check_column(declared, column)
    own, bounds = split(declared, column, key)
    row = now.row(declared, own, column, bounds=bounds)
    value = row[column] if row else None
    for path in earlier:
        with _unless_broken(path), opened(path) as then:
            before = SnapshotReader.of(then)
            # A build at a past cut is published later than what it precedes.
            if before.manifest.as_of > now.manifest.as_of:
                continue
            old = before.row(declared, own, column, bounds=bounds)
            if not is_same(old[column] if old else None, value):
                return why(current, then, table, key, column, limit=limit)
    return None


def _earlier(settings: Settings, now: SnapshotReader) -> list[Path]:
    """The kept snapshots that were made before this one, the newest first."""
    return [path for path in kept(settings) if path.name < now.manifest.id]


@contextlib.contextmanager
def _unless_broken(path: Path) -> Iterator[None]:
    """Pass over a snapshot that cannot be read: the others can tell as much. From before receipts, it is no trouble."""
    try:
        yield
    except GiveUp as problem:
        _log.warning("snapshot %s is left out: %s", path.name, problem)


def _named(word: str, earlier: Sequence[Path], now: SnapshotReader, settings: Settings) -> list[Path]:
    """The snapshots that a word may mean, the best first."""
    if word == "yesterday":
        today = now.manifest.created_at.astimezone(settings.zone).date()
        days = [(path, created_at(path.name)) for path in earlier]
        if found := [path for path, made in days if made is not None and made.astimezone(settings.zone).date() < today]:
            return found
        raise NotFound("no snapshot of an earlier day is kept yet; the last of each day is")
    if found := [path for path in earlier if path.name.startswith(word)][:1]:
        return found
    with contextlib.suppress(ValueError):
        at = dt.datetime.fromisoformat(word)
        at = at if at.tzinfo else at.replace(tzinfo=settings.zone)
        if found := [path for path in earlier if (made := created_at(path.name)) is not None and made <= at]:
            return found
    known = ", ".join(path.name for path in earlier[:_LISTED])
    raise NotFound(f"no earlier snapshot {quoted(word)} is kept: there is {known or 'none yet'}")
