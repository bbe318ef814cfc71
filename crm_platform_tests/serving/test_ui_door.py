"""The door of the Dagster UI: whom it lets in, and what another site's page can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from crm_platform.cli.platform import dev
from crm_platform.errors import FixConfiguration
from crm_platform.serving.ui_door import behind_door
from crm_platform.settings import current_settings, load_settings
from crm_platform_tests.serving.published import SECRETS, InProcess

QUERY = {"query": "mutation { stopRunningSchedule(id: 1) { __typename } }"}
ADMIN = {"authorization": f"Bearer {SECRETS['admin_secret']}"}
PAGE = {"accept": "text/html"}


class Ui:
    """What stands for Dagster's app; `asked` holds what came through to it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/graphql", self.graphql, methods=["GET", "POST"]),
                WebSocketRoute("/graphql", self.subscribe),
                Route("/report_asset_check/{key:path}", self.graphql, methods=["POST"]),
                Route("/{path:path}", self.page),
            ]
        )

    async def graphql(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        return JSONResponse({"data": {}})

    async def subscribe(self, socket: WebSocket) -> None:
        self.asked.append("socket")
        await socket.accept()
        await socket.close()

    async def page(self, _: Request) -> Response:
        return HTMLResponse("<title>Dagster</title>", headers={"content-security-policy": "its own"})


@pytest.fixture
def ui() -> Ui:
    return Ui()


def client_of(root: Path, ui: Ui, *, host: str = "127.0.0.1", **options) -> httpx.Client:
    app = behind_door(ui.app, load_settings(data_dir=root, **options), host=host)
    return httpx.Client(transport=InProcess(app), base_url="http://127.0.0.1:3000")


def opens(client: httpx.Client, headers: dict[str, str]) -> bool:
    """Whether a WebSocket is accepted."""
    sent: list[str] = []

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    async def send(message: dict) -> None:
        sent.append(message["type"])

    pairs = {"host": "127.0.0.1:3000", **headers}
    scope = {
        "type": "websocket", "path": "/graphql", "raw_path": b"/graphql", "query_string": b"", "scheme": "ws",
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()], "subprotocols": [],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 3000), "root_path": "", "state": {},
    }  # fmt: skip
    asyncio.run(client._transport.app(scope, receive, send))
    return sent[0] == "websocket.accept"


def test_the_ui_works_through_it(tmp_path: Path, ui: Ui):
    """Field case 61."""
    client = client_of(tmp_path, ui)
    page = client.get("/runs/1?tab=logs", headers=PAGE)
    assert "Dagster" in page.text
    assert page.headers["content-security-policy"] == "its own"
    assert page.headers["x-frame-options"] == "DENY"
    own = {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert client.post("/graphql", json=QUERY, headers=own).status_code == 200
    assert client.post("/graphql", json={"query": "x" * 100_000}).status_code == 200  # a program
    assert client.get("/graphql", headers=PAGE).status_code == 200
    assert opens(client, {"origin": "http://127.0.0.1:3000"})
    assert ui.asked == ["POST /graphql", "POST /graphql", "GET /graphql", "socket"]
    # A link on the dashboards, which are another origin, leads to an asset.
    link = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", **PAGE}
    assert client.get("/assets/kpi/executive_summary", headers=link).status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test:3000", "", "[::1", "0.0.0.0:3000"])
def test_it_answers_to_its_own_names_only(tmp_path: Path, ui: Ui, host: str):
    """Field case 61."""
    client = client_of(tmp_path, ui)
    assert client.get("/", headers={"host": host}).status_code == 421
    assert client.post("/graphql", json=QUERY, headers={"host": host}).status_code == 421
    assert not opens(client, {"host": host})
    assert ui.asked == []


@pytest.mark.parametrize("name", ["localhost:3000", "127.0.0.1", "[::1]:3000"])
def test_it_answers_to_this_machine(tmp_path: Path, ui: Ui, name: str):
    assert client_of(tmp_path, ui).post("/graphql", json=QUERY, headers={"host": name}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_nothing_is_asked_by_get(tmp_path: Path, ui: Ui, method: str, accept: str, path: str):
    """Field case 61."""
    answer = client_of(tmp_path, ui).request(method, path, params=QUERY, headers={"accept": accept})
    assert answer.status_code == 405
    assert ui.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},  # another port is another origin
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
def test_another_sites_page_changes_nothing(tmp_path: Path, ui: Ui, headers: dict[str, str]):
    """Field case 61."""
    client = client_of(tmp_path, ui)
    for path in ("/graphql", "/report_asset_check/kpi/x", "/login", "/logout"):
        assert client.post(path, json=QUERY, headers=headers).status_code == 403
    assert not opens(client, headers)
    assert ui.asked == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_an_old_browser_asks_nothing(tmp_path: Path, ui: Ui, kind: str):
    answer = client_of(tmp_path, ui).post("/graphql", params=QUERY, content=b"x", headers={"content-type": kind})
    assert answer.status_code == 415
    assert ui.asked == []


def test_other_sites_get_no_files_either(tmp_path: Path, ui: Ui):
    client = client_of(tmp_path, ui)
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode, "sec-fetch-dest": dest}
        assert client.get("/download_debug/1", headers=headers).status_code == 403


# The login.


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "ops.example.com"])
def test_beyond_this_machine_it_needs_the_admins_secret(tmp_path: Path, ui: Ui, host: str):
    """Field case 61."""
    others = {name: secret for name, secret in SECRETS.items() if name != "admin_secret"}
    with pytest.raises(FixConfiguration, match="CRM_ADMIN_SECRET"):
        client_of(tmp_path, ui, host=host, **others)
    client_of(tmp_path, ui, host=host, **SECRETS)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path))
    current_settings.cache_clear()
    yield CliRunner()
    current_settings.cache_clear()


