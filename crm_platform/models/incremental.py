"""Computing again only what has changed: which chats have, and a template's SELECT narrowed to them.

What belongs here: telling a changed chat from one that is the same, which tables may keep their rows, the narrowing.
What does not: reading rows out of the live warehouse (frozen.py), running the SELECT (run.py).

A table that `is_by_chat` follows, chat by chat, from the frozen rows of that chat. So a chat's frozen rows are
digested; where the digest is the last build's, so are the chat's rows in every such table. It does not matter why or in
which order anything came, what was changed or taken away, or whether the cut moved on or back: only what there is to
compute from. What a row counts for is digested, too: whether its time has come, whose its sender is. All
that decides a row besides (the templates, the settings, the engine) is the basis; with another one nothing is kept.

A visit that found nothing new is no change of a chat, but the start of the last one stands in some tables. It decides
more than that only of chats with an unfinished conversation, which time ends, and where it goes back. Of the others it
is taken over (`take_visits`).

Every build has a number. A chat notes the build that found it changed, a table the build it stands for: the chats that
changed after that one are to be computed again, however many builds were given up in between.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_platform import core
from crm_platform.models.names import with_tables
from crm_platform.models.render import code_version, dependencies, words_of
from crm_platform.schemas import CoreTable, Table, ops, raw
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crm_platform.models.cut import Cut
    from crm_platform.warehouse import Session

FULL_FROM = 0.5
"""Share of changed chats from which all are computed anew: taking rows out costs, too."""

_VISITED = "known_until"
_SAME_VISIT = "visits.known_until is not distinct from before.known_until"

BYTES_A_LINE = 1_500
"""Of memory that a statement takes for each frozen row it reads, at most, as measured."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a build finds changed. `number`: its own."""

    number: int
    is_full: bool
    chats: int
    changed_chats: int


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


def basis_of(session: Session, *, figures: Mapping[str, object]) -> str:
    """Digest of all that decides the rows of a chat but its own data. `figures`: the settings that change a figure."""
    parts = {
        "tables": {table.full_name(): code_version(table) for table in TABLES.values() if by_chat(table)},
        "inputs": [repr((table.full_name(), sorted(table.columns.items()))) for table in chat_inputs()],
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
    session: Session, *, messages: str, meanings: Mapping[type[Table], Sequence[str]], basis: str, full: bool
) -> Changes:
    """Find the chats that have changed since the last build, and note them in ops.chat_inputs.

    `messages`: SELECT of the messages known by the cut, which are not frozen yet; all other inputs are. `meanings`: by
    table SQL of what decides, beside its columns, what a row counts for. Full when it is asked for, by another basis,
    when most chats have changed, or when there is no trace left of a chat: then nothing of it may stay.
    """
    last = session.query(f"select number, basis from {ops.Builds.full_name()}").to_pylist()
    number = 1 + max((row["number"] or 0 for row in last), default=0)
    session.execute(
        f"""
        create temp table found as
        with fresh as (
            select chat_id, concat_ws(' ', count(*), sum(line), bit_xor(line)) as digest, count(*) as lines
            from ({" union all ".join(_lines(table, messages=messages, meanings=meanings) for table in chat_inputs())})
            group by chat_id
        )
        select
            fresh.chat_id as chat_id,
            fresh.digest as digest,
            case
                when before.digest = fresh.digest and (
                    {_SAME_VISIT} or visits.known_until > before.known_until and unfinished.chat_id is null
                ) then before.changed_in
                else {number}
            end as changed_in,
            visits.known_until as known_until,
            case when {_SAME_VISIT} then before.visited_in else {number} end as visited_in,
            fresh.lines as lines,
            cast(
                floor((sum(fresh.lines) over (order by fresh.chat_id) - fresh.lines) / {_at_once(session)}) as bigint
            ) as part
        from fresh
        left join {ops.ChatInputs.full_name()} as before on before.chat_id = fresh.chat_id
        left join {ops.CrawlState.full_name()} as visits on visits.chat_id = fresh.chat_id
        left join ({_unfinished(session)}) as unfinished on unfinished.chat_id = fresh.chat_id
        """
    )
    (counted,) = session.query(
        f"""
        select
            (select count(*) from found) as chats,
            (select count(*) from found where changed_in = {number}) as changed,
            (select count(*) from {ops.ChatInputs.full_name()} where chat_id not in (select chat_id from found)) as gone
        """
    ).to_pylist()
    chats, changed = int(counted["chats"]), int(counted["changed"])
    is_full = (
        full or not last or last[0]["basis"] != basis or bool(counted["gone"]) or changed > FULL_FROM * max(chats, 1)
    )
    anew = f"replace ({number} as changed_in, {number} as visited_in)" if is_full else ""
    noted = f"select * {anew} from found"
    session.replace(ops.ChatInputs, noted)
    if is_full:
        session.execute(f"delete from {ops.BuiltTables.full_name()}")
    return Changes(number, is_full, chats, chats if is_full else changed)


