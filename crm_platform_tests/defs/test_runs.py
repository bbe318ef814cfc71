"""What a run leaves behind: in the warehouse, in Dagster's storage, in the published folder."""

from __future__ import annotations

import signal

import dagster as dg
import pytest

from crm_platform.alerts.checks import one_line
from crm_platform.defs.activity import SHELL_TAG
from crm_platform.defs.failed_runs import standing_failures
from crm_platform.defs.graph import build_defs
from crm_platform.defs.metadata import preview
from crm_platform.defs.shell import ShellReporter, refresh_in_process
from crm_platform.errors import Busy, ContractBreach
from crm_platform.metrics.agent_leaderboard.table import AgentLeaderboard
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.models import build_order
from crm_platform.models.noted import failing, noted
from crm_platform.publish import current, published_tables
from crm_platform.schemas import raw
from crm_platform.tables import TABLES
from crm_platform.warehouse import DuckDbWarehouse, leases_of
from crm_platform_tests.defs.conftest import Listener

pytestmark = pytest.mark.slow  # a refresh by Dagster takes half a minute


def materialization(instance, *key):
    event = instance.get_latest_materialization_event(dg.AssetKey(list(key)))
    assert event is not None, f"{'/'.join(key)} was never materialised"
    return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}


def test_a_refresh_publishes_every_table_of_one_cut(refreshed):
    snapshot = current(refreshed.settings)
    assert set(snapshot.tables) == {table.full_name() for table in published_tables()}
    assert snapshot.tables["core.contacts"] >= 12
    assert snapshot.tables["kpi.executive_summary"] == 1


def test_every_asset_is_materialised_and_every_check_has_passed(refreshed, home):
    graph = build_defs(refreshed.settings).get_repository_def().asset_graph
    for key in graph.executable_asset_keys:
        assert home.get_latest_materialization_event(key), key
    failed = set()
    for check in graph.asset_check_keys:
        (last,) = home.event_log_storage.get_asset_check_execution_history(check, limit=1)
        if not last.event.dagster_event.event_specific_data.passed:
            failed.add(check.to_user_string())
    assert failed == set()
    asked = {f"{'.'.join(check.asset_key.path)}:{check.name}" for check in graph.asset_check_keys}
    assert {note.key for note in noted(refreshed.settings)} == asked, "what Dagster asked is noted for whoever has none"


def test_a_raw_asset_says_what_it_cost_and_what_it_brought(refreshed, home):
    told = materialization(home, "raw", "messages")
    assert told["dagster/row_count"] == told["inserted"] > 0
    assert told["requests"] >= 12
    assert told["rejected"] == 0
    assert told["remaining"] == "nothing: current"
    assert told["window_start"] <= told["window_end"]
    assert told["path"] == str(refreshed.settings.warehouse_path)
    assert "inbound" in told["rows by kind"]


def test_a_kpi_asset_shows_rows_a_preview_and_where_it_is(refreshed, home):
    told = materialization(home, "kpi", "executive_summary")
    assert told["dagster/row_count"] == 1
    assert told["preview"].startswith("| total_contacts |")
    assert told["path"] == str(refreshed.settings.models_path)


def test_no_metadata_names_a_person_or_a_chat(refreshed, home):
    """Neither a preview nor a count may carry a number, a name, a text, a staff identifier or an id."""
    live = DuckDbWarehouse(refreshed.settings.warehouse_path, lock_dir=refreshed.settings.lock_dir)
    with live.reading() as session:
        people = session.query(
            "select unnest([whatsapp_number, email, name, chat_id]) as word from raw.contacts"
            " union select unnest([sender, message_id, content]) from raw.messages"
        )["word"].to_pylist()
    secrets = {word for word in people if word and len(word) > 6}
    assert secrets
    events = home.all_logs(refreshed.run_id)
    told = "\n".join(str(event) for event in events)
    assert not [word for word in secrets if word in told]


def test_the_leaderboards_preview_leaves_agents_out(refreshed):
    models = DuckDbWarehouse(refreshed.settings.models_path, lock_dir=refreshed.settings.lock_dir)
    with models.reading() as session:
        heading = preview(session, AgentLeaderboard).splitlines()[0]
    assert "window_days" in heading
    assert "agent" not in heading


def test_the_run_is_recorded_like_any_other(refreshed, home):
    run = home.get_run_by_id(refreshed.run_id)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.job_name == "refresh_all"
    assert SHELL_TAG in run.tags


