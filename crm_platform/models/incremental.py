"""Computing again only what has changed: which chats have, and a template's SELECT narrowed to them.

What belongs here: telling a changed chat from one that is the same, which tables may keep their rows, the narrowing.
What does not: reading rows out of the live warehouse (frozen.py), running the SELECT (run.py).

A table that `is_by_chat` follows, chat by chat, from the frozen rows of that chat. So a chat's frozen rows are
digested; where the digest is the last build's, so are the chat's rows in every such table. It does not matter why or in
which order anything came, what was changed or taken away, or whether the cut moved on or back: only what there is to
compute from. What a row counts for is digested, too: whether its time has come, whose its sender is. All
that decides a row besides (the templates, the settings, the engine) is the basis; with another one nothing is kept.

A visit that found nothing new is no change of a chat, but the start of the last one stands in some tables. It decides
more than that only of chats with an unfinished conversation, which time ends, and where it goes back.

Every build has a number. A chat notes the build that found it changed, a table the build it stands for: the chats that
changed after that one are to be computed again, however many builds were given up in between.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crm_platform import core
from crm_platform.models.changed import LOOKED_AT, OTHERS, Since
from crm_platform.models.names import with_tables
from crm_platform.models.once import once, rows_once
from crm_platform.models.render import code_version, dependencies, words_of
from crm_platform.schemas import CoreTable, RawTable, Table, ops, raw
from crm_platform.tables import TABLES
from crm_platform.warehouse.digests import digest_sql, line_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from crm_platform.models.cut import Cut
    from crm_platform.warehouse import BuildSession, Session

_log = logging.getLogger(__name__)

FULL_FROM = 0.5
"""Share of changed chats from which all are computed anew: taking rows out costs, too."""

SMALL = 500
"""So few changed chats are computed in one transaction."""

MOVED = "moved"
"""Temporary table: the chats that may be another than in the build before."""

_VISITED = "known_until"
_SAME_VISIT = "visits.known_until is not distinct from before.known_until"

BYTES_A_LINE = 1_500
"""Bytes of memory for each frozen row by which chats are cut into the smallest parts; a table takes as many as fit."""


SCHEMA = "touched"
"""Where a build keeps what it put into tables by chat, and what differs from the build before."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a build finds changed. `number`: its own.

    `newest`: the newest commit of the journal that it saw; `looked_at`: how many chats it looked at, None: all;
    `missed`: how many had changed without the journal's knowledge, None where that was not asked. `stands_on`: the
    identity of the build before, None where nothing of it is kept.
    """

    number: int
    is_full: bool
    chats: int
    changed_chats: int
    newest: str | None = None
    looked_at: int | None = None
    missed: int | None = None
    stands_on: str | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What rows of a table mean besides what they say: more tables, one row for each, and expressions."""

    joins: str = ""
    expressions: tuple[str, ...] = ()


def by_chat(table: type[Table]) -> bool:
    """Whether each row of a table follows from the rows of its own chat."""
    return issubclass(table, CoreTable) and table.is_by_chat


def chat_inputs() -> list[type[Table]]:
    """The frozen tables that those by chat are computed from, where they have rows of a chat.

    Of a contact that is left out nothing else is frozen: the row that says so is the trace that it leaves.
    """
    read = {name for table in TABLES.values() if by_chat(table) for name in dependencies(table)}
    read.add(core.ExcludedContacts.full_name())
    return [TABLES[name] for name in sorted(read) if "chat_id" in TABLES[name].columns and not by_chat(TABLES[name])]


