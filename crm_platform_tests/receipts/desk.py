"""A small tenant by hand, built and published as often as a test wants.

What belongs here: the least that a figure needs, and publishing it. What does not: expected receipts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from crm_platform.publish import Snapshot, publish
from crm_platform.receipts import OpenedSnapshot, opened
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import Row, World

DAY = dt.date(2026, 11, 18)
MONDAY_NOON = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)
CUT = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)


def at(hour: float, *, day: dt.date = DAY) -> dt.datetime:
    """A local time of that day in Nairobi, three hours before UTC."""
    return dt.datetime.combine(day, dt.time(), dt.timezone(dt.timedelta(hours=3))) + dt.timedelta(hours=hour)


def fetch_ids(number: int, moment: dt.datetime) -> Row:
    return {"first_fetch_id": number, "fetch_id": number, "first_fetched_at": moment, "fetched_at": moment}


@dataclass
class Desk:
    """Chats whose messages are added, and snapshots of them."""

    folder: Path
    stack: ExitStack
    settings: Settings = field(init=False)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(data_dir=self.folder)
        self.begin()

    def begin(self) -> None:
        """Forget every row."""
        self.world = World(self.folder, self.settings)

    def visit(self, chat_id: str, moment: dt.datetime, **values: object) -> int:
        """A newest-page request of a chat; returns its id."""
        self.world.fetch("list_messages", chat_id, moment, **values)
        return len(list(self.fetches()))

    def fetches(self) -> Iterator[Row]:
        from crm_platform.schemas import ops

        yield from self.world.rows.get(ops.Fetches, ())

    def question_and_answer(self, chat_id: str, asked: dt.datetime, seconds: float, *, visited: dt.datetime) -> None:
        """A contact asks, somebody answers, and a visit finds both."""
        number = self.visit(chat_id, visited)
        self.world.contact(chat_id, visited, region="KE")
        self.world.chat(chat_id, known_until=visited)
        fetched = fetch_ids(number, visited)
        self.world.message(chat_id, f"{chat_id}-q", asked, "inbound", **fetched)
        answered = asked + dt.timedelta(seconds=seconds)
        self.world.message(chat_id, f"{chat_id}-a", answered, "outbound", **fetched)

    def publish(self, now: dt.datetime = CUT, *, as_of: dt.datetime | None = None) -> Snapshot:
        """Build all tables and publish them."""
        self.world.settings = self.settings
        self.world.build(now, as_of=as_of, expected_unseen={})
        return publish(self.world.models, settings=self.settings, now=now, validate=lambda *_: [])

    def open(self, now: dt.datetime = CUT, *, as_of: dt.datetime | None = None) -> OpenedSnapshot:
        """The same, opened until the test ends."""
        return self.stack.enter_context(opened(self.publish(now, as_of=as_of).path))
