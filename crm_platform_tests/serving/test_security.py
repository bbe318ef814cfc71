"""Who gets in, what every answer tells a browser, and what is written down."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from crm_platform.errors import FixConfiguration, RateLimited
from crm_platform.serving import access, create_app
from crm_platform.serving.access import Door, Role, needed_role
from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import SECRETS, client_of, publish_rows

RESPONSES = "/api/v1/kpis/response_times_daily"
PAGE = {"accept": "text/html"}
PLACES = {"/healthz": None, "/login": None, "/": Role.VIEWER, "/api/v1/kpis": Role.ANALYST, RESPONSES: Role.ANALYST,
          "/api/v1/openapi.json": Role.ANALYST, "/charts/support/first_response.csv": Role.ANALYST,
          "/metrics": Role.ADMIN,
          "/api/v1/audit": Role.ADMIN}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    publish_rows(load_settings(data_dir=folder))
    return folder


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {SECRETS[f'{role}_secret']}"}


def app_of(client: httpx.Client) -> Starlette:
    return client._transport.app


def lines_of(root: Path) -> list[dict]:
    return [json.loads(line) for path in sorted((root / "audit").glob("*")) for line in path.read_text().splitlines()]


# Where it may stand.


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "kpi.example.com"])
def test_away_from_loopback_it_needs_a_secret(tmp_path: Path, host: str):
    with pytest.raises(FixConfiguration, match="CRM_ANALYST_SECRET"):
        create_app(load_settings(data_dir=tmp_path), host=host)
    create_app(load_settings(data_dir=tmp_path, viewer_secret=SECRETS["viewer_secret"]), host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_on_loopback_it_is_open(root: Path, host: str):
    client = client_of(root, host=host)
    for place in PLACES:
        assert client.get(place).status_code in {200, 303, 307}, place


def test_a_name_of_its_own_needs_a_secret_even_on_loopback(tmp_path: Path):
    with pytest.raises(FixConfiguration, match=r"kpi\.example\.com"):
        create_app(load_settings(data_dir=tmp_path, serve_hosts="kpi.example.com"))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"viewer_secret": "short"}, "16 or more"),
        ({"viewer_secret": "has spaces in the middle"}, "16 or more"),
        ({"viewer_secret": "the same for both", "admin_secret": "the same for both"}, "16 or more"),
        ({"viewer_secret": "the-same-for-both", "admin_secret": "the-same-for-both"}, "differ"),
        ({"serve_hosts": "https://kpi.example.com"}, "without scheme"),
        ({"viewer_secret_file": "/nowhere/secret"}, "CRM_VIEWER_SECRET_FILE"),
    ],
)
def test_a_weak_setting_is_refused(settings: dict[str, str], word: str):
    with pytest.raises(FixConfiguration, match=word):
        load_settings(**settings)


def test_a_secret_may_come_from_a_file(tmp_path: Path):
    (tmp_path / "secret").write_text(SECRETS["admin_secret"] + "\n")
    client = client_of(tmp_path, admin_secret_file=tmp_path / "secret")
    assert client.get("/metrics", headers=bearer("admin")).status_code == 200


# To which names it answers.


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_it_answers_to_this_machine(root: Path, name: str):
    assert client_of(root).get("/healthz", headers={"host": name}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "", "[::1"])
def test_another_site_s_name_for_this_machine_is_refused(root: Path, name: str):
    response = client_of(root).get(RESPONSES, headers={"host": name})
    assert response.status_code == 421
    assert "wait" not in response.text


def test_names_can_be_added(root: Path):
    client = client_of(root, serve_hosts="kpi.example.com", **SECRETS)
    assert client.get(RESPONSES, headers={"host": "KPI.example.com", **bearer("analyst")}).status_code == 200
    assert client.get(RESPONSES, headers={"host": "other.example.com", **bearer("analyst")}).status_code == 421


# Who may do what.


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("who", ["nobody", "viewer", "analyst", "admin"])
def test_each_role_sees_what_it_may(root: Path, place: str, who: str):
    client = client_of(root, **SECRETS)
    response = client.get(place, headers={} if who == "nobody" else bearer(who))
    needed = PLACES[place]
    assert needed_role(place) is needed
    if needed is None or (who != "nobody" and Role[who.upper()] >= needed):
        assert response.status_code in {200, 307}
    else:
        assert response.status_code == (401 if who == "nobody" else 403)
        assert response.json()["error"]["hint"]


def _paths(routes: list[BaseRoute]) -> list[str]:
    return [route.path for route in routes if isinstance(route, Route)]


def test_no_route_is_public_by_oversight(root: Path):
    app = app_of(client_of(root, **SECRETS))
    public = {path for path in _paths(app.routes) if needed_role(path) is None}
    assert public == {"/healthz", "/login", "/preferences", "/static/{name:path}"}


@pytest.mark.parametrize(
    "place", ["/api/v1/kpis/", "//api/v1/kpis", "/API/v1/kpis", "/static/../metrics", "/%61pi/v1/kpis"]
)
def test_odd_spellings_open_nothing(root: Path, place: str):
    client = client_of(root, **SECRETS)
    assert client.get(place, headers=bearer("viewer")).status_code in {307, 403, 404}
    assert client.get(place).status_code in {401, 404}


def test_a_wrong_token_is_told_so_and_a_person_is_led_to_the_login(root: Path):
    client = client_of(root, **SECRETS)
    wrong = client.get(RESPONSES, headers={"authorization": "Bearer no-such-secret-here"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "wrong_secret")
    assert "invalid_token" in wrong.headers["www-authenticate"]
    missing = client.get(RESPONSES)
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
    person = client.get("/executive?range=28d", headers=PAGE)
    assert (person.status_code, person.headers["location"]) == (303, "/login?next=%2Fexecutive%3Frange%3D28d")


# Sessions.


def log_in(client: httpx.Client, role: str, **fields: str) -> httpx.Response:
    return client.post("/login", data={"secret": SECRETS[f"{role}_secret"], **fields})


def test_a_session_from_login_to_logout(root: Path):
    client = client_of(root, **SECRETS)
    assert 'name="secret"' in client.get("/login").text
    entered = log_in(client, "analyst", next="/executive?range=28d")
    assert (entered.status_code, entered.headers["location"]) == (303, "/executive?range=28d")
    cookie = entered.headers["set-cookie"]
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "secure" not in cookie.lower()  # plain http: a browser would drop it
    assert SECRETS["analyst_secret"] not in cookie
    assert client.get(RESPONSES).status_code == 200
    assert client.get("/metrics").status_code == 403
    kept = dict(client.cookies)
    left = client.post("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert client.get(RESPONSES).status_code == 401
    assert client.get(RESPONSES, headers={"cookie": f"crm_session={kept['crm_session']}"}).status_code == 401


def test_over_https_the_cookie_is_bound_to_the_host(root: Path):
    client = client_of(root, base_url="https://localhost", **SECRETS)
    entered = log_in(client, "viewer")
    assert entered.headers["set-cookie"].startswith("__Host-crm_session=")
    assert "Secure" in entered.headers["set-cookie"]
    assert entered.headers["strict-transport-security"] == "max-age=31536000"
    assert client.get("/", headers=PAGE).status_code in {200, 303, 307}
    assert "/login" not in client.get("/", headers=PAGE).headers.get("location", "")


@pytest.mark.parametrize("onwards", ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nx: y", ""])
def test_login_leads_nowhere_else(root: Path, onwards: str):
    assert log_in(client_of(root, **SECRETS), "viewer", next=onwards).headers["location"] == "/"


def test_a_wrong_secret_stays_at_the_door(root: Path):
    client = client_of(root, **SECRETS)
    response = client.post("/login", data={"secret": "not-a-secret-of-any-role", "next": '/"><script>'})
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert '"><script' not in response.text
    assert 'role="alert"' in response.text
    assert client.post("/login", content=b"secret=%ff%00").status_code == 401
    assert client.post("/login", content=b"a" * 20_000).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, 303),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("place", ["/login", "/logout"])
def test_another_site_s_forms_do_nothing(root: Path, place: str, headers: dict[str, str], status: int):
    client = client_of(root, **SECRETS)
    log_in(client, "viewer")
    data = {"secret": SECRETS["viewer_secret"]}
    assert client.post(place, data=data, headers=headers).status_code == status


class Ticks:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_sessions_end_by_themselves():
    ticks = Ticks()
    door = Door({Role.VIEWER: "x" * 16}, now=ticks)
    idle, busy = door.log_in(Role.VIEWER), door.log_in(Role.VIEWER)
    for _ in range(11):
        ticks.now += access.LONGEST_PAUSE / 2
        assert door.by_session(busy) is not None
    assert door.by_session(idle) is None
    ticks.now += access.LONGEST_PAUSE / 2
    assert door.by_session(busy) is None  # twelve hours are enough for anybody
    assert door.by_session("never-was") is None


def test_a_page_left_open_does_not_keep_anybody_logged_in(root: Path, monkeypatch: pytest.MonkeyPatch):
    client, ticks = client_of(root, **SECRETS), Ticks()
    monkeypatch.setattr(app_of(client).state.door, "_now", ticks)
    log_in(client, "analyst")
    ticks.now += access.LONGEST_PAUSE - 1
    assert client.get(RESPONSES, headers={"sec-fetch-mode": "cors"}).status_code == 200
    ticks.now += 1
    assert client.get(RESPONSES, headers={"sec-fetch-mode": "cors"}).status_code == 401
    log_in(client, "analyst")
    ticks.now += access.LONGEST_PAUSE - 1
    assert client.get(RESPONSES, headers={"sec-fetch-mode": "navigate"}).status_code == 200
    ticks.now += 1
    assert client.get(RESPONSES, headers={"sec-fetch-mode": "cors"}).status_code == 200


def test_after_five_wrong_secrets_the_next_wrong_one_waits_and_the_right_one_opens():
    """Field case 69."""
    ticks = Ticks()
    door = Door({Role.VIEWER: "right-right-right"}, now=ticks)
    for _ in range(access.MOST_FAILURES):
        assert door.recognise("wrong", address="10.0.0.1") is None
        ticks.now += 10
    with pytest.raises(RateLimited) as refused:
        door.recognise("wrong again", address="10.0.0.1")
    assert refused.value.retry_after == access.FAILURE_SPAN - 50
    assert door.recognise("right-right-right", address="10.0.0.1") is Role.VIEWER
    with pytest.raises(RateLimited):  # knowing one secret buys no more guesses
        door.recognise("wrong again", address="10.0.0.1")
    assert door.recognise("wrong", address="10.0.0.2") is None
    ticks.now += access.FAILURE_SPAN - 50
    assert door.recognise("wrong", address="10.0.0.1") is None


def test_the_login_page_and_tokens_share_their_patience_with_wrong_secrets(root: Path):
    """Field case 69."""
    client = client_of(root, **SECRETS)
    for _ in range(access.MOST_FAILURES):
        assert client.get(RESPONSES, headers={"authorization": "Bearer guess"}).status_code == 401
    for locked in (
        client.post("/login", data={"secret": "another guess"}),
        client.get(RESPONSES, headers={"authorization": "Bearer guess"}),
    ):
        assert locked.status_code == 429
        assert 0 < int(locked.headers["retry-after"]) <= access.FAILURE_SPAN + 1
    assert log_in(client, "admin").status_code == 303
    assert client.get(RESPONSES, headers=bearer("analyst")).status_code == 200
    assert [line["event"] for line in lines_of(root) if line["event"] == "wrong secret"].count("wrong secret") >= 5


def from_address(client: httpx.Client, address: str, forwarded: str | None, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"} | ({"x-forwarded-for": forwarded} if forwarded else {})
    return client.get(RESPONSES, headers=headers, extensions={"address": address}).status_code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "counted"),
    [
        ("", "127.0.0.1", "203.0.113.{n}", "127.0.0.1"),  # nobody is believed unless named
        ("10.0.0.7", "10.0.0.8", "203.0.113.{n}", "10.0.0.8"),
        ("10.0.0.7", "10.0.0.7", "198.51.100.{n}, 203.0.113.5", "203.0.113.5"),  # what a client wrote itself
        ("10.0.0.0/24, ::1", "10.0.0.7", "203.0.113.5, 10.0.0.9", "203.0.113.5"),
        ("10.0.0.7", "10.0.0.7", "not an address {n}", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.7", None, "10.0.0.7"),
    ],
)
def test_failures_count_by_the_address_that_a_believed_proxy_tells(
    tmp_path: Path, proxies: str, peer: str, forwarded: str | None, counted: str
):
    """Field case 69."""
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, serve_proxies=proxies, **SECRETS)
    for n in range(access.MOST_FAILURES):
        assert from_address(client, peer, forwarded and forwarded.format(n=n), "guess") == 401
    assert from_address(client, peer, forwarded and forwarded.format(n=99), "guess") == 429
    assert {line["client"] for line in lines_of(tmp_path)} == {counted}
    # Whoever else comes by the same proxy is not concerned.
    if counted != peer:
        assert from_address(client, peer, "192.0.2.1", "guess") == 401


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.7/33", "10.0.0.0/24/8", "10.0.0.7:80"])
def test_a_proxy_is_an_address_or_a_network(text: str):
    with pytest.raises(FixConfiguration, match="CRM_SERVE_PROXIES"):
        load_settings(serve_proxies=text)


def test_no_number_of_viewers_ends_an_admins_session(monkeypatch: pytest.MonkeyPatch):
    """Field case 76."""
    monkeypatch.setattr(access, "_MOST_KEPT", 3)
    door = Door({Role.VIEWER: "x" * 16, Role.ADMIN: "y" * 16})
    admin, viewers = door.log_in(Role.ADMIN), [door.log_in(Role.VIEWER) for _ in range(20)]
    assert door.by_session(admin) is not None
    assert sum(door.by_session(name) is not None for name in viewers) == 3
    door.log_out(admin)
    assert door.by_session(admin) is None


def test_memory_of_sessions_and_failures_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access, "_MOST_KEPT", 3)
    door = Door({Role.VIEWER: "x" * 16})
    names = [door.log_in(Role.VIEWER) for _ in range(5)]
    assert [door.by_session(name) is not None for name in names] == [False, False, True, True, True]
    for number in range(5):
        door.recognise("wrong", address=str(number))
    assert len(door._failures) == 3


# What browsers are told.


def test_every_answer_carries_its_headers(root: Path):
    client = client_of(root, **SECRETS)
    style = re.search(r'href="(/static/[^"]+)"', client.get("/login").text)
    assert style is not None
    answers = [
        client.get("/login"),
        client.get("/healthz"),
        client.get(style[1]),
        client.get("/nothing", headers={**PAGE, **bearer("viewer")}),
        client.get(RESPONSES),
        client.get(RESPONSES, headers=bearer("analyst")),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/login", data={"secret": "wrong"}),
        client.get("/executive", headers=PAGE),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 401, 200, 421, 401, 303]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["cache-control"]
        assert "server" not in answer.headers


def test_what_is_behind_the_login_is_not_kept_by_browsers(root: Path):
    client = client_of(root, **SECRETS)
    assert client.get("/nothing", headers={**PAGE, **bearer("viewer")}).headers["cache-control"] == "no-store"
    assert client_of(root).get("/nothing", headers=PAGE).headers["cache-control"] == "no-cache"
    assert client.get(RESPONSES, headers=bearer("analyst")).headers["cache-control"] == "private, no-cache"


def test_static_files_are_kept_for_ever_under_an_address_of_their_content(root: Path):
    client = client_of(root)
    found = re.search(r'href="(/static/[^"]+css\?v=[0-9a-f]{12})"', client.get("/nothing", headers=PAGE).text)
    assert found is not None
    file = client.get(found[1])
    assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert file.headers["content-type"].startswith("text/css")
    plain = found[1].partition("?")[0]
    assert client.get(plain).headers["cache-control"] == "public, no-cache"
    assert client.get(plain, headers={"if-none-match": file.headers["etag"]}).status_code == 304
    for place in ("/static/", "/static/..%2faccess.py", "/static/../access.py", "/static//etc/passwd"):
        assert client.get(place).status_code == 404


def test_pages_of_the_frame_hold_nothing_inline(root: Path):
    for text in (
        client_of(root, **SECRETS).get("/login").text,
        client_of(root).get("/nothing", headers=PAGE).text,
    ):
        assert not re.search(r"<style|<script(?! src=)|style=|\son\w+=|https?://", text)


def test_a_bug_tells_nothing_and_is_still_hardened(root: Path, monkeypatch: pytest.MonkeyPatch):
    client = client_of(root)

    def broken() -> None:
        raise ZeroDivisionError("a secret of the house")

    monkeypatch.setattr(app_of(client).state.snapshots, "current", broken)
    for headers, kind in ((PAGE, "text/html"), ({}, "application/json")):
        response = client.get("/healthz", headers=headers)
        assert response.status_code == 500
        assert response.headers["content-type"].startswith(kind)
        assert "secret" not in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]
    assert [type(bug) for bug in client._transport.bugs] == [ZeroDivisionError] * 2


# What is written down.


@pytest.mark.slow
def test_exports_are_written_down(tmp_path: Path):
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, **SECRETS)
    log_in(client, "analyst")
    first = client.get(f"{RESPONSES}?day=2026-11-20&format=csv")
    assert (
        client.get(
            f"{RESPONSES}?day=2026-11-20&format=csv", headers={"if-none-match": first.headers["etag"]}
        ).status_code
        == 304
    )
    assert client.get(f"{RESPONSES}?nonsense=1").status_code == 400
    assert client.head(RESPONSES).status_code == 200
    client.get(RESPONSES, headers=bearer("admin"))
    client.get("/metrics")
    lines = lines_of(tmp_path)
    assert [line["event"] for line in lines] == ["login", "export", "export", "refused"]
    by_session, by_token = lines[1:3]
    assert by_session["role"] == "analyst"
    assert re.fullmatch(r"session [0-9a-f]{8}", by_session["by"])
    assert (by_session["path"], by_session["query"]) == (RESPONSES, "day=2026-11-20&format=csv")
    assert (by_session["form"], by_session["client"]) == ("text/csv", "127.0.0.1")
    assert by_session["snapshot"] == first.headers["x-snapshot"]
    assert by_session["at"] == "2026-11-22T08:05:00.000+00:00"
    assert (by_token["role"], by_token["by"], by_token["form"]) == ("admin", "token", "application/json")
    (file,) = (tmp_path / "audit").iterdir()
    assert file.name == "2026-11.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert not [secret for secret in SECRETS.values() if secret in text]


@pytest.mark.slow
def test_admins_read_the_log_newest_first(tmp_path: Path):
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, **SECRETS)
    for day in ("2026-11-20", "2026-11-21"):
        client.get(f"{RESPONSES}?day={day}", headers=bearer("analyst"))
    (line,) = client.get("/api/v1/audit?limit=1", headers=bearer("admin")).json()["lines"]
    assert line["query"] == "day=2026-11-21"
    assert len(client.get("/api/v1/audit", headers=bearer("admin")).json()["lines"]) == 2
    assert client.get("/api/v1/audit?limit=0", headers=bearer("admin")).status_code == 400
    assert client.get("/api/v1/audit", headers=bearer("analyst")).status_code == 403


def fill_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let `after` bytes of each write through, and no more."""
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if after:
            return write(handle, data[:after])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("crm_platform.publish.audit.os.write", full)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 20])
