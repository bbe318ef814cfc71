"""Raw rows put straight into a live warehouse, and a whole build of them.

What belongs here: the least that a crawl would have stored, written by hand or from an oracle's facts. What does not:
expected figures.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from crm_platform.api import FUTURE_TOLERANCE
from crm_platform.ingest.batch import region_of
from crm_platform.ingest.presence import SweepVerdict, SweptList, judge, known_before
from crm_platform.models import build_order, build_within, dependencies, freeze
from crm_platform.schemas import Table, live_tables, ops, raw
from crm_platform.settings import Settings
from crm_platform.spellings import staff_key
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform.warehouse.duckdb import DuckDbSession
from crm_platform.warehouse.journal import Touched, chat_column
from crm_platform_tests.oracle.facts import Facts

Row = dict[str, object]
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
SWEEPS = (raw.ContactSweeps, raw.ContactSightings, raw.OperatorEvents)
"""What a sweep is judged by."""


@functools.cache
def _sweeps() -> DuckDbSession:
    """An engine without a file, for judging sweeps: to start one for each takes longer than all that is asked."""
    session = DuckDbSession(duckdb.connect(config={"threads": 1}))
    for table in SWEEPS:
        session.create(table)
    return session


def provenance(fetched_at: dt.datetime) -> Row:
    return {"first_fetched_at": fetched_at, "fetched_at": fetched_at, "first_fetch_id": 1, "fetch_id": 1}


class Tables(dict[str, list[Row]]):
    """Rows of the tables of a world's cut, by full name."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __missing__(self, name: str) -> list[Row]:
        order, needed = build_order(), {name}
        for table in reversed(order):
            if table.full_name() in needed:
                needed |= dependencies(table)
        self._world.fill(table for table in order if table.full_name() in needed)
        return self[name]


