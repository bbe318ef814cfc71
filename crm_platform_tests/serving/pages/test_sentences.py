"""What the pages say in words: whether it is good, over which days, of whom, and what is not known."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from crm_platform.serving.pages.replies import MISSED
from crm_platform.serving.pages.tiles import Source, Tile
from crm_platform.settings import Settings
from crm_platform_tests.models.worlds import World
from crm_platform_tests.serving.pages.site import Site, publish_world

pytestmark = pytest.mark.slow  # it publishes worlds of its own

NOW = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PAGES = ("/executive", "/campaigns", "/support", "/audience")


@pytest.fixture(scope="module")
def saturdays(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Twelve customers write each day at noon for five weeks; on Saturdays nobody answers."""
    folder: Path = tmp_path_factory.mktemp("saturdays")
    world = World(folder, Settings(data_dir=folder))
    chats = [f"c{number}" for number in range(12)]
    world.sweep(NOW - dt.timedelta(hours=1), chats)
    for chat in chats:
        world.contact(chat, NOW - dt.timedelta(hours=1))
        world.chat(chat, known_until=NOW)
        world.fetch("list_messages", chat, NOW)
    for ago in range(2, 37, 2):
        asked = NOW.replace(hour=9, minute=0) - ago * DAY
        for chat in chats:
            world.message(chat, f"{chat}{ago}q", asked, "inbound")
            if asked.weekday() != 5:
                world.message(chat, f"{chat}{ago}a", asked + dt.timedelta(minutes=20), "outbound")
    unseen = {(NOW - 3 * DAY).date(): 0.003, (NOW - 4 * DAY).date(): 6.0}
    return publish_world(world, NOW, expected_unseen=unseen)


def sentence(site: Site, path: str, **headers: str) -> str:
    found = re.search(r'<p class="sentence[^>]*>(.*?)</p>', site.get(path, **headers).text)
    assert found is not None
    return found[1].replace("\u00a0", " ")


def test_the_sentence_judges(saturdays: Site):
    told = sentence(saturdays, "/support?range=28d")
    assert "took 20 min at the median in the last 28 days." in told
    assert "0.0 % of the conversations got theirs within the target of 15 min, 24 of 168 got none" in told
    assert "On Saturdays 100.0 % got none (25 Oct to 21 Nov), more than on any other weekday" in told


def test_a_figure_says_what_it_is_over_what_how_complete_and_whether_it_is_good(saturdays: Site):
    page = saturdays.get("/support?range=28d").text.replace("\u00a0", " ")
    sheet = page.partition('id="figure-first_response"')[2].partition('<div class="amount">')[0]
    for words in (
        "from their oldest message without a reply to the next reply by your team, day and night",
        "A conversation begins when a chat was quiet for 24 hours",
        "chats that never got a reply",
        "If bots reply, their replies count too: none is known",
        "No: it is over the target of 15 min. Of all 168 conversations that are decided 0.0 % got theirs in time, ",
        "days by Africa/Nairobi time",
        "144 first replies; 24 conversations got none; nothing is left out for an unknown beginning",
        "% of the messages that should be there are fetched",
        "Mon-Fri 08:00-17:00",
        "Definition version 2",
        "/receipt?table=kpi.response_times_daily",
    ):
        assert words in sheet, words


def test_the_longer_view_is_the_figure_of_four_weeks(saturdays: Site):
    def headline(path: str) -> str:
        return saturdays.get(path).text.partition('id="figure-first_response"')[2].partition('class="change')[0]

    four_weeks = re.search(r"<data [^>]*>(.*?)</data>", headline("/support?range=28d"))
    assert four_weeks is not None
    assert f"<dt>Over the last 28 full days</dt><dd>{four_weeks[1]}</dd>" in headline("/support?range=7d")
    assert "Over the last 28 full days" not in headline("/support?from=2026-11-02&to=2026-11-08")


def test_coverage_is_of_the_range_and_not_of_its_quietest_day(saturdays: Site):
    quiet = saturdays.published("select min(coverage) as c from kpi.response_times_daily where day < '2026-11-22'")
    assert quiet[0]["c"] == 0.0
    days = "day >= '2026-10-25' and day < '2026-11-22'"
    (sums,) = saturdays.published(
        f"select sum(stored) as stored, sum(expected_unseen) as unseen from core.coverage_daily where {days}"
    )
    expected = float(sums["stored"]) / (float(sums["stored"]) + sums["unseen"])
    assert 0.97 < expected < 0.99
    page = saturdays.get("/support?range=28d").text.replace("\u00a0", " ")
    assert f"{expected * 1000 // 1 / 10:.1f} % of messages seen" in page
    asked = "column=answer_rate&day_from=2026-10-25&day_to=2026-11-22"
    receipt = saturdays.get(f"/api/v1/kpis/response_times_daily/receipt?{asked}").json()
    assert receipt["coverage"] == pytest.approx(expected, rel=1e-12)
    assert receipt["is_provisional"] is False


