"""What a build touches: core rows that are not as they were, and the keys of KPI tables that these count for.

What belongs here: putting the rows of changed chats in the place of those before, keeping those that differ, and which
keys of a KPI table are computed again for them. What does not: which chats have changed (incremental.py), the SELECT
over these keys (generate.py).

A figure is an aggregate of rows by its table's key, so a key keeps its figures where no row of it was touched, and
nothing else that decides them is another: the declaration, the settings, the local day of the cut, the other tables
that its rows are joined with. Where figures name the cut itself (`as_of`), the keys of its day are computed again, of a
table by day; another such table is always computed in full. What a table says of its coverage is never kept.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, TypeGuard

from crm_platform.models.generate import figures, source
from crm_platform.models.incremental import SCHEMA, built_tables, by_chat, of_chats, put_in
from crm_platform.models.names import names_in, tables_in
from crm_platform.models.once import digest_once, rows_once
from crm_platform.models.render import beside, code_version, expand, template_path, vocabulary
from crm_platform.schemas import KpiTable, Table, ops
from crm_platform.schemas.figures import Figure, Rows
from crm_platform.tables import TABLES
from crm_platform.warehouse.digests import line_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crm_platform.models.cut import Cut
    from crm_platform.settings import Settings
    from crm_platform.warehouse import BuildSession, Session

KEYS = "touched_keys"
"""Temporary table: the keys to compute again."""

BEFORE = "rows_before"
"""Temporary table: the rows of the last build."""

_OUT = "taken_out"
PUT_IN = "is_put_in"
"""Column of rows that differ: whether it is a row of now."""


def renew(session: BuildSession, table: type[Table], *, chats: str, selects: Iterable[str]) -> tuple[int, int]:
    """Put rows that are computed again in the place of those of some chats.

    Returns how many were touched by that, and how many were put in. `selects`: gives the SELECT of each part of the new
    rows when it may run. Those that were taken out or put in, and not both, are kept for the figures that are made of
    them.
    """
    name = table.full_name()
    session.execute(
        f"create or replace temp table {_OUT} as select rowid as place, * from {name} where {of_chats(name, chats)}"
    )
    session.execute(f"delete from {name} where rowid in (select place from {_OUT})")
    written = put_in(table)
    session.execute(f"create schema if not exists {SCHEMA}")
    session.execute(f"create or replace table {written} as from {name} limit 0")
    for select in selects:
        session.execute(f"insert into {written} by name select * from ({select})")
    put = session.extend(table, f"from {written}")
    row = line_sql(f'"{column}"' for column in table.columns)
    session.execute(
        f"create or replace table {_kept(table)} as"
        f" select * exclude (place), false as {PUT_IN} from {_OUT} where {row} not in (select {row} from {written})"
        f" union all select *, true as {PUT_IN} from {written} where {row} not in (select {row} from {_OUT})"
    )
    return int(session.query(f"select count(*) as n from {_kept(table)}")["n"][0].as_py()), put


def _kept(table: type[Table]) -> str:
    return f"{SCHEMA}.{table.table}"


def differing_rows(session: Session, table: type[Table], *, than: str | None) -> str | None:
    """Name of the relation of a table's rows that differ from those of a build by its identity, before and now.

    A column `is_put_in` tells those of now. None where it is not known: the build is not the one before, or the table
    was computed as a whole.
    """
    if than is None or not by_chat(table):
        return None
    (build,) = rows_once(session, f"select * from {ops.Builds.full_name()}")
    its = built_tables(session).get(table.full_name()) if build.get("stands_on") == than else None
    if its is None:
        return None
    if its["build"] != build["number"] or its["since"] != build["number"] - 1 or its["touched"] is None:
        return None
    return _kept(table) if its["touched"] else f"(select *, true as {PUT_IN} from {table.full_name()} limit 0)"


def can_keep_keys(table: type[Table]) -> TypeGuard[type[KpiTable]]:
    """Whether every figure of a table is one of its rows by the whole key, and says nothing of the cut's instant.

    A table by day may: its figures do so of the cut's own day alone.
    """
    if not issubclass(table, KpiTable) or template_path(table) is not None or not figures(table):
        return False
    if not table.key or isinstance(table.seen, Figure):
        return False
    own = figures(table).values()
    by_key = all(
        set(table.key) <= figure.rows.by.keys()
        and figure.grain in {None, table.key}
        and not figure.is_own_part
        and by_chat(figure.rows.source)
        for figure in own
    )
    named = names_in(" , ".join(text for rows in _all_rows(table) for text in _texts(table, rows)))
    return by_key and "gap_day" not in named and ("as_of" not in named or table.period == "day")


def _texts(table: type[KpiTable], rows: Rows) -> list[str]:
    """All that is declared of rows, and of the figures that are made of them, as SQL."""
    found = [rows.where, rows.joins, *rows.by.values(), *rows.extra.values()]
    for figure in figures(table).values():
        if figure.rows is rows:
            found += [figure.value, figure.where, figure.part, figure.over, figure.given, *figure.uses]
            if figure.file:
                found.append(beside(table, f"{figure.file}.sql").read_text(encoding="utf-8"))
    return [text for text in found if text]


def frame_of(session: Session, table: type[KpiTable], cut: Cut, settings: Settings) -> str:
    """Digest of all that decides a table's figures beside the rows that they are aggregates of."""
    words = vocabulary(dialect=session.dialect, settings=settings, cut=cut)
    put = _expander(words)
    others = {name for rows in _all_rows(table) for name in _joined(table, rows, put) if not by_chat(TABLES[name])}
    held = {name: digest_once(session, TABLES[name]) for name in sorted(others)}
    noted = [build["settings"] for build in rows_once(session, f"select * from {ops.Builds.full_name()}")]
    parts = [code_version(table), str(words["cut_day"]), held, noted]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _expander(words: dict[str, object]) -> Callable[[str], str]:
    """A function that puts texts in the words of the templates into SQL."""
    return lambda text: expand(text, {**words, "rows": "rows"})  # of a file its own relation


