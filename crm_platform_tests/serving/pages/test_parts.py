"""The small parts: numbers, ranges, words, charts, costs."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH, Language
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.bars import Bar, BarChart, Cell, HeatMap
from crm_platform.serving.pages.chart import country
from crm_platform.serving.pages.costs import CampaignCosts, parse_costs, read_amount
from crm_platform.serving.pages.period import read_period
from crm_platform.serving.pages.svg import Size
from crm_platform.serving.pages.trends import ColumnChart, Flag, Line, LineChart, Rule, nice_ticks, spark_line

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
        ({}, "2026-10-25", "2026-11-21"),
        ({"range": "7d"}, "2026-11-15", "2026-11-21"),
        ({"range": "today"}, "2026-11-22", "2026-11-22"),
        ({"range": "yesterday"}, "2026-11-21", "2026-11-21"),
        ({"range": "28d"}, "2026-10-25", "2026-11-21"),
        ({"range": "month"}, "2026-11-01", "2026-11-21"),
        ({"from": "2026-11-01", "to": "2026-11-03"}, "2026-11-01", "2026-11-03"),
        ({"from": "2026-11-01", "to": "2027-01-01"}, "2026-11-01", "2026-11-22"),
        ({"from": "2026-11-20"}, "2026-11-20", "2026-11-21"),
    ],
)
def test_ranges(query, start, end):
    period = read_period(query, today=TODAY)
    assert (str(period.start), str(period.end)) == (start, end)
    before = period.previous()
    assert before.length == period.length
    assert before.end == period.start - dt.timedelta(days=1)


def test_the_first_of_a_month_is_its_own_range():
    first = dt.date(2026, 11, 1)
    period = read_period({"range": "month"}, today=first)
    assert (period.start, period.end) == (first, first)
    assert period.holds_today


def test_a_day_may_have_23_hours():
    havana = ZoneInfo("America/Havana")
    day = {"from": "2026-03-08", "to": "2026-03-08"}
    first, after = read_period(day, today=TODAY).bounds(havana)
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
        (b"name,price\n", "the first line must name"),
        (b"", "the first line must name"),
        (b"name,cost,value,cost\n", "a column twice"),
        ("name;cost;value\nÉté;1;2\n".encode("cp1252"), "save it as CSV in UTF-8"),
        ("name,cost,value\nx,1,2\n".encode("utf-16"), "save it as CSV in UTF-8"),
        (b"name,cost,value\n" + b"x" * 5_000_000, "larger than 5,000,000 bytes"),
        (b'name,cost,value\nx,1,2\n"' + b"x" * 200_000, "line 3 cannot be read"),
    ],
)
def test_a_file_that_is_none_of_costs_says_what_to_write(tmp_path, text, words):
    file = tmp_path / "campaign_costs.csv"
    file.write_bytes(text)
    with pytest.raises(FixConfiguration, match=words):
        parse_costs(file)


CAMPAIGNS = [{"campaign_id": f"c{n}", "name": name} for n, name in enumerate(["Sale", "Sale 2", "Twin", "Twin", None])]


def costs_of(folder: Path, text: str) -> CampaignCosts:
    file = folder / "campaign_costs.csv"
    file.write_text(text, encoding="utf-8", newline="")
    return parse_costs(file).of(CAMPAIGNS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Sale 2,dear,1", "cost 'dear' is no amount: write a plain number such as 1250.50"),
        ("Sale 2,,1", "cost is empty: write 0"),
        (",1,1", "neither campaign_id nor name"),
        ("Sale 2,nan,1", "is no amount"),
        ("Sale 2,-1,1", "is no amount"),
        ("Sale 2,1,1e3", "value '1e3' is no amount"),
        ("Sale 2,1.250,1", "cost '1.250' can mean two things: write 1250 or 1.2500"),
        ('Sale 2,1,"1,250"', "value '1,250' can mean two things: write 1250 or 1.2500"),
        ("Sale 2,1250,50,3000", "currency '3000' is none"),
        ("Sale 2,1250,50,3000,KES", "more values than the heading"),
        ("Sale 2;1;1", "cost is empty"),
        ("Nowhere,1,1", "no campaign is called 'Nowhere'"),
        ("Twin,1,1", "2 campaigns are called 'Twin': write a campaign_id ('c2', 'c3')"),
        ('"Sale 2,1,1\n', "a quotation mark is not closed"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_count(tmp_path, line: str, words: str):
    """Field case 43."""
    costs = costs_of(tmp_path, f"name,cost,value,currency\n\nSale,10,15,KES\n,,,\n{line}\n")
    assert {key: cost.gain for key, cost in costs.by_id.items()} == {"c0": 0.5}
    (wrong,) = costs.wrong
    assert str(wrong).startswith("line 5: ")
    assert words in wrong.words


def test_ids_say_which_campaign_and_none_is_counted_twice(tmp_path):
    costs = costs_of(
        tmp_path,
        "campaign_id,name,cost,value\nc3,Twin,10,15\nc9,Sale,1,1\nc1,,1,1\n,Sale 2,1,1\nc0,,5,\n",
    )
    assert {key: (cost.cost, cost.value) for key, cost in costs.by_id.items()} == {"c3": (10, 15), "c0": (5, None)}
    assert [(wrong.line, wrong.words.partition(":")[0]) for wrong in costs.wrong] == [
        (3, "no campaign has the id 'c9'"),
        (4, "the lines 4, 5 are of one campaign, 'c1'"),
        (5, "the lines 4, 5 are of one campaign, 'c1'"),
    ]


@pytest.mark.parametrize(
    ("before", "separator", "end"),
    [("", ",", "\n"), ("\ufeff", ";", "\r\n"), ("\ufeffsep=;\r\n", ";", "\r\n"), ("", "\t", "\r")],
)
def test_costs_are_read_as_spreadsheets_write_them(tmp_path, before: str, separator: str, end: str):
    rows = [
        ["Name", "Cost", " VALUE ", "notes", "Currency"],
        ["Sale", '"1250,50"', '"3.000,00"', "a\u2028b", "EUR"],
        ["", "", "", "", ""],
        ["Sale 2", "1\u00a0250.5", "1'000'000", "", "EUR", "", ""],
    ]
    costs = costs_of(tmp_path, before + end.join(separator.join(row) for row in rows))
    assert costs.wrong == []
    assert {key: (cost.cost, cost.value, cost.currency) for key, cost in costs.by_id.items()} == {
        "c0": (1250.5, 3000, "EUR"),
        "c1": (1250.5, 1_000_000, "EUR"),
    }


@given(
    whole=st.integers(0, 10**9),
    cents=st.integers(0, 99),
    grouping=st.sampled_from(["", ".", ",", " ", "'", "\u00a0", "\u202f"]),
    decimal=st.sampled_from([".", ","]),
)
def test_an_amount_is_read_rightly_or_refused(whole: int, cents: int, grouping: str, decimal: str):
    """However people write it, nothing is read as another amount."""
    assume(grouping != decimal)
    grouped = f"{whole:,}".replace(",", grouping)
    assert read_amount("cost", f"{grouped}{decimal}{cents:02}") == pytest.approx(whole + cents / 100)
    if whole < 1000 or grouping not in {".", ","} or whole >= 10**6:
        assert read_amount("cost", grouped) == whole
    else:
        with pytest.raises(ValueError, match="can mean two things"):
            read_amount("cost", grouped)


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


def test_a_triangle_writes_what_fits_and_gives_small_cohorts_no_shade():
    texts = ("45.9 %", "46 %", "46")
    cells = [[Cell(0.459, 1, texts=texts), Cell(0.2, 2, texts=("20.0 %",))], [Cell(0.9, 4, is_plain=True, texts=texts)]]
    triangle = HeatMap(rows=["Sep", "Oct"], columns=["1", "2"], cells=cells, row=30)
    wide, narrow = (ET.fromstring(triangle.svg(Size(width, 0), "Who came back")) for width in (544, 110))
    assert wide.attrib["viewBox"] == "0 0 544 82"
    looks = [one.attrib["class"] for one in wide if one.tag.endswith("rect")]
    assert looks == ["heat h8", "heat h3", "heat none"]  # the largest is of those with a shade, and nothing is empty
    assert [one.text for one in wide.iter() if "in" in one.attrib.get("class", "").split()] == [
        "45.9 %",
        "20.0 %",
        "45.9 %",
    ]
    assert [one.text for one in narrow.iter() if "in" in one.attrib.get("class", "").split()] == ["46 %", "46 %"]


def test_names_of_lines_stay_apart_and_above_those_of_the_days():
    days = [TODAY - dt.timedelta(days=number) for number in range(3)]
    lines = [Line(name, [9.0, 5.0, 0.0]) for name in ("one", "two", "three")]
    drawn = LineChart(days=days, lines=lines, words=str, day_words=str).svg(Size(544, 240), "Lines")
    places = [float(one.attrib["y"]) for one in ET.fromstring(drawn) if one.attrib.get("class", "").startswith("name")]
    assert sorted(places) == [190.0, 205.0, 220.0]


@pytest.mark.parametrize(("width", "words"), [(744, ["target 15"]), (326, ["target", "15"])])
def test_the_target_is_named_beyond_the_lines(width: int, words: list[str]):
    """Where its own line, or those of the figures, would strike it through."""
    days = [TODAY - dt.timedelta(days=number) for number in range(28)]
    lines = [Line("median", [1.0, 20.0] * 14)]
    drawn = ET.fromstring(
        LineChart(days=days, lines=lines, words=str, day_words=str, rule=Rule("target 15", 15)).svg(
            Size(width, 240), "L"
        )
    )
    (rule,) = [one for one in drawn if one.attrib.get("class") == "rule"]
    end = float(rule.attrib["d"].partition("H")[2])
    names = [one for one in drawn if one.attrib.get("class") == "rule-name"]
    assert [one.text for one in names] == words
    assert all(float(one.attrib["x"]) > end for one in names)
    assert all(float(one.attrib["x"]) + len(one.text or "") * 6.5 <= width for one in names)


@pytest.mark.parametrize("width", [544, 326])
def test_the_last_months_are_named_and_labelled(width: int):
    """The last one, and the one before it, which the headline's growth is of."""
    months = [dt.date(2026, number, 1) for number in range(1, 13)]
    names, labels = [f"{month:%b}" for month in months], [f"+{number}.1" for number in range(12)]
    values = [1000.0 + number for number in range(12)]
    columns = ColumnChart(names=names, stacks=[Line("c", values)], words=str, labels=labels, narrow=6)
    drawn = columns.svg(Size(width, 240), "Months")
    assert [one.text for one in of(drawn, "label")][-2:] == labels[-2:]
    assert [one.text for one in of(drawn, "tick")][-2:] == names[-2:]
    lines = LineChart(days=months, lines=[Line("x", values)], words=str, day_words=lambda day: f"{day:%b}")
    assert of(lines.svg(Size(width, 240), "Months"), "tick")[-1].text == "Dec"