@pytest.mark.slow
def test_the_command_does_not_start_without_it(command: CliRunner):
    """Field case 61."""
    done = command.invoke(dev, ["--host", "0.0.0.0", "--port", "39871"])
    assert isinstance(done.exception, FixConfiguration)
    assert "CRM_ADMIN_SECRET" in str(done.exception)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_only_admins_come_in(tmp_path: Path, ui: Ui, host: str):
    """Field case 61."""
    client = client_of(tmp_path, ui, host=host, **SECRETS)
    assert client.post("/graphql", json=QUERY).status_code == 401
    assert not opens(client, {})
    person = client.get("/runs?view=queued", headers=PAGE)
    assert (person.status_code, person.headers["location"]) == (303, "/login?next=%2Fruns%3Fview%3Dqueued")
    page = client.get("/login", headers=PAGE)
    assert 'name="secret"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for role in ("viewer", "analyst"):
        token = {"authorization": f"Bearer {SECRETS[f'{role}_secret']}"}
        assert client.post("/graphql", json=QUERY, headers=token).status_code == 401
        assert client.post("/login", data={"secret": SECRETS[f"{role}_secret"]}).status_code == 401
    assert ui.asked == []
    assert client.post("/graphql", json=QUERY, headers=ADMIN).status_code == 200
    entered = client.post("/login", data={"secret": SECRETS["admin_secret"], "next": "/runs"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/runs")
    # Browsers send a host's cookies to all of its ports: the dashboards' has another name.
    assert [cookie.name for cookie in client.cookies.jar] == ["crm_ui_session"]
    assert client.post("/graphql", json=QUERY).status_code == 200
    session = {"cookie": f"crm_ui_session={client.cookies['crm_ui_session']}"}
    assert opens(client, session)
    assert not opens(client, {**session, "origin": "http://evil.test"})
    client.post("/logout")
    assert client.post("/graphql", json=QUERY).status_code == 401


def test_names_can_be_added_where_there_is_a_login(tmp_path: Path, ui: Ui):
    client = client_of(tmp_path, ui, serve_hosts="ops.example.com", **SECRETS)
    own = {"host": "ops.example.com", "origin": "https://ops.example.com", **ADMIN}
    assert client.post("/graphql", json=QUERY, headers=own).status_code == 200
    assert client.get("/", headers={"host": "other.example.com"}).status_code == 421
    # Without one, who comes by that name is not known.
    others = {"viewer_secret": SECRETS["viewer_secret"]}
    client = client_of(tmp_path, ui, serve_hosts="ops.example.com", **others)
    assert client.get("/", headers={"host": "ops.example.com"}).status_code == 421
    assert client.get("/", headers={"host": "localhost"}).status_code == 200
