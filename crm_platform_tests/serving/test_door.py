"""What people see at the door, when something goes wrong, and what each role is offered."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import httpx
import pytest

from crm_platform import serving
from crm_platform.languages import Language
from crm_platform.serving.pages.frame import ROLES
from crm_platform.serving.problems import TOLD
from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import SECRETS, client_of, publish_rows

PAGE = {"accept": "text/html"}
PAGES = ("/executive", "/campaigns", "/support", "/audience", "/now", "/figures")
FOLDER = Path(serving.__file__).parent


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("door")
    publish_rows(load_settings(data_dir=folder))
    return folder


def logged_in(root: Path, role: str) -> httpx.Client:
    client = client_of(root, **SECRETS)
    assert client.post("/login", data={"secret": SECRETS[f"{role}_secret"]}).status_code == 303
    return client


def links(text: str) -> set[str]:
    """Every address that a page leads to on this server."""
    return {html.unescape(href) for href in re.findall(r'(?:href|action)="(/[^"]*)"', text)}


def one_of_each(found: set[str]) -> set[str]:
    """Of receipts, which are hundreds, one of each figure; all other addresses."""
    kinds = {re.sub(r"&(?!table|column).*", "", href) if href.startswith("/receipt") else href: href for href in found}
    return set(kinds.values())


def exports(client: httpx.Client, start: str) -> tuple[set[str], set[str]]:
    """Links that are not pages, of a page and of the receipts it leads to: those refused, and those given."""
    found = one_of_each(links(client.get(start, headers=PAGE).text))
    for receipt in [href for href in found if href.startswith("/receipt")]:
        found |= links(client.get(receipt, headers=PAGE).text)
    found = one_of_each(found)
    status = {
        href: client.get(href).status_code for href in found if href.startswith(("/charts/", "/api/", "/receipt"))
    }
    return (
        {href for href, code in status.items() if code == 403},
        {href for href, code in status.items() if code == 200 and not href.startswith("/receipt")},
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_offered_what_their_role_may_not_have(root: Path, page: str):
    client = logged_in(root, "viewer")
    assert exports(client, page) == (set(), set())
    # One server keeps the pages of both: an analyst's copy is another.
    client.post("/login", data={"secret": SECRETS["analyst_secret"]})
    refused, given = exports(client, page)
    assert refused == set()
    assert bool(given) == (page != "/figures")
    client.post("/login", data={"secret": SECRETS["viewer_secret"]})
    assert exports(client, page) == (set(), set())


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.parametrize("role", ["viewer", "analyst", "admin"])
def test_who_came_by_the_login_may_leave(root: Path, role: str, language: str):
    client = logged_in(root, role)
    text = client.get("/support", headers={**PAGE, "accept-language": language}).text
    assert f'<span class="role">{Language(language).gettext(ROLES[role][0])}</span>' in text
    assert '<form class="sheet" method="post" action="/logout">' in text
    assert client.post("/logout", headers={"origin": "http://127.0.0.1"}).status_code == 303
    assert client.get("/support", headers=PAGE).status_code == 303


def test_a_reader_who_says_nothing_is_spoken_to_in_the_tenants_language(root: Path):
    client = client_of(root, language="sw")
    assert '<html lang="sw"' in client.get("/support").text
    assert '<html lang="sw"' in client.get("/support", headers={"accept-language": "de, *;q=0.1, ;q=,"}).text
    assert '<html lang="en"' in client.get("/support", headers={"accept-language": "en-GB"}).text
    assert '<html lang="fr"' in client.get("/support", headers={"cookie": "lang=fr"}).text


@pytest.mark.slow
@pytest.mark.parametrize("page", [*PAGES, "/nothing"])
def test_a_language_that_nobody_has_reviewed_says_so(root: Path, page: str):
    text = client_of(root).get(page, headers={**PAGE, "accept-language": "fr-CA"}).text
    assert '<html lang="fr"' in text
    assert 'aria-current="true">Français <span class="quiet" lang="fr">(non relu)</span></a>' in text
    assert 'lang="sw">Kiswahili</a>' in text


def test_where_there_is_no_session_nobody_is_asked_to_leave(root: Path):
    assert "/logout" not in client_of(root).get("/support", headers=PAGE).text
    token = {"authorization": f"Bearer {SECRETS['viewer_secret']}"}
    assert "/logout" not in client_of(root, **SECRETS).get("/support", headers={**PAGE, **token}).text


@pytest.mark.parametrize("language", ["en", "sw"])
def test_the_login_page_speaks_the_readers_language_and_shows_no_pages(root: Path, language: str):
    client = client_of(root, **SECRETS)
    asked = client.get("/login?next=/support?range=28d", headers={"accept-language": language})
    assert f'<html lang="{language}"' in asked.text
    words = Language(language)
    assert words.gettext("Your role's secret") in html.unescape(asked.text)
    assert 'href="/support' not in asked.text
    wrong = client.post("/login", data={"secret": "x", "next": "/support"}, headers={"cookie": f"lang={language}"})
    assert words.gettext("This is not the secret of any role.") in wrong.text
    # The language can be chosen before logging in, and leads back.
    chosen = client.get("/preferences?lang=sw&back=/login?next=%252Fsupport")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/login?next=%2Fsupport")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("GET /nothing", 404, "not_found"),
        ("GET /receipt?table=kpi.nothing", 404, "no_such_figure"),
        ("GET /charts/support/nothing.csv", 404, "no_such_chart"),
        ("GET /charts/support/backlog.csv?range=x", 400, "bad_range"),
        ("POST /support", 405, "method_not_allowed"),
    ],
)
@pytest.mark.parametrize("language", ["en", "sw"])
def test_people_get_a_page_that_leads_on(root: Path, language: str, asked: str, status: int, code: str):
    client = client_of(root)
    method, path = asked.split()
    answer = client.request(method, path, headers={**PAGE, "accept-language": language})
    assert answer.status_code == status
    assert f'<html lang="{language}"' in answer.text
    assert Language(language).gettext(TOLD[code][0]) in answer.text
    assert set(PAGES) <= links(answer.text)
    assert 'class="status good"' not in answer.text
    program = client.request(method, path)
    assert program.json()["error"]["code"] == code


def test_a_role_that_does_not_reach_is_told_which_does_and_keeps_its_pages(root: Path):
    answer = logged_in(root, "viewer").get("/metrics", headers={**PAGE, "accept-language": "sw"})
    assert answer.status_code == 403
    assert "msimamizi" in answer.text
    assert {"/support", "/login", "/logout"} <= links(answer.text)


def test_a_wrong_name_is_told_the_right_ones_with_the_look_of_the_house(root: Path):
    client = client_of(root)
    answer = client.get("/support", headers={**PAGE, "host": "evil.example"})
    assert answer.status_code == 421
    assert "localhost" in answer.text
    assert not links(answer.text) - {"/"} - {href for href in links(answer.text) if href.startswith("/static/")}
    (style,) = [href for href in links(answer.text) if ".css" in href]
    assert client.get(style, headers={"host": "evil.example"}).status_code == 200


def test_a_bug_gets_a_page_with_a_way_back(root: Path, monkeypatch: pytest.MonkeyPatch):
    client = client_of(root)
    client.get("/support")  # read once, so that only drawing can fail
    monkeypatch.setattr("crm_platform.serving.pages.view.View.status", lambda *_, **__: 1 / 0)
    answer = client.get("/support", headers={**PAGE, "accept-language": "sw"})
    assert answer.status_code == 500
    assert Language("sw").gettext(TOLD["internal_error"][0]) in answer.text
    assert set(PAGES) <= links(answer.text)
    assert "division" not in answer.text
    assert "status good" not in answer.text


@pytest.mark.slow
def test_every_refusal_that_a_browser_can_meet_has_words():
    codes = set()
    for file in (FOLDER / "guard.py", FOLDER / "login.py", FOLDER / "problems.py", FOLDER / "pages" / "__init__.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused" and len(node.args) > 1:
                codes |= {one.value for one in node.args[1:2] if isinstance(one, ast.Constant)}
    assert len(codes) > 10
    assert codes <= TOLD.keys()
