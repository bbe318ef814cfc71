"""Behind a figure: every link leads to its receipt, for people and for programs alike."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qsl, urlencode

import pytest

from crm_platform_tests.serving.pages.site import Site, read

PAGES = ("/executive", "/campaigns", "/support")


def receipts(site: Site) -> list[str]:
    found = {
        html.unescape(href) for page in PAGES for href in re.findall(r'href="(/receipt\?[^"]+)"', site.get(page).text)
    }
    assert found
    return sorted(found)


def test_every_link_leads_to_a_receipt_that_agrees(site: Site):
    for address in receipts(site):
        answer = site.get(address)
        assert answer.status_code == 200, address
        assert read(answer.text).inline == []
        assert "computed again from them it is the same" in answer.text, address


@pytest.mark.parametrize("days", ["range=7d", "range=28d", "range=month", "from=2026-09-03&to=2026-09-03"])
def test_a_figure_over_a_range_is_the_one_its_rows_give(site: Site, days: str):
    seen = set()
    for page in PAGES:
        for figure in site.get(f"{page}?{days}").text.split('<div class="figure')[1:]:
            name = figure.partition('id="figure-')[2].partition('"')[0]
            value = figure.partition('<data value="')[2].partition('"')[0]
            link = re.search(r'href="/receipt\?([^"]*day_from[^"]*)"', figure)
            if link is None:
                continue
            assert value, name
            asked = dict(parse_qsl(html.unescape(link[1])))
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
