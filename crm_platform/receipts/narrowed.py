"""A snapshot narrowed to some of its contacts, agents, teams or origins: the same tables, fewer rows.

What belongs here: which rows stay, which figures can be told of them. What does not: what people type to choose them
(serving/), how a figure is computed (metrics/, models/).

A narrowed snapshot is a database over the published one. Its `core` has the rows that stay, its `kpi` what the same
SELECTs as a build's give over these. So a figure, its receipt and the rows behind it follow by themselves. A figure
whose rows do not say whose they are cannot be narrowed: it is NULL, and a table without any other is not there.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from crm_platform.models import Cut, build_order, dependencies, render
from crm_platform.models.generate import figures, used
from crm_platform.models.names import tables_in
from crm_platform.publish import Manifest
from crm_platform.publish.files import literal
from crm_platform.receipts.behind import OpenedSnapshot, database_path
from crm_platform.schemas import CoreTable, KpiTable, Table, Type
from crm_platform.settings import Settings
from crm_platform.tables import TABLES

SEGMENT: Final = "segment:"
"""Begins the dimension of a segment field; the field's name follows."""
OF_CONTACTS: Final = frozenset({"segment", "country"})
OF_AGENTS: Final = frozenset({"agent", "team"})
ORIGIN: Final = "origin"
DIMENSIONS: Final = ("segment", "country", "team", "agent", ORIGIN)
"""What a snapshot can be narrowed by, as addresses name it."""

