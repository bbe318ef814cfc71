"""The saved questions: each runs on a published snapshot, and agrees with the figures that are published beside it."""

from __future__ import annotations

import math
import re
from datetime import time, timedelta
from pathlib import Path

import duckdb
import pytest

from crm_platform.publish import Snapshot, current
from crm_platform.settings import Settings
from crm_platform_tests.analysts.conftest import crawled_and_published

FOLDER = Path(__file__).parents[2] / "docs" / "questions"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md") if path.name != "README.md"}
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")

LAST_MONTH = re.compile(r"with last_month as \(.*?\n\)", re.DOTALL)
LAST_28_DAYS = """with last_month as (
    select max(day) - 28 as from_day, max(day) as until_day from core.calendar
)"""


@pytest.fixture(scope="module")
def long_snapshot(tmp_path_factory) -> Snapshot:
    """A tenant with five months of history, in which people left, came back and opted out."""
    found = current(crawled_and_published(tmp_path_factory.mktemp("questions") / "data", contacts=200, days=150))
    assert found is not None
    return found


@pytest.fixture(
    params=["short", pytest.param("long", marks=pytest.mark.slow)],
    ids=["45 days", "150 days"],
)
def asked(request):
    """Ask a snapshot: a function from SQL to rows."""
    found: Snapshot = request.getfixturevalue("snapshot" if request.param == "short" else "long_snapshot")
    with duckdb.connect(str(found.database), read_only=True) as connection:
        yield lambda sql: connection.sql(sql).to_arrow_table().to_pylist()


def query(name: str) -> str:
    (sql,) = re.findall(r"^```sql\n(.*?)^```", PAGES[name], re.MULTILINE | re.DOTALL)
    return sql.rstrip().rstrip(";")


def of_28_days(name: str) -> str:
    """A question about the last month, asked of the window that KPI tables have."""
    sql, replaced = LAST_MONTH.subn(LAST_28_DAYS, query(name))
    assert replaced == 1
    return sql


def example(name: str) -> list[list[str]]:
    return [line[1:-1].split("|") for line in PAGES[name].splitlines() if line.startswith("|")]


def same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, rel_tol=1e-9)


# Every question.


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_a_question_a_query_what_it_says_and_an_example(name):
    text = PAGES[name]
    assert re.match(r"# [A-Z][^\n.?]*\?\n\n```sql\n", text)
    positions = [text.index(part) for part in ("```sql", "**It says.**", "**It does not say.**", "**Example**")]
    assert positions == sorted(positions)
    assert query(name).count(";") == 0, "one query"


@pytest.mark.parametrize("name", PAGES)
def test_the_index_asks_the_questions_in_their_words(name):
    heading = PAGES[name].splitlines()[0].removeprefix("# ")
    assert f"[{heading}]({name}.md)" in INDEX


@pytest.mark.parametrize("name", PAGES)
def test_the_query_gives_the_columns_of_the_example(asked, name):
    rows = asked(query(name))
    assert rows
    heading, _, *lines = example(name)
    assert [cell.strip() for cell in heading] == list(rows[0])
    assert lines
    assert {len(line) for line in lines} == {len(heading)}
    for row in rows:
        for column, value in row.items():
            if column.endswith(("_share", "_rate", "share")) and value is not None:
                assert 0 <= value <= 1, column


@pytest.mark.parametrize("name", PAGES)
def test_no_local_time_is_taken_from_an_instant_without_the_clock(name):
    """An engine's time zones, or UTC days taken for local ones, would give another answer than the figures."""
    sql = query(name)
    assert "at time zone" not in sql.lower()
    for taken in re.findall(r"(?:hour|isodow|date_trunc|as date|as time)\b[^\n]*", sql):
        assert "_at" not in taken or "utc_offset_seconds" in sql, taken


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", INDEX + "".join(PAGES.values())))
def test_links_lead_somewhere(target):
    assert (FOLDER / target).exists()


def test_the_analysts_page_leads_here():
    assert "(questions/README.md)" in (FOLDER.parent / "for-analysts.md").read_text(encoding="utf-8")


# One by one, against what is published.

