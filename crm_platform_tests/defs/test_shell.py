"""`crm status`, `kpi`, `explain`, `doctor`, `build`, `refresh`, `dev`, as people and scripts meet them."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import re
import socket
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from crm_platform.alerts.checks import one_line
from crm_platform.cli import COMMANDS, EXIT_FAILED, crm, platform, receipts, sweeps
from crm_platform.cli import doctor as doctor_module
from crm_platform.cli import kpi as kpi_module
from crm_platform.cli import status as status_module
from crm_platform.cli import words as words_module
from crm_platform.cli.kpi import find_table, summary_lines
from crm_platform.cli.status import status_lines
from crm_platform.cli.words import figure, size, write_labelled, write_rows
from crm_platform.defs import shell as shell_module
from crm_platform.errors import ContractBreach, CrmPlatformError, FixConfiguration
from crm_platform.ingest import Outcome, open_warehouse
from crm_platform.ingest.connect import open_gate
from crm_platform.ingest.presence import PRESENT
from crm_platform.languages import ENGLISH, Language
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.models.noted import failing, notes_path
from crm_platform.publish import current, lost_warehouse
from crm_platform.publish.audit import Audit
from crm_platform.schemas import ops, raw
from crm_platform.warehouse import DuckDbWarehouse, leases_of

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def call(stocked, monkeypatch):
    """Call `crm …` on a platform that was refreshed."""

    def called(*arguments: str, settings=stocked) -> Result:
        for module in (kpi_module, status_module, platform, receipts):
            monkeypatch.setattr(module, "current_settings", lambda: settings)
        monkeypatch.setattr(doctor_module, "load_settings", lambda: settings)
        return CliRunner().invoke(crm, arguments)

    return called


def test_every_command_of_this_room_is_listed():
    assert {"build", "dev", "doctor", "explain", "kpi", "refresh", "status"} <= COMMANDS.keys()


@pytest.mark.parametrize("command", ["build", "dev", "doctor", "explain", "kpi", "refresh", "status"])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(crm, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


@pytest.mark.parametrize(("count", "words"), [(7, "7 B"), (1500, "2 kB"), (6_000_000, "6 MB"), (2.5e9, "2.5 GB")])
def test_sizes_in_words(count, words):
    assert size(count) == words


FIGURES = [
    ("total_contacts", 12345, "12,345"),
    ("monthly_growth_rate", -0.0525, "-5.2%"),
    ("answer_rate_7d", 1.0, "100.0%"),
    ("read_per_delivered_30d", 0.619, "61.9%"),
    ("first_response_seconds_median_7d", 758.0, "12 min 38 s"),
    ("open_waits_previous", None, "–"),
    ("as_of", dt.datetime(2026, 11, 22, 8, 0, 5), "2026-11-22 08:00 UTC"),
    ("is_provisional", True, "yes"),
]


@pytest.mark.parametrize(("name", "value", "words"), FIGURES)
def test_figures_carry_their_unit(name, value, words):
    assert figure(ENGLISH, ExecutiveSummary.columns[name], value) == words


def test_the_summary_shows_each_figure_beside_its_previous():
    columns = ExecutiveSummary.columns
    lines = summary_lines(dict.fromkeys(columns) | {"open_waits": 3, "open_waits_previous": 4})
    assert ("open waits", "3", "4", "Open waits.") in lines
    assert 2 * len(lines) + 4 == len(columns), "all of them: as_of, coverage and two marks stand below the table"


@pytest.mark.parametrize("width", [80, 120, 400])
def test_a_terminal_shows_the_columns_that_fit_and_says_how_many_do_not(monkeypatch, capsys, width):
    """Thirty columns squeezed into eighty characters are thirty columns of dots."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(words_module, "console", lambda: terminal)
    names = ["campaign_id", "name", *(f"figure_{number}" for number in range(30))]
    write_rows(names, [["c1", "\x1b[31m" + "long " * 60, *range(1000, 1030)]], form="table")
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.split()[:1] == ["c1"] for line in lines), "the key is never cut for its neighbours"
    assert "\x1b" not in screen.getvalue()
    shown = screen.getvalue().count("figure")
    assert {80: 1, 120: 3, 400: 25}[width] <= shown <= 30
    assert str(1000 + shown - 1) in screen.getvalue()
    told = capsys.readouterr().err
    assert (f"{30 - shown} columns more" in told) == (shown < 30)


