"""`python -m tools.dictionary`: the data dictionary, docs/data-dictionary.md, written from the declared tables.

What belongs here: laying the declarations out for a reader, which columns join, and what no table answers. What does
not: any meaning of a table or column (metrics/, core/, schemas/), the same words as comments in the DuckDB file
(publish/database.py).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crm_platform.models import dependencies
from crm_platform.models.render import is_built
from crm_platform.publish.database import ABOUT_PUBLISHED
from crm_platform.publish.parquet import BY_MONTH, published_columns, published_tables
from crm_platform.schemas import Column, CoreTable, KpiTable, Table, Type
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DICTIONARY: Final = Path("docs/data-dictionary.md")


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of `many` lead to at most one row of `one`; `note`: what that says.

    `columns` of `many` are those of `one`; `other = name` stands for one that is called otherwise there.
    """

    many: str
    one: str
    columns: str
    note: str

    @property
    def on(self) -> list[tuple[str, str]]:
        """The columns of `many`, each with that of `one`."""
        pairs = (part.partition(" = ") for part in self.columns.split(", "))
        return [(column, other or column) for column, _, other in pairs]


JOINS: Final = (
    Join("core.messages", "core.chats", "chat_id", "the chat that a message is in"),
    Join("core.chats", "core.contacts", "chat_id", "a contact has one chat for life"),
    Join("core.contact_presence", "core.contacts", "chat_id", "when a contact was there"),
    Join("core.contact_segments", "core.contacts", "chat_id", "the segments that a contact is in"),
    Join("core.conversations", "core.chats", "chat_id", "the conversations that a chat is cut into"),
    Join(
        "core.conversations",
        "core.messages",
        "chat_id, first_message_id = message_id",
        "the message that began a conversation",
    ),
    Join(
        "core.response_waits", "core.conversations", "chat_id, first_message_id", "the conversation that a wait is in"
    ),
    Join("core.response_waits", "core.messages", "chat_id, opening_message_id = message_id", "the message that waited"),
    Join(
        "core.response_waits",
        "core.messages",
        "chat_id, closing_message_id = message_id",
        "the reply that ended the wait",
    ),
    Join("core.work", "core.chats", "chat_id", "the chat of a credited reply or resolution"),
    Join("core.assignments", "core.chats", "chat_id", "the chat that was assigned"),
    Join("core.campaign_reports", "core.campaigns", "campaign_id", "the campaign reported on"),
    Join("core.campaign_statuses", "core.campaigns", "campaign_id", "the campaign in that status"),
    Join("core.messages", "core.fetches", "fetch_id", "the request that brought a message"),
    Join("kpi.campaign_performance", "core.campaigns", "campaign_id", "the campaign"),
)
"""How published tables join."""

_TYPES: Final[dict[Type, tuple[str, str]]] = {
    Type.TEXT: ("VARCHAR", "string"),
    Type.INTEGER: ("BIGINT", "int64"),
    Type.FLOAT: ("DOUBLE", "double"),
    Type.BOOLEAN: ("BOOLEAN", "boolean"),
    Type.TIMESTAMP: ("TIMESTAMP, in UTC", "timestamp (µs), in UTC"),
    Type.DATE: ("DATE", "date32"),
    Type.JSON: ("JSON", "string"),
}

_INTRODUCTION: Final = """\
# Data dictionary

Written by `make docs` from the declarations in `crm_platform/metrics/`, `core/` and `schemas/`: change those, not this
page. The same words stand as comments in `analytics.duckdb`
(`select table_name, column_name, comment from duckdb_columns()`).

[For analysts](for-analysts.md) says how to open the tables, [what each figure is for](what-each-figure-is-for.md) how
to read them.
"""

_READING: Final = """\
## How to read it

- Instants are UTC without a zone; a day or month is a DATE in the time zone of `manifest.json` (`CRM_TIMEZONE`).
- A share is a number from 0 to 1. NULL is "there is none" or "not known", never 0; a float is never infinite or NaN.
- Ids of chats and messages are keyed pseudonyms: the same chat has the same one in every table and every snapshot, as
  long as the key stays. A campaign's id is the CRM's own.
- A rule that meets a NULL holds.
"""

