"""Assigning many chats to several operators: which chats, who gets which, doing it.

What belongs here: choosing chats, the two ways to share them out, what is noted of each. What does not: reading a file
of any columns (sheet.py), the words of the shell (cli/chats.py).

The whole plan is noted before its first request, and each chat as it is done, in the transaction that books the
assignment as an operator event. So what an interrupted run left goes to whom it was planned for, and what was done is
not done again. Of what was left only chats are assigned that would be chosen today, too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from crm_platform.api.scalars import digits_of
from crm_platform.bulk.contacts import NUMBER, Connect, custom_fields, reason_of, stop_where_all_is_refused
from crm_platform.bulk.sheet import Problem, number_in, read_sheet, refuse_if_any
from crm_platform.errors import FixConfiguration, GiveUp, RejectedRequest, Unauthorized, WriteUncertain, quoted
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.operations import add_operation
from crm_platform.models.staff import staff
from crm_platform.publish import current, reading
from crm_platform.receipts.reveal import reveal
from crm_platform.schemas import ops, raw
from crm_platform.spellings import staff_key
from crm_platform.warehouse import one_commit, taking_turns
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.api import Fetch
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session, Warehouse

Way = Literal["round-robin", "least-loaded"]

_CHAT: Final = "chat_id"

FORGOTTEN_AFTER: Final = dt.timedelta(days=1)
"""What an interrupted run has left is taken up so long; later other chats are worth a reply."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Chats that waited for a reply by the published figures, the longest first, and were not marked as done since."""

    as_of: dt.datetime
    chats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chats to assign, in the order that they are shared out in. `source`: how they were chosen, in one text."""

    source: str
    chats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """Who gets which chats, as (chat, operator), of so many that were `chosen`.

    `skipped`: chats that are one's of them already. `unseen`: operators who are new here. `load`: how many chats of
    each operator waited before, as of `load_as_of`, where chats are shared out by it. `is_resumed`: it is the rest of a
    plan that was interrupted; `later`: chosen chats that are not in it.
    """

    job: str
    operators: tuple[str, ...]
    unseen: tuple[str, ...]
    chosen: int
    assignments: tuple[tuple[str, str], ...]
    skipped: int
    load: Mapping[str, int]
    load_as_of: dt.datetime | None
    is_resumed: bool
    later: int

    def share(self, operator: str) -> int:
        """How many chats an operator gets."""
        return sum(to == operator for _, to in self.assignments)


@dataclass(slots=True)
class Assigned:
    """What a run did. `refused`: chats that the CRM would not assign, and why; `unclear`: without a clear answer."""

    assigned: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


# Which chats.


def waiting_chats(settings: Settings, store: Warehouse, *, now: dt.datetime) -> Waiting:
    """Who waits. The audit log tells that chats were named. Raises GiveUp where nothing is published."""
    snapshot = current(settings)
    if snapshot is None:
        raise GiveUp("who waits is not known: nothing is published yet; `crm refresh` does it")
    with reading(snapshot.path) as connection:
        found = connection.sql(
            "select chat_id from core.response_waits where state = 'open' order by waiting_since, chat_id"
        ).fetchall()
    known = reveal(settings, (chat for (chat,) in found), purpose="assigning chats", now=now)
    since = snapshot.as_of.astimezone(dt.UTC).replace(tzinfo=None)
    with store.reading() as session:
        over = session.query(
            """select chat_id from raw.operator_events where kind <> 'assigned' and "at" > ?""", [since]
        )
    ended = set(over["chat_id"].to_pylist())
    chats = dict.fromkeys(known[chat].chat_id for (chat,) in found if chat in known)
    return Waiting(snapshot.as_of, tuple(chat for chat in chats if chat not in ended))


def chats_of_segment(session: Session, name: str, value: str) -> Chosen:
    """The chats of contacts who are there and have a value of a custom field, by its exact name and text.

    Raises FixConfiguration, naming those that there are, when there is no such field.
    """
    if name not in (known := custom_fields(session)):
        listed = ", ".join(known) or "none is known here yet; `crm refresh` reads them"
        raise FixConfiguration(f"there is no custom field {quoted(name)}; there are: {listed}")
    found = session.query(
        f"""
        select chat_id, custom_fields from raw.contacts
        where chat_id in (select chat_id from ({raw.CONTACTS_PRESENT})) and custom_fields is not null
        order by chat_id
        """
    ).to_pylist()
    chats = [row["chat_id"] for row in found if value in _texts(json.loads(row["custom_fields"]).get(name))]
    return Chosen(f"segment:{name}={value}", tuple(chats))


def _texts(value: object) -> list[str]:
    """The values of one custom field, trimmed as figures count them."""
    return [text.strip() for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def chats_of_file(session: Session, file: Path) -> Chosen:
    """The chats of a file with a column chat_id or whatsapp_number; others are passed over.

    Raises FixConfiguration that tells all its problems, by line and column.
    """
    sheet = read_sheet(file, wanted=[_CHAT, NUMBER])
    problems, named = list(sheet.problems), []
    for row in sheet.rows:
        if chat := row.cells.get(_CHAT):
            named.append((row.line, chat, ""))
        elif NUMBER in sheet.columns:
            try:
                named.append((row.line, "", digits_of(number_in(row.cells[NUMBER]))))
            except ValueError as problem:
                problems.append(Problem(row.line, NUMBER, str(problem)))
        else:
            problems.append(Problem(row.line, _CHAT, "it is empty; write the chat's id, or delete the line"))
    chat_of = _chats_of_numbers(session, [number for _, _, number in named if number])
    for line, chat, number in named:
        if not chat and number not in chat_of:
            problems.append(Problem(line, NUMBER, "no contact here has it; create one, or `crm refresh` first"))
    refuse_if_any(file, problems)
    return Chosen(f"file:{sheet.digest}", tuple(dict.fromkeys(chat or chat_of[number] for _, chat, number in named)))


def _chats_of_numbers(session: Session, numbers: Collection[str]) -> dict[str, str]:
    """Chats by the digits of their numbers: of contacts who are there, and of those that were imported since."""
    say = words(session.dialect)
    found = session.query(
        f"""
        select number, {say.last_by("chat_id", "place")} as chat_id from (
            select number, chat_id, 0 as place from ops.bulk_steps where state in ('done', 'found')
            union all
            select {say.digits("whatsapp_number")}, chat_id, 1 from raw.contacts
            where chat_id in (select chat_id from ({raw.CONTACTS_PRESENT}))
        ) where number in (select unnest(?)) and chat_id is not null group by number
        """,
        [list(numbers)],
    )
    return dict(zip(found["number"].to_pylist(), found["chat_id"].to_pylist(), strict=True))


# Who gets which.


def plan_assignment(
    session: Session,
    chosen: Chosen,
    operators: Sequence[str],
    *,
    way: Way,
    waiting: Waiting | None = None,
    reassign: bool = False,
    pause_automation: bool | None = None,
    now: dt.datetime,
) -> AssignmentPlan:
    """Share the chats out among operators (e-mail addresses). `waiting`: what `least-loaded` counts.

    `reassign`: chats that are one's of the operators already are shared out, too.
    """
    names = staff(session, cut=now).names

    def whose(identifier: str) -> str:
        key = staff_key(identifier) or ""
        return names.get(key, key)

    ours = {whose(operator): operator for operator in operators}
    owners = {chat: whose(agent) for chat, agent in _owners(session).items()}
    chats = [chat for chat in chosen.chats if reassign or owners.get(chat) not in ours]
    asked = [chosen.source, sorted(ours), way, reassign, pause_automation]
    job = hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
    left = _left(session, job, since=now - FORGOTTEN_AFTER)
    rest = tuple((chat, left[chat]) for chat in chats if chat in left)
    load: dict[str, int] = {}
    if way == "least-loaded" and waiting is not None:
        shared = set(chats)
        open_now = Counter(owners.get(chat) for chat in waiting.chats if chat not in shared)
        load = {operator: open_now[name] for name, operator in ours.items()}
    return AssignmentPlan(
        job=job,
        operators=tuple(ours.values()),
        unseen=tuple(operator for operator in ours.values() if staff_key(operator) not in names),
        chosen=len(chosen.chats),
        assignments=rest or tuple(_shared_out(chats, list(ours.values()), load)),
        skipped=len(chosen.chats) - len(chats),
        load=load,
        load_as_of=waiting.as_of if waiting is not None and load else None,
        is_resumed=bool(rest),
        later=len(chats) - len(rest) if rest else 0,
    )


def _owners(session: Session) -> dict[str, str]:
    """Whom each chat was last assigned to, of those that were assigned."""
    newest = words(session.dialect).last_by("agent", '("at", event_id)')
    found = session.query(
        f"""
        select chat_id, {newest} as agent from raw.operator_events
        where kind = 'assigned' and agent is not null group by chat_id
        """
    )
    return dict(zip(found["chat_id"].to_pylist(), found["agent"].to_pylist(), strict=True))


def _left(session: Session, job: str, *, since: dt.datetime) -> dict[str, str]:
    """What an interrupted run of the same job has left since a time: operators by chat."""
    found = session.query(
        "select chat_id, operator_email from ops.bulk_steps where job = ? and state = 'planned' and \"at\" >= ?",
        [job, since.astimezone(dt.UTC).replace(tzinfo=None)],
    )
    return dict(zip(found["chat_id"].to_pylist(), found["operator_email"].to_pylist(), strict=True))


def _shared_out(chats: Iterable[str], operators: Sequence[str], load: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Give each chat to who has least; who comes first of those that have as much. Without a load that is in turn."""
    waiting = [(load.get(operator, 0), place) for place, operator in enumerate(operators)]
    heapq.heapify(waiting)
    for chat in chats:
        count, place = waiting[0]
        heapq.heapreplace(waiting, (count + 1, place))
        yield chat, operators[place]


