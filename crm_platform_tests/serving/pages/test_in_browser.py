"""The pages in a real browser: nothing breaks, nothing leaves the machine, everybody can use them."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.resources
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import uvicorn
from pydantic import SecretStr

from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World, from_facts
from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.serving.pages.conftest import AS_OF
from crm_platform_tests.serving.pages.leaving import leave
from crm_platform_tests.serving.pages.site import Site, publish_world, published

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page  # the full lock's: collecting does without it

pytestmark = [pytest.mark.services]

PDF_BOX = re.compile(rb"/MediaBox ?\[([\d. ]+)\]")

PATHS = (
    "/executive",
    "/executive?range=28d&segment=VIP:yes",
    "/campaigns",
    "/support",
    "/support?from=2026-11-18&to=2026-11-22",
    "/audience?range=90d",
    "/receipt?table=response_times_daily&column=waits&day_from=2026-09-01&day_to=2026-11-20",
    "/figures",
)


@dataclass
class Visit:
    """A page being looked at, and what went wrong while it was."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)


@contextlib.contextmanager
def serving(site: Site) -> Iterator[str]:
    """Serve an app on a free port until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server runs waits for it
        server = uvicorn.Server(uvicorn.Config(site.app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "this test needs Debian's chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@contextlib.contextmanager
def visiting(
    browser: Browser, url: str, *, width: int = 1280, scheme: str = "light", has_touch: bool = False
) -> Iterator[Visit]:
    """Open a window; when it closes nothing may have gone wrong, and no request may have left the machine."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=has_touch)  # type: ignore[arg-type]
    page = context.new_page()
    visit = Visit(page, url)
    page.on("console", lambda one: visit.problems.append(one.text) if one.type in {"error", "warning"} else None)
    page.on("pageerror", lambda one: visit.problems.append(str(one)))
    page.on(
        "request",
        lambda one: None if one.url.startswith((url, "data:", "blob:")) else visit.problems.append(one.url),
    )
    yield visit
    leave(context)
    assert visit.problems == []


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_every_page_fits_and_breaks_nothing(browser, url, width):
    with visiting(browser, url, width=width) as visit:
        for path in PATHS:
            visit.go(path)
            assert visit.page.locator("main").inner_text().strip()
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser, url, width, scheme):
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with visiting(browser, url, width=width, scheme=scheme) as visit:
        for path in PATHS:
            visit.go(path)
            visit.page.evaluate(axe)
            found = visit.page.evaluate("axe.run()")["violations"]
            assert [(path, one["id"], one["nodes"][0]["target"]) for one in found] == []


