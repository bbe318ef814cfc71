"""Crawl runs: within the limits as the server counts them, the best first, nothing lost, and they say what remains."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from crm_platform.sandbox.records import milliseconds
from crm_platform.schemas import raw
from crm_platform_tests.in_process import world
from crm_platform_tests.ingest.test_refresh import assert_whole, true


@pytest.mark.slow
def test_without_a_quota_one_tick_fetches_everything(tmp_path):
    crm = world(tmp_path)
    outcomes = {outcome.table: outcome for outcome in crm.crawl()}
    assert outcomes[raw.Messages].remaining == ""
    assert_whole(crm)


@pytest.mark.slow
def test_a_crawl_keeps_the_limit_as_the_server_counts_it(tmp_path):
    crm = world(tmp_path, contacts=200, limits={"requests_per_minute": 20, "requests_per_day": 2000})
    crm.crawl(minutes=8)
    stats = crm.sandbox.stats()
    assert stats.most_in_60s <= 20
    assert stats.requests > 20, "and it uses what it has"
    crm.crawl(minutes=4)
    assert crm.sandbox.stats().most_in_60s <= 20
    assert crm.sandbox.stats().most_in_24h <= 2000


@pytest.mark.slow
def test_a_cold_start_sees_every_chat_before_it_deepens(tmp_path):
    crm = world(tmp_path, contacts=100, limits={"requests_per_minute": 30})
    outcome = {one.table: one for one in crm.crawl(requests=112)}[raw.Messages]
    states = crm.rows("from ops.crawl_state")
    assert len(states) >= 80
    assert "not visited yet" in outcome.remaining or "histories" in outcome.remaining
    assert len(crm.rows("from raw.contacts")) == 100
    assert len(crm.rows("from raw.campaigns")) > 0


@pytest.mark.slow
def test_the_first_minute_sees_chats_too(tmp_path):
    crm = world(tmp_path, contacts=100, limits={"requests_per_minute": 30})
    crm.crawl(minutes=1)
    operations = Counter(row["operation"] for row in crm.rows("from ops.fetches"))
    assert operations["list_messages"] >= 10, operations
    assert operations.total() >= 25, "the minute is used up"


@pytest.mark.slow
def test_a_limit_that_only_the_server_names_paces_what_is_not_urgent(tmp_path):
    """Thirty a minute by the server's word, no limit of ours: hot chats still come before a history that is long."""
    crm = world(tmp_path, contacts=60, requests_per_minute=30)
    crm.crawl(minutes=12)
    assert crm.sandbox.stats().most_in_60s <= 31, "the first minute's last answer is what names it"
    minutes = Counter(
        int(row["minute"])
        for row in crm.rows(
            "select date_diff('minute', (select min(started_at) from ops.fetches), started_at) as minute "
            "from ops.fetches where operation = 'list_messages' and sort = 'newest'"
        )
    )
    assert all(minutes[minute] > 0 for minute in range(2, 11)), minutes


@pytest.mark.slow
def test_small_runs_add_up_to_everything(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 60})
    for _ in range(60):
        outcome = {one.table: one for one in crm.crawl(requests=25, minutes=15)}[raw.Messages]
        if not outcome.remaining:
            break
        crm.time.sleep(20)
    assert outcome.remaining == ""
    have = {row["message_id"] for row in crm.rows("from raw.messages")}
    seen_until = min(row["known_until"] for row in crm.rows("from ops.crawl_state"))
    assert {row[1] for row in true(crm)["message"] if row[2] < seen_until} <= have
    assert crm.sandbox.stats().most_in_60s <= 60


@pytest.mark.slow
def test_the_days_allowance_ends_the_run_green_and_the_next_goes_on(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 60, "requests_per_day": 100})
    crm.crawl(minutes=180)
    assert crm.sandbox.stats().most_in_24h <= 100
    before = crm.sandbox.stats().requests
    crm.time.sleep(86_400)
    crm.crawl(minutes=120)
    assert crm.sandbox.stats().requests > before
    assert crm.sandbox.stats().most_in_24h <= 100


@pytest.mark.slow
def test_an_event_brings_its_chat_forward_within_a_minute(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 12})
    crm.crawl(minutes=12)
    (quiet,) = crm.rows("select chat_id from ops.crawl_state order by known_until limit 1")
    event = {
        "event_id": "e1",
        "event": "message.received",
        "chat_id": quiet["chat_id"],
        "happened_at": crm.time.now - dt.timedelta(hours=8),
        "received_at": crm.time.now,
    }
    # The message happened after the last visit, as far as the planner knows.
    event["happened_at"] = crm.time.now - dt.timedelta(seconds=1)
    with crm.warehouse.writing() as session:
        session.merge(raw.Events, raw.Events.rows([event]))
    crm.time.sleep(600)
    named_at = crm.time.now
    crm.crawl(minutes=3)
    (visited,) = crm.rows("select known_until from ops.crawl_state where chat_id = ?", quiet["chat_id"])
    assert visited["known_until"].replace(tzinfo=dt.UTC) - named_at <= dt.timedelta(seconds=70)


@pytest.mark.slow
def test_a_campaigns_first_report_comes_early_and_running_ones_again(tmp_path):
    crm = world(tmp_path, limits={"requests_per_minute": 120})
    crm.crawl(minutes=8)
    campaigns = len(crm.rows("from raw.campaigns"))
    assert len(crm.rows("select distinct campaign_id from raw.campaign_reports")) == campaigns


@pytest.mark.slow
def test_whom_the_sweep_of_a_tick_finds_gone_is_not_asked_for(tmp_path):
    """Nobody gone is ever had again: trouble with such a chat would stand for ever."""
    crm = world(tmp_path, limits={"requests_per_minute": 60})
    crm.crawl(minutes=12)
    crm.time.sleep(86_400)
    world_now = milliseconds(crm.time.now)
    for index in list(crm.sandbox.world.present(world_now))[:5]:
        crm.sandbox.world.delete_contact(index, world_now)
    crm.crawl(minutes=3)
    assert len(crm.rows("from raw.contact_sightings where not is_present")) == 5
    assert not crm.rows("from ops.fetches where http_status = 404")
    assert not crm.rows("from ops.troubles where over_at is null")
