"""What was published, held against what the CRM really served.

What belongs here: the oracle's facts from the server's memory, the published tables as rows, what differs. What does
not: running anything, any figure. Three things are taken from the raw tables, as nobody else can know them: the key of
the pseudonyms' mapping (raw ids), the client's own clock at the start of a request, which must lie within
`CLOCK_TOLERANCE` of the server's, and which of two chats keeps a message that both have.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from crm_platform.publish.pseudonyms import pseudonym
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform_tests.oracle import facts as oracle
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.engagement import status_at
from crm_platform_tests.second_crm.server import (
    AGENT_IDS,
    BROKEN_FIELDS,
    KEY,
    SECRET_DOMAIN,
    SECRET_NAME,
    SECRET_TEXT,
    Crm,
    Message,
)

Row = dict[str, object]
CLOCK_TOLERANCE = dt.timedelta(seconds=5)
MESSAGE_COLUMNS = {"core.conversations": ("first_message_id",)}
MESSAGE_COLUMNS["core.reply_credit"] = ("message_id",)
MESSAGE_COLUMNS["core.response_waits"] = ("first_message_id", "opening_message_id", "closing_message_id")


@dataclass
class Published:
    """The data folder of a platform, as its users see it."""

    root: Path

    @cached_property
    def snapshot(self) -> Path:
        return (self.root / "published" / "current").resolve()

    @cached_property
    def key(self) -> bytes:
        return (self.root / "pseudonym.key").read_text(encoding="ascii").strip().encode()

    @cached_property
    def settings(self) -> Settings:
        return Settings(data_dir=self.root)

    def table(self, name: str) -> list[Row]:
        return _rows(self.snapshot / "analytics.duckdb", name)

    def raw(self, name: str) -> list[Row]:
        return _rows(self.root / "warehouse.duckdb", name)

    def tables(self) -> set[str]:
        with duckdb.connect(str(self.snapshot / "analytics.duckdb"), read_only=True) as con:
            sql = "select table_schema || '.' || table_name from information_schema.tables"
            return {name for (name,) in con.execute(sql).fetchall()}

    @cached_property
    def as_of(self) -> dt.datetime:
        (row,) = self.table("kpi.executive_summary")
        return _utc(row["as_of"])

    def chat(self, chat_id: object) -> str:
        return pseudonym(self.key, "chat", str(chat_id))

    def message(self, message_id: object) -> str:
        return pseudonym(self.key, "message", str(message_id))


def _rows(path: Path, name: str) -> list[Row]:
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        found = con.execute(f"select * from {name}")
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def _utc(value: object) -> dt.datetime:
    assert isinstance(value, dt.datetime)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _near(label: str, ours: dt.datetime, theirs: dt.datetime) -> list[str]:
    """What the client says of a request's start must be what the server saw, or a little earlier."""
    return [] if abs(ours - theirs) <= CLOCK_TOLERANCE else [f"{label}: {ours} by the client, {theirs} by the server"]


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def facts_of(crm: Crm, published: Published, *, as_of: dt.datetime | None = None) -> tuple[oracle.Facts, list[str]]:
    """The oracle's facts, from what the server delivered, and where the platform's provenance is not plausible."""
    as_of = as_of or published.as_of
    problems: list[str] = []
    chats = {row["chat_id"]: row for row in published.table("core.chats")}

    first_seen = {str(row["chat_id"]): _utc(row["first_fetched_at"]) for row in published.raw("raw.contacts")}
    contacts = []
    for chat_id, served in crm.served_contacts.items():
        number, fields, created_at = served.newest
        seen = first_seen.get(chat_id, served.first)
        problems += _near("a contact's first_fetched_at", seen, served.first)
        kept = {name: _text(value) for name, value in fields.items()} if isinstance(fields, dict) else {}
        contacts.append(oracle.Contact(chat_id, seen, created_at, _text(number), kept))

    sweeps = []
    for row in sorted(published.raw("raw.contact_sweeps"), key=lambda one: _utc(one["started_at"])):
        started, ended = _utc(row["started_at"]), _utc(row["ended_at"])
        seen_by = [ids for at, ids in crm.contact_pages if started <= at <= ended]
        sweeps.append(oracle.Sweep(started, ended, frozenset().union(*seen_by), bool(row["is_complete"])))

    fetched = {
        (str(row["chat_id"]), str(row["message_id"])): _utc(row["first_fetched_at"])
        for row in published.raw("raw.messages")
    }
    # Of a message in two chats, which one keeps it: both must have been served the same, and one keeps it.
    elsewhere = {
        (str(row["chat_id"]), str(row["message_id"])): _text(row["duplicate_of"])
        for row in published.raw("raw.messages")
    }
    messages = []
    for (chat_id, message_id), served in crm.served_messages.items():
        one, status = served.newest
        kept_in = elsewhere.get((chat_id, message_id))
        if kept_in is not None:
            keeper = crm.served_messages.get((kept_in, message_id))
            other = keeper.newest[0] if keeper else None
            if other is None or (other.timestamp, other.direction) != (one.timestamp, one.direction):
                problems.append(f"message {message_id} of {chat_id} is not the one of {kept_in}")
            if elsewhere.get((kept_in, message_id)) is not None:
                problems.append(f"message {message_id} is kept in no chat")
        first = fetched.get((chat_id, message_id), served.first)
        problems += _near("a message's first_fetched_at", first, served.first)
        messages.append(
            oracle.Message(
                chat_id,
                message_id,
                one.direction,
                one.timestamp,
                first,
                _text(one.type),
                _text(status),
                one.sender,
                duplicate_of=kept_in,
            )
        )

    observed: dict[str, list[tuple[dt.datetime, str]]] = {}
    for row in sorted(published.raw("raw.campaign_statuses"), key=lambda one: _utc(one["observed_at"])):
        observed.setdefault(str(row["campaign_id"]), []).append((_utc(row["observed_at"]), str(row["status"])))
    campaigns = []
    for campaign_id, served in crm.served_campaigns.items():
        name, _, created_at, scheduled_at, total = served.newest
        history = crm.campaign_changes[campaign_id]
        ours = observed.get(campaign_id, history)
        if [status for _, status in ours] != [status for _, status in history]:
            problems.append(f"campaign {campaign_id}: statuses {ours} were served as {history}")
            ours = history
        for (at, _), (really, _) in zip(ours, history, strict=True):
            problems += _near("a campaign's observed_at", at, really)
        campaigns.append(
            oracle.Campaign(
                campaign_id, ours[0][0], ours[0][1], name, created_at, scheduled_at, total, changes=tuple(ours[1:])
            )
        )
    reports = []
    stored = {(str(row["campaign_id"]), _utc(row["first_fetched_at"])) for row in published.raw("raw.campaign_reports")}
    for campaign_id, versions in crm.served_reports.items():
        ours = sorted(at for one, at in stored if one == campaign_id)
        if len(ours) != len(versions):
            problems.append(f"campaign {campaign_id}: {len(ours)} reports kept, {len(versions)} different ones served")
            ours = [at for at, _ in versions]
        for at, (really, report) in zip(ours, versions, strict=True):
            problems += _near("a report's first_fetched_at", at, really)
            metrics = {name: None if value is None else int(value) for name, value in report["metrics"].items()}
            rates = {name: _text(report.get(name)) for name in ("delivery_rate", "read_rate", "reply_rate")}
            reports.append(oracle.Report(campaign_id, at, **metrics, **rates))

    by_pseudonym = {published.chat(chat_id): chat_id for chat_id in {*crm.served_contacts, *(c for c, _ in fetched)}}
    known = tuple(
        oracle.Chat(
            by_pseudonym[str(chat)],
            None if row["known_until"] is None else _utc(row["known_until"]),
            bool(row["is_history_whole"]),
        )
        for chat, row in chats.items()
        if chat in by_pseudonym
    )
    problems += [f"core.chats: {chat} is no chat that was served" for chat in chats if chat not in by_pseudonym]
    facts = oracle.Facts(
        as_of=as_of,
        settings=published.settings,
        contacts=tuple(contacts),
        sweeps=tuple(sweeps),
        messages=tuple(messages),
        chats=known,
        campaigns=tuple(campaigns),
        reports=tuple(reports),
        agent_aliases=AGENT_IDS,
        operator_events=tuple(
            oracle.OperatorEvent(chat_id, kind, at, agent) for chat_id, kind, at, agent in crm.done if at <= as_of
        ),
    )
    return facts, problems


