"""The pages in a real browser: nothing breaks, nothing leaves the machine, everybody can use them."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.resources
import json
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
from crm_platform_tests.serving.pages.site import Site, publish_world, published

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page  # the full lock's: collecting does without it

pytestmark = [pytest.mark.services]

PATHS = (
    "/executive",
    "/executive?range=28d&segment=VIP:yes",
    "/campaigns",
    "/support",
    "/support?from=2026-11-18&to=2026-11-22",
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
    context.close()
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
        page.get_by_text("+ Segment").click()
        page.locator(".chips .sheet a").first.click()
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


def test_it_stands_without_a_script(browser, url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/support")
    assert page.locator("#volume svg").first.is_visible()
    page.locator("#backlog summary").click()
    assert page.locator("#backlog tbody tr").first.is_visible()
    assert page.locator("#backlog .explore").is_hidden()
    context.close()


def test_a_snapshot_published_while_a_page_is_open_is_announced(browser, tmp_path):
    facts = random_facts(5, contacts=4, campaigns=2, as_of=AS_OF)
    world = from_facts(facts, tmp_path)
    world.settings = world.settings.model_copy(update={"data_dir": tmp_path})
    site = publish_world(world, AS_OF)
    with serving(site) as address, visiting(browser, address) as visit:
        visit.go("/executive")
        assert visit.page.locator(".newer").is_hidden()
        publish_world(world, AS_OF + dt.timedelta(hours=1))
        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.page.locator(".newer").wait_for(state="visible")
        visit.page.get_by_role("link", name="Show them").click()
        assert visit.page.locator(".newer").is_hidden()


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
        row = visit.page.locator(".ranking tbody tr").first
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
        visit.go("/support")
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
        context.close()


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
                page.get_by_text("+ Segment").click()
                assert page.evaluate("document.documentElement.scrollWidth") <= width


# Explore.

PAGES = ("/executive", "/campaigns", "/support?range=28d", "/support?from=2026-11-22&to=2026-11-22")
LIBRARY = ("/vega/vega.min.js", "/vega/vega-lite.min.js", "/vega/vega-interpreter.js")


def explore(panel):
    """Press the button and wait for the interactive chart."""
    panel.locator(".explore").click()
    panel.locator(".explored svg").wait_for()
    return panel.locator(".explored")


def place(panel):
    """Where a panel stands on its page, and its size."""
    return panel.evaluate(
        "(one) => { const box = one.getBoundingClientRect(); return [box.x, box.y + scrollY, box.width, box.height]; }"
    )


def plane(panel):
    """The middle of the area between the axes."""
    box = panel.locator(".explored svg .root > g > .background").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


AXIS = """[...panel.querySelectorAll(".explored svg .role-axis-label text")]
    .map((one) => one.textContent + one.getAttribute("transform")).sort().join()"""


def axes(panel):
    """The labels of an explored chart's axes and where they stand."""
    return panel.evaluate(f"(panel) => {AXIS}")