def _all_rows(table: type[KpiTable]) -> list[Rows]:
    return list(dict.fromkeys(figure.rows for figure in figures(table).values()))


def _joined(table: type[KpiTable], rows: Rows, put: Callable[[str], str]) -> set[str]:
    """The tables that rows and their figures read beside the one whose rows they are."""
    return {name for text in _texts(table, rows) for name in tables_in(put(text))}


def find_keys(session: BuildSession, table: type[KpiTable], cut: Cut, settings: Settings, *, frame: str) -> bool:
    """Fill the temporary tables of what to compute again of a table, and of its rows so far; False: all of it."""
    built = built_tables(session)
    mine = built.get(table.full_name())
    if mine is None or mine["frame"] != frame:
        return False
    words = vocabulary(dialect=session.dialect, settings=settings, cut=cut)
    put = _expander(words)
    for rows in _all_rows(table):
        joined = {name for name in _joined(table, rows, put) if by_chat(TABLES[name])}
        for name in (rows.source.full_name(), *joined):
            its = built.get(name)
            if its is None or its["build"] != cut.number or its["since"] != mine["build"]:
                return False
            if name in joined and its["touched"]:
                return False
    keys = ", ".join(f'"{name}"' for name in table.key)
    session.execute(f"create or replace temp table {BEFORE} as from {table.full_name()}")
    touched = [f"select {keys} from {BEFORE} limit 0"]
    touched += [_counted(table, rows, put) for rows in _all_rows(table) if built[rows.source.full_name()]["touched"]]
    if table.period == "day":
        day = f'"{table.key[table.key.index("day")]}"'
        touched.append(f"select {keys} from {BEFORE} where {day} >= {words['cut_day']}")
    if table.keys:
        touched.append(f"select {keys} from (select {keys} from {put(table.keys)} except select {keys} from {BEFORE})")
    found = " union all ".join(f"({one})" for one in touched)
    session.execute(f"create or replace temp table {KEYS} as select distinct {keys} from ({found})")
    return True


def _counted(table: type[KpiTable], rows: Rows, put: Callable[[str], str]) -> str:
    """SELECT the keys that touched rows count for: rows that differ in a column that is read of them here."""
    by = ", ".join(f'{put(rows.by[name])} as "{name}"' for name in table.key)
    named = names_in(put(" , ".join(_texts(table, rows))))
    read = ", ".join(f'"{name}"' for name in rows.source.columns if name in named)
    more = f"sum(case when {PUT_IN} then 1 else -1 end)"
    differing = f"(select {read} from {_kept(rows.source)} group by {read} having {more} <> 0)"
    return f"select distinct {by} {source(rows, put, of=differing)}"
