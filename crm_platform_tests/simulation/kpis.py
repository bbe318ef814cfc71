"""I5: the KPIs of a troubled run are those of an undisturbed one.

What belongs here: building both at one cut, and comparing them cell by cell. What does not: what a KPI should be (the
oracle's tests).

Left aside, as the issue allows: coverage and provisional marks, contacts that are gone (the undisturbed run never met
them, so everything of theirs is taken out of a copy of the other store; also of those who count as there for as long
as the list is misread), totals of earlier days and what follows from them, and when something was first seen.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from crm_platform.api import CrmClient
from crm_platform.ingest import refresh
from crm_platform.ingest.presence import PRESENT
from crm_platform.models import build_order, build_within, freeze
from crm_platform.schemas import KpiTable, OpsTable, RawTable, live_tables
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform.warehouse.clickhouse_store import ClickHouseWarehouse
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.simulation.crm import PlainWire
from crm_platform_tests.simulation.invariants import is_list_misread, listed_contacts
from crm_platform_tests.warehouse.in_memory import copy_to_duckdb

if TYPE_CHECKING:
    from crm_platform_tests.simulation.run import Simulation

ASIDE = {
    "*": {"coverage", "is_provisional"},
    "kpi.contact_growth_daily": {"gone_contacts", "net_growth", "is_estimated", "total_contacts"},
    "kpi.contact_growth_monthly": {
        "gone_contacts",
        "opening",
        "monthly_growth_rate",
        "previous_to_date_rate",
    },
    "kpi.executive_summary": {
        "total_contacts_previous",
        "monthly_growth_rate",
        "monthly_growth_rate_previous",
        "active_campaigns_previous",
    },
}


def differing(simulation: Simulation, folder: Path) -> list[str]:
    """What differs, by table."""
    troubled = _without_the_gone(simulation, folder / "present")
    calm = _undisturbed(simulation, folder / "undisturbed")
    figures = [_build(simulation, live, folder / name) for live, name in ((calm, "a"), (troubled, "b"))]
    found = []
    for table, key in ((one, one.key) for one in TABLES.values() if issubclass(one, KpiTable)):
        name = table.full_name()
        aside = ASIDE["*"] | ASIDE.get(name, set())
        rows = [[{k: v for k, v in row.items() if k not in aside} for row in side[name]] for side in figures]
        wrong = differences(rows[0], rows[1], key)
        if wrong:
            found.append(f"I5: {name} differs in {len(wrong)} places: {'; '.join(wrong[:3])}")
    newest = [max(side["kpi.contact_growth_daily"], key=lambda row: row["day"]) for side in figures]
    if newest[0]["total_contacts"] != newest[1]["total_contacts"]:
        found.append(f"I5: today's contacts are {newest[1]['total_contacts']}, not {newest[0]['total_contacts']}")
    return found


def _live(path: Path) -> DuckDbWarehouse:
    return DuckDbWarehouse(path, lock_dir=path.parent / "locks")


def _without_the_gone(simulation: Simulation, folder: Path) -> DuckDbWarehouse:
    folder.mkdir()
    copy = _live(folder / "warehouse.duckdb")
    if simulation.memory is not None:
        copy_to_duckdb(simulation.memory, copy)
    elif simulation.address is not None:
        settings = simulation.settings
        mirror = settings.root / "mirror.duckdb"
        ClickHouseWarehouse(simulation.address, lock_dir=settings.lock_dir, mirror=mirror).at_hand()
        shutil.copy(mirror, folder / "warehouse.duckdb")
    else:
        shutil.copy(simulation.settings.warehouse_path, folder)
    with copy.writing() as session:
        session.execute(f"create temp table present as {PRESENT}")
        if is_list_misread(simulation.crm):
            listed = list(listed_contacts(simulation.crm))
            session.execute("delete from present where not list_contains(?, chat_id)", [listed])
        for table in TABLES.values():
            if issubclass(table, RawTable | OpsTable) and "chat_id" in table.columns:
                session.execute(f"delete from {table.full_name()} where chat_id not in (from present)")
    return copy


def _undisturbed(simulation: Simulation, folder: Path) -> DuckDbWarehouse:
    """What a single calm run stores that reads the same world at the same instant, twice over."""
    simulation.crm.lift_limits()
    settings = simulation.settings.model_copy(
        update={"data_dir": folder, "requests_per_minute": None, "requests_per_day": None}
    )
    live = _live(settings.warehouse_path)
    live.prepare(live_tables())
    now = simulation.platform_now
    last = [int(now().timestamp() * 1_000_000) * 1024]

    def new_id() -> int:
        last[0] += 1024  # the clock stands still, and no two processes share it
        return last[0]

    def connect(on_fetch) -> CrmClient:
        wire = PlainWire(simulation, now)
        return CrmClient(
            "http://127.0.0.1:1",
            SecretStr("sandbox"),
            transport=wire,
            on_fetch=on_fetch,
            now=now,
            sleep=simulation.time.sleep,
            new_id=new_id,
        )

    for _ in range(2):
        outcomes = list(refresh(settings, live, connect=connect, now=now, workers=1))
        assert not any(one.remaining for one in outcomes), "the undisturbed run was disturbed"
    return live


def _build(simulation: Simulation, live: DuckDbWarehouse, folder: Path) -> dict[str, list[dict[str, object]]]:
    models = DuckDbWarehouse(folder / "models.duckdb", lock_dir=folder / "locks")
    cut = simulation.platform_now()
    freeze(models, live, settings=simulation.settings, as_of=cut, now=cut, expected_unseen=None)
    with models.writing() as session:
        order = build_order()
        for table in order:
            build_within(session, table, settings=simulation.settings)
        return {
            table.full_name(): session.query(f"select * from {table.full_name()}").to_pylist()
            for table in order
            if issubclass(table, KpiTable)
        }