def test_what_a_full_disk_does_not_write_down_does_not_leave_and_the_log_heals(tmp_path: Path, after: int):
    """Field case 64."""
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, **SECRETS)
    assert client.get(f"{RESPONSES}?format=csv", headers=bearer("analyst")).status_code == 200
    with pytest.MonkeyPatch.context() as patched:
        fill_disk(patched, after=after)
        for answer in (
            client.get(f"{RESPONSES}?format=csv", headers=bearer("analyst")),
            client.get("/metrics", headers=bearer("viewer")),
            client.get("/metrics", headers={"authorization": "Bearer guess"}),
            log_in(client, "admin"),
        ):
            assert answer.status_code == 503
            assert "make room on the disk" in answer.text
            assert "2026-11-20" not in answer.text
            assert "set-cookie" not in answer.headers
        assert client.get("/api/v1/kpis", headers=bearer("analyst")).status_code == 200
    assert client.get(f"{RESPONSES}?day=2026-11-20", headers=bearer("analyst")).status_code == 200
    read = client.get("/api/v1/audit", headers=bearer("admin")).json()
    assert [line.get("query") for line in read["lines"]] == ["day=2026-11-20", "format=csv"]
    assert read["unreadable_lines"] == 0
    assert client._transport.bugs == []


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    publish_rows(load_settings(data_dir=tmp_path))
    (tmp_path / "audit").write_text("a file where the folder should be")
    client = client_of(tmp_path)
    for path in (f"{RESPONSES}?format=csv", "/charts/support/first_response.csv"):
        response = client.get(path)
        assert response.status_code == 503
        assert "audit log" in response.text
        assert "2026-11-20" not in response.text
    assert client.get("/api/v1/kpis").status_code == 200


