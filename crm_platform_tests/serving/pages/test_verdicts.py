"""What pages say of a change: better or worse where chance does not explain it, and nothing where they cannot know."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.receipts.weeks import DAY, HOUR, NOW, published, weeks
from crm_platform_tests.serving.pages.site import Site, publish_world

pytestmark = pytest.mark.slow  # it publishes worlds of its own


def site_of(folder: Path, *, chats: int, minutes: Callable[[int], float | None]) -> Site:
    return Site(published(weeks(folder, chats=chats, minutes=minutes)), NOW)


@pytest.fixture(scope="module")
def slower(slower_weeks: Settings) -> Site:
    return Site(slower_weeks, NOW)


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_of(tmp_path_factory.mktemp("even"), chats=40, minutes=lambda _: 10)


def tile(site: Site, path: str, name: str) -> str:
    """What a tile says of its change, and its look."""
    html = site.get(path).text.partition(f'id="figure-{name}"')[2]
    found = re.search(r'<div class="change (\w+)">(.*?)</div>', html, re.DOTALL)
    assert found is not None
    return f"{found[1]}: {' '.join(re.sub('<[^>]*>', ' ', found[2]).replace(chr(0xA0), ' ').split())}"


def sentence(site: Site, path: str) -> str:
    found = re.search(r'<p class="sentence[^>]*>(.*?)</p>', site.get(path).text)
    assert found is not None
    return found[1].replace("\u00a0", " ")


def test_a_change_that_chance_does_not_explain_is_called_worse_with_its_dates(slower: Site):
    assert tile(slower, "/support?range=7d", "first_response").startswith("worse: ▲ +")
    assert "slower than in the 7 days before (8 Nov to 14 Nov)" in sentence(slower, "/support?range=7d")
    page = slower.get("/support?range=7d").text.replace("\u00a0", " ")
    told = re.search(r"<dt>Before</dt><dd>8 Nov to 14 Nov: (.*?)</dd>", page)
    assert told is not None
    assert "the true change lies between +" in told[1]
    assert "(95 %)" in told[1]


def test_what_chance_explains_is_about_the_same(even: Site):
    """Field case 45."""
    assert tile(even, "/support?range=7d", "first_response") == "same: about the same"
    assert "about as in the 7 days before (8 Nov to 14 Nov)" in sentence(even, "/support?range=7d")


def test_few_are_told_to_be_few(tmp_path: Path):
    site = site_of(tmp_path, chats=2, minutes=lambda ago: 60 if ago <= 7 else 1)
    assert tile(site, "/support?range=7d", "first_response") == "few: too few to say whether it changed"


def test_a_day_that_is_not_over_is_not_judged(slower: Site):
    """Field case 46."""
    for path in ("/support?range=today", "/executive?range=today"):
        assert not re.search(r'class="change (better|worse)"', slower.get(path).text), path


def test_who_wrote_and_got_no_reply_is_told(tmp_path: Path):
    """Field case 41."""
    site = site_of(tmp_path, chats=30, minutes=lambda _: None)
    for path in ("/support?range=7d", "/executive?range=7d"):
        assert re.search(
            r"\d+ conversations were begun by customers in the last 7 days, none got a reply", sentence(site, path)
        )
    assert tile(site, "/support?range=7d", "first_response") == "unknown: none of those who wrote got a reply"
    assert "Nobody had to be answered" not in site.get("/executive?range=7d").text


def test_contacts_are_held_against_the_ranges_start(even: Site):
    """Field case 49."""
    for path in ("/executive?range=28d", "/executive?range=90d"):
        (day,) = set(
            re.findall(r"now, against the end of (\d+\W\w+)", even.get(path).text.partition("figure-total_contacts")[2])
        )
        assert day.replace("\u00a0", " ") == {"/executive?range=28d": "24 Oct", "/executive?range=90d": "23 Aug"}[path]


@pytest.mark.parametrize("page", ["executive", "campaigns", "support"])
def test_every_page_shows_the_same_days_unless_told(even: Site, page: str):
    """Field case 50."""
    assert re.search(r'<a href="[^"]*range=28d" aria-current="true">', even.get(f"/{page}").text)
    assert f'href="/{page}?range=90d"' in even.get("/executive?range=90d").text


# Campaigns.


def sendings(folder: Path, sent: list[tuple[float, str, int]]) -> Site:
    """Campaigns of 1,000 messages, by how many days ago, their status, and how many read them."""
    world = World(folder, Settings(data_dir=folder))
    for number, (ago, status, readers) in enumerate(sent):
        at = NOW - ago * DAY
        world.campaign(f"k{number}", [(at, status)], created_at=at, scheduled_at=at)
        figures = {"total_recipients": 1000, "delivered": 1000, "read": readers, "replied": 10, "failed": 0}
        world.report(f"k{number}", max(at, NOW - HOUR), **figures)
    return publish_world(world, NOW, expected_unseen={})


def test_a_campaign_that_is_still_sending_makes_no_rate_worse(tmp_path: Path):
    """Field case 47."""
    site = sendings(
        tmp_path, [(1, "in_progress", 50), (10, "completed", 700), *((40 + n, "completed", 700) for n in range(3))]
    )
    assert tile(site, "/campaigns?range=28d", "campaigns") == "fewer: 2, was 3"
    assert tile(site, "/campaigns?range=28d", "read_rate") == "few: too few to say whether it changed"
    assert "70.0\u00a0%" in site.get("/campaigns?range=28d").text.partition('id="figure-read_rate"')[2][:6000]


def test_the_only_time_with_enough_data_is_not_the_best(tmp_path: Path):
    """Field case 48."""
    tuesdays = [(5 + 7 * week, "completed", 300) for week in range(4)]
    others = [(10 + n * 0.5, "completed", 700) for n in range(6)]
    site = sendings(tmp_path, [*tuesdays, *others])
    assert "No best time to send yet: not enough data" in site.get("/campaigns?range=90d").text
    assert "Read most when sent" not in site.get("/campaigns?range=90d").text