# `support_by` masks what looks like an e-mail address in `value`, an agent's too: agents are told by their figures.
BY = [
    ("first-response-by-agent", "dimension = 'agent'", "'someone'", []),
    ("first-response-by-country", "dimension = 'country'", "value", ["country"]),
    ("first-response-by-segment", "dimension like 'segment:%'", "substr(dimension, 9) || value", ["field", "value"]),
]


@pytest.mark.parametrize(("name", "where", "key", "columns"), BY, ids=[name for name, *_ in BY])
def test_first_responses_are_those_of_support_by(asked, name, where, key, columns):
    published = asked(
        f"select {key} as key, first_answered_waits, first_response_seconds_median as median from kpi.support_by"
        f" where {where} and window_days = 28 and first_answered_waits > 0"
    )
    found = [
        (
            "".join(row[column] for column in columns) or "someone",
            row["first_answers"],
            row["first_response_seconds_median"],
        )
        for row in asked(of_28_days(name))
    ]
    assert found
    assert sorted(found) == sorted(tuple(row.values()) for row in published)


def test_last_month_is_the_month_before_the_cuts(asked):
    (month,) = asked(LAST_MONTH.search(query("first-response-by-agent"))[0] + " select * from last_month")
    (newest,) = asked("select max(day) as day from core.calendar")
    assert (month["until_day"].year, month["until_day"].month) == (newest["day"].year, newest["day"].month)
    assert month["until_day"].day == 1
    assert (month["until_day"] - timedelta(days=1)).month == month["from_day"].month
    assert month["from_day"].day == 1


def test_business_hours_part_the_answers_of_the_month(asked):
    within, without = asked(of_28_days("business-hours"))
    assert (within["asked_in_business_hours"], without["asked_in_business_hours"]) == (True, False)
    (published,) = asked(
        "select sum(first_answered_waits) as n from kpi.support_by where dimension = 'origin' and window_days = 28"
    )
    assert within["first_answers"] + without["first_answers"] == published["n"]
    for row in (within, without):
        assert row["business_first_response_seconds_median"] <= row["first_response_seconds_median"]


def test_the_business_hours_written_there_are_the_default_ones(asked):
    hours = re.findall(r"\((\d), time '(\d\d:\d\d)', time '(\d\d:\d\d)'\)", query("business-hours"))
    default = Settings.model_fields["business_hours"].default
    assert default == "Mon-Fri 08:00-17:00"
    assert hours == [(str(day), "08:00", "17:00") for day in range(5)]
    # Who asked and was answered on one day, inside these hours, waited business seconds only.
    for row in asked(
        "select waiting_since + to_seconds(utc_offset_seconds) as asked_at,"
        " answered_at + to_seconds(utc_offset_seconds) as told_at, response_seconds, business_response_seconds"
        " from core.response_waits join core.clock on waiting_since >= from_at and waiting_since < until_at"
        " where state = 'answered' and business_response_seconds is not null"
    ):
        asked_at, told_at = row["asked_at"], row["told_at"]
        if (
            asked_at.date() == told_at.date()
            and asked_at.weekday() < 5
            and time(8) <= asked_at.time() <= told_at.time() < time(17)
        ):
            assert row["business_response_seconds"] == row["response_seconds"]


def test_the_promise_is_kept_as_often_as_the_days_say(asked):
    found = asked(query("promise-by-weekday"))
    days = asked(
        "select (isodow(day) - 1) as weekday, sum(first_answered_waits + missed_waits) as first_waits,"
        " sum(first_within_target_rate * (first_answered_waits + missed_waits)) as within_target"
        " from kpi.response_times_daily"
        " where day >= (select max(day) - 84 from core.calendar) and day < (select max(day) from core.calendar)"
        " group by weekday having sum(first_answered_waits + missed_waits) > 0"
    )
    assert {row["weekday"] for row in found} == {row["weekday"] for row in days}
    for day in days:
        rows = [row for row in found if row["weekday"] == day["weekday"]]
        assert sum(row["first_waits"] for row in rows) == day["first_waits"]
        assert same(sum(row["within_target"] for row in rows), day["within_target"])


