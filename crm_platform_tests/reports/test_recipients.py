"""`reports.csv`: a line is a recipient, or is named with what to write; no message tells an address."""

from __future__ import annotations

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.reports.recipients import read_recipients

HOOK = "https://hooks.example.com/SECRETSECRET"


@pytest.fixture
def platform(make_platform):
    return make_platform()


def test_there_need_be_no_file(platform):
    assert read_recipients(platform.settings) == []


def test_a_line_is_a_recipient(platform):
    platform.to("mailto:lead@example.com,Week,sw,support executive,xlsx html", "", f"{HOOK},month")
    mail, hook = read_recipients(platform.settings)
    assert (mail.way, mail.name, mail.every, mail.language.code) == ("e-mail", "lead@example.com", "week", "sw")
    assert (mail.pages, mail.forms, mail.line) == (("executive", "support"), ("html", "xlsx"), 2)
    assert (hook.way, hook.name, hook.every, hook.line) == ("webhook", "https://hooks.example.com/…", "month", 4)
    assert hook.language == platform.settings.language
    assert (len(hook.pages), hook.forms) == (4, ("pdf", "xlsx"))
    assert "SECRET" not in f"{hook} {hook.id} {hook.place}"


def test_columns_that_nobody_needs_may_be_left_out(platform):
    platform.to("week, lead@example.com", heading="\ufeffEvery, To")
    assert [one.name for one in read_recipients(platform.settings)] == ["lead@example.com"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lead,week", "line 2: to is neither; write mailto:lead@example.com, or a webhook's address, https://…"),
        ("mailto:a@example.com;b@example.com,week", "line 2: to is no mail address; write one such as mailto:"),
        ("ftp://SECRET.example.com,week", "line 2: to is neither"),
        ("http://hooks.example.com/SECRET,week", "line 2: over http:// the address"),
        (f"{HOOK},daily", "line 2: every is 'daily'; write week or month"),
        (f"{HOOK},week,tlh", "line 2: language 'tlh' has no words; write one of en, fr, sw"),
        (f"{HOOK},week,en,now", "line 2: page 'now' is none; write executive, campaigns, support, audience"),
        (f"{HOOK},week,en,,docx", "line 2: format 'docx' is none; write pdf, html, xlsx"),
        (f"{HOOK},week,en,support,pdf,xlsx", "line 2: it has more values than the heading"),
        (f"{HOOK},week\n{HOOK},week", "line 3: line 2 sends there every week already"),
        (f'"{HOOK},week', "it is no CSV"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_what_to_write(platform, line, told):
    platform.to(line)
    with pytest.raises(FixConfiguration) as refused:
        read_recipients(platform.settings)
    assert told in str(refused.value)
    assert str(refused.value).startswith("reports.csv, line ")
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("heading", ["", "to", "to,every,languge", "to,every,to"])
def test_a_heading_names_the_columns_that_there_are(platform, heading):
    platform.to("a@example.com,week,en", heading=heading)
    with pytest.raises(FixConfiguration, match="the first line must name the columns: to,every,language,pages,format"):
        read_recipients(platform.settings)


def test_one_address_may_get_both_weeks_and_months(platform):
    platform.to(f"{HOOK},week", f"{HOOK},month")
    assert len({one.id for one in read_recipients(platform.settings)}) == 2
