"""What people correct by hand: whose an identifier is, and what is no opt-out. Each is a fact with who and when.

What belongs here: writing these facts into the live warehouse, and the list of opt-outs that they are about. What does
not: what follows from them (staff.py, frozen.py), notes on days, which correct nothing (ingest/notes.py).

A fact is never changed; of those about one thing the newest counts, from its own instant on. A build counts what was
said by its cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crm_platform.errors import GiveUp, quoted
from crm_platform.models.staff import staff
from crm_platform.schemas import raw
from crm_platform.spellings import plain_words, staff_key
from crm_platform.warehouse import one_commit
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    import datetime as dt

    from crm_platform.models.staff import Person, Staff
    from crm_platform.warehouse import Commit, Session, Warehouse


def rejected_opt_outs(dialect: str) -> str:
    """SELECT the words and messages that are no opt-outs."""
    newest = words(dialect).last_by("is_rejected", '"at"')
    return f"select kind, value from raw.opt_out_rejections group by kind, value having {newest}"


@dataclass(frozen=True, slots=True)
class OptOutWord:
    """A word by which contacts opted out. `last_at`: in UTC, without a zone. `is_rejected`: it is no opt-out.

    `messages`: that are this word; `rejected_messages`: those of them that were rejected one by one.
    """

    word: str
    messages: int
    contacts: int
    rejected_messages: int
    last_at: dt.datetime
    is_rejected: bool


def merge_agents(warehouse: Warehouse, alias: str, agent: str, *, by: str, at: dt.datetime) -> str:
    """Say that an identifier is an agent's; who goes by it is that agent from now on. Returns the agent's name.

    Raises GiveUp where nobody was ever seen under the identifier, or it is that agent's already. An agent who was never
    seen is named by e-mail address: an agent id gets a readable name so.
    """
    with one_commit(warehouse, purpose="a correction") as commit:
        known = staff(commit, cut=at)
        one, other = _required(known, alias), known.person(agent)
        if other is None and "@" not in agent:
            raise _unknown(agent)
        if one == other:
            raise GiveUp(f"{quoted(alias)} and {quoted(agent)} are one agent's already")
        _note(commit, "merge", alias, agent, by=by, at=at)
    with warehouse.reading() as session:
        return staff(session, cut=at).names[_key(alias)]


def split_agent(warehouse: Warehouse, alias: str, *, by: str, at: dt.datetime) -> None:
    """Say that an identifier is nobody else's: it joins nobody from now on.

    Raises GiveUp where nobody was ever seen under it, or it stands alone already.
    """
    with one_commit(warehouse, purpose="a correction") as commit:
        known = staff(commit, cut=at)
        if not _required(known, alias).aliases:
            raise GiveUp(f"{quoted(alias)} is joined with no other identifier: `crm agents` lists who is")
        _note(commit, "split", alias, None, by=by, at=at)


def _required(known: Staff, identifier: str) -> Person:
    person = known.person(identifier)
    if person is None:
        raise _unknown(identifier)
    return person


def _unknown(identifier: str) -> GiveUp:
    return GiveUp(f"nobody was ever seen under {quoted(identifier)}: `crm agents` lists every identifier")


def _key(identifier: str) -> str:
    return staff_key(identifier) or ""


def _note(
    commit: Commit, kind: Literal["merge", "split"], alias: str, agent: str | None, *, by: str, at: dt.datetime
) -> None:
    last = commit.query("select max(correction_id) as last from raw.agent_corrections")["last"][0].as_py()
    row = {
        "correction_id": (last or 0) + 1,
        "kind": kind,
        "alias": _key(alias),
        "agent": staff_key(agent),
        "at": at,
        "who": by,
    }
    commit.append(raw.AgentCorrections, raw.AgentCorrections.rows([row]))


def opt_out_words(session: Session) -> list[OptOutWord]:
    """Every word by which somebody opted out, the most frequent first."""
    found = session.query(
        f"""
        with rejected as ({rejected_opt_outs(session.dialect)})
        select
            opt_out_word as word,
            count(*) as messages,
            count(distinct chat_id) as contacts,
            count(*) filter (where message_id in (select value from rejected where kind = 'message'))
                as rejected_messages,
            max(timestamp) as last_at,
            max(opt_out_word in (select value from rejected where kind = 'word')) as is_rejected
        from raw.messages
        where is_opt_out and opt_out_word is not null
        group by opt_out_word
        order by messages desc, word
        """
    )
    return [OptOutWord(**{**row, "is_rejected": bool(row["is_rejected"])}) for row in found.to_pylist()]


def reject_opt_out(warehouse: Warehouse, what: str, *, is_rejected: bool, by: str, at: dt.datetime) -> tuple[str, int]:
    """Say that a word, or one message by its id, is no opt-out; or that it is one after all.

    Returns which of the two it is (`word` or `message`), and how many messages are meant. Raises GiveUp where it is
    neither a word that somebody opted out by nor the id of such a message.
    """
    with one_commit(warehouse, purpose="a correction") as commit:
        word = plain_words(what)
        for kind, column, value in (("word", "opt_out_word", word), ("message", "message_id", what)):
            (count,) = commit.query(
                f"select count(*) as n from raw.messages where is_opt_out and {column} = ?", [value]
            )["n"].to_pylist()
            if count:
                row = {"kind": kind, "value": value, "at": at, "who": by, "is_rejected": is_rejected}
                commit.append(raw.OptOutRejections, raw.OptOutRejections.rows([row]))
                return kind, count
    raise GiveUp(
        f"{quoted(what)} is no word that anybody opted out by, and no id of such a message: `crm optouts` lists them"
    )
