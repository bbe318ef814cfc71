"""The worked examples of metrics/ as facts, and the rows they expect.

What belongs here: reading the format that docs/worked-examples.md describes, strictly. What does not: building and
comparing (test_worked_examples.py). Whatever cannot be read is a BadExample that names the page, the line and what to
write instead.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from crm_platform import metrics
from crm_platform.schemas import Column, ops, raw
from crm_platform.schemas.base import Type
from crm_platform.settings import DAYS, Settings
from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import World, from_facts
from crm_platform_tests.oracle.facts import (
    Campaign,
    Chat,
    Contact,
    Event,
    Facts,
    Message,
    OperatorEvent,
    Report,
    Sweep,
)

FOLDER = Path(metrics.__file__).parent
SWEEP_TAKES = dt.timedelta(minutes=3)
CRAWL_WENT_ON = dt.timedelta(days=1)  # after the cut: a page may name what was fetched then
EVERY_OTHER = "*"
NO_VALUE = "NULL"

# By label the columns that a table may have; `field …` is a custom field of that name.
INPUT = {
    "Settings": ("setting", "value"),
    "Contacts": ("chat", "first seen", "created", "number", "field"),
    "Sweeps": ("started", "seen", "reported total", "complete", "rejected", "accepted"),
    "Chats": ("chat", "known until", "history", "total"),
    "Messages": ("chat", "time", "what", "type", "status", "sender", "fetched"),
    "Operator events": ("chat", "time", "kind", "agent"),
    "Events": ("chat", "time", "event", "score", "received"),
    "Agent aliases": ("alias", "agent"),
    "Teams": ("agent", "team"),
    "Campaigns": ("campaign", "name", "first seen", "status", "created", "scheduled", "recipients"),
    "Status changes": ("campaign", "seen", "status"),
    "Reports": (
        *("campaign", "fetched", "total_recipients", "delivered", "read", "replied", "failed"),
        *("delivery_rate", "read_rate", "reply_rate"),
    ),
    "Expected unseen": ("day", "messages"),
}
EXPECTED, EXPECTED_ROWS = "Expected", "Expected rows"
# Direction and type of each kind of message.
KINDS = {
    "in": ("inbound", "text"),
    "opt-out": ("inbound", "text"),
    "out": ("outbound", "text"),
    "template": ("outbound", "template"),
}

Cells = Mapping[str, str]
Row = dict[str, object]


class BadExample(ValueError):
    """A page that cannot be read, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One table of a page, its cells as text. `line`: where it begins."""

    label: str
    columns: tuple[str, ...]
    rows: tuple[Cells, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Example:
    """One example of one KPI table.

    `expected`: each table of expected rows by itself; a key of `*` stands for every row that the table does not name.
    `row_counts`: rows by table. `totals`, `reported_totals`: what the CRM said a chat and the n-th sweep hold.
    """

    page: str
    table: str
    title: str
    facts: Facts
    expected_unseen: Mapping[dt.date, float] | None
    totals: Mapping[str, int]
    reported_totals: Mapping[int, int]
    expected: tuple[tuple[Row, ...], ...]
    row_counts: Mapping[str, int]

    def build(self, folder: Path) -> World:
        """Store the facts as a crawl would have left them, and build every table from them."""
        world = from_facts(self.facts, folder)
        for row in world.rows.get(ops.CrawlState, ()):
            row["reported_total"] = self.totals.get(str(row["chat_id"]))
        for row in world.rows.get(ops.Fetches, ()):
            row["total"] = self.totals.get(str(row["target"]))
        for number, reported_total in self.reported_totals.items():
            world.rows[raw.ContactSweeps][number]["reported_total"] = reported_total
        world.build(
            self.facts.as_of + CRAWL_WENT_ON,
            as_of=self.facts.as_of,
            expected_unseen=self.expected_unseen,
            aliases=self.facts.agent_aliases,
        )
        return world


def pages(folder: Path = FOLDER) -> list[Path]:
    """Every page: `<table>/example.md`, `<table>/example-<what it is about>.md`."""
    return sorted(folder.glob("*/example*.md"))


def examples(path: Path) -> list[Example]:
    """The examples of a page, one a heading of the second level. Raises BadExample."""
    return [_Reader(f"{path.parent.name}/{path.name}", title, grids).example() for title, grids in _sections(path)]


def _complain(place: str, problem: str) -> NoReturn:
    raise BadExample(f"{place}: {problem}")


def _sections(path: Path) -> Iterator[tuple[str, list[Grid]]]:
    """Each heading with the labelled tables below it. Tables without a label are for people only."""
    title: str | None = None
    grids: list[Grid] = []
    label = ""
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        if line.startswith("## "):
            if title is not None:
                yield title, grids
            title, grids, label = line.removeprefix("## "), [], ""
        elif bold := re.fullmatch(r"\*\*(.+)\*\*", line):
            label = bold[1]
            if label not in (*INPUT, EXPECTED, EXPECTED_ROWS):
                known = ", ".join((*INPUT, EXPECTED, EXPECTED_ROWS))
                _complain(f"{path.name}:{number + 1}", f"no table is called {label!r}; write one of {known}")
        elif line.startswith("|"):
            end = next((n for n in range(number, len(lines)) if not lines[n].startswith("|")), len(lines))
            if label:
                grids.append(_grid(f"{path.name}:{number + 1}", label, lines[number:end], number + 1))
            number, label = end, ""
            continue
        elif line and label:
            _complain(f"{path.name}:{number + 1}", f"put the table of {label!r} right below its label")
        number += 1
    if title is None:
        _complain(path.name, "no example; begin one with a heading: ## What it shows")
    yield title, grids


def _grid(place: str, label: str, lines: list[str], number: int) -> Grid:
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    if any(len(row) != len(cells[0]) for row in cells):
        _complain(place, "rows of one table need the same number of cells")
    header, body = cells[0], cells[2:]
    if header[0] == "column":  # on its side: a column below the other, the rows beside each other
        header, body = [row[0] for row in body], [list(row) for row in zip(*(row[1:] for row in body), strict=True)]
    allowed = INPUT.get(label)
    for column in header:
        if allowed and column not in allowed and not ("field" in allowed and column.startswith("field ")):
            _complain(place, f"{label} has no column {column!r}; it may have {', '.join(allowed)}")
    rows = tuple(dict(zip(header, row, strict=True)) for row in body)
    return Grid(label=label, columns=tuple(header), rows=rows, line=number)


class _Reader:
    """Reads one example: what its tables say, with the example's time zone at hand."""

    def __init__(self, page: str, title: str, grids: Iterable[Grid]) -> None:
        self.page, self.title, self.place = page, title, page
        self.grids = list(grids)
        self.table = f"kpi.{page.partition('/')[0]}"
        if self.table not in TABLES:
            _complain(page, f"a page lies in the folder of a KPI table; there is no {self.table}")
        values = {row["setting"]: row["value"] for row in self.rows("Settings")}
        cut = values.pop("as_of", None)
        if cut is None:
            _complain(f"{page}, {title}", "no cut; write a row as_of into its Settings")
        names = {name.removeprefix("CRM_").lower(): value for name, value in values.items()}
        if unknown := names.keys() - Settings.model_fields.keys():
            _complain(self.place, f"no setting is called {', '.join(sorted(unknown))}")
        self.settings = Settings(**names)  # type: ignore[arg-type]
        self.as_of = self.time(cut)

    def rows(self, label: str) -> Iterator[Cells]:
        """The rows of every table with that label, absent cells empty."""
        for grid in self.grids:
            if grid.label == label:
                self.place = f"{self.page}:{grid.line}"
                for row in grid.rows:
                    yield {**dict.fromkeys(INPUT.get(label, ()), ""), **row}

    # Cells.

    def time(self, cell: str) -> dt.datetime:
        """Read `Tue 2026-11-17 09:00`, in the example's zone unless it names an offset; the weekday is optional."""
        weekday, _, rest = cell.partition(" ") if cell[:3] in DAYS else ("", "", cell)
        try:
            instant = dt.datetime.fromisoformat(rest)
        except ValueError:
            _complain(self.place, f"{cell!r} is no time; write 2026-11-17 09:00 or Tue 2026-11-17 09:00")
        local = instant.replace(tzinfo=self.settings.zone) if instant.tzinfo is None else instant
        if weekday and weekday != DAYS[local.weekday()]:
            _complain(self.place, f"{rest} is a {DAYS[local.weekday()]}")
        return local.astimezone(dt.UTC)

    def time_or_none(self, cell: str) -> dt.datetime | None:
        """Read a time; an empty cell is none."""
        return self.time(cell) if cell else None

    def number_or_none(self, cell: str) -> int | None:
        """Read a whole number; an empty cell is none."""
        return int(self.expected_cell(cell, Type.INTEGER)) if cell else None  # type: ignore[call-overload]

    def one_of(self, cell: str, allowed: Iterable[str]) -> str:
        """Read a word of a few."""
        if cell not in allowed:
            _complain(self.place, f"{cell!r} is not one of {', '.join(map(repr, allowed))}")
        return cell

    def expected_cell(self, cell: str, kind: Type) -> object:
        """Read a cell as the column's type: 12, 0.5 or 2/3, yes or no, a day, a local time, a text, NULL."""
        if cell == NO_VALUE:
            return None
        readers: dict[Type, Callable[[str], object]] = {
            Type.INTEGER: int,
            Type.FLOAT: lambda text: float(Fraction(text)),
            Type.BOOLEAN: lambda text: {"yes": True, "no": False}[text],
            Type.DATE: dt.date.fromisoformat,
            Type.TIMESTAMP: self.time,
        }
        try:
            return readers.get(kind, str)(cell)
        except (ValueError, KeyError, ZeroDivisionError):
            _complain(self.place, f"{cell!r} is no {kind.value}; README.md says how to write one, {NO_VALUE} for none")

    # The example.

    def example(self) -> Example:
        """Everything the tables say."""
        expected = tuple(self.expected_rows(grid) for grid in self.grids if grid.label == EXPECTED)
        if not expected:
            _complain(f"{self.page}, {self.title}", "nothing is expected; add a table **Expected**")
        unseen = {
            dt.date.fromisoformat(row["day"]): float(Fraction(row["messages"])) for row in self.rows("Expected unseen")
        }
        return Example(
            page=self.page,
            table=self.table,
            title=self.title,
            facts=self.facts(),
            expected_unseen=unseen or None,
            totals={row["chat"]: int(row["total"]) for row in self.rows("Chats") if row["total"]},
            reported_totals={
                number: int(row["reported total"])
                for number, row in enumerate(self.rows("Sweeps"))
                if row["reported total"]
            },
            expected=expected,
            row_counts={row["table"]: int(row["rows"]) for row in self.rows(EXPECTED_ROWS)},
        )

    def expected_rows(self, grid: Grid) -> tuple[Row, ...]:
        """One table of expected rows, its cells as values."""
        self.place = f"{self.page}:{grid.line}"
        declared: Mapping[str, Column] = TABLES[self.table].columns
        for column in grid.columns:
            if column not in declared:
                _complain(self.place, f"{self.table} has no column {column!r}")
        key = TABLES[self.table].key
        if missing := [column for column in key if column not in grid.columns]:
            _complain(self.place, f"a row of {self.table} is named by {', '.join(key)}; add {', '.join(missing)}")
        return tuple(
            {
                column: EVERY_OTHER
                if column in key and cell == EVERY_OTHER
                else self.expected_cell(cell, declared[column].type)
                for column, cell in row.items()
            }
            for row in grid.rows
        )

    def facts(self) -> Facts:
        """The input, as the oracle is told it."""
        messages = tuple(self.messages())
        known = {row["chat"]: row for row in self.rows("Chats")}
        chats = []
        for chat_id in dict.fromkeys([*known, *(message.chat_id for message in messages)]):
            row = known.get(chat_id, {"known until": "", "history": ""})
            history = self.one_of(row["history"], ("", "whole", "cut off"))
            known_until = self.time(row["known until"]) if row["known until"] else self.as_of
            chats.append(Chat(chat_id, known_until, is_history_whole=history != "cut off"))
        return Facts(
            as_of=self.as_of,
            settings=self.settings,
            contacts=tuple(self.contacts()),
            sweeps=tuple(self.sweeps()),
            messages=messages,
            chats=tuple(chats),
            campaigns=tuple(self.campaigns()),
            reports=tuple(self.reports()),
            operator_events=tuple(
                OperatorEvent(
                    chat_id=row["chat"],
                    kind=self.one_of(row["kind"], ("assigned", "done", "contact_deleted")),
                    at=self.time(row["time"]),
                    agent=row["agent"] or None,
                )
                for row in self.rows("Operator events")
            ),
            events=tuple(self.events()),
            agent_aliases={row["alias"]: row["agent"] for row in self.rows("Agent aliases")},
            agent_teams={row["agent"]: row["team"] for row in self.rows("Teams")},
        )

    def messages(self) -> Iterator[Message]:
        """Messages, numbered as they stand; each was fetched when it was sent, unless the page says otherwise."""
        for number, row in enumerate(self.rows("Messages")):
            direction, kind = KINDS[self.one_of(row["what"], KINDS)]
            at = self.time(row["time"])
            yield Message(
                chat_id=row["chat"],
                message_id=f"m{number:03}",
                direction=direction,
                timestamp=at,
                first_fetched_at=self.time(row["fetched"]) if row["fetched"] else at,
                type=row["type"] or kind,
                status=row["status"] or None,
                sender=row["sender"] or None,
                is_opt_out=row["what"] == "opt-out",
            )

    def events(self) -> Iterator[Event]:
        """What webhooks told, numbered as they stand; each came when it happened, unless the page says otherwise."""
        for number, row in enumerate(self.rows("Events")):
            at = self.time(row["time"])
            yield Event(
                key=f"e{number:03}",
                chat_id=row["chat"],
                event=self.one_of(row["event"], ("agent.handoff", "csat.submitted")),
                at=at,
                received_at=self.time_or_none(row["received"]) or at,
                score=self.number_or_none(row["score"]),
            )

    def contacts(self) -> Iterator[Contact]:
        """Contacts; an empty cell of a custom field is an empty text, `VIP; shop` a list."""
        for row in self.rows("Contacts"):
            fields: dict[str, str | list[str] | None] = {
                name.removeprefix("field "): value.split("; ") if "; " in value else value
                for name, value in row.items()
                if name.startswith("field ")
            }
            yield Contact(
                chat_id=row["chat"],
                first_seen_at=self.time(row["first seen"]),
                created_at=self.time_or_none(row["created"]),
                whatsapp_number=row["number"] or None,
                custom_fields=fields,
            )

    def sweeps(self) -> Iterator[Sweep]:
        """Sweeps of three minutes each, complete unless the page says otherwise."""
        for row in self.rows("Sweeps"):
            started_at = self.time(row["started"])
            is_complete = self.one_of(row["complete"], ("", "yes", "no")) != "no"
            yield Sweep(
                started_at,
                started_at + SWEEP_TAKES,
                frozenset(row["seen"].split()),
                is_complete=is_complete,
                rejected=int(row["rejected"] or 0),
                accepted_at=self.time_or_none(row["accepted"]),
            )

    def campaigns(self) -> Iterator[Campaign]:
        """Campaigns, each with the changes of status that were observed."""
        changes = [(row["campaign"], self.time(row["seen"]), row["status"]) for row in self.rows("Status changes")]
        for row in self.rows("Campaigns"):
            yield Campaign(
                campaign_id=row["campaign"],
                first_seen_at=self.time(row["first seen"]),
                first_status=row["status"],
                name=row["name"] or None,
                created_at=self.time_or_none(row["created"]),
                scheduled_at=self.time_or_none(row["scheduled"]),
                total_recipients=self.number_or_none(row["recipients"]),
                changes=tuple((at, status) for campaign, at, status in changes if campaign == row["campaign"]),
            )

    def reports(self) -> Iterator[Report]:
        """Reports, each content fetched once."""
        for row in self.rows("Reports"):
            yield Report(
                campaign_id=row["campaign"],
                first_seen_at=self.time(row["fetched"]),
                total_recipients=self.number_or_none(row["total_recipients"]),
                delivered=self.number_or_none(row["delivered"]),
                read=self.number_or_none(row["read"]),
                replied=self.number_or_none(row["replied"]),
                failed=self.number_or_none(row["failed"]),
                delivery_rate=row["delivery_rate"] or None,
                read_rate=row["read_rate"] or None,
                reply_rate=row["reply_rate"] or None,
            )
