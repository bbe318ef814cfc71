"""The rows behind a figure that differ between two snapshots, and why.

What belongs here: which rows came, went or changed, and what the two snapshots say about the reason of each. What does
not: the figure itself (moved.py), which rows are behind it (behind.py).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from crm_platform import core
from crm_platform.receipts.behind import Lineage, SnapshotReader, is_same
from crm_platform.receipts.bounds import Bounds
from crm_platform.receipts.redefined import overall_reasons
from crm_platform.schemas import KpiTable, Table

if TYPE_CHECKING:
    import pyarrow as pa

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "definition": "the definition has a new version",
        "computed": "it is computed in another way",
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
"""Every kind of reason, in words. A row counts under the first that fits.

`definition`, `computed` and `settings` hold for all rows (redefined.py): a row that nothing else explains counts there.
"""

_MOST_TAKEN: Final = 40  # so many of the figures that a figure is taken from are looked into
_CAMPAIGNS: Final = frozenset({core.Campaigns, core.CampaignStatuses})
_CONTACTS: Final = frozenset({core.Contacts, core.ContactSegments, core.ContactPresence})

_DERIVED: Final = frozenset({"first_fetch_id", "fetch_id", "is_active_30d"})  # no word of the CRM about a contact

Row = Mapping[str, Any]
_Differing = tuple[tuple[object, ...], Row | None, Row | None]  # a key, its row then, its row now


@dataclass(frozen=True, slots=True)
class Difference:
    """One row behind a figure that differs; `then`, `now`: its used values, None where it is not behind the figure."""

    what: str
    reason: str
    key: Mapping[str, object]
    then: Mapping[str, object] | None
    now: Mapping[str, object] | None

    def to_row(self) -> Mapping[str, object]:
        """As `Movement.rows` lists it."""
        return {"what": self.what, "reason": self.reason, **self.key, "then": self.then, "now": self.now}


@dataclass(frozen=True, slots=True)
class SnapshotPair:
    """Two snapshots."""

    now: SnapshotReader
    then: SnapshotReader

    def otherwise(self, table: type[KpiTable], unexplained: str = "time") -> str:
        """The reason of a row behind a figure of a table that nothing else explains."""
        return next(iter(overall_reasons(self.now.manifest, self.then.manifest, table.full_name())), unexplained)


def differences(
    pair: SnapshotPair,
    table: type[KpiTable],
    column: str,
    own: Mapping[str, object],
    *,
    bounds: Bounds | None = None,
) -> list[Difference]:
    """The rows behind a figure that came, went or changed, each with its reason, in the order of their keys."""
    line = pair.now.lineage(table, column)
    if line is None:
        return []
    after, before = (_behind(asked, line, own, bounds) for asked in (pair.now, pair.then))
    differing = [
        (key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys(), key=str)
        if key not in before
        or key not in after
        or any(not is_same(before[key][name], after[key][name]) for name in line.used)
    ]
    reasons = _reasons(pair, line, differing)
    return [
        Difference(
            what="added" if old is None else "removed" if new is None else "changed",
            reason=reason,
            key=dict(zip(line.key, key, strict=True)),
            then=old and {name: old[name] for name in line.used},
            now=new and {name: new[name] for name in line.used},
        )
        for (key, old, new), reason in zip(differing, reasons, strict=True)
    ]


def _behind(
    asked: SnapshotReader, line: Lineage, own: Mapping[str, object], bounds: Bounds | None
) -> dict[tuple[object, ...], Row]:
    behind = asked.behind(line, asked.own(line.table, own), bounds=bounds)
    found = asked.query(behind.asking("select * from behind"), behind.parameters).to_pylist()
    return {_key(row, line.key): row for row in found}


def _key(row: Row, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def _reasons(pair: SnapshotPair, line: Lineage, differing: Sequence[_Differing]) -> list[str]:
    """One reason for each differing row."""
    if not differing:
        return []
    if issubclass(line.source, KpiTable):
        return _reasons_of_figures(pair, line.source, line, differing)
    if line.source in _CAMPAIGNS:
        return _reasons_of_campaigns(pair, line, differing)
    if "chat_id" not in line.key:
        return [pair.otherwise(line.table)] * len(differing)
    return _reasons_of_chats(pair, line, differing)


def _reasons_of_figures(
    pair: SnapshotPair, table: type[KpiTable], line: Lineage, differing: Sequence[_Differing]
) -> list[str]:
    """A figure taken from others moved for the commonest reason that those did."""
    reasons = []
    for number, (key, _, _) in enumerate(differing):
        counts: Counter[str] = Counter()
        if number < _MOST_TAKEN:
            own = dict(zip(line.key, key, strict=True))
            for column in line.takes:
                counts.update(one.reason for one in differences(pair, table, column, own))
        reasons.append(counts.most_common(1)[0][0] if counts else pair.otherwise(table, "other"))
    return reasons


def _reasons_of_campaigns(pair: SnapshotPair, line: Lineage, differing: Sequence[_Differing]) -> list[str]:
    def standing(asked: SnapshotReader) -> tuple[dict[str, Row], dict[str, Row]]:
        campaigns = asked.query("select * from core.campaigns").to_pylist()
        reports = asked.query("select * exclude (last_fetched_at) from core.campaign_reports").to_pylist()
        return {one["campaign_id"]: one for one in campaigns}, {one["campaign_id"]: one for one in reports}

    campaigns, reports = standing(pair.now)
    old_campaigns, old_reports = standing(pair.then)
    otherwise = pair.otherwise(line.table)
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
            reasons.append(otherwise)
    return reasons


def _reasons_of_chats(pair: SnapshotPair, line: Lineage, differing: Sequence[_Differing]) -> list[str]:
    """What the two snapshots know of each row's chat, around the time that the row speaks of."""
    place = line.key.index("chat_id")
    chats = sorted({str(key[place]) for key, _, _ in differing})
    standing, old_standing = _chats(pair.now, chats), _chats(pair.then, chats)
    others = _others(pair, line.source, chats) if line.source in _CONTACTS else frozenset()
    evidence = _message_evidence(pair, old_standing, chats)
    otherwise = pair.otherwise(line.table)
    gap = dt.timedelta(hours=float((pair.now.manifest.settings or {}).get("conversation_gap_hours", 24)))
    reasons = []
    for key, old, new in differing:
        chat = str(key[place])
        kinds = {kind for at, kind in evidence.get(chat, ()) if _is_near(at, (old, new), gap)}
        if chat not in standing:
            reasons.append("erased")
        elif chat in others:
            reasons.append("contact")
        elif kinds:
            reasons.append(next(kind for kind in REASONS if kind in kinds))
        elif line.source is core.Assignments or _is_marked(old) != _is_marked(new):
            reasons.append("marked")
        elif standing[chat]["is_history_whole"] != old_standing.get(chat, standing[chat])["is_history_whole"]:
            reasons.append("history")
        else:
            reasons.append(otherwise)
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