def test_a_spark_line_of_many_days_is_one_of_weeks_and_keeps_the_open_day():
    path = of(spark_line([5.0, 1.0] * 45), "line")[0].attrib["d"]
    assert path.count("L") + 1 == 13
    drawn = spark_line([5.0, 1.0] * 45, open_from=89)
    assert [one.attrib["class"] for one in ET.fromstring(drawn)] == ["line first", "line open first", "hollow first"]
    assert of(spark_line([float(number) for number in range(30)]), "line")[0].attrib["d"].count("L") == 29


def test_few_bars_fill_the_height_and_many_keep_theirs():
    heights = {
        count: float(svg(BarChart(bars=[Bar("n", 1.0, "1")] * count).svg(Size(544, 240), "t")).attrib["height"])
        for count in (1, 3, 5, 20)
    }
    assert heights == {1: 64, 3: 184, 5: 244, 20: 604}


def test_days_with_a_note_carry_a_flag_and_flags_never_touch():
    days = [TODAY - dt.timedelta(days=number) for number in range(90)]
    flags = {10: Flag("1", "outage & more"), 11: Flag("2", "promotion"), 80: Flag("3", "late")}
    line = LineChart(days=days, lines=[Line("x", [1.0] * 90)], words=str, day_words=str, flags=flags)
    columns = ColumnChart(names=[""] * 90, stacks=[Line("x", [1.0] * 90)], words=str, days=days, flags=flags)
    for drawing in (line, columns):
        drawn = drawing.svg(Size(326, 240), "t")
        assert [one.text for one in of(drawn, "flagged")] == ["3", "2"]
        assert len(of(drawn, "pole")) == 3
        assert "<title>outage &amp; more</title>" in drawn