def wrong_figures(crm: Crm, published: Published, *, as_of: dt.datetime | None = None) -> list[str]:
    """Every published cell that is not the oracle's."""
    facts, problems = facts_of(crm, published, as_of=as_of)
    tables = published.tables()
    for table, expected in compute(facts).items():
        if table not in TABLES:
            continue  # the oracle may be ahead of the product
        if table not in tables:
            problems.append(f"{table}: not published")
            continue
        rows = [
            {
                name: published.chat(value)
                if name == "chat_id"
                else published.message(value)
                if name in MESSAGE_COLUMNS.get(table, ()) and value is not None
                else value
                for name, value in row.items()
            }
            for row in expected
        ]
        problems += [f"{table}: {one}" for one in differences(rows, published.table(table), KEYS[table])]
    problems += [
        f"{name}: as_of {row['as_of']} is not {facts.as_of}"
        for name in tables
        if name.startswith("kpi.")
        for row in published.table(name)
        if _utc(row["as_of"]) != facts.as_of
    ]
    return problems


def wrong_core(crm: Crm, published: Published) -> list[str]:
    """Every contact, campaign and message that is not there once at its newest version; nothing was lost."""
    problems: list[str] = []
    facts, _ = facts_of(crm, published)

    contacts = [{"chat_id": published.chat(one.chat_id)} for one in facts.contacts if one.first_seen_at <= facts.as_of]
    problems += _labelled("core.contacts", differences(contacts, published.table("core.contacts"), ("chat_id",)))
    campaigns = [
        {"campaign_id": one.campaign_id, "name": one.name, "status": status_at(one, facts.as_of)}
        for one in facts.campaigns
        if one.first_seen_at <= facts.as_of
    ]
    problems += _labelled("core.campaigns", differences(campaigns, published.table("core.campaigns"), ("campaign_id",)))
    messages = [
        {
            "chat_id": published.chat(one.chat_id),
            "message_id": published.message(one.message_id),
            "timestamp": one.timestamp,
            "direction": one.direction,
            "type": one.type,
            "status": one.status,
        }
        for one in facts.messages
        if one.first_fetched_at <= facts.as_of
    ]
    stored = published.table("core.messages")
    problems += _labelled("core.messages", differences(messages, stored, ("chat_id", "message_id")))

    count, keys = 0, 0
    files = [str(path) for path in (published.snapshot / "core" / "messages").rglob("*.parquet")]
    if files:
        with duckdb.connect() as con:
            found = con.execute(
                "select count(*), count(distinct (chat_id, message_id)) from read_parquet(?)", [files]
            ).fetchone()
            assert found is not None
            count, keys = found
    if not count == keys == len(stored):
        problems.append(f"core/messages: {count} rows, {keys} keys; the database has {len(stored)}")

    # Whatever was there when a chat was last read was delivered, hence stored; the server says what was there.
    for chat in facts.chats:
        really = crm.find(chat.chat_id)
        for one in really.records if really and chat.known_until and chat.is_history_whole else ():
            is_due = isinstance(one, Message) and one.timestamp <= (chat.known_until or one.timestamp)
            if is_due and (chat.chat_id, one.message_id) not in crm.served_messages:
                problems.append(f"a message of {one.timestamp} was not fetched, the chat was at {chat.known_until}")
    whole = {chat.chat_id for chat in facts.chats if chat.known_until and chat.is_history_whole}
    broken = {
        one.chat_id: sum(not isinstance(record, Message) for record in one.records)
        for one in crm.chats
        if one.chat_id in whole
    }
    by_pseudonym = {published.chat(chat_id): number for chat_id, number in broken.items()}
    problems += [
        f"core.chats: {row['quarantined_messages']} records in quarantine, {by_pseudonym[row['chat_id']]} are broken"
        for row in published.table("core.chats")
        if row["quarantined_messages"] != by_pseudonym.get(row["chat_id"], row["quarantined_messages"])
    ]
    everything = sum(broken.values()) + len(crm.broken_contacts) + len(crm.broken_campaigns) + BROKEN_FIELDS
    kept = published.raw("ops.quarantine")
    if len(broken) == len(crm.chats) and not crm.has_lost_broken_records and len(kept) != everything:
        problems.append(f"ops.quarantine: {len(kept)} records, {everything} are broken")
    return problems