_UNANSWERED: Final = (
    (
        "Who of a campaign's recipients got, read or answered it?",
        "The report has five counts for the whole campaign, and a message does not name its campaign.",
    ),
    (
        "Which template was sent, and which campaign brought a reply or an opt-out?",
        "A message of type `template` names neither. `origin` says that one came within 72 h before; which, it cannot.",
    ),
    (
        "When was a message delivered or read?",
        "The API sends the newest `status` without a time, and only when its chat is fetched again.",
    ),
    (
        "How were a campaign's reads spread over hours or days?",
        "A report is the count at its request. The platform keeps each content that it saw, not what lay between.",
    ),
    (
        "What did a message, a conversation or a contact cost?",
        "The API has no prices. What you paid for a campaign can stand in `campaign_costs.csv`.",
    ),
    (
        "What did customers buy, and did a campaign sell anything?",
        "Orders and amounts are not in the CRM's API.",
    ),
    (
        "How satisfied were customers?",
        "Ratings come by events only (`csat_submitted`), which the platform does not receive.",
    ),
    (
        "What were conversations about?",
        "Texts are never published: messages here have a type, a direction and times.",
    ),
    (
        "Who wrote each reply?",
        "The API promises no sender. Where none came, the chat's assignee is credited, or nobody: `(unassigned)`.",
    ),
    (
        "How much did bots answer?",
        "A bot's message looks like a person's. Only senders named in `CRM_AUTOMATION_SENDERS` are told apart.",
    ),
    (
        "When were agents at work, or online?",
        "The API tells of no shifts and no presence. `first_reply_at` and `last_reply_at` say when they wrote.",
    ),
    (
        "Who was a chat assigned to before the platform ran?",
        "The API sends no history of assignments; known are those that were made here and those that events told.",
    ),
    (
        "What was a contact's segment at an earlier time?",
        "Custom fields are stored as they are now. The platform keeps no history of them.",
    ),
    (
        "When did a contact really leave, or who deleted it?",
        "The list just lacks it. It is gone from the first full sweep on that misses it; nobody says why.",
    ),
    (
        "Which contacts are the same person?",
        "A contact is a number. Somebody with two numbers is two contacts.",
    ),
    (
        "Who blocked the number or reported it as spam?",
        "The API does not say. `failed` counts what was not delivered, for any reason.",
    ),
)
"""Questions that people ask and that this data has no answer to, each with the reason."""


def generate() -> str:
    """The whole document."""
    kpis = [table for table in published_tables() if issubclass(table, KpiTable)]
    core = [table for table in published_tables() if issubclass(table, CoreTable)]
    inner = [table for table in TABLES.values() if table not in kpis and table not in core]
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        "## Published tables",
        "",
        *_grid(
            ("table", "a row is", "definition version", "pillar", "about"),
            (
                (
                    _link(table),
                    _row_is(table),
                    str(table.version) if issubclass(table, KpiTable) else "",
                    table.pillar if issubclass(table, KpiTable) else "",
                    table.description(),
                )
                for table in (*kpis, *core)
            ),
        ),
        "",
        *_READING.splitlines(),
        "",
        *_grid(("type", "DuckDB", "Parquet"), ((kind.value, *_TYPES[kind]) for kind in _published_types())),
        "",
        "## How the tables hang together",
        "",
        "Every row on the left leads to one row on the right, unless the columns are NULL.",
        "",
        *_grid(
            ("from", "to", "on", "it gives"),
            (
                (f"`{join.many}`", f"`{join.one}`", ", ".join(_equals(one, other) for one, other in join.on), join.note)
                for join in JOINS
            ),
        ),
        "",
        "What the figures of each KPI table are made from, core tables and what the API sent (`raw`, not published):",
        "",
        *_grid(("KPI table", "made from"), ((_link(table), ", ".join(map(_code, made_from(table)))) for table in kpis)),
        "",
        "## What cannot be answered",
        "",
        "Neither from these tables nor from anything else the platform holds. What the CRM does not send is unknown.",
        "[The saved questions](questions/README.md) can be answered.",
        "",
        *_grid(("question", "why not"), _UNANSWERED),
        "",
        "## Every KPI table",
        "",
        "has these columns after its own:",
        "",
        *_columns(KpiTable.columns.items()),
        "",
    ]
    for table in (*kpis, *core):
        lines += _section(table, depth=2)
    lines += [
        "## Inside the platform",
        "",
        "Not published: what the API sent (`raw`), the platform's own work (`ops`), steps of a build (`core`).",
        "",
    ]
    for table in sorted(inner, key=lambda one: (("raw", "ops", "core").index(one.schema), one.table)):
        lines += _section(table, depth=3)
    return "\n".join(lines).rstrip() + "\n"