def test_ranges_pages_and_filters_by_mouse_and_keyboard(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/executive")
        page.get_by_role("link", name="28 d").click()
        assert page.url.endswith("?range=28d")
        page.get_by_role("link", name="Support").click()
        assert page.url.endswith("/support?range=28d")
        page.get_by_text("Custom", exact=True).click()
        page.get_by_label("From", exact=True).fill("2026-11-10")
        page.get_by_label("To", exact=True).fill("2026-11-12")
        page.get_by_role("button", name="Show").click()
        assert "from=2026-11-10&to=2026-11-12" in page.url
        info = page.get_by_label("About First response time")
        info.focus()
        page.keyboard.press("Enter")
        assert page.get_by_text("oldest message without a reply").first.is_visible()
        page.keyboard.press("Escape")
        assert not page.get_by_text("oldest message without a reply").first.is_visible()
        visit.go("/executive")
        page.get_by_text("Filter", exact=True).click()
        page.locator("form.sheet select[name=segment]").first.select_option(index=1)
        page.get_by_role("button", name="Apply").click()
        assert "segment=" in page.url
        page.locator(".chip").click()
        assert "segment=" not in page.url


def test_a_table_is_sorted_by_its_headings_and_the_chart_still_knows_its_days(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        panel = page.locator("#first_response")
        panel.get_by_text("Table").click()
        days = panel.locator("tbody th").all_text_contents()
        heading = panel.locator("th[data-column=first_answered_waits]")
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        counts = panel.locator("tbody tr td:nth-child(4)").all_text_contents()
        known = [int(count) for count in counts if count != "–"]
        assert known == sorted(known, reverse=True)
        assert panel.locator("tbody th").all_text_contents() != days
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "ascending"
        drawing = panel.locator(".drawing.big svg")
        drawing.hover(position={"x": float(drawing.get_attribute("data-x0") or 0) + 1, "y": 60})
        assert page.locator(".tip b").text_content() == days[0]
        panel.locator("th[data-column=day]").get_by_role("button").click()
        assert panel.locator("tbody th").all_text_contents() == days


def test_language_and_theme_stay_chosen(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        page.get_by_label("Language").click()
        page.get_by_role("link", name="Kiswahili").click()
        assert page.url.endswith("/support?range=28d")
        page.get_by_label("Mwonekano").click()
        page.get_by_role("link", name="Giza").click()
        visit.go("/campaigns")
        assert page.locator("html").get_attribute("lang") == "sw"
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_campaigns_are_picked_and_compared(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/campaigns")
        for number in range(2):
            page.locator(".ranking input[type=checkbox]").nth(number).check()
        page.get_by_role("button", name="Compare chosen").click()
        assert page.url.count("compare=") == 2
        assert page.locator("#compare_read_rate").is_visible()
        page.get_by_role("link", name="Read rate").first.click()
        assert "sort=read_per_delivered" in page.url
        assert page.url.count("compare=") == 2


def test_a_chart_turns_into_numbers_csv_and_png(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support")
        panel = page.locator("#outcomes")
        panel.scroll_into_view_if_needed()
        panel.locator(".drawing.big svg").hover()
        assert "Answered" in page.locator(".tip").inner_text()
        panel.get_by_text("Table").click()
        assert panel.locator("tbody tr").first.is_visible()
        with page.expect_download() as csv:
            panel.get_by_role("link", name="CSV").click()
        assert csv.value.path().read_text(encoding="utf-8").startswith("day,waits,")
        with page.expect_download() as png:
            panel.get_by_role("button", name="PNG").click()
        assert png.value.path().read_bytes().startswith(b"\x89PNG")


def test_from_a_bar_a_point_and_a_cell_to_their_rows(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        bar = page.locator("#outcomes .drawing.big a").last
        href = bar.get_attribute("href")
        bar.click()
        assert page.url == url + href
        assert page.get_by_role("heading", name="Rows behind it").is_visible()
        page.go_back()
        drawing = page.locator("#first_response .drawing.big svg")
        place = drawing.locator("a path").first.get_attribute("d").removesuffix("h0")[1:].split()
        # Beside a point: the nearest of its day.
        drawing.click(position={"x": float(place[0]) + 3, "y": 60})
        page.wait_for_url("**/receipt?table=response_times_daily&column=first_response_seconds_*")
        page.go_back()
        page.locator("#backlog .drawing.big svg").focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.wait_for_url("**/receipt?table=backlog_daily&column=open_waits_at_end&day=2026-11-22&range=28d")
        page.go_back()
        panel = page.locator("#outcomes")
        panel.locator("summary").click()
        cell = panel.locator("tbody td a").last
        assert cell.get_attribute("href") == href.replace("open_waits", "missed_waits")
        assert page.locator("#agents tbody a").first.get_attribute("href").count("agent=") == 1


def test_a_finger_finds_the_rows_beside_the_numbers(browser, url):
    with visiting(browser, url, width=390, has_touch=True) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        svg = page.locator("#outcomes .drawing.tiny svg")
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert "/support" in page.url
        link = page.locator(".tip a").last
        href = link.get_attribute("href")
        link.tap()
        page.wait_for_url(url + href)
        assert "column=missed_waits" in href


def test_it_stands_without_a_script(browser, url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/support")
    href = page.locator("#spread .drawing.big a").first.get_attribute("href")
    page.locator("#spread .drawing.big a").first.click()
    assert page.url == url + href
    page.goto(f"{url}/support")
    assert page.locator("#volume svg").first.is_visible()
    page.locator("#backlog summary").click()
    assert page.locator("#backlog tbody tr").first.is_visible()
    leave(context)


def test_a_snapshot_published_while_a_page_is_open(browser, tmp_path):
    """A page of now turns by itself, and leaves what is open; a past range, and a table at work, are left alone."""
    facts = random_facts(5, contacts=4, campaigns=2, as_of=AS_OF)
    world = from_facts(facts, tmp_path)
    world.settings = world.settings.model_copy(update={"data_dir": tmp_path})
    site = publish_world(world, AS_OF)
    with serving(site) as address, visiting(browser, address) as visit:
        past = f"/executive?from={AS_OF.date() - dt.timedelta(days=20)}&to={AS_OF.date() - dt.timedelta(days=10)}"
        page, shown = visit.page, "document.documentElement.dataset.snapshot"
        visit.go(past)
        assert page.locator(".newer").is_hidden()
        publish_world(world, AS_OF + dt.timedelta(hours=1))
        page.locator(".newer").wait_for(state="visible")
        page.get_by_role("link", name="Show them").click()
        assert page.locator(".newer").is_hidden()
        visit.go("/support")
        page.evaluate("window.kept = true")
        page.locator("details.behind summary").first.click()
        page.evaluate("scrollTo(0, 300)")
        before = page.evaluate(shown)
        publish_world(world, AS_OF + dt.timedelta(hours=2))
        page.locator(f"html:not([data-snapshot='{before}'])").wait_for(state="attached")
        assert page.evaluate("window.kept && scrollY === 300"), "it was not loaded anew"
        assert page.locator("details.behind").first.get_attribute("open") is not None
        assert page.locator(".newer").is_hidden()
        page.locator("details.behind th button").first.click()
        page.locator("details.behind tbody a").first.wait_for()
        publish_world(world, AS_OF + dt.timedelta(hours=3))
        page.locator(".newer").wait_for(state="visible")


def test_before_anything_is_published(browser, tmp_path):
    site = Site(random_facts(5, contacts=0, campaigns=0).settings.model_copy(update={"data_dir": tmp_path}), AS_OF)
    with serving(site) as address, visiting(browser, address) as visit:
        visit.go("/")
        assert visit.page.get_by_text("crm refresh").is_visible()


def test_a_tap_shows_numbers_and_a_tap_elsewhere_takes_them_away(browser, url):
    with visiting(browser, url, width=390, has_touch=True) as visit:
        visit.go("/support")
        visit.page.locator("#first_response .tiny .chart").tap()
        assert "Nov" in visit.page.locator(".tip b").inner_text()
        visit.page.locator("#first_response h2").tap()
        assert visit.page.locator(".tip").is_hidden()


def test_on_a_phone_tables_begin_with_what_people_come_for(browser, url):
    with visiting(browser, url, width=390) as visit:
        visit.go("/campaigns")
        row = visit.page.locator(".ranking tr[data-key]").first
        places = {number: row.locator(f":nth-child({number})").first.bounding_box() for number in (6, 7)}
        box = visit.page.locator(".ranking").locator("..").bounding_box()
        assert all(place["x"] + place["width"] <= box["x"] + box["width"] for place in places.values())
        cells = row.evaluate(
            "row => [...row.children].sort((a, b) => a.offsetLeft - b.offsetLeft).map(c => c.cellIndex)"
        )
        assert cells[:3] == [0, 5, 6]
        visit.go("/support")
        scroll = visit.page.locator("#agents .scroll")
        scroll.evaluate("box => { box.scrollLeft = 400; }")
        name = scroll.locator("tbody th").first.bounding_box()
        assert name["x"] == pytest.approx(scroll.bounding_box()["x"], abs=1)


def test_an_open_table_shows_the_chosen_days_and_stretches_nothing(browser, url):
    with visiting(browser, url) as visit:
        visit.go("/support?range=7d")
        beside = visit.page.locator("#within_target")
        high = beside.bounding_box()["height"]
        visit.page.locator("#first_response summary").click()
        assert visit.page.locator("#first_response tr.chosen").count() == 7
        visit.page.wait_for_function("document.querySelector('#first_response .scroll').scrollTop > 0")
        assert beside.bounding_box()["height"] <= high


def test_a_definition_closes_when_it_is_left_by_keyboard(browser, url):
    with visiting(browser, url) as visit:
        visit.go("/support")
        visit.page.locator(".info > summary").first.focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.locator(".info .sheet").first.is_visible()
        for _ in range(4):
            visit.page.keyboard.press("Tab")
        assert visit.page.locator(".info .sheet").first.is_hidden()


def test_paper_is_white_titled_and_whole(browser, url):
    with visiting(browser, url, width=704, scheme="dark") as visit:
        visit.page.emulate_media(media="print")
        for path in ("/executive", "/campaigns", "/support"):
            visit.go(path)
            assert visit.page.locator("h1").bounding_box()["height"] > 20, path
            assert visit.page.locator("button:not(.sort):visible, input:visible, .tools:visible").count() == 0, path
            assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= 704, path
            marks = visit.page.locator("sup.note").all_inner_texts()
            assert marks == [str(number + 1) for number in range(visit.page.locator(".notes li").count())]


@pytest.mark.parametrize(("paper", "size"), [("A4", (595, 842)), ("Letter", (612, 792))])
def test_charts_that_were_explored_are_printed_whole(browser, url, paper, size):
    """Field case 52: after charts were looked into by pointer, keys and table, 8 of 9 came out of the printer blank."""
    with visiting(browser, url, scheme="dark") as visit:
        page = visit.page
        for path in ("/executive?range=28d", "/campaigns", "/support?range=90d", "/audience"):
            visit.go(path)
            charts = page.locator(".panel .chart:visible")
            drawn = charts.count()
            assert drawn >= 2, path
            for number in range(drawn):
                charts.nth(number).focus()
                page.keyboard.press("ArrowRight")
            for summary in page.locator(".panel .behind > summary").all()[:3]:
                summary.click()
            pdf = page.pdf(format=paper)
            assert pdf.startswith(b"%PDF")
            boxes = [[float(end) for end in found.split()] for found in PDF_BOX.findall(pdf)]
            assert boxes, path
            assert all(box == pytest.approx([0, 0, *size], abs=1) for box in boxes), path
            # What is on it, seen as the printer does: as wide as the paper within its margins.
            page.emulate_media(media="print")
            page.set_viewport_size({"width": int((size[0] / 72 - 24 / 25.4) * 96), "height": 1000})
            looks = charts.evaluate_all(
                "all => all.map(one => { const box = one.getBoundingClientRect(); "
                "return [box.width > 200 && box.height > 40, one.querySelectorAll('path, rect').length]; })"
            )
            assert len(looks) == drawn, path
            assert all(is_seen and marks > 1 for is_seen, marks in looks), path
            assert page.locator(".cursor:visible, .tip:visible, .behind:visible, .noting:visible").count() == 0, path
            assert page.locator(".panel h2:visible").count() == page.locator(".panel").count()
            width = page.evaluate("document.documentElement.clientWidth")
            edges = page.locator(".panel :is(th, td):visible").evaluate_all(
                "cells => cells.map(cell => cell.getBoundingClientRect().right)"
            )
            assert all(edge <= width for edge in edges), "no column is cut off"
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize(("width", "language"), [(1280, "fr"), (1280, "sw"), (390, "sw"), (390, "fr")])
def test_long_words_leave_room_in_tiles_and_rankings(browser, url, width, language):
    with visiting(browser, url, width=width) as visit:
        page = visit.page
        visit.go(f"/preferences?lang={language}&back=/executive")
        for path in ("/executive", "/campaigns", "/support", "/audience"):
            visit.go(path)
            tiles = page.locator(".figure").evaluate_all(
                "all => all.map(one => [one.getBoundingClientRect().top, one.querySelector('.label > span'), "
                "one.querySelector('.amount')].map(part => typeof part === 'number' ? part : "
                "[part.getBoundingClientRect().top, part.getBoundingClientRect().bottom]))"
            )
            for top, label, amount in tiles:
                assert label[0] >= top + 4, path
                assert label[1] <= amount[0] + 4, path
            rows = {top: {amount[0] for other, _, amount in tiles if other == top} for top, _, _ in tiles}
            assert all(len(places) == 1 for places in rows.values()), "amounts of a row stand on one line"
            # Two px: rounding.
            assert width < 1280 or page.locator(".ranking").evaluate_all(
                "all => all.every(one => one.scrollWidth <= one.parentElement.clientWidth + 2)"
            ), "the last column is in sight"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_door_and_what_goes_wrong_are_clean_too(browser, tmp_path, scheme):
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    site = published(random_facts(5, contacts=3, campaigns=2, as_of=AS_OF), tmp_path)
    site.settings = site.settings.model_copy(update={"viewer_secret": SecretStr("viewer-secret-for-tests")})
    shown = Site(site.settings, AS_OF)
    with serving(shown) as address:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{address}/support")
        seen = []

        def check() -> None:
            page.evaluate(axe)
            seen.append(page.locator("h1").first.inner_text())
            assert [(one["id"], one["nodes"][0]["target"]) for one in page.evaluate("axe.run()")["violations"]] == []

        check()
        page.locator("#secret").fill("viewer-secret-for-tests")
        page.get_by_role("button", name="Log in").click()
        check()
        for path in ("/nothing", "/metrics", "/receipt?table=kpi.backlog_now&column=open_waits"):
            page.goto(f"{address}{path}")
            check()
        page.locator(".role").click()
        page.get_by_role("button", name="Log out").click()
        assert page.url == f"{address}/login"
        assert seen[0] == "Log in"
        assert seen[2:] == ["There is no such page", "Your role may not see this", "Chats waiting"]
        leave(context)


def test_names_of_any_length_and_direction_are_seen_and_leave_room(browser, tmp_path):
    """A name must neither vanish when it is long, nor push a phone's page wider than the phone."""
    world = World(tmp_path, Settings(data_dir=tmp_path))
    names = (
        "x" * 190,  # longer ones are cut when they are published
        "A name that goes on and on " * 7,
        "عرض نهاية الأسبوع للعملاء الكرام",
        "<script>alert(1)</script>",
    )
    for number, name in enumerate(names):
        world.campaign(f"c{number}", [(AS_OF, "completed")], name=name, created_at=AS_OF - dt.timedelta(days=9))
        world.report(f"c{number}", AS_OF, total_recipients=900, delivered=800, read=number, replied=0, failed=0)
    world.contact("chat", custom_fields=json.dumps({"Segment": names[0]}))
    with serving(publish_world(world, AS_OF)) as url:
        for width in (1280, 390):
            with visiting(browser, url, width=width) as visit:
                page = visit.page
                visit.go("/campaigns")
                for name in names:
                    link = page.locator(".ranking tbody th a", has_text=name[:20])
                    box = link.bounding_box()
                    assert box is not None
                    assert 100 < box["width"] < width / 2
                    assert link.get_attribute("title") == name
                filtered = f"/executive?segment=Segment:{names[0]}"
                for path in ("/campaigns?campaign=c0,c1", "/campaigns?compare=c0,c1,c2", filtered):
                    visit.go(path)
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                visit.go("/executive")
                page.get_by_text("Filter", exact=True).click()
                assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["first_response", "outcomes", "spread", "volume"])
@pytest.mark.parametrize("width", [1280, 390])
def test_keys_go_from_row_to_row_and_tell_exact_values(browser, url, name, width):
    with visiting(browser, url, width=width) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        panel = page.locator(f"#{name}")
        panel.locator(".chart:visible").focus()
        rows = panel.locator(".behind tbody tr")
        told = page.locator(".told")
        for key, place in (("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("Home", 0), ("ArrowDown", 1)):
            page.keyboard.press(key)
            cells = [cell.text_content() for cell in rows.nth(place).locator("th, td").all()]
            assert page.locator(".tip b").inner_text() == cells[0]
            assert all(cell in told.text_content() for cell in cells)
            assert page.locator(".cursor").count() == 1
        page.keyboard.press("End")
        last = page.locator(".tip b").inner_text()
        assert last == rows.last.locator("th").text_content()
        page.keyboard.press("Tab")
        assert page.locator(".tip").is_hidden()
        assert page.locator(".cursor").count() == 0
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowLeft")
        assert page.locator(".tip b").inner_text() == last


@pytest.mark.parametrize("name", ["first_response", "resolved"])
def test_the_pointer_finds_the_nearest_day(browser, url, name):
    with visiting(browser, url) as visit:
        visit.go("/support?range=28d")
        panel = visit.page.locator(f"#{name}")
        drawing = panel.locator(".chart:visible")
        days = [cell.text_content() for cell in panel.locator(".behind tbody th").all()]
        x0, step = (float(drawing.get_attribute(one)) for one in ("data-x0", "data-step"))
        scale = drawing.bounding_box()["width"] / float(drawing.get_attribute("width"))
        for number in (0, 11, len(days) - 1):
            drawing.hover(position={"x": (x0 + step * (number + 0.3)) * scale, "y": 60})
            assert visit.page.locator(".tip b").text_content() == days[number]


def test_every_mark_of_a_chart_tells_its_row(browser, url):
    with visiting(browser, url) as visit:
        for path in ("/executive", "/campaigns", "/support"):
            visit.go(path)
            marks = visit.page.locator(".panel .big [data-row]").all()
            assert marks
            for mark in marks[::7]:
                mark.hover()
                row = int(mark.get_attribute("data-row"))
                panel = mark.locator("xpath=ancestor::section")
                told = panel.locator(".behind tbody th").nth(row).text_content()
                assert visit.page.locator(".tip b").text_content() == told