def test_a_few_columns_are_wrapped_and_all_shown(monkeypatch, capsys):
    screen = io.StringIO()
    monkeypatch.setattr(words_module, "console", lambda: Console(file=screen, force_terminal=True, width=60))
    write_rows(["table", "rows", "about"], [["kpi.one", 7, "word " * 20]], form="table")
    assert screen.getvalue().count("word") == 20
    assert capsys.readouterr().err == ""


def test_kpi_lists_tables(call):
    result = call("kpi")
    assert result.exit_code == 0
    assert "kpi.response_times_daily\t" in result.output


def test_kpi_writes_a_document_a_line(call):
    result = call("kpi", "response_times_daily", "--json", "--limit", "2")
    newest, before = map(json.loads, result.output.splitlines())
    assert newest["day"] > before["day"]
    assert list(newest) == list(ResponseTimesDaily.columns)


def test_kpi_writes_csv(call):
    rows = list(csv.DictReader(io.StringIO(call("kpi", "message_volume_hourly", "--csv").output)))
    assert len(rows) == 168


def test_kpi_reads_published_core_tables_with_pseudonyms(call, stocked):
    rows = list(map(json.loads, call("kpi", "core.contacts", "--json").output.splitlines()))
    assert len(rows) == current(stocked).tables["core.contacts"]
    assert "whatsapp_number" not in rows[0]


@pytest.mark.parametrize("name", ["nonsense", "raw.messages", "core.excluded_contacts"])
def test_kpi_says_what_there_is_instead(call, name):
    result = call("kpi", name)
    assert result.exit_code == 2
    assert "there is no table" in result.output or "is not published" in result.output


def test_kpi_before_the_first_snapshot_says_what_to_do(call, settings):
    assert_says(call("kpi", settings=settings), FixConfiguration, "run `crm refresh`")


def assert_says(result: Result, kind: type[CrmPlatformError], words: str) -> None:
    assert isinstance(result.exception, kind)
    assert words in str(result.exception)


def test_a_kpi_comes_before_a_core_table_of_one_name():
    assert find_table("backlog_now") is BacklogNow
    assert find_table("core.contacts").full_name() == "core.contacts"


def test_explain_shows_definition_columns_rules_and_sql(call):
    output = call("explain", "response_times_daily").output
    assert output.startswith("kpi.response_times_daily: ")
    assert "key: day" in output
    assert "definition version 2" in output
    assert "[s]" in output
    assert "\nreads core." in output
    assert "select" in output


def test_explain_of_a_table_without_sql_still_explains(call):
    result = call("explain", "raw.messages")
    assert result.exit_code == 0
    assert "select" not in result.output


@pytest.fixture
def busiest_day(call) -> str:
    days = [json.loads(line) for line in call("kpi", "response_times_daily", "--json").output.splitlines()]
    return max(days, key=lambda row: row["answered_waits"])["day"]


def test_explain_of_a_figure_is_its_receipt(call, busiest_day):
    result = call("explain", "response_times_daily", "--day", busiest_day, "--column", "answered_waits", "--rows", "1")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"kpi.response_times_daily, day {busiest_day}: answered_waits = ")
    assert "Waits that a reply closed." in result.output
    assert "count(*), which is the figure" in result.output
    assert "list_messages), the first at " in result.output
    assert re.search(r"\nshowing 1 of \d+ rows; more with --rows\n", result.output)
    assert "\ndigest " in result.output
    assert "it is the same in every earlier snapshot that is kept" in result.output
    assert "SQL that filled kpi.response_times_daily" in result.output