def _labelled(table: str, found: Iterable[str]) -> list[str]:
    return [f"{table}: {one}" for one in found]


def leaks(crm: Crm, folder: Path) -> list[str]:
    """Names of files under `folder` that hold a number, an address, a name, a text, an id or the key."""
    markers = {SECRET_TEXT, SECRET_NAME, SECRET_DOMAIN, KEY, "wamid.", "@c.us", "broken-"}
    markers |= {one.number.lstrip("+") for one in crm.chats if one.number and len(one.number) > 8}
    pattern = re.compile("|".join(map(re.escape, sorted(markers))).encode())
    return [
        f"{path.relative_to(folder)}: {hit[0][:4]!r}…"
        for path in folder.rglob("*")
        if path.is_file() and (hit := pattern.search(path.read_bytes()))
    ]


def leaked_cells(crm: Crm, published: Published) -> list[str]:
    """The same for every cell of the database and of each Parquet file, where compression hides bytes."""
    markers = [SECRET_TEXT, SECRET_NAME, SECRET_DOMAIN, KEY, "wamid.", "@c.us"]
    markers += [one.number.lstrip("+") for one in crm.chats if one.number and len(one.number) > 8]
    pattern = re.compile("|".join(map(re.escape, markers)))
    ids = {one.chat_id for one in crm.chats} | {message_id for _, message_id in crm.served_messages}
    found = set()
    with duckdb.connect() as con:
        sources = [f"read_parquet('{path}')" for path in published.snapshot.rglob("*.parquet")]
        con.execute(f"attach '{published.snapshot / 'analytics.duckdb'}' as published_file (read_only)")
        names = con.execute("select database_name, schema_name, table_name from duckdb_tables()").fetchall()
        sources += [".".join(name) for name in names]
        for source in sources:
            result = con.execute(f"select * from {source}")
            columns = [column[0] for column in result.description]
            for row in result.fetchall():
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, str) and (
                        pattern.search(value) or (value in ids and "campaign" not in column)
                    ):
                        found.add(f"{source[-60:]} {column}")
    return sorted(found)


