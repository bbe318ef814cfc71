"""Figures for assistants, narrowed: what `only` takes, what answers say of it, and the API's values of the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from crm_platform.receipts import claims
from crm_platform.receipts.narrowed import DIMENSIONS, narrowed_by
from crm_platform.serving.mcp import takes
from crm_platform.serving.mcp.asking import figures
from crm_platform.settings import Settings
from crm_platform_tests.receipts.weeks import BEFORE_FILTERS, NOW, altered
from crm_platform_tests.serving.assistant import Assistant
from crm_platform_tests.serving.pages.site import Site

WAITS = "response_times_daily.waits"
MEDIAN = "response_times_daily.first_response_seconds_median"
WEEK = {"day_from": "2026-11-15", "day_to": "2026-11-22"}
WEEKS = {"first_from": "2026-11-08", "first_to": "2026-11-15", "second_from": "2026-11-15", "second_to": "2026-11-22"}
# Every second chat is of Kenya, every third of a village, in the order that they wrote: pseudonyms have none.
GROUPS = """
    create temp table numbered as
    select chat_id, row_number() over (order by min("timestamp"), sum(epoch_us("timestamp"))) as n
    from core.messages
    group by chat_id;
    delete from core.contact_groups where dimension = 'country';
    insert into core.contact_groups by name
    select chat_id, 'country' as dimension, ['KE', 'TZ'][1 + n % 2] as value from numbered;
    insert into core.contact_groups by name
    select chat_id, 'segment:village' as dimension, ['Aberdare', 'Bomet', 'Chuka'][1 + n % 3] as value from numbered
