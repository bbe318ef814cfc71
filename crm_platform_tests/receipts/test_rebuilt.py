"""All that a rebuild has changed: which figures moved, by how much and why, and what cannot be compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from crm_platform.cli.moved import show_moved
from crm_platform.publish import current
from crm_platform.publish.manifest import TableEntry
from crm_platform.receipts import Changes, changes_since, opened, why
from crm_platform.receipts.keys import find_kpi
from crm_platform.settings import Settings
from crm_platform_tests.receipts.weeks import EARLIER, with_an_earlier_one

BEFORE = (
    "update kpi.response_times_daily set waits = waits + 2 where day between date '2026-11-10' and date '2026-11-12'",
    "update kpi.response_times_daily set waits = waits + 7 where day = date '2026-11-11'",
    "update kpi.response_times_daily set answer_rate = answer_rate - 0.000001 where day = date '2026-11-12'",
    "alter table kpi.response_times_daily drop opt_outs",
    "drop table kpi.agents_daily",
    "update core.contacts set is_active_30d = not is_active_30d",
    "update kpi.contacts_by_country set active_30d = active_30d + 1",
    "insert into kpi.contact_growth_daily by name select * replace (day - 100 as day) from kpi.contact_growth_daily",
    "update kpi.backlog_now set open_waits = open_waits + 1",
    "update kpi.executive_summary set open_waits = open_waits + 1",
)


def of_version_1(name: str, entry: TableEntry) -> TableEntry | None:
    if name == "kpi.agents_daily":
        return None
    if name in {"kpi.response_times_daily", "kpi.backlog_now"}:
        return entry.model_copy(update={"definition_version": 1})
    if name in {"core.contacts", "kpi.contact_growth_daily"}:
        return entry.model_copy(update={"sql": "select 1"})
    # Another cut is no other way to compute it.
    return entry.model_copy(update={"sql": (entry.sql or "").replace("2026-11-22", "2026-11-21")})


@pytest.fixture(scope="module")
def rebuilt(slower_weeks: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return with_an_earlier_one(slower_weeks, tmp_path_factory.mktemp("rebuilt"), *BEFORE, change=of_version_1)


@pytest.fixture(scope="module")
def found(rebuilt: Settings) -> Changes:
    snapshot = current(rebuilt)
    assert snapshot is not None
    with opened(snapshot.path) as now:
        return changes_since(rebuilt, now, since=EARLIER)


def test_what_moved_is_told_by_table_with_what_holds_for_all_of_it(found: Changes):
    tables = {one.table: one for one in found.tables}
    reasons = {name: [reason.words for reason in one.reasons] for name, one in tables.items() if one.reasons}
    new, other = "the definition has a new version (1 → 2)", "it is computed in another way"
    assert reasons["kpi.response_times_daily"] == reasons["kpi.backlog_now"] == [new]
    assert reasons["kpi.contacts_by_country"] == [f"{other} (core.contacts)"]
    assert reasons["kpi.contact_growth_daily"] == [f"{other} (kpi.contact_growth_daily, core.contacts)"]
    assert "kpi.campaign_performance" not in reasons
    daily = tables["kpi.response_times_daily"]
    assert {one.column: one.distance for one in daily.moved if one.key["day"].day == 11} == {"waits": 9}
    assert (daily.columns_new, daily.columns_gone, daily.rows_new, daily.rows_gone) == (("opt_outs",), (), 0, 0)
    growth = tables["kpi.contact_growth_daily"]
    assert (growth.rows, growth.rows_new, growth.rows_gone, growth.moved) == (growth.rows, 0, growth.rows, ())
    assert (found.tables_new, found.tables_gone) == (("kpi.agents_daily",), ())


def test_a_row_that_is_picked_by_another_definition_is_no_contact_that_came(rebuilt: Settings):
    now, then = (rebuilt.published_dir / name for name in (current(rebuilt).id, EARLIER))
    with opened(now) as current_one, opened(then) as earlier:
        contacts = why(current_one, earlier, "contacts_by_country", {"region": "(unknown)"}, "active_30d")
        summary = why(current_one, earlier, "executive_summary", {}, "open_waits")
    assert {one.kind for one in contacts.reasons} == {"computed"}
    assert contacts.added + contacts.removed == sum(one.rows for one in contacts.reasons) > 0
    # The figure that the summary takes has a new definition, the summary has not.
    assert {one.kind: one.rows for one in summary.reasons} == {"definition": 1, "computed": 0}


@pytest.fixture
def shown(rebuilt: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COLUMNS", "80")

    def called(table: str = "", *, on_terminal: bool = True, limit: int | None = None, as_json: bool = False) -> str:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
        show_moved(rebuilt, find_kpi(table) if table else None, since=None, limit=limit, as_json=as_json)
        return capsys.readouterr().out

    return called


@pytest.mark.slow
def test_a_terminal_of_80_columns_shows_how_far_each_figure_moved(shown):
    said = shown()
    assert max(map(len, said.splitlines())) <= 80
    assert "response_times_daily: the definition has a new version (1 → 2)\n  waits        3 of " in said
    assert "furthest 2026-11-11: " in said
    assert "100.0% → 100.0% (0.999999 → 1)" in said, "what words round away is told in full"
    assert "not compared, response_times_daily: new columns opt_outs" in said
    assert "rows gone; it is computed in another way" in said
    assert "new tables: agents_daily" in said
    assert EARLIER in said.splitlines()[-1]
    one = shown("agents_daily")
    assert "no figure that both have moved\nnew tables: agents_daily\n" in one
    assert "figures more with --rows" in shown(limit=1)


@pytest.mark.slow
def test_programs_get_the_same_as_rows_or_json(shown):
    header, *rows = [line.split("\t") for line in shown(on_terminal=False).splitlines() if "\t" in line]
    assert header[:6] == ["table", "column", "rows", "the last of them", "then", "now"]
    waits = dict(
        zip(header, next(row for row in rows if row[:2] == ["kpi.response_times_daily", "waits"]), strict=True)
    )
    assert (waits["the last of them"], waits["the furthest"]) == ("day 2026-11-12", "day 2026-11-11")
    assert int(waits["from"]) - int(waits["to"]) == 9
    document = json.loads(shown(as_json=True, limit=2))
    assert len(document["moved"]) == 2
    assert document["tables_new"] == ["kpi.agents_daily"]
    (daily,) = json.loads(shown("response_times_daily", as_json=True))["tables"]
    assert daily["reasons"] == [{"kind": "definition", "words": "the definition has a new version (1 → 2)", "rows": 0}]
    assert daily["columns_new"] == ["opt_outs"]


def test_a_setting_that_came_with_newer_software_was_not_changed(slower_weeks: Settings, tmp_path: Path):
    settings = with_an_earlier_one(slower_weeks, tmp_path, change=lambda _, entry: entry)
    manifest = settings.published_dir / EARLIER / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    del told["settings"]["after_done_minutes"]
    manifest.write_text(json.dumps(told), encoding="utf-8")
    snapshot = current(settings)
    assert snapshot is not None
    with opened(snapshot.path) as now:
        assert not [one for one in changes_since(settings, now).tables if one.reasons]