def forget_what_was_killed(crm: Crm, published: Published) -> None:
    """Take back what was delivered to a process that was killed before it could keep it: it has to ask again."""
    kept = {(str(row["chat_id"]), str(row["message_id"])) for row in published.raw("raw.messages")}
    contacts = {str(row["chat_id"]) for row in published.raw("raw.contacts")}
    campaigns = {str(row["campaign_id"]) for row in published.raw("raw.campaigns")}
    reports = {str(row["campaign_id"]) for row in published.raw("raw.campaign_reports")}
    with crm.lock:
        crm.served_messages = {key: one for key, one in crm.served_messages.items() if key in kept}
        crm.served_contacts = {key: one for key, one in crm.served_contacts.items() if key in contacts}
        crm.served_campaigns = {key: one for key, one in crm.served_campaigns.items() if key in campaigns}
        crm.campaign_changes = {key: one for key, one in crm.campaign_changes.items() if key in campaigns}
        crm.served_reports = {key: one for key, one in crm.served_reports.items() if key in reports}


def least_requests(crm: Crm) -> int:
    """The fewest requests a full load can do with: the minimum of the definition of done."""
    contacts = len(crm.chats) + len(crm.broken_contacts)
    campaigns = len(crm.campaigns) + len(crm.broken_campaigns)
    page = min(100, crm.options.campaign_page)
    messages = sum(max(1, -(-len(chat.records) // 100)) for chat in crm.chats)
    return -(-contacts // 100) + -(-campaigns // page) + len(crm.campaigns) + messages + 1
