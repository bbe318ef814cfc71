"""A whole build of what was frozen: every table in its order, each held against its contract.

What belongs here: this, whoever runs it. What does not: freezing (frozen.py), one table's build and validation
(run.py), leases and publishing, how a step is told (defs/ in Dagster's words, cli/ in the shell's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.models.noted import note_contracts
from crm_platform.models.render import build_order
from crm_platform.models.run import Built, build, validate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from crm_platform.errors import Breach
    from crm_platform.schemas import Table
    from crm_platform.settings import Settings
    from crm_platform.warehouse import DuckDbWarehouse


def build_all(
    store: DuckDbWarehouse,
    *,
    settings: Settings,
    now: dt.datetime,
    tables: Sequence[type[Table]] | None = None,
    check: Callable[[DuckDbWarehouse, type[Table]], list[Breach]] = validate,
) -> Iterator[tuple[Built, list[Breach]]]:
    """Build tables from the frozen inputs, in the order given, and give each with the rules that it breaks.

    `tables`: unset, all of `build_order()`. A breach ends nothing: all are told, and noted at the end.
    """
    tables = build_order() if tables is None else tables
    found: list[Breach] = []
    for table in tables:
        built = build(store, table, settings=settings)
        breaches = check(store, table)
        found += breaches
        yield built, breaches
    note_contracts(settings, tables, found, at=now)
