"""Figures for assistants: every tool, every role, every kind of bad argument, and what is written down.

Asked by the SDK's own client, which checks each answer against the schema that its tool promised.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from crm_platform.receipts import claims, receipt
from crm_platform.schemas import KpiTable
from crm_platform.serving.access import Role
from crm_platform.serving.bounds import LONGEST_BODY
from crm_platform.serving.mcp.asking import cell, figures
from crm_platform.serving.mcp.takes import MOST_LISTED
from crm_platform.serving.mcp.tools import TOOLS
from crm_platform.serving.queries import kpi_tables
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import Settings, load_settings
from crm_platform.verdicts import Claim, whole_ranges
from crm_platform_tests.receipts.desk import DAY, Desk, at
from crm_platform_tests.serving.assistant import Assistant
from crm_platform_tests.serving.published import NAMES, SECRETS, client_of, publish_rows
from crm_platform_tests.serving.running import environment, running_server

WAITS = "response_times_daily.waits"
OPEN = "backlog_now.open_waits"
WEEK = {"day_from": "2026-11-15", "day_to": "2026-11-22"}
PERIODS = {"first_from": "2026-11-08", "first_to": "2026-11-15", "second_from": "2026-11-15", "second_to": "2026-11-22"}
# A good call of each tool.
GOOD = {
    "list_figures": {},
    "get_figure": {"figure": WAITS, **WEEK},
    "compare_periods": {"figure": WAITS, **PERIODS},
    "explain": {"figure": OPEN},
    "rows_behind": {"figure": OPEN},
}
HEADERS = {"accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture(scope="module")
def assistant(root: Path) -> Assistant:
    return Assistant(load_settings(data_dir=root, serve_url="https://kpi.example.com"))


def lines_of(root: Path) -> list[dict]:
    return [json.loads(line) for path in sorted((root / "audit").glob("*")) for line in path.read_text().splitlines()]


# What is offered.


def test_every_figure_is_listed_once_with_what_it_is(assistant: Assistant):
    listed, offset = [], 0
    while True:
        page = assistant.answer("list_figures", limit=MOST_LISTED, offset=offset)
        assert page["total"] == len(figures())
        assert page["left_out"] == page["total"] - len(page["figures"])
        listed += page["figures"]
        offset += len(page["figures"])
        if offset == page["total"]:
            break
        assert f"offset={offset}" in page["more"]
    assert [one["figure"] for one in listed] == list(figures())
    for one in listed:
        table = kpi_tables()[one["table"]]
        declared = table.columns[one["column"]]
        assert one["meaning"] == declared.description
        assert one["by"] == list(table.key)
        assert one["good"] == (declared.figure.good if declared.figure else "neither")
        assert one["unit"] == (declared.unit or ("share" if declared.is_share else None))


def test_figures_are_found_by_words_and_by_table(assistant: Assistant):
    found = assistant.answer("list_figures", search="ANSWER rate", table="response_times_daily")
    assert found["figures"][0]["column"] == "answer_rate"
    assert {one["table"] for one in found["figures"]} == {"response_times_daily"}
    (table,) = found["tables"]
    assert (table["rows"], table["provisional_rows"]) == (40, 35)
    assert assistant.answer("list_figures", search="no such words")["figures"] == []


@pytest.mark.slow
@pytest.mark.parametrize("role", Role)
def test_each_role_is_offered_what_it_may_use(root: Path, role: Role):
    assistant = Assistant(load_settings(data_dir=root), role=role)
    offered = assistant.tools()
    assert offered == [name for name in GOOD if name != "rows_behind" or role >= Role.ANALYST]
    for name, arguments in GOOD.items():
        if name in offered:
            assistant.answer(name, **arguments)
        else:
            assert "role analyst" in assistant.refused(name, **arguments)["error"]
            assert lines_of(root)[-1]["event"] == "refused"


def test_the_tools_of_this_test_are_all_there_are():
    assert list(GOOD) == list(TOOLS)


# What every answer says.


@pytest.mark.slow
@pytest.mark.parametrize("tool", GOOD)
def test_every_answer_says_of_what_it_is(assistant: Assistant, tool: str):
    found = assistant.answer(tool, **GOOD[tool])
    assert found["as_of"] == "2026-11-22T08:00:00Z"
    assert found["is_made_up"] is True
    assert found["snapshot"]
    for value in _values(found):
        assert {"value", "n", "coverage", "is_provisional", "receipt"} <= value.keys()
        assert value["receipt"].startswith("https://kpi.example.com/receipt?table=kpi.")


def _values(found: object) -> Iterator[dict]:
    if isinstance(found, dict):
        if "is_provisional" in found:
            yield found
        for part in found.values():
            yield from _values(part)
    if isinstance(found, list):
        for part in found:
            yield from _values(part)


def test_without_an_address_of_the_pages_a_receipt_is_a_path(root: Path):
    found = Assistant(load_settings(data_dir=root)).answer("explain", figure=OPEN)
    assert found["receipt"] == "/receipt?table=kpi.backlog_now&column=open_waits"


def test_days_are_those_asked_for_and_the_end_is_excluded(assistant: Assistant):
    found = assistant.answer("get_figure", figure=WAITS, **WEEK)
    assert [row["key"]["day"] for row in found["rows"]] == [f"2026-11-{day}" for day in range(15, 22)]
    assert found["range"] == {**WEEK, "last_day": "2026-11-21", "days": 7}
    usual = assistant.answer("get_figure", figure=WAITS)
    assert usual["range"] == {"day_from": "2026-10-25", "day_to": "2026-11-22", "last_day": "2026-11-21", "days": 28}
    months = assistant.answer("get_figure", figure="engagement_monthly.read")
    assert [row["key"]["month"] for row in months["rows"]] == ["2026-09-01", "2026-10-01", "2026-11-01"]
    assert (months["range"]["day_from"], months["range"]["day_to"]) == ("2025-12-01", "2026-12-01")


def test_an_answer_is_bounded_and_says_what_it_left_out(assistant: Assistant):
    first = assistant.answer("get_figure", figure="message_volume_hourly.inbound", limit=5)
    assert (len(first["rows"]), first["total"], first["left_out"]) == (5, 168, 163)
    assert [row["value"] for row in first["rows"]] == [138, 132, 126, 120, 115]  # the largest first
    last = assistant.answer("get_figure", figure="message_volume_hourly.inbound", limit=100, offset=100)
    assert len(last["rows"]) == 68
    assert "offset=0" in last["more"]
    assert first["whole"] is None
    assert "where" in first["whole_missing"]
    one = assistant.answer("get_figure", figure="message_volume_hourly.inbound", where={"weekday": 6, "hour": "23"})
    assert (one["whole"]["value"], one["left_out"], one["more"]) == (138, 0, "")


def test_what_people_have_written_is_data_and_has_an_end(assistant: Assistant):
    found = assistant.answer("get_figure", figure="campaign_performance.name", limit=50)
    assert {row["value"] for row in found["rows"]} >= {name for name in NAMES if name and "@" not in name}
    nowhere = assistant.refused("get_figure", figure="campaign_performance.name", where={"campaign_id": "c77"})
    assert {"campaign_id": "c7"} in nowhere["there_is"]
    assert "c7" not in nowhere["error"]
    assert len(str(cell("x" * 5_000))) == 200


# What is wrong with a question.


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("list_figures", {"table": "response_time_daily"}, "response_times_daily"),
        ("list_figures", {"limit": 101}, "less than or equal to 100"),
        ("list_figures", {"limit": 0}, "greater than or equal to 1"),
        ("list_figures", {"offset": -1}, "greater than or equal to 0"),
        ("list_figures", {"serch": "x"}, "list_figures takes search, table, limit, offset"),
        ("list_figures", {"search": "x" * 201}, "200 characters"),
        ("get_figure", {}, "figure: Field required"),
        ("get_figure", {"figure": 7}, "valid string"),
        ("get_figure", {"figure": "answer_rate"}, "response_times_daily.answer_rate or support_by.answer_rate?"),
        ("get_figure", {"figure": "kpi.response_times_daily.anser_rate"}, "response_times_daily.answer_rate"),
        ("get_figure", {"figure": "'; drop table kpi.backlog_now; --"}, "list_figures names all"),
        ("get_figure", {"figure": "response_times_daily.coverage"}, "there is no figure"),
        ("get_figure", {"figure": "response_times_daily.day"}, "there is no figure"),
        ("get_figure", {"figure": WAITS, "day_from": "2026-11-15"}, "give both"),
        ("get_figure", {"figure": WAITS, **WEEK, "day_to": "2026-11-15"}, "day after the last one"),
        ("get_figure", {"figure": WAITS, **WEEK, "day_from": "yesterday"}, "write one such as 2026-11-20"),
        ("get_figure", {"figure": WAITS, **WEEK, "day_from": "0001-01-01"}, "write one such as 2026-11-20"),
        ("get_figure", {"figure": WAITS, "day_from": "2020-01-01", "day_to": "2020-02-01"}, "2026-10-14 to 2026-11-22"),
        ("get_figure", {"figure": OPEN, **WEEK}, "leave day_from and day_to out"),
        ("get_figure", {"figure": "engagement_monthly.read", **WEEK}, "first days of months"),
        ("get_figure", {"figure": WAITS, **WEEK, "where": {"agent": "amina"}}, "told apart by day"),
        ("get_figure", {"figure": OPEN, "where": {"x": "y"}}, "it has one row"),
        ("get_figure", {"figure": OPEN, "where": "no object"}, "valid dictionary"),
        ("get_figure", {"figure": OPEN, "where": {str(n): "" for n in range(11)}}, "at most 10"),
        ("get_figure", {"figure": "message_volume_hourly.inbound", "where": {"hour": "24"}}, "there_is"),
        ("get_figure", {"figure": "contacts_by_country.contacts"}, "no rows"),
        ("compare_periods", {"figure": WAITS}, "first_from: Field required"),
        ("compare_periods", {"figure": OPEN, **PERIODS}, "has no days"),
        ("compare_periods", {"figure": "backlog_daily.open_waits_at_end", **PERIODS}, "no rows"),
        ("compare_periods", {"figure": WAITS, **PERIODS, "second_to": "2026-11-01"}, "day after the last one"),
        ("explain", {"figure": WAITS}, "named by day"),
        ("explain", {"figure": WAITS, "where": {"day": "2026-11-20", "x": "1"}}, "named by day"),
        ("explain", {"figure": WAITS, "where": {"day": "20.11.2026"}}, "write a day such as 2026-11-20"),
        ("explain", {"figure": WAITS, "where": {"day": "2020-11-20"}}, "2026-10-14 to 2026-11-22"),
        ("explain", {"figure": WAITS, "day_from": "2026-11-20"}, "give both"),
        ("explain", {"figure": OPEN, **WEEK}, "has one row"),
        ("explain", {"figure": "message_volume_hourly.inbound", "where": {"weekday": "9" * 44, "hour": "0"}}, "size"),
        ("explain", {"figure": "campaign_performance.read", "where": {"campaign_id": "x" * 301}}, "300 characters"),
        ("rows_behind", {"figure": OPEN, "limit": 1_000}, "less than or equal to 100"),
        ("rows_behind", {"figure": OPEN, "limit": "many"}, "valid integer"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_to_ask(assistant: Assistant, tool: str, arguments: dict, words: str):
    said = assistant.refused(tool, **arguments)
    assert words in said["error"]
    assert "Something went wrong" not in said["error"]


def test_a_tool_that_is_not_there_is_told(assistant: Assistant):
    with pytest.RaisesGroup(pytest.RaisesExc(MCPError, match="There is list_figures"), flatten_subgroups=True):
        assistant.ask("get_figures")


def test_before_the_first_snapshot_the_command_is_told(tmp_path: Path):
    assistant = Assistant(load_settings(data_dir=tmp_path))
    for tool, arguments in GOOD.items():
        assert "crm refresh" in assistant.refused(tool, **arguments)["error"]


def test_a_fault_of_the_program_tells_nothing_of_itself(assistant: Assistant, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("+254711000001")

    monkeypatch.setattr(Snapshots, "current", broken)
    said = assistant.refused("list_figures")
    assert said == {"error": "Something went wrong here; the server's log says what", "there_is": []}


# What is written down.


def test_whatever_has_figures_is_written_down_first(root: Path, monkeypatch: pytest.MonkeyPatch):
    assistant = Assistant(load_settings(data_dir=root))
    before = len(lines_of(root))
    for tool, arguments in GOOD.items():
        assistant.answer(tool, **arguments)
    assistant.refused("explain", figure="nothing")
    written = lines_of(root)[before:]
    assert [line["tool"] for line in written] == [name for name in GOOD if name != "list_figures"]
    assert all((line["event"], line["who"]) == ("export", "cli:amina") for line in written)
    assert json.loads(written[0]["query"]) == GOOD["get_figure"]
    assert written[0]["snapshot"]
    monkeypatch.setattr("crm_platform.publish.audit._append", _full)
    assert "audit" in assistant.refused("rows_behind", figure=OPEN)["error"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


# The door.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer no-such-secret-here"}, 401),
        ({"authorization": f"Bearer {SECRETS['viewer_secret']}", "host": "evil.example"}, 421),
        ({"authorization": f"Bearer {SECRETS['viewer_secret']}", "origin": "http://evil.example"}, 403),
        ({"authorization": f"Bearer {SECRETS['viewer_secret']}", "sec-fetch-site": "cross-site"}, 403),
        ({"authorization": f"Bearer {SECRETS['viewer_secret']}", "accept": "text/html"}, 406),
        ({"authorization": f"Bearer {SECRETS['viewer_secret']}", "origin": "http://127.0.0.1"}, 200),
        ({"authorization": f"Bearer {SECRETS['admin_secret']}"}, 200),
    ],
)
def test_the_door_stands_in_front(root: Path, headers: dict[str, str], status: int):
    answer = client_of(root, **SECRETS).post("/mcp", json=LIST, headers={**HEADERS, **headers})
    assert answer.status_code == status
    if status == 200:
        names = [tool["name"] for tool in answer.json()["result"]["tools"]]
        assert ("rows_behind" in names) == ("admin" in headers["authorization"])
        assert answer.headers["cache-control"] == "no-store"


def test_without_secrets_it_is_open_on_this_machine(root: Path):
    answer = client_of(root).post("/mcp", json=LIST, headers=HEADERS)
    assert len(answer.json()["result"]["tools"]) == len(TOOLS)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_neither_stream_nor_session(root: Path, method: str):
    assert client_of(root).request(method, "/mcp", headers=HEADERS).status_code == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"\xff", 400), (b'{"jsonrpc": "2.0"}', 400), (b" " * (LONGEST_BODY + 1), 413)],
)
def test_a_body_that_is_no_message_is_refused(root: Path, body: bytes, status: int):
    headers = {**HEADERS, "content-type": "application/json"}
    answer = client_of(root).post("/mcp", content=body, headers=headers)
    assert answer.status_code == status
    assert len(answer.content) < 2_000


# A figure has one value, wherever it is asked for.


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Three questions of one day that were answered after 60, 300 and 90 seconds, and one of the next day."""
    with ExitStack() as stack:
        desk = Desk(tmp_path_factory.mktemp("desk"), stack)
        seen = at(14, day=dt.date(2026, 11, 19))
        for number, seconds in enumerate((60.0, 300.0, 90.0)):
            desk.question_and_answer(f"chat-25471100000{number}", at(10 + number), seconds, visited=seen)
        desk.question_and_answer("chat-254711000009", at(9, day=dt.date(2026, 11, 19)), 30.0, visited=seen)
        desk.publish()
        yield desk


