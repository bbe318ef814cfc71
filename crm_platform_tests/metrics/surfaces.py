"""Every surface that a KPI table has, opened; run as a program over a copy of the package.

What belongs here: opening them and printing what they say, as JSON. What does not: expectations (test_new_table.py).
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import httpx
from click.testing import CliRunner

from crm_platform.alerts import watches
from crm_platform.cli import crm
from crm_platform.defs.graph import build_defs
from crm_platform.models import validate
from crm_platform.publish import current, published_tables
from crm_platform.serving import create_app
from crm_platform.tables import TABLES
from crm_platform_tests.receipts.desk import DAY, Desk, at
from tools import dictionary, figures_guide


def opened(table: str, folder: Path) -> dict[str, object]:
    with ExitStack() as stack:
        desk = Desk(folder, stack)
        for number, seconds in enumerate((60.0, 300.0, 4000.0)):
            desk.question_and_answer(f"chat-{number}", at(10 + number), seconds, visited=at(15 + number))
        desk.publish()
        declared = TABLES[f"kpi.{table}"]
        graph = build_defs(desk.settings).get_repository_def().asset_graph
        node = graph.get(dg.AssetKey(["kpi", table]))
        snapshot = current(desk.settings)
        assert snapshot is not None

        def shell(*words: str) -> str:
            done = CliRunner().invoke(crm, list(words), env={"CRM_DATA_DIR": str(folder)}, catch_exceptions=False)
            return f"{done.exit_code} {done.output}"

        app = create_app(desk.settings)

        def get(path: str) -> tuple[int, str]:
            async def ask() -> tuple[int, str]:
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                    answer = await client.get(path)
                    return answer.status_code, answer.text

            return asyncio.run(ask())

        figures = [name for name, column in declared.columns.items() if column.figure]
        return {
            "asset": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": sorted(check.name for check in node.check_keys),
            "breaches": [str(breach) for breach in validate(desk.world.models, declared)],
            "is_published": declared in published_tables(),
            "parquet": (snapshot.path / "kpi" / f"{table}.parquet").exists(),
            "kpi": shell("kpi", table),
            "explain": {name: shell("explain", table, "--key", f"day={DAY}", "--column", name) for name in figures},
            "export": shell("export", table, "--to", str(folder / "out"), "--format", "csv"),
            "api": get(f"/api/v1/kpis/{table}?day={DAY}"),
            "range": get(f"/api/v1/kpis/{table}/receipt?column={figures[0]}&day_from={DAY}&day_to=2026-11-20"),
            "receipts": {name: get(f"/receipt?table={table}&column={name}&day={DAY}") for name in figures},
            "figures": get("/figures"),
            "openapi": f"/api/v1/kpis/{table}" in json.loads(get("/api/v1/openapi.json")[1])["paths"],
            "dictionary": dictionary.generate(),
            "guide": figures_guide.generate(),
            "watches": [watch.key("range") for watch in watches.WATCHES],
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(opened(sys.argv[1], Path(sys.argv[2]))) + "\n")
