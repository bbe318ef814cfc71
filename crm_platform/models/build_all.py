"""A whole build of what was frozen: every table in its order, each held against its contract.

What belongs here: this, whoever runs it. What does not: freezing (frozen.py), one table's build and validation
(run.py), leases and publishing, how a step is told (defs/ in Dagster's words, cli/ in the shell's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.models.incremental import forget_built, is_small
from crm_platform.models.noted import note_contracts
from crm_platform.models.render import build_order
from crm_platform.models.run import Built, build_within, validate_within

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Sequence

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

    `tables`: unset, all of `build_order()`. Where few chats have changed all are built in one transaction, else each in
    its own: a transaction holds in memory what it wrote. A breach ends nothing: all are told, and noted at the end. Of
    a table by chat the rows that were computed again are held against it; with a breach it is computed anew next time.
    """
    tables = build_order() if tables is None else tables
    found: list[Breach] = []
    with store.held():
        with store.reading() as session:
            together = is_small(session)
        for group in [tables] if together else [[table] for table in tables]:
            with store.writing() as session:
                done = [_build(session, table, settings=settings) for table in group]
            for built, breaches in done:  # whoever hears of a table finds it committed
                found += breaches
                yield built, breaches
    note_contracts(settings, tables, found, at=now)


def _build(session: BuildSession, table: type[Table], *, settings: Settings) -> tuple[Built, list[Breach]]:
    built = build_within(session, table, settings=settings)
    breaches = [] if built.stands else validate_within(session, table, written=built.written)
    if breaches:
        forget_built(session, table)
    return built, breaches
