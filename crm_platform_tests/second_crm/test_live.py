"""`crm live`, with webhooks, against a CRM that somebody else wrote: from a message to the snapshot that holds it."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_platform_tests.events.receiving import receiver
from crm_platform_tests.second_crm.server import Options, webhook
from crm_platform_tests.second_crm.test_second_crm import Desk, desk, send

pytestmark = pytest.mark.slow

PATIENCE = 150  # seconds for what takes three, on a busy machine


@contextlib.contextmanager
def living(user: Desk) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`crm live` and what it says, as it says it; killed when the block ends."""
    said: list[str] = []
    with user.start("live") as process:
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
        reader.start()
        try:
            yield process, said
        finally:
            process.kill()
            reader.join()


def until(said: list[str], count: int) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while sum("published" in line for line in said) < count:
        assert time.monotonic() < give_up_at, said
        time.sleep(0.1)


def writes(user: Desk, number: int) -> tuple[str, str]:
    """A customer writes into some chat now; gives the chat and the message."""
    with user.crm.lock:
        chat = next(one for one in user.crm.chats[number:] if one.records and not one.chat_id.endswith("3"))
        at = dt.datetime.now(dt.UTC)
        message = user.crm.message(chat, 5_000 + number, "inbound", at)
        message.statuses = ["received"]
        chat.records.append(message)
    return chat.chat_id, message.message_id


def test_a_message_is_published_without_anybody_asking_and_a_killed_process_is_noticed(tmp_path: Path):
    options = Options(seed=41, contacts=40, campaigns=8, biggest_chat=200, fault_rate=0, has_events=True)
    with desk(tmp_path, options) as user, receiver(user.folder) as server:
        send(server, list(user.crm.webhooks()))
        user.crm_says("refresh")
        with living(user) as (_, said):
            until(said, 1)
            for number in range(3):
                turns = sum("published" in line for line in said)
                chat_id, message_id = writes(user, 10 * number)
                told = {"chatId": chat_id, "messageId": message_id}
                send(server, [webhook("message.received", dt.datetime.now(dt.UTC), told)])
                until(said, turns + 1)
                wanted = (user.published.chat(chat_id), user.published.message(message_id))
                give_up_at = time.monotonic() + PATIENCE
                while wanted not in {
                    (row["chat_id"], row["message_id"]) for row in user.published.table("core.messages")
                }:
                    assert time.monotonic() < give_up_at, said
                    time.sleep(0.5)
            assert (user.folder / "locks" / "live.expected").exists()
        assert (user.folder / "locks" / "live.expected").exists(), "nobody took it away: somebody is to notice"
        user.crm_says("refresh")
        user.assert_all_is_right()


def test_ended_in_order_nobody_is_to_notice(tmp_path: Path):
    with desk(tmp_path, Options(seed=42, contacts=15, campaigns=3, biggest_chat=20, fault_rate=0)) as user:
        user.crm_says("refresh")
        with living(user) as (live, said):
            until(said, 1)
            live.send_signal(signal.SIGINT)
            assert live.wait(PATIENCE) == 0
        assert not (user.folder / "locks" / "live.expected").exists()
