"""Rows that earlier versions stored, brought up to what this version keeps: once, when a warehouse is opened.

What belongs here: one step a change of what raw tables hold, the number that says which were taken, and what stored
texts say by words that were changed in the settings since. What does not: tables and columns that are new (the
warehouse adds those itself), what is believed (api/instants.py).

Each step may be taken twice without harm, and all are taken in one transaction with the number.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from crm_platform.api import Believable, Rejected
from crm_platform.ingest.batch import rejected_key, report_digest
from crm_platform.ingest.duplicates import decide_within
from crm_platform.ingest.meta import OPT_OUT_WORDS, ROWS_VERSION, note, note_decided, noted
from crm_platform.ingest.opt_outs import decide_again
from crm_platform.schemas import RawTable, live_tables, ops, raw
from crm_platform.spellings import staff_key

if TYPE_CHECKING:
    from datetime import datetime

    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session, Warehouse

log = logging.getLogger(__name__)

VERSION: Final = 2
"""Of the rows that this version stores."""

OUT_OF_RANGE: Final = "timestamp out of range"


def upgrade(warehouse: Warehouse, settings: Settings, *, now: datetime) -> None:
    """Take the steps that the warehouse lacks; one that is up to date is only looked at."""
    words = ",".join(settings.opt_out_words)
    with warehouse.reading() as session:
        is_of_today = int(noted(session, ROWS_VERSION) or 0) >= VERSION
        if is_of_today and noted(session, OPT_OUT_WORDS) == words:
            return
    warehouse.prepare(live_tables())
    with warehouse.writing() as session:
        is_new = _is_empty(session)
        if not is_of_today:
            if not is_new:
                _take_steps(session, now=now)
            note(session, ROWS_VERSION, str(VERSION), at=now)
        if not is_new and decide_again(session, settings.opt_out_words):
            note_decided(session, at=now)
        note(session, OPT_OUT_WORDS, words, at=now)


def _is_empty(session: Session) -> bool:
    """Whether no record is stored yet."""
    tables = [table for table in live_tables() if issubclass(table, RawTable)]
    held = " union all ".join(f"(select 1 as one from {table.full_name()} limit 1)" for table in tables)
    return len(session.query(held)) == 0


def _take_steps(session: Session, *, now: datetime) -> None:
    believed = Believable.at(max(now, _last_request(session) or now))
    moved = _quarantine_messages(session, believed)
    dropped = _drop_instants(session, raw.Contacts, believed, created_at=believed.created_before)
    dropped += _drop_instants(
        session, raw.Campaigns, believed, created_at=believed.created_before, scheduled_at=believed.until
    )
    _name_reports(session)
    _spell_alike(session, raw.Messages, "sender", "sender_key")
    _spell_alike(session, raw.OperatorEvents, "agent", "agent_key")
    session.execute("update raw.messages set is_opt_out = false where is_opt_out is null")
    decide_within(session, at=now)
    if moved or dropped:
        log.warning("%d stored messages and %d other records had dates that are not believed", moved, dropped)


def _last_request(session: Session) -> datetime | None:
    """When the CRM was last asked: a clock that has gone back since must not make all of it unbelievable."""
    last: datetime | None = session.query("select max(started_at) as at_last from ops.fetches")["at_last"][0].as_py()
    return None if last is None else last.replace(tzinfo=UTC)


def _quarantine_messages(session: Session, believed: Believable) -> int:
    """Move messages of a time that is not believed to quarantine, as if they had come today."""
    outside, bounds = "timestamp < ? or timestamp >= ?", [_naive(believed.since), _naive(believed.until)]
    found = session.query(f"select * from raw.messages where {outside}", bounds).to_pylist()
    if found:
        session.merge(ops.Quarantine, ops.Quarantine.rows(map(_quarantined, found)))
        session.execute(f"delete from raw.messages where {outside}", bounds)
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


def _drop_instants(session: Session, table: type[RawTable], believed: Believable, **before: datetime) -> int:
    """Make instants absent that are not believed, their text in `extra`; `before`: by column, from when on none is."""
    since, outside = _naive(believed.since), " or ".join(f"{name} < ? or {name} >= ?" for name in before)
    bounds = [bound for latest in before.values() for bound in (since, _naive(latest))]
    rows = session.query(f"select * from {table.full_name()} where {outside}", bounds).to_pylist()
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
        session.merge(table, table.rows(rows))
    return len(rows)


def _name_reports(session: Session) -> None:
    """Name stored reports by their figures alone: the next one that says the same is no other."""
    rows = session.query("select * from raw.campaign_reports").to_pylist()
    for row in rows:
        row["content_hash"] = report_digest(row)
    if rows:
        session.merge(raw.CampaignReports, raw.CampaignReports.rows(rows))


def _spell_alike(session: Session, table: type[RawTable], column: str, key: str) -> None:
    """Give identifiers of staff the form that they are compared in."""
    name = table.full_name()
    found = session.query(f"select distinct {column} from {name} where {column} is not null")[column].to_pylist()
    session.execute(
        f"""
        update {name} as t set {key} = spelt.key
        from (select unnest(cast(? as varchar[])) as said, unnest(cast(? as varchar[])) as key) as spelt
        where t.{column} = spelt.said and t.{key} is distinct from spelt.key
        """,
        [found, list(map(staff_key, found))],
    )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _text(moment: datetime, *, is_naive: bool) -> str:
    return moment.isoformat() + ("" if is_naive else "Z")


def _extra(row: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = json.loads(row["extra"]) if row["extra"] else {}
    return extra
