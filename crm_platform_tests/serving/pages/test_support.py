"""The support page: business hours by a switch, the promise, workload and leaderboard by agent, over any days."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path

import pytest

from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.site import Site, Table, publish_world
from crm_platform_tests.serving.pages.test_figures_equal_tables import local_day

pytestmark = pytest.mark.slow  # it publishes worlds of its own

NOW = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
DAY, HOUR, MINUTE = dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(minutes=1)


def chart(site: Site, path: str, how: str) -> Table:
    return next(table for table in site.told(path).tables if table.attributes["data-how"] == how)


def waits_of(site: Site, table: Table) -> list[dict[str, object]]:
    """The first waits that are decided, of a chart's days."""
    first, last = (dt.date.fromisoformat(table.attributes[name]) for name in ("data-from", "data-to"))
    return [
        row
        for row in site.published("select * from core.response_waits where is_first and not is_left_truncated")
        if row["state"] in {"answered", "missed"} and first <= local_day(site, row["waiting_since"]) <= last
    ]


def team(folder: Path, *, agents: int = 25, nobody: int = 0, **settings: object) -> Site:
    """A question a chat, at noon of the days before: the first three agents answer 30 each, the others one.

    The first agent is always in time, the next two every second time. `nobody`: so many replies more that name nobody.
    """
    world = World(folder, Settings(data_dir=folder, **settings))  # type: ignore[arg-type]
    work = [f"agent-{number:02}" for number in range(agents) for _ in range(30 if number < 3 else 1)]
    work += [""] * nobody
    world.sweep(NOW - HOUR, [f"c{number}" for number in range(len(work))])
    for number, agent in enumerate(work):
        chat = f"c{number}"
        world.contact(chat, NOW - HOUR)
        world.chat(chat, known_until=NOW)
        world.fetch("list_messages", chat, NOW)
        asked = (NOW - (2 + number % 5) * DAY).replace(hour=9, minute=0)
        slow = agent != "agent-00" and number % 2
        world.message(chat, f"{chat}q", asked, "inbound")
        world.message(chat, f"{chat}a", asked + (60 if slow else 5) * MINUTE, "outbound", sender=agent or None)
    return publish_world(world, NOW, expected_unseen={})


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return team(tmp_path_factory.mktemp("crowd"), nobody=200)


@pytest.mark.parametrize(
    ("query", "window"), [("?range=7d", 7), ("?from=2026-10-23&to=2026-11-21", 30)], ids=["7 days", "30 days"]
)
def test_the_leaderboard_over_a_published_window_is_the_published_one(site: Site, query: str, window: int):
    published = {
        row["agent"]: row for row in site.published(f"select * from kpi.agent_leaderboard where window_days = {window}")
    }
    table = chart(site, f"/support{query}", "leaderboard")
    assert {key.removeprefix("agent=") for key, _ in table.rows} == set(published)
    assert {"replies", "first_response_seconds_median", "chats_resolved", "chats_assigned"} < set(table.columns)
    for key, cells in table.rows:
        for column, cell in zip(table.columns, cells, strict=True):
            value = published[key.removeprefix("agent=")][column]
            assert cell == ("" if value is None else str(value)), (key, column)


def test_the_promise_counts_each_conversation_once(site: Site):
    for query in ("?range=90d", "?range=90d&hours=business"):
        column = "business_response_seconds" if "hours" in query else "response_seconds"
        told = site.told(f"/support{query}")
        by_agent, by_weekday = (table for table in told.tables if table.attributes["data-how"] == "promise")
        waits = waits_of(site, by_agent)
        target = site.settings.first_response_target_minutes * 60
        decided: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        for row in waits:
            agent = row["agent"] if row["state"] == "answered" else row["assignee"]
            decided[f"agent={agent or '(unassigned)'}"] += 1
            kept[f"agent={agent or '(unassigned)'}"] += row["state"] == "answered" and row[column] <= target  # type: ignore[operator]
        assert {key: int(cells[1]) for key, cells in by_agent.rows} == decided
        for key, cells in by_agent.rows:
            assert int(cells[2]) == kept[key]
            if cells[3]:
                assert float(cells[3]) == kept[key] / decided[key]
                assert float(cells[4]) < float(cells[3]) < float(cells[5])
        assert sum(int(cells[1]) for _, cells in by_weekday.rows) == len(waits)
        within = next(figure for figure in told.figures if figure["data-how"] == "within")
        assert float(within["value"]) == sum(int(cells[2]) for _, cells in by_weekday.rows) / len(waits)