def test_explain_as_json_has_every_row_and_request(call, busiest_day):
    said = json.loads(
        call(
            "explain", "response_times_daily", "--key", f"day={busiest_day}", "--column", "answered_waits", "--json"
        ).output
    )
    assert said["value"] == said["recomputed"] == said["row_count"] == len(said["rows"]) > 0
    assert said["fetched"]["requests"] == len(said["fetched"]["listed"]) > 0
    assert said["agrees"] is True
    assert said["moved"] is None
    assert "revealed" not in said


def test_explain_names_chats_only_when_asked_and_says_so_in_the_audit_log(call, busiest_day, stocked):
    said = json.loads(
        call(
            *("explain", "response_times_daily", "--day", busiest_day, "--column", "answered_waits"),
            *("--json", "--privileged"),
        ).output
    )
    with DuckDbWarehouse(stocked.warehouse_path, lock_dir=stocked.lock_dir).reading() as session:
        known = {row["chat_id"]: row["whatsapp_number"] for row in session.query("from raw.contacts").to_pylist()}
    assert set(said["revealed"]) == {row["chat_id"] for row in said["rows"]}
    for pseudonym, one in said["revealed"].items():
        assert pseudonym not in known
        assert known[one["chat_id"]] == one["whatsapp_number"]
    (line,) = Audit(stocked.audit_dir).newest(1).lines
    assert line["event"] == "revealed"
    assert line["chats"] == len(said["revealed"])
    assert line["what"].startswith("kpi.response_times_daily.answered_waits")


