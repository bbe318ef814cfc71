"""The worked examples of metrics/, worked by hand, against the SQL and against the oracle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from crm_platform.schemas import KpiTable
from crm_platform.tables import TABLES
from crm_platform_tests.models.worked_examples import (
    EVERY_OTHER,
    BadExample,
    Example,
    Row,
    examples,
    pages,
)
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute

EXAMPLES = [example for page in pages() for example in examples(page)]
README = (Path(__file__).parents[2] / "docs" / "worked-examples.md").read_text(encoding="utf-8")
KPI_TABLES = {name: table for name, table in TABLES.items() if issubclass(table, KpiTable)}
OF_EVERY_TABLE = KpiTable.columns.keys()  # as_of, coverage, …: the oracle leaves them out

EDGE_CASES = (
    "daylight-saving zone",
    "holiday",
    "midnight",
    "month end",
    "a reopened chat",
    "a mark as done ends a conversation",
    "an opt-out",
    "a silent type",
    "72 hours after a campaign",
    "missed, followed up, while shut",
    "a segment that is a list",
    "a template between question and answer",
    "a failed reply",
    "a closing thank-you",
    "two messages in the same second",
    "a chat fetched days ago",
    "history cut off",
    "a contact with no message",
    "zero denominators",
    "one campaign only",
    "an empty warehouse",
)


def spelled_out(rows: Sequence[Row], key: Sequence[str], every_row: Iterable[Row]) -> list[Row]:
    """The expected rows, with a row of `*` repeated for every row that is not named."""
    named = [row for row in rows if EVERY_OTHER not in [row[column] for column in key]]
    places = {tuple(row[column] for column in key) for row in named}
    others = [row for row in rows if row not in named]
    left = [one for one in every_row if tuple(one[column] for column in key) not in places]
    return [*named, *({**row, **{column: one[column] for column in key}} for row in others for one in left)]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}: {example.title}")
def test_the_example_holds(example: Example, tmp_path: Path):
    key = TABLES[example.table].key
    oracle = compute(example.facts)
    world = example.build(tmp_path)
    for shown in example.expected:
        expected = spelled_out(shown, key, oracle[example.table])
        assert differences(expected, world.tables[example.table], key, tolerance=1e-9) == []
        figures = [{name: cell for name, cell in row.items() if name not in OF_EVERY_TABLE} for row in expected]
        assert differences(figures, oracle[example.table], key, tolerance=1e-9) == []
    assert {table: len(world.tables[table]) for table in example.row_counts} == example.row_counts
    # The figures that the page does not show.
    for table, rows in oracle.items():
        if table not in TABLES:  # the oracle may be ahead of the product
            continue
        assert differences(rows, world.tables[table], KEYS[table], tolerance=1e-9) == [], table


def test_an_empty_warehouse_has_every_column(tmp_path: Path):
    (example,) = [one for one in EXAMPLES if one.title == "An empty warehouse"]
    assert example.row_counts.keys() == KPI_TABLES.keys()
    world = example.build(tmp_path)
    with world.models.reading() as session:
        for name, table in KPI_TABLES.items():
            assert session.query(f"select * from {name}").schema.names == list(table.columns), name


@pytest.mark.parametrize("table", sorted(KPI_TABLES))
def test_every_table_has_a_page_that_shows_every_column(table: str):
    shown = {
        column for one in EXAMPLES if one.table == table for rows in one.expected for row in rows for column in row
    }
    assert KPI_TABLES[table].columns.keys() - shown == set()


# The README.


def anchor(title: str) -> str:
    """The fragment that a heading is reached by."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


PLACES = {f"../crm_platform/metrics/{one.page}#{anchor(one.title)}" for one in EXAMPLES}


def listed(heading: str) -> dict[str, list[str]]:
    """The README's table under a heading: its first cells, each with where its links lead."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return {row[0].strip(): re.findall(r"\]\(([^)]+)\)", "|".join(row)) for row in rows}


def test_the_readme_leads_to_every_example():
    links = [link for found in listed("The examples").values() for link in found]
    assert sorted(links) == sorted(PLACES)


def test_every_edge_case_has_an_example():
    cases = listed("Edge cases")
    assert tuple(cases) == EDGE_CASES
    assert {link for found in cases.values() for link in found} <= PLACES
    assert [case for case, found in cases.items() if not found] == []


# What is written wrongly is said so.

PAGE = """
## A

**Settings**

| setting | value |
| --- | --- |
| as_of | Fri 2026-11-20 12:00 |

**Messages**

| chat | time | what |
| --- | --- | --- |
| A | 2026-11-20 09:00 | in |

**Expected**

| open_waits |
| --- |
| 1 |
"""
# What is complained of, and how the page above must be changed for it.
BROKEN = {
    "no example; begin one": ("## A", "# A"),
    "no table is called 'Mesages'": ("**Messages**", "**Mesages**"),
    "no cut; write a row as_of": ("| as_of | Fri 2026-11-20 12:00 |", ""),
    "no setting is called colour": ("| as_of", "| CRM_COLOUR | red |\n| as_of"),
    "2026-11-20 12:00 is a Fri": ("Fri", "Thu"),
    "'noon' is no time": ("Fri 2026-11-20 12:00", "noon"),
    "nothing is expected": ("**Expected**", ""),
    "kpi.backlog_now has no column 'waits'": ("open_waits", "waits"),
    "'-' is no integer": ("| 1 |", "| - |"),
    "right below its label": ("**Expected**", "**Expected**\n\nThat is:"),
    "the same number of cells": ("| 1 |", "| 1 | 2 |"),
    "'sent' is not one of 'in', 'opt-out', 'out', 'template'": ("| in |", "| sent |"),
    "Messages has no column 'when'": ("| time |", "| when |"),
}


def written(folder: Path, table: str, text: str) -> Path:
    page = folder / table / "example.md"
    page.parent.mkdir()
    page.write_text(text, encoding="utf-8")
    return page


def test_the_page_to_break_can_be_read(tmp_path: Path):
    page = written(tmp_path, "backlog_now", PAGE)
    (example,) = examples(page)
    assert (example.title, example.expected) == ("A", (({"open_waits": 1},),))


@pytest.mark.parametrize("problem", BROKEN)
def test_a_page_that_cannot_be_read_says_why(problem: str, tmp_path: Path):
    page = written(tmp_path, "backlog_now", PAGE.replace(*BROKEN[problem]))
    with pytest.raises(BadExample, match=re.escape(problem)):
        examples(page)


def test_a_page_lies_in_the_folder_of_a_table_and_names_its_rows(tmp_path: Path):
    page = written(tmp_path, "backlog_then", PAGE)
    with pytest.raises(BadExample, match=re.escape("there is no kpi.backlog_then")):
        examples(page)
    page = written(tmp_path, "backlog_daily", PAGE.replace("open_waits", "open_waits_at_end"))
    with pytest.raises(BadExample, match=re.escape("a row of kpi.backlog_daily is named by day; add day")):
        examples(page)