def test_workload_is_of_the_replies_of_the_days(site: Site):
    table = chart(site, "/support?range=90d", "workload")
    first, last = (dt.date.fromisoformat(table.attributes[name]) for name in ("data-from", "data-to"))
    expected = Counter(
        f"agent={row['agent'] or '(unassigned)'},hour={(row['replied_at'] + 3 * HOUR).hour}"  # Nairobi
        for row in site.published("select * from core.reply_credit")
        if first <= local_day(site, row["replied_at"]) <= last
    )
    assert {key: int(cells[2]) for key, cells in table.rows if cells[2] != "0"} == expected


def test_hours_are_switched_by_a_link_that_keeps_the_days(site: Site):
    def switch(path: str) -> dict[str, str]:
        html = site.get(path).text.partition('<nav class="switch"')[2].partition("</nav>")[0]
        return {
            words: href.replace("&amp;", "&") for href, words in re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', html)
        }

    assert switch("/support?range=7d") == {
        "All hours": "/support?range=7d",
        "Business hours": "/support?range=7d&hours=business",
    }
    told = site.told("/support?range=7d&hours=business")
    assert "/support?hours=business&range=90d" in told.links
    shown = {figure["data-column"] for figure in told.figures}
    assert "business_response_seconds" in shown
    assert "response_seconds" not in shown
    assert "First response time in business hours" in told.words
    assert "of business hours at the median" in told.words
    charted = {column for table in told.tables for column in table.columns if "response_seconds" in column}
    assert charted
    assert all(column.startswith("business_") for column in charted)
    assert 'class="switch"' not in site.get("/executive?hours=business").text


def test_hours_that_cannot_be_shown_are_told(site: Site, tmp_path: Path):
    answer = site.get("/support?hours=lunch")
    assert answer.status_code == 400
    assert "hours=lunch is not known; write hours=business" in answer.text
    always = team(tmp_path, agents=1, business_hours="none")
    assert 'class="switch"' not in always.get("/support").text
    asked = always.get("/support?hours=business")
    assert asked.status_code == 400
    assert "none are kept" in asked.text
    assert always.get("/charts/support/agents.csv?hours=business").status_code == 400
    # One agent: nobody to be compared with.
    assert "fewer than three agents have enough conversations to be compared" in always.told("/support").words


def test_the_best_agent_is_named_where_chance_does_not_explain_it(crowd: Site):
    words = crowd.told("/support?range=7d").words.replace("\xa0", " ")
    assert "agent-00 keeps it more often than the others together: 100.0 % against" in words
    assert "nobody is named best" not in words


def test_few_are_told_and_the_rest_is_said(crowd: Site):
    page = crowd.get("/support?range=7d").text
    assert "too few to say (1)" in page
    assert "5 more agents are in the table alone" in page
    assert "5 more agents, who wrote fewer, are left out (5 replies)" in page
    assert len(chart(crowd, "/support?range=7d", "promise").rows) == 26
    assert len({key.partition(",")[0] for key, _ in chart(crowd, "/support?range=7d", "workload").rows}) == 21


def test_who_is_not_named_dwarfs_nobody(crowd: Site):
    html = crowd.get("/support?range=7d").text
    board = html.partition('data-how="leaderboard"')[2].partition("</table>")[0]
    bars = dict(re.findall(r'data-key="agent=([^"]+)".*?<rect class="bar \w+" width="([0-9.]+)"', board))
    assert bars["agent-00"] == bars["(unassigned)"] == "72.0"
    assert board.count('class="cut"') == 1
    assert board.index("agent-24") < board.index("(unassigned)")
    assert "Only 35.9" in html


def test_of_nobody_nothing_is_drawn(empty_site: Site):
    for query in ("", "?hours=business"):
        told = empty_site.told(f"/support{query}")
        assert not [
            table for table in told.tables if table.attributes["data-how"] in {"workload", "leaderboard"} and table.rows
        ]
        assert "nobody is named best" not in told.words
        assert "fewer than three agents" not in told.words


def test_what_events_tell_is_shown_where_there_are_some(site: Site, crowd: Site):
    """The crowd has none: no tile, and no empty one."""
    columns = ("handed_over_conversations,conversations", "human_reply_seconds", "good,responses")
    shown = {figure["data-column"]: figure["value"] for figure in site.told("/support?range=90d").figures}
    assert all(shown[column] for column in columns)
    assert not {figure["data-column"] for figure in crowd.told("/support?range=90d").figures} & {*columns}
