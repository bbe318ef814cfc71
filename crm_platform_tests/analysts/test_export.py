"""`crm export`: every format holds what is published, nothing is overwritten or left half, everything is recorded."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import functools
import json
from pathlib import Path

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from crm_platform import core
from crm_platform.cli import analysts, crm, main
from crm_platform.errors import FixConfiguration, InvalidRequest
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.contact_growth_monthly.table import ContactGrowthMonthly
from crm_platform.metrics.contacts_by_country.table import ContactsByCountry
from crm_platform.metrics.contacts_by_segment.table import ContactsBySegment
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import excel, published_tables
from crm_platform.publish import export as export_module
from crm_platform.publish.audit import Audit
from crm_platform.publish.csv_writer import csv_cell, csv_document
from crm_platform.publish.export import export, file_name
from crm_platform.publish.parquet import published_columns
from crm_platform.schemas import KpiTable, Type
from crm_platform.settings import Settings, current_settings

ALL = published_tables()
SOME_THEN_ALL = [*ALL[::5], *(pytest.param(table, marks=pytest.mark.slow) for table in ALL if table not in ALL[::5])]
KPIS = [table for table in ALL if issubclass(table, KpiTable)]


@functools.cache
def opened(database: Path) -> duckdb.DuckDBPyConnection:
    """The shared snapshot's database; to open it costs more than to ask it."""
    return duckdb.connect(str(database), read_only=True)


def published(snapshot, table):
    order = ", ".join(f'"{key}"' for key in table.key if key in published_columns(table)) or "all"
    return opened(snapshot.database).execute(f"select * from {table.full_name()} order by {order}").fetchall()


def audited(settings) -> list[dict]:
    files = sorted(settings.audit_dir.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def run(settings, monkeypatch):
    """Run `crm export` on the published data."""
    monkeypatch.setenv("CRM_DATA_DIR", str(settings.root))
    current_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(crm, ["export", *map(str, arguments)])
    current_settings.cache_clear()


# What is in the files.


@pytest.mark.parametrize("table", SOME_THEN_ALL, ids=lambda table: table.full_name())
def test_parquet_is_the_published_table(settings, snapshot, tmp_path, table):
    file = tmp_path / "table.parquet"
    written = export(settings, snapshot, [table], form="parquet", to=file, who="test")
    found = pq.read_table(file)
    assert found.column_names == list(published_columns(table))
    assert duckdb.sql(f"from '{file}'").fetchall() == published(snapshot, table)
    assert written.rows == found.num_rows
    about = {key.decode(): value.decode() for key, value in pq.read_metadata(file).metadata.items()}
    assert about["table"] == table.full_name()
    assert about["description"] == table.description()
    assert about["snapshot"] == snapshot.id
    assert dt.datetime.fromisoformat(about["as_of"]) == snapshot.as_of


def parse(text: str, kind: Type) -> object:
    if text == "":
        return None
    if kind is Type.BOOLEAN:
        return {"true": True, "false": False}[text]
    if kind is Type.TIMESTAMP:
        assert text.endswith("Z")
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    readers = {Type.INTEGER: int, Type.FLOAT: float, Type.DATE: dt.date.fromisoformat}
    return readers.get(kind, str)(text)


@pytest.mark.slow
@pytest.mark.parametrize("table", SOME_THEN_ALL, ids=lambda table: table.full_name())
def test_csv_reads_back_as_the_published_table(settings, snapshot, tmp_path, table):
    file = tmp_path / "table.csv"
    export(settings, snapshot, [table], form="csv", to=file, who="test")
    with file.open(encoding="utf-8", newline="") as lines:
        names, *rows = csv.reader(lines, strict=True)
    columns = published_columns(table)
    assert names == list(columns)
    kinds = [column.type for column in columns.values()]
    assert [tuple(map(parse, row, kinds)) for row in rows] == published(snapshot, table)


def test_csv_lines_end_as_rfc_4180_says(settings, snapshot, tmp_path):
    export(settings, snapshot, [ContactsByCountry], form="csv", to=tmp_path / "a.csv", who="test")
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"region,contacts,share,active_30d,as_of,")
    assert content.count(b"\r\n") == content.count(b"\n") == snapshot.tables["kpi.contacts_by_country"] + 1