def wait_for_axes(panel, *, other_than="", like=""):
    """Wait until the axes have moved, or have come back."""
    condition = f"{AXIS} === like" if like else f"{AXIS} !== otherThan"
    panel.page.wait_for_function(
        f"([panel, otherThan, like]) => {condition}", arg=[panel.element_handle(), other_than, like]
    )


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_every_chart_can_be_explored_and_nothing_on_the_page_moves(browser, site, url, width, scheme):
    chosen = site.published("select campaign_id from kpi.campaign_performance where delivered > 0 order by all limit 3")
    comparison = "/campaigns?" + "&".join(f"compare={row['campaign_id']}" for row in chosen)
    with visiting(browser, url, width=width, scheme=scheme) as visit:
        page = visit.page
        for path in (*PAGES, comparison):
            visit.go(path)
            panels = [panel for panel in page.locator(".panel[id]").all() if panel.locator(".drawing").count()]
            assert len(panels) > 1
            places = [place(panel) for panel in panels]
            for panel in panels:
                drawing = panel.locator(".drawing:visible")
                label = drawing.locator("> svg").get_attribute("aria-label")
                box = explore(panel)
                assert box.get_attribute("aria-label") == label
                assert box.bounding_box() == drawing.bounding_box()
                assert box.locator("svg path, svg rect").count() > 3
                assert drawing.locator("> svg").is_hidden()
                assert panel.locator(".explore").inner_text() == "Back"
            assert [place(panel) for panel in panels] == places
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            for panel in panels:
                panel.locator(".explore").click()
                assert panel.locator(".explored").count() == 0
                assert panel.locator(".drawing:visible > svg").is_visible()
                assert panel.locator(".explore").inner_text() == "Explore"
            assert [place(panel) for panel in panels] == places


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_an_explored_chart(browser, url, scheme):
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with visiting(browser, url, scheme=scheme) as visit:
        visit.go("/support")
        for name in ("first_response", "outcomes", "spread", "volume"):
            explore(visit.page.locator(f"#{name}"))
        visit.page.evaluate(axe)
        found = visit.page.evaluate("axe.run()")["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []


def test_the_chart_library_is_fetched_at_the_first_press_and_once(browser, url):
    with visiting(browser, url) as visit:
        fetched: list[str] = []
        visit.page.on("request", lambda one: fetched.append(one.url.removeprefix(url).partition("?")[0]))
        visit.go("/support")
        visit.page.wait_for_load_state("networkidle")
        assert [one for one in fetched if "vega" in one or "explore" in one or one.endswith(".json")] == []
        for name in ("backlog", "volume", "outcomes"):
            explore(visit.page.locator(f"#{name}"))
        for name in LIBRARY:
            assert fetched.count(f"/static{name}") == 1
        assert fetched.count("/static/explore.js") == 1


@pytest.mark.parametrize("name", ["first_response", "outcomes", "spread", "volume"])
def test_keys_go_from_row_to_row_and_tell_exact_values(browser, url, name):
    with visiting(browser, url) as visit:
        visit.go("/support?range=28d")
        panel = visit.page.locator(f"#{name}")
        explore(panel).focus()
        assert "go" in visit.page.locator(".tip").inner_text() or "press" in visit.page.locator(".tip").inner_text()
        rows = panel.locator(".behind tbody tr")
        for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
            visit.page.keyboard.press(key)
            row = rows.nth(place)
            cells = [cell.text_content() for cell in row.locator("th, td").all()]
            told = panel.locator(".explored [role=status]")
            visit.page.wait_for_function(
                "([told, first]) => told.textContent.startsWith(first)", arg=[told.element_handle(), cells[0]]
            )
            assert all(cell in told.text_content() for cell in cells)
        visit.page.keyboard.press("Tab")
        assert visit.page.locator(".tip").is_hidden()


@pytest.mark.parametrize("name", ["first_response", "resolved"])
def test_the_pointer_finds_the_nearest_day_and_the_wheel_zooms_to_it(browser, url, name):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support?range=28d")
        panel = page.locator(f"#{name}")
        panel.scroll_into_view_if_needed()
        explore(panel)
        whole = axes(panel)
        x, y = plane(panel)
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.locator(".tip b").wait_for()
        days = [cell.text_content() for cell in panel.locator(".behind tbody th").all()]
        assert abs(days.index(page.locator(".tip b").inner_text()) - len(days) // 2) <= 1
        page.mouse.wheel(0, -400)
        wait_for_axes(panel, other_than=whole)
        zoomed = axes(panel)
        page.mouse.down()
        page.mouse.move(x + 120, y, steps=4)
        page.mouse.up()
        wait_for_axes(panel, other_than=zoomed)
        page.mouse.dblclick(x, y)
        wait_for_axes(panel, like=whole)
        panel.locator(".explored").focus()
        page.keyboard.press("+")
        wait_for_axes(panel, other_than=whole)
        page.keyboard.press("0")
        wait_for_axes(panel, like=whole)


def test_a_name_of_the_legend_is_singled_out(browser, url):
    with visiting(browser, url) as visit:
        visit.go("/support?range=28d")
        panel = visit.page.locator("#resolved")
        panel.scroll_into_view_if_needed()
        box = explore(panel)
        pale = box.locator('svg [opacity="0.15"]')
        assert pale.count() == 0
        box.locator("svg .role-legend-label text").first.click()
        singled = pale.count()
        assert singled > 0
        box.focus()
        visit.page.keyboard.press("0")
        assert pale.count() == 0
        visit.page.keyboard.press("1")
        assert pale.count() == singled


def test_an_explored_chart_follows_the_theme_and_can_be_saved(browser, url):
    with visiting(browser, url) as visit:
        page = visit.page
        visit.go("/support")
        panel = page.locator("#within_target")
        box = explore(panel)

        def inks():
            return {one.get_attribute("fill") for one in box.locator("svg text").all()}

        assert inks() == {"#59616b"}
        page.emulate_media(color_scheme="dark")
        box.locator('svg text[fill="#a2abb5"]').first.wait_for()
        assert inks() == {"#a2abb5"}
        with page.expect_download() as png:
            panel.get_by_role("button", name="PNG").click()
        assert png.value.path().read_bytes().startswith(b"\x89PNG")
        for width, look in ((390, "tiny"), (1280, "big"), (390, "tiny")):
            page.set_viewport_size({"width": width, "height": 900})
            panel.locator(f".drawing.{look} .explored svg").wait_for()
            assert box.bounding_box() == panel.locator(f".drawing.{look}").bounding_box()


def test_a_chart_that_cannot_be_fetched_leaves_its_drawing(browser, url):
    with visiting(browser, url) as visit:
        visit.go("/support")
        panel = visit.page.locator("#backlog")
        visit.page.route("**/*.vl.json*", lambda route: route.fulfill(status=404))
        panel.locator(".explore").click()
        visit.page.get_by_text("could not be fetched").wait_for()
        assert panel.locator(".drawing.big > svg").is_visible()
        assert panel.locator(".explore").inner_text() == "Explore"
        visit.page.unroute("**/*.vl.json*")
        explore(panel)
        assert len(visit.problems) == 2  # what the browser says of the answer, and we of the failure
        visit.problems.clear()
