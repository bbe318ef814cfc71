"""A published world behind the pages' app, and what a page says read back out of its HTML.

What belongs here: what the tests of pages share. What does not: expectations.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import httpx
from starlette.applications import Starlette

from crm_platform.publish import current, publish
from crm_platform.serving import create_app
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World, from_facts
from crm_platform_tests.oracle.facts import Facts

Row = dict[str, Any]


@dataclass
class Told:
    """What a page says: figures with their sources, tables with theirs, links, and what no page may hold."""

    figures: list[dict[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    words: str = ""


@dataclass
class Table:
    """A table of a page: its attributes, published names of its columns, and (key, cells) for each row."""

    attributes: dict[str, str]
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[str]]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.told = Told()
        self._cell: str | None = None
        self._exact: str | None = None

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        told = self.told
        if "style" in given or any(name.startswith("on") for name in given) or tag == "style":
            told.inline.append(str(given))
        if tag == "script" and "src" not in given:
            told.inline.append("script")
        if tag == "data" and "data-table" in given:
            told.figures.append(given)
        if tag == "a":
            told.links.append(given.get("href", ""))
        if tag == "table":
            told.tables.append(Table(given))
        if tag == "tr" and "data-key" in given:
            told.tables[-1].rows.append((given["data-key"], []))
        if tag in {"th", "td"} and told.tables:
            if "data-column" in given:
                told.tables[-1].columns.append(given["data-column"])
            elif told.tables[-1].rows:
                self._cell, self._exact = "", given.get("data-value")

    def handle_data(self, data):
        self.told.words += data
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in {"th", "td"} and self._cell is not None:
            self.told.tables[-1].rows[-1][1].append(self._cell if self._exact is None else self._exact)
            self._cell = None


def read(html: str) -> Told:
    reader = _Reader()
    reader.feed(html)
    return reader.told


@dataclass
class Site:
    """The app over a data folder, at a moment that tests set."""

    settings: Settings
    now: dt.datetime
    app: Starlette = field(init=False)
    _asked: dict[tuple[str, str], list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = create_app(self.settings)
        self.app.state.now = lambda: self.now

    def get(self, path: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())

    def told(self, path: str, **headers: str) -> Told:
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return read(answer.text)

    def published(self, sql: str) -> list[Row]:
        """Ask the snapshot itself, past everything that serves it."""
        snapshot = current(self.settings)
        assert snapshot is not None
        if (snapshot.id, sql) not in self._asked:
            with duckdb.connect(str(snapshot.database), read_only=True) as connection:
                connection.execute("set timezone = 'UTC'")
                self._asked[snapshot.id, sql] = connection.sql(sql).to_arrow_table().to_pylist()
        return self._asked[snapshot.id, sql]


def published(facts: Facts, folder: Path, **build: Any) -> Site:
    """Build and publish facts."""
    world = from_facts(facts, folder)
    world.settings = world.settings.model_copy(update={"data_dir": folder})
    return publish_world(world, facts.as_of, aliases=facts.agent_aliases, **build)


def publish_world(world: World, as_of: dt.datetime, **build: Any) -> Site:
    """Build and publish a world at a cut. That tables keep their contracts is tested elsewhere (models/, publish/)."""
    world.build(as_of, as_of=as_of, **build)
    publish(world.models, settings=world.settings, now=as_of, validate=lambda *_: [])
    return Site(world.settings, as_of + dt.timedelta(minutes=5))


def key_of(text: str) -> dict[str, str]:
    """Read `data-key` of a figure."""
    found: dict[str, str] = json.loads(text)
    return found
