"""The document needs nothing else, says what the pages say, and offers nothing to press; the workbook has its days."""

from __future__ import annotations

import io
import re
from collections import Counter

import openpyxl
import pytest

from crm_platform.languages import languages
from crm_platform.reports.making import Report, make, opened
from crm_platform.reports.recipients import PAGES
from crm_platform.reports.spans import read_span
from crm_platform.settings import load_settings
from crm_platform_tests.alerts.mailbox import Mailbox
from crm_platform_tests.reports.conftest import NO_CHROMIUM, Platform, Publish
from crm_platform_tests.serving.pages.site import read
from crm_platform_tests.serving.published import NOW, client_of


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, published: Publish) -> Platform:
    """One for all tests here, which only look."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"), chromium=NO_CHROMIUM)
    found = Platform(settings, Mailbox(), published)
    found.publish()
    return found


_MADE: dict[object, Report] = {}


def made(platform: Platform, *, language: str = "en", why: str = "", pages=PAGES) -> Report:
    """A report over the platform's week, made once."""
    key = (platform.settings.root, language, why, pages)
    if key not in _MADE:
        with opened(platform.settings) as published:
            assert published is not None
            _MADE[key] = make(
                published,
                read_span("week", "2026-W46"),
                settings=platform.settings,
                language=languages()[language],
                pages=pages,
                forms=("html", "xlsx"),
                now=NOW,
                why=why,
            )
    return _MADE[key]


def html_of(report: Report) -> str:
    return next(file.content for file in report.files if file.media_type == "text/html").decode()


def sheets_of(report: Report) -> openpyxl.Workbook:
    content = next(file.content for file in report.files if file.name.endswith(".xlsx"))
    return openpyxl.load_workbook(io.BytesIO(content))


@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(languages()))
def test_it_opens_without_the_network_and_offers_nothing_to_press(platform, language):
    html = html_of(made(platform, language=language))
    assert not re.findall(
        r"https?://|url\(|@import|\ssrc=|\shref=|<script|<link|<form|<input|<button|<a\b|\son\w+=", html
    )
    assert "default-src 'none'" in html
    assert f'<html lang="{language}"' in html
    ids = Counter(re.findall(r'\sid="([^"]+)"', html))
    assert [name for name, times in ids.items() if times > 1] == []


@pytest.mark.slow
def test_it_says_what_the_pages_say(platform):
    """The same figures, from the same sources, and the same sentence."""
    report = made(platform)
    figures = read(html_of(report)).figures
    with client_of(platform.settings.root) as client:
        answers = {one.page: client.get(one.address).text for one in report.said}
    assert figures == [figure for html in answers.values() for figure in read(html).figures]
    for one in report.said:
        assert one.sentence in read(answers[one.page]).words
        assert one.sentence in read(html_of(report)).words


@pytest.mark.slow
def test_its_head_says_which_days_and_how_much_of_them_is_seen(platform):
    words = read(html_of(made(platform))).words
    assert "Weekly report: 9 Nov 2026 to 15 Nov 2026" in words
    assert "As of 22\xa0Nov, 11:00 EAT" in words
    assert "sandbox data, made up" in words
    assert "Provisional" not in re.sub(r"\(Provisional\)", "", words)


@pytest.mark.slow
def test_a_provisional_one_says_so_on_every_page(platform):
    html = html_of(made(platform, why="12 Nov is not known"))
    assert html.count('<p class="draft">Provisional</p>') == len(PAGES)
    assert '@page { @top-right { content: "Provisional"; } }' in html
    assert "Provisional: 12 Nov is not known. These figures may move." in html


def test_definitions_stand_below_for_every_reader(platform):
    html = html_of(made(platform, pages=("support",)))
    assert '<section class="notes">' in html
    assert "First response time." in read(html).words


def test_the_workbook_has_figures_days_and_definitions(platform):
    book = sheets_of(made(platform))
    assert {"Figures", "response_times_daily", "campaign_performance", "Definitions"} <= set(book.sheetnames)
    days = [str(row[0])[:10] for row in book["response_times_daily"].iter_rows(min_row=2, values_only=True)]
    assert days == [f"2026-11-{day:02d}" for day in range(9, 16)]
    assert book["campaign_performance"].max_row == 1 + 7, "those sent in these days"
    first = ["\n".join(str(cell) for cell in row if cell) for row in book["Figures"].iter_rows(values_only=True)]
    assert first[0] == "Weekly report: 9 Nov 2026 to 15 Nov 2026"
    assert any(line.startswith("First response time") for line in first)
    names = {row[1] for row in book["Definitions"].iter_rows(values_only=True)}
    assert {"first_response_seconds_median", "coverage", "resolved"} <= names


def test_the_workbook_speaks_the_readers_language_and_holds_the_pages_asked_for(platform):
    book = sheets_of(made(platform, language="sw", pages=("support",), why="x"))
    assert book.sheetnames[0] == "Takwimu"
    assert "campaign_performance" not in book.sheetnames
    assert "contact_growth_daily" not in book.sheetnames
    assert any("Ya muda" in str(row[0]) for row in book["Takwimu"].iter_rows(values_only=True))
