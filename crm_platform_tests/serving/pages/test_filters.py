"""Filters narrow every figure that can be narrowed, hide the others, and go along from page to page (field case 51)."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from crm_platform_tests.serving.pages.narrowed_site import NarrowedSite
from crm_platform_tests.serving.pages.site import Site
from crm_platform_tests.serving.pages.test_figures_equal_tables import check_figures, check_tables

CHOSEN = [
    [("country", "KE")],
    [("segment", "VIP:no")],
    [("agent", "brian@example.com")],
    [("agent", "(unassigned)"), ("origin", "organic")],
    [("team", "Support")],
    [("origin", "campaign"), ("country", "KE")],
]
PAGES = ("/executive", "/support", "/audience")


@pytest.mark.parametrize(
    "chosen",
    [CHOSEN[3], *(pytest.param(one, marks=pytest.mark.slow) for one in CHOSEN if one != CHOSEN[3])],
    ids=lambda chosen: urlencode(chosen),  # noqa: PLW0108 - pytest asks it for marked ones, too
)
@pytest.mark.parametrize("page", PAGES)
def test_every_narrowed_figure_and_cell_is_the_apis(site: Site, page: str, chosen: list[tuple[str, str]]):
    asked = NarrowedSite(site, chosen)
    told = site.told(f"{page}?range=90d&{asked.query}")
    check_figures(asked, told)
    check_tables(asked, told)
    everyone = site.told(f"{page}?range=90d")
    assert {figure["value"] for figure in told.figures} != {figure["value"] for figure in everyone.figures}


def shown(site: Site, address: str) -> set[tuple[str, str]]:
    return {(figure["data-table"], figure["data-column"]) for figure in site.told(address).figures}


@pytest.mark.slow
def test_what_cannot_be_narrowed_is_not_there(site: Site):
    everyone = shown(site, "/executive")
    of_country, of_agent = shown(site, "/executive?country=KE"), shown(site, "/executive?agent=brian@example.com")
    contacts = {("kpi.executive_summary", "total_contacts"), ("kpi.executive_summary", "monthly_growth_rate")}
    campaigns = {
        ("kpi.executive_summary", "active_campaigns"),
        ("kpi.campaign_performance", "read,delivered"),
        ("kpi.campaign_performance", "replied,delivered"),
    }
    assert everyone - of_country == campaigns
    assert everyone - of_agent == campaigns | contacts
    tables = {table.attributes["data-table"] for table in site.told("/executive?agent=brian@example.com").tables}
    assert tables == {"kpi.response_times_daily"}
    assert (
        "contacts"
        not in re.sub(r"<option.*?</option>", "", site.get("/executive?agent=brian@example.com").text)
        .split('class="sentence">')[1]
        .split("</p>")[0]
    )


def test_campaigns_say_that_they_cannot_be_narrowed(site: Site):
    told = site.told("/campaigns?country=KE")
    assert told.figures == []
    assert "it does not say which contacts got, read or answered it" in told.words
    assert "/campaigns" in told.links


@pytest.mark.parametrize("page", ["/executive", "/campaigns", "/support", "/audience", "/now"])
def test_filters_and_range_are_carried_from_page_to_page(site: Site, page: str):
    asked = {"range": "90d", "against": "weekdays", "segment": "VIP:no", "agent": "brian@example.com"}
    links = [unescape(link) for link in site.told(f"{page}?{urlencode(asked)}").links]
    for other in ("/executive", "/campaigns", "/support", "/audience", "/now"):
        (link,) = {link for link in links if link.partition("?")[0] == other and link.endswith(urlencode(asked))} or {
            ""
        }
        assert link, (other, links)


def test_a_chip_takes_one_filter_away(site: Site):
    text = site.get("/support?country=KE&country=DE&origin=organic&against=year").text
    chips = re.findall(r'class="chip" href="([^"]*)" title="([^"]*)"', text)
    assert [(unescape(href), words) for href, words in chips] == [
        ("/support?country=DE&origin=organic&against=year", "Country: Kenya"),
        ("/support?country=KE&origin=organic&against=year", "Country: Germany"),
        ("/support?country=KE&country=DE&against=year", "Origin: of their own accord"),
        ("/support?country=KE&country=DE&origin=organic", "against the same weekdays a year before"),
    ]


@pytest.mark.parametrize(
    "query", ["country=Kenya", "segment=VIP", "segment=Nothing:at all", "agent=nobody", "team=Sale", "against=never"]
)
def test_what_is_not_there_is_said_and_nothing_is_narrowed(site: Site, query: str):
    answer = site.get(f"/support?{query}")
    assert answer.status_code == 400
    assert "is not known" in answer.text
    assert 'class="chip"' not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "eve"),
    [
        ("range=7d", "14 Nov"),
        ("range=7d&against=weekdays", "14 Nov"),
        ("from=2026-11-16&to=2026-11-20&against=weekdays", "13 Nov"),
        ("range=7d&against=year", "22 Nov 2025"),
    ],
)
def test_a_range_is_held_against_the_days_that_are_asked_for(site: Site, query: str, eve: str):
    assert f"now, against the end of {eve};" in unescape(site.get(f"/support?{query}").text).replace("\xa0", " ")


@pytest.mark.parametrize("query", ["only=country:KE", "only=country:KE&only=country:DE"])
def test_the_api_says_what_it_narrowed_and_pages_its_rows_by_it(site: Site, query: str):
    whole = site.get("/api/v1/kpis/response_times_daily?columns=waits&limit=10000").json()
    part = site.get(f"/api/v1/kpis/response_times_daily?columns=waits&limit=10000&{query}").json()
    assert 0 < sum(row["waits"] for row in part["rows"]) < sum(row["waits"] for row in whole["rows"])
    first = site.get(f"/api/v1/kpis/response_times_daily?limit=2&{query}").json()
    assert site.get(first["next"]).status_code == 200
    assert site.get(first["next"].replace("only=country%3AKE", "only=country%3ATZ")).status_code == 409


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("response_times_daily?only=country:Kenya", "unknown_value", "country=Kenya is not known"),
        ("response_times_daily?only=KE", "unknown_value", "Write only="),
        ("campaign_performance?only=country:KE", "not_narrowable", "Leave out `only`"),
        ("contact_growth_daily?only=agent:brian@example.com", "not_narrowable", "agent"),
    ],
)
def test_the_api_refuses_what_it_cannot_narrow(site: Site, address: str, code: str, words: str):
    answer = site.get(f"/api/v1/kpis/{address}")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert words in error["message"] + error["hint"]


def test_a_receipt_follows_the_filters_and_keeps_a_key_that_is_called_as_one(site: Site):
    days = {"day_from": "2026-09-01", "day_to": "2026-11-22"}
    address = f"response_times_daily/receipt?{urlencode({'column': 'waits', **days})}"
    of_kenya = site.get(f"/api/v1/kpis/{address}&only=country:KE").json()
    assert of_kenya["agrees"]
    told = site.told(f"/receipt?{urlencode({'table': 'response_times_daily', 'column': 'waits', **days})}&country=KE")
    assert f"{of_kenya['row_count']} waits" in told.words
    (row,) = site.published(
        "select * from kpi.agent_leaderboard where agent = 'brian@example.com' and window_days = 30"
    )
    address = "/receipt?table=agent_leaderboard&column=replies&agent=brian@example.com&window_days=30"
    assert str(row["replies"]) in site.told(address).words
