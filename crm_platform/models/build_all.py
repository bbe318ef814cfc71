"""A whole build of what was frozen: every table in its order, each held against its contract.

What belongs here: this, whoever runs it. What does not: freezing (frozen.py), one table's build and validation
(run.py), leases and publishing, how a step is told (defs/ in Dagster's words, cli/ in the shell's).
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from crm_platform.models.incremental import forget_built, is_small
from crm_platform.models.noted import note_contracts
from crm_platform.models.render import build_order, dependencies
from crm_platform.models.run import Built, build_within, validate_within
from crm_platform.schemas import KpiTable
from crm_platform.warehouse.beside import each_beside

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Iterator, Sequence

    from crm_platform.errors import Breach
    from crm_platform.schemas import Table
    from crm_platform.settings import Settings
    from crm_platform.warehouse import BuildSession, Models


def build_all(
    store: Models,
    *,
    settings: Settings,
    now: dt.datetime,
    tables: Sequence[type[Table]] | None = None,
) -> Generator[tuple[Built, list[Breach]]]:
    """Build tables from the frozen inputs, in the order given, and give each with the rules that it breaks.

    `tables`: unset, all of `build_order()`. Where few chats have changed many are built in one transaction, and two
    tables of figures at a time; else each in its own: a transaction holds in memory what it wrote. A breach ends
    nothing: all are told, and noted at the end. Of a table by chat the rows that were computed again are held against
    it; with a breach it is computed anew next time.
    """
    tables = build_order() if tables is None else tables
    found: list[Breach] = []
    with store.held():
        with store.reading() as session:
            together = is_small(session)
        if together:  # two transactions that make one schema are one too many, where a build was killed before it did
            with store.writing() as session:
                for schema in sorted({table.schema for table in tables}):
                    session.execute(f"create schema if not exists {schema}")
        for group, at_once in _groups(tables) if together else [([table], 1) for table in tables]:
            with contextlib.ExitStack() as stack:
                sessions = [stack.enter_context(store.writing()) for _ in range(at_once)]
                done = list(each_beside(sessions, group, partial(_build, settings=settings)))
            for built, breaches in done:  # whoever hears of a table finds it committed
                found += breaches
                yield built, breaches
    note_contracts(settings, tables, found, at=now)


def _groups(tables: Sequence[type[Table]]) -> Iterator[tuple[list[type[Table]], int]]:
    """Tables whose transactions may be shared, and how many of these there are at a time: none reads another's rows."""
    figures = {table.full_name() for table in tables if issubclass(table, KpiTable)}
    core = [table for table in tables if table.full_name() not in figures]
    of_core = [table for table in tables if table.full_name() in figures and not dependencies(table) & figures]
    of_figures = [table for table in tables if table.full_name() in figures and dependencies(table) & figures]
    yield from ((group, at_once) for group, at_once in ((core, 1), (of_core, 2), (of_figures, 1)) if group)


def _build(table: type[Table], session: BuildSession, *, settings: Settings) -> tuple[Built, list[Breach]]:
    built = build_within(session, table, settings=settings)
    breaches = [] if built.stands else validate_within(session, table, written=built.written)
    if breaches:
        forget_built(session, table)
    return built, breaches