def cell(value: object) -> object:
    """What a spreadsheet keeps of a value: its numbers have 15 digits, its times are good to a millisecond."""
    if isinstance(value, int) and abs(value) >= 10**15:
        return str(value)
    if isinstance(value, dt.datetime):
        return value.replace(microsecond=0)
    return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else value


def about_equal(found: object, expected: object) -> bool:
    if isinstance(found, dt.datetime) and isinstance(expected, dt.datetime):
        return abs(found - expected) < dt.timedelta(seconds=1.5)
    if isinstance(expected, float) and not isinstance(found, str | None):
        return float(found) == pytest.approx(expected, rel=1e-14)  # 16 digits are written
    return found == expected


@pytest.mark.slow
def test_excel_has_a_sheet_a_table_after_one_that_explains_them(settings, snapshot, tmp_path):
    file = tmp_path / "all.xlsx"
    export(settings, snapshot, ALL, form="xlsx", to=file, who="test")
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["About", *map(file_name, ALL)]
    for table in ALL:
        names, *rows = book[file_name(table)].iter_rows(values_only=True)
        assert list(names) == list(published_columns(table))
        expected = published(snapshot, table)
        assert len(rows) == len(expected)
        for found, row in zip(rows, expected, strict=True):
            assert all(map(about_equal, found, map(cell, row))), (table.full_name(), found, row)


@pytest.mark.slow
def test_the_first_sheet_says_when_how_complete_and_what(settings, snapshot, tmp_path):
    file = tmp_path / "all.xlsx"
    export(settings, snapshot, KPIS, form="xlsx", to=file, who="test")
    lines = [
        [cell for cell in row if cell not in {None, ""}]
        for row in openpyxl.load_workbook(file)["About"].iter_rows(values_only=True)
    ]
    assert ["as of", f"{snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC"] in lines
    assert ["snapshot", snapshot.id] in lines
    assert ["time zone of days", "Africa/Nairobi"] in lines
    for table in KPIS:
        (line,) = [line for line in lines if line[1:2] == [table.full_name()]]
        assert snapshot.tables[table.full_name()] in line
        assert table.description() in line
        for name, column in published_columns(table).items():
            unit = [column.unit] if column.unit else []
            assert [table.table, name, column.type.value, *unit, column.description] in lines