def _lines(table: type[Table], *, messages: str, meanings: Mapping[type[Table], Sequence[str]]) -> str:
    """SELECT the chat and the hash of each row of a frozen table."""
    source = table.full_name()
    parts = [f"'{source}'", *(f'"{name}"' for name in _read_columns(table) if name != _VISITED)]
    parts += meanings.get(table, ())
    if table is raw.Messages:
        source = f"({messages})"
    # Twice: the engine joins the columns' hashes by exclusive or, so the same change in two rows would cancel out.
    lines = f"select chat_id, hash(hash({', '.join(parts)})) as line from {source}"
    if table is raw.Messages:  # a message that is kept in another chat is a line of that one, too
        kept = "'kept', duplicate_of, chat_id, message_id"
        lines += f" union all select duplicate_of, hash(hash({kept})) from {source} where duplicate_of is not null"
    return lines


def _unfinished(session: Session) -> str:
    """SELECT the chats with a conversation that was not over by the last build; all where that is not known."""
    if core.ConversationSpans.full_name() in _built(session):
        return f"select distinct chat_id from {core.ConversationSpans.full_name()} where not is_over"
    return f"select chat_id from {ops.ChatInputs.full_name()}"


def changed_chats(since: int, *, table: type[Table] | None = None) -> str:
    """SELECT the chats that have changed since a build, for a table that computes from visits those visited, too."""
    visited = f" or visited_in > {since}" if table is not None and _computes_visits(table) else ""
    return f"select chat_id from {ops.ChatInputs.full_name()} where (changed_in > {since}{visited})"


def take_visits(session: Session, table: type[Table], *, since: int) -> None:
    """Take over when chats were last visited since a build, where nothing else of a table follows from that."""
    if _VISITED in table.columns and not _computes_visits(table):
        session.execute(
            f"""
            update {table.full_name()} as t set {_VISITED} = chats.{_VISITED}
            from {core.Chats.full_name()} as chats
            where chats.chat_id = t.chat_id and t.{_VISITED} is distinct from chats.{_VISITED}
                and t.chat_id in (select chat_id from {ops.ChatInputs.full_name()} where visited_in > {since})
            """
        )


def _computes_visits(table: type[Table]) -> bool:
    return ops.CrawlState.full_name() in dependencies(table)


def kept_since(session: Session, table: type[Table], cut: Cut) -> int | None:
    """The build whose rows a table may keep where chats have not changed since; None: compute all of it.

    What it reads must stand for this cut already, and it must not itself: who asks for it twice wants it anew.
    """
    if cut.number is None or not by_chat(table) or not _reads_this_cut(session, table, cut):
        return None
    build = _built(session).get(table.full_name())
    return build if build is not None and build < cut.number else None


def note_built(session: Session, table: type[Table], cut: Cut) -> None:
    """Note that a table's rows stand for this cut, unless it was computed from one that does not."""
    if cut.number is None or not by_chat(table):
        return
    session.delete(ops.BuiltTables, column="name", values=[table.full_name()])
    if _reads_this_cut(session, table, cut):
        session.append(ops.BuiltTables, ops.BuiltTables.rows([{"name": table.full_name(), "build": cut.number}]))


def _reads_this_cut(session: Session, table: type[Table], cut: Cut) -> bool:
    built = _built(session)
    return all(built.get(name) == cut.number for name in dependencies(table) if by_chat(TABLES[name]))


def _built(session: Session) -> dict[str, int]:
    rows = session.query(f"select name, build from {ops.BuiltTables.full_name()}").to_pylist()
    return {row["name"]: row["build"] for row in rows}


def parts(session: Session, table: type[Table], *, since: int) -> list[str]:
    """SELECTs of the chats that have changed since a build, 0: of all; each of as many as fit into memory."""
    changed = changed_chats(since, table=table)
    if "part" not in session.query(f"select * from {ops.ChatInputs.full_name()} limit 0").column_names:
        return [changed]  # an older version has frozen
    sizes = session.query(
        f"""
        select part, sum(lines) as lines from {ops.ChatInputs.full_name()}
        where chat_id in ({changed}) group by part order by part
        """
    ).to_pylist()
    begins: list[int] = []
    room = 0
    for size in sizes:
        if size["lines"] > room:
            begins.append(size["part"])
            room = _at_once(session)
        room -= size["lines"]
    if len(begins) <= 1:
        return [changed]
    return [
        f"{changed} and part >= {first}" + (f" and part < {after}" if after is not None else "")
        for first, after in zip(begins, [*begins[1:], None], strict=True)
    ]


def _at_once(session: Session) -> int:
    """How many frozen rows fit into memory with all that is computed from them."""
    return max(1, session.memory // BYTES_A_LINE)


def narrowed(sql: str, *, dialect: str) -> str:
    """A rendered SELECT, reading only the chosen chats."""

    def chosen(name: str) -> str | None:
        if "chat_id" not in TABLES[name].columns:
            return None
        return f"select * from {name} where chat_id in (select chat_id from {ops.ChosenChats.full_name()})"

    return with_tables(sql, chosen, dialect=dialect)
