"""Notes on days: in every chart by day, in its table and CSV; written down by those with the right alone."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json

import httpx
import pytest

from crm_platform.ingest import existing_store
from crm_platform.ingest.notes import notes
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.site import Site, publish_world
from crm_platform_tests.serving.published import SECRETS

pytestmark = pytest.mark.slow  # it publishes worlds of its own

NOW = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NOTED = dt.date(2026, 11, 18)
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One chat that asks every 26 hours and is answered, and three notes, two of them on one day."""
    folder = tmp_path_factory.mktemp("noted")
    world = World(folder, Settings(data_dir=folder))
    world.sweep(NOW - DAY, ["a"])
    world.contact("a", NOW - DAY)
    world.chat("a", known_until=NOW)
    world.fetch("list_messages", "a", NOW)
    for day in range(40):
        asked = NOW - dt.timedelta(hours=26 * day + 1)
        world.message("a", f"q{day}", asked, "inbound")
        world.message("a", f"a{day}", asked + dt.timedelta(minutes=4), "outbound")
    for note_id, day, text in ((1, NOTED, "Outage & <b>"), (2, NOTED, "promotion"), (3, NOTED - 300 * DAY, "long ago")):
        world.add(raw.Notes, note_id=note_id, day=day, text=text, at=NOW - DAY, who="cli:amina")
    return publish_world(world, NOW)


def sent(site: Site, form: dict[str, str], **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/notes", data=form, headers=headers)

    return asyncio.run(send())


def with_roles(site: Site) -> Site:
    return Site(site.settings.model_copy(update=Settings(**SECRETS).model_dump(include=set(SECRETS))), NOW)


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {SECRETS[f'{role}_secret']}"}


def test_a_note_stands_in_drawing_text_table_and_csv(noted: Site):
    text = noted.get("/support").text
    panel = text.partition('id="first_response"')[2].partition("</section>")[0]
    assert panel.count("<title>Outage &amp; &lt;b&gt;; promotion</title>") == 2  # wide and narrow
    assert "<li><b>1</b> <bdi>Outage &amp; &lt;b&gt;; promotion</bdi></li>" in panel
    assert "long ago" not in text, "no chart draws that day"
    rows = list(csv.DictReader(io.StringIO(noted.get("/charts/support/first_response.csv").text)))
    assert {row["day"]: row["note"] for row in rows if row["note"]} == {str(NOTED): "Outage & <b>; promotion"}


def test_days_without_a_note_have_no_column_of_notes(noted: Site):
    assert "note" not in noted.get("/charts/support/first_response.csv?from=2026-03-01&to=2026-04-01").text


@pytest.mark.parametrize("form", [{"day": "", "text": "x"}, {"day": "2026-02-30", "text": "x"}, {"day": "20261118",
    "text": "x"}, {"day": "1999-01-01", "text": "x"}, {"day": "2026-11-18", "text": "  "}, {"day": "2026-11-18",
    "text": "x" * 201}, {"day": "2026-11-18", "text": "two\nlines"}])  # fmt: skip
def test_what_is_no_note_is_said_and_kept_in_the_form(noted: Site, form: dict[str, str]):
    answer = sent(noted, form, **PAGE)
    assert answer.status_code == 400
    assert "This is not written down" in answer.text
    assert f'value="{form["day"]}"' in answer.text


def test_an_admin_writes_a_note_that_waits_for_the_next_figures(noted: Site):
    site = with_roles(noted)
    answer = sent(site, {"day": "2026-11-20", "text": " Price list B went out "}, **bearer("admin"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/notes#note-4")
    with existing_store(site.settings).reading() as session:
        written = next(note for note in notes(session) if note["note_id"] == 4)
    assert (written["day"], written["text"], written["who"]) == (
        dt.date(2026, 11, 20),
        "Price list B went out",
        "page:admin",
    )
    audited = [json.loads(line) for path in site.settings.audit_dir.glob("*") for line in path.read_text().splitlines()]
    assert [line["what"] for line in audited if line["event"] == "note"] == ["note on 2026-11-20"]
    listed = site.get("/notes", **PAGE, **bearer("admin")).text
    told = {number: listed.partition(f'id="note-{number}"')[2].partition("</li>")[0] for number in (1, 4)}
    assert "stands in the charts" in told[1]
    assert "the charts show it once the next figures are published" in told[4]
    assert "Price list B" not in site.get("/support", **bearer("admin")).text


def test_the_form_is_offered_to_whoever_may_send_it(noted: Site):
    site = with_roles(noted)
    for page in ("/executive", "/support", "/audience", "/campaigns"):
        forms = {role: 'action="/notes"' in site.get(page, **bearer(role)).text for role in ("viewer", "admin")}
        assert forms == {"viewer": False, "admin": True}, page
    for role in ("viewer", "analyst"):
        assert sent(site, {"day": "2026-11-20", "text": "x"}, **bearer(role)).status_code == 403
        assert site.get("/notes", **bearer(role)).status_code == 403
    assert sent(site, {"day": "2026-11-20", "text": "x"}).status_code == 401


def test_another_sites_form_writes_nothing(noted: Site):
    for headers in ({"origin": "https://elsewhere.example"}, {"sec-fetch-site": "cross-site"}):
        assert sent(noted, {"day": "2026-11-20", "text": "forged"}, **headers).status_code == 403
    with existing_store(noted.settings).reading() as session:
        assert "forged" not in {note["text"] for note in notes(session)}


def test_without_a_warehouse_none_is_made(empty_site: Site, tmp_path):
    site = Site(empty_site.settings.model_copy(update={"data_dir": tmp_path}), NOW)
    assert sent(site, {"day": "2026-11-20", "text": "x"}).status_code == 503
    listed = Site(site.settings, NOW).get("/notes", **PAGE)
    assert "no notes are kept in it" in listed.text
    assert 'action="/notes"' not in listed.text
    assert list(tmp_path.glob("*.duckdb")) == []