@pytest.mark.slow
def test_torn_lines_cost_themselves_alone(tmp_path: Path):
    """Field cases 63 and 64: what an earlier version, a crash or a disk has left."""
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, **SECRETS)
    client.get(f"{RESPONSES}?day=2026-11-20", headers=bearer("analyst"))
    (file,) = (tmp_path / "audit").iterdir()
    with file.open("ab") as log:
        log.write('{"event": "refused", "path": "/a\u2028b"}\n'.encode())  # whole: only str.splitlines splits it
        log.write(b'\xff\xfe\n[1, 2]\n"text"\n' + b"[" * 100_000 + b"\n" + b"\0" * 300_000 + b"\n\n")
        log.write(b'{"at": "2026-11-22T08:05:00.000+00:00", "event": "exp')
    client.get(f"{RESPONSES}?day=2026-11-21", headers=bearer("analyst"))
    read = client.get("/api/v1/audit", headers=bearer("admin")).json()
    assert [line.get("query") or line["path"] for line in read["lines"]] == [
        "day=2026-11-21", "/a\u2028b", "day=2026-11-20",
    ]  # fmt: skip
    assert read["unreadable_lines"] == 6
    assert client.get("/api/v1/audit?limit=1", headers=bearer("admin")).json()["unreadable_lines"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/a\u2028b.csv", "/a\u2029", "/a\x85", "/\x00", "/a\nb", "/%FF.csv", "/é.csv"])
def test_no_path_breaks_the_log(tmp_path: Path, path: str):
    """Field case 63."""
    publish_rows(load_settings(data_dir=tmp_path))
    client = client_of(tmp_path, **SECRETS)
    address = path if "%" in path else quote(path)
    assert client.get(address, headers=bearer("viewer")).status_code in {400, 403, 404}
    assert client.get(address, headers={**PAGE, **bearer("viewer")}).status_code in {400, 403, 404}
    assert client.get("/metrics", headers=bearer("viewer")).status_code == 403
    lines = client.get("/api/v1/audit", headers=bearer("admin")).json()["lines"]
    assert lines[0]["path"] == "/metrics"
    for file in (tmp_path / "audit").iterdir():
        assert file.read_bytes().isascii()
        assert [json.loads(line) for line in file.read_bytes().splitlines()]
