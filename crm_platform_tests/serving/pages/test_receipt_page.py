"""Behind a figure: every link leads to its receipt, for people and for programs alike."""

from __future__ import annotations

import datetime as dt
import html
import re
from urllib.parse import parse_qsl, urlencode

import pytest

from crm_platform.models import Cut, expand, vocabulary
from crm_platform.models.generate import figures, used
from crm_platform.receipts import figure_columns
from crm_platform.receipts.reasons import REASONS
from crm_platform.schemas import KpiTable
from crm_platform.serving.pages.addresses import KEPT
from crm_platform.serving.pages.column_words import column_words, labels
from crm_platform.serving.pages.receipt import REASON_WORDS
from crm_platform.settings import Settings
from crm_platform.tables import TABLES
from crm_platform_tests.serving.pages.site import Site, read

pytestmark = pytest.mark.slow  # it looks at hundreds of receipts

PAGES = ("/executive", "/campaigns", "/support", "/audience")


def receipts(site: Site) -> list[str]:
    found = {
        html.unescape(href) for page in PAGES for href in re.findall(r'href="(/receipt\?[^"]+)"', site.get(page).text)
    }
    assert found
    return sorted(found)


def test_a_link_to_each_figure_leads_to_a_receipt_that_agrees(site: Site):
    """Every link: test_rows_behind.py, among the slow ones."""
    figures = {re.sub(r"&(?!column).*", "", address): address for address in receipts(site)}
    for address in figures.values():
        answer = site.get(address)
        assert answer.status_code == 200, address
        assert read(answer.text).inline == []
        assert "computed again from this it is the same" in answer.text, address


@pytest.mark.parametrize("days", ["range=7d", "range=28d", "range=month", "from=2026-09-03&to=2026-09-03"])
def test_a_figure_over_a_range_is_the_one_its_rows_give(site: Site, days: str):
    seen = set()
    for page in PAGES:
        for figure in site.get(f"{page}?{days}").text.split('<div class="figure')[1:]:
            name = figure.partition('id="figure-')[2].partition('"')[0]
            value = figure.partition('<data value="')[2].partition('"')[0]
            link = re.search(r'href="/receipt\?([^"]*day_from[^"]*)"', figure.partition("<section")[0])
            if link is None:
                continue
            assert value, name
            asked = {name: part for name, part in parse_qsl(html.unescape(link[1])) if name not in KEPT}
            table = asked.pop("table").removeprefix("kpi.")
            answer = site.get(f"/api/v1/kpis/{table}/receipt?{urlencode(asked)}").json()
            assert answer["value"] == pytest.approx(float(value), rel=1e-12), name
            assert answer["row_count"] > 0 or answer["value"] == 0
            seen.add(name)
    assert seen >= ({"first_response", "within_target", "answer_rate"} if "range" in days else {"resolved"})


@pytest.mark.parametrize("language", ["en", "sw"])
def test_it_is_told_in_both_languages(site: Site, language: str):
    answer = site.get(receipts(site)[0], cookie=f"lang={language}")
    assert f'<html lang="{language}"' in answer.text


def test_the_api_tells_the_same(site: Site):
    (day,) = site.published("select day, waits from kpi.response_times_daily order by waits desc, day limit 1")
    address = f"response_times_daily/receipt?column=waits&day={day['day']}"
    told = site.get(f"/api/v1/kpis/{address}").json()
    assert told["value"] == told["recomputed"] == told["row_count"] == day["waits"] > 0
    assert told["agrees"] is True
    assert len(told["rows"]) == told["row_count"]
    page = site.get(f"/receipt?table=kpi.response_times_daily&column=waits&day={day['day']}")
    assert told["digest"] in page.text


def test_the_apis_receipt_is_asked_for_once_a_snapshot(site: Site):
    address = "/api/v1/kpis/backlog_now/receipt?column=open_waits"
    first = site.get(address)
    assert first.status_code == 200
    again = site.get(address, **{"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "there is no KPI table"),
        ("table=kpi.backlog_now&column=nonsense", "has no column"),
        ("table=kpi.response_times_daily&column=waits", "is named by day"),
        ("table=kpi.response_times_daily&column=waits&day=1999-01-01", "has no row"),
        ("table=kpi.response_times_daily&column=waits&day=soon", "write a day such as"),
    ],
)
def test_what_is_not_there_says_what_is(site: Site, query: str, words: str):
    answer = site.get(f"/receipt?{query}", accept="text/html")
    assert answer.status_code == 404
    assert words in html.unescape(answer.text)


def told_to_people(text: str) -> str:
    """What a receipt says before its part for auditors, and before rows, which hold what the CRM holds."""
    article = text.partition('<article class="receipt">')[2].partition('<details class="auditors">')[0]
    cells = r"(?s)<tbody>.*</tbody>"
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(cells, "", article)))


