"""The oracle on random worlds: what holds of every tenant, whatever the figures.

What belongs here: identities between tables, blindness to order, that the worlds hold the edge cases they promise. What
does not: figures worked out by hand (`test_oracle.py`), the SQL (tests of `models`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random
from collections import Counter
from itertools import chain, pairwise

import pytest

from crm_platform_tests.oracle.arithmetic import complete_days, day_of
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.worlds import random_facts

SEEDS = range(40)
Tables = dict[str, list[dict[str, object]]]


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> tuple[Facts, Tables]:
    facts = random_facts(request.param)
    return facts, compute(facts)


def test_keys_are_unique_and_numbers_finite(world: tuple[Facts, Tables]):
    for table, rows in world[1].items():
        keys = [tuple(row[column] for column in KEYS[table]) for row in rows]
        assert len(keys) == len(set(keys)), table
        assert len({frozenset(row) for row in rows}) <= 1, table
        assert all(math.isfinite(cell) for row in rows for cell in row.values() if isinstance(cell, float)), table


def test_rates_are_proportions(world: tuple[Facts, Tables]):
    for row in chain(world[1]["kpi.response_times_daily"], world[1]["kpi.engagement_monthly"]):
        rates = [cell for column, cell in row.items() if "rate" in column or "_per_" in column]
        assert all(rate is None or 0 <= rate <= 1 for rate in rates)
    for row in world[1]["kpi.campaign_performance"]:
        for column in ("delivery_rate", "read_per_delivered", "reply_per_delivered"):
            if row[f"{column}_low"] is not None:
                low, high = row[f"{column}_low"], row[f"{column}_high"]
                assert 0 <= low <= row[column] + 1e-12 <= high + 2e-12 <= 1 + 3e-12


def test_waits_add_up(world: tuple[Facts, Tables]):
    tables = world[1]
    waits = Counter((wait["state"], wait["is_left_truncated"]) for wait in tables["core.response_waits"])
    daily = tables["kpi.response_times_daily"]
    for state in ("answered", "open", "missed", "trailing"):
        assert sum(row[f"{state}_waits"] for row in daily) == waits[state, False]
    assert sum(row["left_truncated_waits"] for row in daily) == sum(n for (_, cut), n in waits.items() if cut)
    for row in daily:
        assert row["waits"] == sum(row[f"{state}_waits"] for state in ("answered", "open", "missed", "trailing"))
    assert tables["kpi.backlog_now"][0]["open_waits"] == waits["open", False] + waits["open", True]


def test_conversations_hold_every_counted_message_and_keep_their_distance(world: tuple[Facts, Tables]):
    facts, tables = world
    gap = facts.settings.conversation_gap
    rows = tables["core.conversations"]
    for before, after in pairwise(rows):
        if before["chat_id"] == after["chat_id"]:
            assert after["started_at"] - before["ended_at"] > gap
            assert after["conversation_number"] == before["conversation_number"] + 1
    inbound = [
        one
        for one in facts.messages
        if one.direction == "inbound"
        and max(one.timestamp, one.first_fetched_at) <= facts.as_of
        and one.timestamp <= one.first_fetched_at + dt.timedelta(minutes=5)
    ]
    assert sum(row["inbound_messages"] for row in rows) == len(inbound)


def test_days_follow_each_other(world: tuple[Facts, Tables]):
    facts, tables = world
    for table in ("response_times_daily", "chats_resolved_daily", "backlog_daily", "contact_growth_daily"):
        days = [row["day"] for row in tables[f"kpi.{table}"]]
        assert all(after - before == dt.timedelta(days=1) for before, after in pairwise(days))
        assert not days or days[-1] == day_of(facts.as_of, facts.settings.zone)


def test_resolutions_agree_between_tables(world: tuple[Facts, Tables]):
    facts, tables = world
    (summary,) = tables["kpi.executive_summary"]
    today = day_of(facts.as_of, facts.settings.zone)
    week = [row for row in tables["kpi.chats_resolved_daily"] if 0 < (today - row["day"]).days <= 7]
    leaders = [row for row in tables["kpi.agent_leaderboard"] if row["window_days"] == 7]
    resolved = sum(row["resolved"] for row in week)
    assert sum(row["chats_resolved"] for row in leaders) == resolved
    assert summary["chats_resolved_7d"] == resolved
    for row in tables["kpi.chats_resolved_daily"]:
        assert row["resolved"] == row["resolved_by_operator"] + row["resolved_quietly"]


def test_replies_agree_between_tables(world: tuple[Facts, Tables]):
    facts, tables = world
    window = complete_days(facts.as_of, 30, facts.settings.zone)
    leaders = [row for row in tables["kpi.agent_leaderboard"] if row["window_days"] == 30]
    whole_within = [
        row for row in tables["core.conversations"] if row["started_at"] in window and row["ended_at"] in window
    ]
    volume = sum(row["replies"] for row in tables["kpi.message_volume_hourly"])
    replies = sum(row["replies"] for row in leaders)
    assert sum(row["replies"] for row in whole_within) <= replies <= volume
    nobody = sum(row["replies"] for row in leaders if row["agent"] == "(unassigned)")
    for row in leaders:
        assert row["attributed_share"] == (pytest.approx(1 - nobody / replies) if replies else None)


def test_contacts_add_up(world: tuple[Facts, Tables]):
    tables = world[1]
    present = sum(row["to_at"] is None for row in tables["core.contact_presence"])
    assert tables["kpi.executive_summary"][0]["total_contacts"] == present
    assert sum(row["contacts"] for row in tables["kpi.contacts_by_country"]) == present
    assert sum(row["contacts"] for row in tables["kpi.contacts_by_segment"] if row["field"] == "VIP") == present
    daily, monthly = tables["kpi.contact_growth_daily"], tables["kpi.contact_growth_monthly"]
    for before, after in pairwise(daily):
        if not after["is_estimated"]:
            assert after["total_contacts"] == before["total_contacts"] + after["net_growth"]
    if daily:
        assert daily[-1]["total_contacts"] == present
        assert monthly[-1]["closing"] == present
    for before, after in pairwise(monthly):
        assert after["opening"] == before["closing"]


@pytest.mark.parametrize("seed", range(5))
def test_order_of_records_does_not_matter(seed: int):
    facts = random_facts(seed)
    rng = random.Random(seed)
    records = {
        field.name: tuple(rng.sample(getattr(facts, field.name), len(getattr(facts, field.name))))
        for field in dataclasses.fields(Facts)
        if isinstance(getattr(facts, field.name), tuple)
    }
    shuffled = compute(dataclasses.replace(facts, **records))
    for table, rows in compute(facts).items():
        assert differences(rows, shuffled[table], KEYS[table], tolerance=1e-12) == []


def test_a_seed_is_a_world():
    assert random_facts(3) == random_facts(3)
    assert random_facts(3) != random_facts(4)
    assert compute(random_facts(3, contacts=0, campaigns=0))["kpi.response_times_daily"] == []


def test_the_worlds_are_as_awkward_as_they_promise():
    """Each state and case of the definitions turns up, so a mistake in it cannot hide."""
    seen: Counter[object] = Counter()
    for seed in SEEDS:
        tables = compute(random_facts(seed))
        for one in tables["core.conversations"]:
            seen[one["state"], one["resolved_by"]] += 1
            seen["left truncated"] += one["is_left_truncated"]
        for wait in tables["core.response_waits"]:
            seen[wait["state"], wait["is_first"]] += 1
            seen["answered in no time"] += wait["response_seconds"] == 0
        for stay in tables["core.contact_presence"]:
            seen["there before", stay["from_at"] is None] += 1
            seen["gone", stay["to_at"] is not None] += 1
        for campaign in tables["kpi.campaign_performance"]:
            seen[campaign["status"]] += 1
            seen["consistent", campaign["is_consistent"]] += 1
            seen["settled", campaign["is_settled"]] += 1
            seen["gap"] += bool(campaign["api_rate_gap"])
        for row in tables["kpi.response_times_daily"]:
            seen["censored median"] += row["first_response_seconds_median_censored"] is not None
        for row in tables["kpi.engagement_monthly"]:
            seen["no count of reads"] += row["read_delivered"] < row["delivered"]
            seen["no count of replies"] += row["reply_delivered"] < row["delivered"]
        for row in tables["kpi.contact_growth_monthly"]:
            seen["to date"] += row["previous_to_date_rate"] is not None
        for row in tables["kpi.contact_growth_daily"]:
            seen["estimated", row["is_estimated"]] += 1
        for row in tables["kpi.contact_growth_daily"][:1]:
            seen["created before growth begins"] += row["is_estimated"] and row["total_contacts"] > row["net_growth"]
        seen["lapsing"] += tables["kpi.backlog_now"][0]["windows_expiring_2h"]
    promised = [
        *[("resolved", "operator"), ("resolved", "quiet"), "left truncated", "answered in no time", "gap", "lapsing"],
        *[(state, None) for state in ("waiting", "active", "missed", "quiet")],
        *[
            ("answered", True),
            ("answered", False),
            ("open", True),
            ("open", False),
            ("missed", True),
            ("trailing", False),
        ],
        *[(case, flag) for case in ("there before", "gone", "estimated", "settled") for flag in (True, False)],
        *[("consistent", flag) for flag in (True, False, None)],
        *["no count of reads", "no count of replies", "created before growth begins"],
        *["draft", "scheduled", "active", "in_progress", "completed", "failed", "censored median", "to date"],
    ]
    assert [case for case in promised if not seen[case]] == []
