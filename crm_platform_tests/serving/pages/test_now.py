"""The page Now: every number against its table, filters, states, roles; and the page that says whose chat it is."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import html
import io
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH
from crm_platform.publish import audit
from crm_platform.publish.pseudonyms import pseudonym, pseudonym_key
from crm_platform.receipts.reveal import Revealed
from crm_platform.serving.pages.chat import crm_href
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.serving.pages.conftest import AS_OF
from crm_platform_tests.serving.pages.site import Row, Site, Table, Told, publish_world, published, read
from crm_platform_tests.serving.published import SECRETS, audit_lines, client_of

pytestmark = pytest.mark.slow  # it publishes worlds of its own

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
PAGE = {"accept": "text/html"}


def waiting(folder: Path, *, more: int = 0, **settings: object) -> World:
    """Five chats: `old` waits beyond its window, `soon` loses it within 2 h, `new` and `again` do not, `done` does not.

    wait; and so many more that wait since the last minutes.
    """
    world = World(folder, Settings(data_dir=folder, conversation_gap_hours=48, **settings))  # type: ignore[arg-type]
    names = ["old", "soon", "new", "again", "done", *(f"more{number:03}" for number in range(more))]
    world.sweep(AS_OF - HOUR, names)
    regions = {"old": "KE", "soon": "KE", "new": "TZ"}
    for name in names:
        world.contact(
            name, AS_OF - HOUR, region=regions.get(name), name=f"Ms <b>{name}</b>", whatsapp_number="+254700000001"
        )
        world.chat(name, known_until=AS_OF)
        world.fetch("list_messages", name, AS_OF)
    world.message("old", "o1", AS_OF - 30 * HOUR, "inbound")
    world.message("soon", "s1", AS_OF - 23 * HOUR, "inbound")
    world.message("soon", "s2", AS_OF - 22 * HOUR - MINUTE / 2, "inbound")
    world.message("new", "n1", AS_OF - 3 * HOUR - 12 * MINUTE - dt.timedelta(seconds=40), "inbound")
    world.message("again", "a1", AS_OF - 5 * HOUR, "inbound")
    world.message("again", "a2", AS_OF - 4 * HOUR, "outbound")
    world.message("again", "a3", AS_OF - 2 * HOUR - MINUTE / 2, "inbound")
    world.message("done", "d1", AS_OF - 2 * HOUR, "inbound")
    world.message("done", "d2", AS_OF - HOUR, "outbound")
    world.event("assigned", "soon", AS_OF - 40 * HOUR, "asha@example.com")
    world.event("assigned", "soon", AS_OF - HOUR, "<i>amina</i>@example.com")
    for number in range(more):
        world.message(f"more{number:03}", f"m{number}", AS_OF - MINUTE + dt.timedelta(milliseconds=number), "inbound")
    return world


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The four who wait, and how they are shown five minutes later."""
    return publish_world(waiting(tmp_path_factory.mktemp("crowd")), AS_OF, expected_unseen={})


def word_of(site: Site, chat: str) -> str:
    return pseudonym(pseudonym_key(site.settings), "chat", chat)


def table_of(told: Told) -> Table:
    (table,) = told.tables
    return table


def chats(told: Told) -> list[str]:
    table = table_of(told)
    return [cells[table.columns.index("chat_id")] for _, cells in table.rows]


def open_waits(site: Site) -> list[Row]:
    return site.published(
        """
        select waits.*, chats.last_inbound_at,
            (select agent from core.assignments as given where given.chat_id = waits.chat_id
             order by number desc limit 1) as assigned_to
        from core.response_waits as waits join core.chats as chats using (chat_id)
        where state = 'open' order by waiting_since, chat_id
        """
    )


