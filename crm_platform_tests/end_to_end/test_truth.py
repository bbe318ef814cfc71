"""What is published equals what plain Python computes from the sandbox's truth, to the cell."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from crm_platform.tables import TABLES
from crm_platform_tests import clickhouse_server
from crm_platform_tests.end_to_end.platform_run import Platform, utc
from crm_platform_tests.oracle.compare import differences
from crm_platform_tests.oracle.compute import KEYS, compute
from crm_platform_tests.oracle.facts import Sweep
from crm_platform_tests.oracle.from_truth import facts_from_truth
from crm_platform_tests.sandbox.running import running_sandbox

# All but a list without created_at: the truth has one, and growth would be another figure.
DIRTY = ("mixed-messages", "wrapped-reports", "epoch", "offset", "naive", "upper", "unknown-fields", "broken")


WORLDS = [
    pytest.param({"contacts": 2000, "days": 180}, id="demo"),
    pytest.param({"contacts": 300, "days": 60, "seed": 11, "fault_rate": 0.05, "shapes": DIRTY}, id="dirty"),
]


@pytest.mark.slow
@pytest.mark.parametrize("options", WORLDS)
def test_every_published_kpi_equals_the_oracle(tmp_path, options):
    hold(Platform(tmp_path, ""), options)


@pytest.mark.services
@pytest.mark.parametrize("options", WORLDS)
def test_every_published_kpi_equals_the_oracle_with_clickhouse(tmp_path, options, address):
    """With its password in a file; nobody else ever reads it."""
    secret = tmp_path / "password"
    secret.write_text(clickhouse_server.PASSWORD, encoding="utf-8")
    url = f"clickhouse://{address.user}@{address.host}:{address.port}/{address.database}"
    there = {"CRM_WAREHOUSE_URL": url, "CRM_WAREHOUSE_PASSWORD_FILE": str(secret)}
    data = tmp_path / "data"
    platform = hold(Platform(data, "", more=there), options)
    told = [platform.crm(command) for command in ("status", "doctor", "agents", "optouts", "build")]
    assert "database" in told[1].stdout
    assert [(one.returncode, one.stderr) for one in told[:2]] == [(0, ""), (1, "")], "the sandbox has gone"
    assert "Traceback" not in "".join(one.stdout + one.stderr for one in told)
    assert not (data / "warehouse.duckdb").exists()
    written = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    said = [(one.stdout + one.stderr).encode() for one in told]
    assert not [text for text in (*written, *said) if clickhouse_server.PASSWORD.encode() in text]


def hold(platform: Platform, options: dict[str, Any]) -> Platform:
    """Refresh from a sandbox, and hold what is published against its truth."""
    # The world stands still, so that what was fetched first and last is of one moment.
    with running_sandbox(**options, clock="manual") as sandbox:
        platform = replace(platform, url=sandbox.url)
        refreshed = platform.crm("refresh")
        assert refreshed.returncode == 0, refreshed.stderr + refreshed.stdout
        truth = list(sandbox.truth())

    chat_ids = [line["chat_id"] for line in truth if line["kind"] == "contact"]
    pseudonyms = platform.chat_pseudonyms(chat_ids)
    chats = platform.published("from core.chats")
    assert {chat["chat_id"] for chat in chats} == set(pseudonyms)
    assert all(chat["is_history_whole"] for chat in chats)
    known_until = {pseudonyms[chat["chat_id"]]: utc(chat["known_until"]) for chat in chats}
    as_of = dt.datetime.fromisoformat(platform.manifest["as_of"])
    (first_seen,) = platform.published("select min(first_seen_at) as first_seen_at from core.contacts")
    swept = utc(first_seen["first_seen_at"])
    facts = facts_from_truth(
        truth,
        as_of=as_of,
        settings=platform.settings,
        known_until=known_until,
        sweeps=[Sweep(swept, as_of, frozenset(chat_ids))],
    )
    expected = compute(facts)
    wrong = {}
    for table in sorted(name for name in expected if name.startswith("kpi.") and name in TABLES):
        found = differences(expected[table], platform.published(f"from {table}"), KEYS[table])
        if found:
            wrong[table] = (len(found), found[:5])
    assert not wrong
    counted = {"conversations": "core.conversations", "response_waits": "core.response_waits"}
    for table in counted.values():
        assert len(expected[table]) == platform.published(f"select count(*) as n from {table}")[0]["n"]

    messages = [line for line in truth if line["kind"] == "message"]
    (stored,) = platform.published(
        "select count(*) as n, count(distinct (chat_id, message_id)) as keys from core.messages"
    )
    assert stored["n"] == stored["keys"] == len(messages)
    return platform
