"""`python -m benchmarks.builds`: a full build beside an incremental one, of one world that goes on between them.

Every round some chats get two messages more; then the figures are built twice at that cut, incrementally and in full,
in stores of their own, and every cell is compared. Shown is the median round, by what the time goes to: CPU seconds of
this process, which a busy machine disturbs less than wall time, and the wall time of the whole.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.builds.world import World
from crm_platform.models import build_order, build_within, freeze, validate
from crm_platform.models.incremental import by_chat
from crm_platform.publish import publish, purge
from crm_platform.schemas import Table
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse

PHASES = ("freeze", "core, by chat", "core, the rest", "kpi", "open and commit", "validate", "publish")
WHOLE = "all, wall time"


class Builder:
    """One way to build, in a store of its own; `seconds` by phase, a figure a build."""

    def __init__(self, folder: Path, *, full: bool) -> None:
        self.settings = Settings(data_dir=folder)
        self.store = DuckDbWarehouse(self.settings.models_path, lock_dir=self.settings.lock_dir)
        self.full = full
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._spent: defaultdict[str, float] = defaultdict(float)

    def build(self, world: World) -> None:
        """What `crm build` does: freeze, every table and its contract, publish."""
        self._spent.clear()
        began = time.perf_counter()
        with self._spending("freeze"):
            freeze(
                self.store,
                world.live,
                settings=self.settings,
                as_of=None,
                now=world.now,
                expected_unseen={},
                full=self.full,
            )
        for table in build_order():
            with self._spending("open and commit"), self.store.writing() as session, self._spending(phase_of(table)):
                build_within(session, table, settings=self.settings)
            with self._spending("validate"):
                breaches = validate(self.store, table)
            assert not breaches, breaches
        with self._spending("publish"):
            publish(self.store, settings=self.settings, now=world.now, validate=lambda _store, _table: [])
            purge(self.settings, now=world.now)
        for phase in PHASES:
            self.seconds[phase].append(self._spent[phase])
        self.seconds[WHOLE].append(time.perf_counter() - began)

    @contextmanager
    def _spending(self, phase: str) -> Iterator[None]:
        """Count CPU seconds for a phase; one inside another is the inner one's."""
        inside = sum(self._spent.values())
        began = time.process_time()
        yield
        self._spent[phase] += time.process_time() - began - (sum(self._spent.values()) - inside)

    def cells(self) -> dict[str, list[str]]:
        with self.store.reading() as session:
            return {
                table.full_name(): sorted(
                    session.query(f"select hash(t)::varchar as cells from {table.full_name()} as t")[
                        "cells"
                    ].to_pylist()
                )
                for table in build_order()
            }


def phase_of(table: type[Table]) -> str:
    if table.schema == "kpi":
        return "kpi"
    return "core, by chat" if by_chat(table) else "core, the rest"


def show(name: str, full: float, incremental: float) -> None:
    ratio = f"{incremental / full:8.2f}" if full else ""
    print(f"{name:18}{full:9.3f} s{incremental:13.3f} s{ratio}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("--chats", type=int, default=2_000, help="chats of some 69 messages (default %(default)s)")
    parser.add_argument("--changed", type=int, default=20, help="chats that change a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="builds of each kind (default %(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="builds-") as name:
        folder = Path(name)
        world = World(folder, chats=asked.chats, now=dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC))
        messages = world.store()
        print(f"{asked.chats:,} chats, {messages:,} messages; {asked.changed:,} chats change a round\n", flush=True)
        ways = [Builder(folder / "full", full=True), Builder(folder / "incremental", full=False)]
        for way in ways:
            way.build(world)
            way.seconds.clear()  # the first build of a store is full in either
        for _ in range(asked.rounds):
            world.go_on(chats=asked.changed)
            for way in ways:
                way.build(world)
            full, incremental = (way.cells() for way in ways)
            differing = [table for table in full if full[table] != incremental[table]]
            assert not differing, f"not the same cells: {differing}"
        print(f"{'CPU time':18}{'full':>11}{'incremental':>15}{'ratio':>8}")
        medians = [{phase: statistics.median(found) for phase, found in way.seconds.items()} for way in ways]
        for phase in PHASES:
            show(phase, *(way[phase] for way in medians))
        show("all", *(sum(way[phase] for phase in PHASES) for way in medians))
        show(WHOLE, *(way[WHOLE] for way in medians))
        sizes = [way.store.path.stat().st_size / 1e6 for way in ways]
        print(f"{'models.duckdb':18}{sizes[0]:9.1f} MB{sizes[1]:12.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
