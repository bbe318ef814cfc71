"""The page for people who do not code: every KPI table and every one of its own figures has its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_platform.schemas import KpiTable
from crm_platform.tables import TABLES
from tools import figures_guide

PAGE = (Path(__file__).parents[2] / "docs" / "what-each-figure-is-for.md").read_text(encoding="utf-8")
KPIS = [table for table in TABLES.values() if issubclass(table, KpiTable)]

# From the heading before a table's name to the next heading that names another table.
PARTS = re.split(r"^(?=Table `kpi\.)", PAGE, flags=re.MULTILINE)
SECTIONS = {match[1]: part for part in PARTS if (match := re.match(r"Table `(kpi\.\w+)`", part))}


def test_the_page_is_what_the_tables_folders_say():
    assert figures_guide.generate() == PAGE, "run make docs"


@pytest.mark.parametrize("table", KPIS, ids=lambda table: table.full_name())
def test_every_figure_is_explained_where_its_table_is(table):
    section = SECTIONS[table.full_name()]
    named = set(re.findall(r"`(\w+)`", section))
    own = (
        set(table.columns) - set(KpiTable.columns) - {table.period, "campaign_id", "name", "status", "sent_at", "agent"}
    )
    own = {name for name in own if not name.endswith("_previous")}  # said once for all of them
    assert own <= named, f"{table.full_name()}: {sorted(own - named)}"


@pytest.mark.parametrize("table", KPIS, ids=lambda table: table.full_name())
def test_every_table_says_what_its_figures_do_not(table):
    section = SECTIONS[table.full_name()]
    for part in ("It does not say**", "**Good", "**Reading.**"):
        assert part in section
    assert "**Question.**" in section or "| figure | question |" in section


def test_no_figure_is_named_that_does_not_exist():
    columns = {name for table in KPIS for name in table.columns}
    words = {word for word in re.findall(r"`([a-z_0-9]+)`", PAGE) if "_" in word and not word.startswith("_")}
    assert words <= columns


def test_no_table_is_named_that_does_not_exist():
    assert SECTIONS.keys() == {table.full_name() for table in KPIS}


# For each table of version 2 the words by which the page says what moved its figures.
CHANGES = {
    "a mark as done ends a conversation": (
        *("agent_leaderboard", "agents_daily", "backlog_daily", "backlog_now", "chats_resolved_daily"),
        *("conversations_daily", "response_times_daily", "support_by"),
    ),
    "a reaction, a call and a note of the system are no messages": ("message_volume_hourly",),
    '"STOP" is no question': ("contact_activity_daily", "contact_retention_monthly", "opt_outs_daily"),
    "gone only once a second list agrees": ("contacts_by_country",),
    "a contact counts in each value": ("contacts_by_segment",),
    "growth begins with": ("contact_growth_daily", "contact_growth_monthly"),
    "a rate over several campaigns": ("engagement_monthly", "executive_summary", "send_time_performance"),
}


def test_the_page_speaks_of_the_versions_that_are_computed():
    (told,) = re.findall(r"The exact definitions are version 2.*?\n\n", PAGE, re.DOTALL)
    told = " ".join(told.split())
    assert "but for the single campaign, handoffs and satisfaction, which have version 1" in told
    versions = {table.table: table.version for table in KPIS}
    for table in ("campaign_performance", "handoffs_daily", "satisfaction_daily", "satisfaction_by_agent"):
        assert versions.pop(table) == 1
    assert set(versions.values()) == {2}
    assert sorted(versions) == sorted(table for tables in CHANGES.values() for table in tables)
    assert [words for words in CHANGES if words not in told] == []
