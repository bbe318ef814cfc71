"""A refresh against the sandbox: everything once, at its newest version, for the fewest requests, whatever happens."""

from __future__ import annotations

import datetime as dt
import json
import threading
from math import ceil

import pytest

from crm_platform.errors import Busy, ServerUnavailable, Unauthorized
from crm_platform.ingest import open_client, refresh, workers
from crm_platform.schemas import raw
from crm_platform_tests.in_process import world


def moment(text):
    return None if text is None else dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None)


def stored(world):
    """What the warehouse holds, as sets that the truth can be held against."""
    return {
        "contact": {
            (row["chat_id"], row["whatsapp_number"], row["name"], row["email"], row["custom_fields"])
            for row in world.rows("select * from raw.contacts")
        },
        "custom_field": {(row["custom_field_id"], row["name"]) for row in world.rows("from raw.custom_fields")},
        "campaign": {
            (row["campaign_id"], row["name"], row["status"], row["scheduled_at"], row["total_recipients"])
            for row in world.rows("from raw.campaigns")
        },
        "report": {
            (row["campaign_id"], row["delivered"], row["read"], row["replied"], row["failed"], row["delivery_rate"])
            for row in world.rows(
                "select * from raw.campaign_reports qualify row_number() over "
                "(partition by campaign_id order by first_fetched_at desc) = 1"
            )
        },
        "message": {
            (row["chat_id"], row["message_id"], row["timestamp"], row["direction"], row["type"], row["status"])
            for row in world.rows("from raw.messages")
        },
    }


def true(world):
    found = {kind: set() for kind in ("contact", "custom_field", "campaign", "report", "message")}
    for line in world.truth():
        match line["kind"]:
            case "contact":
                fields = line.get("custom_fields")
                found["contact"].add(
                    (
                        line["chat_id"],
                        line["whatsapp_number"],
                        line.get("name"),
                        line.get("email"),
                        json.dumps(fields, ensure_ascii=False, sort_keys=True) if fields else None,
                    )
                )
            case "custom_field":
                found["custom_field"].add((line["custom_field_id"], line.get("name")))
            case "campaign":
                found["campaign"].add(
                    (
                        line["campaign_id"],
                        line.get("name"),
                        line["status"],
                        moment(line["scheduled_at"]),
                        line.get("total_recipients"),
                    )
                )
            case "report":
                metrics = line["metrics"]
                found["report"].add(
                    (
                        line["campaign_id"],
                        *(metrics[name] for name in ("delivered", "read", "replied", "failed")),
                        line["delivery_rate"],
                    )
                )
            case "message":
                found["message"].add(
                    (
                        line["chat_id"],
                        line["message_id"],
                        moment(line["timestamp"]),
                        line["direction"],
                        line.get("type"),
                        line["status"],
                    )
                )
    return found


def assert_whole(world):
    have, want = stored(world), true(world)
    for kind, rows in want.items():
        assert have[kind] == rows, f"{kind}: {list(rows - have[kind])[:3]} missing, {list(have[kind] - rows)[:3]} more"
    for table in (raw.Contacts, raw.Campaigns, raw.Messages, raw.CampaignReports, raw.ContactSweeps):
        keys = ", ".join(table.key)
        assert not world.rows(f"select {keys} from {table.full_name()} group by {keys} having count(*) > 1")


def least_requests(world):
    messages = world.rows(
        "select count(m.message_id) as n from raw.contacts c left join raw.messages m using (chat_id) group by chat_id"
    )
    campaigns = len(world.rows("from raw.campaigns"))
    contacts = len(messages)
    chats = sum(max(1, ceil(row["n"] / 100)) for row in messages)
    return ceil(contacts / 100) + ceil(campaigns / 100) + campaigns + chats + 1


