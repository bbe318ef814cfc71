"""Whatever a client sends, it gets a short answer below 500 and no traceback (field cases 62, 63, 76)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from crm_platform.publish import published_columns
from crm_platform.receipts import figure_columns
from crm_platform.serving.bounds import LONGEST_ADDRESS, LONGEST_PARAMETER
from crm_platform.serving.pages import published
from crm_platform.serving.queries import kpi_tables
from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import SECRETS, client_of, publish_rows

RESPONSES = "/api/v1/kpis/response_times_daily"
PAGE = {"accept": "text/html"}
LONGEST_ANSWER = 2_000_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bounded")
    publish_rows(load_settings(data_dir=folder))
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> httpx.Client:
    return client_of(root)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# Lengths and time.


@pytest.mark.parametrize("digits", [190, 8_000, 60_000])
@pytest.mark.parametrize("name", ["coverage_from", "coverage", "waits", "day", "as_of_from", "is_provisional", "limit"])
def test_a_long_number_costs_nothing(client: httpx.Client, name: str, digits: int):
    """Field case 62."""
    began = time.process_time()
    answer = client.get(f"{RESPONSES}?{name}={'1' * digits}x")
    assert time.process_time() - began < 0.5
    assert answer.status_code == (414 if digits > LONGEST_ADDRESS else 400)
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{RESPONSES}?day={'x' * (LONGEST_PARAMETER + 1)}", 400),
        (f"{RESPONSES}?{'x' * (LONGEST_PARAMETER + 1)}=1", 400),
        (f"{RESPONSES}?x=1{'&x=1' * 200}", 400),
        (f"{RESPONSES}?x={'%C3%A9' * 201}", 400),
        (f"/campaigns?q={'x' * 4000}", 400),
        (f"/{'x' * LONGEST_ADDRESS}", 414),
        (f"/executive?segment={'x' * LONGEST_ADDRESS}", 414),
    ],
)
def test_what_is_too_long_is_told_so(client: httpx.Client, address: str, status: int):
    """Field case 62."""
    assert code_of(client.get(address)) == (status, "too_long")
    assert client.get(address, headers=PAGE).status_code == status


def test_lists_may_be_longer_than_one_value(client: httpx.Client):
    columns = ",".join(published_columns(kpi_tables()["response_times_daily"]))
    assert len(columns) > LONGEST_PARAMETER
    assert client.get(f"{RESPONSES}?columns={columns}").status_code == 200
    segment = "/api/v1/kpis/contacts_by_segment?value=" + "x" * 900
    assert client.get(segment).status_code == 200


@pytest.mark.parametrize("text", ["0.95", ".5", "1e-3", "-2.5E+10", "007"])
def test_numbers_are_read_as_before(client: httpx.Client, text: str):
    assert client.get(f"{RESPONSES}?coverage_from={quote(text)}").status_code == 200


@pytest.mark.parametrize("text", ["1.", "e5", "1e999", "1e1000", "0x1", "1_0", "１", "--1", "nan", "inf"])
def test_what_is_no_number_is_refused(client: httpx.Client, text: str):
    assert code_of(client.get(f"{RESPONSES}?coverage_from={quote(text)}")) == (400, "bad_value")


def test_headers_are_bounded(client: httpx.Client):
    many = [(f"x-{number}", "1") for number in range(150)]
    assert code_of(client.get("/", headers=many)) == (431, "too_long")
    assert code_of(client.get("/", headers={"x": "1" * 40_000})) == (431, "too_long")


@pytest.mark.parametrize(
    ("length", "status"), [("20000", 413), ("9" * 30, 400), ("-1", 400), ("1e3", 400), ("٣", 400), ("", 400)]
)
def test_bodies_are_bounded_before_they_come(client: httpx.Client, length: str, status: int):
    request = client.build_request("POST", "/login", headers={"content-length": length.encode()})
    assert client.send(request).status_code == status


# The form.


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, "&".join(f"f{number}=1" for number in range(11)), 400),
        ({}, "&" * 9000, 400),
        ({"origin": "http://[::1"}, "secret=x", 403),
        ({"origin": "\xff"}, "secret=x", 403),
        ({"origin": ""}, "secret=x", 403),
        ({"origin": "http://127.0.0.1:99999999"}, "secret=x", 403),
        ({"content-type": "application/json"}, "{}", 415),
        ({"content-type": "multipart/form-data"}, "x", 415),
        ({"content-type": "\xff\x00;;"}, "x", 415),
        ({"content-type": "application/x-www-form-urlencoded; charset=nothing"}, "secret=x", 401),
        ({"cookie": "crm_session=\xff; =; ;;; a=\x00"}, "secret=x", 401),
        ({"cookie": "x" * 20_000}, "secret=\udcff%00%ff", 401),
    ],
)
def test_a_bad_login_is_told_so(root: Path, headers: dict[str, str], body: str, status: int):
    """Field case 63."""
    client = client_of(root, **SECRETS)
    raw = {"content-type": b"application/x-www-form-urlencoded"}
    raw |= {name: value.encode("latin-1") for name, value in headers.items()}
    content = body.encode("utf-8", "surrogateescape")
    assert client.post("/login", headers=raw, content=content).status_code == status
    assert client._transport.bugs == []


def test_who_hangs_up_in_the_middle_of_the_form_leaves_no_trace(root: Path):
    app = client_of(root, **SECRETS)._transport.app
    messages = iter([{"type": "http.request", "body": b"sec", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[dict] = []

    async def receive() -> dict:
        return next(messages)

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/login",
        "raw_path": b"/login", "query_string": b"", "headers": [(b"host", b"127.0.0.1")], "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400


def test_an_address_to_come_back_to_stays_short(root: Path):
    client = client_of(root, **SECRETS)
    fields = {"secret": SECRETS["viewer_secret"], "next": "/" + "x" * 5000}
    assert client.post("/login", data=fields).headers["location"] == "/"


# Days and figures.


@pytest.mark.parametrize("page", ["executive", "campaigns", "support", "audience"])
@pytest.mark.parametrize(
    ("days", "status"),
    [
        ("from=0001-01-01&to=0001-01-05", 400),
        ("from=0001-01-01", 400),
        ("from=1999-12-31&to=2000-01-05", 400),
        ("from=2000-01-01&to=2000-01-05", 200),
        ("from=9999-12-31", 400),
        ("from=9999-12-01&to=9999-12-31", 400),
        ("from=2026-11-01&to=9999-12-31", 200),
        ("to=0001-01-01", 400),
    ],
)
def test_days_at_the_ends_of_the_calendar(client: httpx.Client, page: str, days: str, status: int):
    """Field case 63."""
    assert client.get(f"/{page}?{days}", headers=PAGE).status_code == status
    assert client.get(f"/charts/{page}/nothing.csv?{days}").status_code in {400, 404}


@pytest.mark.parametrize("number", ["9" * 44, "-" + "9" * 44, "9" * 19, "9" * 190, "1.5", "٣" * 44])
def test_a_receipt_of_a_number_that_no_table_holds(client: httpx.Client, number: str):
    """Field case 63."""
    table = next(table for table in kpi_tables().values() if "weekday" in table.key)
    key = "&".join(f"{name}={quote(number)}" for name in table.key)
    column = figure_columns(table)[0]
    assert client.get(f"/api/v1/kpis/{table.table}/receipt?column={column}&{key}").status_code == 404
    assert client.get(f"/receipt?table={table.table}&column={column}&{key}", headers=PAGE).status_code == 404


# Anything.


_ODD = st.sampled_from(
    ["", "\0", "\n", "\u2028", "\x85", "%", "%ff", "é", "１", "../", "//", "?", "#", ";", "&", "=", ",", "'", '"',
     "<b>", "-1", "0", "9" * 44, "1e309", "nan", "null", "true", "0001-01-01", "9999-12-31", "2026-13-01", "2026-11",
     "9999-12-31T23:59:59-14:00", "7d", "custom", "response_times_daily", "kpi.nothing", "day", "-day"]
)  # fmt: skip
_TEXT = st.one_of(_ODD, st.text(max_size=20), st.lists(_ODD, max_size=4).map("".join))
_NAMES = sorted(
    {name for table in kpi_tables().values() for name in published_columns(table)}
    | {"columns", "order", "limit", "cursor", "format", "column", "table", "range", "from", "to", "segment", "campaign",
       "compare", "q", "sort", "dir", "page", "next", "back", "lang", "theme", "v", "day_from", "day_to", "as_of_to"}
)  # fmt: skip
_PLACES = {
    "table": st.one_of(st.sampled_from(sorted(kpi_tables())), _TEXT),
    "page": st.one_of(st.sampled_from(["executive", "campaigns", "support", "audience"]), _TEXT),
    "chart": st.one_of(st.sampled_from(["first_response", "backlog", "growth"]), _TEXT),
    "name": st.one_of(st.sampled_from(["pages.css", "pages.js"]), _TEXT),
}


def raw(text: str) -> str:
    """A text as a client may write it in an address."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@st.composite
