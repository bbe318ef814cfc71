"""Every figure and cell of every page, as a browser shows it, equals the API's for the same range and filters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from crm_platform_tests.serving.pages.leaving import leave
from crm_platform_tests.serving.pages.narrowed_site import NarrowedSite
from crm_platform_tests.serving.pages.site import Site, Told, read
from crm_platform_tests.serving.pages.test_figures_equal_tables import check_figures, check_tables
from crm_platform_tests.serving.pages.test_in_browser import browser, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]  # the fixture
pytestmark = [pytest.mark.services]

PAGES = ("executive", "campaigns", "support", "audience")
RANGES = ("range=7d", "range=28d", "range=90d", "range=month", "from=2026-10-03&to=2026-11-22")
CHOSEN: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("country", "KE"),),
    (("segment", "VIP:no"),),
    (("agent", "brian@example.com"),),
    (("team", "Support"), ("origin", "organic")),
)


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with serving(site) as address:
        yield address


@pytest.mark.parametrize("language", ["en", "fr", "sw"])
def test_every_figure_is_the_apis(browser: Browser, url: str, site: Site, language: str):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/preferences?lang={language}")
    shown = []
    # Each filter with each page; the ranges take turns, and in each language begin with another.
    ranges = itertools.islice(itertools.cycle(RANGES), ord(language[0]) % len(RANGES), None)
    for (chosen, name), days in zip(itertools.product(CHOSEN, PAGES), ranges, strict=False):
        page.goto(f"{url}/{name}?{days}&{NarrowedSite(site, chosen).query}")
        shown.append((name, chosen, read(page.content())))
    leave(context)
    # The API is asked in a thread of its own: this one has the browser's event loop.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_figures_checked, site, shown).result() > 60


def _figures_checked(site: Site, shown: list[tuple[str, Sequence[tuple[str, str]], Told]]) -> int:
    seen = 0
    for name, chosen, told in shown:
        if name == "campaigns" and chosen:
            assert told.figures == []
            continue
        asked = NarrowedSite(site, chosen)
        check_figures(asked, told)
        check_tables(asked, told)
        seen += len(told.figures)
    return seen