def test_the_target_written_there_is_the_default_one():
    default = Settings.model_fields["first_response_target_minutes"].default
    assert set(re.findall(r"<= (\d+) \* 60", query("promise-by-weekday"))) == {str(default)}
    assert f"{default} minutes" in PAGES["promise-by-weekday"].splitlines()[0]


def test_missed_and_followed_up_are_those_of_the_days(asked):
    found = asked(query("missed-followed-up"))
    months = asked(
        "select cast(date_trunc('month', day) as date) as month, sum(missed_waits) as missed,"
        " sum(followed_up_missed_waits) as followed_up, sum(shut_missed_waits) as shut"
        " from kpi.response_times_daily group by month having sum(missed_waits) > 0 order by month"
    )
    assert [
        (
            row["month"],
            row["missed"],
            row["followed_up_by_reply"] + row["followed_up_by_template"],
            row["missed_while_shut"],
        )
        for row in found
    ] == [tuple(month.values()) for month in months]


def test_busiest_hours_hold_their_share_of_the_replies(asked):
    found = {row["agent"]: row for row in asked(query("busiest-hour-by-agent"))}
    published = {
        row["agent"]: row["replies"]
        for row in asked(
            "select agent, sum(replies) as replies from kpi.agents_daily"
            " where day >= (select max(day) - 28 from core.calendar) and day < (select max(day) from core.calendar)"
            " group by agent having sum(replies) > 0"
        )
    }
    assert found.keys() == published.keys()
    for agent, row in found.items():
        assert 0 <= row["hour"] <= 23
        assert same(row["replies"] / published[agent], row["share"])
        assert row["share"] >= 1 / 24


def test_long_conversations_are_those_of_the_days(asked):
    months = asked(
        "select cast(date_trunc('month', day) as date) as month, sum(conversations) as conversations,"
        " sum(over_10_messages) as over_10_messages from kpi.conversations_daily"
        " group by month having sum(conversations) > 0 order by month"
    )
    found = asked(query("long-conversations"))
    assert [(row["month"], row["conversations"], row["over_10_messages"]) for row in found] == [
        tuple(month.values()) for month in months
    ]


def test_retention_has_a_row_for_each_cohort(asked):
    found = asked(query("retention-by-cohort"))
    published = asked("select cohort, months_since, contacts, active from kpi.contact_retention_monthly")
    assert [row["cohort"] for row in found] == sorted({row["cohort"] for row in published})
    by_key = {(row["cohort"], row["months_since"]): row for row in published}
    for row in found:
        assert row["contacts"] == by_key[row["cohort"], 0]["contacts"]
        for months, name in [(1, "after_1_month"), *((n, f"after_{n}_months") for n in (2, 3, 6, 12))]:
            known = by_key.get((row["cohort"], months))
            assert same(row[name], known and known["active"] / known["contacts"])


def test_people_who_came_back_are_the_reactivated_of_the_days(asked):
    months = asked(
        "select cast(date_trunc('month', day) as date) as month, sum(reactivated) as came_back"
        " from kpi.contact_activity_daily group by month having sum(reactivated) > 0 order by month"
    )
    found = asked(query("came-back"))
    assert [(row["month"], row["came_back"]) for row in found] == [tuple(month.values()) for month in months]
    assert all(row["contacts"] <= row["came_back"] and row["days_away_median"] > 30 for row in found)


def test_opt_outs_after_campaigns_are_among_those_of_the_days(asked):
    found = asked(query("opt-outs-after-campaigns"))
    (campaigns,) = asked("select count(*) as n from kpi.campaign_performance where sent_at <= as_of")
    assert len(found) == campaigns["n"], "every campaign that was sent, those without an opt-out too"
    (published,) = asked("select sum(after_campaign) as n from kpi.opt_outs_daily")
    assert sum(row["contacts_opted_out"] for row in found) <= published["n"]


@pytest.mark.slow
def test_the_long_history_has_opt_outs_after_campaigns(long_snapshot):
    with duckdb.connect(str(long_snapshot.database), read_only=True) as connection:
        found = connection.sql(query("opt-outs-after-campaigns")).to_arrow_table().to_pylist()
    assert sum(row["contacts_opted_out"] for row in found) > 0
