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
from crm_platform.models.generate import Kept
from crm_platform.models.incremental import (
    by_chat,
    changed_chats,
    forget_built,
    kept_since,
    narrowed,
    note_built,
    parts,
    put_in,
    renewed_tables,
)
from crm_platform.models.once import once, rows_once
from crm_platform.models.render import render
from crm_platform.models.touched import BEFORE, KEYS, can_keep_keys, find_keys, frame_of, renew
from crm_platform.models.unchanged import frame_of_whole, is_unchanged, move_on
from crm_platform.schemas import KpiTable, Table, ops

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from crm_platform.settings import Settings
    from crm_platform.warehouse import BuildSession, Models, Session

KEY_RULE = "key is unique"


@dataclass(frozen=True, slots=True)
class Built:
    """One table built: its rows, and the seconds it took.

    `chats`: how many chats were computed again, their rows put in the place of those before; None: the whole table was.
    `written`: the relation of their rows, in the session that built it. `keys`: of a table of figures how many keys
    were computed again; None: all. `stands`: no row was computed, so its contract holds as it did.
    """

    table: type[Table]
    rows: int
    seconds: float
    chats: int | None = None
    written: str | None = None
    keys: int | None = None
    stands: bool = False


def build(models: Models, table: type[Table], *, settings: Settings) -> Built:
    """Fill a table from the frozen inputs and the tables before it. Raises GiveUp when nothing was frozen yet."""
    with models.writing() as session:
        return build_within(session, table, settings=settings)


def build_within(session: BuildSession, table: type[Table], *, settings: Settings) -> Built:
    """The same inside an open writing session, for those who build many tables in one transaction."""
    started = time.perf_counter()
    cut = frozen_cut(session)
    if cut.number is not None and can_keep_keys(table):
        return _build_keys(session, table, cut, settings, started=started)
    sql = render(table, dialect=session.dialect, settings=settings, cut=cut)
    if cut.number is None or not by_chat(table):
        return _build_whole(session, table, cut, sql, started=started)
    since = kept_since(session, table, cut)
    chosen = parts(session, table, since=since or 0)
    if since is None and len(chosen) <= 1:
        session.replace(table, sql)
    elif since is None:
        session.replace(table, f"select * from ({sql}) where false")
        for select in _selects(session, narrowed(sql), chosen):
            session.extend(table, select)
    chats, touched, written, put = None, None, None, 0
    if since is not None:
        changed = changed_chats(since, table=table)
        chats, touched, written = _count_once(session, changed), 0, f"(from {table.full_name()} limit 0)"
        if chats:
            select = narrowed(sql, renewed_tables(session, table, since=since))
            touched, put = renew(session, table, chats=changed, selects=_selects(session, select, chosen))
            written = put_in(table)
    note_built(session, table, cut, since=since, touched=touched)
    rows = _count(session, f"select * from {table.full_name()}")
    seconds = time.perf_counter() - started
    return Built(
        table=table, rows=rows, seconds=seconds, chats=chats, written=written, stands=since is not None and not put
    )


def _build_whole(session: BuildSession, table: type[Table], cut: Cut, sql: str, *, started: float) -> Built:
    """Fill a table, unless nothing that it follows from is another."""
    frame = frame_of_whole(session, table, sql, cut) if cut.number is not None else None
    stands = is_unchanged(session, table, frame, cut)
    if stands:
        move_on(session, table, cut)
        rows = _count(session, f"select * from {table.full_name()}")
    else:
        rows = session.replace(table, sql)
    if cut.number is not None:
        forget_built(session, table)
        note_built(session, table, cut, frame=frame)
    return Built(table=table, rows=rows, seconds=time.perf_counter() - started, stands=stands)


def _selects(session: BuildSession, select: str, chosen: Sequence[str]) -> Iterator[str]:
    """Choose each part of the chats, and give the SELECT of its rows."""
    noted = once(session, ops.ChosenChats.full_name(), dict)
    for chats in chosen:
        if noted.get("chats") != chats:  # the table before chose others
            session.replace(ops.ChosenChats, chats)
            noted["chats"] = chats
        yield select


