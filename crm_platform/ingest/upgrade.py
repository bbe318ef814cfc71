"""Rows that earlier versions stored, brought up to what this version keeps: once, when a warehouse is opened.

What belongs here: one step a change of what raw tables hold, the number that says which were taken, and what stored
texts say by words that were changed in the settings since. What does not: tables and columns that are new (the
warehouse adds those itself), what is believed (api/instants.py).

Each step may be taken twice without harm. The number is noted last, so a run that was killed is made good by the next.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from crm_platform.api import Believable, Rejected
from crm_platform.ingest.batch import rejected_key, report_digest
from crm_platform.ingest.duplicates import decide_duplicates, reopen_decision
from crm_platform.ingest.meta import OPT_OUT_WORDS, ROWS_VERSION, note, note_decided, noted
from crm_platform.ingest.opt_outs import decide_again
from crm_platform.schemas import RawTable, live_tables, ops, raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import taking_turns

if TYPE_CHECKING:
    from datetime import datetime

    from crm_platform.settings import Settings
    from crm_platform.warehouse import Commit, Lease, Session, Warehouse

log = logging.getLogger(__name__)

VERSION: Final = 2
"""Of the rows that this version stores."""

_AT_ONCE: Final = 500_000
"""Rows that are set at once."""

_UNDECIDED: Final = "select chat_id, message_id, false as is_opt_out from raw.messages where is_opt_out is null"

OUT_OF_RANGE: Final = "timestamp out of range"


def upgrade(warehouse: Warehouse, settings: Settings, *, now: datetime) -> None:
    """Take the steps that the warehouse lacks; one that is up to date is only looked at."""
    words = ",".join(settings.opt_out_words)
    with warehouse.reading() as session:
        is_of_today = int(noted(session, ROWS_VERSION) or 0) >= VERSION
        if is_of_today and noted(session, OPT_OUT_WORDS) == words:
            return
    warehouse.prepare(live_tables())
    with taking_turns(warehouse, purpose="bringing stored rows up to this version") as holder:
        with warehouse.reading() as session:
            is_new = _is_empty(session)
        if not is_of_today and not is_new:
            _take_steps(warehouse, holder, now=now)
        with warehouse.committing(holder) as commit:
            if not is_new and decide_again(commit, settings.opt_out_words):
                note_decided(commit, at=now)
            if not is_of_today:
                note(commit, ROWS_VERSION, str(VERSION), at=now)
            note(commit, OPT_OUT_WORDS, words, at=now)


def _is_empty(session: Session) -> bool:
    """Whether no record is stored yet."""
    tables = [table for table in live_tables() if issubclass(table, RawTable)]
    held = " union all ".join(f"(select 1 as one from {table.full_name()} limit 1)" for table in tables)
    return len(session.query(held)) == 0


def _take_steps(warehouse: Warehouse, holder: Lease, *, now: datetime) -> None:
    with warehouse.committing(holder) as commit:
        believed = Believable.at(max(now, _last_request(commit) or now))
        moved = _quarantine_messages(commit, believed)
        dropped = _drop_instants(commit, raw.Contacts, believed, created_at=believed.created_before)
        dropped += _drop_instants(
            commit, raw.Campaigns, believed, created_at=believed.created_before, scheduled_at=believed.until
        )
        _name_reports(commit)
        reopen_decision(commit, at=now)
    while _touch_some(warehouse, holder, raw.Messages, _UNDECIDED):
        pass
    for table, column, key in ((raw.Messages, "sender", "sender_key"), (raw.OperatorEvents, "agent", "agent_key")):
        _spell_alike(warehouse, holder, table, column, key)
    decide_duplicates(warehouse, holder, at=now)
    if moved or dropped:
        log.warning("%d stored messages and %d other records had dates that are not believed", moved, dropped)


def _last_request(session: Session) -> datetime | None:
    """When the CRM was last asked: a clock that has gone back since must not make all of it unbelievable."""
    last: datetime | None = session.query("select max(started_at) as at_last from ops.fetches")["at_last"][0].as_py()
    return None if last is None else last.replace(tzinfo=UTC)


def _quarantine_messages(commit: Commit, believed: Believable) -> int:
    """Move messages of a time that is not believed to quarantine, as if they had come today."""
    outside, bounds = "timestamp < ? or timestamp >= ?", [_naive(believed.since), _naive(believed.until)]
    found = commit.query(f"select * from raw.messages where {outside}", bounds).to_pylist()
    if found:
        commit.merge(ops.Quarantine, ops.Quarantine.rows(map(_quarantined, found)))
        commit.erase(raw.Messages, column="timestamp", values={message["timestamp"] for message in found})
    return len(found)


def _quarantined(message: dict[str, Any]) -> dict[str, object]:
    record = {name: message[name] for name in ("message_id", "type", "content", "direction", "status")}
    record["timestamp"] = _text(message["timestamp"], is_naive=message["timestamp_was_naive"])
    record["operator_email"] = message["sender"]
    said = {name: value for name, value in record.items() if value is not None} | _extra(message)
    rejected = Rejected(OUT_OF_RANGE, json.dumps(said, ensure_ascii=False), message["message_id"])
    return {
        "record_key": rejected_key(rejected, operation="list_messages", target=message["chat_id"]),
        "operation": "list_messages",
        "target": message["chat_id"],
        "reason": rejected.reason,
        "raw": rejected.raw,
        "first_fetched_at": message["first_fetched_at"],
        "fetched_at": message["fetched_at"],
        "fetch_id": message["fetch_id"],
    }


def _drop_instants(commit: Commit, table: type[RawTable], believed: Believable, **before: datetime) -> int:
    """Make instants absent that are not believed, their text in `extra`; `before`: by column, from when on none is."""
    since, outside = _naive(believed.since), " or ".join(f"{name} < ? or {name} >= ?" for name in before)
    bounds = [bound for latest in before.values() for bound in (since, _naive(latest))]
    rows = commit.query(f"select * from {table.full_name()} where {outside}", bounds).to_pylist()
    for row in rows:
        extra = _extra(row)
        for name, latest in before.items():
            if row[name] is not None and not since <= row[name] < _naive(latest):
                naive = f"{name}_was_naive"
                extra.setdefault(name, _text(row[name], is_naive=row.get(naive, False)))
                row[name] = None
                if naive in row:
                    row[naive] = False
        row["extra"] = json.dumps(extra, ensure_ascii=False, sort_keys=True)
    if rows:
        commit.merge(table, table.rows(rows))
    return len(rows)


def _name_reports(commit: Commit) -> None:
    """Name stored reports by their figures alone: the next one that says the same is no other."""
    rows = commit.query("select * from raw.campaign_reports").to_pylist()
    for row in rows:
        row["content_hash"] = report_digest(row)
    if rows:
        commit.merge(raw.CampaignReports, raw.CampaignReports.rows(rows))


def _spell_alike(warehouse: Warehouse, holder: Lease, table: type[RawTable], column: str, key: str) -> None:
    """Give identifiers of staff the form that they are compared in."""
    with warehouse.reading() as session:
        found = session.query(f"select distinct {column} from {table.full_name()} where {column} is not null")[column]
    spelt = pa.table({"said": found, "key": pa.array(map(staff_key, found.to_pylist()), pa.string())})
    keys = ", ".join(f"t.{name}" for name in table.key)
    differing = f"""
        select {keys}, spelt.key as {key}
        from {table.full_name()} as t
        join spelt on t.{column} = spelt.said
        where t.{key} is distinct from spelt.key
    """
    while _touch_some(warehouse, holder, table, differing, spelt=spelt):
        pass


def _touch_some(warehouse: Warehouse, holder: Lease, table: type[RawTable], select: str, **tables: pa.Table) -> int:
    """Set what a SELECT gives: of so many rows as memory holds. Says of how many: none are left where it was none."""
    with warehouse.committing(holder) as commit:
        rows = commit.query(f"{select} limit {_AT_ONCE}", tables=tables)
        commit.touch(table, rows)
    return int(rows.num_rows)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _text(moment: datetime, *, is_naive: bool) -> str:
    return moment.isoformat() + ("" if is_naive else "Z")


def _extra(row: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = json.loads(row["extra"]) if row["extra"] else {}
    return extra