def requests(draw: st.DrawFn, paths: list[str]) -> tuple[str, str, list[tuple[bytes, bytes]], bytes]:
    """Method, address, headers and body."""
    path = draw(st.sampled_from([*paths, "/{odd}"]))
    for name, values in {**_PLACES, "odd": _TEXT}.items():
        for hole in (f"{{{name}}}", f"{{{name}:path}}"):
            if hole in path:
                path = path.replace(hole, raw(draw(values)))
    pairs = draw(st.lists(st.tuples(st.one_of(st.sampled_from(_NAMES), _TEXT), _TEXT), max_size=5))
    query = "&".join(f"{raw(name)}={raw(value)}" for name, value in pairs) + draw(
        st.sampled_from(["", "&", "&&=", "%"])
    )
    method = draw(st.sampled_from(["GET"] * 6 + ["HEAD", "POST", "PUT", "OPTIONS", "TRACE", "BREW"]))
    header = st.tuples(
        st.sampled_from(
            ["accept", "accept-language", "accept-encoding", "authorization", "cookie", "origin", "referer", "host",
             "sec-fetch-site", "sec-fetch-mode", "if-none-match", "content-type", "content-length", "range",
             "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "expect", "te"]
        ),
        st.one_of(
            st.sampled_from(
                ["text/html", "*/*;q=x", "Bearer ", "Bearer x", "crm_session=x", "null", "http://[", "*", "gzip", 'W/"',
                 "bytes=0-", "https", "127.0.0.1", "lang=sw", "sw;q=,;", ",,,", "multipart/form-data"]
            ),
            st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30),
        ),
    )  # fmt: skip
    headers = [(name.encode(), value.encode("latin-1")) for name, value in draw(st.lists(header, max_size=4))]
    return method, f"{path}?{query}", headers, draw(st.binary(max_size=50))