def basis_of(session: Session, *, figures: Mapping[str, object], copied: Mapping[type[Table], str]) -> str:
    """Digest of all that decides the rows of a chat but its own data.

    `figures`: the settings that change a figure; `copied`: by what SELECT each table is read whose copied rows stay.
    """
    parts = {
        "tables": {table.full_name(): code_version(table) for table in TABLES.values() if by_chat(table)},
        "inputs": [repr((table.full_name(), sorted(table.columns.items()))) for table in (*chat_inputs(), *copied)],
        "copied": list(copied.values()),
        "settings": figures,
        "engine": session.query("select version() as version")["version"].to_pylist(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_columns(table: type[Table]) -> list[str]:
    """Columns of an input that templates of tables by chat may read."""
    words = set[str]()
    for reader in TABLES.values():
        if by_chat(reader) and table.full_name() in dependencies(reader):
            words |= words_of(reader)
    return [name for name, column in table.columns.items() if not column.stays_raw and name in words]


def note_changes(
    session: BuildSession,
    *,
    unfrozen: Callable[[type[RawTable], str], str],
    meanings: Mapping[type[Table], Meaning],
    since: Since,
    full: bool,
) -> Changes:
    """Find the chats that have changed since the last build, and note them in ops.chat_inputs.

    `unfrozen`: gives for a table of `raw.BY_CHAT` the SELECT of its rows known by the cut, of some chats (a SELECT,
    empty: of all); all other inputs are frozen already. `meanings`: by table what decides, beside its columns, what a
    row counts for. Full when it is asked for, by another basis, when most chats have changed, or when there is no trace
    left of a chat: then nothing of it may stay.
    """
    last, number = since.last, since.number
    chosen = f"from {LOOKED_AT}" if since.is_told and not full else ""
    seen = session.query(f"select count(*) as n from {LOOKED_AT}")["n"][0].as_py() if chosen else None
    many = {table: unfrozen(table, chosen) for table in raw.BY_CHAT}
    others = [table for table in chat_inputs() if table not in many]
    _digest_lines(session, "fresh", [_lines(table, source, meanings) for table, source in many.items()])
    noted, visits = ops.ChatInputs.full_name(), ops.CrawlState.full_name()
    is_told_of_all = bool(chosen) and since.is_told_of_others
    if is_told_of_all:
        session.execute(f"create or replace temp table {MOVED} as {chosen} union from {OTHERS}")
    sources = {one: _of_moved(one.full_name()) if is_told_of_all else one.full_name() for one in others}
    _digest_lines(session, "fresh_others", [_lines(table, source, meanings) for table, source in sources.items()])
    if chosen and not is_told_of_all:
        _find_moved(session, chosen)
    moved = f"from {MOVED}" if chosen else "select chat_id from fresh union select chat_id from fresh_others"
    session.execute(
        f"""
        create temp table found as
        with inputs as (
            select
                moved.chat_id as chat_id,
                coalesce(ours.digest, kept.digest) as digest,
                others.digest as other_digest,
                coalesce(ours.lines, kept.lines - kept.other_lines, 0) + coalesce(others.lines, 0) as lines,
                coalesce(others.lines, 0) as other_lines
            from ({moved}) as moved
            left join fresh as ours on ours.chat_id = moved.chat_id
            left join ({f"from {noted} where chat_id not in ({chosen})" if chosen else f"from {noted} limit 0"}) as kept
                on kept.chat_id = moved.chat_id
            left join fresh_others as others on others.chat_id = moved.chat_id
            where coalesce(ours.digest, kept.digest, others.digest) is not null
        )
        select
            fresh.chat_id as chat_id,
            fresh.digest as digest,
            fresh.other_digest as other_digest,
            case
                when before.digest is not distinct from fresh.digest
                    and before.other_digest is not distinct from fresh.other_digest
                    and ({_SAME_VISIT} or visits.known_until > before.known_until and unfinished.chat_id is null)
                then before.changed_in
                else {number}
            end as changed_in,
            visits.known_until as known_until,
            case when {_SAME_VISIT} then before.visited_in else {number} end as visited_in,
            fresh.lines as lines,
            fresh.other_lines as other_lines,
            cast(
                floor((sum(fresh.lines) over (order by fresh.chat_id) - fresh.lines) / {_at_once(session)}) as bigint
            ) + {f"(select coalesce(max(part), 0) + 1 from {noted})" if chosen else 0} as part
        from inputs as fresh
        left join {noted} as before on before.chat_id = fresh.chat_id
        left join {visits} as visits on visits.chat_id = fresh.chat_id
        left join ({_unfinished(session)}) as unfinished on unfinished.chat_id = fresh.chat_id
        """
    )
    missed = f"""select count(*) from found join {noted} as before on before.chat_id = found.chat_id
        where before.digest is distinct from found.digest and found.chat_id not in (from {LOOKED_AT})"""
    gone = f"select count(*) from {noted} where chat_id not in (select chat_id from found)"
    (counted,) = session.query(
        f"""
        select
            (select count(*) from found where changed_in = {number}) as changed,
            ({f"{gone} and chat_id in ({moved})" if chosen else gone}) as gone,
            ({missed if since.is_told and not chosen else "null"}) as missed
        """
    ).to_pylist()
    if counted["missed"]:
        _log.warning("%d chats had changed, and ops.changes did not say so: computed anew", counted["missed"])
    if chosen:
        session.execute(f"delete from {noted} where chat_id in ({moved})")
        session.extend(ops.ChatInputs, "from found")
    else:
        session.replace(ops.ChatInputs, "from found")
    chats, changed = session.query(f"select count(*) as n from {noted}")["n"][0].as_py(), int(counted["changed"])
    is_full = full or not since.is_same or bool(counted["gone"]) or changed > FULL_FROM * max(chats, 1)
    if is_full:
        session.execute(f"update {noted} set changed_in = {number}, visited_in = {number}")
        session.execute(f"delete from {ops.BuiltTables.full_name()}")
    return Changes(
        number,
        is_full,
        chats,
        chats if is_full else changed,
        newest=since.newest,
        looked_at=seen,
        missed=counted["missed"],
        stands_on=None if last is None or is_full else last.get("identity"),
    )


def _of_moved(name: str) -> str:
    return f"from {name} where chat_id in (from {MOVED})"


def _find_moved(session: BuildSession, chosen: str) -> None:
    """Make a temporary table of the chats that may be another: those looked at, visited, or with other rows besides."""
    session.execute(
        f"""
        create or replace temp table {MOVED} as
        {chosen}
        union
        select coalesce(fresh.chat_id, before.chat_id) as chat_id
        from fresh_others as fresh
        full outer join {ops.ChatInputs.full_name()} as before on before.chat_id = fresh.chat_id
        left join {ops.CrawlState.full_name()} as visits on visits.chat_id = fresh.chat_id
        where before.other_digest is distinct from fresh.digest or not ({_SAME_VISIT})
        """
    )


def _digest_lines(session: BuildSession, name: str, lines: Iterable[str]) -> None:
    """Make a temporary table of the digest of the rows of each chat, and how many they are."""
    session.execute(
        f"""
        create temp table {name} as
        select chat_id, {digest_sql("line")} as digest, count(*) as lines
        from ({" union all ".join(lines)})
        group by chat_id
        """
    )


def _lines(table: type[Table], source: str, meanings: Mapping[type[Table], Meaning]) -> str:
    """SELECT the chat and the hash of each row of an input, of its name or a SELECT of some of its rows."""
    parts = [f"'{table.full_name()}'", *(f'"{name}"' for name in _read_columns(table) if name != _VISITED)]
    meaning = meanings.get(table, Meaning())
    parts += meaning.expressions
    source = source if source == table.full_name() else f"({source})"
    lines = f"select chat_id, {line_sql(parts)} as line from {source} {meaning.joins}"
    if table is raw.Messages:  # a message that is kept in another chat is a line of that one, too
        kept = "'kept', duplicate_of, chat_id, message_id"
        lines += f" union all select duplicate_of, {line_sql([kept])} from {source} where duplicate_of is not null"
    return lines


def _unfinished(session: Session) -> str:
    """SELECT the chats with a conversation that was not over by the last build; all where that is not known."""
    if core.ConversationSpans.full_name() in built_tables(session):
        return f"select distinct chat_id from {core.ConversationSpans.full_name()} where not is_over"
    return f"select chat_id from {ops.ChatInputs.full_name()}"


def changed_chats(since: int, *, table: type[Table] | None = None) -> str:
    """SELECT the chats that have changed since a build, for a table that computes from visits those visited, too."""
    return f"select chat_id from {_changed(since, table)}"


def of_chats(name: str, chats: str) -> str:
    """Condition on the rows of a table that they are of some chats, a SELECT.

    By their place: where they are few, other columns are then read there alone.
    """
    return f"rowid in (select rowid from {name} where chat_id in ({chats}))"


def _changed(since: int, table: type[Table] | None) -> str:
    return f"{ops.ChatInputs.full_name()} where {_has_changed(since, table)}"


def _has_changed(since: int, table: type[Table] | None) -> str:
    visited = f" or visited_in > {since}" if table is not None and _computes_visits(table) else ""
    return f"(changed_in > {since}{visited})"


def _computes_visits(table: type[Table]) -> bool:
    return ops.CrawlState.full_name() in dependencies(table)


def kept_since(session: Session, table: type[Table], cut: Cut) -> int | None:
    """The build whose rows a table may keep where chats have not changed since; None: compute all of it.

    What it reads must stand for this cut already, and it must not itself: who asks for it twice wants it anew.
    """
    if cut.number is None or not by_chat(table) or not _reads_this_cut(session, table, cut):
        return None
    noted = built_tables(session).get(table.full_name())
    return int(noted["build"]) if noted is not None and noted["build"] < cut.number else None


def note_built(
    session: BuildSession,
    table: type[Table],
    cut: Cut,
    *,
    since: int | None = None,
    touched: int | None = None,
    frame: str | None = None,
) -> None:
    """Note that a table's rows stand for this cut, unless it was computed from one that does not.

    `since`: the build whose rows it kept, but for so many that were `touched`; `frame`: of figures, what decides them
    besides. A table whose rows no build keeps is not noted.
    """
    if cut.number is None or not (by_chat(table) or frame):
        return
    forget_built(session, table)
    if not ops.BuiltTables.columns.keys() <= set(_columns(session, ops.BuiltTables)):
        return  # an older version has frozen
    if _reads_this_cut(session, table, cut):
        note = {"name": table.full_name(), "build": cut.number, "since": since, "touched": touched, "frame": frame}
        session.append(ops.BuiltTables, ops.BuiltTables.rows([note]))
        built_tables(session)[table.full_name()] = note


def forget_built(session: BuildSession, table: type[Table]) -> None:
    """Forget which cut a table's rows stand for: the next build computes all of it."""
    if built_tables(session).pop(table.full_name(), None) is not None:
        session.erase(ops.BuiltTables, column="name", values=[table.full_name()])


def _reads_this_cut(session: Session, table: type[Table], cut: Cut) -> bool:
    built = built_tables(session)
    read = (name for name in dependencies(table) if by_chat(TABLES[name]))
    return all(name in built and built[name]["build"] == cut.number for name in read)


def built_tables(session: Session) -> dict[str, dict[str, Any]]:
    """What is noted of each table whose rows are kept from build to build, by full name: rows of ops.built_tables."""

    def ask() -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in session.query(f"select * from {ops.BuiltTables.full_name()}").to_pylist()}

    found: dict[str, dict[str, Any]] = once(session, ops.BuiltTables.full_name(), ask)
    return found


def is_small(session: Session) -> bool:
    """Whether so few chats have changed that what is computed again of them is a small part of memory."""
    builds = session.query(f"select * from {ops.Builds.full_name()}").to_pylist()
    if len(builds) != 1 or builds[0]["is_full"] or not builds[0].get("number"):
        return False
    since = builds[0]["number"] - 1
    sql = f"select count(*) as n from {ops.ChatInputs.full_name()} where changed_in > {since} or visited_in > {since}"
    return int(session.query(sql)["n"][0].as_py()) <= SMALL


def _columns(session: Session, table: type[Table]) -> list[str]:
    """The columns that a table of notes has: an older version may have made it."""
    sql = f"select * from {table.full_name()} limit 0"
    found: list[str] = once(session, sql, lambda: session.query(sql).column_names)
    return found


def parts(session: BuildSession, table: type[Table], *, since: int) -> list[str]:
    """SELECTs of the chats that have changed since a build, 0: of all; each of as many as fit into memory."""
    assert issubclass(table, CoreTable), "no other table is by chat"
    changed = changed_chats(since, table=table)
    if "part" not in _columns(session, ops.ChatInputs):
        return [changed]  # an older version has frozen
    sizes = rows_once(
        session, f"select part, sum(lines) as lines from {_changed(since, table)} group by part order by part"
    )
    begins: list[int] = []
    room = 0
    for size in sizes:
        if size["lines"] > room:
            begins.append(size["part"])
            room = session.memory // table.bytes_a_line
        room -= size["lines"]
    if len(begins) <= 1:
        return [changed]
    return [
        f"{changed} and part >= {first}" + (f" and part < {after}" if after is not None else "")
        for first, after in zip(begins, [*begins[1:], None], strict=True)
    ]


def _at_once(session: BuildSession) -> int:
    """How many frozen rows the smallest part of all chats has."""
    return max(1, session.memory // BYTES_A_LINE)


def put_in(table: type[Table]) -> str:
    """Name of the relation of the rows that the last incremental build of a table by chat put into it."""
    return f"{SCHEMA}.{table.table}_put_in"


def renewed_tables(session: Session, table: type[Table], *, since: int) -> set[str]:
    """Of the tables by chat that a table reads those of which this build put in the rows of every chat to compute.

    `since`: the build whose rows the table keeps. What it reads must stand for this cut.
    """
    built = built_tables(session)
    read = {name: built[name]["since"] for name in dependencies(table) if by_chat(TABLES[name])}
    lacking = ", ".join(
        f'count(*) filter (where not {_has_changed(its, TABLES[name])}) as "{name}"'
        for name, its in read.items()
        if its is not None
    )
    if not lacking:
        return set()
    (found,) = rows_once(session, f"select {lacking} from {_changed(since, table)}")
    return {name for name, chats in found.items() if not chats}


def narrowed(sql: str, renewed: Collection[str] = ()) -> str:
    """A rendered SELECT, reading only the chosen chats; of the tables that are `renewed` what was put in."""

    def chosen(name: str) -> str | None:
        if "chat_id" not in TABLES[name].columns:
            return None
        rows = put_in(TABLES[name]) if name in renewed else name
        return f"select * from {rows} where chat_id in (select chat_id from {ops.ChosenChats.full_name()})"

    return with_tables(sql, chosen)
