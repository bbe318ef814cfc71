"""Field case 65: a clock that was wrong for a run costs nothing lasting once it is right again."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from pydantic import SecretStr

from crm_platform.api import CrmClient
from crm_platform.ingest import Outcome, crawl, refresh
from crm_platform.ingest.clocks import ClockIsWrong, newest_instant
from crm_platform.ingest.connect import CRAWLER_RESERVE, open_gate
from crm_platform.ingest.planner_store import PlannerStore
from crm_platform.ingest.presence import PRESENT
from crm_platform.schemas import OpsTable, RawTable, Type, ops, raw
from crm_platform.tables import TABLES
from crm_platform_tests.in_process import SandboxTransport, World, world
from crm_platform_tests.ingest.test_refresh import assert_whole

DAY = dt.timedelta(days=1)


class DatedTransport(SandboxTransport):
    """As every HTTP server does, it says what time it is."""

    def __init__(self, crm: World) -> None:
        super().__init__(crm.sandbox, sleep=crm.time.sleep, on_request=lambda: crm.time.sleep(0.01))
        self._time = crm.time

    def handle_request(self, request):
        answer = super().handle_request(request)
        answer.headers["date"] = f"{self._time():%a, %d %b %Y %H:%M:%S} GMT"
        return answer


def off(crm: World, by: dt.timedelta, *, is_dated: bool = True) -> dict:
    """Options of a run whose clock is off by so much; the CRM's is right."""

    def now() -> dt.datetime:
        return crm.time() + by

    def connect(on_fetch):
        transport = SandboxTransport(crm.sandbox, sleep=crm.time.sleep, on_request=lambda: crm.time.sleep(0.01))
        return CrmClient(
            "http://127.0.0.1:1",
            SecretStr("sandbox"),
            transport=DatedTransport(crm) if is_dated else transport,
            gate=open_gate(crm.settings, reserve=CRAWLER_RESERVE, now=now, sleep=crm.time.sleep),
            on_fetch=on_fetch,
            now=now,
            sleep=crm.time.sleep,
            jitter=random.Random(1),
        )

    return {"now": now, "connect": connect}


RIGHT = dt.timedelta(0)


def refreshed(crm: World, by: dt.timedelta = RIGHT, **options) -> list[Outcome]:
    return list(refresh(crm.settings, crm.warehouse, workers=1, **off(crm, by, **options)))


def crawled(crm: World, by: dt.timedelta = RIGHT, *, is_dated: bool = True, **options) -> list[Outcome]:
    options = {"sleep": crm.time.sleep, "workers": 1, **off(crm, by, is_dated=is_dated), **options}
    return list(crawl(crm.settings, crm.warehouse, **options))


def of_our_clock(crm: World) -> dict[str, dt.datetime]:
    """The newest instant of each column that our own clock fills."""
    newest = {}
    for table in TABLES.values():
        if (
            issubclass(table, RawTable | OpsTable) and table is not ops.Meta
        ):  # noted as the file was opened, by the day's clock
            for name, column in table.columns.items():
                if column.type is Type.TIMESTAMP and not column.is_told:
                    (row,) = crm.rows(f'select max("{name}") as moment from {table.full_name()}')
                    if row["moment"] is not None:
                        newest[f"{table.full_name()}.{name}"] = row["moment"].replace(tzinfo=dt.UTC)
    return newest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "is_dated"),
    [
        (30 * DAY, True),
        (dt.timedelta(hours=2), True),
        (4000 * DAY, True),
        (30 * DAY, False),
    ],
)
def test_after_a_run_with_a_clock_ahead_the_next_one_goes_on_as_if_nothing_had_been(tmp_path, by, is_dated):
    crm = world(tmp_path, contacts=12, days=8, limits={"requests_per_minute": 600})
    crawled(crm, minutes=1)
    crawled(crm, by, is_dated=is_dated, minutes=1)
    assert newest_instant(crm.warehouse) > crm.time() + by / 2
    crm.time.sleep(1800)
    requests = crm.sandbox.stats().requests
    crawled(crm, is_dated=is_dated, minutes=1)
    assert crm.sandbox.stats().requests - requests > 12, "the gate is open, and chats are worth a visit"
    assert max(of_our_clock(crm).values()) <= crm.time()
    refreshed(crm)
    assert_whole(crm)
    ids = [row["fetch_id"] for row in crm.rows("select fetch_id from ops.fetches order by fetch_id")]
    assert len(set(ids)) == len(ids)
    micros = (crm.time() - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert ids[-1] <= (micros + 10**6) * 1024
    known = {row["fetch_id"] for row in crm.rows("select fetch_id from ops.fetches")}
    named = {
        row["fetch_id"]
        for row in crm.rows("select fetch_id from raw.messages union select sweep_id from raw.contact_sweeps")
    }
    assert named <= known, "every row still names the request that brought it"


@pytest.mark.slow
def test_a_later_visit_wins_over_what_a_clock_ahead_stored(tmp_path):
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm, 30 * DAY)
    with crm.warehouse.writing() as session:
        session.execute("update raw.contacts set name = 'as it was'")
    crm.time.sleep(60)
    updated = {one.table: one.updated for one in refreshed(crm)}
    assert updated[raw.Contacts] == len(crm.rows("from raw.contacts"))
    assert not crm.rows("from raw.contacts where name = 'as it was'")