"""


@pytest.fixture(scope="module")
def grouped(slower_weeks: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return altered(slower_weeks, tmp_path_factory.mktemp("grouped"), GROUPS, serve_url="https://kpi.example.com")


@pytest.fixture(scope="module")
def assistant(grouped: Settings) -> Assistant:
    return Assistant(grouped)


def test_every_figure_says_what_it_can_be_narrowed_by(assistant: Assistant):
    listed = [
        one
        for offset in range(0, len(figures()), 100)
        for one in assistant.answer("list_figures", limit=100, offset=offset)["figures"]
    ]
    by = {one["figure"]: one["narrowed_by"] for one in listed}
    assert by[WAITS] == list(DIMENSIONS)
    assert by["contacts_by_country.contacts"] == ["segment", "country"]
    assert by["campaign_performance.read"] == by["campaign_performance.name"] == []
    for name, (table, column) in figures().items():
        assert set(by[name]) <= narrowed_by(table.full_name(), column), name


def test_what_is_chosen_narrows_every_tool_and_is_said(assistant: Assistant):
    one = assistant.answer("get_figure", figure=WAITS, **WEEK, only={"country": "KE"})
    both = assistant.answer("get_figure", figure=WAITS, **WEEK, only={"country": ["KE", "TZ"]})
    everyone = assistant.answer("get_figure", figure=WAITS, **WEEK)
    assert 0 < one["whole"]["value"] < both["whole"]["value"] == everyone["whole"]["value"]
    assert (everyone["only"], one["only"], both["only"]) == ({}, {"country": ["KE"]}, {"country": ["KE", "TZ"]})
    key, village = {"day": "2026-11-18"}, {"segment": "village:Bomet", "country": "KE"}
    explained = assistant.answer("explain", figure=WAITS, where=key, only=village)
    rows = assistant.answer("rows_behind", figure=WAITS, where=key, only=json.dumps(village), limit=1)
    assert explained["n"] == rows["total"] < one["rows"][3]["n"]
    assert (explained["agrees"], explained["moved"]) == (True, None)
    address = rows["more"].partition("?")[2].partition(" ")[0]
    assert {("only", "country:KE"), ("only", "segment:village:Bomet")} <= set(parse_qsl(address))
    for found in (explained, rows):
        assert found["only"] == {"country": ["KE"], "segment": ["village:Bomet"]}


@pytest.mark.slow
def test_a_receipt_leads_to_the_page_of_the_same_value(assistant: Assistant, grouped: Settings):
    only = {"segment": "village:Bomet"}
    found = assistant.answer("explain", figure=WAITS, where={"day": "2026-11-18"}, only=only)
    address = urlsplit(found["receipt"])
    assert dict(parse_qsl(address.query))["segment"] == "village:Bomet"
    said = Site(grouped, NOW).get(f"{address.path}?{address.query}", accept="text/html")
    assert said.status_code == 200
    assert f"{found['value']}" in said.text
    assert found["digest"] in said.text
    agents = assistant.answer("get_figure", figure="agent_leaderboard.first_responses", only={"agent": "(unassigned)"})
    assert {row["receipt"] for row in agents["rows"]} == {None}, "key and filter go by one name there"


def test_periods_are_compared_by_what_is_left_of_them(assistant: Assistant, monkeypatch: pytest.MonkeyPatch):
    asked: list[Mapping[str, str]] = []
    judge = claims.over_days

    def watched(*given: object, filters: Mapping[str, str], **more: object) -> object:
        asked.append(filters)
        return judge(*given, filters=filters, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(claims, "over_days", watched)
    found = assistant.answer("compare_periods", figure=MEDIAN, also=[WAITS], only={"country": "KE"}, **WEEKS)
    assert asked == [{"country": "KE"}] * 2
    assert found["only"] == {"country": ["KE"]}
    assert found["claim"]["verdict"] == "worse"
    whole = assistant.answer("compare_periods", figure=MEDIAN, **WEEKS)
    assert 0 < found["claim"]["second"]["n"] == found["second"]["n"] < whole["second"]["n"]
    more = {"figure": MEDIAN, "also": ["contact_growth_daily.new_contacts"], "only": {"agent": "(unassigned)"}}
    assert "contact_growth_daily.new_contacts" in assistant.refused("compare_periods", **more, **WEEKS)["error"]


@pytest.mark.parametrize(
    ("arguments", "words", "there_is"),
    [
        ({"only": {"country": "?"}}, "2 of 2 that there are", [{"country": "KE"}, {"country": "TZ"}]),
        ({"only": {"segment": "village"}}, "a segment is <field>:<value>", []),
        ({"only": {"segment": "village:Bomett"}}, "no segment 'village:Bomett'", [{"segment": "village:Bomet"}]),
        ({"only": {"team": "Sales"}}, "there is no team to narrow to", []),
        ({"only": {"city": "Bomet"}}, "'segment', 'country', 'team', 'agent' or 'origin'", []),
        ({"only": {"country": []}}, "at least 1 item", []),
        ({"only": {"country": ["KE"] * 11}}, "at most 10 items", []),
        ({"only": "KE"}, "valid dictionary", []),
        ({"only": {"country": "x" * 301}}, "300 characters", []),
        ({"figure": "campaign_performance.read", "only": {"country": "KE"}}, "do not say whose they are", []),
        ({"figure": "contacts_by_country.contacts", "only": {"origin": "organic"}}, "it by segment, country", []),
    ],
)  # fmt: skip
def test_what_cannot_be_narrowed_is_told(assistant: Assistant, arguments: dict, words: str, there_is: list):
    said = assistant.refused("get_figure", **({"figure": WAITS} | arguments))
    assert words in said["error"]
    assert said["there_is"][: len(there_is)] == there_is


def test_names_are_those_of_the_addresses():
    schema = takes.GetFigure.model_json_schema()["properties"]["only"]
    assert tuple(schema["propertyNames"]["enum"]) == DIMENSIONS


def test_a_snapshot_from_before_it_is_not_narrowed(slower_weeks: Settings, tmp_path: Path):
    older = Assistant(altered(slower_weeks, tmp_path, *BEFORE_FILTERS))
    assert "crm build" in older.refused("get_figure", figure=WAITS, only={"country": "KE"})["error"]
    assert older.answer("get_figure", figure=WAITS)["only"] == {}


def test_the_audit_log_says_what_it_was_narrowed_to(assistant: Assistant, grouped: Settings):
    assistant.answer("get_figure", figure=WAITS, only={"country": "KE"})
    *_, line = (line for path in sorted(grouped.audit_dir.glob("*")) for line in path.read_text().splitlines())
    assert json.loads(json.loads(line)["query"])["only"] == {"country": "KE"}


@pytest.mark.slow
def test_values_are_those_of_the_api(assistant: Assistant, grouped: Settings):
    site = Site(grouped, NOW)
    for table, column, only in (
        ("response_times_daily", "waits", {"origin": ["organic"]}),
        ("response_times_daily", "first_response_seconds_median", {"country": ["KE"]}),
        ("backlog_now", "open_waits", {"country": ["KE", "TZ"]}),
        ("conversations_daily", "conversations", {"segment": ["village:Bomet"], "country": ["TZ"]}),
        ("support_by", "first_answered_waits", {"agent": ["(unassigned)"]}),
    ):
        asked = [("limit", "1000"), *(("only", f"{name}:{one}") for name, several in only.items() for one in several)]
        told = site.get(f"/api/v1/kpis/{table}?{urlencode(asked)}").json()["rows"]
        found = assistant.answer("get_figure", figure=f"{table}.{column}", limit=100, only=only)
        key = found["figure"]["by"]
        values = {tuple(row[name] for name in key): row[column] for row in told}
        assert found["rows"]
        assert all(row["value"] == values[tuple(row["key"][name] for name in key)] for row in found["rows"]), table