def check(site: Site) -> None:
    """The page's rows, its sentence and its CSV are what the tables say."""
    told, rows = site.told("/now"), open_waits(site)
    cut = AS_OF.replace(tzinfo=None)
    table = table_of(told)
    assert chats(told) == [row["chat_id"] for row in rows]
    for (key, cells), row in zip(table.rows, rows, strict=True):
        assert key == f"chat_id={row['chat_id']},opening_message_id={row['opening_message_id']}"
        shown = dict(zip(table.columns, cells, strict=True))
        left = (row["last_inbound_at"] + 24 * HOUR - cut).total_seconds()
        assert float(shown.pop("window_left_seconds")) == pytest.approx(max(0, left))
        assert shown.pop("waiting_since") == row["waiting_since"].isoformat()
        assert shown == {
            name: "" if row[name] is None else str(row[name])
            for name in ("assigned_to", "origin", "region", "is_first", "chat_id")
        }
    (now,) = site.published("select * from kpi.backlog_now")
    assert len(rows) == now["open_waits"]
    longest = ENGLISH.duration(now["oldest_open_wait_seconds"] // 60 * 60)
    words = told.words.replace("\u00a0", " ")
    assert re.search(rf"{len(rows)} chats? waits?, (the longest )?for {longest}[.;]", words), longest
    lost = now["windows_expiring_2h"]
    assert (f"; {lost} lose" in words) == (lost > 0)
    exported = list(csv.DictReader(io.StringIO(site.get("/charts/now/waits.csv").text)))
    assert [one["chat_id"] for one in exported] == chats(told)
    assert [float(one["waited_seconds"]) for one in exported] == pytest.approx(
        [(cut - row["waiting_since"]).total_seconds() for row in rows]
    )
    closing = site.get("/charts/now/waits.csv?closing=2h").text
    assert len(list(csv.DictReader(io.StringIO(closing)))) == lost


def test_every_number_equals_its_table(site: Site, crowd: Site):
    assert len(open_waits(site)) > 1
    check(site)
    check(crowd)


@pytest.mark.parametrize("seed", range(4))
def test_so_it_does_in_other_worlds(seed: int, tmp_path: Path):
    other = published(random_facts(seed, contacts=30, campaigns=8, as_of=AS_OF), tmp_path)
    if open_waits(other):
        check(other)
    else:
        assert re.search("obody waits|not known yet who waits", other.told("/now").words)


def test_it_says_how_long_and_when_the_window_closes(crowd: Site):
    words = crowd.told("/now").words.replace("\u00a0", " ")
    assert "4 chats wait, the longest for 1 d 6 h; 1 loses its window within 2 hours." in words
    assert "As of 14:05; 5 min ago" in words
    rows = [" ".join(cells) for _, cells in _shown(crowd.get("/now").text)]
    assert [row.split("since")[0].strip() for row in rows] == ["1 d 6 h", "23 h", "3 h 12 min", "2 h"]
    assert "since 21 Nov, 08:05" in rows[0]
    assert "window closed" in rows[0]
    assert "1 h 59 min" in rows[1]
    assert "<i>amina</i>@example.com" in rows[1], "whom it was assigned to last"
    assert "nobody" in rows[2]
    assert "Tanzania" in rows[2]
    assert [" no " in f"{row} " for row in rows] == [False, False, False, True]


def _shown(text: str) -> list[tuple[str, list[str]]]:
    """Rows as people read them, past the exact values."""
    plain = read(re.sub(r' data-value="[^"]*"', "", text).replace("\u00a0", " "))
    return table_of(plain).rows


@pytest.mark.parametrize("language", ["en", "sw", "fr"])
def test_it_stands_in_every_language_and_keeps_the_content_policy(crowd: Site, language: str):
    answer = crowd.get("/now", cookie=f"lang={language}; theme=dark")
    assert answer.status_code == 200
    assert f'<html lang="{language}" data-theme="dark"' in answer.text
    assert read(answer.text).inline == []
    assert "https://" not in answer.text
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in answer.text
    assert 'class="ranges"' not in answer.text, "it shows one moment"
    units = re.search(r"data-units='([^']*)'", answer.text)
    assert units is not None
    assert [size for size, _ in json.loads(units[1])] == [86400, 3600, 60, 1]
    assert "refresh" not in crowd.get("/support").text.partition("<body>")[0]


def test_what_people_and_the_crm_write_is_never_html(crowd: Site):
    for path in ("/now", "/now?agent=<script>alert(1)</script>", f"/chat?pseudonym={word_of(crowd, 'soon')}"):
        text = crowd.get(path, **PAGE).text
        assert "<i>amina" not in text
        assert "<script>alert" not in text
        assert "<b>soon" not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"agent": "<i>amina</i>@example.com"}, ["soon"]),
        ({"agent": "asha@example.com"}, []),
        ({"agent": "(nobody)"}, ["old", "new", "again"]),
        ({"origin": "organic"}, ["old", "soon", "new", "again"]),
        ({"origin": "campaign"}, []),
        ({"country": "KE"}, ["old", "soon"]),
        ({"country": "(unknown)"}, ["again"]),
        ({"closing": "2h"}, ["soon"]),
        ({"country": "TZ", "closing": "2h"}, []),
        ({"country": "TZ", "agent": "(nobody)"}, ["new"]),
        ({"country": "KE", "page": "9"}, ["old", "soon"]),
    ],
)
def test_filters_stand_in_the_address_and_can_be_taken_back(crowd: Site, query: dict[str, str], found: list[str]):
    address = f"/now?{urlencode(query)}"
    told = crowd.told(address)
    wanted = [word_of(crowd, chat) for chat in found]
    assert (chats(told) if told.tables else []) == wanted
    assert ("None of the 4 chats that wait" in told.words) == (not found)
    assert "4 chats wait" in told.words.replace("\u00a0", " "), "the sentence is about all"
    rows = csv.DictReader(io.StringIO(crowd.get(f"/charts/now/waits.csv?{urlencode(query)}").text))
    assert [row["chat_id"] for row in rows] == wanted
    chips = re.findall(r'<a class="chip" href="([^"]*)"', crowd.get(address).text)
    filters = {name: value for name, value in query.items() if name != "page"}
    assert [html.unescape(chip) for chip in chips] == [
        "/now" + (f"?{urlencode(rest)}" if (rest := {n: v for n, v in filters.items() if n != name}) else "")
        for name in ("agent", "origin", "country", "closing")
        if name in filters
    ]


