"""The same with real processes: `crm crawl` killed again and again against a running sandbox."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import time
from collections import Counter, defaultdict

import pytest

from crm_platform.ingest import open_warehouse
from crm_platform_tests.end_to_end.platform_run import Platform, utc
from crm_platform_tests.sandbox.running import RunningSandbox, running_sandbox

pytestmark = pytest.mark.slow

KILLS = 30
LIMIT = 600  # requests a minute
PATIENCE = 15.0  # seconds for a process to send its first request; with the minute's used up it sends none


def kill_one(platform: Platform, sandbox: RunningSandbox, chance: random.Random) -> None:
    """Start a crawl, and kill it: while it starts, or soon after its first request."""
    sent = sandbox.stats()["requests"]
    command = platform.command("crawl", "--minutes", "5")
    environment = platform.environment(CRM_REQUESTS_PER_MINUTE=str(LIMIT))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0, 2))
        else:
            until = time.monotonic() + PATIENCE
            while sandbox.stats()["requests"] == sent and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.6))
        assert process.poll() is None, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_killed_thirty_times_it_loses_nothing_and_never_exceeds_the_limit(tmp_path):
    chance = random.Random(30)
    with running_sandbox(contacts=150, days=60, seed=30, requests_per_minute=LIMIT) as sandbox:
        platform = Platform(tmp_path, sandbox.url)
        began = dt.datetime.now(dt.UTC)
        for _ in range(KILLS):
            kill_one(platform, sandbox, chance)
        said = ""
        for _ in range(6):
            done = platform.crm("crawl", "--requests", "250", "--wait", "10", CRM_REQUESTS_PER_MINUTE=str(LIMIT))
            said = done.stderr
            assert done.returncode == 0, said
            if "remaining: nothing" in said:
                break
        assert "remaining: nothing" in said
        truth = list(sandbox.truth())
        stats = sandbox.stats()

    assert stats["most_in_60s"] <= LIMIT
    assert "429" not in stats["by_status"]
    with open_warehouse(platform.settings).reading() as session:
        stored = session.query("select chat_id, message_id, timestamp from raw.messages").to_pylist()
        states = session.query("from ops.crawl_state").to_pylist()
        contacts = session.query("select chat_id from raw.contacts").to_pylist()
        recorded = session.query("select count(*) as n, count(distinct fetch_id) as ids from ops.fetches").to_pylist()
    counted = Counter((row["chat_id"], row["message_id"]) for row in stored)
    assert set(counted.values()) == {1}
    assert recorded[0]["n"] == recorded[0]["ids"] <= stats["requests"]
    assert all(state["is_history_whole"] for state in states)
    said_in = defaultdict(dict)
    for line in truth:
        if line["kind"] == "message":
            said_in[line["chat_id"]][line["message_id"]] = dt.datetime.fromisoformat(line["timestamp"])
    present = {line["chat_id"]: line["created_at"] for line in truth if line["kind"] == "contact"}
    there_before = {chat_id for chat_id, at in present.items() if dt.datetime.fromisoformat(at) < began}
    assert {state["chat_id"] for state in states} >= there_before
    assert {row["chat_id"] for row in contacts} >= there_before
    for state in states:
        have = {message_id for chat_id, message_id in counted if chat_id == state["chat_id"]}
        until = utc(state["known_until"])
        want = {message_id for message_id, at in said_in[state["chat_id"]].items() if at < until}
        assert want <= have
        assert have <= said_in[state["chat_id"]].keys() or state["chat_id"] not in present
