"""Pages as a reader meets them: states, filters, languages, bad addresses, exports."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import html
import io
import json
import re
from urllib.parse import urlencode

import pytest

from crm_platform.api import SqliteGate
from crm_platform.doctor.figures import campaign_costs
from crm_platform.serving.pages import BUILDS
from crm_platform.serving.pages.comparison import difference
from crm_platform.serving.static import FOLDER, static_url
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.serving.pages.site import Site, publish_world, published, read

PAGES = ("/executive", "/campaigns", "/support", "/audience")
NOW = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.parametrize("path", [*PAGES, "/figures"])
def test_a_page_stands_in_both_languages_and_keeps_the_content_policy(site: Site, path: str, language: str):
    answer = site.get(path, cookie=f"lang={language}; theme=dark")
    assert answer.status_code == 200
    assert f'<html lang="{language}" data-theme="dark"' in answer.text
    assert read(answer.text).inline == []
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text


def test_the_start_leads_to_the_executive_page(site: Site):
    answer = site.get("/?range=28d")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/executive?range=28d"


def test_the_browsers_language_is_spoken_until_one_is_chosen(site: Site):
    assert '<html lang="sw"' in site.get("/support", **{"accept-language": "sw-KE,en;q=0.5"}).text
    assert '<html lang="sw"' in site.get("/support", **{"accept-language": "de,sw;q=0.5"}).text
    assert '<html lang="en"' in site.get("/support", **{"accept-language": "sw", "cookie": "lang=en"}).text
    assert '<html lang="en"' in site.get("/support", **{"accept-language": "de"}).text


def test_choices_are_remembered_and_lead_back_to_our_own_pages_only(site: Site):
    answer = site.get("/preferences?lang=sw&theme=dark&back=/support?range=28d")
    assert answer.headers["location"] == "/support?range=28d"
    cookies = answer.headers.get_list("set-cookie")
    assert any(cookie.startswith("lang=sw;") and "samesite=lax" in cookie.lower() for cookie in cookies)
    assert any(cookie.startswith("theme=dark;") for cookie in cookies)
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", ""):
        assert site.get(f"/preferences?lang=xx&back={elsewhere}").headers["location"] == "/executive"
    assert "set-cookie" not in site.get("/preferences?lang=xx&theme=pink").headers


@pytest.mark.parametrize("path", PAGES)
def test_before_anything_is_published_a_page_says_what_will_come_when_and_by_which_command(tmp_path, path: str):
    bare = Site(Settings(data_dir=tmp_path), NOW)
    answer = bare.get(path)
    assert answer.status_code == 200
    assert "crm refresh" in answer.text
    assert "growth and campaigns within minutes" in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_an_empty_crm_shows_dashes_with_reasons(empty_site: Site, path: str):
    told = empty_site.told(path)
    unknown = {"median", "share", "settled", "within", "people", "returned"}
    rates = [figure["value"] for figure in told.figures if figure["data-how"] in unknown]
    assert set(rates) == {""}
    assert "not known: nothing to measure" in told.words
    assert "crm refresh" in told.words


@pytest.mark.parametrize("path", [*PAGES, "/now"])
def test_no_green_dot_stands_beside_what_is_not_known(empty_site: Site, path: str):
    answer = empty_site.get(path).text
    assert "share of messages seen not known" in answer
    assert 'class="status provisional"' in answer


def test_where_nothing_is_known_no_axis_is_drawn_and_no_zero_claimed(empty_site: Site):
    for path in PAGES:
        assert 'class="drawing' not in empty_site.get(path).text, path
    assert "No opt-outs on these days" not in empty_site.get("/audience").text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unseen", "words"),
    [({}, "No opt-outs on these days."), (None, "None on any of these days, as far as they are known.")],
)
def test_where_nothing_was_counted_words_say_it(tmp_path, unseen, words: str):
    shown = publish_world(busy(tmp_path), NOW, expected_unseen=unseen)
    audience = shown.get("/audience").text.partition('id="opt_outs"')[2].partition("</section>")[0]
    assert f'<p class="nothing">{words}</p>' in audience
    assert "<svg" not in audience


def test_waits_are_published_in_time_order(site: Site):
    """A page reads the days it shows and passes over the others, which only an order in time allows."""
    moments = [row["waiting_since"] for row in site.published("select waiting_since from core.response_waits")]
    assert len(moments) > 10
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/executive?range=week", "range=week is not known"),
        ("/support?from=2026-13-01", "from=2026-13-01 is no date"),
        ("/support?from=2026-11-10&to=2026-11-01", "swap them"),
        ("/support?from=1990-01-01&to=2026-11-01", "longer than ten years"),
        ("/campaigns?sort=colour", "sort=colour is not known"),
        ("/campaigns?compare=cmp_nobody", "cmp_nobody is not known"),
    ],
)
def test_a_bad_address_is_answered_with_what_to_do_and_the_page(site: Site, path: str, words: str):
    answer = site.get(path)
    assert answer.status_code == 400
    assert words in answer.text
    assert 'class="status good"' not in answer.text
    assert read(answer.text).figures
    swahili = site.get(path, **{"accept-language": "sw"})
    assert swahili.status_code == 400
    assert re.search(r'<strong>Anwani hii .*</strong> <span lang="sw">', swahili.text)


def test_a_chart_of_a_bad_address_is_refused(site: Site):
    for query in ("range=week", "sort=colour"):
        answer = site.get(f"/charts/campaigns/funnel.csv?{query}")
        assert answer.status_code == 400, query


def test_what_a_reader_types_is_never_html(site: Site):
    answer = site.get("/campaigns?q=<script>alert(1)</script>&campaign=<b>")
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text


def busy(folder) -> World:
    """Two chats that are known up to the cut, a question and an answer on each of 40 days."""
    world = World(folder, Settings(data_dir=folder))
    world.sweep(NOW - HOUR, ["a", "b"])
    for chat_id in ("a", "b"):
        world.contact(chat_id, NOW - HOUR)
        world.chat(chat_id, known_until=NOW)
        world.fetch("list_messages", chat_id, NOW)
        for day in range(40):
            asked = NOW - 26 * day * HOUR - HOUR
            world.message(chat_id, f"{chat_id}{day}q", asked, "inbound")
            world.message(chat_id, f"{chat_id}{day}a", asked + dt.timedelta(minutes=4, seconds=12), "outbound")
    return world


@pytest.mark.slow
def test_freshness_and_coverage_are_in_sight(tmp_path):
    world = busy(tmp_path)
    shown = publish_world(world, NOW, expected_unseen={})
    fresh = shown.get("/support").text
    assert 'class="status good"' in fresh
    assert "As of 22\u00a0Nov, 14:05 EAT" in fresh
    assert "sandbox data" in fresh
    assert "4\u00a0min\u00a012\u00a0s at the median in the last 28 days" in fresh
    assert "22\u00a0Nov is not over" in shown.get("/support?from=2026-11-20&to=2026-11-22").text
    shown.now += HOUR
    assert 'class="status stale"' in shown.get("/support").text


@pytest.mark.slow
def test_a_long_pause_that_the_crm_asked_for_is_said_with_its_reason(tmp_path):
    """Field case 24: closed for eight hours, and nobody said until when."""
    shown = publish_world(busy(tmp_path), NOW, expected_unseen={})
    assert "may not be asked" not in shown.get("/support").text
    gate = SqliteGate(shown.settings.gate_path, per_minute=60, per_day=None, now=lambda: NOW)
    gate.acquire("list_contacts").release({"retry-after": "30000"}, 429)
    gate.close()
    shown.now += dt.timedelta(minutes=1)
    closed = shown.get("/support").text
    assert "the CRM may not be asked until 22\u00a0Nov, 22:25 EAT" in closed
    assert "CRM haiwezi kuulizwa hadi" in shown.get("/support", cookie="lang=sw").text
    shown.now += 9 * HOUR
    assert "may not be asked" not in shown.get("/support").text


@pytest.mark.slow
def test_too_little_coverage_is_provisional_everywhere(tmp_path):
    world = busy(tmp_path)
    lost = {NOW.date() - dt.timedelta(days=day): 500.0 for day in range(20)}
    behind = publish_world(world, NOW, expected_unseen=lost).get("/support").text
    assert 'class="status provisional"' in behind
    assert "less than 95 % of the messages" in behind
    assert 'class="figure provisional"' in behind


@pytest.mark.slow
def test_a_new_snapshot_is_shown_by_the_next_request(tmp_path):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    world.sweep(NOW - HOUR, ["a", "b"])
    for chat_id in ("a", "b"):
        world.contact(chat_id, NOW - HOUR)
    shown = publish_world(world, NOW)
    first = shown.get("/state.json").json()["snapshot"]
    assert "2 contacts" in shown.get("/executive").text
    world.contact("c", NOW)
    world.sweep(NOW, ["a", "b", "c"])
    publish_world(world, NOW + HOUR)
    assert "3 contacts" in shown.get("/executive").text
    assert shown.get("/state.json").json()["snapshot"] != first


@pytest.mark.slow
def test_a_broken_snapshot_leaves_the_last_good_one_standing(tmp_path):
    shown = published(random_facts(3, contacts=4, campaigns=2, as_of=NOW), tmp_path)
    assert shown.get("/executive").status_code == 200
    link = shown.settings.published_dir / "current"
    (shown.settings.published_dir / "broken").mkdir()
    link.unlink()
    link.symlink_to("broken")
    answer = shown.get("/executive")
    assert answer.status_code == 200
    assert "the last good ones" in answer.text
    assert 'class="status stale"' in answer.text
    assert Site(shown.settings, NOW).get("/executive").status_code == 503


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BUILDS))
def test_every_chart_is_a_csv_of_its_table(site: Site, name: str):
    told = site.told(f"/{name}?range=28d")
    addresses = {link for link in told.links if link.startswith("/charts/")}
    assert len(addresses) > (0 if name == "now" else 2)
    for address in addresses:
        answer = site.get(address)
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        header, *rows = csv.reader(io.StringIO(answer.text))
        shown = [table for table in told.tables if table.columns == header]
        if shown:
            assert len(rows) in {len(table.rows) for table in shown}


def test_a_csv_that_is_not_there_says_which_are(site: Site):
    answer = site.get("/charts/support/nothing.csv")
    assert answer.status_code == 404
    assert "first_response" in answer.text
    assert site.get("/charts/nowhere/funnel.csv").status_code == 404
    assert site.get("/charts/support/backlog.csv?range=x").status_code == 400


@pytest.mark.slow
def test_a_thousand_campaigns_come_in_pages_sorted_and_searched(tmp_path):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for number in range(1000):
        name = f"=Campaign {number:05} " + "with a very long name " * 6
        sent = NOW - dt.timedelta(minutes=number)
        world.campaign(f"c{number:05}", [(sent, "completed")], name=name, created_at=sent)
        world.report(f"c{number:05}", NOW, total_recipients=1000, delivered=900, read=number % 900, replied=0, failed=0)
    shown = publish_world(world, NOW)
    told = shown.told("/campaigns?sort=read_per_delivered&page=2")
    ranking = next(table for table in told.tables if table.attributes.get("class") == "ranking")
    assert len(ranking.rows) == 50
    rates = [float(cells[ranking.columns.index("read_per_delivered")]) for _, cells in ranking.rows]
    assert rates == sorted(rates, reverse=True)
    assert "51 to 100 of 1,000" in told.words
    found = shown.told("/campaigns?q=campaign 00007")
    ranking = next(table for table in found.tables if table.attributes.get("class") == "ranking")
    assert [key for key, _ in ranking.rows] == ["campaign_id=c00007"]
    exported = list(csv.reader(io.StringIO(shown.get("/charts/campaigns/campaigns.csv").text)))
    assert len(exported) == 1001
    assert exported[1][1].startswith("'=Campaign")  # a spreadsheet must not run it


@pytest.mark.slow
def test_contradictions_and_unsettled_reports_are_flagged(site: Site):
    rows = site.published("select * from kpi.campaign_performance where not is_consistent or not is_settled")
    assert rows
    for row in [row for row in rows if row["status"] not in {"draft", "scheduled"}][:10]:
        words = site.told(f"/campaigns?campaign={row['campaign_id']}").words
        assert ("contradicts itself" in words) == (row["is_consistent"] is False)
        assert ("not settled" in words.casefold()) >= (not row["is_settled"])


@pytest.mark.slow
def test_two_campaigns_compared_say_whether_it_may_be_chance(tmp_path):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for name, readers in (("good", 800), ("bad", 200), ("likewise", 790)):
        world.campaign(name, [(NOW - 200 * HOUR, "completed")], created_at=NOW - 200 * HOUR)
        world.report(name, NOW, total_recipients=1000, delivered=1000, read=readers, replied=10, failed=0)
    world.campaign("odd", [(NOW - 200 * HOUR, "completed")], created_at=NOW - 200 * HOUR)
    world.report("odd", NOW, total_recipients=1000, delivered=1000, read=990, replied=10, failed=500)
    shown = publish_world(world, NOW)
    assert "odd is read" not in shown.told("/campaigns?compare=good,odd").words, "its report contradicts itself"
    told = shown.told("/campaigns?compare=good&compare=bad").words.replace("\u00a0", " ")
    assert "good is read more often than bad: 60.0 pp more, with 95 % certainty between 56.3 pp and 63.3 pp" in told
    assert "answered" not in told.partition("campaigns compared")[2].partition("End comparison")[0], (
        "a tie says nothing"
    )
    assert "may be chance" in shown.told("/campaigns?compare=good,likewise").words


@pytest.mark.slow
def test_campaigns_to_come_unsettled_and_settled_stand_apart(tmp_path):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    for name, hours, status in (("old", 200, "completed"), ("fresh", 5, "completed"), ("late", 3, "scheduled"),
                                ("soon", -3, "scheduled")):  # fmt: skip
        at = NOW - hours * HOUR
        world.campaign(name, [(min(at, NOW - HOUR), status)], created_at=NOW - 300 * HOUR, scheduled_at=at)
        if status == "completed":
            world.report(name, NOW, total_recipients=100, delivered=100, read=10 + hours, replied=1, failed=0)
    shown = publish_world(world, NOW)
    ranking = shown.get("/campaigns?sort=read_per_delivered").text.partition('class="ranking"')[2]
    groups = re.findall(r'(?s)<tbody class="(\w+)">(.*?)</tbody>', ranking.partition("</table>")[0])
    assert [(name, re.findall(r'data-key="campaign_id=(\w+)"', rows)) for name, rows in groups] == [
        ("planned", ["late", "soon"]),
        ("unsettled", ["fresh"]),
        ("settled", ["old"]),
    ]
    planned, unsettled, settled = (html.unescape(rows) for _, rows in groups)
    planned = planned.replace("\u00a0", " ")
    due = re.findall(r"(?:was )?due \d+ Nov 2026, [\d:]+", planned)
    assert due == ["was due 22 Nov 2026, 11:05", "due 22 Nov 2026, 17:05"]
    assert planned.count("overdue") == 1
    assert ("<svg" in unsettled, "<svg" in settled) == (False, True), "an interval judges"
    told = shown.told("/campaigns?compare=fresh,old").words
    assert "1 of them is not settled: it is shown, and not judged." in told
    assert "more often than" not in told
    assert "does not say which campaign a message belongs to" in told


def test_the_interval_of_a_difference_is_the_published_one():
    """Newcombe 1998, table II, method 10: 56 of 70 against 48 of 80."""
    rates = []
    for part, whole in ((56, 70), (48, 80)):
        rate, z = part / whole, 1.959963984540054
        centre, spread = (
            rate + z * z / (2 * whole),
            z * (rate * (1 - rate) / whole + z * z / (4 * whole * whole)) ** 0.5,
        )
        scale = 1 + z * z / whole
        rates.append({"r": rate, "r_low": (centre - spread) / scale, "r_high": (centre + spread) / scale})
    assert difference(*rates, "r") == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.slow
def test_costs_show_a_return_only_if_they_are_given(tmp_path):
    world = World(tmp_path, Settings(data_dir=tmp_path))
    world.campaign("spring", [(NOW - 200 * HOUR, "completed")], created_at=NOW - 200 * HOUR)
    world.report("spring", NOW, total_recipients=100, delivered=100, read=50, replied=10, failed=0)
    shown = publish_world(world, NOW)
    assert "Return" not in shown.told("/campaigns").words
    file = tmp_path / "campaign_costs.csv"
    file.write_text("name,cost,value,currency\nspring,200,500,KES\n", encoding="utf-8")
    told = shown.told("/campaigns")
    (figure,) = [figure for figure in told.figures if figure["data-how"] == "return"]
    assert float(figure["value"]) == pytest.approx(1.5)
    assert "+150.0\u00a0%" in told.words
    assert "200 KES" in told.words
    file.write_text("name;cost;value\nautumn;1;2\nspring;200,00;500\nspring 2;cheap;500\n", encoding="utf-8")
    partly = shown.get("/campaigns").text
    assert "2 lines of campaign_costs.csv do not count" in partly
    assert "line 2: no campaign is called &#39;autumn&#39;" in partly
    assert "line 4: cost &#39;cheap&#39; is no amount" in partly
    assert "2 lines do not count" in partly
    assert [finding.words for finding in campaign_costs(shown.settings, NOW)] == [
        "campaign_costs.csv, line 2: no campaign is called 'autumn': copy its name from the page, or its campaign_id",
        "campaign_costs.csv, line 4: cost 'cheap' is no amount: write a plain number such as 1250.50",
        "lines of campaign_costs.csv that count: 1, that do not: 2",
    ]
    assert "+150.0\u00a0%" in shown.told("/campaigns").words
    file.write_text("name,price\nspring,500\n", encoding="utf-8")
    wrong = shown.get("/campaigns").text
    assert "The costs of campaigns are left out" in wrong
    assert shown.get("/charts/campaigns/funnel.csv").status_code == 200


@pytest.mark.slow
def test_segments_are_chosen_whatever_their_fields_are_called(tmp_path):
    """Field case 53; of two fields, one address may name either, as people type it."""
    fields = ("Plan: tier", "Plan", "100 %: all", "It's")
    world = World(tmp_path, Settings(data_dir=tmp_path, segment_fields=fields))
    for number in range(12):
        values = {"Plan: tier": ["gold", "a: b"][number > 4], "Plan": " tier:gold" if number < 3 else "x"}
        values |= {"100 %: all": "50 %", "It's": "\u00e9"}
        world.contact(f"chat{number}", NOW - HOUR, custom_fields=json.dumps(values))
    world.sweep(NOW - HOUR, [f"chat{number}" for number in range(12)])
    shown = publish_world(world, NOW)
    rows = shown.published("select * from kpi.contacts_by_segment")
    selects = re.findall(r'<select name="segment">(.*?)</select>', shown.get("/executive").text)
    # Of a field with one value there is nothing to choose; an address may name it all the same.
    offered = [html.unescape(one) for select in selects for one in re.findall(r'<option value="([^"]+)"', select)]
    assert len(set(offered)) == 4

    def contacts(segment: str) -> int:
        told = shown.told(f"/executive?{urlencode({'segment': segment})}")
        (figure,) = [one for one in told.figures if one["data-column"] == "total_contacts"]
        return int(figure["value"])

    counts = sorted(row["contacts"] for row in rows if row["field"].startswith("Plan"))
    assert sorted(map(contacts, offered)) == counts
    for typed, count in (("Plan: tier:gold", 5), ("Plan: tier:a: b", 7), ("100 %: all:50 %", 12), ("Plan:x", 9)):
        assert contacts(typed) == count, typed
        assert shown.get(f"/charts/executive/segment_1.csv?{urlencode({'segment': typed})}").status_code == 200
    asked = shown.get(f"/api/v1/kpis/contacts_by_segment?{urlencode({'field': 'Plan: tier', 'value': 'gold'})}")
    assert [row["contacts"] for row in asked.json()["rows"]] == [5]
    receipt = {"field": "Plan: tier", "value": "gold", "column": "contacts"}
    assert shown.get(f"/api/v1/kpis/contacts_by_segment/receipt?{urlencode(receipt)}").json()["value"] == 5


def test_a_page_is_packed_for_whoever_can_unpack_it(site: Site):
    packed = site.get("/support", **{"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = site.get("/support", **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert len(gzip.compress(plain.content)) < 60_000


@pytest.mark.parametrize("name", ["pages.css", "pages.js"])
def test_static_files_are_served_packed_and_kept_for_ever(site: Site, name: str):
    address = static_url(name)
    packed, plain = site.get(address), site.get(address, **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == (FOLDER / name).read_bytes()
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_page_with_all_it_fetches_weighs_less_than_100_kb(site: Site):
    page = site.get("/support?range=90d").text
    fetched = {
        name: site.get(name.replace("&amp;", "&")) for name in re.findall(r'(?:href|src)="(/static/[^"]+)', page)
    }
    assert {name.partition("?")[0] for name in fetched} == {f"/static/{one.name}" for one in FOLDER.iterdir()}
    weight = len(gzip.compress(page.encode()))
    weight += sum(len(gzip.compress(answer.content)) for answer in fetched.values())
    assert weight < 100_000