@pytest.mark.slow
def test_who_was_deleted_after_a_sweep_with_a_clock_ahead_is_gone(tmp_path):
    """The newest sweep says who is there, and sweeps go by their ids."""
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm, 30 * DAY)
    (first, *_) = sorted(row["chat_id"] for row in crm.rows(PRESENT))
    crm.time.sleep(60)
    with crm.connect(lambda _: None) as client:
        client.delete_contact(first)
    crm.time.sleep(60)
    refreshed(crm)
    assert first not in {row["chat_id"] for row in crm.rows(PRESENT)}


@pytest.mark.slow
def test_what_looked_dated_in_the_past_under_a_clock_ahead_is_flagged_again(tmp_path):
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm)
    ahead = crm.time.now + dt.timedelta(hours=3)
    with crm.warehouse.writing() as session:
        session.execute(
            "update raw.messages set timestamp = ? where message_id = (select min(message_id) from raw.messages)",
            [ahead.replace(tzinfo=None)],
        )
        session.execute("update ops.fetches set finished_at = finished_at + interval '30 days'")
        session.execute("update raw.messages set first_fetched_at = first_fetched_at + interval '30 days'")
    crawled(crm, requests=1)
    assert len(crm.rows("from raw.messages where is_future_dated")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_dated", [True, False])
def test_a_clock_that_went_back_is_refused_by_the_crms_word_and_stores_nothing(tmp_path, is_dated):
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm)
    crm.time.sleep(3600)
    before = of_our_clock(crm)
    with pytest.raises(ClockIsWrong, match="set the clock"):
        refreshed(crm, -30 * DAY, is_dated=is_dated)
    assert of_our_clock(crm) == before
    refreshed(crm)
    assert_whole(crm)


@pytest.mark.parametrize("year", [1970, *(pytest.param(year, marks=pytest.mark.slow) for year in (2000, 2019))])
def test_a_clock_that_was_never_set_is_refused_before_a_request(tmp_path, year):
    crm = world(tmp_path, contacts=12, days=8)
    by = dt.datetime(year, 1, 1, 0, 5, tzinfo=dt.UTC) - crm.time()
    with pytest.raises(ClockIsWrong, match=f"clock says {year}-01-01 00:05 UTC"):
        crawled(crm, by)
    assert crm.sandbox.stats().requests == 0
    refreshed(crm)
    assert_whole(crm)


@pytest.mark.slow
def test_a_first_run_with_a_clock_behind_loses_no_message(tmp_path):
    """Nothing is on record yet that could tell: the CRM's date decides what is dated in the future."""
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm, -60 * DAY)
    crm.time.sleep(60)
    refreshed(crm)
    assert not crm.rows("from raw.messages where is_future_dated")
    assert_whole(crm)


@pytest.mark.slow
def test_small_steps_are_left_alone(tmp_path):
    crm = world(tmp_path, contacts=12, days=8)
    refreshed(crm)
    before = newest_instant(crm.warehouse)
    refreshed(crm, dt.timedelta(seconds=-200))
    assert newest_instant(crm.warehouse) >= before
    crm.time.sleep(300)
    refreshed(crm)
    assert_whole(crm)


@pytest.mark.slow
def test_a_clock_that_is_set_back_in_the_middle_ends_the_run_and_the_next_goes_on(tmp_path):
    crm = world(tmp_path, contacts=12, days=8, limits={"requests_per_minute": 60})
    step = {"by": 30 * DAY}
    options = off(crm, dt.timedelta(0))

    def now() -> dt.datetime:
        return crm.time() + step["by"]

    def set_back(seconds: float) -> None:
        step["by"] = dt.timedelta(0)
        assert seconds < 120, "it sleeps no longer than it meant to"
        crm.time.sleep(seconds)

    with pytest.raises(ClockIsWrong, match="set back"):
        crm.crawl(minutes=15, connect=options["connect"], now=now, sleep=set_back)
    crm.time.sleep(60)
    refreshed(crm)
    assert_whole(crm)


@pytest.mark.slow
def test_a_planner_from_a_clock_ahead_visits_again(tmp_path):
    crm = world(tmp_path, contacts=12, days=8, limits={"requests_per_minute": 600})
    crawled(crm, 30 * DAY, minutes=1)
    planner = PlannerStore.load(crm.settings, crm.warehouse, at=crm.time()).planner
    crm.time.sleep(8 * 3600)
    assert len(planner.plan(crm.time()).chats) > 5
    assert planner.accrued_at <= crm.time()


def test_every_instant_of_ours_is_known_to_be_ours():
    """A new column that holds an instant is ours unless it is declared as the CRM's own."""
    told = {
        f"{table.full_name()}.{name}"
        for table in TABLES.values()
        if issubclass(table, RawTable | OpsTable)
        for name, column in table.columns.items()
        if column.is_told
    }
    assert told == {
        "raw.contacts.created_at",
        "raw.campaigns.created_at",
        "raw.campaigns.scheduled_at",
        "raw.messages.timestamp",
        "raw.events.happened_at",
        "ops.crawl_state.newest_run_since",
    }
    assert not any(column.is_told for column in ops.Fetches.columns.values())
