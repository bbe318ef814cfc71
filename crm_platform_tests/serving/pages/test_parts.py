"""The small parts: numbers, ranges, words, charts, costs."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH, Language
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.bars import Bar, BarChart, HeatMap
from crm_platform.serving.pages.chart import country
from crm_platform.serving.pages.costs import parse_costs
from crm_platform.serving.pages.period import read_period
from crm_platform.serving.pages.svg import Size
from crm_platform.serving.pages.trends import ColumnChart, Line, LineChart, Rule, nice_ticks, spark_line

TODAY = dt.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("seconds", "english", "swahili"),
    [
        (0, "0 s", "sek 0"),
        (0.44, "0.4 s", "sek 0.4"),
        (5.0, "5 s", "sek 5"),
        (9.97, "10 s", "sek 10"),
        (42.4, "42 s", "sek 42"),
        (252.3, "4 min 12 s", "dk 4 sek 12"),
        (300, "5 min", "dk 5"),
        (3600, "1 h", "saa 1"),
        (3900, "1 h 05 min", "saa 1 dk 05"),
        (11_400, "3 h 10 min", "saa 3 dk 10"),
        (86_400 * 2 + 3600 * 4, "2 d 4 h", "siku 2 saa 4"),
        (59.7, "1 min", "dk 1"),
    ],
)
def test_durations(seconds, english, swahili):
    assert numbers.duration(ENGLISH, seconds).replace("\u00a0", " ") == english
    assert numbers.duration(Language("sw"), seconds).replace("\u00a0", " ") == swahili


def test_numbers():
    assert numbers.count(ENGLISH, 12_345) == "12,345"
    assert numbers.short_count(ENGLISH, 12_345) == "12.3\u00a0k"
    assert numbers.short_count(ENGLISH, 999) == "999"
    assert numbers.short_count(ENGLISH, 2_500_000) == "2.5\u00a0M"
    assert numbers.percent(ENGLISH, 0.8953) == "89.5\u00a0%"
    assert numbers.seen(ENGLISH, 0.99999) == "99.9\u00a0%"
    assert numbers.seen(ENGLISH, 1) == "100.0\u00a0%"
    assert numbers.value(ENGLISH, "growth", -0.021) == "\u22122.1\u00a0%"
    assert numbers.value(ENGLISH, "growth", 0.021) == "+2.1\u00a0%"
    assert numbers.value(ENGLISH, "rate", None) == "–"
    assert numbers.difference(ENGLISH, "rate", 0.42, 0.40) == "2.0\u00a0pp"
    assert numbers.difference(ENGLISH, "count", 84, 72) == "16.7\u00a0%"
    assert numbers.difference(ENGLISH, "count", 5, 0) == "5"
    assert numbers.month(Language("sw"), TODAY) == "Nov\u00a02026"


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ({}, "2026-11-15", "2026-11-21"),
        ({"range": "28d"}, "2026-10-25", "2026-11-21"),
        ({"range": "month"}, "2026-11-01", "2026-11-21"),
        ({"from": "2026-11-01", "to": "2026-11-03"}, "2026-11-01", "2026-11-03"),
        ({"from": "2026-11-01", "to": "2027-01-01"}, "2026-11-01", "2026-11-22"),
        ({"from": "2026-11-20"}, "2026-11-20", "2026-11-21"),
    ],
)
def test_ranges(query, start, end):
    period = read_period(query, today=TODAY, default="7d")
    assert (str(period.start), str(period.end)) == (start, end)
    before = period.previous()
    assert before.length == period.length
    assert before.end == period.start - dt.timedelta(days=1)


def test_the_first_of_a_month_is_its_own_range():
    first = dt.date(2026, 11, 1)
    period = read_period({"range": "month"}, today=first, default="7d")
    assert (period.start, period.end) == (first, first)
    assert period.holds_today


def test_a_day_may_have_23_hours():
    havana = ZoneInfo("America/Havana")
    day = {"from": "2026-03-08", "to": "2026-03-08"}
    first, after = read_period(day, today=TODAY, default="7d").bounds(havana)
    assert after - first == dt.timedelta(hours=23)


def svg(text: str) -> ET.Element:
    return ET.fromstring(text)


def of(chart: str, look: str) -> list[ET.Element]:
    return [one for one in svg(chart).iter() if look in one.get("class", "").split()]


def test_a_line_is_broken_where_a_day_is_missing_and_open_at_the_end():
    days = [dt.date(2026, 11, 1) + dt.timedelta(days=number) for number in range(6)]
    chart = LineChart(
        days=days,
        lines=[Line("x", [1, 2, None, 4, 5, 6])],
        words=str,
        day_words=str,
        rule=Rule("target", 3),
        open_from=5,
    ).svg(Size(500, 200), "A & B. <d>")
    assert svg(chart).get("role") == "img"
    assert svg(chart).get("aria-label") == "A & B. <d>"
    whole = [one for one in of(chart, "line") if "open" not in one.get("class", "")]
    assert [one.get("d", "").count("L") for one in whole] == [1, 1]
    assert len([one for one in of(chart, "line") if "open" in one.get("class", "")]) == 1
    assert len(of(chart, "hollow")) == 1
    assert len(of(chart, "rule")) == 1


def test_columns_begin_at_zero_and_stack():
    parts = [Line("a", [1, 0, None]), Line("b", [1, 4, 2])]
    drawing = ColumnChart(names=["x", "y", "z"], stacks=parts, words=str)
    chart = drawing.svg(Size(400, 200), "t")
    bars = of(chart, "bar")
    assert len(bars) == 4
    feet = {round(float(one.get("y", 0)) + float(one.get("height", 0)), 1) for one in bars}
    assert 176.0 in feet
    heights = [float(one.get("height", 0)) for one in bars]
    assert heights[2] == pytest.approx(4 * heights[0], rel=0.02)


def test_nothing_is_drawn_of_nothing():
    days, line, empty = [TODAY], Line("x", [None]), [[None] * 3]
    drawings = (
        BarChart(bars=[]),
        HeatMap(rows=["a"], columns=list("xyz"), cells=empty),
        LineChart(days=days, lines=[line], words=str, day_words=str),
        ColumnChart(names=[], stacks=[], words=str),
    )
    assert [drawing.svg(Size(300, 90), "t") for drawing in drawings] == [""] * 4
    assert spark_line([None, 1]) == ""


def test_long_names_are_cut_and_intervals_drawn():
    bars = [Bar("n" * 300, 0.5, "50 %", 0.4, 0.6), Bar("<b>", None, "–")]
    chart = BarChart(bars=bars).svg(Size(326, 100), "t")
    assert "…" in chart
    assert len(of(chart, "interval")) == 1
    assert "<b>" not in chart


def test_ticks_are_round():
    assert nice_ticks(6) == [0, 2, 4, 6]
    assert nice_ticks(0) == [0, 1]
    assert nice_ticks(0.8, whole=False) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert nice_ticks(2000, about=3) == [0, 1000, 2000]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,price\n", "the first line must name"),
        ("name,cost,value\nx,dear,1\n", "line 2: cost 'dear' is no amount"),
        ("name,cost,value\nx,,1\n", "cost is empty"),
        ("name,cost,value\n,1,1\n", "neither campaign_id nor name"),
        ("name,cost,value\nx,1,1\nx,2,2\n", "x stands there twice"),
        ("name,cost,value\nx,nan,1\n", "is no amount"),
        ("name,cost,value\nx,-1,1\n", "is no amount"),
    ],
)
def test_a_wrong_cost_file_says_which_line_and_what_to_write(tmp_path, text, words):
    file = tmp_path / "campaign_costs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FixConfiguration, match=words):
        parse_costs(file)


def test_costs_by_id_win_and_shared_names_count_for_none(tmp_path):
    file = tmp_path / "campaign_costs.csv"
    file.write_text(
        "\ufeffcampaign_id,name,cost,value,currency\nc1,,10,15,KES\n,Sale,5,,KES\n,Twin,1,1,KES\n", encoding="utf-8"
    )
    campaigns = [{"campaign_id": f"c{n}", "name": name} for n, name in enumerate(["Sale", "Sale 2", "Twin", "Twin"])]
    found = parse_costs(file).of(campaigns)
    assert set(found) == {"c0", "c1"}
    assert found["c1"].gain == 0.5
    assert found["c0"].gain is None


@pytest.mark.parametrize(
    ("language", "code", "words"),
    [
        ("en", "KE", "Kenya"),
        ("en", "DE", "Germany"),
        ("sw", "DE", "Ujerumani"),
        ("en", "XX", "XX"),
        ("en", "001", "world"),
    ],
)
def test_a_country_is_called_by_its_name(language: str, code: str, words: str):
    assert Language(language).region(code) == words
    assert country(Language(language), "(unknown)") in {"not known", "haijulikani"}