@pytest.mark.slow
def test_every_value_and_its_n_are_those_of_its_receipt(desk: Desk):
    opened, assistant = Snapshots(desk.settings).current(), Assistant(desk.settings)
    assert opened is not None
    answered = set()
    for name, (table, column) in figures().items():
        found = assistant.ask("get_figure", figure=name, limit=2)
        if found.is_error:
            assert "no rows" in found.content[0].text
            continue
        is_first = table not in answered
        answered.add(table)
        for row in found.structured_content["rows"]:
            made_of = receipt(opened, table.full_name(), row["key"], column, limit=0)
            assert (row["value"], row["n"]) == (cell(made_of.value), made_of.row_count), (name, row)
            assert (row["coverage"], row["is_provisional"]) == (made_of.coverage, made_of.is_provisional)
        if is_first:
            explained = assistant.answer("explain", figure=name, where=found.structured_content["rows"][0]["key"])
            assert explained["agrees"] is True
    assert len(answered) > len(kpi_tables()) / 2
    assert all(issubclass(table, KpiTable) for table in answered)


@pytest.mark.slow
def test_two_periods_stand_side_by_side(desk: Desk):
    assistant, median = Assistant(desk.settings), "response_times_daily.response_seconds_median"
    days = {
        "first_from": "2026-11-18",
        "first_to": "2026-11-19",
        "second_from": "2026-11-18",
        "second_to": "2026-11-20",
    }
    found = assistant.answer("compare_periods", figure=median, **days)
    assert (found["first"]["value"], found["first"]["n"]) == (90.0, 3)
    assert (found["second"]["value"], found["second"]["n"]) == (75.0, 4)  # of all four, no average of days
    assert found["difference"] == -15.0
    assert (found["first"]["range"]["days"], found["second"]["range"]["last_day"]) == (1, "2026-11-19")
    assert found["figure"]["good"] == "down"
    assert found["claim"]["verdict"] == "not_judged"
    assert found["claim"]["dropped"][0] == {"day": "2026-11-18", "reason": "both sides", "of": None}
    backlog = {"figure": "backlog_daily.open_waits_at_end"}
    with_one_row = {"first_from": "2026-11-12", "first_to": "2026-11-19"}  # of seven days: not their value
    assert "one day at a time" in assistant.refused("compare_periods", **backlog, **(days | with_one_row))["error"]
    days = {
        "first_from": "2026-11-18",
        "first_to": "2026-11-19",
        "second_from": "2026-11-19",
        "second_to": "2026-11-20",
    }
    found = assistant.answer("compare_periods", **backlog, **days)
    assert (found["difference"], found["claim"]) == (0, None)
    assert "one instant" in found["claim_missing"]
    rows = assistant.answer("rows_behind", figure=median, where={"day": DAY.isoformat()}, limit=2)
    assert (rows["total"], rows["left_out"], len(rows["rows"])) == (3, 1, 2)
    assert "limit" in rows["more"]
    assert "254711" not in json.dumps(rows)  # pseudonyms