NOBODY: Final = {"agent": "(unassigned)", "team": "(no team)", ORIGIN: "(none)"}
"""What tables call the value of who or what has none."""
_EVERYTHING: Final = frozenset(DIMENSIONS)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is chosen: for each dimension (`agent`, `segment:city`, …) the values of which one must hold.

    Values are those of kpi.support_by: `(unassigned)`, `(no team)`, `(unknown)` and `(none)` where there is none.
    """

    chosen: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, chosen: Iterable[tuple[str, str]]) -> Narrowing:
        """From pairs of dimension and value; a dimension's second value widens, another dimension narrows."""
        values: dict[str, set[str]] = {}
        for dimension, value in chosen:
            values.setdefault(dimension, set()).add(value)
        return cls(tuple((dimension, tuple(sorted(values[dimension]))) for dimension in sorted(values)))

    def __bool__(self) -> bool:
        return bool(self.chosen)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Dimension and value, one pair a value."""
        return [(dimension, value) for dimension, values in self.chosen for value in values]

    @property
    def filters(self) -> dict[str, str]:
        """What is chosen, as a claim says it: dimensions and their values."""
        return {dimension: ", ".join(values) for dimension, values in self.chosen}

    @property
    def kinds(self) -> frozenset[str]:
        """Names of DIMENSIONS that something is chosen of."""
        return frozenset(dimension.partition(":")[0] for dimension, _ in self.chosen)

    def only(self, kinds: frozenset[str]) -> Narrowing:
        """What is chosen of some kinds of dimensions alone."""
        return Narrowing(tuple(one for one in self.chosen if one[0].partition(":")[0] in kinds))

    def tells(self, table: str, column: str = "") -> bool:
        """Whether a column of a table, by its full name, can be told of the chosen ones alone; without one, any."""
        declared = TABLES.get(table)
        if not self or declared is None:
            return not self
        if not issubclass(declared, KpiTable):
            return self.kinds <= _kinds_of(declared)
        if not any(self.kinds <= narrowed_by(table, one) for one in _numbers(declared)):
            return False
        return column not in declared.columns or self.kinds <= narrowed_by(table, column)


@functools.cache
def narrowed_by(table: str, column: str) -> frozenset[str]:
    """The kinds of dimensions that a column of a KPI table, by its full name, can be narrowed by.

    A key, a mark of the row and a yes or no about what is known hold for any of its rows.
    """
    declared = TABLES[table].columns[column]
    figure = declared.figure
    if figure is None or declared.type is Type.BOOLEAN:
        return _EVERYTHING
    source = figure.rows.source
    if issubclass(source, KpiTable):
        # What an expression takes stands in its words where no macro hides it; else it may take any of them.
        numbers = _numbers(source)
        taken = [name for name in used(figure, str) if name in numbers] or numbers
        found = frozenset.intersection(*(narrowed_by(source.full_name(), name) for name in taken))
    else:
        found = _kinds_of(source)
    return found - set(figure.not_by)


def _kinds_of(table: type[Table]) -> frozenset[str]:
    found: frozenset[str] = OF_CONTACTS if "chat_id" in table.columns else frozenset()
    if issubclass(table, CoreTable) and table.done_by:
        found |= OF_AGENTS
    return found | {ORIGIN} if ORIGIN in table.columns else found


class NarrowedConnection:
    """A database of what is left of a snapshot's tables, asked by cursor. Threads may share it.

    Its KPI tables are computed when they are first asked for: most pages ask for few.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, kpis: Mapping[str, str]) -> None:
        self._connection, self._kpis, self._made = connection, kpis, set[str]()
        self._lock = threading.RLock()

    def cursor(self) -> NarrowedConnection:
        """Itself: each question has a cursor of its own."""
        return self

    def sql(self, query: str, *, params: object = None) -> duckdb.DuckDBPyRelation:
        """Run a SELECT, for many rows as Arrow."""
        self._make(query)
        return self._connection.cursor().sql(query, params=params)

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Run a SELECT of few rows."""
        self._make(query)
        return self._connection.cursor().execute(query, parameters)

    def _make(self, sql: str) -> None:
        for name in tables_in(sql) & self._kpis.keys() - self._made:
            with self._lock:
                if name not in self._made:
                    self._make(self._kpis[name])
                    # Types are those of the published table.
                    made = f"create table {name} as from snapshot.{name} limit 0"
                    self._connection.cursor().execute(f"{made}; insert into {name} by name {self._kpis[name]}")
                    self._made.add(name)


def narrow(snapshot: OpenedSnapshot, narrowing: Narrowing) -> tuple[Manifest, NarrowedConnection]:
    """Narrow a published snapshot: what it says of itself, and a connection to what is left of its tables.

    Raises duckdb.Error where its file cannot be opened. The snapshot must have receipts (`manifest.settings`).
    """
    manifest = snapshot.manifest
    connection = duckdb.connect()
    # Who stays is decided first: the engine would put it last, after all days have been tried with all waits.
    connection.execute("set disabled_optimizers = 'join_order'")
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach {literal(str(database_path(snapshot.connection)))} as snapshot (read_only)")
    connection.execute("create schema core; create schema kpi")
    connection.execute(f"create table people as {_people(narrowing)}")
    core = [name for name in manifest.tables if name.startswith("core.")]
    for name in core:
        connection.execute(f"create view {name} as {_rows(name, narrowing)}")
    kpis, told = {}, set(core)
    for name, select in _kpi_selects(manifest).items():
        columns = _columns(name, narrowing)
        # What nobody is told of stays whole for what is summed up from it and from others.
        kpis[name] = f"select * from snapshot.{name}" if columns is None else f"select {columns} from ({select})"
        if columns is not None:
            told.add(name)
    kept = {name: entry for name, entry in manifest.tables.items() if name in told}
    return manifest.model_copy(update={"tables": kept}), NarrowedConnection(connection, kpis)


def _people(narrowing: Narrowing) -> str:
    """The contacts that are chosen; every chat where contacts are not chosen by what they are."""
    conditions = [
        "chat_id in (select chat_id from snapshot.core.contact_groups"
        f" where dimension = {literal(dimension)} and value in ({_listed(values)}))"
        for dimension, values in narrowing.only(OF_CONTACTS).chosen
    ]
    return f"select chat_id from snapshot.core.chats where {' and '.join(conditions) or 'true'}"


def _rows(name: str, narrowing: Narrowing) -> str:
    """SELECT the rows of a core table that stay."""
    table = TABLES.get(name)
    if table is None or not issubclass(table, CoreTable):
        return f"select * from snapshot.{name}"
    conditions, blanks = [], {}
    if "chat_id" in table.columns and narrowing.only(OF_CONTACTS):
        conditions.append("chat_id in (select chat_id from people)")
    agents = narrowing.only(OF_AGENTS)
    if table.done_by and agents:
        theirs = {agent: _is_done_by(agent, agents) for agent, _ in table.done_by}
        conditions.append(f"({' or '.join(theirs.values())})")
        blanks = {column: theirs[agent] for agent, columns in table.done_by for column in columns}
    for _, values in narrowing.only(frozenset({ORIGIN})).chosen:
        if ORIGIN in table.columns:
            conditions.append(_is_one_of(ORIGIN, values, nobody=NOBODY[ORIGIN]))
    told = "".join(f", case when {own} then {column} end as {column}" for column, own in blanks.items())
    picked = f"* exclude ({', '.join(blanks)}){told}" if blanks else "*"
    if name == "core.chats":
        # Tables by day begin where they begin for everyone.
        picked += """, (
            select min(starts_at) from snapshot.core.calendar
            where day >= (select min(day) from snapshot.kpi.response_times_daily)
        ) as oldest_counted_at"""
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {picked} from snapshot.{name}{where}"


def _is_done_by(agent: str, narrowing: Narrowing) -> str:
    """Whether an agent, an expression, is one of those chosen, and of the teams chosen."""
    conditions = [
        _is_of_team(agent, values) if dimension == "team" else _is_one_of(agent, values, nobody=NOBODY[dimension])
        for dimension, values in narrowing.chosen
    ]
    return f"({' and '.join(conditions)})"


def _is_of_team(agent: str, values: tuple[str, ...]) -> str:
    """Whether an agent is of one of some teams, of which one may be none."""
    members = "select agent from snapshot.core.agent_teams"
    is_theirs = f"({agent}) in ({members} where team in ({_listed(values)}))"
    if NOBODY["team"] in values:
        return f"coalesce({is_theirs} or ({agent}) not in ({members}), true)"
    return f"coalesce({is_theirs}, false)"


def _is_one_of(value: str, values: tuple[str, ...], *, nobody: str) -> str:
    return f"coalesce({value}, {literal(nobody)}) in ({_listed(values)})"


def _columns(name: str, narrowing: Narrowing) -> str | None:
    """The columns of a KPI table, NULL where they cannot be narrowed; None where no figure can."""
    table = TABLES[name]
    assert issubclass(table, KpiTable)
    if not narrowing.tells(name):
        return None
    return ", ".join(
        f'"{column}"' if narrowing.tells(name, column) else f'case when false then "{column}" end as "{column}"'
        for column in table.columns
    )


def _numbers(table: type[KpiTable]) -> list[str]:
    """The columns that hold figures, but for those that say yes or no about a row."""
    return [name for name in figures(table) if table.columns[name].type is not Type.BOOLEAN]


def _kpi_selects(manifest: Manifest) -> Mapping[str, str]:
    return _selects(json.dumps(manifest.settings, sort_keys=True), manifest.as_of, frozenset(manifest.tables))


@functools.lru_cache(maxsize=4)
def _selects(settings: str, as_of: dt.datetime, published: frozenset[str]) -> dict[str, str]:
    """The SELECTs that fill the KPI tables from published ones alone, in the order of their building."""
    values: dict[str, Any] = json.loads(settings)
    built_with = Settings.model_construct(**values)
    cut = Cut(as_of=as_of, rows={})
    return {
        table.full_name(): render(table, dialect="duckdb", settings=built_with, cut=cut)
        for table in build_order()
        if issubclass(table, KpiTable) and dependencies(table) <= published and table.full_name() in published
    }


def _listed(values: Iterable[str]) -> str:
    return ", ".join(map(literal, values))