def _build_keys(session: BuildSession, table: type[KpiTable], cut: Cut, settings: Settings, *, started: float) -> Built:
    """Fill a table of figures: the keys whose rows were touched are computed again, where the others may be kept."""
    frame = frame_of(session, table, cut, settings)
    keys = _count(session, f"from {KEYS}") if find_keys(session, table, cut, settings, frame=frame) else None
    kept = Kept(KEYS, BEFORE, is_whole=not keys) if keys is not None else None
    sql = render(table, dialect=session.dialect, settings=settings, cut=cut, kept=kept)
    rows = session.replace(table, sql)
    note_built(session, table, cut, frame=frame)
    return Built(table=table, rows=rows, seconds=time.perf_counter() - started, keys=keys)


def _count(session: Session, select: str) -> int:
    return int(session.query(f"select count(*) as n from ({select})")["n"][0].as_py())


def _count_once(session: Session, select: str) -> int:
    """The same, of what stays as it is while a session lasts."""
    return int(rows_once(session, f"select count(*) as n from ({select})")[0]["n"])


def frozen_cut(session: Session) -> Cut:
    """The cut of the frozen inputs. Raises GiveUp when there are none."""
    builds = rows_once(session, f"select * from {ops.Builds.full_name()}")
    if len(builds) != 1:
        raise GiveUp("a build needs one frozen cut: call freeze first")
    # A store that an older version has frozen notes no number.
    return Cut(as_of=builds[0]["as_of"].replace(tzinfo=dt.UTC), rows={}, number=builds[0].get("number"))


def validate(models: Models, table: type[Table]) -> list[Breach]:
    """Every declared rule that the built table breaks, with the number of rows; an empty list: the contract holds.

    KPI tables of a full build that is not the first are checked by pandera as frames, all others by SQL: they may not
    fit a frame.
    """
    with models.reading() as session:
        return validate_within(session, table)


def validate_within(session: Session, table: type[Table], *, written: str | None = None) -> list[Breach]:
    """The same inside an open session. `written`: of these rows alone, of a table whose others are kept.

    Of an incremental build, and of a store's first, pandera is asked where SQL finds a breach: it takes longer than all
    that changed, and a second and 60 MB from who waits for first figures. The nightly full build asks it of all.
    """
    if issubclass(table, KpiTable):
        if not _is_computed_again(session) and not _sql_breaches(session, table, table.full_name()):
            return []
        return _frame_breaches(table, session.query(f"select * from {table.full_name()}"))
    return _sql_breaches(session, table, written or table.full_name())


def _is_computed_again(session: Session) -> bool:
    """Whether the last build kept nothing of one before it, or none was noted."""
    builds = rows_once(session, f"select * from {ops.Builds.full_name()}")
    return all(build["is_full"] and build.get("number") != 1 for build in builds)


def _sql_breaches(session: Session, table: type[Table], rows: str) -> list[Breach]:
    checks = list(table.checks())
    counts = [f"count(*) filter (where {check.broken}) as c{n}" for n, check in enumerate(checks)]
    if table.key:
        keys = ", ".join(f'"{name}"' for name in table.key)
        repeated = f"select count(*) as n from {rows} as t group by {keys} having count(*) > 1"
        counts.append(f"(select coalesce(sum(n - 1), 0) from ({repeated}) as keys) as repeated")
    found = session.query(f"select {', '.join(counts)} from {rows} as t").to_pylist()[0]
    breaches = [
        Breach(table.full_name(), check.column, check.rule, found[f"c{n}"])
        for n, check in enumerate(checks)
        if found[f"c{n}"]
    ]
    if table.key and found["repeated"]:
        breaches.append(Breach(table.full_name(), "", KEY_RULE, int(found["repeated"])))
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