@dataclass
class World:
    """A live warehouse under `folder` and the models built from it."""

    folder: Path
    settings: Settings
    rows: dict[type[Table], list[Row]] = field(default_factory=dict)
    webhooks: int = 0  # events that ever came, also of chats that were erased since

    def __post_init__(self) -> None:
        root = self.folder
        self.live = DuckDbWarehouse(root / "warehouse.duckdb", lock_dir=root / "locks")
        self.models = DuckDbWarehouse(root / "models.duckdb", lock_dir=root / "locks")
        self.tables = Tables(self)
        self._stored: dict[type[Table], dict[str, set[str]]] = {}

    # The least a row needs, by hand.

    def add(self, table: type[Table], **values: object) -> None:
        self.rows.setdefault(table, []).append(values)

    def contact(self, chat_id: str, at: dt.datetime = LONG_AGO, **values: object) -> None:
        self.add(raw.Contacts, chat_id=chat_id, **{"created_at_was_naive": False, **provenance(at), **values})

    def chat(self, chat_id: str, *, known_until: dt.datetime, is_whole: bool = True, **values: object) -> None:
        self.add(
            ops.CrawlState,
            chat_id=chat_id,
            **{
                "known_until": known_until,
                "newest_run": 0,
                "read_from_oldest": 0,
                "is_history_whole": is_whole,
                **values,
            },
        )

    def message(self, chat_id: str, message_id: str, at: dt.datetime, direction: str, **values: object) -> None:
        self.add(
            raw.Messages,
            chat_id=chat_id,
            message_id=message_id,
            timestamp=at,
            direction=direction,
            **{
                "timestamp_was_naive": False,
                "is_future_dated": False,
                "type": "text",
                "status": "read" if direction == "outbound" else "received",
                "sender_key": staff_key(values.get("sender")),
                "is_opt_out": values.get("opt_out_word") is not None,
                **provenance(LONG_AGO),
                **values,
            },
        )

    def event(self, kind: str, chat_id: str, at: dt.datetime, agent: str | None = None) -> None:
        number = len(self.rows.get(raw.OperatorEvents, ()))
        self.add(
            raw.OperatorEvents,
            event_id=f"event-{number:05}",
            kind=kind,
            chat_id=chat_id,
            agent=agent,
            agent_key=staff_key(agent),
            at=at,
            source="platform",
        )

    def webhook(
        self, event: str, chat_id: str | None, at: dt.datetime, agent: str | None = None, **values: object
    ) -> None:
        """An event that came when it happened, and what ingest made of it."""
        self.webhooks += 1
        number = self.webhooks
        told = {"agent": agent, "agent_key": staff_key(agent)}
        self.add(
            raw.Events,
            event=event,
            chat_id=chat_id,
            happened_at=at,
            source="crm",
            **told,
            **{"event_id": f"w{number:05}", "received_at": at, **values},
        )
        kind = {"chat.assigned": "assigned", "chat.resolved": "done"}.get(event)
        if kind is not None and chat_id is not None:
            known_at = values.get("received_at", at)
            self.add(
                raw.OperatorEvents,
                event_id=f"event-w{number:05}",
                kind=kind,
                chat_id=chat_id,
                at=at,
                source="event",
                known_at=known_at,
                **told,
            )

    def correction(self, kind: str, alias: str, agent: str | None = None, at: dt.datetime = LONG_AGO) -> None:
        """What somebody said of an agent's identifier by hand."""
        self.add(
            raw.AgentCorrections,
            correction_id=len(self.rows.get(raw.AgentCorrections, ())) + 1,
            kind=kind,
            alias=staff_key(alias),
            agent=staff_key(agent),
            at=at,
            who="cli:somebody",
        )

    def sweep(
        self,
        at: dt.datetime,
        seen: Iterable[str],
        *,
        is_complete: bool = True,
        total: int | None = None,
        rejected: int = 0,
        accepted_at: dt.datetime | None = None,
    ) -> None:
        """A sweep of three minutes, judged by ingest, and the sightings that it would have noticed."""
        listing = SweptList(
            started_at=at,
            ended_at=at + dt.timedelta(minutes=3),
            seen=frozenset(seen),
            reported_total=total,
            is_full=is_complete and not rejected,
        )
        verdict = self._judged(listing)
        number = len(self.rows.get(raw.ContactSweeps, ())) + 1
        if verdict.confirmed is not None:
            self.rows[raw.ContactSweeps][verdict.confirmed["sweep_id"] - 1]["counted_at"] = verdict.counted_at
        is_accepted = accepted_at is not None and verdict.is_suspicious and verdict.counted_at is None
        self.add(
            raw.ContactSweeps,
            sweep_id=number,
            started_at=at,
            ended_at=listing.ended_at,
            first_reported_total=len(listing.seen) if total is None else total,
            reported_total=len(listing.seen) if total is None else total,
            seen_contacts=len(listing.seen),
            rejected_contacts=rejected,
            requests=1,
            is_complete=is_complete,
            missing_contacts=verdict.missing_contacts,
            is_suspicious=verdict.is_suspicious,
            needs_acceptance=verdict.needs_acceptance,
            counted_at=accepted_at if is_accepted else verdict.counted_at,
            accepted_by="somebody" if is_accepted else None,
        )
        for chat_ids, is_present in ((verdict.appeared, True), (verdict.disappeared, False)):
            for chat_id in sorted(chat_ids):
                self.add(raw.ContactSightings, chat_id=chat_id, sweep_id=number, at=at, is_present=is_present)

    def _judged(self, listing: SweptList) -> SweepVerdict:
        """What ingest makes of a sweep, by what it would have stored before."""
        session = _sweeps()
        session.connection.begin()
        try:
            for table in SWEEPS:
                rows: list[Any] = self.rows.get(table, [])
                session.append(table, table.rows([row for row in rows if row[table.seen_at] <= listing.ended_at]))
            return judge(listing, known_before(session))
        finally:
            session.connection.rollback()

    def campaign(self, campaign_id: str, statuses: Iterable[tuple[dt.datetime, str | None]], **values: object) -> None:
        """A campaign seen in one status after the other, first seen with the first of them."""
        history = list(statuses)
        self.add(
            raw.Campaigns,
            campaign_id=campaign_id,
            **{"name": campaign_id, "status": history[-1][1], **provenance(history[0][0]), **values},
        )
        for number, (at, status) in enumerate(history):
            self.add(
                raw.CampaignStatuses,
                campaign_id=campaign_id,
                observed_at=at,
                status=status,
                is_change=number > 0,
                fetch_id=1,
            )

    def report(self, campaign_id: str, at: dt.datetime, **values: object) -> None:
        self.add(
            raw.CampaignReports,
            campaign_id=campaign_id,
            first_fetched_at=at,
            first_fetch_id=1,
            fetch_id=1,
            **{
                "last_fetched_at": at,
                "content_hash": hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest(),
                **values,
            },
        )

    def fetch(self, operation: str, target: str, at: dt.datetime, **values: object) -> None:
        number = len(self.rows.get(ops.Fetches, ())) + 1
        self.add(
            ops.Fetches,
            fetch_id=number,
            operation=operation,
            target=target,
            started_at=at,
            finished_at=at,
            **{"page": 1, "sort": "newest", "attempt": 1, "outcome": "ok", "records": 0, **values},
        )

    # Building.

    def store(self) -> None:
        """Write the rows into the live warehouse, which is emptied first; the journal tells what is not as before."""
        self.live.prepare(live_tables())
        with (
            self.live.leases.take("crawl", purpose="a world is stored") as holder,
            self.live.committing(holder) as session,
        ):
            for table in live_tables():
                if table is not ops.Changes:
                    session.execute(f"delete from {table.full_name()}")
                    session.append(table, table.rows(self.rows.get(table, [])))
            now = {table: self._by_chat(table, column) for table in live_tables() if (column := chat_column(table))}
            session.touched = Touched()
            for table, chats in now.items():
                before = self._stored.get(table, {})
                session.touched.named(table, [one for one in chats | before if chats.get(one) != before.get(one)])
        self._stored = now

    def _by_chat(self, table: type[Table], column: str) -> dict[str, set[str]]:
        """What is written of each chat in a table."""
        found: dict[str, set[str]] = {}
        for row in self.rows.get(table, []):
            if row.get(column) is not None:
                found.setdefault(str(row[column]), set()).add(repr(sorted(row.items(), key=str)))
        return found

    def freeze(
        self,
        now: dt.datetime,
        *,
        as_of: dt.datetime | None = None,
        expected_unseen: Mapping[dt.date, float] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Store and freeze. A table is built, after those it reads, when `tables` is first asked for it."""
        for alias, agent in (aliases or {}).items():
            self.correction("merge", alias, agent)
        self.store()
        freeze(self.models, self.live, settings=self.settings, as_of=as_of, now=now, expected_unseen=expected_unseen)
        self.tables = Tables(self)

    def build(self, now: dt.datetime, **options: Any) -> None:
        """Store, freeze and build every table."""
        self.freeze(now, **options)
        self.fill(build_order())

    def fill(self, tables: Iterable[type[Table]]) -> None:
        """Build tables that have not been built at this cut, and read them."""
        with self.models.writing() as session:
            for table in tables:
                if table.full_name() not in self.tables:
                    build_within(session, table, settings=self.settings)
                    rows = session.query(f"select * from {table.full_name()}").to_pylist()
                    self.tables[table.full_name()] = rows

    def row(self, name: str, **key: object) -> Row:
        """The one row of a built table that has these values."""
        (row,) = [row for row in self.tables[name] if all(row[column] == value for column, value in key.items())]
        return row


def from_facts(facts: Facts, folder: Path) -> World:
    """The rows that a crawl of the oracle's facts would have left, also of what it did after the cut."""
    settings = {"data_dir": folder}
    if facts.excluded:
        settings["exclude_contacts"] = folder / "excluded.txt"
        settings["exclude_contacts"].write_text("\n".join(sorted(facts.excluded)), encoding="utf-8")
    world = World(folder, facts.settings.model_copy(update=settings))
    if facts.agent_teams:
        lines = ["agent,team", *(f"{agent},{team}" for agent, team in facts.agent_teams.items())]
        (world.settings.root / "agent_teams.csv").write_text("\n".join(lines), encoding="utf-8")
    for event in facts.operator_events:
        world.event(event.kind, event.chat_id, event.at, event.agent)
    for told in facts.events:
        world.webhook(
            told.event,
            told.chat_id,
            told.at,
            event_id=told.key,
            received_at=told.received_at,
            score=told.score,
        )
    for sweep in facts.sweeps:
        world.sweep(
            sweep.started_at,
            sweep.seen,
            is_complete=sweep.is_complete,
            rejected=sweep.rejected,
            accepted_at=sweep.accepted_at,
        )
    for contact in facts.contacts:
        world.contact(
            contact.chat_id,
            contact.first_seen_at,
            whatsapp_number=contact.whatsapp_number,
            region=region_of(contact.whatsapp_number),
            created_at=contact.created_at,
            custom_fields=json.dumps(dict(contact.custom_fields)),
        )
    read_later = {m.chat_id: m.first_fetched_at for m in facts.messages if m.first_fetched_at > facts.as_of}
    for chat in facts.chats:
        if chat.known_until is not None:
            world.fetch("list_messages", chat.chat_id, chat.known_until)
        world.chat(
            chat.chat_id,
            known_until=read_later.get(chat.chat_id) or chat.known_until,
            is_whole=chat.is_history_whole,
        )
    for message in facts.messages:
        world.message(
            message.chat_id,
            message.message_id,
            message.timestamp,
            message.direction,
            type=message.type,
            status=message.status,
            sender=message.sender,
            is_opt_out=message.is_opt_out,
            duplicate_of=message.duplicate_of,
            is_future_dated=message.timestamp > message.first_fetched_at + FUTURE_TOLERANCE,
            **provenance(message.first_fetched_at),
        )
    for campaign in facts.campaigns:
        world.campaign(
            campaign.campaign_id,
            [(campaign.first_seen_at, campaign.first_status), *campaign.changes],
            name=campaign.name,
            created_at=campaign.created_at,
            scheduled_at=campaign.scheduled_at,
            total_recipients=campaign.total_recipients,
        )
    for report in facts.reports:
        names = ("total_recipients", "delivered", "read", "replied", "failed")
        texts = ("delivery_rate", "read_rate", "reply_rate")
        content = {name: getattr(report, name) for name in (*names, *texts)}
        world.report(report.campaign_id, report.first_seen_at, **content)
    return world


def told_by_events(world: World, *, seed: int) -> None:
    """Let webhooks say what the API and this platform said: who sent each message of ours, what was done to chats.

    By the message's id, or by chat and time alone where no other message of ours is near.
    """
    rng = random.Random(f"events {seed}")
    sent: dict[object, list[Any]] = {}
    for row in world.rows.get(raw.Messages, []):
        if row["direction"] == "outbound":
            sent.setdefault(row["chat_id"], []).append(row["timestamp"])
    for row in world.rows.get(raw.Messages, []):
        sender, at = row.get("sender"), row["timestamp"]
        if row["direction"] != "outbound" or sender is None or rng.random() < 0.2:
            continue
        assert isinstance(at, dt.datetime)
        is_alone = sum(abs(other - at) < dt.timedelta(seconds=5) for other in sent[row["chat_id"]]) == 1
        is_named = not is_alone or rng.random() < 0.5
        world.webhook(
            "message.sent",
            str(row["chat_id"]),
            at + dt.timedelta(seconds=0 if is_named else rng.choice([-2, -0.5, 0, 1, 2])),
            str(sender),
            received_at=row["first_fetched_at"],
            message_id=row["message_id"] if is_named else rng.choice([None, f"wamid.{row['message_id']}"]),
        )
        row["sender"] = row["sender_key"] = None
    # What is told of one chat twice within 2 s is one fact: the world's own two facts are not told.
    done = [row for row in world.rows.get(raw.OperatorEvents, []) if row["kind"] != "contact_deleted"]
    for row in done:
        near = [one for one in done if (one["chat_id"], one["kind"]) == (row["chat_id"], row["kind"])
                and abs(one["at"] - row["at"]) < dt.timedelta(seconds=5)]  # type: ignore[operator]  # fmt: skip
        if row["source"] == "platform" and len(near) == 1:
            row |= {"source": "event", "known_at": row["at"]}
