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

from crm_platform.publish import current, publish
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
