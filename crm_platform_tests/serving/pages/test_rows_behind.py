"""From a bar to the chats: every shape leads to rows that give its value; pages of rows, exports, who may see whom."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest

from crm_platform.receipts.behind import SnapshotReader
from crm_platform.receipts.keys import find_kpi
from crm_platform.serving.pages.addresses import KEPT, band_hrefs, kept_of, read_receipt, receipt_href
from crm_platform.serving.snapshots import Snapshots
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.conftest import AS_OF
from crm_platform_tests.serving.pages.site import Row, Site, Told, publish_world, read
from crm_platform_tests.serving.published import SECRETS, audit_lines, client_of

pytestmark = pytest.mark.slow  # it publishes worlds of its own

PAGES = ("/executive", "/campaigns", "/support", "/audience")
PAGE = {"accept": "text/html"}
WAITS = 120


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A day on which 120 customers wrote, of whom the n-th got a reply after n minutes, and the last two none."""
    folder = tmp_path_factory.mktemp("rows")
    world = World(folder, Settings(data_dir=folder))
    names = [f"c{number:03}" for number in range(WAITS)]
    world.sweep(AS_OF - dt.timedelta(hours=1), names)
    asked = AS_OF - dt.timedelta(days=2)
    for number, name in enumerate(names):
        world.contact(name, AS_OF - dt.timedelta(hours=1), name=f"Ms {name}", whatsapp_number="+254700000001")
        world.chat(name, known_until=AS_OF)
        world.fetch("list_messages", name, AS_OF)
        world.message(name, f"{name}q", asked, "inbound")
        if number < WAITS - 2:
            replied = asked + dt.timedelta(minutes=number)
            world.message(name, f"{name}a", replied, "outbound", sender="asha@example.com")
    return publish_world(world, AS_OF, expected_unseen={})


def drawn_links(text: str) -> list[str]:
    """Addresses of the shapes of all drawings of a page, each once."""
    drawings = re.findall(r'(?s)<svg class="chart".*?</svg>', text)
    return list(
        dict.fromkeys(html.unescape(href) for one in drawings for href in re.findall(r'<a href="([^"]+)"', one))
    )


def cells(told: Told) -> Iterator[tuple[str, str, Row, str]]:
    """Table, column, key and exact value of each cell of a page."""
    for table in told.tables:
        if table.attributes.get("class") == "ranking":
            continue  # campaigns: no figure of it is drawn
        name = table.attributes.get("data-table", "").removeprefix("kpi.")
        for key, values in table.rows:
            for column, value in zip(table.columns, values, strict=True):
                yield name, column, dict(part.partition("=")[::2] for part in key.split(",")), value


def asked_of(address: str) -> tuple[str, str, dict[str, str]]:
    path, _, query = address.partition("?")
    assert path == "/receipt"
    parts = [(name, value) for name, value in parse_qsl(query) if name not in KEPT]
    own = {name.removeprefix("key."): value for name, value in parts}
    return own.pop("table"), own.pop("column"), own


def check(site: Site, page: str, *, every: bool) -> set[tuple[str, str]]:
    """Compute figures from the rows behind them, and compare with what the page says. `every`: not one a column."""
    snapshot = Snapshots(site.settings).current()
    assert snapshot is not None
    asked = SnapshotReader.of(snapshot)
    text = site.get(page).text
    known = {(table, column, tuple(sorted(key.items()))): value for table, column, key, value in cells(read(text))}
    seen: set[tuple[str, str]] = set()
    for address in drawn_links(text):
        if not address.startswith("/receipt?"):
            assert address.startswith("/charts/campaigns/campaigns.csv"), address
            continue
        table, column, key = asked_of(address)
        if "measure" in key or "day_from" in key or (not every and (table, column) in seen):
            continue
        declared = find_kpi(table)
        line = asked.lineage(declared, column)
        assert line, address
        value = asked.value(asked.behind(line, asked.own(declared, key)))
        assert value == pytest.approx(float(known[table, column, tuple(sorted(key.items()))]), rel=1e-9), address
        seen.add((table, column))
    return seen