# Doing it.


def assign(
    plan: AssignmentPlan,
    *,
    store: Warehouse,
    connect: Connect,
    now: Callable[[], dt.datetime],
    into: Assigned,
    pause_automation: bool | None = None,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> None:
    """Do what is planned, and count it in `into`, also where it ends early: what is raised, the same call goes on from.

    `on_progress` hears how many chats are done. Raises as CrmClient does, and Busy.
    """
    if not plan.is_resumed:
        with one_commit(store, purpose="a plan of assignments") as commit:
            commit.erase(ops.BulkSteps, column="job", values=[plan.job])
            rows = [_step(plan, chat, operator, "planned", at=now()) for chat, operator in plan.assignments]
            commit.append(ops.BulkSteps, ops.BulkSteps.rows(rows))
    fetches: list[Fetch] = []
    with connect(fetches.append) as client:
        for done, (chat, operator) in enumerate(plan.assignments, 1):
            batch = Batch()
            if not into.assigned:
                stop_where_all_is_refused([reason for _, reason in into.refused])
            try:
                client.assign_chat(chat, operator, pause_automation=pause_automation)
            except (RejectedRequest, Unauthorized) as problem:
                if isinstance(problem, Unauthorized) and not into.assigned:
                    raise  # the key is refused, not this chat
                reason = reason_of(problem)
                into.refused.append((chat, reason))
                batch.add(ops.BulkSteps, _step(plan, chat, operator, "refused", at=now(), reason=reason))
            except WriteUncertain:  # stays planned: assigning the same operator twice does no harm
                into.unclear.append(chat)
            else:
                into.assigned += 1
                batch.add(ops.BulkSteps, _step(plan, chat, operator, "done", at=now()))
                add_operation(batch, kind="assigned", chat_id=chat, operator_email=operator, done_by=fetches[-1])
            finally:
                batch.requests(fetches)
                with taking_turns(store, purpose="an assignment") as holder:
                    batch.commit(store, holder)
                fetches.clear()
            on_progress(done)


def _step(
    plan: AssignmentPlan, chat: str, operator: str, state: str, *, at: dt.datetime, reason: str | None = None
) -> dict[str, object]:
    return {
        "job": plan.job,
        "item": chat,
        "state": state,
        "chat_id": chat,
        "operator_email": operator,
        "reason": reason,
        "at": at,
    }
