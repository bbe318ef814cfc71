"""`crm kpi` on a terminal: whole days, values in their units, the columns that fit, and what was left out."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from crm_platform.cli import crm
from crm_platform.cli import kpi as kpi_module
from crm_platform.cli import words as words_module
from crm_platform.cli.words import fitting, write_rows
from crm_platform.languages import ENGLISH
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import published_tables
from crm_platform.schemas import KpiTable
from crm_platform_tests.analysts.conftest import crawled_and_published

pytestmark = pytest.mark.slow  # it crawls and publishes a world of its own

TABLES = [table.full_name() for table in published_tables()]
KPIS = [table for table in published_tables() if issubclass(table, KpiTable) and table.key]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return crawled_and_published(tmp_path_factory.mktemp("terminal") / "data", contacts=20, days=35)


@pytest.fixture
def call(settings, monkeypatch):
    """Call `crm kpi` in a pipe."""
    monkeypatch.setattr(kpi_module, "current_settings", lambda: settings)
    return lambda *arguments: CliRunner().invoke(crm, ["kpi", *arguments])


@dataclass
class Drawn:
    """A screen, the columns that were drawn on it, and what was said beside it."""

    screen: str
    columns: list[str]
    said: str

    @property
    def lines(self) -> list[str]:
        return [*self.screen.splitlines(), *self.said.splitlines()]


@pytest.fixture
def draw(call, monkeypatch):
    """Call `crm kpi` on a terminal of a width."""

    def called(width: int, *arguments: str) -> Drawn:
        screen = io.StringIO()
        terminal = Console(file=screen, force_terminal=True, width=width, color_system=None)
        for module in (kpi_module, words_module):
            monkeypatch.setattr(module, "console", lambda: terminal)
        columns: list[str] = []
        monkeypatch.setattr(
            kpi_module, "write_rows", lambda names, rows, **how: (columns.extend(names), write_rows(names, rows, **how))
        )
        result = call(*arguments)
        assert result.exit_code == 0, result.output
        return Drawn(screen.getvalue(), columns, result.stderr)

    return called


@pytest.mark.parametrize("name", TABLES)
def test_no_line_is_wider_than_the_terminal(draw, name):
    for width in (60, 80, 97, 200):
        found = draw(width, name, "--limit", "5")
        assert max(map(cell_len, found.lines)) <= width
        assert "…" not in found.screen, "nothing is cut"


@example_settings(max_examples=50, deadline=None)
@given(
    width=st.integers(60, 200),
    names=st.lists(
        st.from_regex(r"[a-z0-9]{1,12}(_[a-z0-9]{1,12}){0,4}(_id)?", fullmatch=True), min_size=1, max_size=9
    ),
    data=st.data(),
)
def test_whatever_the_rows_hold_no_line_is_wider_than_the_terminal(width, names, data):
    cells = st.one_of(
        st.none(), st.integers(), st.floats(), st.dates(), st.text(max_size=90), st.text("漢字", max_size=50)
    )
    rows = data.draw(st.lists(st.tuples(*(cells for _ in names)), max_size=3))
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, color_system=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "console", lambda: terminal)
        write_rows(names, rows, form="table", title="A title as long as those of tables: kpi.one as of 2026-11-22 UTC")
    assert max(map(cell_len, screen.getvalue().splitlines())) <= width


def test_columns_that_stand_first_are_shown_first_and_a_narrow_one_fills_what_is_left():
    names, cells = ["day", "agent", "long", "n"], [["2026-11-20", "a" * 30, "b" * 30, "7"]]
    assert fitting(names, cells, width=200) == [0, 1, 2, 3]
    assert fitting(names, cells, width=60) == [0, 1, 3]
    assert fitting(names[:3], cells, width=10) == [0], "never nothing"


@pytest.mark.parametrize("table", KPIS, ids=lambda table: table.full_name())
def test_80_columns_show_what_names_a_row_whole_days_and_what_was_left_out(draw, call, table):
    found = draw(80, table.full_name())
    assert set(table.key) <= set(found.columns), "the key"
    assert "is_provisional" in found.columns
    own = [name for name in table.columns if name not in {"as_of", "definition_version"}]
    assert found.columns == [name for name in own if name in found.columns], "in the order of the table"
    left_out = [name for name in own if name not in found.columns]
    said = " ".join(found.said.split())
    assert (f"left out: {', '.join(left_out)}. --columns" in said) == bool(left_out)
    assert f"definition {table.version}" in found.screen
    if table.period == "day":
        days = [
            json.loads(line)["day"] for line in call(table.full_name(), "--json", "--limit", "30").output.splitlines()
        ]
        assert all(day in found.screen for day in days)


def test_alerts_watch_what_is_shown_first(draw):
    watched = {name for name, column in ResponseTimesDaily.columns.items() if column.figure and column.figure.watch}
    assert watched <= set(draw(80, "response_times_daily").columns)


def test_values_are_in_their_units(draw, call):
    found = draw(
        200, "response_times_daily", "--columns", "day,first_response_seconds_median,answer_rate,is_provisional"
    )
    raw = [json.loads(line) for line in call("response_times_daily", "--json", "--limit", "30").output.splitlines()]
    row = next(row for row in raw if row["first_response_seconds_median"])
    words = [
        row["day"],
        ENGLISH.duration(row["first_response_seconds_median"]),
        f"{row['answer_rate']:.1%}",
        "no",
    ]
    assert any(line.split() == " ".join(words).split() for line in found.screen.splitlines())


def test_weekdays_hours_and_months_are_readable(draw):
    assert "Mon       00:00" in draw(80, "message_volume_hourly").screen
    assert " 2026-10 " in draw(80, "contact_growth_monthly").screen


def test_the_only_row_is_drawn_as_lines(draw):
    found = draw(80, "backlog_now")
    assert found.columns == ["figure", "value", "meaning"]
    assert all(
        f" {name} " in found.screen for name in ("open_waits", "oldest_open_wait_seconds", "windows_expiring_2h")
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_executive_summary_shows_the_response_time(draw, width):
    lines = draw(width, "executive_summary").screen.splitlines()
    (line,) = [line for line in lines if line.startswith(" first response seconds")]
    assert " min " in line or " h " in line or " s " in line


def test_the_reader_chooses_columns_and_their_order(draw, call):
    chosen = "waits,day,as_of"
    assert draw(80, "response_times_daily", "--columns", chosen).columns == ["waits", "day", "as_of"]
    assert draw(80, "executive_summary", "--columns", "open_waits").screen.count("open_waits") == 1


def test_what_is_chosen_but_does_not_fit_is_said(draw):
    chosen = ",".join(name for name in ResponseTimesDaily.columns)
    found = draw(60, "response_times_daily", "--columns", chosen)
    assert found.columns[:3] == ["day", "left_truncated_waits", "waits"]
    assert "left out: " in found.said


def test_chosen_columns_of_programs_stay_raw(call):
    (first, *_) = csv.DictReader(
        io.StringIO(call("message_volume_hourly", "--csv", "--columns", "hour, weekday").output)
    )
    assert first == {"hour": "0", "weekday": "0"}
    day = json.loads(call("response_times_daily", "--json", "--limit", "1", "--columns", "day,coverage").output)
    assert list(day) == ["day", "coverage"]
    assert isinstance(day["coverage"], float)
    assert call("message_volume_hourly", "--columns", "weekday,hour").output.startswith("weekday\thour\n0\t0\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["response_times_daily", "--columns", "day,wait"], "no column 'wait' (did you mean waits"),
        (["response_times_daily", "--columns", "answer_rat,zzz"], "'answer_rat' (did you mean answer_rate"),
        (["response_times_daily", "--columns", "zzz"], "'zzz' (there is day, "),
        (["response_times_daily", "--columns", " , "], "no column ' , '"),
        (["--columns", "day"], "--columns needs a table"),
    ],
)
def test_unknown_columns_are_named_with_the_nearest(call, arguments, words):
    result = call(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_rows_that_are_not_drawn_are_told(draw):
    found = draw(80, "message_volume_hourly")
    assert "30 of 168 rows; --limit N shows more" in found.said
    assert "rows;" not in draw(80, "message_volume_hourly", "--limit", "200").said
