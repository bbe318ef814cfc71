"""Who of the staff is who: identifiers that are one person's, and the one that stands for them.

What belongs here: reading identifiers out of the raw tables, joining them, applying what people corrected by hand.
What does not: how one identifier is compared with another (spellings.py), writing a correction (corrections.py),
credit (core/).

Identifiers that one message carried together belong to one person; so do those that are joined by others. An e-mail
address stands for them, the first by its bytes; without one the first identifier. An identifier that two people share
joins nobody: without it, what it joins would be two or more parts with an e-mail address each (where there is no
address at all, two or more parts). What was corrected by hand comes last.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.api.scalars import parse_id
from crm_platform.schemas import ops, raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crm_platform.warehouse import Session

ONE_FACT: Final = dt.timedelta(seconds=2)
"""So far apart two tellings of what was done to a chat are of one fact."""

Neighbours = dict[str, set[str]]

# Names that a message may bear its operator's identifiers under; one became `sender`, the others are in `extra`.
_FIELDS: Final = ("operator_email", "agentId", "agent_id", "operator_id", "agent_email")


@dataclass(frozen=True, slots=True)
class Person:
    """One of the staff. `key`: the identifier that stands for all; `name`: its newest spelling; `aliases`: the others.

    `messages`: sent under any of them; `last_seen`: the newest message or event that names one, in UTC without a zone,
    None where none does.
    """

    key: str
    name: str
    aliases: tuple[str, ...]
    messages: int
    last_seen: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody by name. `names`: from each normalised identifier to its person's name; `spellings`: as they came."""

    people: tuple[Person, ...]
    names: Mapping[str, str]
    spellings: frozenset[str]

    def person(self, identifier: str) -> Person | None:
        """Who is meant by an identifier, however it is spelt; None where it was never seen."""
        name = self.names.get(staff_key(identifier) or "")
        return next((one for one in self.people if one.name == name), None)


@dataclass(slots=True)
class _Identifier:
    """What is known of one. `newest`: when it was last spelt, and how, in bytes."""

    newest: tuple[dt.datetime, bytes] | None = None
    messages: int = 0


def staff(session: Session, *, cut: dt.datetime, source: str = "") -> Staff:
    """Who is who by an aware cut. `source`: `live.` where the live tables are attached under that name."""
    seen: defaultdict[str, _Identifier] = defaultdict(_Identifier)
    spellings: set[str] = set()
    together: set[frozenset[str]] = set()
    for identifiers, at, messages in _mentions(session, cut, source):
        keys = {spelling: key for spelling in identifiers if (key := staff_key(spelling))}
        spellings.update(keys)
        together.add(frozenset(keys.values()))
        for spelling, key in keys.items():
            one = seen[key]
            one.newest = max(filter(None, (one.newest, (at, spelling.strip().encode()))))
            one.messages += messages
    corrections = _corrections(session, cut, source)
    stands_for = _standing({*seen, *corrections, *filter(None, corrections.values())}, together, corrections)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, standing in stands_for.items():
        groups[standing].append(key)
    people = []
    for key, aliases in groups.items():
        own, known = seen.get(key), [seen[alias] for alias in aliases if alias in seen]
        people.append(
            Person(
                key=key,
                name=own.newest[1].decode() if own and own.newest else key,
                aliases=tuple(sorted(set(aliases) - {key})),
                messages=sum(one.messages for one in known),
                last_seen=max((one.newest[0] for one in known if one.newest), default=None),
            )
        )
    people.sort(key=lambda one: one.name)
    names = {key: one.name for one in people for key in (one.key, *one.aliases)}
    return Staff(tuple(people), names, frozenset(spellings))


