"""A small build to publish: four tables of its own, so that these tests do not follow the real ones' columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm_platform.publish import Snapshot, publish
from crm_platform.schemas import CoreTable, KpiTable, Table
from crm_platform.schemas.base import count, date, rate, text, timestamp
from crm_platform.schemas.ops import Builds
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbWarehouse

AS_OF = dt.datetime(2026, 11, 22, 8, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 22, 8, 5, tzinfo=dt.UTC)

# What must never be found in a published byte.
NUMBER = "254712345678"
EMAIL = "achieng@example.com"
CHAT = f"chat-{NUMBER}"
MESSAGE = "wamid.HBgMMjU0NzEyMzQ1Njc4FQIAERgS"
SENDER = "Wanjiku Njeri"

_MESSAGE = "insert into core.messages values (?, ?, ?, ?, ?)"
_DAY = "insert into kpi.volume_daily values (?, 2, null, ?, 0.9, true, 3)"


@pytest.fixture
def tables() -> Iterator[dict[str, type[Table]]]:
    """Only these tables are declared while a test runs."""
    saved = dict(TABLES)
    TABLES.clear()

    class Messages(CoreTable):
        """Messages that count."""

        key = ("chat_id", "message_id")

        chat_id = text("The chat.", published="chat")
        message_id = text("The message.", published="message")
        timestamp = timestamp("When it was sent.")
        status = text("How far it came.", nullable=True)
        sender = text("Who sent it.", nullable=True, published="no")

    class Waits(CoreTable):
        """Waits; the customer's patience."""

        key = ("chat_id", "opened_by")

        chat_id = text("The chat.", published="chat")
        opened_by = text("Message that opened it.", published="message")
        closed_by = text("Message that closed it.", published="message", nullable=True)

    class Scratch(CoreTable):
        """Work of the build."""

        key = ("chat_id",)
        is_published = False

        chat_id = text("The chat.", published="chat")

    class VolumeDaily(KpiTable):
        """Messages by local day."""

        key = ("day",)
        period = "day"
        pillar = "operations"
        version = 3

        day = date("Local day.")
        messages = count("Messages that day.", unit="messages")
        read_rate = rate("It's the share that was read.")

    yield dict(TABLES)
    TABLES.clear()
    TABLES.update(saved)


@dataclass(frozen=True, slots=True)
class Build:
    """A models.duckdb and the settings that go with it."""

    settings: Settings
    models: DuckDbWarehouse
    tables: dict[str, type[Table]]

    def fill(self, sql: str, *parameters: object) -> None:
        with self.models.writing() as session:
            session.execute(sql, parameters)

    def message(self, message_id: str, sent: str, *, chat: str = CHAT) -> None:
        self.fill(_MESSAGE, chat, message_id, sent, "sent", SENDER)

    def day(self, day: str, *, as_of: dt.datetime) -> None:
        self.fill(_DAY, day, as_of.replace(tzinfo=None))

    def publish(self, *, at: dt.datetime = NOW) -> Snapshot:
        return publish(self.models, settings=self.settings, now=at, validate=lambda *_: [])


@pytest.fixture
def build(tmp_path: Path, tables: dict[str, type[Table]]) -> Build:
    """One chat with two messages either side of local midnight at a month's end, its wait, and a day's figure."""
    settings = Settings(data_dir=tmp_path)
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    with models.writing() as session:
        for table in [*tables.values(), Builds]:
            session.create(table)
        session.append(
            Builds, Builds.rows([{"as_of": AS_OF, "started_at": AS_OF, "settings": "{}", "is_sandbox": True}])
        )
        for message_id, sent in [(MESSAGE, "2026-10-31 20:59:59"), (f"{MESSAGE}2", "2026-10-31 21:00:00")]:
            session.execute(_MESSAGE, (CHAT, message_id, sent, "sent", SENDER))
        session.execute("insert into core.waits values (?, ?, null)", (CHAT, MESSAGE))
        session.execute("insert into core.scratch values (?)", (CHAT,))
        session.execute(_DAY, ("2026-11-21", AS_OF.replace(tzinfo=None)))
    return Build(settings, models, tables)