def _others(pair: SnapshotPair, source: type[Table], chats: Sequence[str]) -> frozenset[str]:
    """Contacts of which the CRM says something else than it did; who has written lately is no word of its own."""
    sql = f"select * from {source.full_name()} where chat_id in (select unnest($chats))"
    now, then = (asked.query(sql, {"chats": list(chats)}) for asked in (pair.now, pair.then))
    names = [name for name in now.column_names if name in then.column_names and name not in _DERIVED]

    def told(rows: pa.Table) -> dict[str, set[tuple[object, ...]]]:
        found: dict[str, set[tuple[object, ...]]] = {}
        for row in rows.select(names).to_pylist():
            found.setdefault(row["chat_id"], set()).add(tuple(row.values()))
        return found

    known, old = told(now), told(then)
    return frozenset(chat for chat in chats if known.get(chat) != old.get(chat))


def _message_evidence(
    pair: SnapshotPair, standing: Mapping[str, Row], chats: Sequence[str]
) -> dict[str, list[tuple[dt.datetime, str]]]:
    """Messages of these chats that came or changed since, by chat, each with its time and the reason it gives.

    `standing`: what the earlier snapshot knew of the chats. A message older than its reading of a chat came late from
    the CRM only where that reading was whole; else it is history that was read since.
    """

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
            chat = standing.get(key[0])
            if chat and chat["known_until"] and not chat["is_history_whole"] and row["timestamp"] < chat["known_until"]:
                kind = "history"
        elif (row["status"], row["is_reply"]) != (old["status"], old["is_reply"]):
            kind = "status"
        else:
            continue
        evidence.setdefault(key[0], []).append((row["timestamp"], kind))
    return evidence
