"""Weeks of questions and replies: a published world in which something has changed, or nothing.

What belongs here: what tests of claims share, wherever they stand: receipts, pages, the digest, assistants. What does
not: expectations.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from crm_platform.publish import current, publish, read_manifest
from crm_platform.publish.manifest import MANIFEST, TableEntry
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def weeks(folder: Path, *, chats: int, minutes: Callable[[int], float | None], days: int = 30) -> World:
    """Each chat asks on every other day, and is answered after so many minutes, by how many days ago; None: never."""
    chance = random.Random(7)
    world = World(folder, Settings(data_dir=folder))
    names = [f"c{number}" for number in range(chats)]
    world.sweep(NOW - HOUR, names)
    for number, chat in enumerate(names):
        world.contact(chat, NOW - HOUR)
        world.chat(chat, known_until=NOW)
        world.fetch("list_messages", chat, NOW)
        for ago in range(2 + number % 2, days, 2):
            asked = NOW.replace(hour=9, minute=0) - ago * DAY
            world.message(chat, f"{chat}{ago}q", asked, "inbound")
            after = minutes(ago)
            if after is not None:
                answered = asked + dt.timedelta(minutes=after * chance.lognormvariate(0, 0.5))
                world.message(chat, f"{chat}{ago}a", answered, "outbound")
    return world


def published(world: World) -> Settings:
    """Build a world's tables at NOW and publish them."""
    world.build(NOW, expected_unseen={})
    publish(world.models, settings=world.settings, now=NOW, validate=lambda *_: [])
    return world.settings


def altered(settings: Settings, folder: Path, *statements: str, **changed: object) -> Settings:
    """A copy of what is published, after some SQL: another world in no time. `changed`: settings."""
    snapshot = current(settings)
    assert snapshot is not None
    copied = Settings(data_dir=folder, **changed)
    shutil.copytree(settings.published_dir, copied.published_dir, symlinks=True)
    database = copied.published_dir / snapshot.id / snapshot.database.name
    database.chmod(0o600)
    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            connection.execute(statement)
    return copied


EARLIER = "20261122T090500.000Z-000000000000"
# What a snapshot lacks that was made before it could be narrowed.
BEFORE_FILTERS = ("drop table core.coverage_sources", "alter table core.contacts drop has_created_at")


def with_an_earlier_one(
    settings: Settings, folder: Path, *statements: str, change: Callable[[str, TableEntry], TableEntry | None]
) -> Settings:
    """What is published, and beside it EARLIER: the same after some SQL. `change`: what it says of a table."""
    copied = altered(settings, folder)
    snapshot = current(altered(settings, folder / "before", *statements))
    assert snapshot is not None
    earlier = copied.published_dir / EARLIER
    shutil.move(snapshot.path, earlier)
    manifest = read_manifest(earlier)
    entries = {name: change(name, entry) for name, entry in manifest.tables.items()}
    told = manifest.model_copy(
        update={"id": EARLIER, "tables": {name: entry for name, entry in entries.items() if entry is not None}}
    )
    (earlier / MANIFEST).chmod(0o600)
    (earlier / MANIFEST).write_text(told.model_dump_json(), encoding="utf-8")
    return copied