@pytest.mark.parametrize("secrets", [{}, SECRETS], ids=["open", "closed"])
@pytest.mark.parametrize(
    "examples", [pytest.param(60, id="some"), pytest.param(1000, id="many", marks=pytest.mark.slow)]
)
def test_nothing_that_is_sent_is_answered_with_a_bug(root: Path, secrets: dict[str, str], examples: int):
    """Field case 63: over all routes."""
    client = client_of(root, serve_proxies="127.0.0.1", **secrets)
    app = client._transport.app
    paths = [route.path for route in app.routes if isinstance(route, Route)]
    token = [(b"authorization", f"Bearer {SECRETS['admin_secret']}".encode())] if secrets else []

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests(paths))
    def check(asked: tuple[str, str, list[tuple[bytes, bytes]], bytes]) -> None:
        method, address, headers, body = asked
        host = [] if any(name == b"host" for name, _ in headers) else [(b"host", b"127.0.0.1")]
        answer = client.request(method, address, headers=[*host, *token, *headers], content=body)
        assert client._transport.bugs == []
        assert answer.status_code < 500
        assert len(answer.content) < LONGEST_ANSWER
        assert "Traceback" not in answer.text[:5000]

    check()
    lines = client.get("/api/v1/audit", headers=dict(token)).json()
    assert lines["unreadable_lines"] == 0


# Long texts, many questions.


def test_long_texts_are_cut_with_a_mark():
    """Field case 76: a page does not grow with a value."""
    row = published._short({"value": "x" * 1_000_000, "contacts": 3, "name": None, "field": "Segment"})
    assert row == {"value": "x" * (published.LONGEST - 1) + "…", "contacts": 3, "name": None, "field": "Segment"}


@pytest.mark.slow
def test_many_long_questions_take_a_bounded_room(root: Path):
    """Field case 76."""
    client = client_of(root)
    kept = client._transport.app.state.kept
    kept._most_bytes = 100_000
    for number in range(80):
        many = "&".join(f"day=2026-11-{day % 28 + 1:02}" for day in range(190))
        assert client.get(f"{RESPONSES}?{many}&waits_from={number}&limit=3").status_code == 200
    assert sum(answer.size for answer in kept._answers.values()) <= 100_000
    assert all(len(place) == 32 for place in kept._answers)