def test_each_choice_that_is_offered_finds_as_many_as_it_says(site: Site):
    text = site.get("/now").text
    offered = re.findall(r'<a href="(/now\?[^"]*)" title="[^"]*· ([\d,]+)"', text)
    assert len(offered) > 3
    for href, count in offered:
        assert len(chats(site.told(html.unescape(href)))) == int(count)


@pytest.mark.parametrize("query", ["closing=3h", "origin=paid"])
def test_a_filter_that_there_is_not_is_answered_with_what_there_is(crowd: Site, query: str):
    answer = crowd.get(f"/now?{query}")
    assert answer.status_code == 400
    assert f"{query} is not known; choose one of" in answer.text
    assert len(chats(read(answer.text))) == 4
    assert crowd.get(f"/charts/now/waits.csv?{query}").status_code == 400


def test_two_hundred_are_shown_the_others_are_counted_and_lead_on(tmp_path: Path):
    shown = publish_world(waiting(tmp_path, more=210), AS_OF, expected_unseen={})
    first = shown.told("/now")
    assert len(chats(first)) == 200
    assert "1 to 200 of 214; 14 who wait less long are left out" in first.words
    assert "/now?page=2#waits" in first.links
    second = shown.told("/now?page=2")
    assert len(chats(second)) == 14
    assert "left out" not in second.words
    assert second.words.count("0\u00a0min") == 14, "who wrote less than a minute ago"
    everyone = [row["chat_id"] for row in open_waits(shown)]
    assert [*chats(first), *chats(second)] == everyone
    assert len(shown.get("/charts/now/waits.csv").text.splitlines()) == 215


def test_it_grows_old_in_words(crowd: Site):
    aged = Site(crowd.settings, AS_OF + 6 * MINUTE)
    assert "6\u00a0min ago" in aged.get("/now").text
    aged.now += MINUTE
    assert "7\u00a0min ago" in aged.get("/now").text
    assert 'class="status good"' in aged.get("/now").text
    aged.now += 5 * HOUR
    assert 'class="status stale"' in aged.get("/now").text


def test_of_an_empty_crm_nothing_is_known_yet(tmp_path: Path, empty_site: Site):
    assert "not known yet who waits" in empty_site.told("/now").words
    assert "crm refresh" in empty_site.told("/now").words
    assert "crm refresh" in Site(Settings(data_dir=tmp_path / "bare"), AS_OF).get("/now").text


def test_nobody_waiting_is_not_the_same_as_nothing_known(tmp_path: Path):
    def answered(folder: Path, unseen: dict[dt.date, float] | None) -> str:
        world = World(folder, Settings(data_dir=folder))
        world.sweep(AS_OF - HOUR, ["a"])
        world.contact("a", AS_OF - HOUR)
        world.chat("a", known_until=AS_OF)
        world.message("a", "q", AS_OF - HOUR, "inbound")
        world.message("a", "r", AS_OF - MINUTE, "outbound")
        build = {} if unseen is None else {"expected_unseen": unseen}
        return publish_world(world, AS_OF, **build).told("/now").words

    assert "Nobody waits for a reply." in answered(tmp_path / "all", {})
    partly = answered(tmp_path / "part", {AS_OF.date(): 8.0})
    assert "Of what is read so far, 20.0\u00a0% of the messages, nobody waits." in partly
    assert "Provisional: messages are missing" in partly
    assert "not known yet who waits" in answered(tmp_path / "unknown", None)


# Roles, and whose chat it is.