def made_from(table: type[Table]) -> list[str]:
    """Raw tables and published core tables that a table's figures are made from, by its SQL.

    Steps of a build are looked through; what `coverage` is told from is left out.
    """
    found: set[str] = set()
    seen: set[str] = set()
    todo = [table.full_name()]
    while todo:
        for name in dependencies(TABLES[todo.pop()]) - seen:
            seen.add(name)
            declared = TABLES[name]
            if declared in published_tables() or declared.schema == "raw":
                found.add(name)
            elif not declared.table.startswith("coverage_") and is_built(declared):
                todo.append(name)
    return sorted(found)


def _published_types() -> list[Type]:
    used = {column.type for table in published_tables() for column in published_columns(table).values()}
    return [kind for kind in Type if kind in used]


def _section(table: type[Table], *, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {table.full_name()}"
    yield ""
    yield table.description()
    yield ""
    is_published = table in published_tables()
    key = [name for name in table.key if not is_published or name in published_columns(table)]
    facts = [f"Key: {', '.join(map(_code, key)) or 'none, it has one row'}."]
    if key != list(table.key):
        facts = [f"Key: {', '.join(map(_code, key))} and a column that is not published."]
    if issubclass(table, KpiTable):
        facts.append(f"Definition version {table.version}.")
    if table.full_name() in BY_MONTH:
        of = BY_MONTH[table.full_name()]
        facts.append(f"Parquet: a file for each local month of `{of}`, and one of the newest days.")
    yield " ".join(facts)
    yield ""
    own = {name: column for name, column in table.columns.items() if not is_published or column.published != "no"}
    if issubclass(table, KpiTable):
        own = {name: column for name, column in own.items() if name not in KpiTable.columns}
    yield from _columns(own.items())
    yield ""
    rules = [rule for rule in table.rules if all(name in own for name in _names(rule, table))]
    if rules:
        yield "Rules that always hold:"
        yield ""
        yield from (f"- `{rule}`" for rule in rules)
        yield ""


def _names(rule: str, table: type[Table]) -> list[str]:
    return [word for word in rule.replace("(", " ").replace(")", " ").split() if word in table.columns]


def _columns(columns: Iterable[tuple[str, Column]]) -> list[str]:
    return _grid(
        ("column", "type", "unit", "range", "may be NULL", "meaning"),
        (
            (
                f"`{name}`",
                column.type.value,
                column.unit or "",
                _range(column),
                "yes" if column.nullable else "",
                f"{column.description}{ABOUT_PUBLISHED.get(column.published, '')}",
            )
            for name, column in columns
        ),
    )


def _range(column: Column) -> str:
    if column.allowed is not None:
        return ", ".join(map(_code, column.allowed))
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum:g} to {column.maximum:g}"
    if column.minimum is not None:
        return f"from {column.minimum:g}"
    return "" if column.maximum is None else f"up to {column.maximum:g}"


def _row_is(table: type[Table]) -> str:
    if issubclass(table, KpiTable) and table.period:
        return f"a {table.period}"
    key = [name for name in table.key if name in published_columns(table)]
    return ", ".join(map(_code, key)) if key else "the only one"


def _link(table: type[Table]) -> str:
    return f"[{table.full_name()}](#{table.full_name().replace('.', '')})"


def _code(word: str) -> str:
    return f"`{word}`"


def _equals(one: str, other: str) -> str:
    return f"`{one}`" if one == other else f"`{one}` = `{other}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _grid(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


if __name__ == "__main__":
    DICTIONARY.write_text(generate(), encoding="utf-8")
    sys.stdout.write(f"wrote {DICTIONARY}\n")