def _mentions(session: Session, cut: dt.datetime, source: str) -> Iterator[tuple[list[str], dt.datetime, int]]:
    """Identifiers that stood together, when they last did, and how many messages that says were sent so."""
    at = cut.astimezone(dt.UTC).replace(tzinfo=None)
    messages = f"""from {source}{raw.Messages.full_name()}
        where first_fetched_at <= ? and timestamp <= ? and not is_future_dated and sender is not null"""
    found = session.query(
        f"select sender, max(timestamp) as newest, count(*) as messages {messages} group by sender", [at, at]
    )
    for row in found.to_pylist():
        yield [row["sender"]], row["newest"], row["messages"]
    events = session.query(
        f'select agent, max("at") as newest from {source}{raw.OperatorEvents.full_name()}'
        ' where coalesce(known_at, "at") <= ? and agent is not null group by agent',
        [at],
    )
    for row in events.to_pylist():
        yield [row["agent"]], row["newest"], 0
    yield from _told_by_events(session, at, source)
    say = words(session.dialect)
    fields = ", ".join(f'{say.json_member("extra", name)} as "{name}"' for name in _FIELDS)
    bears_one = " or ".join(f"position('\"{name}\"' in extra) > 0" for name in _FIELDS)
    pairs = session.query(
        f"select sender, {fields}, max(timestamp) as newest {messages} and ({bears_one}) group by all", [at, at]
    )
    for row in pairs.to_pylist():
        others = (parse_id(json.loads(row[name])) for name in _FIELDS if row[name] is not None)
        yield [one for one in (row["sender"], *others) if one], row["newest"], 0


def _told_by_events(session: Session, at: dt.datetime, source: str) -> Iterator[tuple[list[str], dt.datetime, int]]:
    """Whom events name, alone, together, and beside what the API or this platform says of the same."""
    events, messages, operator_events = (
        f"{source}{table.full_name()}" for table in (raw.Events, raw.Messages, raw.OperatorEvents)
    )
    found = session.query(
        f"""
        select events.agent as agent, messages.sender as sender,
            {words(session.dialect).json_member("events.properties", "agents")} as agents,
            max(events.happened_at) as newest, count(distinct messages.message_id) as messages
        from {events} as events
        left join {messages} as messages
            on messages.chat_id = events.chat_id and messages.message_id = events.message_id
            and events.event = 'message.sent' and messages.first_fetched_at <= ?
        where events.agent is not null and events.received_at <= ?
        group by 1, 2, 3
        """,
        [at, at],
    )
    for row in found.to_pylist():
        others = json.loads(row["agents"]) if row["agents"] else []
        together = dict.fromkeys(filter(None, (row["agent"], row["sender"], *others)))
        yield list(together), row["newest"], 0 if row["sender"] else row["messages"]
    one_fact = session.query(
        f"""
        select told.event_id as told_id, ours.event_id as our_id, told.agent as told, ours.agent as ours,
            told."at" as newest
        from {operator_events} as told
        join {operator_events} as ours on ours.chat_id = told.chat_id and ours.kind = told.kind
        left join {source}{ops.Fetches.full_name()} as request on request.fetch_id = ours.fetch_id
        where told.source = 'event' and told.known_at <= ? and ours.source = 'platform' and ours."at" <= ?
            and told.agent is not null and ours.agent is not null
            and {one_fact_sql("ours", "told", ended="request.finished_at", dialect=session.dialect)}
        """,
        [at, at],
    ).to_pylist()
    # What could be of two facts joins nobody, nor do two addresses: they may well be two people's.
    tellings = Counter(row["told_id"] for row in one_fact) + Counter(row["our_id"] for row in one_fact)
    for row in one_fact:
        is_plain = tellings[row["told_id"]] == tellings[row["our_id"]] == 1
        if is_plain and not ("@" in row["told"] and "@" in row["ours"]):
            yield [row["told"], row["ours"]], row["newest"], 0


def one_fact_sql(ours: str, told: str, *, ended: str, dialect: str) -> str:
    """Condition that an event's row of raw.operator_events happened while another's fact did, or 2 s beside it.

    What was done here took its request; `ended`: when that one was over, NULL where there is none. What was told was
    done in an instant.
    """
    between, slack = words(dialect).seconds_between, ONE_FACT.total_seconds()
    return f"""
        {between(f'{ours}."at"', f'{told}."at"')} >= -{slack}
        and {between(f'coalesce({ended}, {ours}."at")', f'{told}."at"')} <= {slack}
    """