def test_roles_see_what_is_theirs_and_every_look_is_written_down(crowd: Site):
    root, word = crowd.settings.root, word_of(crowd, "soon")
    chat, earlier = f"/chat?pseudonym={word}", len(audit_lines(root))
    template = "https://crm.example/chats/{chat_id}?n={whatsapp_number}"
    options = {**SECRETS, "chat_url_template": template}
    for role, status, csv_status in (("viewer", 403, 403), ("analyst", 403, 200), ("admin", 200, 200)):
        client = client_of(root, **options)
        assert client.post("/login", data={"secret": SECRETS[f"{role}_secret"]}).status_code == 303
        page = client.get("/now", headers=PAGE).text
        assert (html.escape(chat) in page) == (status == 200)
        assert ("/charts/now/waits.csv" in page) == (csv_status == 200)
        assert "700000001" not in page
        assert "Ms " not in page
        assert client.get("/charts/now/waits.csv").status_code == csv_status
        before = len(audit_lines(root))
        answer = client.get(chat, headers=PAGE)
        assert answer.status_code == status
        (line,) = audit_lines(root)[before:]
        assert line["event"] == ("revealed" if status == 200 else "refused")
        assert line["role"] == role
        assert ("700000001" in answer.text) == (status == 200)
    assert line["what"] == f"chat {word}"
    assert line["chats"] == 1
    assert line["client"] == "127.0.0.1"
    assert "700000001" not in json.dumps(audit_lines(root)[-1])
    assert answer.headers["cache-control"] == "no-store"
    assert "Ms &lt;b&gt;soon&lt;/b&gt;" in answer.text
    assert 'href="https://crm.example/chats/soon?n=%2B254700000001" rel="noreferrer noopener"' in answer.text
    assert read(answer.text).inline == []
    exports = [line for line in audit_lines(root)[earlier:] if line["event"] == "export"]
    assert [line["path"] for line in exports] == ["/charts/now/waits.csv"] * 2
    assert client_of(root, **options).get(chat, headers=PAGE).status_code == 303


def test_without_a_template_the_person_is_shown_and_no_link(crowd: Site):
    text = crowd.get(f"/chat?pseudonym={word_of(crowd, 'new')}", **PAGE).text
    assert "+254700000001" in text
    assert "CRM_CHAT_URL_TEMPLATE" in text
    assert "https://" not in text


@pytest.mark.parametrize("asked", ["", "?pseudonym=x", f"?pseudonym={'0' * 32}", "?pseudonym=" + "A" * 32])
def test_a_chat_that_is_not_there_is_said_to_be_so(crowd: Site, asked: str):
    answer = crowd.get(f"/chat{asked}", **PAGE)
    assert answer.status_code == 404
    assert "There is no such chat" in answer.text
    assert crowd.get(f"/chat{asked}").json()["error"]["code"] == "no_such_chat"


def test_nobody_is_named_when_it_cannot_be_written_down(crowd: Site, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "_append", full)
    answer = crowd.get(f"/chat?pseudonym={word_of(crowd, 'new')}", **PAGE)
    assert answer.status_code == 503
    assert "700000001" not in answer.text


def test_what_stands_in_the_crms_address_is_escaped():
    odd = Revealed("a/b?c#d é", "+254 7", None)
    assert crm_href("https://crm.example/{chat_id}", odd) == "https://crm.example/a%2Fb%3Fc%23d%20%C3%A9"
    assert crm_href("https://crm.example/#/{whatsapp_number}", odd) == "https://crm.example/#/%2B254%207"
    assert crm_href("https://crm.example/{whatsapp_number}", Revealed("a", None, None)) == ""
    assert crm_href("https://crm.example/{chat_id}", Revealed("{whatsapp_number}", "1", None)).endswith(
        "%7Bwhatsapp_number%7D"
    )
    assert crm_href(None, odd) == ""


@pytest.mark.parametrize(
    "template",
    [
        "https://crm.example/chats/{chat_id}",
        "https://crm.example:8443/app/#/c/{whatsapp_number}?tab=1",
        "http://127.0.0.1:9000/{chat_id}",
        "http://localhost/{chat_id}/{whatsapp_number}",
    ],
)
def test_a_template_leads_to_the_crm(template: str):
    assert load_settings(chat_url_template=template).chat_url_template == template


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("http://crm.example/{chat_id}", "https://"),
        ("javascript:alert({chat_id})", "write an address like"),
        ("//crm.example/{chat_id}", "write an address like"),
        ("https://me:secret@crm.example/{chat_id}", "write an address like"),
        ("https://{chat_id}.example/", "CRM_CHAT_URL_TEMPLATE"),
        ("https://crm.example/{chat_id}/{name}", "another place"),
        ("https://crm.example/chats", "none"),
        ("https://crm.example/{chat_id", "none"),
        ('https://crm.example/{chat_id}">', "no address can hold"),
        ("https://crm.example:99999/{chat_id}", "port"),
    ],
)
def test_a_template_that_leads_nowhere_good_is_refused(template: str, words: str):
    with pytest.raises(FixConfiguration, match="CRM_CHAT_URL_TEMPLATE") as problem:
        load_settings(chat_url_template=template)
    assert words in str(problem.value)
