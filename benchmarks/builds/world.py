"""A tenant's raw rows, written straight into a warehouse: what a crawl would have stored.

What belongs here: the rows a build reads, in a size that is asked for. What does not: a world that answers requests
(crm_platform/sandbox has that; a crawl of it takes minutes, and a build cannot tell).
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from crm_platform.schemas import Table, live_tables, ops, raw
from crm_platform.warehouse import DuckDbWarehouse

AGENTS = ("amina@example.com", "brian@example.com", "chebet@example.com", "daudi@example.com")
DAYS = 180
Row = dict[str, object]


class World:
    """`chats` chats of some 55 messages each, over 180 days up to `now`."""

    def __init__(self, folder: Path, *, chats: int, now: dt.datetime, seed: int = 1) -> None:
        self.live = DuckDbWarehouse(folder / "warehouse.duckdb", lock_dir=folder / "locks")
        self.now = now
        self._rng = random.Random(seed)
        self._chats = [f"chat-{number:06}" for number in range(chats)]
        self._fetches = 0

    def store(self) -> int:
        """Write the world; returns its messages."""
        self.live.prepare(live_tables())
        start = self.now - dt.timedelta(days=DAYS)
        self._append(raw.Contacts, (self._contact(chat_id, start) for chat_id in self._chats))
        self._append(raw.ContactSweeps, [self._sweep(1, start), self._sweep(2, self.now - dt.timedelta(hours=3))])
        seen = {"sweep_id": 1, "at": start, "is_present": True}
        self._append(raw.ContactSightings, ({"chat_id": chat_id, **seen} for chat_id in self._chats))
        stored = 0
        for first in range(0, len(self._chats), 5_000):
            chats = self._chats[first : first + 5_000]
            rows = [row for chat_id in chats for row in self._history(chat_id, start)]
            self._append(raw.Messages, rows)
            stored += len(rows)
        self._visited(self._chats)
        self._append(raw.OperatorEvents, self._events(start))
        return stored

    def go_on(self, *, chats: int) -> None:
        """A quarter of an hour later: some chats were visited, and each has a question and an answer more."""
        self.now += dt.timedelta(minutes=15)
        visited = self._rng.sample(self._chats, chats)
        asked_at = self.now - dt.timedelta(minutes=14)
        self._append(
            raw.Messages,
            [
                self._message(chat_id, asked_at + dt.timedelta(minutes=number), number)
                for chat_id in visited
                for number in (0, 1)
            ],
        )
        self._visited(visited)

    def _append(self, table: type[Table], rows: Iterator[Row] | Sequence[Row]) -> None:
        with self.live.writing() as session:
            session.append(table, table.rows(rows))

    def _visited(self, chats: Sequence[str]) -> None:
        """The requests that read the chats, and what the crawl knows of them since."""
        at = self.now - dt.timedelta(seconds=30)
        with self.live.writing() as session:
            session.merge(
                ops.CrawlState,
                ops.CrawlState.rows(
                    {
                        "chat_id": chat_id,
                        "known_until": at,
                        "reported_total": 60,
                        "newest_run": 60,
                        "read_from_oldest": 0,
                        "is_history_whole": True,
                    }
                    for chat_id in chats
                ),
            )
            rows = []
            for chat_id in chats:
                self._fetches += 1
                rows.append(
                    {
                        "fetch_id": self._fetches,
                        "operation": "list_messages",
                        "target": chat_id,
                        "page": 1,
                        "page_size": 100,
                        "sort": "newest",
                        "attempt": 1,
                        "started_at": at,
                        "finished_at": at,
                        "http_status": 200,
                        "outcome": "ok",
                        "records": 60,
                        "total": 60,
                    }
                )
            session.append(ops.Fetches, ops.Fetches.rows(rows))

    def _contact(self, chat_id: str, at: dt.datetime) -> Row:
        segment = self._rng.choice(("Retail", "Wholesale", "Partner"))
        return {
            "chat_id": chat_id,
            "custom_fields": f'{{"Segment": "{segment}"}}',
            "region": self._rng.choice(("KE", "UG", "TZ", None)),
            "created_at": at - dt.timedelta(days=self._rng.randrange(300)),
            "created_at_was_naive": False,
            **_provenance(at),
        }

    def _sweep(self, number: int, at: dt.datetime) -> Row:
        contacts = len(self._chats)
        return {
            "sweep_id": number,
            "started_at": at,
            "ended_at": at,
            "first_reported_total": contacts,
            "reported_total": contacts,
            "seen_contacts": contacts,
            "rejected_contacts": 0,
            "requests": -(-contacts // 100),
            "is_complete": True,
        }

    def _history(self, chat_id: str, start: dt.datetime) -> Iterator[Row]:
        moment, rng = start + dt.timedelta(days=rng_days(self._rng)), self._rng
        for number in range(1000):
            # Inside a conversation minutes pass, between two of them days.
            moment += dt.timedelta(minutes=rng.expovariate(1 / 12)) if rng.random() < 0.8 else _days(rng)
            if moment >= self.now - dt.timedelta(minutes=1):
                return
            yield self._message(chat_id, moment, number)

    def _message(self, chat_id: str, at: dt.datetime, number: int) -> Row:
        is_inbound = number % 2 == 0
        is_template = not is_inbound and self._rng.random() < 0.05
        return {
            "chat_id": chat_id,
            "message_id": f"wamid.{self._rng.getrandbits(128):032x}",
            "timestamp": at,
            "timestamp_was_naive": False,
            "is_future_dated": False,
            "direction": "inbound" if is_inbound else "outbound",
            "type": "template" if is_template else "text",
            "status": "received" if is_inbound else self._rng.choice(("delivered", "read", "read", "failed")),
            "sender": (sender := None if is_inbound else self._rng.choice(AGENTS)),
            "sender_key": sender,
            "is_opt_out": False,
            "content": "Habari, naomba msaada na oda yangu tafadhali.",
            **_provenance(max(at, self.now - dt.timedelta(days=DAYS)) + dt.timedelta(seconds=20)),
        }

    def _events(self, start: dt.datetime) -> Iterator[Row]:
        for number in range(len(self._chats)):
            yield {
                "event_id": f"event-{number:06}",
                "kind": self._rng.choice(("assigned", "done")),
                "chat_id": self._rng.choice(self._chats),
                "agent": (agent := self._rng.choice(AGENTS)),
                "agent_key": agent,
                "at": start + (self.now - start) * self._rng.random(),
                "source": "platform",
            }


def _days(rng: random.Random) -> dt.timedelta:
    return dt.timedelta(days=1 + rng.expovariate(1 / 12))


def rng_days(rng: random.Random) -> float:
    return rng.random() * 20


def _provenance(at: dt.datetime) -> Row:
    return {"first_fetched_at": at, "fetched_at": at, "first_fetch_id": 1, "fetch_id": 1}