# Verdicts.

WEEKS = {"first_from": "2026-11-08", "first_to": "2026-11-15", "second_from": "2026-11-15", "second_to": "2026-11-22"}
MEDIAN = "response_times_daily.first_response_seconds_median"
ALSO = [f"response_times_daily.{name}" for name in ("answer_rate", "first_within_target_rate", "waits", "missed_waits")]


def test_a_comparison_says_what_chance_does_not_explain(slower_weeks: Settings):
    assistant = Assistant(slower_weeks)
    found = assistant.answer("compare_periods", figure=MEDIAN, **WEEKS)
    claim = found["claim"]
    assert claim["verdict"] == "worse"
    assert (claim["first"]["n"], claim["second"]["n"]) == (found["first"]["n"], found["second"]["n"]) == (140, 120)
    assert claim["first"]["value"] == pytest.approx(found["first"]["value"])
    assert 0 < claim["low"] < claim["change"] < claim["high"]
    assert (found["first"]["range"]["last_day"], found["second"]["range"]["day_from"]) == ("2026-11-14", "2026-11-15")
    assert (claim["dropped"], claim["dropped_total"], found["also"]) == ([], 0, [])
    assert found == assistant.answer("compare_periods", figure=MEDIAN, **WEEKS), "the same data, the same words"


