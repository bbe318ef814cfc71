"""Running: a template fills its table, and a table is held against its declaration.

What belongs here: one table's build and validation. What does not: a whole build (build_all.py), what happens to a
breach.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_platform.errors import Breach, GiveUp
from crm_platform.models.cut import Cut
from crm_platform.models.incremental import by_chat, changed_chats, kept_since, narrowed, note_built, parts, take_visits
from crm_platform.models.render import render
from crm_platform.schemas import KpiTable, Table, ops

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session, Warehouse

KEY_RULE = "key is unique"


@dataclass(frozen=True, slots=True)
class Built:
    """One table built: its rows, and the seconds it took.

    `chats`: how many chats were computed again, their rows put in the place of those before; None: the whole table was.
    """

    table: type[Table]
    rows: int
    seconds: float
    chats: int | None = None


def build(models: Warehouse, table: type[Table], *, settings: Settings) -> Built:
    """Fill a table from the frozen inputs and the tables before it. Raises GiveUp when nothing was frozen yet."""
    with models.writing() as session:
        return build_within(session, table, settings=settings)


def build_within(session: Session, table: type[Table], *, settings: Settings) -> Built:
    """The same inside an open writing session, for those who build many tables in one transaction."""
    started = time.perf_counter()
    cut = frozen_cut(session)
    sql = render(table, dialect=session.dialect, settings=settings, cut=cut)
    since = kept_since(session, table, cut)
    chats = None if since is None else _count(session, changed_chats(since, table=table))
    chosen = parts(session, table, since=since or 0) if by_chat(table) and cut.number is not None else []
    if since is None and len(chosen) <= 1:
        rows = session.replace(table, sql)
    else:
        _renew(session, table, sql, since=since, chosen=chosen)
        rows = _count(session, f"select * from {table.full_name()}")
    note_built(session, table, cut)
    return Built(table=table, rows=rows, seconds=time.perf_counter() - started, chats=chats)


def _renew(session: Session, table: type[Table], sql: str, *, since: int | None, chosen: Sequence[str]) -> None:
    """Compute again the rows of the chats that have changed since a build, None: of all. `chosen`: these, in parts."""
    if since is None:
        session.replace(table, f"select * from ({sql}) where false")
    else:
        session.execute(f"delete from {table.full_name()} where chat_id in ({changed_chats(since, table=table)})")
    select = narrowed(sql, dialect=session.dialect)
    for chats in chosen:
        session.replace(ops.ChosenChats, chats)
        session.extend(table, select)
    if since is not None:
        take_visits(session, table, since=since)


def _count(session: Session, select: str) -> int:
    return int(session.query(f"select count(*) as n from ({select})")["n"][0].as_py())


def frozen_cut(session: Session) -> Cut:
    """The cut of the frozen inputs. Raises GiveUp when there are none."""
    builds = session.query(f"select * from {ops.Builds.full_name()}").to_pylist()
    if len(builds) != 1:
        raise GiveUp("a build needs one frozen cut: call freeze first")
    # A store that an older version has frozen notes no number.
    return Cut(as_of=builds[0]["as_of"].replace(tzinfo=dt.UTC), rows={}, number=builds[0].get("number"))


def validate(models: Warehouse, table: type[Table]) -> list[Breach]:
    """Every declared rule that the built table breaks, with the number of rows; an empty list: the contract holds.

    KPI tables are checked by pandera as frames, core tables by SQL: they may not fit a frame.
    """
    with models.reading() as session:
        if not issubclass(table, KpiTable):
            return _sql_breaches(session, table)
        frame = session.query(f"select * from {table.full_name()}")
    return _frame_breaches(table, frame)


def _sql_breaches(session: Session, table: type[Table]) -> list[Breach]:
    checks = list(table.checks())
    counts = ", ".join(f"count(*) filter (where {check.broken}) as c{n}" for n, check in enumerate(checks))
    found = session.query(f"select {counts} from {table.full_name()}").to_pylist()[0]
    breaches = [
        Breach(table.full_name(), check.column, check.rule, found[f"c{n}"])
        for n, check in enumerate(checks)
        if found[f"c{n}"]
    ]
    if table.key:
        keys = ", ".join(f'"{name}"' for name in table.key)
        repeated = session.query(
            f"select coalesce(sum(n - 1), 0) as n from"
            f" (select count(*) as n from {table.full_name()} group by {keys} having count(*) > 1) as keys"
        )["n"][0].as_py()
        if repeated:
            breaches.append(Breach(table.full_name(), "", KEY_RULE, int(repeated)))
    return breaches


def _frame_breaches(table: type[Table], rows: pa.Table) -> list[Breach]:
    import pandas as pd  # noqa: PLC0415 - a second of import, for those who validate only
    from pandera.errors import SchemaErrors  # noqa: PLC0415

    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        table.pandera().validate(frame, lazy=True)
    except SchemaErrors as problem:
        return _breaches(table, problem.failure_cases)
    return []


def _breaches(table: type[Table], cases: pd.DataFrame) -> list[Breach]:
    """Count distinct rows by column and rule; the failing values in `cases` stay there."""
    found: dict[tuple[str, str], set[object]] = {}
    for context, column, check, index in zip(
        cases["schema_context"], cases["column"], cases["check"], cases["index"], strict=True
    ):
        # Pandera names the schema itself as the column of a rule across columns.
        place = str(column) if context == "Column" and str(column) in table.columns else ""
        rule = {"not_nullable": "is not null"}.get(str(check), str(check))
        found.setdefault((place, rule), set()).add(index)
    return [Breach(table.full_name(), column, rule, len(rows)) for (column, rule), rows in found.items()]
