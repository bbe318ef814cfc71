"""Creating a contact for each line of a file: what the lines say, what is to be done, doing it.

What belongs here: the columns, the plan, one request a line, what is noted between them. What does not: reading a file
of any columns (sheet.py), the words of the shell (cli/contacts.py).

Nobody is created twice, whenever the process is killed: lines are noted as begun before their requests are sent, and
the outcome after. A line that is begun and has no outcome, or whose number an import has tried before, is looked up in
the CRM first. Nothing is ever overwritten: the CRM has no operation for that, and whom it knows is passed over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from crm_platform.api import CrmClient, Fetch
from crm_platform.api.arguments import checked_email
from crm_platform.api.lookup import contacts_of_number
from crm_platform.api.scalars import digits_of
from crm_platform.bulk.sheet import Problem, Row, number_in, read_sheet, refuse_if_any
from crm_platform.errors import (
    FixConfiguration,
    GiveUp,
    InvalidRequest,
    RejectedRequest,
    Unauthorized,
    WriteUncertain,
    quoted,
)
from crm_platform.ingest.batch import Batch
from crm_platform.publish.csv_writer import write_csv
from crm_platform.schemas import ops, raw
from crm_platform.warehouse import taking_turns
from crm_platform.warehouse.words import words

if TYPE_CHECKING:
    from pathlib import Path

    from crm_platform.warehouse import Session, Warehouse

State = Literal["planned", "begun", "done", "found", "refused"]

Connect: TypeAlias = Callable[[Callable[[Fetch], None]], AbstractContextManager[CrmClient]]
"""Opens a client for a while; what it is given hears of each request."""

NUMBER: Final = "whatsapp_number"
FIELD: Final = "field:"
"""Before the name of a custom field in a header."""
REFUSED: Final = "refused"
"""Column of the file of refused lines that holds the CRM's reason; not read."""

BLOCK: Final = 20
"""Lines that are noted as begun at once: so many are looked up, at a request each, after a kill. A commit rewrites
parts of the file, and at 60 requests a minute there are three blocks a minute."""

MOST_REFUSED: Final = 10
"""So many refused, and none done: the run ends."""


@dataclass(frozen=True, slots=True)
class Line:
    """One contact to create. `number`: E.164 with its plus; `cells`: as the file has them, by column."""

    line: int
    number: str
    email: str | None
    name: str | None
    fields: Mapping[str, str]
    cells: Mapping[str, str]

    def create(self, client: CrmClient) -> str:
        """Create it; give its chat."""
        answer = client.create_contact(self.number, email=self.email, name=self.name, custom_fields=self.fields)
        return answer.value.chat_id

    def find(self, client: CrmClient) -> str | None:
        """The chat of the contact that has the number, by one search; None where there is none."""
        return next((one.chat_id for one in contacts_of_number(client, self.number).records), None)


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A checked file. `digest`: of its bytes; `unknown_fields`: custom fields that the warehouse has not seen."""

    path: Path
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    digest: str
    unknown_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that the CRM would not create, and why."""

    line: Line
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is to be done for a file. `look_up`: searched for before they are created; `create`: created at once.

    `known`: the warehouse has them; `done`: by an earlier run over the same file; `refused`: in an earlier run.
    `known_as_of`: when the contact list was last read to its end, aware, None where it never was: then everybody is
    looked up.
    """

    people: PeopleFile
    create: tuple[Line, ...]
    look_up: tuple[Line, ...]
    known: int
    done: int
    refused: tuple[Refusal, ...]
    known_as_of: dt.datetime | None

    @property
    def to_do(self) -> int:
        """Lines that requests are sent for."""
        return len(self.create) + len(self.look_up)

    @property
    def requests(self) -> int:
        """Requests that it takes at most, when each is answered at once."""
        return len(self.create) + 2 * len(self.look_up)


@dataclass(frozen=True, slots=True)
class _Outcome:
    line: Line
    state: State
    chat_id: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Imported:
    """What a run did. `found`: they were contacts already; `unclear`: no clear answer came, and they were not found."""

    created: int = 0
    found: int = 0
    refused: list[Refusal] = field(default_factory=list)
    unclear: list[Line] = field(default_factory=list)


def custom_fields(session: Session) -> tuple[str, ...]:
    """Names of the CRM's custom fields, as they were last read."""
    found = session.query("select distinct name from raw.custom_fields where name is not null order by name")
    return tuple(found["name"].to_pylist())