def test_the_second_period_is_judged_against_the_first_whichever_is_later(slower_weeks: Settings):
    turned = {
        "first_from": "2026-11-15",
        "first_to": "2026-11-22",
        "second_from": "2026-11-08",
        "second_to": "2026-11-15",
    }
    found = Assistant(slower_weeks).answer("compare_periods", figure=MEDIAN, **turned)
    assert found["claim"]["verdict"] == "better"


def test_several_figures_are_judged_together(slower_weeks: Settings):
    assistant = Assistant(slower_weeks)
    found = assistant.answer("compare_periods", figure=MEDIAN, also=[*ALSO, MEDIAN], **WEEKS)
    said = {one["figure"]["column"]: one["claim"]["verdict"] for one in (found, *found["also"])}
    assert said == {
        "first_response_seconds_median": "worse",
        "answer_rate": "about_the_same",
        "first_within_target_rate": "worse",
        "waits": "no_verdict",
        "missed_waits": "too_few",
    }
    assert len(found["also"]) == len(ALSO), "who is named twice is judged once"
    assert "at most 9" in assistant.refused("compare_periods", figure=MEDIAN, also=ALSO * 3, **WEEKS)["error"]


def test_holm_takes_back_what_one_figure_alone_would_claim(slower_weeks: Settings, monkeypatch: pytest.MonkeyPatch):
    """Of ten p values of 0.04 each would stand alone; together none does."""

    def unsure(*_asked: object, **_between: object) -> Claim:
        days = whole_ranges(dt.date(2026, 11, 15), dt.date(2026, 11, 21))
        told = Claim(figure="f", good="up", verdict="better", ranges=days, measure="difference")
        return replace(told, change=0.1, low=0.01, high=0.2, p_value=0.04)

    monkeypatch.setattr(claims, "over_days", unsure)
    alone = Assistant(slower_weeks).answer("compare_periods", figure=MEDIAN, **WEEKS)
    assert alone["claim"]["verdict"] == "better"
    found = Assistant(slower_weeks).answer("compare_periods", figure=MEDIAN, also=ALSO, **WEEKS)
    assert {one["claim"]["verdict"] for one in (found, *found["also"])} == {"about_the_same"}


