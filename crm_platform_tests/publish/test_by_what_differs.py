"""A snapshot that is told by what differs from the one before is told as by looking at every row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from crm_platform.models import build_order, freeze
from crm_platform.models.build_all import build_all
from crm_platform.publish import current, publish, read_manifest
from crm_platform.publish import snapshot as snapshot_module
from crm_platform.publish.figures import compute
from crm_platform.schemas import KpiTable
from crm_platform.settings import Settings
from crm_platform_tests.models.histories import History
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SETTINGS = ({}, {"timezone": "Europe/Berlin", "conversation_gap_hours": 6}, {"timezone": "America/New_York"})


def told(manifest):
    """What a manifest says of its tables' rows."""
    return manifest.months, manifest.other_months, manifest.contents, {n: t.rows for n, t in manifest.tables.items()}


def publish_twice(world: World, monkeypatch, *, now: dt.datetime) -> int:
    """Publish by what differs, and aside by every row: the same is told. Returns how many tables were told so."""
    settings = {"settings": world.settings, "now": now, "validate": lambda *_: []}
    seen: list[str] = []
    differing = snapshot_module._differing

    def counted(*cut):
        find = differing(*cut)

        def found(session, table):
            relation = find(session, table)
            seen.extend([table.full_name()] if relation else [])
            return relation

        return found

    with monkeypatch.context() as patched:
        patched.setattr(snapshot_module, "_differing", lambda *_: lambda _session, _table: None)
        aside = publish(world.models, turns=False, **settings)
        patched.setattr(snapshot_module, "_differing", counted)
        ours = publish(world.models, **settings)
    assert told(read_manifest(ours.path)) == told(read_manifest(aside.path))
    for table, months in read_manifest(ours.path).other_months.items():
        folder = ours.path / table.replace(".", "/")
        assert {file.stem for file in folder.iterdir()} == (months.keys() or {"empty"})
    return len(seen)


def live_through(folder: Path, monkeypatch, *, seed: int, steps: int) -> list[int]:
    world = World(folder, Settings(data_dir=folder, **SETTINGS[seed % len(SETTINGS)]))
    history = History(world, seed=seed, chats=12, now=NOW)
    found = []
    for step in range(steps):
        world.store()
        computed = compute(world.models, world.live, settings=world.settings, now=history.now)
        assert not computed.breaches
        if step % 4 != 2:  # a build that nobody publishes: the next one differs from more than it knows
            found.append(publish_twice(world, monkeypatch, now=history.now))
        history.go_on()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_is_told_as_by_every_row(tmp_path, monkeypatch, seed):
    found = live_through(tmp_path, monkeypatch, seed=seed, steps=12)
    assert max(found) >= 8
    assert 0 in found[1:], "after a build that nobody published, or a night, every row is looked at"


def test_another_snapshot_than_that_of_the_build_before_tells_nothing(tmp_path, monkeypatch):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    world.chat("chat-1", known_until=NOW)
    world.message("chat-1", "m1", NOW - dt.timedelta(hours=1), "inbound")
    later = [NOW + dt.timedelta(minutes=minutes) for minutes in (0, 10, 20)]
    for now in later:
        world.store()
        compute(world.models, world.live, settings=world.settings, now=now)
        if now != later[1]:
            told_of = publish_twice(world, monkeypatch, now=now)
    assert told_of == 0
    manifest = read_manifest(current(world.settings).path)
    assert manifest.build is not None
    assert manifest.recent == dt.date(2026, 11, 17)


def test_a_snapshot_of_tables_that_were_not_all_built_tells_nothing(tmp_path):
    """Who chooses figures alone publishes core tables of the build before."""
    world = World(tmp_path, Settings(data_dir=tmp_path))
    minute, order = dt.timedelta(minutes=1), build_order()
    figures = [table for table in order if issubclass(table, KpiTable)]

    def write(number: int, *, at: dt.datetime, sent: dt.datetime) -> None:
        world.message("chat-1", f"m{number}", sent, "inbound", first_fetched_at=at, fetched_at=at)

    def begin(now: dt.datetime) -> None:
        world.store()
        freeze(world.models, world.live, settings=world.settings, as_of=None, now=now, expected_unseen={})

    def fill(tables, now: dt.datetime) -> None:
        list(build_all(world.models, settings=world.settings, now=now, tables=tables))

    def publish_it(now: dt.datetime):
        return publish(world.models, settings=world.settings, now=now, validate=lambda *_: [])

    for number in range(4):
        world.chat(f"chat-{number}", known_until=NOW)
        world.message(f"chat-{number}", "m0", NOW - 700 * HOUR, "inbound")
    begin(NOW)
    fill(order, NOW)
    publish_it(NOW)
    write(1, at=NOW + minute, sent=NOW - 700 * HOUR)
    begin(NOW + 2 * minute)
    fill(figures, NOW + 2 * minute)
    assert read_manifest(publish_it(NOW + 2 * minute).path).build is None
    fill([table for table in order if table not in figures], NOW + 3 * minute)
    write(2, at=NOW + 4 * minute, sent=NOW - HOUR)
    begin(NOW + 5 * minute)
    fill(order, NOW + 5 * minute)
    snapshot = publish_it(NOW + 6 * minute)
    assert snapshot.tables["core.messages"] == 6
    assert duckdb.sql(f"from '{snapshot.path}/core/messages/*.parquet'").to_arrow_table().num_rows == 6
