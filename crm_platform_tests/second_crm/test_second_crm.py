"""`crm refresh` against a CRM that somebody else wrote: everything once, every figure right, nothing leaked.

What belongs here: what a user sees, from a process of its own: exit codes, messages, the published files. What does
not: the platform's functions.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from crm_platform_tests.events.receiving import receiver
from crm_platform_tests.second_crm.reading import (
    Published,
    forget_what_was_killed,
    leaked_cells,
    leaks,
    least_requests,
    wrong_core,
    wrong_figures,
)
from crm_platform_tests.second_crm.server import AGENTS, KEY, Crm, Message, Options, Server
from crm_platform_tests.serving.running import RunningServer

pytestmark = pytest.mark.slow

PATIENCE = 240  # seconds for one command, on a busy machine
RAW = ("raw.contacts", "raw.campaigns", "raw.messages", "raw.campaign_reports", "raw.custom_fields", "ops.quarantine")


@dataclass
class Desk:
    """A user at a shell: the CRM's address, the key, a data folder."""

    crm: Crm
    url: str
    folder: Path

    def start(self, *args: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("CRM_", "DAGSTER_"))}
        environment |= {"CRM_BASE_URL": self.url, "CRM_API_KEY": KEY, "CRM_DATA_DIR": str(self.folder), **variables}
        return subprocess.Popen(
            [sys.executable, "-m", "crm_platform.cli", *args],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def crm_says(self, *args: str, code: int = 0, **variables: str) -> str:
        process = self.start(*args, **variables)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, err[-3000:]
        assert "Traceback" not in err
        assert KEY not in out + err
        return out + err

    @property
    def published(self) -> Published:
        return Published(self.folder)

    def assert_all_is_right(self, *, as_of: dt.datetime | None = None) -> None:
        published = self.published
        assert wrong_figures(self.crm, published, as_of=as_of) == []
        assert wrong_core(self.crm, published) == []
        assert leaks(self.crm, published.snapshot) == []
        assert leaked_cells(self.crm, published) == []


@contextlib.contextmanager
def desk(folder: Path, options: Options) -> Iterator[Desk]:
    crm = Crm(options)
    with Server(crm) as server:
        yield Desk(crm, server.url, folder / "data")


def test_dirty_faulty_and_then_a_day_later(tmp_path: Path):
    """The definition of done: right through dirt and faults, nothing twice, nothing new the second time."""
    with desk(tmp_path, Options(seed=1, contacts=150, campaigns=115, biggest_chat=1500)) as user:
        user.crm_says("refresh")
        user.assert_all_is_right()
        faults = sum(one.fault is not None for one in user.crm.requests)
        assert faults > 5
        assert len(user.crm.requests) - faults <= 1.01 * least_requests(user.crm)
        manifest = json.loads((user.published.snapshot / "manifest.json").read_text())
        assert manifest["is_sandbox"] is False
        assert manifest["tables"]["core.messages"]["rows"] == len(user.crm.served_messages)

        before = {table: len(user.published.raw(table)) for table in RAW}
        first_cut = user.published.as_of
        user.crm_says("refresh")
        assert {table: len(user.published.raw(table)) for table in RAW} == before
        user.assert_all_is_right()

        user.crm.advance()
        user.crm_says("refresh")
        user.assert_all_is_right()

        user.crm_says("build", "--as-of", first_cut.isoformat(), "--current")
        user.assert_all_is_right(as_of=first_cut)


@pytest.mark.parametrize("seed", [21, 25])
def test_one_refresh_at_a_fault_rate_of_a_fifth(tmp_path: Path, seed: int):
    """Every kind of fault, dirt and deep histories: one run, and nothing is missing."""
    options = Options(seed=seed, contacts=100, campaigns=80, biggest_chat=2500, fault_rate=0.2)
    with desk(tmp_path, options) as user:
        user.crm_says("refresh")
        user.assert_all_is_right()
        assert sum(one.fault is not None for one in user.crm.requests) > 40
        assert all(row["is_history_whole"] for row in user.published.table("core.chats"))
        has_report = {one.campaign_id for one in user.crm.campaigns if one.report is not None}
        assert has_report == set(user.crm.served_reports)


@pytest.mark.parametrize("seed", [31, 32])
def test_who_did_what_is_known_by_webhooks_alone(tmp_path: Path, seed: int):
    """The API names nobody; events come doubled, shuffled, some of them days late, and the receiver is killed."""
    with desk(tmp_path, Options(seed=seed, contacts=90, campaigns=20, biggest_chat=600, has_events=True)) as user:
        rng = random.Random(seed)
        told = list(user.crm.webhooks())
        told += rng.sample(told, len(told) // 5)
        rng.shuffle(told)
        soon, late = told[: len(told) // 2], told[len(told) // 2 :]
        with receiver(user.folder) as server:
            send(server, soon[: len(soon) // 2])
            server.process.kill()
        with receiver(user.folder) as server:
            send(server, soon[len(soon) // 2 :])
            user.crm_says("refresh")
            send(server, late)
        user.crm_says("refresh")
        user.assert_all_is_right()
        leaders = user.published.table("kpi.agents_daily")
        assert {row["agent"] for row in leaders if row["replies"]} >= set(AGENTS)


def send(server: RunningServer, events: list[dict[str, object]]) -> None:
    """Post events by a few at once, in one shape or the other."""
    for first in range(0, len(events), 50):
        some = events[first : first + 50]
        body = some if first % 100 else {"batch": some, "sent_at": "now"}
        answer = httpx.post(f"{server.url}/webhooks/crm", json=body)
        assert answer.status_code == 200
        assert "refused" not in answer.json()


def test_a_server_that_departs_from_the_contract(tmp_path: Path):
    """Lists count their page alone, the order is fixed, local time says that it is UTC."""
    options = Options(seed=4, contacts=120, campaigns=20, biggest_chat=400, fault_rate=0, is_contrary=True)
    with desk(tmp_path, options) as user:
        assert "as if the CRM's time were 3 h ahead" in user.crm_says("refresh")
        assert len(user.published.table("core.contacts")) == 120
        sent = sum(isinstance(record, Message) for chat in user.crm.chats for record in chat.records)
        assert len(user.published.raw("raw.messages")) == sent
        assert all(row["is_history_whole"] for row in user.published.table("core.chats"))
        said = user.crm_says("status")
        assert "complete: 120 contacts" in said
        assert "found after\t-" not in said


def test_killed_while_the_list_shifts(tmp_path: Path):
    """SIGKILL in the middle, people coming, going and writing meanwhile: the next run has all of it, once."""
    options = Options(seed=2, contacts=230, campaigns=20, biggest_chat=400, is_live=True, created="all")
    with desk(tmp_path, options) as user:
        process = user.start("refresh")
        deadline = time.monotonic() + PATIENCE
        while len(user.crm.requests) < 120 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        forget_what_was_killed(user.crm, user.published)
        user.crm_says("refresh")
        user.crm.options.is_live = False
        user.assert_all_is_right()


def test_wrong_key_short_day_and_then_all_well(tmp_path: Path):
    """What stands in the way is said; what was had is kept, and the next run goes on from there."""
    with desk(tmp_path, Options(seed=5, contacts=40, campaigns=4, biggest_chat=150, fault_rate=0)) as user:
        elsewhere = user.folder.with_name("elsewhere")
        said = user.crm_says("refresh", code=2, CRM_API_KEY="not-the-key-987", CRM_DATA_DIR=str(elsewhere))
        assert "CRM_API_KEY" in said
        written = b"".join(path.read_bytes() for path in elsewhere.rglob("*") if path.is_file())
        assert "not-the-key-987" not in said
        assert b"not-the-key-987" not in written

        said = user.crm_says("refresh", CRM_REQUESTS_PER_DAY="20")
        assert len(user.crm.requests) <= 20 + 1  # and the one with the wrong key
        assert " of 40 chats" in said  # what remains
        user.assert_all_is_right()

        user.crm_says("refresh", CRM_REQUESTS_PER_DAY="none")
        user.assert_all_is_right()
        assert len(user.published.table("core.contacts")) == 40
        assert len(user.crm.served_messages) == len(user.published.table("core.messages"))


def test_nobody_there(tmp_path: Path):
    with desk(tmp_path, Options(seed=6, contacts=0, campaigns=0)) as user:
        user.crm_says("refresh")
        user.assert_all_is_right()
