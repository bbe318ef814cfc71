"""Weeks and months by their names, and which are over."""

from __future__ import annotations

import datetime as dt

import pytest

from crm_platform.languages import languages
from crm_platform.reports.spans import finished, read_span, span_of


@pytest.mark.parametrize(
    ("every", "day", "name", "start", "end"),
    [
        ("week", "2026-11-22", "2026-W47", "2026-11-16", "2026-11-22"),
        ("week", "2027-01-01", "2026-W53", "2026-12-28", "2027-01-03"),
        ("week", "2024-12-30", "2025-W01", "2024-12-30", "2025-01-05"),
        ("month", "2026-11-22", "2026-11", "2026-11-01", "2026-11-30"),
        ("month", "2028-02-29", "2028-02", "2028-02-01", "2028-02-29"),
    ],
)
def test_a_day_is_in_one_week_and_one_month(every, day, name, start, end):
    span = span_of(every, dt.date.fromisoformat(day))
    assert (span.name, str(span.start), str(span.end)) == (name, start, end)
    assert read_span(every, name) == span


@pytest.mark.parametrize("text", ["", "2026-47", "2026-W00", "2026-W54", "2025-W53", "W47", "1999-W10", "2026-w47"])
def test_what_is_no_week_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"is no week; write one such as 2026-W47"):
        read_span("week", text)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-W47", "2026-11-01", "٢٠٢٦-11"])
def test_what_is_no_month_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"is no month; write one such as 2026-11"):
        read_span("month", text)


def test_a_week_is_over_on_the_monday_after_it():
    names = [[span.name for span in finished("week", dt.date(2026, 11, day), most=2)] for day in (22, 23)]
    assert names == [["2026-W45", "2026-W46"], ["2026-W46", "2026-W47"]]


def test_months_go_back_over_the_turn_of_the_year():
    assert [span.name for span in finished("month", dt.date(2027, 2, 1), most=3)] == ["2026-11", "2026-12", "2027-01"]


def test_a_title_names_its_dates_in_the_readers_language():
    span = read_span("week", "2026-W47")
    titles = [span.title(languages()[code]) for code in ("en", "sw")]
    assert titles == ["Weekly report: 16 Nov 2026 to 22 Nov 2026", "Ripoti ya wiki: 16 Nov 2026 hadi 22 Nov 2026"]
