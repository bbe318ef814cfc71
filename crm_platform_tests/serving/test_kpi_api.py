"""The KPI API: what can be asked, in which forms, and what it says when it cannot answer."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from crm_platform.publish import published_columns
from crm_platform.receipts import figure_columns
from crm_platform.schemas import KpiTable
from crm_platform.schemas.base import count, date
from crm_platform.serving import kpi_api, openapi
from crm_platform.serving.caching import Kept, KeptAnswer
from crm_platform.serving.queries import CONTROLS, RANGES, kpi_tables
from crm_platform.settings import load_settings
from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.site import publish_world
from crm_platform_tests.serving.published import DAYS, NAMES, client_of, publish_rows
from tools import kpi_api as documents

RESPONSES = "/api/v1/kpis/response_times_daily"
CAMPAIGNS = "/api/v1/kpis/campaign_performance"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> httpx.Client:
    return client_of(root)


def rows_of(client: httpx.Client, address: str) -> list[dict]:
    response = client.get(address)
    assert response.status_code == 200, response.text
    return response.json()["rows"]


# What is listed.


def test_the_list_has_every_table_and_says_where_its_rows_are(client: httpx.Client):
    listed = client.get("/api/v1/kpis").json()
    assert listed["is_sandbox"] is True
    assert [one["table"] for one in listed["tables"]] == [table.full_name() for table in kpi_tables().values()]
    for one in listed["tables"]:
        declared = TABLES[one["table"]]
        assert one["description"] == declared.description()
        assert [column["name"] for column in one["columns"]] == list(published_columns(declared))
        for address in one["links"].values():
            assert client.get(address).status_code == 200
    (first,) = [one for one in listed["tables"] if one["table"] == "kpi.response_times_daily"]
    assert (first["rows"], first["definition_version"], first["pillar"]) == (DAYS, 2, "operations")


@pytest.mark.parametrize("name", kpi_tables())
def test_every_table_answers_under_both_its_names_with_all_its_columns(client: httpx.Client, name: str):
    answer = client.get(f"/api/v1/kpis/{name}").json()
    assert client.get(f"/api/v1/kpis/kpi.{name}").json() == answer
    assert answer["table"] == f"kpi.{name}"
    assert answer["snapshot"].startswith("20261122T080500")
    assert answer["as_of"] == "2026-11-22T08:00:00Z"
    assert answer["total_rows"] == len(answer["rows"])
    for row in answer["rows"]:
        assert list(row) == list(published_columns(kpi_tables()[name]))


def test_no_column_is_called_like_a_parameter():
    for table in kpi_tables().values():
        columns = published_columns(table)
        assert not set(columns) & set(CONTROLS)
        assert not {f"{name}{suffix}" for name in columns for suffix in RANGES} & set(columns)


@pytest.mark.slow
def test_a_new_table_has_an_endpoint_a_description_and_types_without_further_ado(tmp_path: Path):
    saved = dict(TABLES)
    try:

        class ComplaintsDaily(KpiTable):
            """Complaints by local day."""

            key = ("day",)
            pillar = "operations"
            period = "day"

            day = date("Local day.")
            complaints = count("Complaints that day.")

        publish_rows(load_settings(data_dir=tmp_path))
        client = client_of(tmp_path)
        assert rows_of(client, "/api/v1/kpis/complaints_daily") == []
        assert "kpi.complaints_daily" in [one["table"] for one in client.get("/api/v1/kpis").json()["tables"]]
        assert "/api/v1/kpis/complaints_daily" in client.get("/api/v1/openapi.json").json()["paths"]
        assert "complaints_daily: ComplaintsDaily;" in documents.generate()[documents.TYPES]
    finally:
        TABLES.clear()
        TABLES.update(saved)


# Which rows.


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("day=2026-11-20", ["2026-11-20"]),
        ("day=2026-11-20&day=2026-11-22", ["2026-11-20", "2026-11-22"]),
        ("day_from=2026-11-21", ["2026-11-21", "2026-11-22"]),
        ("day_from=2026-11-01&day_to=2026-11-03", ["2026-11-01", "2026-11-02"]),
        ("day_to=2026-11-01&waits_from=47", ["2026-10-14", "2026-10-15", "2026-10-16"]),
        ("waits=12", ["2026-11-20"]),
        ("response_seconds_median=61.5", ["2026-11-21"]),
        ("coverage_from=0.985", ["2026-11-21", "2026-11-22"]),
        ("is_provisional=TRUE&day_from=2026-11-15", ["2026-11-15", "2026-11-16", "2026-11-22"]),
        ("day=2030-01-01", []),
        ("as_of_from=2026-11-22T11:00:00%2B03:00&limit=1", ["2026-10-14"]),
        ("as_of_to=2026-11-22T08:00:00Z", []),
    ],
)
def test_filters_keep_the_rows_they_name(client: httpx.Client, query: str, days: list[str]):
    assert [row["day"] for row in rows_of(client, f"{RESPONSES}?{query}")] == days


def test_a_month_is_named_by_itself(client: httpx.Client):
    assert [row["month"] for row in rows_of(client, "/api/v1/kpis/engagement_monthly?month_from=2026-10")] == [
        "2026-10-01",
        "2026-11-01",
    ]


def test_a_text_is_compared_and_never_run(client: httpx.Client):
    (row,) = rows_of(client, f"{CAMPAIGNS}?name=%3DHYPERLINK(1)")
    assert row["campaign_id"] == "c1"
    assert rows_of(client, f"{CAMPAIGNS}?name=x'%20or%201=1%20--") == []
    assert rows_of(client, f"{CAMPAIGNS}?name=%00") == []


def test_columns_and_order(client: httpx.Client):
    rows = rows_of(client, f"{RESPONSES}?columns=waits,day&order=-day&limit=2")
    assert rows == [{"waits": 10, "day": "2026-11-22"}, {"waits": 11, "day": "2026-11-21"}]
    assert list(rows[0]) == ["waits", "day"]
    hours = rows_of(
        client, "/api/v1/kpis/message_volume_hourly?order=-inbound,hour&columns=weekday,hour,inbound&limit=3"
    )
    assert [row["inbound"] for row in hours] == [138, 132, 126]
    newest_first = [row["coverage"] for row in rows_of(client, f"{RESPONSES}?order=-coverage")]
    assert newest_first[-1] is None  # what is not known stands last, either way
    assert rows_of(client, f"{RESPONSES}?order=coverage")[-1]["coverage"] is None


def test_coverage_is_that_of_the_rows_that_match(client: httpx.Client):
    recent = client.get(f"{RESPONSES}?day_from=2026-11-18&limit=2").json()
    assert (recent["coverage"], recent["provisional_rows"], recent["total_rows"]) == (0.96, 1, 5)
    assert client.get(RESPONSES).json()["coverage"] is None  # one day's is not known
    assert client.get(f"{RESPONSES}?day=2030-01-01").json()["coverage"] is None


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_pages_hold_every_row_once(client: httpx.Client, form: str):
    address: str | None = f"/api/v1/kpis/message_volume_hourly?limit=50&order=-inbound&format={form}"
    seen = []
    while address:
        response = client.get(address)
        seen += [(int(row["weekday"]), int(row["hour"])) for row in read(response)]
        address = response.links["next"]["url"] if "next" in response.links else None
        if form == "json":
            assert response.json()["next"] == address
    assert len(seen) == 168
    assert len(set(seen)) == 168


@pytest.mark.slow
def test_a_cursor_belongs_to_its_question_and_its_snapshot(tmp_path: Path):
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path)
    following = client.get(f"{RESPONSES}?limit=10").json()["next"]
    assert client.get(following).status_code == 200
    changed = client.get(f"{following}&day_from=2026-11-01")
    assert (changed.status_code, changed.json()["error"]["code"]) == (409, "cursor_outdated")
    publish_rows(load_settings(data_dir=tmp_path), now=dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC))
    turned = client.get(following)
    assert (turned.status_code, turned.json()["error"]["code"]) == (409, "cursor_outdated")
    assert client.get(RESPONSES).json()["snapshot"].startswith("20261122T090000")


# In which form.


def read(response) -> list[dict]:
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        return response.json()["rows"]
    if kind == "text/csv":
        return list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert kind == "application/vnd.apache.arrow.stream"
    return pa.ipc.open_stream(response.content).read_all().to_pylist()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("text/csv", "text/csv"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0, */*;q=0.1", "application/json"),
    ],
)
def test_accept_chooses_the_form(client: httpx.Client, accept: str, kind: str):
    response = client.get(RESPONSES, headers={"accept": accept})
    assert response.headers["content-type"].partition(";")[0] == kind
    assert len(read(response)) == DAYS


def test_forms_hold_the_same(client: httpx.Client):
    query = f"{CAMPAIGNS}?order=campaign_id"
    as_json = client.get(query)
    as_csv = client.get(f"{query}&format=csv")
    as_arrow = client.get(f"{query}&format=arrow", headers={"accept": "application/json"})
    names = [row["name"] for row in read(as_json)]
    assert names == NAMES
    assert [row["name"] for row in read(as_arrow)] == NAMES
    # A spreadsheet must not run what somebody called a campaign.
    assert [row["name"] or None for row in read(as_csv)] == [
        f"'{name}" if name and name[0] in "=+-@" else name for name in NAMES
    ]
    assert read(as_arrow)[0]["sent_at"] == dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)
    assert read(as_json)[0]["sent_at"] == read(as_csv)[0]["sent_at"] == "2026-11-22T08:00:00.000000Z"
    assert pa.ipc.open_stream(as_arrow.content).schema.metadata[b"snapshot"].startswith(b"20261122T080500")
    for response in (as_json, as_csv, as_arrow):
        assert response.headers["x-snapshot"].startswith("20261122T080500")
        assert response.headers["x-as-of"] == "2026-11-22T08:00:00Z"
        assert response.headers["x-coverage"] == "0.99"
        assert response.headers["x-total-rows"] == str(len(NAMES))
    assert as_csv.headers["content-disposition"] == 'attachment; filename="campaign_performance.csv"'


def test_answers_are_compressed(client: httpx.Client):
    assert client.get(RESPONSES).headers["content-encoding"] == "gzip"


# Whether it has to be sent again.


@pytest.mark.parametrize("address", ["/api/v1/kpis", RESPONSES, f"{CAMPAIGNS}?format=csv", "/api/v1/openapi.json"])
def test_what_a_client_has_is_not_sent_again(client: httpx.Client, address: str):
    first = client.get(address)
    again = client.get(address, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.slow
def test_tags_tell_questions_forms_and_snapshots_apart(tmp_path: Path):
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path)
    queries = ["", "?limit=5", "?day=2026-11-20", "?columns=day", "?order=-day", "?format=csv", "?format=arrow"]
    before = [client.get(f"{RESPONSES}{query}").headers["etag"] for query in queries]
    assert len(set(before)) == len(queries)
    same = [
        client.get(f"{RESPONSES}?{query}").headers["etag"]
        for query in ("waits=1&day=2026-11-20", "day=2026-11-20&waits=1")
    ]
    assert same[0] == same[1]
    publish_rows(load_settings(data_dir=tmp_path), now=dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC))
    after = [
        client.get(f"{RESPONSES}{query}", headers={"if-none-match": tag})
        for query, tag in zip(queries, before, strict=True)
    ]
    assert {response.status_code for response in after} == {200}


def test_an_answer_given_before_is_not_computed_again(root: Path, monkeypatch: pytest.MonkeyPatch):
    client = client_of(root)
    first = client.get(f"{RESPONSES}?limit=5")
    monkeypatch.setattr(kpi_api, "_read", None)  # asking the database would fail
    again = client.get(f"{RESPONSES}?limit=5")
    assert (again.content, again.headers) == (first.content, first.headers)
    assert client.get(f"{RESPONSES}?limit=6").status_code == 500


def test_kept_answers_take_a_bounded_room():
    kept = Kept(most_bytes=100)
    for number in range(20):
        kept.put((str(number),), KeptAnswer(b"x" * 10, {}))
        assert kept.get(("0",)) is not None  # asked for all the time
    assert [number for number in range(20) if kept.get((str(number),))] == [0, *range(11, 20)]
    kept.put(("large",), KeptAnswer(b"x" * 11, {}))
    assert kept.get(("large",)) is None


# When it cannot answer.


@pytest.mark.parametrize(
    ("address", "status", "code", "word"),
    [
        ("/api/v1/kpis/response_time_daily", 404, "unknown_table", "response_times_daily"),
        ("/api/v1/kpis/zzz", 404, "unknown_table", "agent_leaderboard"),
        ("/api/v1/kpis/core.messages", 404, "unknown_table", ""),
        ("/api/v1/nothing", 404, "not_found", "/api/v1/kpis"),
        (f"{RESPONSES}?dya=2026-11-20", 400, "unknown_column", "Did you mean day"),
        (f"{RESPONSES}?columns=day,wait", 400, "unknown_column", "waits"),
        (f"{RESPONSES}?columns=", 400, "unknown_column", "Columns: day"),
        (f"{RESPONSES}?order=-", 400, "unknown_column", "Columns: day"),
        (f'{RESPONSES}?order=day"desc', 400, "unknown_column", "Columns: day"),
        (f"{RESPONSES}?day=yesterday", 400, "bad_value", "2026-11-20"),
        (f"{RESPONSES}?day=2026-02-30", 400, "bad_value", "2026-11-20"),
        (f"{RESPONSES}?as_of_from=now", 400, "bad_value", "%2B"),
        (f"{RESPONSES}?as_of=2026-02-30", 400, "bad_value", "a local day"),
        (f"{RESPONSES}?as_of=0001-01-01", 400, "bad_value", "a local day"),
        (f"{RESPONSES}?as_of_to=9999-12-31", 400, "bad_value", "a local day"),
        (f"{RESPONSES}?waits=ten", 400, "bad_value", "whole number"),
        (f"{RESPONSES}?waits=99999999999999999999", 400, "bad_value", "whole number"),
        (f"{RESPONSES}?coverage=nan", 400, "bad_value", "0.95"),
        (f"{RESPONSES}?coverage=1e999", 400, "bad_value", "0.95"),
        (f"{RESPONSES}?is_provisional=1", 400, "bad_value", "true or false"),
        (f"{RESPONSES}?is_provisional_from=true", 400, "unknown_column", "is_provisional"),
        (f"{RESPONSES}?limit=0", 400, "bad_limit", "next"),
        (f"{RESPONSES}?limit=10001", 400, "bad_limit", "next"),
        (f"{RESPONSES}?limit=²", 400, "bad_limit", "next"),
        (f"{RESPONSES}?limit=1&limit=2", 400, "repeated_parameter", "once"),
        (f"{RESPONSES}?format=xml", 400, "bad_format", "arrow"),
        (f"{RESPONSES}?cursor=é", 400, "bad_cursor", "next"),
        (f"{RESPONSES}?cursor=MA", 409, "cursor_outdated", "without"),
    ],
)
def test_a_refusal_says_what_to_do(client: httpx.Client, address: str, status: int, code: str, word: str):
    response = client.get(address)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert word in error["hint"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "begins", "hours"),
    [
        ("Africa/Nairobi", "2026-10-24T21:00", 24),
        ("Europe/Berlin", "2026-10-24T22:00", 25),
    ],
)
def test_a_day_of_an_instant_is_the_local_day(tmp_path: Path, zone: str, begins: str, hours: int):
    """Field case 53: in Nairobi the 22nd begins at 21:00 UTC of the 21st; in Berlin a day in October has 25 hours."""
    settings = load_settings(data_dir=tmp_path, timezone=zone)
    start = dt.datetime.fromisoformat(begins).replace(tzinfo=dt.UTC)
    after = start + dt.timedelta(hours=hours)
    tick = dt.timedelta.resolution
    world = World(tmp_path, settings)
    for number, at in enumerate((start - tick, start, after - tick, after)):
        world.campaign(f"c{number}", [(at, "completed")], created_at=at)
    asked = client_of(publish_world(world, dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)).settings.root)

    def ids(query: str) -> list[str]:
        return [row["campaign_id"] for row in rows_of(asked, f"{CAMPAIGNS}?{query}")]

    assert ids("sent_at=2026-10-25") == ["c1", "c2"]
    assert ids("sent_at_from=2026-10-25") == ["c1", "c2", "c3"]
    assert ids("sent_at_to=2026-10-25") == ["c0"]
    assert ids("sent_at_from=2026-10-25&sent_at_to=2026-10-26") == ["c1", "c2"]
    instant = after.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ids(f"sent_at=2026-10-24&sent_at={instant}") == ["c0", "c3"]
    assert ids(f"sent_at_from={begins}") == ["c1", "c2", "c3"], "a time without an offset is UTC"


def test_other_forms_and_methods_are_refused(client: httpx.Client):
    response = client.get(RESPONSES, headers={"accept": "image/png"})
    assert (response.status_code, response.json()["error"]["code"]) == (406, "not_acceptable")
    response = client.post(RESPONSES)
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


def test_before_the_first_snapshot_it_says_so(tmp_path: Path):
    client = client_of(tmp_path)
    for address in ("/api/v1/kpis", RESPONSES):
        response = client.get(address)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "nothing_published")
        assert "crm refresh" in response.json()["error"]["hint"]
    assert client.get(f"{RESPONSES}?day=x").status_code == 400  # a wrong question is wrong before there is an answer


def test_a_table_declared_after_the_last_build_is_not_published_yet(root: Path):
    saved = dict(TABLES)
    try:

        class LaterDaily(KpiTable):
            """Declared later."""

            key = ("day",)
            pillar = "operations"

            day = date("Local day.")

        client = client_of(root)
        response = client.get("/api/v1/kpis/later_daily")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "not_published")
        assert client.get("/api/v1/kpis").json()["tables"][-1]["is_published"] is False
    finally:
        TABLES.clear()
        TABLES.update(saved)


# The description.


def test_what_the_guide_says_to_type_works(client: httpx.Client):
    guide = (Path(__file__).parents[2] / "docs" / "kpi-api.md").read_text(encoding="utf-8")
    commands = re.findall(r"^curl (?:-H '(\w+): ([^']+)' )?'http://127.0.0.1:8080(/[^']+)'$", guide, re.MULTILINE)
    assert len(commands) == guide.count("\ncurl ")
    for header, value, address in commands:
        assert client.get(address, headers={header: value} if header else {}).status_code == 200, address
    named = re.search(r"```json\n(.*)\n```", guide)
    assert named is not None
    refused = client.get(f"{RESPONSES}?dya=2026-11-20").json()["error"]
    said = json.loads(named[1])["error"]
    assert (refused["code"], refused["message"]) == (said["code"], said["message"])
    assert refused["hint"].startswith(said["hint"].removesuffix("…"))


def test_docs_hold_what_is_generated():
    for path, text in documents.generate().items():
        stored = (Path(__file__).parents[2] / path).read_text(encoding="utf-8")
        assert stored == text, f"{path} is out of date: run `make docs`"


def test_the_served_description_is_the_stored_one(client: httpx.Client):
    assert client.get("/api/v1/openapi.json").text == openapi.document_text()


def test_types_name_every_table_and_column():
    text = documents.generate()[documents.TYPES]
    for name, table in kpi_tables().items():
        body = re.search(rf"export interface {table.__name__} {{\n(.*?)\n}}", text, re.DOTALL)
        assert body is not None, name
        for column, declared in published_columns(table).items():
            (kind,) = re.findall(rf"^  {column}: (.*);$", body[1], re.MULTILINE)
            assert kind.endswith(" | null") == declared.nullable
        assert f"  {name}: {table.__name__};" in text


DOC = openapi.document()
REGISTRY = Registry().with_resource("urn:kpi", Resource(contents=DOC, specification=DRAFT202012))
FUZZED = schemathesis.openapi.from_dict(DOC)
OPERATIONS = {one.ok().definition.raw["operationId"]: one.ok() for one in FUZZED.get_all_operations()}


def fits(reference: str, value: object) -> None:
    errors = list(Draft202012Validator({"$ref": f"urn:kpi#{reference}"}, registry=REGISTRY).iter_errors(value))
    assert not errors, f"{reference}: {errors[0].message} at {list(errors[0].path)}"


def test_answers_are_as_described(client: httpx.Client):
    fits("/components/schemas/TableList", client.get("/api/v1/kpis").json())
    for name in kpi_tables():
        answer = client.get(f"/api/v1/kpis/{name}").json()
        pointer = f"/paths/~1api~1v1~1kpis~1{name}/get/responses/200/content/application~1json/schema"
        fits(pointer, answer)
    fits("/components/schemas/Problem", client.get(f"{RESPONSES}?limit=0").json())


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_asked_is_answered_as_described(client: httpx.Client, name: str):
    statuses = set()

    # A table has up to seventy parameters: shrinking a failure takes minutes, so cases are shown as they come.
    @settings(
        max_examples=15,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy())
    def fuzz(case):
        request = case.as_transport_kwargs(base_url="http://127.0.0.1")
        kept = ("method", "url", "params", "headers")
        response = client.request(**{key: request[key] for key in kept if request.get(key) is not None})
        statuses.add(response.status_code)
        case.validate_response(
            response,
            checks=[
                checks.not_a_server_error,
                openapi_checks.status_code_conformance,
                openapi_checks.content_type_conformance,
                openapi_checks.response_headers_conformance,
                openapi_checks.response_schema_conformance,
            ],
        )

    fuzz()
    if name.endswith("_receipt"):  # a figure is not found by chance
        assert statuses <= {200, 400, 404}
    else:
        assert 200 in statuses
        assert statuses <= {200, 400, 406, 409}


@pytest.mark.slow
def test_every_receipt_is_as_described(client: httpx.Client):
    seen = 0
    for name, table in kpi_tables().items():
        for row in client.get(f"/api/v1/kpis/{name}?limit=1").json()["rows"]:
            key = {part: row[part] for part in table.key}
            for column in figure_columns(table):
                asked = {**key, "column": column, "limit": 2}
                answer = client.get(f"/api/v1/kpis/{name}/receipt", params=asked)
                assert answer.status_code == 200, (name, column, answer.text)
                fits("/components/schemas/Receipt", answer.json())
                assert len(answer.json()["rows"]) <= 2
                seen += 1
    assert seen > 50


def test_the_audit_log_is_as_described(client: httpx.Client):
    client.get(f"{RESPONSES}?format=csv")
    lines = client.get("/api/v1/audit").json()
    fits("/components/schemas/AuditLog", lines)
    assert lines["lines"]


def test_json_is_the_same_to_the_last_digit(client: httpx.Client):
    text = client.get(f"{RESPONSES}?columns=response_seconds_median&limit=1").text
    assert json.loads(text)["rows"] == [{"response_seconds_median": 99.5}]