def test_a_full_load_holds_everything_once_for_the_fewest_requests(tmp_path):
    crm = world(tmp_path)
    outcomes = crm.refresh()
    assert {outcome.table for outcome in outcomes} == set(raw.FETCHED)
    assert not any(outcome.remaining for outcome in outcomes)
    assert_whole(crm)
    assert crm.sandbox.stats().requests == least_requests(crm)
    assert len(crm.rows("from ops.fetches")) == crm.sandbox.stats().requests

    again = {outcome.table: outcome for outcome in crm.refresh()}
    assert all(again[table].inserted == 0 for table in (raw.Contacts, raw.Campaigns, raw.Messages))
    assert again[raw.Messages].requests == len(crm.rows("from raw.contacts"))
    assert_whole(crm)


def test_dirty_shapes_and_faults_lose_nothing(tmp_path):
    crm = world(tmp_path, shapes=("all",), fault_rate=0.05)
    outcomes = crm.refresh()
    assert not any(outcome.remaining for outcome in outcomes)
    broken = [line for line in crm.truth() if line["kind"] == "broken"]
    assert {row["target"] for row in crm.rows("from ops.quarantine where operation = 'list_messages'")} == {
        line["chat_id"] for line in broken if line["of"] == "message"
    }
    assert len(crm.rows("from ops.quarantine")) == len(broken)
    have, want = stored(crm), true(crm)
    assert have["message"] == want["message"]
    assert {row[0] for row in have["contact"]} == {row[0] for row in want["contact"]}
    assert crm.rows("from ops.drift where field <> '' and value = ''"), "unknown fields are counted"
    assert len(crm.rows("from ops.fetches where outcome <> 'ok'")) > 0
    before = len(crm.rows("from ops.quarantine"))
    again = {outcome.table: outcome for outcome in crm.refresh()}
    assert again[raw.Messages].inserted == 0
    assert len(crm.rows("from ops.quarantine")) == before


@pytest.mark.slow
def test_time_moves_and_statuses_follow(tmp_path):
    crm = world(tmp_path, contacts=400, days=15)
    crm.refresh()
    crm.time.sleep(3 * 86_400)
    outcomes = {outcome.table: outcome for outcome in crm.refresh()}
    assert outcomes[raw.Messages].inserted > 0
    assert outcomes[raw.Messages].updated > 0, "a message sent before was read since"
    assert {row[:2] for row in true(crm)["message"]} <= {row[:2] for row in stored(crm)["message"]}
    assert len(crm.rows("from raw.campaign_statuses where is_change")) > 0


@pytest.mark.slow
def test_killed_between_any_two_requests_the_next_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("crm_platform.ingest.recorder.BATCH_ROWS", 50)
    crm = world(tmp_path, contacts=20, days=30)
    left = [7]

    class Killed(BaseException):
        pass

    def kill():
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    crm.on_request = kill
    for patience in range(5, 60, 6):
        left[0] = patience
        try:
            crm.refresh()
        except Killed:
            continue
        break
    crm.on_request = lambda: None
    crm.refresh()
    assert_whole(crm)


@pytest.mark.slow
def test_a_server_that_goes_down_ends_the_run_with_what_it_has(tmp_path):
    crm = world(tmp_path)
    crm.refresh(tables=[raw.Contacts])
    crm.sandbox = type(crm.sandbox)(
        type(crm.options)(contacts=60, days=40, start=crm.options.start, fault_rate=1.0, faults=("503",)),
        clock=crm.sandbox.clock,
    )
    # One worker: several may be through with all sixty before the first answer is judged, where answers take no time.
    outcome = crm.refresh(tables=[raw.Messages], workers=1)[0]
    assert "60 of 60 chats" in outcome.remaining
    assert outcome.requests < 60 * 5, "it gave up after a few chats in a row"
    assert all(row["failure"] == "ServerUnavailable" for row in crm.rows("from ops.crawl_state"))


def test_a_wrong_key_is_a_configuration_to_fix(tmp_path):
    crm = world(tmp_path, key="another")
    with pytest.raises(Unauthorized):
        crm.refresh()


