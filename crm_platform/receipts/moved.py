"""Figures that moved between two snapshots, and why.

What belongs here: which figures differ, the rows of one that came, went or changed, and what the two snapshots say
about the reason. What does not: what a figure is made of (receipt.py), which snapshots are kept (publish/).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from crm_platform import core
from crm_platform.errors import GiveUp, NotFound
from crm_platform.publish import kept
from crm_platform.publish.retention import created_at
from crm_platform.receipts.behind import Lineage, OpenedSnapshot, SnapshotReader, is_same, opened
from crm_platform.receipts.keys import check_column, figure_columns, find_kpi, typed
from crm_platform.receipts.receipt import ROWS, jsonable
from crm_platform.schemas import KpiTable
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from crm_platform.settings import Settings

WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "definition": "the definition has a new version",
        "settings": "settings that change figures were changed",
        "erased": "people were erased: their chats are gone",
        "late": "late messages: sent by the earlier cut, first fetched after it",
        "status": "delivery statuses or campaign statuses changed",
        "new": "new messages: sent after the earlier cut",
        "removed": "messages are no longer kept",
        "report": "campaign reports changed",
        "campaign": "campaigns came",
        "contact": "contacts came, were gone, or were seen with other values",
        "marked": "conversations were marked as done, or chats assigned",
        "history": "older history was read",
        "time": "time passed: the chat was looked at again, or the cut moved on, and nothing new came",
        "other": "rows differ for a reason that the two snapshots do not tell",
    }
)
"""Every kind of reason, in words; the first that fits counts."""

_log = logging.getLogger(__name__)

_LISTED: Final = 5  # so many snapshots an error names
_MOST_TAKEN: Final = 40  # so many of the figures that a figure is taken from are looked into

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure that differs between two snapshots."""

    table: str
    key: Mapping[str, object]
    column: str
    then: object
    now: object

    def to_dict(self) -> dict[str, Any]:
        """As JSON writes it."""
        return {one.name: jsonable(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a figure moved. `kind`: a key of WORDS; `rows`: how many of its rows came, went or changed for it."""

    kind: str
    words: str
    rows: int


@dataclass(frozen=True, slots=True)
class Movement:
    """One figure in two snapshots.

    `then`, `now`: its values, None where it had no row; `earlier`, `current`: the snapshots' ids, with their cuts
    (aware UTC). `added`, `removed`, `changed`: how many rows behind it differ; `rows` lists the first of them: `what`
    happened to it, its `reason`, its key, and its used values `then` and `now`.
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
    reasons: tuple[Reason, ...]
    rows: tuple[Mapping[str, object], ...]

    @property
    def has_moved(self) -> bool:
        """Whether the value differs."""
        return not is_same(self.then, self.now)

    def to_dict(self) -> dict[str, Any]:
        """As JSON writes it."""
        return {
            **{one.name: jsonable(getattr(self, one.name)) for one in fields(self) if one.name != "reasons"},
            "reasons": [{"kind": one.kind, "words": one.words, "rows": one.rows} for one in self.reasons],
            "has_moved": self.has_moved,
        }


def moved(
    current: OpenedSnapshot | duckdb.DuckDBPyConnection, earlier: OpenedSnapshot | duckdb.DuckDBPyConnection
) -> list[Moved]:
    """Every figure that both snapshots have and that differs, in the order of the tables and their keys.

    Compares the KPI tables alone; `why` tells the reason of one. Raises GiveUp when a snapshot is from before there
    were receipts.
    """
    now, then = SnapshotReader.of(current), SnapshotReader.of(earlier)
    found: list[Moved] = []
    for name, table in TABLES.items():
        if not issubclass(table, KpiTable) or name not in now.manifest.tables or name not in then.manifest.tables:
            continue
        order = f" order by {', '.join(table.key)}" if table.key else ""
        before = {_key(row, table.key): row for row in then.query(f"select * from {name}").to_pylist()}
        for row in now.query(f"select * from {name}{order}").to_pylist():
            old = before.get(_key(row, table.key))
            if old is None:
                continue
            key = MappingProxyType({part: row[part] for part in table.key})
            found += [
                Moved(name, key, column, old[column], row[column])
                for column in figure_columns(table)
                if column in old and not is_same(old[column], row[column])
            ]
    return found


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
    row, old = now.row(declared, key, column), then.row(declared, key, column)
    if row is None and old is None:
        raise now.no_such_row(declared, key)
    own = typed(declared, key)
    reset = sorted(name for name in now.manifest.settings or {} if _setting(now, name) != _setting(then, name))
    # What holds for the whole figure, and then for each row that nothing else explains.
    overall = [
        kind
        for kind, applies in (
            ("definition", row and old and row["definition_version"] != old["definition_version"]),
            ("settings", reset),
        )
        if applies
    ]
    differences = _differences(_Pair(now, then, (*overall, "time")[0]), declared, column, own)
    counts = Counter(dict.fromkeys(overall, 0))
    counts.update(one.reason for one in differences)
    reasons = [
        Reason(kind, f"{words} ({', '.join(reset)})" if kind == "settings" else words, counts[kind])
        for kind, words in WORDS.items()
        if kind in counts
    ]
    happened = Counter(one.what for one in differences)
    return Movement(
        table=declared.full_name(),
        key=MappingProxyType(dict(own)),
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
        reasons=tuple(reasons),
        rows=tuple(one.to_row() for one in differences[:limit]),
    )


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

    `since`: the beginning of its id, or `yesterday` (the last one made before the local day of the current one); None:
    the newest one of an earlier or the same cut where the figure differs; the answer is None when there is none. Raises
    NotFound when no such snapshot is kept. One that is broken is passed over with a word in the log.
    """
    now = SnapshotReader.of(current)
    earlier = [path for path in kept(settings) if path.name < now.manifest.id]
    if since is not None:
        *better, last = _named(since, earlier, now, settings)
        for path in better:
            with _unless_broken(path), opened(path) as then:
                return why(current, then, table, key, column, limit=limit)
        with opened(last) as then:
            return why(current, then, table, key, column, limit=limit)
    declared = find_kpi(table)
    row = now.row(declared, key, column)
    value = row[column] if row else None
    for path in earlier:
        with _unless_broken(path), opened(path) as then:
            before = SnapshotReader.of(then)
            # A build at a past cut is published later than what it precedes.
            if before.manifest.as_of > now.manifest.as_of:
                continue
            old = before.row(declared, key, column)
            if not is_same(old[column] if old else None, value):
                return why(current, then, table, key, column, limit=limit)
    return None


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
    known = ", ".join(path.name for path in earlier[:_LISTED])
    raise NotFound(f"no earlier snapshot {word!r} is kept: there is {known or 'none yet'}")


def _setting(asked: SnapshotReader, name: str) -> object:
    return (asked.manifest.settings or {}).get(name)


def _key(row: Row, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


@dataclass(frozen=True, slots=True)
class _Difference:
    """One row behind a figure that differs; `then`, `now`: its used values, None where it is not behind the figure."""

    what: str
    reason: str
    key: Mapping[str, object]
    then: Mapping[str, object] | None
    now: Mapping[str, object] | None

    def to_row(self) -> Mapping[str, object]:
        return {"what": self.what, "reason": self.reason, **self.key, "then": self.then, "now": self.now}


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two snapshots; `otherwise`: the reason of a row that nothing else explains."""

    now: SnapshotReader
    then: SnapshotReader
    otherwise: str


def _differences(pair: _Pair, table: type[KpiTable], column: str, own: Mapping[str, object]) -> list[_Difference]:
    """The rows behind a figure that came, went or changed, each with its reason, in the order of their keys."""
    line = pair.now.lineage(table, column)
    if line is None:
        return []
    after, before = (_behind(asked, line, own) for asked in (pair.now, pair.then))
    differing = [
        (key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys(), key=str)
        if key not in before
        or key not in after
        or any(not is_same(before[key][name], after[key][name]) for name in line.used)
    ]
    reasons = _reasons(pair, line, differing)
    return [
        _Difference(
            what="added" if old is None else "removed" if new is None else "changed",
            reason=reason,
            key=dict(zip(line.key, key, strict=True)),
            then=old and {name: old[name] for name in line.used},
            now=new and {name: new[name] for name in line.used},
        )
        for (key, old, new), reason in zip(differing, reasons, strict=True)
    ]


def _behind(asked: SnapshotReader, line: Lineage, own: Mapping[str, object]) -> dict[tuple[object, ...], Row]:
    behind = asked.behind(line, asked.own(line.table, own))
    found = asked.query(behind.asking("select * from behind"), behind.parameters).to_pylist()
    return {_key(row, line.key): row for row in found}


_Differing = tuple[tuple[object, ...], Row | None, Row | None]


def _reasons(pair: _Pair, line: Lineage, differing: Sequence[_Differing]) -> list[str]:
    """One reason for each differing row."""
    if not differing:
        return []
    if issubclass(line.source, KpiTable):
        return _reasons_of_figures(pair, line.source, line, differing)
    if line.source in _CAMPAIGNS:
        return _reasons_of_campaigns(pair, differing)
    if "chat_id" not in line.key:
        return [pair.otherwise] * len(differing)
    return _reasons_of_chats(pair, line, differing)


_CAMPAIGNS: Final = frozenset({core.Campaigns, core.CampaignStatuses})
_CONTACTS: Final = frozenset({core.Contacts, core.ContactSegments, core.ContactPresence})


def _reasons_of_figures(
    pair: _Pair, table: type[KpiTable], line: Lineage, differing: Sequence[_Differing]
) -> list[str]:
    """A figure taken from others moved for the commonest reason that those did."""
    reasons = []
    for number, (key, _, _) in enumerate(differing):
        counts: Counter[str] = Counter()
        if number < _MOST_TAKEN:
            own = dict(zip(line.key, key, strict=True))
            for column in line.takes:
                counts.update(one.reason for one in _differences(pair, table, column, own))
        reasons.append(counts.most_common(1)[0][0] if counts else "other")
    return reasons


def _reasons_of_campaigns(pair: _Pair, differing: Sequence[_Differing]) -> list[str]:
    def standing(asked: SnapshotReader) -> tuple[dict[str, Row], dict[str, Row]]:
        campaigns = asked.query("select * from core.campaigns").to_pylist()
        reports = asked.query("select * exclude (last_fetched_at) from core.campaign_reports").to_pylist()
        return {one["campaign_id"]: one for one in campaigns}, {one["campaign_id"]: one for one in reports}

    campaigns, reports = standing(pair.now)
    old_campaigns, old_reports = standing(pair.then)
    reasons = []
    for (campaign, *_), _, _ in differing:
        name = str(campaign)
        if name not in old_campaigns or name not in campaigns:
            reasons.append("campaign")
        elif reports.get(name) != old_reports.get(name):
            reasons.append("report")
        elif campaigns[name]["status"] != old_campaigns[name]["status"]:
            reasons.append("status")
        else:
            reasons.append(pair.otherwise)
    return reasons


def _reasons_of_chats(pair: _Pair, line: Lineage, differing: Sequence[_Differing]) -> list[str]:
    """What the two snapshots know of each row's chat, around the time that the row speaks of."""
    place = line.key.index("chat_id")
    chats = sorted({str(key[place]) for key, _, _ in differing})
    standing, old_standing = _chats(pair.now, chats), _chats(pair.then, chats)
    is_of_contacts = line.source in _CONTACTS
    evidence = {} if is_of_contacts else _message_evidence(pair, chats)
    gap = dt.timedelta(hours=float((pair.now.manifest.settings or {}).get("conversation_gap_hours", 24)))
    reasons = []
    for key, old, new in differing:
        chat = str(key[place])
        kinds = {kind for at, kind in evidence.get(chat, ()) if _is_near(at, (old, new), gap)}
        if chat not in standing:
            reasons.append("erased")
        elif is_of_contacts:
            reasons.append("contact")
        elif kinds:
            reasons.append(next(kind for kind in WORDS if kind in kinds))
        elif line.source is core.Assignments or _is_marked(old) != _is_marked(new):
            reasons.append("marked")
        elif standing[chat]["is_history_whole"] != old_standing.get(chat, standing[chat])["is_history_whole"]:
            reasons.append("history")
        else:
            reasons.append(pair.otherwise)
    return reasons


def _is_marked(row: Row | None) -> bool:
    return row is not None and row.get("resolved_by") == "operator"


def _is_near(at: dt.datetime, rows: Iterable[Row | None], gap: dt.timedelta) -> bool:
    """Whether a message may belong to the conversation of a row: its times, as far as a gap around them."""
    times = [
        value
        for row in rows
        if row is not None
        for name, value in row.items()
        if isinstance(value, dt.datetime) and name != "known_until"
    ]
    return not times or min(times) - gap <= at <= max(times) + gap


def _chats(asked: SnapshotReader, chats: Sequence[str]) -> dict[str, Row]:
    found = asked.query("select * from core.chats where chat_id in (select unnest($chats))", {"chats": list(chats)})
    return {row["chat_id"]: row for row in found.to_pylist()}


def _message_evidence(pair: _Pair, chats: Sequence[str]) -> dict[str, list[tuple[dt.datetime, str]]]:
    """Messages of these chats that came or changed since, by chat, each with its time and the reason it gives."""

    def messages(asked: SnapshotReader) -> dict[tuple[str, str], Row]:
        found = asked.query(
            "select chat_id, message_id, timestamp, status, is_reply from core.messages"
            " where is_counted and chat_id in (select unnest($chats))",
            {"chats": list(chats)},
        )
        return {(row["chat_id"], row["message_id"]): row for row in found.to_pylist()}

    known, stored = messages(pair.then), messages(pair.now)
    cut = pair.then.manifest.as_of.astimezone(dt.UTC).replace(tzinfo=None)
    evidence: dict[str, list[tuple[dt.datetime, str]]] = {}
    for key in known.keys() - stored.keys():
        evidence.setdefault(key[0], []).append((known[key]["timestamp"], "removed"))
    for key, row in stored.items():
        old = known.get(key)
        if old is None:
            kind = "late" if row["timestamp"] <= cut else "new"
        elif (row["status"], row["is_reply"]) != (old["status"], old["is_reply"]):
            kind = "status"
        else:
            continue
        evidence.setdefault(key[0], []).append((row["timestamp"], kind))
    return evidence