def test_a_day_that_is_not_over_is_dropped_and_told(slower_weeks: Settings):
    days = {
        "first_from": "2026-11-09",
        "first_to": "2026-11-16",
        "second_from": "2026-11-16",
        "second_to": "2026-11-23",
    }
    claim = Assistant(slower_weeks).answer("compare_periods", figure=MEDIAN, **days)["claim"]
    assert claim["dropped"] == [
        {"day": "2026-11-15", "reason": "counterpart", "of": "2026-11-22"},
        {"day": "2026-11-22", "reason": "no data", "of": None},
    ]
    assert (claim["first"]["days"], claim["second"]["days"]) == (6, 6)


# Real processes.


@asynccontextmanager
async def over_http(url: str, role: str, mode: str) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {SECRETS[f'{role}_secret']}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def walk(client: Client) -> list[str]:
    """Use every tool that is offered, and one that may not be."""
    offered = [tool.name for tool in (await client.list_tools()).tools]
    for name, arguments in GOOD.items():
        found = await client.call_tool(name, arguments)
        assert found.is_error == (name not in offered), found.content
    wrong = await client.call_tool("explain", {"figure": "answer_rate"})
    assert "did you mean" in wrong.content[0].text
    return offered


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_standard_input_and_output(root: Path, mode: str):
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "crm_platform.cli", "mcp"], env=environment(root)
    )

    async def talk() -> list[str]:
        async with Client(command, mode=mode) as client:
            return await walk(client)

    assert asyncio.run(talk()) == list(TOOLS)
    assert lines_of(root)[-1]["who"].startswith("cli:")


@pytest.mark.slow
def test_over_http_for_every_role(root: Path):
    async def talk(url: str, role: str, mode: str) -> list[str]:
        async with over_http(url, role, mode) as client:
            return await walk(client)

    with running_server(root, **SECRETS) as server:
        assert f"assistants {server.url}/mcp" in server.words
        for role in ("viewer", "analyst", "admin"):
            for mode in ("auto", "legacy"):
                offered = asyncio.run(talk(server.url, role, mode))
                assert ("rows_behind" in offered) == (role != "viewer")
                line = lines_of(root)[-1]
                assert (line["role"], line["by"], line["path"]) == (role, "token", "/mcp")


@pytest.mark.slow
def test_nothing_else_imports_the_sdk():
    code = "import sys, crm_platform.cli.serve, crm_platform.serving; sys.exit('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