@pytest.mark.slow
def test_a_contact_deleted_upstream_is_missed_and_a_returning_one_noticed(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    victim = crm.rows("from raw.contacts order by chat_id limit 1")[0]["chat_id"]
    with crm.connect(lambda _: None) as client:
        client.delete_contact(victim)
    crm.time.sleep(60)
    crm.refresh()
    assert [
        row["is_present"] for row in crm.rows("from raw.contact_sightings where chat_id = ? order by sweep_id", victim)
    ] == [
        True,
        False,
    ]
    assert crm.rows("from raw.contacts where chat_id = ?", victim), "a contact that is gone keeps its row"


@pytest.mark.slow
def test_a_message_deleted_text_policy(tmp_path):
    crm = world(tmp_path)
    crm.settings = crm.settings.model_copy(update={"message_text": "drop"})
    crm.refresh()
    assert crm.rows("select count(content) as texts from raw.messages") == [{"texts": 0}]


@pytest.mark.slow
def test_only_one_crawler_works_at_a_time(tmp_path):
    crm = world(tmp_path)
    running = refresh(crm.settings, crm.warehouse, connect=crm.connect, now=crm.time)
    next(running)
    with pytest.raises(Busy) as busy:
        crm.refresh()
    assert "process" in busy.value.holder
    running.close()
    assert crm.refresh()


def test_the_default_client_goes_through_the_shared_gate(tmp_path):
    crm = world(tmp_path)
    client = open_client(crm.settings, on_fetch=lambda _: None)
    assert "sandbox" not in repr(client).replace("crm_platform.sandbox", "")
    client.close()


@pytest.mark.slow
def test_a_first_refresh_that_never_reaches_the_crm_says_so(tmp_path):
    crm = world(tmp_path, fault_rate=1.0, faults=("503",))
    with pytest.raises(ServerUnavailable):
        crm.refresh()
    assert crm.rows("from ops.fetches"), "what was sent is on record all the same"


@pytest.mark.slow
def test_a_crm_that_goes_down_is_soon_left_alone(tmp_path):
    crm = world(tmp_path)
    crm.refresh()
    crm.sandbox = type(crm.sandbox)(
        type(crm.options)(contacts=60, days=40, start=crm.options.start, fault_rate=1.0, faults=("503",)),
        clock=crm.sandbox.clock,
    )
    outcomes = crm.refresh(workers=1)  # with more, those under way count too
    assert all(outcome.remaining for outcome in outcomes)
    assert sum({id(outcome.metrics): outcome.requests for outcome in outcomes}.values()) < 150


@pytest.mark.slow
def test_in_a_lull_what_came_is_committed_and_whoever_watches_is_told(tmp_path, monkeypatch):
    """Kind 15: while the limit lets nothing through, figures can be made of all that came."""
    monkeypatch.setattr(workers, "LULL_SECONDS", 0.02)
    crm = world(tmp_path)
    had_lull = threading.Event()
    asked: list[int] = []

    def blocked_from_the_30th_on():
        asked.append(1)
        if len(asked) > 30:
            assert had_lull.wait(30)

    stored: list[tuple[int, int]] = []

    def progress(told):
        if told.is_waiting:
            (found,) = crm.rows("select count(*) as messages from raw.messages")
            stored.append((told.messages, found["messages"]))
            had_lull.set()

    crm.on_request = blocked_from_the_30th_on
    crm.refresh(progress=progress)
    came, committed = stored[0]
    assert 0 < came == committed
    assert_whole(crm)


@pytest.mark.slow
def test_a_limit_that_only_the_crm_names_brings_the_cheapest_figures_first(tmp_path):
    """Kind 15: no limit of ours, 30 a minute by the server's word."""
    crm = world(tmp_path, contacts=20, requests_per_minute=30)
    order = [outcome.table for outcome in crm.refresh(workers=1)]
    assert order == list(raw.FETCHED)
    assert order[-1] is raw.Messages
