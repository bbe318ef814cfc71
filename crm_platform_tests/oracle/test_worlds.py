"""The oracle on random worlds: what holds of every tenant, whatever the figures.

What belongs here: identities between tables, blindness to order, that the worlds hold the edge cases they promise. What
does not: figures worked out by hand (`test_oracle.py`), the SQL (tests of `models`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
import random
from collections import Counter
from itertools import chain, pairwise

import pytest

from crm_platform_tests.oracle.arithmetic import complete_days, day_of, month_of
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.facts import Facts
from crm_platform_tests.oracle.messages import counted_messages
from crm_platform_tests.oracle.worlds import random_facts

SEEDS = range(40)
QUICK = 8  # of them; the others run with the heavy tests
Tables = dict[str, list[dict[str, object]]]


@functools.cache
def computed(seed: int) -> tuple[Facts, Tables]:
    facts = random_facts(seed)
    return facts, compute(facts)


@pytest.fixture(
    scope="module",
    params=[*SEEDS[:QUICK], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[QUICK:])],
)
def world(request: pytest.FixtureRequest) -> tuple[Facts, Tables]:
    return computed(request.param)


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
    grace = dt.timedelta(minutes=facts.settings.after_done_minutes)
    rows = tables["core.conversations"]
    marks = {(one.chat_id, one.at) for one in facts.operator_events if one.kind == "done"}
    for before, after in pairwise(rows):
        if before["chat_id"] == after["chat_id"]:
            assert after["conversation_number"] == before["conversation_number"] + 1
            is_after_silence = after["started_at"] - before["ended_at"] > gap
            is_after_mark = any(
                chat_id == before["chat_id"] and before["started_at"] <= at < after["started_at"] - grace
                for chat_id, at in marks
            )
            assert is_after_silence or is_after_mark
            assert after["reopened"] == (not is_after_silence and after["initiated_by"] == "contact")
    inbound = [one for one in counted_messages(facts) if one.direction == "inbound"]
    assert sum(row["inbound_messages"] for row in rows) == len(inbound)
    assert {row["chat_id"] for row in rows} == {one.chat_id for one in counted_messages(facts)}


def test_a_mark_leaves_no_earlier_wait_open(world: tuple[Facts, Tables]):
    tables = world[1]
    for one in tables["core.conversations"]:
        waits = [
            wait
            for wait in tables["core.response_waits"]
            if (wait["chat_id"], wait["first_message_id"]) == (one["chat_id"], one["first_message_id"])
        ]
        assert [place for place, wait in enumerate(waits) if wait["is_first"]] == [0][: len(waits)]
        if one["resolved_by"] == "operator":
            assert all(wait["waiting_since"] > one["resolved_at"] for wait in waits if wait["state"] == "open")
        assert one["is_over"] is False or all(wait["state"] != "open" for wait in waits)


def test_silent_copied_and_left_out_messages_are_nowhere(world: tuple[Facts, Tables]):
    facts, tables = world
    gone = {(one.chat_id, one.message_id) for one in facts.messages} - {
        (one.chat_id, one.message_id) for one in counted_messages(facts)
    }
    assert gone
    for table in ("conversations", "response_waits", "reply_credit"):
        rows = tables[f"core.{table}"]
        assert not facts.excluded & {row["chat_id"] for row in rows}
        ids = [(row["chat_id"], cell) for row in rows for column, cell in row.items() if column.endswith("message_id")]
        assert not gone.intersection(ids)
    assert not facts.excluded & {row["chat_id"] for row in tables["core.contact_presence"]}


def test_opt_outs_open_and_close_no_wait(world: tuple[Facts, Tables]):
    facts, tables = world
    opt_outs = {
        (one.chat_id, one.message_id)
        for one in counted_messages(facts)
        if one.is_opt_out and one.direction == "inbound"
    }
    for wait in tables["core.response_waits"]:
        assert (wait["chat_id"], wait["opening_message_id"]) not in opt_outs
    daily = tables["kpi.opt_outs_daily"]
    assert [row["opt_outs"] for row in daily] == [row["opt_outs"] for row in tables["kpi.response_times_daily"]]
    assert sum(row["opt_outs"] for row in daily) == len(opt_outs)
    assert all(row["after_campaign"] <= row["opt_outs"] >= row["contacts"] for row in daily)


def test_only_missed_waits_are_followed_up_or_shut(world: tuple[Facts, Tables]):
    facts, tables = world
    for wait in tables["core.response_waits"]:
        assert (wait["followed_up_at"] is None) == (wait["followed_up_by"] is None)
        assert wait["followed_up_at"] is None or wait["state"] == "missed"
        is_known = wait["state"] == "missed" and facts.settings.open_hours is not None
        assert (wait["shut"] is not None) == is_known
        assert wait["followed_up_at"] is None or wait["followed_up_at"] >= wait["waiting_since"]
        assert wait["agent"] is None or wait["state"] == "answered"
    for row in tables["kpi.response_times_daily"]:
        assert max(row["followed_up_missed_waits"], row["shut_missed_waits"]) <= row["missed_waits"]
        assert row["campaign_first_waits"] <= row["first_waits"]


def test_dimensions_add_up_to_the_daily_tables(world: tuple[Facts, Tables]):
    facts, tables = world
    today = day_of(facts.as_of, facts.settings.zone)
    rows = tables["kpi.support_by"]
    for days in (7, 28, 90):
        times, resolutions = (
            [row for row in tables[table] if 0 < (today - row["day"]).days <= days]
            for table in ("kpi.response_times_daily", "kpi.chats_resolved_daily")
        )
        for dimension in ("agent", "team", "country", "origin"):
            values = [row for row in rows if (row["dimension"], row["window_days"]) == (dimension, days)]
            for column in ("waits", "first_waits", "first_answered_waits", "missed_waits"):
                assert sum(row[column] for row in values) == sum(row[column] for row in times)
            assert sum(row["chats_resolved"] for row in values) == sum(row["resolved"] for row in resolutions)
        for field in facts.settings.segment_fields:
            values = [row for row in rows if (row["dimension"], row["window_days"]) == (f"segment:{field}", days)]
            assert sum(row["waits"] for row in values) >= sum(row["waits"] for row in times)
    assert "(other)" not in {row["value"] for row in rows}


def test_days_of_agents_add_up(world: tuple[Facts, Tables]):
    facts, tables = world
    today = day_of(facts.as_of, facts.settings.zone)
    rows = tables["kpi.agents_daily"]
    for daily in tables["kpi.response_times_daily"]:
        of_day = [row for row in rows if row["day"] == daily["day"]]
        assert sum(row["first_answered_waits"] for row in of_day) == daily["first_answered_waits"]
    for daily in tables["kpi.chats_resolved_daily"]:
        assert sum(row["chats_resolved"] for row in rows if row["day"] == daily["day"]) == daily["resolved"]
    for leader in tables["kpi.agent_leaderboard"]:
        days = range(1, leader["window_days"] + 1)
        window = [row for row in rows if row["agent"] == leader["agent"] and (today - row["day"]).days in days]
        assert sum(row["replies"] for row in window) == leader["replies"]
        assert sum(row["first_answered_waits"] for row in window) == leader["first_responses"]
        assert sum(row["chats_resolved"] for row in window) == leader["chats_resolved"]
    assert sum(row["replies"] for row in rows) == len(tables["core.reply_credit"])
    assert sum(row["replies"] for row in tables["core.conversations"]) == len(tables["core.reply_credit"])
    for row in rows:
        assert row["chats"] <= row["replies"]
        assert row["replies"] or row["first_answered_waits"] or row["chats_resolved"]


def test_conversations_of_days_add_up(world: tuple[Facts, Tables]):
    tables = world[1]
    begun = [row for row in tables["core.conversations"] if not row["is_left_truncated"]]
    daily = tables["kpi.conversations_daily"]
    assert sum(row["conversations"] for row in daily) == len(begun)
    assert sum(row["reopened"] for row in daily) == sum(row["reopened"] for row in begun)
    assert sum(row["after_campaign"] for row in daily) == sum(row["origin"] == "campaign" for row in begun)
    for row in daily:
        assert row["conversations"] == row["by_contact"] + row["by_business"]


def test_activity_and_retention_agree(world: tuple[Facts, Tables]):
    tables = world[1]
    daily, monthly = tables["kpi.contact_activity_daily"], tables["kpi.contact_retention_monthly"]
    for row in daily:
        windows = [row[column] for column in ("active_contacts", "active_contacts_7d", "active_contacts_30d")]
        known = [count for count in windows if count is not None]
        assert known == sorted(known)
        if row["new_active"] is not None:
            assert row["new_active"] + row["reactivated"] <= row["active_contacts"]
    cohorts = {row["cohort"]: row["contacts"] for row in monthly}
    new, opted_out = Counter[object](), Counter[object]()
    for row in daily:
        new[month_of(row["day"])] += row["new_active"] or 0
    for row in tables["kpi.opt_outs_daily"]:
        opted_out[month_of(row["day"])] += row["contacts"]
    for row in monthly:
        assert row["contacts"] == cohorts[row["cohort"]]
        assert row["active"] <= row["contacts"]
        if row["months_since"] == 0:  # the rest of a cohort began with an opt-out
            assert row["contacts"] - row["active"] <= opted_out[row["cohort"]]
    if daily and daily[0]["new_active"] is not None:
        # Whoever is new in a month belongs to its cohort, or to an earlier one by an opt-out.
        for month in cohorts:
            of_cohorts, are_new, could_differ = (
                sum(counts[one] for one in cohorts if one <= month) for counts in (cohorts, new, opted_out)
            )
            assert 0 <= of_cohorts - are_new <= could_differ


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_worlds_are_as_awkward_as_they_promise():
    """Each state and case of the definitions turns up, so a mistake in it cannot hide."""
    seen: Counter[object] = Counter()
    for seed in SEEDS:
        facts, tables = computed(seed)
        for one in tables["core.conversations"]:
            seen[one["state"], one["resolved_by"]] += 1
            seen["left truncated"] += one["is_left_truncated"]
            seen["origin", one["origin"]] += 1
            seen["reopened"] += one["reopened"]
            seen["resolved and waiting"] += one["state"] == "resolved" and not one["is_over"]
        for wait in tables["core.response_waits"]:
            seen[wait["state"], wait["is_first"]] += 1
            seen["follow-up", wait["followed_up_by"]] += 1
            seen["shut", wait["shut"]] += 1
            seen["wait of nobody"] += wait["state"] == "answered" and wait["agent"] is None
            seen["campaign wait"] += wait["origin"] == "campaign"
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
        for row in tables["kpi.opt_outs_daily"]:
            seen["opt-out"] += row["opt_outs"]
            seen["opt-out after campaign"] += row["after_campaign"]
        for row in tables["kpi.contact_activity_daily"]:
            seen["new", row["new_active"] is not None] += 1
            seen["reactivated"] += row["reactivated"] or 0
        for row in tables["kpi.support_by"]:
            seen[row["dimension"], row["value"]] += 1
        for row in tables["kpi.handoffs_daily"]:
            for name in ("answered_handoffs", "open_handoffs", "unanswered_handoffs"):
                seen[name] += row[name]
            seen["not all handed over"] += 0 < row["handed_over_conversations"] < row["conversations"]
        for row in tables["kpi.satisfaction_daily"]:
            seen["bad score"] += row["responses"] > row["good"]
            seen["not all scored"] += 0 < row["scored_conversations"] < row["closed_conversations"]
        for row in tables["kpi.satisfaction_by_agent"]:
            seen["score of the field"] += row["field_responses"]
        seen["no events"] += not facts.events
        seen["left out"] += len(facts.excluded)
        seen["copied"] += sum(one.duplicate_of is not None for one in facts.messages)
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
        *["reopened", "resolved and waiting", "wait of nobody", "campaign wait", "left out", "copied", "reactivated"],
        *["opt-out", "opt-out after campaign"],
        *[("origin", origin) for origin in ("campaign", "organic", None)],
        *[("follow-up", by) for by in ("reply", "template", None)],
        *[("shut", flag) for flag in (True, False, None)],
        *[("new", flag) for flag in (True, False)],
        *[("team", value) for value in ("Sales", "Support", "(no team)")],
        *[("agent", "(unassigned)"), ("country", "(unknown)"), ("origin", "(none)"), ("segment:Segment", "Retail")],
        *["no count of reads", "no count of replies", "created before growth begins"],
        *["answered_handoffs", "open_handoffs", "unanswered_handoffs", "not all handed over", "no events"],
        *["bad score", "not all scored", "score of the field"],
        *["draft", "scheduled", "active", "in_progress", "completed", "failed", "censored median", "to date"],
    ]
    assert [case for case in promised if not seen[case]] == []