@pytest.mark.parametrize("language", ["en", "sw"])
def test_every_figure_of_every_table_is_told_in_words(site: Site, language: str):
    asked = []
    for name, table in TABLES.items():
        if not issubclass(table, KpiTable):
            continue
        (row,) = site.published(f"select * from {name} order by all desc limit 1")
        key = {part: row[part] for part in table.key}
        asked += [urlencode({"table": name, "column": column, **key}) for column in figure_columns(table)]
    assert len(asked) > 100
    for query in asked:
        answer = site.get(f"/receipt?{query}", cookie=f"lang={language}")
        assert answer.status_code == 200, query
        words = told_to_people(answer.text)
        said = re.sub(r"(?s)<p class=\"lead\" lang=\"en\">.*?</p>", "", answer.text)
        assert not re.search(r"[a-z]_[a-z]", told_to_people(said)), (query, words)
        if language == "sw":
            assert "Tangu toleo la awali" in words
            assert not re.search(r"\b(the|of|and|rows)\b", told_to_people(said)), (query, words)


def test_times_are_local_durations_are_durations_and_outcomes_are_words(site: Site):
    page = site.get("/receipt?table=kpi.backlog_now&column=oldest_open_wait_seconds").text
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert re.search(r"\d\d:\d\d:\d\d EAT", rows)
    assert " UTC" not in told_to_people(page) + rows
    assert "<td><bdi>still waiting</bdi></td>" in rows
    assert re.search(r'class="amount[^>]*>\d+\u00a0(d|h|min)', page)


def test_one_row_is_one(site: Site):
    (one,) = site.published(
        "select day, first_waits from kpi.response_times_daily where first_waits = 1 order by day limit 1"
    )
    page = site.get(f"/receipt?table=kpi.response_times_daily&column=first_waits&day={one['day']}").text
    assert "1 wait of a customer ·" in page
    assert "1 rows" not in page


def test_every_column_source_and_reason_has_words():
    tables = [table for table in TABLES.values() if issubclass(table, KpiTable)]
    cut = Cut(as_of=dt.datetime(2026, 11, 20, tzinfo=dt.UTC), rows={})
    words = vocabulary(dialect="duckdb", settings=Settings.model_construct(), cut=cut)
    declared = [figure for table in tables for figure in figures(table).values()]
    assert [table for table in {figure.rows.source for figure in declared} if "row_words" not in vars(table)] == []
    columns = {
        name
        for figure in declared
        for name in (*(figure.rows.key or figure.rows.source.key), *used(figure, lambda text: expand(text, words)))
    }
    columns |= {name.removesuffix("_previous") for table in tables for name in figure_columns(table)}
    assert columns <= labels().keys()
    assert REASONS.keys() == REASON_WORDS.keys()


def test_a_column_of_several_tables_is_named_once():
    named = [name for table in TABLES.values() for name, column in table.columns.items() if column.label]
    several = {name for name in named if named.count(name) > 1}
    assert several == {"weekday", "hour"}, "these two are declared in one function, which all tables call"


def test_what_nobody_has_put_into_words_is_told_all_the_same():
    assert column_words("chats_reopened") == "Chats reopened"
    assert KpiTable.row_words == ("1 row", "{n} rows")


def test_rows_begin_with_when_and_campaigns_go_by_their_names(site: Site):
    page = site.get("/receipt?table=kpi.executive_summary&column=first_response_seconds_median_7d").text
    headings = re.findall(r'<th scope="col">([^<]+)</th>', page)
    assert headings == ["Customer wrote", "Waited", "Answered by", "Outcome", "First or later", "Chat"]
    assert re.search(r'<th scope="row"><bdi>[^<]+, \d\d:\d\d:\d\d EAT</bdi></th>', page)
    (campaign,) = site.published(
        "select campaign_id, name from kpi.campaign_performance where name is not null limit 1"
    )
    page = site.get(f"/receipt?table=kpi.campaign_performance&column=delivered&campaign_id={campaign['campaign_id']}")
    assert f'<span class="quiet">· <bdi>{html.escape(campaign["name"])}</bdi></span>' in page.text


def test_it_says_how_to_name_the_chats_behind_it(site: Site):
    days = "day_from=2026-11-15&day_to=2026-11-22"
    page = html.unescape(site.get(f"/receipt?table=kpi.response_times_daily&column=waits&{days}").text)
    named = "crm explain response_times_daily --key day_from=2026-11-15 --key day_to=2026-11-22 --column waits"
    assert f"{named} --privileged" in page
    growth = site.get("/receipt?table=kpi.executive_summary&column=monthly_growth_rate").text
    assert "--privileged" not in growth
