"""An incremental build is a full one, cell for cell, whatever happened since the last build."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import pytest

from crm_platform.models import Built, Cut, build_order, build_within, freeze
from crm_platform.models.incremental import by_chat, chat_inputs
from crm_platform.schemas import TABLES, CoreTable, RawTable, Table, core, ops, raw
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.models.conftest import Worlds
from crm_platform_tests.models.histories import History
from crm_platform_tests.models.worlds import World

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
SETTINGS = (
    {},
    {"business_hours": "none", "automation_senders": ("bot",)},
    {"business_hours": "Mon-Fri 08:00-12:30 13:15-18:00, Sat 09:00-12:00", "timezone": "Europe/Berlin"},
    {"conversation_gap_hours": 6, "timezone": "America/New_York"},
)

Tables = dict[str, list[dict[str, object]]]


def build(
    world: World,
    models: DuckDbWarehouse,
    *,
    now: dt.datetime,
    as_of: dt.datetime | None = None,
    full: bool = False,
    only: Iterable[type[Table]] | None = None,
) -> tuple[Cut, dict[str, Built]]:
    """Freeze what is stored and build every table, or `only` some."""
    unseen = {(as_of or now).astimezone(world.settings.zone).date(): 0.3}
    cut = freeze(
        models, world.live, settings=world.settings, as_of=as_of, now=now, expected_unseen=unseen, full=full
    )
    with models.writing() as session:
        tables = build_order() if only is None else only
        return cut, {table.full_name(): build_within(session, table, settings=world.settings) for table in tables}


def cells(models: DuckDbWarehouse) -> Tables:
    """Every row of every table that is frozen or built, but for what tells how the build came about."""
    found = {}
    with models.reading() as session:
        for name, table in TABLES.items():
            if issubclass(table, RawTable | CoreTable) or name.startswith("kpi.") or table is ops.CrawlState:
                rows = session.query(f"select * from {name}").to_pylist()
                found[name] = sorted(rows, key=lambda row: [repr(row[column]) for column in table.key])
    return found


def differing(world: World, now: dt.datetime, *, as_of: dt.datetime | None = None) -> dict[str, object]:
    """By table the first rows that differ between the world's build and one from nothing at the same cut."""
    fresh = DuckDbWarehouse(world.folder / "fresh.duckdb", lock_dir=world.folder / "locks")
    fresh.path.unlink(missing_ok=True)
    cut, _ = build(world, fresh, now=now, as_of=as_of)
    assert cut.is_full
    ours, theirs = cells(world.models), cells(fresh)
    return {
        name: next((pair for pair in zip(ours[name], theirs[name], strict=False) if pair[0] != pair[1]), "rows")
        for name in theirs
        if ours[name] != theirs[name]
    }


def live_through(world: World, seed: int, *, steps: int) -> list[Cut]:
    """Builds after each step of a random history, all of them compared."""
    history = History(world, seed=seed, chats=12, now=NOW)
    cuts = []
    for step in range(steps):
        world.store()
        as_of = history.now - 26 * HOUR if step % 7 == 5 else None  # a look back, and on again
        if step % 5 == 3:
            order = build_order()
            build(world, world.models, now=history.now, only=order[: 3 + step])  # given up half way
            history.go_on()
            world.store()
        cut, _ = build(world, world.models, now=history.now, as_of=as_of)
        assert differing(world, history.now, as_of=as_of) == {}, f"step {step}"
        cuts.append(cut)
        history.go_on()
        if step % 6 == 4:
            history.erase()
    return cuts


@pytest.mark.parametrize("seed", range(4))
def test_every_cell_is_that_of_a_full_build(seed: int, new_world: Worlds):
    cuts = live_through(new_world(**SETTINGS[seed % len(SETTINGS)]), seed, steps=10)
    # The comparison is worth something only if most of it was incremental.
    assert sum(not cut.is_full for cut in cuts) >= 3
    assert all(cut.changed_chats < cut.chats for cut in cuts if not cut.is_full)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_every_cell_is_that_of_a_full_build_in_many_histories(seed: int, new_world: Worlds):
    live_through(new_world(**SETTINGS[seed % len(SETTINGS)]), seed, steps=25)
