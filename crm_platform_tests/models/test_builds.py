"""What a build promises besides figures: coverage, contracts, order, versions, one declaration for a new KPI."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import crm_platform
from crm_platform import core
from crm_platform.errors import FixConfiguration, GiveUp
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.metrics.message_volume_hourly.table import MessageVolumeHourly
from crm_platform.models import (
    Cut,
    build,
    build_order,
    code_version,
    dependencies,
    freeze,
    render,
    validate,
)
from crm_platform.models.generate import figures
from crm_platform.schemas import CoreTable, KpiTable, RawTable, ops, raw
from crm_platform.schemas.base import date
from crm_platform.schemas.figures import Rows
from crm_platform.tables import TABLES
from crm_platform_tests.models.conftest import Worlds

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
TODAY = dt.date(2026, 11, 20)


@pytest.mark.slow
def test_an_empty_warehouse_has_every_table(new_world: Worlds):
    world = new_world()
    world.build(NOW)
    kpis = {table.full_name() for table in TABLES.values() if issubclass(table, KpiTable)}
    assert kpis <= world.tables.keys()
    sizes = {name: len(rows) for name, rows in world.tables.items() if name in kpis and rows}
    assert sizes == {"kpi.backlog_now": 1, "kpi.executive_summary": 1, "kpi.message_volume_hourly": 168}
    assert [str(breach) for table in build_order() for breach in validate(world.models, table)] == []
    (summary,) = world.tables["kpi.executive_summary"]
    assert (summary["total_contacts"], summary["open_waits"], summary["coverage"]) == (0, 0, None)
    assert (summary["as_of"], summary["is_provisional"]) == (NOW.replace(tzinfo=None), True)


@pytest.mark.slow
def test_coverage_of_messages(new_world: Worlds):
    """Two messages stored yesterday, a template out of it; one more expected; six older ones known to be missing."""
    world = new_world()
    yesterday = NOW - DAY
    world.chat("chat", known_until=NOW, is_whole=False, reported_total=10)
    world.add(
        ops.Quarantine,
        record_key="k",
        operation="list_messages",
        target="chat",
        reason="no message_id",
        raw="{}",
        first_fetched_at=yesterday,
        fetched_at=yesterday,
        fetch_id=1,
    )
    world.message("chat", "m1", yesterday, "inbound")
    world.message("chat", "m2", yesterday + MINUTE, "outbound")
    world.message("chat", "m3", yesterday + 2 * MINUTE, "outbound", type="template")
    world.message("other", "m1", NOW - 2 * DAY, "inbound")
    world.chat("other", known_until=NOW)
    world.build(NOW, expected_unseen={TODAY - DAY: 1.0, TODAY: 0.0})
    days = {row["day"]: row for row in world.tables["kpi.chats_resolved_daily"]}
    assert days[TODAY - 2 * DAY]["coverage"] == 1 / (1 + 6)  # this day begins before that chat's oldest message
    assert days[TODAY - DAY]["coverage"] == 2 / (2 + 1 + 6)
    assert (days[TODAY]["coverage"], days[TODAY]["is_provisional"]) == (1, True)  # nothing stored, nothing expected
    volume = world.tables["kpi.message_volume_hourly"][0]
    assert (volume["coverage"], volume["is_provisional"]) == (3 / (3 + 1 + 6), True)
    assert (
        world.tables["core.chats"][0]["quarantined_messages"] + world.tables["core.chats"][1]["quarantined_messages"]
        == 1
    )  # type: ignore[operator]


@pytest.mark.slow
def test_coverage_is_not_known_without_the_planner(new_world: Worlds):
    world = new_world()
    world.message("chat", "m1", NOW - DAY, "inbound")
    world.build(NOW)
    assert {row["coverage"] for row in world.tables["kpi.backlog_daily"]} == {None}
    assert all(row["is_provisional"] for row in world.tables["kpi.backlog_daily"])
    world.build(NOW, expected_unseen={})
    rows = {row["day"]: row["is_provisional"] for row in world.tables["kpi.backlog_daily"]}
    assert rows == {TODAY - DAY: False, TODAY: True}  # today is not over


@pytest.mark.slow
def test_coverage_of_contacts_and_reports(new_world: Worlds):
    world = new_world()
    world.contact("chat")
    world.sweep(NOW - HOUR, ["chat"], total=4)
    world.campaign("known", [(NOW - DAY, "completed")])
    world.report("known", NOW - HOUR, total_recipients=5, delivered=5, read=5, replied=5, failed=0)
    world.campaign("unknown", [(NOW - DAY, "completed")])
    world.build(NOW, expected_unseen={})
    assert world.tables["kpi.contact_growth_daily"][0]["coverage"] == 0.25
    assert world.tables["kpi.contacts_by_country"][0]["coverage"] == 0.25
    assert world.tables["kpi.engagement_monthly"][0]["coverage"] == 0.5
    assert world.tables["kpi.executive_summary"][0]["coverage"] == 0.25  # the smallest of its sources


@pytest.mark.slow
def test_what_is_frozen_holds_nothing_that_stays_raw(new_world: Worlds):
    world = new_world()
    world.contact("chat", whatsapp_number="+254700000001", name="Name", email="a@example.com", extra="{}")
    world.message("chat", "m", NOW, "inbound", content="text")
    world.build(NOW)
    with world.models.reading() as session:
        for table in TABLES.values():
            if issubclass(table, RawTable):
                for name, column in table.columns.items():
                    if column.stays_raw:
                        values = session.query(f'select "{name}" as v from {table.full_name()}')["v"].to_pylist()
                        assert set(values) <= {None}, f"{table.full_name()}.{name}"


def test_a_cut_is_noted_with_the_settings_that_change_figures(new_world: Worlds):
    world = new_world(segment_fields=("City",))
    world.store()
    cut = freeze(world.models, world.live, settings=world.settings, as_of=NOW, now=NOW + HOUR, expected_unseen=None)
    assert (cut.as_of, cut.rows["raw.messages"], cut.rows["ops.builds"]) == (NOW, 0, 1)
    with world.models.reading() as session:
        (noted,) = session.query("select * from ops.builds").to_pylist()
    assert noted["is_sandbox"]
    assert '"segment_fields": ["City"]' in noted["settings"]


def test_a_cut_in_the_future_is_refused(new_world: Worlds):
    world = new_world()
    with pytest.raises(FixConfiguration):
        freeze(world.models, world.live, settings=world.settings, as_of=NOW + HOUR, now=NOW, expected_unseen=None)


def test_nothing_is_built_without_a_cut(new_world: Worlds):
    world = new_world()
    world.models.prepare([ops.Builds, core.Messages])
    with pytest.raises(GiveUp):
        build(world.models, core.Messages, settings=world.settings)
    with pytest.raises(GiveUp):
        render(raw.Messages, dialect="duckdb", settings=world.settings, cut=Cut(as_of=NOW, rows={}))


@pytest.mark.slow
def test_a_breach_names_table_column_rule_and_count_and_no_value(new_world: Worlds):
    world = new_world()
    for number in range(3):
        world.campaign(f"c{number}", [(NOW - 9 * DAY, "completed")])
        world.report(f"c{number}", NOW, total_recipients=10, delivered=8, read=6, replied=4, failed=0)
    world.message("chat", "secret", NOW - DAY, "inbound")
    world.build(NOW)
    with world.models.writing() as session:
        session.execute("update kpi.campaign_performance set read = 9 where campaign_id <> 'c0'")
        session.execute(
            "update kpi.campaign_performance set delivery_rate_low = 'nan'::double where campaign_id = 'c0'"
        )
        session.execute(
            "insert into kpi.campaign_performance select * from kpi.campaign_performance where campaign_id = 'c0'"
        )
        session.execute("update kpi.message_volume_hourly set inbound = -1 where weekday = 3")
        session.execute("update core.messages set direction = 'sideways'")
        session.execute("insert into core.messages select * from core.messages")
    campaigns = [str(breach) for breach in validate(world.models, CampaignPerformance)]
    assert "kpi.campaign_performance: is_consistent == False or read <= delivered (2 rows)" in campaigns
    assert "kpi.campaign_performance.delivery_rate_low: is finite (2 rows)" in campaigns
    assert "kpi.campaign_performance: key is unique (1 rows)" in campaigns
    assert [str(breach) for breach in validate(world.models, MessageVolumeHourly)] == [
        "kpi.message_volume_hourly.inbound: >= 0 (24 rows)"
    ]
    messages = [str(breach) for breach in validate(world.models, core.Messages)]
    assert messages == [
        "core.messages.direction: in ('inbound', 'outbound') (2 rows)",
        "core.messages: key is unique (1 rows)",
    ]


@pytest.mark.slow
def test_frames_and_sql_agree_on_what_is_a_breach(new_world: Worlds):
    """Every rule of every KPI table, asked both ways on the same rows."""
    world = new_world()
    world.campaign("bad", [(NOW - 9 * DAY, "completed")])
    world.report("bad", NOW, total_recipients=10, delivered=18, read=-6, replied=4, failed=0)
    world.campaign("none", [(NOW - 9 * DAY, "completed")])
    world.build(NOW)
    with world.models.reading() as session:
        for table in build_order():
            if issubclass(table, KpiTable):
                for check in table.checks():
                    sql = f"select count(*) filter (where {check.broken}) as n from {table.full_name()}"
                    assert session.query(sql)["n"].to_pylist() == [0], check
    assert validate(world.models, CampaignPerformance) == []


def test_the_order_of_a_build_follows_what_templates_read():
    order = [table.full_name() for table in build_order()]
    for table in build_order():
        for name in dependencies(table) & set(order):
            assert order.index(name) < order.index(table.full_name())
    assert dependencies(EngagementMonthly) == {"core.coverage_sources", "kpi.campaign_performance"}
    # What is published is built; what a template reads is declared.
    published = {t.full_name() for t in TABLES.values() if issubclass(t, CoreTable | KpiTable)}
    written_by_freeze = {
        t.full_name()
        for t in (
            core.AgentAliases,
            core.AgentTeams,
            core.BusinessHours,
            core.Calendar,
            core.ChatQuarantine,
            core.Clock,
            core.ExcludedContacts,
            core.RejectedOptOuts,
        )
    }
    assert published - written_by_freeze == set(order)
    assert all(name in TABLES for table in build_order() for name in dependencies(table))


def test_templates_speak_what_every_engine_speaks(new_world: Worlds):
    """Words that one engine lacks, or means otherwise, belong into its macro file."""
    foreign = ("qualify", "asof", "generate_series", "full join", "full outer", "->", "::", "date_trunc", "interval ")
    package = Path(crm_platform.__file__).parent
    said = {str(path): path.read_text(encoding="utf-8") for path in package.rglob("*.sql")}
    assert len(said) > 20
    for table in TABLES.values():
        for name, figure in figures(table).items() if issubclass(table, KpiTable) else ():
            texts = (figure.value, figure.where, figure.part, figure.over, figure.given)
            rows = (figure.rows.where, figure.rows.joins, *figure.rows.by.values(), *figure.rows.extra.values())
            said[f"{table.table}.{name}"] = " ".join((*texts, *rows))
    for where, text in said.items():
        assert [word for word in foreign if word in text.lower()] == [], where


@pytest.mark.slow
def test_a_new_kpi_is_one_declaration(new_world: Worlds):
    messages = Rows(core.Messages, by={"day": "{{ local_day('r.timestamp') }}"}, where="r.is_counted")
    try:

        class InboundDaily(KpiTable):
            """Messages from contacts by day."""

            key = ("day",)
            pillar = "operations"
            period = "day"
            version = 3
            seen = "1e0"

            day = date("Local day.")
            inbound = messages.count("Messages.", "direction = 'inbound'")
            kind = messages.text("A word with a quote in it.", 'min({{ quoted("it\'s") }})')

        world = new_world()
        world.message("chat", "m1", NOW - DAY, "inbound")
        world.message("chat", "m2", NOW, "inbound")
        world.build(NOW)
        assert dependencies(InboundDaily) == {"core.messages"}
        assert [
            tuple(row.values()) for row in sorted(world.tables["kpi.inbound_daily"], key=lambda row: str(row["day"]))
        ] == [
            (TODAY - DAY, 1, "it's", NOW.replace(tzinfo=None), 1.0, False, 3),
            (TODAY, 1, "it's", NOW.replace(tzinfo=None), 1.0, True, 3),
        ]
        assert validate(world.models, InboundDaily) == []
        before = code_version(InboundDaily)
        assert before == code_version(InboundDaily)
        InboundDaily.columns = {**InboundDaily.columns, "inbound": messages.count("Messages.")}
        assert code_version(InboundDaily) != before
    finally:
        TABLES.pop("kpi.inbound_daily", None)