def test_a_build_tells_which_chats_it_computed_anew(refreshed, home):
    before = materialization(home, "core", "messages")
    job = build_defs(refreshed.settings).resolve_job_def("kpis")
    needed = [dg.AssetKey(["core", name]) for name in ("cut", "message_events", "messages", "campaigns")]
    assert job.execute_in_process(instance=home, asset_selection=needed).success
    cut, messages = materialization(home, "core", "cut"), materialization(home, "core", "messages")
    assert cut["build"] == "incremental"
    assert messages["recomputed_chats"] == cut["changed_chats"] < cut["chats"]
    assert messages["dagster/row_count"] == before["dagster/row_count"] > 0
    assert "recomputed_chats" not in materialization(home, "core", "campaigns")


def test_whoever_watches_hears_every_stage_and_table(refreshed):
    heard = refreshed.reporter.heard
    assert {"contacts", "messages"} <= set(heard.stages)
    assert sorted(heard.tables) == sorted(
        table.full_name()
        for table in (
            raw.Contacts,
            raw.ContactSweeps,
            raw.CustomFields,
            raw.Campaigns,
            raw.CampaignReports,
            raw.Messages,
        )
    )
    assert heard.built == ["core.cut", *(table.full_name() for table in build_order())]


def test_one_raw_table_alone_costs_what_it_must(refreshed, home):
    """What the sensor of finished campaigns asks for."""
    reports = dg.AssetKey(["raw", "campaign_reports"])
    job = build_defs(refreshed.settings).resolve_job_def("ingest")
    result = job.execute_in_process(instance=home, asset_selection=[reports])
    assert result.success
    told_of = {event.asset_key for event in result.get_asset_materialization_events()}
    unasked = {dg.AssetKey(["raw", name]) for name in ("operator_events", "events")}
    assert told_of == {reports, *unasked}, "what is there without a request, too"
    told = materialization(home, "raw", "campaign_reports")
    assert told["requests"] == told["dagster/row_count"] > 0, "one request a report"


def test_a_breach_fails_its_check_and_holds_the_snapshot_back(refreshed, home, monkeypatch):
    """And a second refresh adds no contact."""
    before = current(refreshed.settings)
    contacts = materialization(home, "raw", "contacts")["dagster/row_count"]
    monkeypatch.setattr(BacklogNow, "rules", ("open_waits < 0",))
    listener = Listener()
    with pytest.raises(ContractBreach, match=r"^kpi\.backlog_now: open_waits < 0 \(1 rows\)$"):
        refresh_in_process(refreshed.settings, reporter=listener, full_refresh=False, as_of=None, verbose=False)

    key = dg.AssetCheckKey(dg.AssetKey(["kpi", "backlog_now"]), "contract")
    (last,) = home.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = last.event.dagster_event.event_specific_data
    assert not evaluation.passed
    assert evaluation.blocking
    assert evaluation.description == "kpi.backlog_now: open_waits < 0 (1 rows)"
    assert listener.heard.built[-1] == build_order()[-1].full_name(), "the rest is built, so that all breaches are told"
    assert current(refreshed.settings) == before
    assert materialization(home, "raw", "contacts")["dagster/row_count"] == contacts
    words = "kpi.backlog_now, contract: open_waits < 0 (1 rows)"
    assert words in map(one_line, failing(refreshed.settings)), "shell, doctor and alerts name it too"
    (run,) = standing_failures(refreshed.settings)
    assert run.job == "refresh_all"
    assert run.reasons == ("build: a blocking check failed",)


def test_a_second_refresh_says_who_holds_it(refreshed):
    with (
        leases_of(refreshed.settings).take("refresh", purpose="crm refresh"),
        pytest.raises(Busy) as refused,
    ):
        refresh_in_process(
            refreshed.settings, reporter=ShellReporter(wait_seconds=0), full_refresh=False, as_of=None, verbose=False
        )
    assert "crm refresh (process" in refused.value.holder


def test_ctrl_c_ends_a_refresh_as_it_ends_any_command(refreshed):
    class Interrupted(Listener):
        def progress(self, progress) -> None:
            signal.raise_signal(signal.SIGINT)

    before = standing_failures(refreshed.settings)
    with pytest.raises(KeyboardInterrupt):
        refresh_in_process(refreshed.settings, reporter=Interrupted(), full_refresh=False, as_of=None, verbose=False)
    assert standing_failures(refreshed.settings) == before, "whoever ends the demo is not told that something failed"


def test_tables_of_the_graph_are_those_with_a_template():
    assert {table.schema for table in build_order()} == {"core", "kpi"}
    assert {name for name, table in TABLES.items() if table.schema == "kpi"} <= {
        one.full_name() for one in build_order()
    }