@pytest.mark.parametrize(
    ("table", "column", "shown"),
    [
        (CampaignPerformance, "read_per_delivered", "0.0%"),
        (CampaignPerformance, "read_per_delivered_low", "0.0%"),
        (CampaignPerformance, "api_rate_gap", "General"),  # percentage points
        (CampaignPerformance, "sent_at", "yyyy-mm-dd hh:mm:ss"),
        (ContactGrowthMonthly, "monthly_growth_rate", "0.0%"),
        (ContactGrowthMonthly, "month", "yyyy-mm-dd"),
        (ResponseTimesDaily, "response_seconds_median", "0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cell_is_shown_by_what_it_is(settings, snapshot, tmp_path, *, table, column, shown):
    export(settings, snapshot, [table], form="xlsx", to=tmp_path / "a.xlsx", who="test")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")[table.table]
    place = list(table.columns).index(column)
    assert {row[place].number_format for row in sheet.iter_rows(min_row=2) if row[place].value is not None} == {shown}


def test_equal_snapshots_give_equal_files(settings, snapshot, tmp_path):
    for form in ("xlsx", "csv", "parquet"):
        one, other = (
            export(settings, snapshot, [BacklogDaily], form=form, to=tmp_path / f"{name}.{form}", who="test").files
            for name in ("one", "other")
        )
        assert one[0].read_bytes() == other[0].read_bytes()


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.full_name())
def test_a_table_has_a_name_that_excel_takes(table):
    assert len(file_name(table)) <= 31
    assert file_name(table).lower() != "about"


@pytest.mark.slow
def test_a_new_kpi_is_exported_without_further_ado(build, tmp_path):
    snapshot = build.publish()
    table = build.tables["kpi.volume_daily"]
    export(build.settings, snapshot, [table], form="csv", to=tmp_path / "a.csv", who="test")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "day,messages,read_rate,as_of,coverage,is_provisional,definition_version",
        "2026-11-21,2,,2026-11-22T08:00:00Z,0.9,true,3",
    ]


# Formulas.


@pytest.mark.parametrize("text", ["=1+1", "+254", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"])
def test_a_text_that_would_run_is_disarmed(text):
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "(none)", "VIP", "a=b", "'=1", "7 - 3", "fridah@savanna-traders.example"])
def test_any_other_text_stays(text):
    assert csv_cell(text) == text


def test_values_stand_in_one_form():
    row = (None, True, False, 7, 0.1, 1e-7, dt.date(2026, 11, 22), dt.datetime(2026, 11, 22, 8), 'a "b"', "c,d\r\ne")
    names = [f"c{number}" for number in range(len(row))]
    assert csv_document(names, [row]).removeprefix(f"{','.join(names)}\r\n") == (
        ',true,false,7,0.1,1e-07,2026-11-22,2026-11-22T08:00:00Z,"a ""b""","c,d\r\ne"\r\n'
    )


HOSTILE = '=HYPERLINK("http://x","y")'


@pytest.fixture
def hostile(settings, tmp_path, monkeypatch):
    """The same snapshot, but a contact's field says a formula."""
    snapshot = export_module.Snapshot(
        id="hostile", path=tmp_path / "hostile", as_of=dt.datetime(2026, 11, 1, tzinfo=dt.UTC), tables={}, bytes=0
    )
    snapshot.path.mkdir()
    real = (settings.published_dir / "current").resolve()
    (snapshot.path / "manifest.json").write_bytes((real / "manifest.json").read_bytes())
    snapshot.database.write_bytes((real / "analytics.duckdb").read_bytes())
    with duckdb.connect(str(snapshot.database)) as connection:
        connection.execute("update kpi.contacts_by_segment set value = ?, share = -0.5", [HOSTILE])
    return snapshot


def test_a_formula_in_a_field_never_runs(settings, hostile, tmp_path):
    table = ContactsBySegment
    for form in ("csv", "xlsx", "parquet"):
        export(settings, hostile, [table], form=form, to=tmp_path / f"out.{form}", who="test")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines))
    assert row["value"] == f"'{HOSTILE}"
    assert row["share"] == "-0.5"  # a number is no text: its sign stays
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")[table.table]
    assert {(row[1].value, row[1].data_type) for row in sheet.iter_rows(min_row=2)} == {(HOSTILE, "s")}
    assert set(pq.read_table(tmp_path / "out.parquet")["value"].to_pylist()) == {HOSTILE}


def test_a_text_that_no_cell_holds_is_cut_and_characters_that_xml_has_not_are_replaced(settings, hostile, tmp_path):
    """Field case 76."""
    with duckdb.connect(str(hostile.database)) as connection:
        connection.execute("update kpi.contacts_by_segment set value = repeat('x', 32768)")
        connection.execute("update kpi.contacts_by_segment set value = repeat('😀', 20000) where field = 'VIP'")
        connection.execute("update kpi.contacts_by_segment set field = 'a' || chr(1) || chr(11) || chr(65535) || 'b'")
    export(settings, hostile, [ContactsBySegment], form="xlsx", to=tmp_path / "a.xlsx", who="test")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")[ContactsBySegment.table]
    rows = [[cell.value for cell in row[:2]] for row in sheet.iter_rows(min_row=2)]
    assert {value[-1] for _, value in rows} == {"…"}
    assert all(len(value.encode("utf-16-le")) <= 2 * 32_767 for _, value in rows)
    assert {field for field, _ in rows} == {"a\ufffd\ufffd\ufffdb"}