def test_explain_leads_from_a_summary_to_what_it_is_taken_from(call):
    output = call("explain", "executive_summary", "--column", "open_waits").output
    assert "  crm explain kpi.backlog_now --column open_waits" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("response_times_daily", "--day", "2001-01-01", "--column", "waits"), "day goes from "),
        (("response_times_daily", "--column", "waits"), "is named by day, not by nothing"),
        (("response_times_daily", "--day", "2026-11-20"), "name it with --column"),
        (("backlog_now", "--column", "open_wait"), "did you mean open_waits"),
        (("backlog_now", "--column", "open_waits", "--key", "day"), "write name=value"),
        (("backlog_now", "--column", "open_waits", "--since", "1999"), "no earlier snapshot '1999' is kept"),
        (("backlog_now", "--column", "open_waits", "--since", "yesterday"), "no snapshot of an earlier day"),
        ((), "name a table"),
        (("backlog_now", "--moved", "--day", "2026-11-20"), "--moved lists all figures"),
        (("--moved", "--since", "1999"), "no earlier snapshot"),
    ],
)
def test_explain_says_what_to_write_instead(call, arguments, words):
    result = call("explain", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_status_says_what_is_known_spent_and_published(stocked):
    said = dict(status_lines(stocked, now=dt.datetime.now(dt.UTC)))
    assert "complete: 12 of 12 contacts" in said["last sweep"]
    assert said["chats"] == "12 visited, 12 whole, 0 failing"
    assert int(said["requests, last 24 h"].replace(",", "")) > 12
    assert said["requests left"] == "no limit"
    assert said["quarantine"] == "empty"
    assert said["snapshot"].startswith("as of ")


@pytest.fixture
def swept(settings, monkeypatch):
    """Call `crm …` on a warehouse with a sweep that counts (1) and an empty list (2), of ten contacts."""
    monkeypatch.setattr(sweeps, "current_settings", lambda: settings)
    counted = {"is_complete": True, "rejected_contacts": 0, "requests": 1, "started_at": NOW, "ended_at": NOW}
    empty = {"seen_contacts": 0, "missing_contacts": 10, "is_suspicious": True, "needs_acceptance": True}
    rows = [
        {
            **counted,
            "sweep_id": 1,
            "seen_contacts": 10,
            "reported_total": 15,
            "counted_at": NOW,
            "is_suspicious": False,
        },
        {**counted, "sweep_id": 2, "reported_total": 0, **empty},
    ]
    sightings = [
        {"chat_id": f"c{number}", "sweep_id": sweep_id, "at": NOW, "is_present": sweep_id == 1}
        for number in range(10)
        for sweep_id in (1, 2)
    ]
    with open_warehouse(settings).writing() as session:
        session.append(raw.ContactSweeps, raw.ContactSweeps.rows(rows))
        session.append(raw.ContactSightings, raw.ContactSightings.rows(sightings))
    return lambda *arguments: CliRunner().invoke(crm, ["sweeps", *arguments])


@pytest.mark.slow
def test_sweeps_are_listed_and_accepted(swept, settings):
    """Field case 11: `crm sweeps` says what an empty list waits for, and a person can let it count."""
    newest, first = map(json.loads, swept("--json").output.splitlines())
    assert (first["sweep"], first["seen"], first["total"], first["standing"]) == (1, 10, 15, "counts")
    assert (newest["missing"], newest["suspicious"], newest["counted_since"]) == (10, True, None)
    assert newest["standing"] == "waits for `crm sweeps accept 2`"
    assert swept("--csv").output.startswith("sweep,started_at,seen,total,missing,complete,suspicious,counted_since,")
    assert len(swept("--json", "--limit", "1").output.splitlines()) == 1
    said = dict(status_lines(settings, now=NOW))
    assert "10 that were there are missing: it waits for `crm sweeps accept 2`" in said["last sweep"]

    done = swept("accept", "2")
    assert done.exit_code == 0
    assert "sweep 2 counts: 10 contacts are gone since then" in done.output
    accepted = json.loads(swept("--json").output.splitlines()[0])
    assert accepted["standing"].startswith("accepted by cli:")
    assert accepted["counted_since"]
    with open_warehouse(settings).reading() as session:
        assert session.query(PRESENT).num_rows == 0


@pytest.mark.parametrize("word", ["0", "-1", "x", str(2**63)])
def test_what_is_no_sweep_is_a_wrong_command_line(swept, word):
    assert swept("accept", "--", word).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize(("word", "says"), [("7", "there is no sweep 7"), ("1", "sweep 1 does not wait")])
def test_what_cannot_be_accepted_says_why(swept, word, says):
    assert says in str(swept("accept", word).exception)


@pytest.mark.slow
def test_status_of_very_many_chats_reads_no_planner_back(refreshed, monkeypatch):
    monkeypatch.setattr(status_module, "_MANY_CHATS", 11)
    said = dict(status_lines(refreshed.settings, now=dt.datetime.now(dt.UTC)))
    assert said["found after"].startswith("not computed here for 12 chats")


def test_status_names_who_is_at_work_and_what_is_left(settings):
    limited = settings.model_copy(update={"requests_per_minute": 60, "requests_per_day": 1000})
    with leases_of(settings).take("crawl", purpose="crm crawl"):
        said = dict(status_lines(limited, now=NOW))
    assert "crm crawl (process" in said["crawl"]
    assert said["requests left"] == "60 this minute, 1,000 this day"
    assert said["warehouse"] == "empty: run `crm refresh`"
    assert said["snapshot"] == "none yet: run `crm refresh`"


def test_status_speaks_the_readers_language_on_a_terminal_and_english_to_programs(settings, monkeypatch):
    monkeypatch.setattr(
        status_module, "current_settings", lambda: settings.model_copy(update={"language": Language("sw")})
    )
    piped = CliRunner().invoke(crm, ["status"]).output
    assert "warehouse\tempty: run `crm refresh`" in piped
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(words_module, "console", lambda: terminal)
    monkeypatch.setattr(status_module, "console", lambda: terminal)
    assert "ghala                 tupu: endesha `crm refresh`" in CliRunner().invoke(crm, ["status"]).output
    programs = CliRunner().invoke(crm, ["status", "--json"]).output
    assert '{"about": "warehouse", "status": "empty: run `crm refresh`"}' in programs


def test_what_a_refresh_brought_is_told_in_the_readers_language():
    words = platform._told(Language("fr"), [outcome_of(seconds_throttled=389)])
    assert words == "9 requêtes, collecte en 2 min 26 s (dont 2 min 26 s à attendre la limite de débit)"


def test_status_sends_nobody_to_a_refresh_that_is_at_work(settings):
    with leases_of(settings).take("refresh", purpose="crm refresh"):
        said = dict(status_lines(settings, now=NOW))
    assert said["warehouse"] == "empty: `crm refresh` is at work"
    assert said["snapshot"] == "none yet: `crm refresh` is at work"


def test_status_says_which_row_is_least_known():
    """An hour after midnight the new day has seen nothing: that is no reason to call everything unseen."""
    told = status_module._covered(
        ENGLISH, {"kpi.executive_summary": 0.9999, "kpi.backlog_daily": 0.0, "kpi.backlog_now": 1.0}
    )
    assert told == "99.9% of the executive summary; 0.0% in the least known row (kpi.backlog_daily)"
    assert status_module._covered(ENGLISH, {"kpi.backlog_now": 1.0}).startswith(
        "not known for the executive summary; 100.0% in"
    )
    assert status_module._covered(ENGLISH, {}) == "not known"


def outcome_of(**fields) -> SimpleNamespace:
    told = {"table": raw.Messages, "inserted": 1, "updated": 0, "unchanged": 0, "rejected": 0, "remaining": None}
    times = {"requests": 9, "started_at": NOW, "finished_at": NOW + dt.timedelta(seconds=146), "seconds_throttled": 0}
    return SimpleNamespace(**(told | times | fields))


def test_what_remains_is_never_cut(monkeypatch, capsys):
    """At 80 columns a dead CRM's reason was the column that did not fit."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(words_module, "console", lambda: terminal)
    monkeypatch.setattr(platform, "console", lambda: terminal)
    reason = "2,000 chats: " + "the CRM does not answer " * 5
    words = platform._told(ENGLISH, [outcome_of(remaining=reason), outcome_of(table=raw.Campaigns)])
    told = capsys.readouterr()
    assert " ".join(reason.split()) in " ".join(told.out.split())
    assert "columns more" not in told.err
    assert words.startswith("18 requests")


def test_threads_that_wait_together_do_not_wait_longer_than_the_run():
    words = platform._told(ENGLISH, [outcome_of(seconds_throttled=389)])
    assert words == "9 requests, ingest in 2 min 26 s (2 min 26 s of waiting for the rate limit)"


def test_long_words_stand_beside_their_label(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    write_labelled("advice      ", "word " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 60
    assert {line[:12] for line in lines[1:]} == {" " * 12}


def test_doctor_finds_nothing_wrong(call):
    result = call("doctor")
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output
    assert "accepted; 12 contacts" in result.output


def test_doctor_says_what_to_do_when_nobody_answers(call, settings):
    result = call("doctor", settings=settings)
    assert result.exit_code == EXIT_FAILED
    (bad,) = (line for line in result.output.splitlines() if line.startswith("BAD"))
    assert "check CRM_BASE_URL" in bad


def test_doctor_says_which_setting_is_wrong(monkeypatch):
    def refuse() -> None:
        raise FixConfiguration("CRM_TIMEZONE: 'Nairobi' is not a time zone")

    monkeypatch.setattr(doctor_module, "load_settings", refuse)
    result = CliRunner().invoke(crm, ["doctor"])
    assert result.exit_code == EXIT_FAILED
    assert "CRM_TIMEZONE" in result.output


@pytest.mark.slow
def test_build_computes_without_dagster_and_publishes_only_if_it_may(call, stocked):
    before = current(stocked)
    assert before is not None, "a build has published what these tests look at"
    result = call("build", "--no-publish")
    assert result.exit_code == 0, result.output
    assert "kpi.executive_summary\t1\t" in result.output
    assert current(stocked) == before


@pytest.mark.slow
def test_build_publishes_no_breach(call, stocked, monkeypatch):
    before = current(stocked)
    monkeypatch.setattr(BacklogNow, "rules", ("open_waits < 0",))
    assert_says(call("build"), ContractBreach, "kpi.backlog_now: open_waits < 0 (1 rows)")
    assert current(stocked) == before


@pytest.mark.slow
def test_build_says_that_figures_stand_where_nothing_is_another(call, stocked):
    assert call("build").exit_code == 0
    before = current(stocked)
    again = call("build")
    assert again.exit_code == 0, again.output
    assert "these figures stand" in again.output
    assert "Executive summary" in again.output or "total contacts" in again.output
    confirmed = current(stocked)
    assert (confirmed.id, confirmed.as_of) == (before.id, before.as_of)
    assert before.confirmed_at is None
    assert before.as_of < confirmed.confirmed_at == confirmed.stood_at
    assert "confirmed" in call("status").output
    anew = call("build", "--full")
    assert "these figures stand" not in anew.output
    assert current(stocked).id != before.id
    assert current(stocked).confirmed_at is None


@pytest.mark.slow
def test_figures_that_stand_because_the_crawl_stopped_are_not_confirmed(call, stocked, monkeypatch):
    assert call("build", "--full").exit_code == 0
    monkeypatch.setattr(type(stocked), "refresh_every", property(lambda _: dt.timedelta(0)))
    assert "these figures stand" in call("build").output
    assert current(stocked).confirmed_at is None


@pytest.mark.slow
def test_a_damaged_store_is_made_anew_by_the_build_that_finds_it(call, stocked):
    stocked.models_path.write_bytes(b"this is no database")
    result = call("build")
    assert result.exit_code == 0, result.output
    assert "kpi.executive_summary\t1\t" in result.output


@pytest.fixture
def odd_field(stocked):
    """A field that the contract does not name has turned up in messages."""
    now = dt.datetime.now(dt.UTC)
    row = {name: None if column.nullable else 0 for name, column in ops.Drift.columns.items()}
    row |= {"record": "message", "field": "mood", "value": "", "first_seen_at": now, "last_seen_at": now}
    row = {name: row[name] for name in ops.Drift.columns}
    with open_warehouse(stocked).writing() as session:
        session.append(ops.Drift, ops.Drift.rows([row]))
    yield
    with open_warehouse(stocked).writing() as session:
        session.erase(ops.Drift, column="field", values=["mood"])
    notes_path(stocked).unlink()


@pytest.mark.slow
def test_what_warns_in_dagster_warns_at_the_shell(call, stocked, odd_field, monkeypatch):
    """Kind 10, field case 15: a check that warned was seen in Dagster alone."""
    told = "raw.messages\tdrift\twarns\tnew in the last 7 days: mood"
    built = call("build", "--no-publish")
    assert built.exit_code == 0, built.output
    assert told in built.output
    monkeypatch.setattr(shell_module, "refresh_in_process", lambda *_arguments, **_options: "run")
    refreshed = call("refresh")
    assert refreshed.exit_code == 0, refreshed.output
    assert told in refreshed.output
    words = "raw.messages, drift: new in the last 7 days: mood"
    assert f"warning\t{words}" in call("status").output
    assert f"note check         {words}" in call("doctor").output
    assert list(map(one_line, failing(stocked))) == [words]


@pytest.mark.slow
def test_a_build_that_is_held_back_leaves_a_note(call, stocked, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(BacklogNow, "rules", ("open_waits < 0",))
        held = call("build")
    assert isinstance(held.exception, ContractBreach)
    words = "kpi.backlog_now, contract: open_waits < 0 (1 rows)"
    assert f"broken contract\t{words}" in call("status").output
    diagnosis = call("doctor")
    assert diagnosis.exit_code == EXIT_FAILED
    assert f"BAD  check         {words}" in diagnosis.output
    assert call("build", "--no-publish").exit_code == 0
    assert "BAD" not in call("doctor").output
    assert failing(stocked) == []


def test_a_refresh_warns_before_it_begins_anew(call, stocked, monkeypatch):
    """It published figures of an almost empty warehouse over good ones, without a word."""
    monkeypatch.setattr(shell_module, "refresh_in_process", lambda *_arguments, **_options: "run")
    assert "begins anew" not in call("refresh").output
    aside = stocked.warehouse_path.rename(stocked.root / "aside.duckdb")
    try:
        warned = call("refresh")
        (stocked.published_dir / "current").rename(stocked.root / "current")
        assert lost_warehouse(stocked) == "", "a first start"
    finally:
        (stocked.root / "current").rename(stocked.published_dir / "current")
        aside.rename(stocked.warehouse_path)
    assert warned.exit_code == 0, "it may be meant"
    assert f"crm: {stocked.warehouse_path} is gone, though figures as of 20" in warned.stderr
    assert "restore the file from a backup: docs/runbook.md, Restore" in warned.stderr


@pytest.mark.parametrize("command", ["build", "refresh"])
def test_a_cut_that_is_none_is_a_wrong_command_line(call, command):
    result = call(command, "--as-of", "2026-11-20")
    assert result.exit_code == 2
    assert "without an offset" in result.output


@pytest.mark.slow
def test_dev_says_that_its_port_is_taken(call):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_says(call("dev", "--port", str(port)), FixConfiguration, f"port {port}, which the Dagster UI needs")


def outcome(table, **values) -> Outcome:
    plain = {"inserted": 0, "updated": 0, "unchanged": 0, "rejected": 0, "requests": 5, "remaining": "", "metrics": {}}
    times = {"started_at": NOW, "finished_at": NOW + dt.timedelta(seconds=30), "seconds_throttled": 0.0}
    return Outcome(table=table, **{**plain, **times, **values})


def test_what_a_refresh_brought_is_told_once_a_stage(capsys):
    stages = [outcome(raw.Contacts, inserted=3), outcome(raw.ContactSweeps), outcome(raw.Messages, remaining="2 chats")]
    assert platform._told(ENGLISH, stages) == "10 requests, ingest in 1 min"
    assert "raw.messages\t0\t0\t0\t0\t2 chats" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcomes", "is_nothing"),
    [
        ([outcome(raw.Contacts, remaining="no answer"), outcome(raw.Messages, remaining="no answer")], True),
        ([outcome(raw.Contacts, remaining="no answer"), outcome(raw.Messages)], False),
        ([outcome(raw.Contacts, unchanged=1, remaining="half of it")], False),
    ],
)
def test_a_refresh_that_got_nothing_at_all_is_to_be_tried_again(outcomes, is_nothing):
    assert platform._nothing_came(outcomes) == is_nothing


def test_status_says_until_when_the_gate_is_closed_and_why(settings):
    """Field case 24."""
    assert "gate" not in dict(status_lines(settings, now=dt.datetime.now(dt.UTC)))
    with contextlib.closing(open_gate(settings)) as gate:
        gate.acquire("list_contacts").release({"Retry-After": "30000"}, 429)
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30_000)
    said = dict(status_lines(settings, now=dt.datetime.now(dt.UTC)))["gate"]
    assert said.startswith(
        (f"closed until {until:%Y-%m-%d %H}", f"closed until {until - dt.timedelta(minutes=1):%Y-%m-%d %H}")
    )
    assert "asked for a pause (HTTP 429, Retry-After)" in said
