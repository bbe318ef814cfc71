"""A narrowed snapshot: of nothing it is the published one; of a value its figures are those that support_by tells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crm_platform.publish import publish
from crm_platform.receipts import OpenedSnapshot, opened, receipt
from crm_platform.receipts.behind import SnapshotReader, _Opened, is_same
from crm_platform.receipts.choices import UnknownValue, choices, narrowing_of
from crm_platform.receipts.keys import find_kpi
from crm_platform.receipts.narrowed import DIMENSIONS, Narrowing, narrow, narrowed_by
from crm_platform.schemas import KpiTable
from crm_platform.schemas.figures import Figure
from crm_platform.tables import TABLES
from crm_platform_tests.models.worlds import from_facts
from crm_platform_tests.oracle.worlds import random_facts

pytestmark = pytest.mark.slow  # it publishes worlds of its own

AS_OF = dt.datetime(2026, 11, 22, 11, 5, tzinfo=dt.UTC)
KPIS = sorted(name for name, table in TABLES.items() if issubclass(table, KpiTable))
# What cannot be told of some contacts, agents or origins: campaigns, which the CRM reports as a whole.
OF_CAMPAIGNS = {"kpi.campaign_performance", "kpi.engagement_monthly", "kpi.send_time_performance"}


def published(seed: int, folder: Path, stack: ExitStack, **facts: object) -> OpenedSnapshot:
    told = random_facts(seed, as_of=AS_OF, **facts)
    world = from_facts(told, folder)
    world.settings = world.settings.model_copy(update={"data_dir": folder})
    world.build(AS_OF, as_of=AS_OF, aliases=told.agent_aliases)
    snapshot = publish(world.models, settings=world.settings, now=AS_OF)
    return stack.enter_context(opened(snapshot.path))


def narrowed(snapshot: OpenedSnapshot, *chosen: tuple[str, str]) -> OpenedSnapshot:
    return _Opened(*narrow(snapshot, Narrowing.of(chosen)))


def rows(snapshot: OpenedSnapshot, table: str) -> list[dict[str, object]]:
    order = ", ".join(TABLES[table].key) or "as_of"
    return snapshot.connection.cursor().sql(f"select * from {table} order by {order}").to_arrow_table().to_pylist()


def differ(one: list[dict[str, object]], other: list[dict[str, object]]) -> list[object]:
    """The cells in which two tables differ."""
    if len(one) != len(other):
        return [len(one), len(other)]
    return [
        (name, row[name], same[name])
        for row, same in zip(one, other, strict=True)
        for name in row
        if not is_same(row[name], same[name])
    ]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenedSnapshot]:
    with ExitStack() as stack:
        yield published(4, tmp_path_factory.mktemp("world"), stack, contacts=20, days=60, campaigns=12)


def test_narrowed_to_everything_it_is_the_published_one(snapshot):
    same = narrowed(snapshot)
    assert {name: differ(rows(snapshot, name), rows(same, name))[:2] for name in KPIS} == {name: [] for name in KPIS}


def windows(snapshot: OpenedSnapshot) -> list[dict[str, object]]:
    return rows(snapshot, "kpi.support_by")


def wrong_values(snapshot: OpenedSnapshot) -> list[object]:
    """Where a figure of one value alone is not what support_by says of the value."""
    told: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in windows(snapshot):
        told.setdefault((str(row["dimension"]), str(row["value"])), []).append(row)
    wrong: list[object] = []
    today = snapshot.manifest.as_of.astimezone(dt.UTC).date()
    for (dimension, value), of_value in told.items():
        reader = SnapshotReader.of(narrowed(snapshot, (dimension, value)))
        (clock,) = reader.query(f"select {reader.expand('{{ cut_day }}')} as day")["day"].to_pylist()
        assert abs((clock - today).days) <= 1
        for row in of_value:
            first = clock - dt.timedelta(days=int(str(row["window_days"])))
            for table, column in (
                *(("response_times_daily", name) for name in row if name in find_kpi("response_times_daily").columns),
                ("chats_resolved_daily", "chats_resolved"),
            ):
                of = find_kpi(table)
                name = "resolved" if column == "chats_resolved" else column
                line = reader.lineage(of, name)
                if line is None or name in KpiTable.columns:
                    continue
                value_now = reader.value(reader.over(line, first, clock))
                if not is_same(value_now, row[column]):
                    wrong.append((dimension, value, row["window_days"], column, value_now, row[column]))
    return wrong


def test_of_one_value_it_is_what_support_by_says_of_it(snapshot):
    assert len(windows(snapshot)) > 30
    assert wrong_values(snapshot) == []


@pytest.mark.parametrize(
    ("seed", "zone"),
    [(11, "Africa/Nairobi"), (12, "America/Vancouver"), (13, "Africa/Casablanca"), (14, "Asia/Kathmandu"), (15, "UTC")],
)
def test_in_other_worlds_too(seed, zone, tmp_path):
    with ExitStack() as stack:
        one = published(seed, tmp_path, stack, contacts=60, days=120, campaigns=30, timezone=zone)
        same = narrowed(one)
        assert [name for name in KPIS if differ(rows(one, name), rows(same, name))] == []
        assert wrong_values(one) == []


@pytest.mark.parametrize("dimension", ["country", "segment:VIP"])
def test_contacts_of_a_value_are_those_that_the_tables_count(snapshot, dimension):
    table, column = ("contacts_by_country", "region") if dimension == "country" else ("contacts_by_segment", "value")
    told = [row for row in rows(snapshot, f"kpi.{table}") if dimension == "country" or row["field"] == "VIP"]
    assert len(told) > 1
    for row in told:
        (summary,) = rows(narrowed(snapshot, (dimension, str(row[column]))), "kpi.executive_summary")
        assert summary["total_contacts"] == row["contacts"]
        assert summary["active_campaigns"] is None


@pytest.mark.parametrize("dimension", ["agent", *(one for one in ("team", "country", "origin"))])
def test_the_values_of_a_dimension_add_up(snapshot, dimension):
    (name,) = {name for name in DIMENSIONS if name == dimension}
    values = [one.value for one in choices(snapshot) if one.name == name]
    columns = {
        "kpi.response_times_daily": ("waits", "first_answered_waits", "missed_waits", "open_waits"),
        "kpi.chats_resolved_daily": ("resolved",),
        "kpi.conversations_daily": ("conversations", "over_10_messages"),
        "kpi.backlog_daily": ("open_waits_at_end",),
    }
    parts = [narrowed(snapshot, (dimension, value)) for value in values]
    if dimension == "origin":  # conversations that no contact wrote in have none
        parts.append(narrowed(snapshot, ("origin", "(none)")))
    for table, names in columns.items():
        whole = rows(snapshot, table)
        each = [rows(part, table) for part in parts]
        for column in names:
            sums = [sum(row[column] for row in days) for days in zip(*each, strict=True)]
            assert sums == [row[column] for row in whole], (table, column)


def test_two_values_of_a_dimension_widen_and_two_dimensions_narrow(snapshot):
    def waits(*chosen: tuple[str, str]) -> int:
        return sum(row["waits"] for row in rows(narrowed(snapshot, *chosen), "kpi.response_times_daily"))

    kenya, germany = waits(("country", "KE")), waits(("country", "DE"))
    assert waits(("country", "KE"), ("country", "DE")) == kenya + germany
    assert 0 < waits(("country", "KE"), ("origin", "organic")) < kenya


def test_figures_whose_rows_do_not_say_whose_they_are_are_not_told(snapshot):
    of_kenya = narrowed(snapshot, ("country", "KE"))
    assert set(KPIS) - of_kenya.manifest.tables.keys() == OF_CAMPAIGNS
    of_agent = narrowed(snapshot, ("agent", "(unassigned)"))
    gone = set(KPIS) - of_agent.manifest.tables.keys()
    assert gone > OF_CAMPAIGNS | {"kpi.contact_growth_daily", "kpi.contact_activity_daily", "kpi.opt_outs_daily"}
    (summary,) = rows(of_agent, "kpi.executive_summary")
    assert summary["total_contacts"] is None
    assert summary["open_waits"] is not None
    assert "agent" not in narrowed_by("kpi.chats_resolved_daily", "unresolved")
    assert narrowed_by("kpi.message_volume_hourly", "inbound") > narrowed_by("kpi.message_volume_hourly", "replies")


def test_every_figure_says_what_it_can_be_narrowed_by():
    for name in KPIS:
        for column, declared in TABLES[name].columns.items():
            if isinstance(declared.figure, Figure):
                assert narrowed_by(name, column) <= set(DIMENSIONS)


def test_a_receipt_of_a_narrowed_figure_agrees(snapshot):
    of_kenya = narrowed(snapshot, ("country", "KE"))
    found = receipt(of_kenya, "response_times_daily", {"day_from": "2026-09-01", "day_to": "2026-11-22"}, "waits")
    everyone = receipt(snapshot, "response_times_daily", {"day_from": "2026-09-01", "day_to": "2026-11-22"}, "waits")
    assert found.agrees
    assert 0 < found.row_count < everyone.row_count
    chats = {row["chat_id"] for row in found.rows}
    kenyans = snapshot.connection.cursor().sql("select chat_id from core.contacts where region = 'KE'").fetchall()
    assert chats <= {chat for (chat,) in kenyans}


def test_values_are_read_as_links_write_them_and_as_people_type_them(snapshot):
    known = choices(snapshot)
    assert {one.name for one in known} == set(DIMENSIONS)
    assert narrowing_of([("segment", "VIP:yes"), ("country", "KE")], known).pairs == [
        ("country", "KE"),
        ("segment:VIP", "yes"),
    ]
    with pytest.raises(UnknownValue, match="country=KEN is not known: did you mean KE"):
        narrowing_of([("country", "KEN")], known)
    with pytest.raises(UnknownValue, match="agent=' or 1=1 is not known"):
        narrowing_of([("agent", "' or 1=1")], known)