@pytest.mark.slow
def test_more_rows_than_a_sheet_has_go_on_on_the_next(settings, snapshot, tmp_path, monkeypatch):
    """Field case 76."""
    count = snapshot.tables["core.messages"]
    monkeypatch.setattr(excel, "_MOST_ROWS", count // 2)
    done = export(settings, snapshot, [core.Messages], form="xlsx", to=tmp_path / "a.xlsx", who="test")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx", read_only=True)
    assert book.sheetnames[:3] == ["About", "core.messages", "core.messages 2"]
    rows = [row[:2] for name in book.sheetnames[1:] for row in book[name].iter_rows(min_row=2, values_only=True)]
    assert done.rows == len(rows) == len(set(rows)) == count


@pytest.mark.slow
def test_what_a_snapshot_of_an_earlier_version_does_not_hold_is_said_and_left_out(
    settings, snapshot, tmp_path, monkeypatch
):
    """Field case 31, for tables and for columns."""
    held = dict.fromkeys((name for name in snapshot.tables if name != "kpi.backlog_now"), 1)
    older = dataclasses.replace(snapshot, tables=held)
    monkeypatch.setattr(analysts, "published_snapshot", lambda _settings: older)
    monkeypatch.setattr(analysts, "current_settings", lambda: settings)
    for form in ("csv", "xlsx", "parquet"):
        to = tmp_path / ("all.xlsx" if form == "xlsx" else form)
        result = CliRunner().invoke(crm, ["export", "--to", str(to), "--format", form])
        assert result.exit_code == 0, result.output
        assert "not in this snapshot yet, `crm build` adds them: backlog_now" in result.stderr
    assert not (tmp_path / "csv" / "backlog_now.csv").exists()
    assert (tmp_path / "csv" / "executive_summary.csv").exists()
    result = CliRunner().invoke(crm, ["export", "backlog_now", "--to", str(tmp_path / "one.csv")])
    assert result.exit_code == 2
    assert "kpi.backlog_now is not in this snapshot yet: run `crm build`" in result.output


def test_a_column_that_a_snapshot_lacks_is_left_out(settings, hostile, tmp_path):
    """Field case 31."""
    with duckdb.connect(str(hostile.database)) as connection:
        connection.execute("alter table kpi.contacts_by_segment drop column share")
    for form in ("csv", "xlsx", "parquet"):
        export(settings, hostile, [ContactsBySegment], form=form, to=tmp_path / f"a.{form}", who="test")
    header = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "share" not in header
    assert "contacts" in header


# Where to.


def test_without_tables_all_kpis_go(run, tmp_path):
    result = run("--to", tmp_path / "figures", "--format", "csv")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(f"{t.table}.csv" for t in KPIS)


def test_the_suffix_says_the_format(run, tmp_path):
    assert run("response_times_daily", "--to", tmp_path / "a.parquet").exit_code == 0
    assert pq.read_table(tmp_path / "a.parquet").num_rows > 0


def test_a_table_named_twice_goes_once(run, tmp_path):
    assert run("core.chats", "chats", "--to", tmp_path / "a.csv").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "figures"), "say --format"),
        (("nothing", "--to", "a.csv"), "there is no table 'nothing'"),
        (("raw.messages", "--to", "a.csv"), "raw.messages is not published"),
    ],
)
def test_a_wrong_command_line_says_so(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tables", "form", "to", "said"),
    [
        (KPIS, "csv", "a.csv", "do not fit one .csv file"),
        (KPIS[:1], "csv", "a.xlsx", "ends in .xlsx but the format is csv"),
        (KPIS, "xlsx", "figures", "names no Excel file"),
        (KPIS[:1], "csv", "file/figures", "cannot write"),
    ],
)
def test_what_does_not_fit_is_refused(settings, snapshot, tmp_path, *, tables, form, to, said):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidRequest, match=said):
        export(settings, snapshot, tables, form=form, to=tmp_path / to, who="test")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_before_the_first_snapshot_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "empty"))
    current_settings.cache_clear()
    result = CliRunner().invoke(crm, ["export", "--to", str(tmp_path / "a.xlsx")])
    current_settings.cache_clear()
    assert isinstance(result.exception, FixConfiguration)
    assert "crm refresh" in str(result.exception)


# Nothing is overwritten, nothing is half.


def test_what_exists_is_kept_unless_forced(run, tmp_path):
    file = tmp_path / "backlog_now.csv"
    file.write_text("mine")
    result = run("backlog_now", "--to", file)
    assert isinstance(result.exception, InvalidRequest)
    assert "--force" in str(result.exception)
    assert file.read_text() == "mine"
    assert run("backlog_now", "--to", file, "--force").exit_code == 0
    assert file.read_text().startswith("open_waits,")


def test_one_name_taken_in_a_folder_keeps_all_back(settings, snapshot, tmp_path):
    (tmp_path / "backlog_now.csv").write_text("mine")
    with pytest.raises(InvalidRequest, match=r"backlog_now\.csv exists already"):
        export(settings, snapshot, KPIS, form="csv", to=tmp_path, who="test")
    assert [path.name for path in tmp_path.iterdir()] == ["backlog_now.csv"]