def read_people(file: Path, *, known_fields: Sequence[str]) -> PeopleFile:
    """Read and check a file of contacts. Raises FixConfiguration that tells all its problems, by line and column."""
    sheet = read_sheet(file, wanted=[NUMBER])
    fields = {name: field for name in sheet.columns if (field := _field_of(name, known_fields))}
    plain = (NUMBER, "name", "email", REFUSED)
    if unknown := [name for name in sheet.columns if name not in plain and name not in fields]:
        listed = ", ".join(known_fields) or "none is known here yet; `crm refresh` reads them"
        raise FixConfiguration(
            f"{file}: its first line names {', '.join(map(quoted, unknown))}, which is no column of"
            f" contacts; delete it, or rename it\n  columns: {NUMBER}, name, email\n  custom fields: {listed}\n  a"
            f" custom field that was made since `crm refresh` is written {FIELD}<name>"
        )
    if twice := sorted({name for name in fields.values() if list(fields.values()).count(name) > 1}):
        raise FixConfiguration(
            f"{file}: two columns are for the custom field {', '.join(map(quoted, twice))}; delete one"
        )
    problems, lines = list(sheet.problems), []
    first: dict[str, int] = {}
    for row in sheet.rows:
        found, line = _checked(row, fields, first)
        problems += found
        if line is not None:
            lines.append(line)
    refuse_if_any(file, problems)
    new = tuple(field for field in fields.values() if field not in known_fields)
    return PeopleFile(file, sheet.columns, tuple(lines), sheet.digest, new)


def _field_of(column: str, known: Sequence[str]) -> str:
    """The custom field that a column is for; empty where it is for none."""
    if column.startswith(FIELD):
        return column.removeprefix(FIELD).strip()
    return column if column in known and column not in (NUMBER, "name", "email", REFUSED) else ""


def _checked(row: Row, fields: Mapping[str, str], first: dict[str, int]) -> tuple[list[Problem], Line | None]:
    """A row's problems, and what it says where it has none. `first`: the line that each number stands on."""
    problems = []
    number, email = "", row.cells.get("email") or None
    try:
        number = number_in(row.cells[NUMBER])
    except ValueError as problem:
        problems.append(Problem(row.line, NUMBER, str(problem)))
    else:
        if (before := first.setdefault(number, row.line)) != row.line:
            problems.append(Problem(row.line, NUMBER, f"it is the number of line {before}, too; delete one of them"))
    if email is not None:
        try:
            checked_email("email", email)
        except InvalidRequest:
            problems.append(Problem(row.line, "email", "it is no e-mail address; write one, or leave it empty"))
    values = {field: row.cells[column] for column, field in fields.items() if row.cells[column]}
    return problems, None if problems else Line(
        row.line, number, email, row.cells.get("name") or None, values, row.cells
    )


def plan_import(session: Session, people: PeopleFile, *, look_up_all: bool = False) -> ImportPlan:
    """Say what is left to do for a file, by what the warehouse knows. `look_up_all`: trust the CRM alone."""
    digits = {digits_of(line.number): line for line in people.lines}
    known = _present(session, digits)
    as_of = session.query(f"select max(ended_at) as at from raw.contact_sweeps where {raw.ContactSweeps.COUNTS}")
    known_as_of = as_of["at"][0].as_py()
    steps = session.query(
        "select job, item, state, number, reason from ops.bulk_steps where number in (select unnest(?))", [list(digits)]
    ).to_pylist()
    own = {int(step["item"]): step for step in steps if step["job"] == people.digest}
    tried = {step["number"] for step in steps if step["state"] in ("begun", "done", "found")}
    create, look_up, refused = [], [], []
    done = passed = 0
    for number, line in digits.items():
        step = own.get(line.line)
        if step is not None and step["state"] in ("done", "found"):
            done += 1
        elif number in known:
            passed += 1
        elif step is not None and step["state"] == "refused":
            refused.append(Refusal(line, step["reason"] or ""))
        elif number in tried or known_as_of is None or look_up_all:
            look_up.append(line)
        else:
            create.append(line)
    return ImportPlan(
        people,
        create=tuple(create),
        look_up=tuple(look_up),
        known=passed,
        done=done,
        refused=tuple(refused),
        known_as_of=known_as_of and known_as_of.replace(tzinfo=dt.UTC),
    )


