"""`python -m benchmarks.builds`: what a build and its snapshot cost by what has changed, beside the physical floor.

A made-up tenant is written straight into a warehouse and built in full. The floor is one stored pass of a window over
the same messages, by the same engine with the same memory. Then chats go on, each by a question and an answer, and the
build follows; at the end every cell is held against a full build of a store of its own. CPU seconds of this process and
its children: a busy machine disturbs them less than wall time. `--json` notes the figures, `--plot` draws noted ones.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.builds.plot import draw
from benchmarks.tenants.world import Tenant, go_on, store
from crm_platform.models import build_order, build_within, freeze
from crm_platform.models.incremental import by_chat, is_small
from crm_platform.models.run import validate_within
from crm_platform.models.standing import standing_cut
from crm_platform.publish import publish, purge
from crm_platform.schemas import Table, Type
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse

PHASES = ("freeze", "core, by chat", "core, the rest", "kpi", "validate", "commit", "publish")
NOW = dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC)


@dataclass(slots=True)
class Spent:
    """CPU seconds by phase, and wall seconds of all."""

    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall: float = 0.0

    @property
    def whole(self) -> float:
        return sum(self.cpu.values())

    @contextmanager
    def on(self, phase: str) -> Iterator[None]:
        began, wall = cpu(), time.perf_counter()
        yield
        self.cpu[phase] += cpu() - began
        self.wall += time.perf_counter() - wall


def cpu() -> float:
    return sum(os.times()[:4])


class Builder:
    """A store of its own, built from one live warehouse."""

    def __init__(self, folder: Path, live: DuckDbWarehouse, *, memory: int) -> None:
        self.settings, self.live = Settings(data_dir=folder), live
        path, lock_dir = self.settings.models_path, self.settings.lock_dir
        self.store = DuckDbWarehouse(path, lock_dir=lock_dir, memory=memory, is_derived=True)

    def build(self, now: dt.datetime, *, full: bool = False) -> Spent:
        """What `crm live` does at each turn: freeze, every table and its contract, publish."""
        spent = Spent()
        with contextlib.ExitStack() as closing, self.store.held():
            with spent.on("freeze"):
                freeze(
                    self.store,
                    self.live,
                    settings=self.settings,
                    as_of=None,
                    now=now,
                    expected_unseen={},
                    full=full,
                )
            with self.store.reading() as session:
                together = is_small(session)
            for group in [build_order()] if together else [[table] for table in build_order()]:
                with contextlib.ExitStack() as committing, self.store.writing() as session:
                    for table in group:
                        with spent.on(_phase(table)):
                            built = build_within(session, table, settings=self.settings)
                        with spent.on("validate"):
                            breaches = [] if built.stands else validate_within(session, table, written=built.written)
                        assert not breaches, breaches
                    committing.enter_context(spent.on("commit"))
            with spent.on("publish"):
                publish(self.store, settings=self.settings, now=now, validate=lambda _store, _table: [])
            closing.enter_context(spent.on("commit"))
        with spent.on("publish"):
            purge(self.settings, now=now)
        return spent


def cells(store: DuckDbWarehouse) -> dict[str, tuple[int, int]]:
    """Digest of every table's rows. Sums of fractions to the ninth digit: two threads add in any order."""
    found = {}
    with store.reading() as session:
        for table in build_order():
            columns = (
                f'round("{name}", 9)' if column.type is Type.FLOAT else f'"{name}"'
                for name, column in table.columns.items()
            )
            select = f"select count(*), sum(hash({', '.join(columns)})) from {table.full_name()}"
            found[table.full_name()] = session.connection.execute(select).fetchall()[0]
    return found


def _phase(table: type[Table]) -> str:
    if table.schema == "kpi":
        return "kpi"
    return "core, by chat" if by_chat(table) else "core, the rest"


def floor(live: DuckDbWarehouse, folder: Path, *, memory: int) -> Spent:
    """One stored pass over the messages: each with the one before it in its chat."""
    spent = Spent()
    passed = DuckDbWarehouse(folder / "floor.duckdb", lock_dir=folder / "locks", memory=memory)
    with spent.on("floor"), passed.writing(source=live) as session:
        session.execute(
            "create table passed as"
            " select *, lag(timestamp) over (partition by chat_id order by timestamp, message_id) as sent_before"
            " from live.raw.messages"
        )
    passed.path.unlink()
    return spent


def measure(folder: Path, *, messages: int, memory: int) -> dict[str, object]:
    """Every figure of one size."""
    live = DuckDbWarehouse(folder / "warehouse.duckdb", lock_dir=folder / "locks", memory=memory)
    tenant = Tenant(contacts=max(1, messages // 48), messages=messages, agents=20, campaigns=120, values=8)
    store(folder, tenant, now=NOW)
    ours, now = Builder(folder / "ours", live, memory=memory), NOW
    found = {"floor": floor(live, folder, memory=memory), "full": ours.build(now, full=True)}
    now += dt.timedelta(minutes=16)
    found["nothing changed, built"] = ours.build(now)
    found["nothing changed, asked"] = asked = Spent()
    with asked.on("asked"):
        assert standing_cut(ours.store, live, settings=ours.settings, now=now + dt.timedelta(minutes=1)) == now
    for name, chats in (("1 % of chats", max(1, tenant.contacts // 100)), ("5 chats", 5)):
        for _ in range(2):  # the second stands on the first, as builds do
            now += dt.timedelta(minutes=15)
            go_on(live, chats=chats, now=now)
            found[name] = ours.build(now)
    theirs = Builder(folder / "theirs", live, memory=memory)
    theirs.build(now, full=True)
    mine, full = cells(ours.store), cells(theirs.store)
    differing = [table for table in full if full[table] != mine[table]]
    assert not differing, f"not the same cells: {differing}"
    return {
        "messages": messages,
        "builds": {name: {"cpu": dict(one.cpu), "wall": one.wall} for name, one in found.items()},
    }


def show(found: dict[str, object]) -> None:
    """Print a size's figures: phases and their sum, and its share of a full build."""
    builds: dict[str, dict[str, object]] = found["builds"]  # type: ignore[assignment]
    whole = {name: sum(one["cpu"].values()) for name, one in builds.items()}  # type: ignore[attr-defined]
    print(f"\n{found['messages']:,} messages; seconds of CPU, share of full, seconds of wall time")
    print(f"{'':26}" + "".join(f"{phase:>16}" for phase in PHASES) + f"{'all':>9}{'share':>9}{'wall':>9}")
    for name, one in builds.items():
        phases = "".join(f"{one['cpu'].get(phase, 0.0):16.2f}" for phase in PHASES)  # type: ignore[attr-defined]
        print(f"{name:26}{phases}{whole[name]:9.2f}{whole[name] / whole['full']:9.1%}{one['wall']:9.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("--messages", type=int, nargs="*", default=[200_000], help="tenants of about so many each")
    parser.add_argument("--memory", type=int, default=750, help="MB that the engine may take (default %(default)s)")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    parser.add_argument("--plot", type=Path, help="draw what the file holds")
    asked = parser.parse_args()
    noted = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else []
    for messages in asked.messages:
        with tempfile.TemporaryDirectory(prefix="builds-") as name:
            found = measure(Path(name), messages=messages, memory=asked.memory * 1_000_000)
        show(found)
        noted.append(found)
        if asked.json:
            asked.json.write_text(json.dumps(noted, indent=1) + "\n")
    if asked.plot:
        asked.plot.write_text(draw(noted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
