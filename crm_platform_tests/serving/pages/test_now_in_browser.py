"""The page Now in a real browser: ages count on, a newer snapshot comes by itself, a phone has room for it."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.conftest import AS_OF
from crm_platform_tests.serving.pages.leaving import leave
from crm_platform_tests.serving.pages.site import Site, publish_world
from crm_platform_tests.serving.pages.test_in_browser import browser as browser  # noqa: PLC0414 - a fixture
from crm_platform_tests.serving.pages.test_in_browser import serving, visiting
from crm_platform_tests.serving.pages.test_now import waiting, word_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.services]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return waiting(tmp_path_factory.mktemp("crowd"), more=30)


@pytest.fixture(scope="module")
def crowd(world: World) -> Site:
    return publish_world(world, AS_OF, expected_unseen={})


def first_cells(page: Page) -> list[str]:
    return [one.replace("\u00a0", " ") for one in page.locator("tbody th strong").all_inner_texts()][:4]


def test_ages_count_on_by_the_minute_until_the_window_closes(browser: Browser, crowd: Site):
    from playwright.sync_api import expect

    shown = Site(crowd.settings, crowd.now)
    with serving(shown) as url, visiting(browser, url) as visit:
        page = visit.page
        page.clock.install()
        visit.go("/now")
        # The cut is five minutes old when the page comes.
        assert first_cells(page) == ["1 d 6 h", "23 h 05 min", "3 h 17 min", "2 h 05 min"]
        assert "5\u00a0min ago; how long they wait counts on" in page.locator(".cut").inner_text()
        left = page.locator("[data-left]").nth(1)
        assert left.inner_text() == "1\u00a0h\u00a054\u00a0min"
        page.clock.run_for(60_000)
        assert first_cells(page) == ["1 d 6 h", "23 h 06 min", "3 h 18 min", "2 h 06 min"]
        assert "6\u00a0min ago" in page.locator(".cut").inner_text()
        assert page.locator(".sentence span").inner_text() == "1\u00a0d\u00a06\u00a0h"
        # After ten minutes the page asks again, and is told the same, but for the minute that the server stood still.
        for words in (re.compile("5[2-4]\u00a0min"), "window closed"):
            shown.now += dt.timedelta(hours=1)
            with page.expect_response("**/now*"):  # a late answer to the last question would stand for this one's
                page.clock.fast_forward(3600_000)
                page.clock.run_for(10_000)
            expect(left).to_have_text(words)
        assert page.locator("[data-left]").nth(2).get_attribute("class") in {None, ""}


@pytest.mark.parametrize("language", ["en", "sw", "fr"])
def test_the_script_writes_durations_as_the_page_does(browser: Browser, crowd: Site, language: str):
    fresh = Site(crowd.settings, AS_OF)  # of this very moment: nothing has passed
    with serving(fresh) as url:
        context = browser.new_context(java_script_enabled=False)
        context.add_cookies([{"name": "lang", "value": language, "url": url}])
        plain = context.new_page()
        plain.goto(f"{url}/now")
        with visiting(browser, url) as visit:
            visit.page.context.add_cookies([{"name": "lang", "value": language, "url": url}])
            visit.go("/now")
            assert visit.page.locator(".counting").is_visible()
            for name in (".sentence", "[data-ago]", "tbody th", "[data-left]"):
                assert visit.page.locator(name).all_inner_texts()[:4] == plain.locator(name).all_inner_texts()[:4]
        assert plain.locator(".counting").is_hidden()
        assert plain.locator("tbody tr").count() == 34
        leave(context)


def test_a_newer_snapshot_comes_by_itself_and_leaves_scroll_focus_and_open_menus(browser: Browser, tmp_path: Path):
    world = waiting(tmp_path, more=40)
    site = publish_world(world, AS_OF, expected_unseen={})
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    with serving(site) as url, visiting(browser, url, width=700) as visit:
        page = visit.page
        visit.go("/now")
        page.evaluate("window.kept = true")
        link = f'a[href="/chat?pseudonym={word_of(site, "more007")}"]'
        page.locator(link).focus()
        page.evaluate("scrollTo(0, 600); document.getElementById('waits-table').scrollLeft = 80")
        page.evaluate("document.querySelector('#main details.menu').open = true")
        later = AS_OF + dt.timedelta(minutes=10)
        world.message("old", "o2", later - dt.timedelta(minutes=2), "outbound")
        world.chat("late", known_until=later)
        publish_world(world, later, expected_unseen={})
        site.now = later
        page.evaluate(look)
        page.wait_for_timeout(300)
        assert "44 chats wait" in page.locator(".sentence").inner_text().replace("\u00a0", " "), "a menu is open"
        page.evaluate("document.querySelector('#main details.menu').open = false")
        page.evaluate(look)
        page.get_by_text("43 chats wait").wait_for()
        assert page.evaluate("window.kept"), "it was not loaded anew"
        assert page.evaluate("scrollY") == 600
        assert page.evaluate("document.getElementById('waits-table').scrollLeft") == 80
        assert page.evaluate("document.activeElement.getAttribute('href')") in link
        assert "As of 14:15; 0\u00a0min ago" in page.locator(".cut").inner_text()
        assert "14:15" in page.locator(".status").inner_text()
        assert page.locator(".newer").is_hidden()
        page.evaluate(look)
        page.locator("#by-country").click()
        page.get_by_text("Tanzania · 1").click()
        assert page.locator("tbody tr").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_it_fits_keeps_its_first_column_and_axe_finds_nothing(browser: Browser, crowd: Site, width: int, scheme: str):
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with serving(crowd) as url, visiting(browser, url, width=width, scheme=scheme) as visit:
        page = visit.page
        for path in ("/now", "/now?closing=2h", "/now?country=XX", f"/chat?pseudonym={word_of(crowd, 'new')}"):
            visit.go(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            page.evaluate(axe)
            found = page.evaluate("axe.run()")["violations"]
            assert [(path, one["id"], one["nodes"][0]["target"]) for one in found] == []
        visit.go("/now")
        page.evaluate("document.getElementById('waits-table').scrollLeft = 300")
        box, cell = page.locator("#waits-table").bounding_box(), page.locator("tbody th").first.bounding_box()
        assert box is not None
        assert cell is not None
        assert cell["x"] == pytest.approx(box["x"], abs=1)