def _present(session: Session, digits: Iterable[str]) -> set[str]:
    """Those of the numbers that are of contacts who are there."""
    found = session.query(
        f"""
        select distinct digits from (
            select {words(session.dialect).digits("whatsapp_number")} as digits
            from raw.contacts
            where chat_id in (select chat_id from ({raw.CONTACTS_PRESENT}))
        ) where digits in (select unnest(?))
        """,
        [list(digits)],
    )
    return set(found["digits"].to_pylist())


def import_contacts(
    plan: ImportPlan,
    *,
    store: Warehouse,
    connect: Connect,
    now: Callable[[], dt.datetime],
    into: Imported,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> None:
    """Do what is planned, and count it in `into`, also where it ends early: what is raised, the same call goes on from.

    `on_progress` hears how many lines are done. Raises as CrmClient does, and Busy.
    """
    fetches: list[Fetch] = []
    unsure = frozenset(line.line for line in plan.look_up)
    done = 0
    with connect(fetches.append) as client:
        for block in _blocks((*plan.look_up, *plan.create)):
            _note(store, plan.people, [_Outcome(line, "begun") for line in block], fetches, at=now())
            outcomes: list[_Outcome] = []
            try:
                for line in block:
                    if not (into.created or into.found):
                        stop_where_all_is_refused([one.reason for one in into.refused])
                    outcomes.append(_created(client, line, look_up=line.line in unsure, into=into))
                    done += 1
                    on_progress(done)
            finally:
                # The line that ended it stays begun. Those after it were not tried: they need no look.
                untried = [line for line in block[len(outcomes) + 1 :] if line.line not in unsure]
                outcomes += [_Outcome(line, "planned") for line in untried]
                _note(store, plan.people, outcomes, fetches, at=now())


def _created(client: CrmClient, line: Line, *, look_up: bool, into: Imported) -> _Outcome:
    """Create one contact, and count it."""
    if look_up and (chat_id := line.find(client)):
        into.found += 1
        return _Outcome(line, "found", chat_id)
    try:
        chat_id = line.create(client)
    except WriteUncertain:
        found = line.find(client)
        if found is None:  # it may come yet
            into.unclear.append(line)
            return _Outcome(line, "begun")
        chat_id = found
    except (RejectedRequest, Unauthorized) as problem:
        if isinstance(problem, Unauthorized) and not (into.created or into.found):
            raise  # the key is refused, not this line
        reason = reason_of(problem)
        into.refused.append(Refusal(line, reason))
        return _Outcome(line, "refused", reason=reason)
    into.created += 1
    return _Outcome(line, "done", chat_id)


def stop_where_all_is_refused(reasons: Sequence[str]) -> None:
    """Raise GiveUp where nothing was done and much was refused: it is not they, and each costs a request."""
    if len(reasons) >= MOST_REFUSED:
        raise GiveUp(
            f"the first {len(reasons)} were all refused; the last because of this, mend it first: {reasons[-1]}"
        )


def reason_of(problem: RejectedRequest | Unauthorized) -> str:
    """The CRM's words: those about fields, where there are any."""
    details = problem.details if isinstance(problem, InvalidRequest) else ()
    return "; ".join(f"{one.field}: {one.message}" for one in details) or str(problem).partition(": ")[2]


def _note(
    store: Warehouse, people: PeopleFile, outcomes: Iterable[_Outcome], fetches: list[Fetch], *, at: dt.datetime
) -> None:
    """Commit what became of lines, with the requests that it took."""
    batch = Batch()
    for one in outcomes:
        step = {"job": people.digest, "item": str(one.line.line), "number": digits_of(one.line.number)}
        batch.add(ops.BulkSteps, step | {"state": one.state, "chat_id": one.chat_id, "reason": one.reason, "at": at})
    batch.requests(fetches)
    with taking_turns(store, purpose="an import's progress") as holder:
        batch.commit(store, holder)
    fetches.clear()


def write_refused(path: Path, people: PeopleFile, refusals: Iterable[Refusal]) -> None:
    """Write lines with the reason beside each, as an import reads them. The mark makes spreadsheets read UTF-8."""
    lines = sorted(refusals, key=lambda one: one.line.line)
    columns = [name for name in people.columns if name != REFUSED]
    rows = ([*(one.line.cells[name] for name in columns), one.reason] for one in lines)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        write_csv(file, [*columns, REFUSED], rows)


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    left = iter(lines)
    while block := list(islice(left, BLOCK)):
        yield block