def test_a_shape_of_every_kind_leads_to_rows_that_give_its_value(site: Site):
    found = {one for page in PAGES for one in check(site, f"{page}?range=28d", every=False)}
    assert {table for table, _ in found} >= {
        "response_times_daily",
        "chats_resolved_daily",
        "contact_growth_monthly",
        "contacts_by_segment",
        "contact_retention_monthly",
        "message_volume_hourly",
        "send_time_performance",
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_shape_leads_to_rows_that_give_its_value(site: Site, page: str):
    check(site, f"{page}?range=28d", every=True)
    for address in drawn_links(site.get(page).text)[::7]:
        assert site.get(address).status_code == 200, address


def test_every_shape_and_figure_is_linked(site: Site):
    """Bars and cells with a value, points of lines: none is left without its rows."""
    text = site.get("/support?range=28d").text
    wide = "".join(re.findall(r'(?s)<div class="drawing big">(.*?)</div>', text))
    unlinked = re.sub(r"<a .*?</a>", "", wide)
    assert not re.search(r'<rect class="(bar|heat h)', unlinked)
    told = read(text)
    days = {(table, column): 0 for table, column, _, value in cells(told) if value}
    for address in drawn_links(text):
        table, column, _ = asked_of(address)
        days[table, column] = days.get((table, column), 0) + 1
    drawn = sum(value != "" for table, column, _, value in cells(told) if column == "first_response_seconds_median")
    agents = sum(
        value != "" for table, column, _, value in cells(told) if (table, column[:5]) == ("agents_daily", "first")
    )
    assert agents
    assert days["response_times_daily", "first_response_seconds_median"] >= drawn - agents > 0


@pytest.mark.parametrize("page", ["/support?range=28d", "/support?from=2026-09-01&to=2026-09-30"])
def test_a_bar_of_a_spread_leads_to_its_part_of_the_count(site: Site, page: str):
    text = site.get(page).text
    seen = 0
    for table in read(text).tables:
        if table.attributes.get("data-how") not in {"bands", "ages"}:
            continue
        panel = re.search(rf'(?s)<table data-table="[^"]*" data-how="{table.attributes["data-how"]}".*?</table>', text)
        assert panel
        links = [html.unescape(one) for one in re.findall(r'<td[^>]*><a href="([^"]+)"', panel[0])]
        counts = [int(values[1].replace(",", "")) for _, values in table.rows]
        assert len(links) == len(counts)
        assert set(links) <= set(drawn_links(text)) or not any(counts)
        for address, count in zip(links, counts, strict=True):
            answer = site.get(address).text
            amount = re.search(r'<p class="amount[^"]*"[^>]*>([^<]*)</p>', answer)
            assert amount, address
            assert int(amount[1].replace(",", "")) == count
            assert "computed again from this it is the same" in answer
        seen += sum(counts)
    assert seen


def test_links_keep_days_and_filters_and_the_receipt_leaves_them_out_of_its_key(site: Site):
    page = site.get("/support?range=28d&country=KE").text
    addresses = drawn_links(page)
    assert addresses
    assert all("range=28d&country=KE" in one for one in addresses)
    for address in (addresses[0], next(one for one in addresses if "measure" in one)):
        answer = site.get(address)
        assert answer.status_code == 200
        assert "<code>country" not in answer.text
    own = re.search(r'href="(/receipt\?[^"]*)">Rows behind this', page)
    assert own
    assert html.unescape(own[1]).endswith("range=28d&country=KE")


def test_a_key_column_called_like_a_filter_is_told_from_it():
    address = receipt_href("agent_leaderboard", "replies", {"agent": "a", "window_days": 7}, [("agent", "b")])
    asked = read_receipt(parse_qsl(address.partition("?")[2]), key=("agent", "window_days"))
    assert asked.key == {"agent": "a", "window_days": "7"}
    assert asked.kept == [("agent", "b")]
    older = [("table", "agent_leaderboard"), ("column", "replies"), ("agent", "a"), ("window_days", "7")]
    assert read_receipt(older, key=("agent", "window_days")).key == asked.key
    assert read_receipt(older, key=("agent", "window_days")).kept == []
    assert read_receipt([*older, ("origin", "campaign")], key=("day",)).kept == [
        ("agent", "a"),
        ("origin", "campaign"),
    ]
    assert kept_of([("page", "2"), ("segment", "x:1"), ("segment", "x:2")]) == [("segment", "x:1"), ("segment", "x:2")]


def rows_of(site: Site, query: str, **headers: str) -> tuple[str, list[list[str]]]:
    answer = site.get(f"/receipt?{query}", **headers)
    assert answer.status_code == 200, answer.text
    body = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    told = [re.findall(r"(?s)<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"(?s)<tr>(.*?)</tr>", body)]
    return answer.text, [[html.unescape(re.sub(r"<[^>]+>", "", one)) for one in row] for row in told]


DAY = "table=response_times_daily&column=waits&day=2026-11-20"


def test_rows_come_in_pages_the_longest_first_and_it_says_how_many_there_are(crowd: Site):
    first, rows = rows_of(crowd, DAY)
    assert "Rows 1 to 50 of 120, the longest first." in first
    assert [row[1] for row in rows[:4]] == ["–", "–", "1\u00a0h\u00a057\u00a0min", "1\u00a0h\u00a056\u00a0min"]
    assert [row[3] for row in rows[:3]] == ["missed", "missed", "answered"]
    assert rows[0][2] == "–"
    assert rows[2][2] == "asha@example.com"
    assert rows[0][0] == "20\u00a0Nov, 14:05:00 EAT"
    assert rows[0][4] == "first"
    assert re.fullmatch("[0-9a-f]{8}", rows[0][5])
    third, last = rows_of(crowd, f"{DAY}&page=3")
    assert "Rows 101 to 120 of 120" in third
    assert len(last) == 20
    every = [row[5] for page in (1, 2, 3) for row in rows_of(crowd, f"{DAY}&page={page}")[1]]
    assert len(every) == len(set(every)) == WAITS
    assert f'href="/receipt?{html.escape(DAY)}&amp;page=2#rows"' in first
    assert "page=4" not in third


def test_all_rows_are_there_as_csv(crowd: Site):
    answer = crowd.get(f"/receipt.csv?{DAY}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="response_times_daily-waits-2026-11-20.csv"' in answer.headers["content-disposition"]
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert header == [
        "waiting_since",
        "response_seconds",
        "agent",
        "state",
        "is_first",
        "chat_id",
        "opening_message_id",
    ]
    assert len(rows) == WAITS
    assert rows[2][:4] == ["2026-11-20T11:05:00Z", "7020.0", "asha@example.com", "answered"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"{DAY}&page=0", 400, "pages 1 to 3"),
        (f"{DAY}&page=4", 400, "pages 1 to 3"),
        (f"{DAY}&page=x", 400, "pages 1 to 3"),
        (f"{DAY}&at_least=60", 200, ""),
        (f"{DAY}&at_least=soon", 404, "write a number, 0 or more"),
        (f"{DAY}&at_least=-1", 404, "write a number, 0 or more"),
        (f"{DAY}&below=inf", 404, "write a number, 0 or more"),
        (f"{DAY}&at_least=60&below=60", 404, "below is excluded"),
        (f"{DAY}&measure=response_seconds", 404, "needs at_least, below or both"),
        (f"{DAY}&measure=waiting_since&below=1", 404, "have response_seconds, business_response_seconds"),
        (f"{DAY}&colour=red", 404, "not by day, colour"),
        (f"{DAY.replace('column=waits', 'column=answer_rate')}&below=60", 200, ""),
        ("table=chats_resolved_daily&column=resolved&day=2026-11-20&below=60", 404, "cannot be bounded"),
    ],
)
def test_an_address_that_names_no_rows_says_why(crowd: Site, query: str, status: int, words: str):
    for path in ("/receipt", "/receipt.csv"):
        if "page=" in query and path.endswith("csv"):
            continue
        answer = crowd.get(f"{path}?{query}", **PAGE)
        assert answer.status_code == status, answer.text
        assert words in html.unescape(answer.text)


def test_bounds_are_half_open_and_the_parts_make_the_whole(crowd: Site):
    edges = (60.0, 600.0, 3600.0)
    days = {"day_from": "2026-11-20", "day_to": "2026-11-21"}
    parts = band_hrefs("response_times_daily", "first_answered_waits", days, edges, measure="response_seconds")
    counts = []
    for address in parts:
        told = crowd.get(
            address.replace("/receipt?table=response_times_daily&", "/api/v1/kpis/response_times_daily/receipt?")
        )
        counts.append(told.json()["value"])
    assert counts == [1, 9, 50, 58]
    page = crowd.get(parts[1]).text
    assert "20\u00a0Nov · 1\u00a0min – 10\u00a0min" in page
    assert "Rows 1 to 9 of 9" in page


def test_from_a_bar_to_the_person_by_whoever_may_and_each_look_is_audited(crowd: Site):
    options = {**SECRETS, "chat_url_template": "https://crm.example/chats/{chat_id}"}
    for role, sees, exports in (("viewer", False, False), ("analyst", False, True), ("admin", True, True)):
        client = client_of(crowd.settings.root, **options)
        assert client.post("/login", data={"secret": SECRETS[f"{role}_secret"]}).status_code == 303
        page = client.get("/support", headers=PAGE).text
        bar = next(one for one in drawn_links(page) if "column=missed_waits&day=" in one)
        behind = client.get(bar, headers=PAGE)
        assert behind.status_code == 200
        assert "Rows 1 to 2 of 2" in behind.text
        assert "700000001" not in behind.text
        assert "Ms c" not in behind.text
        chats = re.findall(r'href="(/chat\?pseudonym=[0-9a-f]{32})"', behind.text)
        assert len(chats) == (2 if sees else 0)
        assert ("/receipt.csv?" in behind.text) == exports
        before = len(audit_lines(crowd.settings.root))
        assert client.get(bar.replace("/receipt?", "/receipt.csv?")).status_code == (200 if exports else 403)
        (line,) = audit_lines(crowd.settings.root)[before:]
        assert line["event"] == ("export" if exports else "refused")
        assert line["role"] == role
        if sees:
            answer = client.get(chats[0], headers=PAGE)
            assert "+254700000001" in answer.text
            assert re.search(r'href="https://crm\.example/chats/c11[89]"', answer.text)
            looked = audit_lines(crowd.settings.root)[-1]
            assert (looked["event"], looked["role"], looked["chats"]) == ("revealed", "admin", 1)
            assert looked["what"] == f"chat {chats[0][-32:]}"


@pytest.mark.parametrize("language", ["en", "sw", "fr"])
def test_a_crm_with_nobody_has_no_rows_and_says_so(empty_site: Site, language: str):
    for page in PAGES:
        for address in drawn_links(empty_site.get(page).text):
            assert empty_site.get(address).status_code == 200, address
    answer = empty_site.get("/receipt?table=backlog_now&column=open_waits", cookie=f"lang={language}")
    assert answer.status_code == 200
    assert "<tbody>" not in answer.text
    assert 'class="nothing"' in answer.text
    assert empty_site.get("/receipt.csv?table=backlog_now&column=open_waits").text.count("\r\n") == 1


def test_figures_that_others_are_taken_from_are_links(site: Site):
    text, rows = rows_of(site, "table=executive_summary&column=chats_resolved_7d&range=7d")
    assert rows
    links = [html.unescape(one) for one in re.findall(r'<td><a href="(/receipt[^"]+)"', text)]
    assert len(links) == len(rows)
    for address in links[:2]:
        assert address.endswith("range=7d")
        assert site.get(address).status_code == 200