def test_a_file_that_came_in_between_is_kept(settings, snapshot, tmp_path, monkeypatch):
    file = tmp_path / "a.csv"

    write = Audit.write

    def meanwhile(*args, **options):
        file.write_text("theirs")
        write(*args, **options)

    monkeypatch.setattr(Audit, "write", meanwhile)
    with pytest.raises(InvalidRequest, match="exists already"):
        export(settings, snapshot, [BacklogNow], form="csv", to=file, who="test")
    assert file.read_text() == "theirs"


def test_without_hard_links_it_works_too(settings, snapshot, tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError

    monkeypatch.setattr(export_module.os, "link", refuse)
    export(settings, snapshot, [BacklogNow], form="csv", to=tmp_path / "a.csv", who="test")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_a_failure_leaves_nothing_and_the_old_file(settings, hostile, tmp_path, form):
    with duckdb.connect(str(hostile.database)) as connection:
        connection.execute("drop table kpi.backlog_now")
    file = tmp_path / f"a.{form}"
    file.write_text("old")
    with pytest.raises(duckdb.Error):
        export(settings, hostile, [BacklogNow], form=form, to=file, who="test", force=True)
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, "hostile"])


# The audit log.


def test_an_export_is_recorded(run, settings, snapshot, tmp_path):
    before = len(audited(settings))
    run("backlog_now", "core.chats", "--to", tmp_path / "figures", "--format", "csv")
    (entry,) = audited(settings)[before:]
    assert entry["event"] == "export"
    assert entry["what"] == f"kpi.backlog_now, core.chats of snapshot {snapshot.id}"
    assert entry["rows"] == 1 + snapshot.tables["core.chats"]
    assert entry["format"] == "csv"
    assert entry["who"].startswith("cli:")
    assert dt.datetime.fromisoformat(entry["at"]).utcoffset() == dt.timedelta(0)


def test_a_refused_export_is_not_recorded(run, settings, tmp_path):
    before = audited(settings)
    (tmp_path / "a.csv").write_text("mine")
    run("backlog_now", "--to", tmp_path / "a.csv")
    assert audited(settings) == before


def test_what_cannot_be_recorded_is_not_exported(settings, snapshot, tmp_path):
    elsewhere = Settings(data_dir=tmp_path / "data")
    elsewhere.root.mkdir()
    elsewhere.audit_dir.write_text("in the way")
    with pytest.raises(InvalidRequest, match=r"cannot write .*audit"):
        export(elsewhere, snapshot, [BacklogNow], form="csv", to=tmp_path / "a.csv", who="test")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_log_is_appended_to_by_month_and_private(tmp_path):
    settings = Settings(data_dir=tmp_path / "new")
    at = dt.datetime(2026, 12, 1, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    log = Audit(settings.audit_dir, now=lambda: at)
    for who in ("cli:a", 'line\nbreak "quoted"'):
        log.write("export", who=who, what="kpi.backlog_now", rows=1, format="csv")
    about = {"what": "kpi.backlog_now", "rows": 1, "format": "csv"}
    assert audited(settings) == [
        {"at": "2026-11-30T22:05:00.000+00:00", "event": "export", "who": who, **about}
        for who in ("cli:a", 'line\nbreak "quoted"')
    ]
    (file,) = settings.audit_dir.iterdir()
    assert file == log.path(at)
    assert file.name == "2026-11.jsonl"
    assert (file.stat().st_mode & 0o777, settings.audit_dir.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_refusal_is_a_message_and_an_exit_code(run, tmp_path: Path, capsys):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["export", "backlog_now", "--to", str(tmp_path / "a.csv")])
    assert ended.value.code == 1
    assert "exists already" in capsys.readouterr().err


def test_memory_is_bounded_and_a_snapshots_folder_never_written(settings, snapshot, tmp_path, monkeypatch):
    """The engine sorts on disk what does not fit, and by default would do so beside the database it reads."""
    asked, connect = [], duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *place, **how: asked.append(how) or connect(*place, **how))
    export(settings, snapshot, [core.Messages], form="csv", to=tmp_path / "messages.csv", who="test")
    (config,) = [how["config"] for how in asked if "config" in how]
    assert config["memory_limit"] == "512MB"
    assert Path(config["temp_directory"]).parent.parent == tmp_path
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["messages.csv"]