def _corrections(session: Session, cut: dt.datetime, source: str) -> dict[str, str | None]:
    """What was last said of each identifier by hand: whose it is, None: nobody else's."""
    found = session.query(
        f'select alias, agent from {source}{raw.AgentCorrections.full_name()} where "at" <= ?'
        ' order by "at", correction_id',
        [cut.astimezone(dt.UTC).replace(tzinfo=None)],
    )
    return dict(zip(found["alias"].to_pylist(), found["agent"].to_pylist(), strict=True))


def _standing(
    keys: Iterable[str], together: Iterable[frozenset[str]], corrections: Mapping[str, str | None]
) -> dict[str, str]:
    """The identifier that stands for each. `together`: those of one message."""
    neighbours: Neighbours = {key: set() for key in keys}
    apart = {key for key, agent in corrections.items() if agent is None}
    for group in together:
        joining = group - apart
        for key in joining:
            neighbours[key] |= joining - {key}
    shared = {key for part in _parts(neighbours) for key in _shared(part, neighbours)}
    for key in shared:
        for other in neighbours[key]:
            neighbours[other].discard(key)
        neighbours[key] = set()
    standing: dict[str, str] = {}
    for part in _parts(neighbours):
        standing |= dict.fromkeys(part, min(part, key=_rank))
    return {key: _corrected(key, standing, corrections) for key in neighbours}


def _corrected(key: str, standing: Mapping[str, str], corrections: Mapping[str, str | None]) -> str:
    """Whose an identifier is after the corrections; of those that lead in a circle the first one."""
    way = [key]
    while True:
        following = corrections.get(way[-1]) or standing[way[-1]]
        if following == way[-1]:
            return following
        if following in way:
            return min(way[way.index(following) :], key=_rank)
        way.append(following)


def _rank(key: str) -> tuple[bool, bytes]:
    """An e-mail address comes before what is none."""
    return "@" not in key, key.encode()


def _parts(neighbours: Neighbours) -> Iterator[set[str]]:
    """The identifiers that are joined, each once."""
    left = set(neighbours)
    while left:
        found, part = [left.pop()], set()
        while found:
            part.add(key := found.pop())
            new = neighbours[key] & left
            left -= new
            found.extend(new)
        yield part


def _shared(part: set[str], neighbours: Neighbours) -> Iterator[str]:
    """The identifiers of a part that two people or more share.

    One walk in depth, however large the part (Tarjan 1972): what hangs below a child of `key` in the tree of that walk
    hangs on `key` alone if nothing there leads back above it (`low`).
    """
    is_person = {key: "@" in key for key in part}
    if not any(is_person.values()):
        is_person = dict.fromkeys(part, True)
    if sum(is_person.values()) < 2:
        return
    start = min(part)
    number, parent, ways = {start: 0}, {}, [iter(neighbours[start])]
    path = [start]
    while path:
        key = next((key for key in ways[-1] if key not in number), None)
        if key is None:
            path.pop()
            ways.pop()
            continue
        number[key], parent[key] = len(number), path[-1]
        path.append(key)
        ways.append(iter(neighbours[key]))
    low, people = dict(number), {key: int(is_person[key]) for key in part}
    hanging: defaultdict[str, list[int]] = defaultdict(list)
    for key in reversed(number):  # children before their parents
        low[key] = min([low[key], *(number[other] for other in neighbours[key] if other != parent.get(key))])
        above = parent.get(key)
        if above is None:
            continue
        low[above] = min(low[above], low[key])
        people[above] += people[key]
        if low[key] >= number[above]:
            hanging[above].append(people[key])
    for key, below in hanging.items():
        rest = people[start] - is_person[key] - sum(below)
        if "@" not in key and sum(count > 0 for count in (*below, rest)) > 1:
            yield key
