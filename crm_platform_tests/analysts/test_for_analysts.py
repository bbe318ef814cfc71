"""The analysts' page: what it shows works, and its links lead somewhere."""

from __future__ import annotations

import math
import re
from importlib import metadata
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ("for-analysts.md", "what-each-figure-is-for.md", "data-dictionary.md")
PAGE = (ROOT / "docs" / "for-analysts.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def block(opening: str) -> str:
    (found,) = [one for one in blocks("sql") if one.startswith(f"-- {opening}\n")]
    return found


def rows(snapshot, sql: str) -> list[dict]:
    with duckdb.connect(str(snapshot.database), read_only=True) as connection:
        return connection.sql(sql).to_arrow_table().to_pylist()


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.strip().splitlines()[-1][:40])
def test_python_on_the_page_runs(data_folder, code, capsys):
    exec(compile(code, "docs/for-analysts.md", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("sql", blocks("sql"), ids=lambda sql: sql.splitlines()[0])
def test_sql_on_the_page_gives_rows(snapshot, sql):
    assert rows(snapshot, sql)


def test_the_page_was_tried_with_what_is_installed():
    (named,) = re.findall(r"with the packages it locks\s+\(([^)]*)\)", PAGE)
    for package, version in (one.split() for one in re.split(r",\s+", named)):
        assert metadata.version(package).startswith(version), "try the page again, and name the new version"


def test_the_rows_behind_a_figure_give_the_figure(snapshot):
    found = rows(snapshot, block("behind a figure"))
    published = rows(snapshot, "select count(first_response_seconds_median) as days from kpi.response_times_daily")
    assert len(found) == published[0]["days"] > 10
    for row in found:
        assert math.isclose(row["published"], row["recomputed"], rel_tol=1e-9)


def test_weeks_pool_every_counted_first_wait(snapshot):
    (days,) = rows(
        snapshot,
        "select sum(first_answered_waits) / (sum(first_answered_waits) + sum(missed_waits)) as rate"
        " from kpi.response_times_daily",
    )
    weeks = rows(snapshot, block("by week"))
    assert min(week["answer_rate"] for week in weeks) <= days["rate"] <= max(week["answer_rate"] for week in weeks)


def test_every_message_falls_into_one_conversation(snapshot):
    found = rows(snapshot, block("messages of conversations"))
    (counted,) = rows(
        snapshot,
        "select (select count(*) from core.messages) as messages,"
        " (select count(*) from core.conversations) as conversations",
    )
    assert sum(row["messages"] for row in found) == counted["messages"]
    assert sum(row["conversations"] for row in found) == counted["conversations"]


def headings(text: str) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}


@pytest.mark.parametrize("name", DOCS)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / name).read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, heading = target.partition("#")
            leads_to = ROOT / "docs" / (path or name)
            assert leads_to.exists(), target
            assert not heading or heading in headings(leads_to.read_text(encoding="utf-8")), target