def test_one_is_not_many(saturdays: Site):
    told = sentence(saturdays, "/support?from=2026-11-20&to=2026-11-20")
    assert "at the median on 20 Nov" in told
    for path in PAGES:
        page = saturdays.get(f"{path}?from=2026-11-20&to=2026-11-20").text.replace("\u00a0", " ")
        assert not re.search(r"\b1 (days|campaigns|conversations|contacts|first replies|rows)\b", page)
        assert "20 Nov to 20 Nov" not in page


def test_days_before_anything_is_known_are_not_called_quiet(saturdays: Site):
    told = sentence(saturdays, "/support?from=2020-01-01&to=2020-01-05")
    assert "Nothing is known of the messages from 1 Jan 2020 to 5 Jan 2020" in told
    assert "got none" not in told
    changed = saturdays.get("/executive?from=2020-01-01&to=2020-01-05").text.partition('<ul class="changes">')[2]
    assert "Nothing moved" in changed.partition("</ul>")[0]


def test_a_day_that_is_not_over_is_not_compared_with_whole_ones(saturdays: Site):
    page = saturdays.get("/executive?from=2026-11-22&to=2026-11-22").text
    tile = page.partition('id="figure-resolved"')[2].partition('id="figure-')[0]
    assert "nothing to compare with" in tile


def test_both_languages_know_the_sentences(saturdays: Site):
    told = sentence(saturdays, "/support?range=28d", cookie="lang=sw")
    assert "ndani ya lengo la dk 15" in told
    assert "Siku za Jumamosi, 100.0 % hayakupata jibu" in told


@pytest.mark.parametrize(
    ("now", "before", "trend", "counts"),
    [(3, 1, "more", (3, 1)), (0, 500, "fewer", (0, 500)), (2000, 1900, "more", None), (7, 7, "unmoved", (7, 7))],
)
def test_what_no_verdict_is_asked_of_is_never_called_better_or_worse(now: int, before: int, trend: str, counts: object):
    figure = Tile(words=MISSED, kind="count", value=now, previous=before, source=Source("kpi.x", "x"), good="down")
    assert (figure.trend, figure.counts) == (trend, counts)


@pytest.fixture(scope="module", params=[None, 50.0])
def unread(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Minutes after a new CRM was connected: contacts are listed, and no chat or one old one of ten is read."""
    folder: Path = tmp_path_factory.mktemp("unread")
    world = World(folder, Settings(data_dir=folder))
    chats = [f"c{number}" for number in range(10)]
    world.sweep(NOW - dt.timedelta(hours=1), chats)
    for chat in chats:
        world.contact(chat, NOW - dt.timedelta(hours=1))
    if request.param is None:
        return publish_world(world, NOW)
    world.chat("c0", known_until=NOW)
    world.fetch("list_messages", "c0", NOW)
    world.message("c0", "q", NOW - 60 * DAY, "inbound")
    world.message("c0", "a", NOW - 60 * DAY + dt.timedelta(minutes=20), "outbound")
    return publish_world(world, NOW, expected_unseen={(NOW - ago * DAY).date(): request.param for ago in range(60)})


@pytest.mark.parametrize("path", ["/executive", "/support"])
def test_what_is_not_read_yet_is_not_said_to_be_nothing(unread: Site, path: str):
    told = sentence(unread, path)
    assert "Of what is read so far, nobody had to be answered" in told
    assert "Of what is read so far, no chat waits now" in told
    figure = unread.get(path).text.partition('id="figure-first_response"')[2].partition('id="figure-')[0]
    assert "not known: too little is read so far" in figure
    assert "yaliyosomwa hadi sasa" in sentence(unread, path, **{"accept-language": "sw"})


def test_the_audience_is_told_in_words(saturdays: Site):
    told = sentence(saturdays, "/audience?range=28d")
    assert "12 contacts wrote in the last 28 days; 0 for the first time, 0 after 30 days of silence." in told
    assert "Nobody opted out." in told
    assert "Hakuna aliyejiondoa" in sentence(saturdays, "/audience?range=28d", cookie="lang=sw")
    assert "Personne ne s’est désinscrit" in sentence(saturdays, "/audience?range=28d", cookie="lang=fr")
    assert "Nobody wrote on 15 Nov" in sentence(saturdays, "/audience?from=2026-11-15&to=2026-11-15")
    assert "How many contacts wrote on 1 Jan is not known yet" in sentence(
        saturdays, "/audience?from=2026-01-01&to=2026-01-01"
    )


def test_who_is_new_is_not_told_while_histories_are_not_whole(site: Site):
    page = site.get("/audience").text.replace("\u00a0", " ")
    why = "not known: only 85.2 % of the histories are read to their beginning"
    for name in ("wrote_first", "came_back"):
        figure = page.partition(f'id="figure-{name}"')[2].partition('id="figure-')[0]
        assert 'value=""' in figure
        assert why in figure
    chart = page.partition('id="new_and_back"')[2].partition("</section>")[0]
    assert f'<p class="nothing">{why}</p>' in chart
