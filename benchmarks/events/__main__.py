"""How many events a second `crm events serve` keeps, beside what the disk itself allows, and whether one is lost.

What belongs here: senders, their rate, their waits, the receiver's CPU, what an acknowledged event has become after a
SIGKILL. What does not: what an event says (crm_platform_tests).

    python -m benchmarks.events --seconds 60 --per-second 2000

Every request is signed and brings one event, as webhooks do, then 20 in a batch. Requests are due at fixed times and
timed from when they were due, so a receiver that falls behind shows it. The bare loop beside it writes the same rows
to SQLite, one fsync for each 50, without a socket.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import hmac
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import await_port, cpu_of, free_port, percentile
from crm_platform.settings import environment_with

SECRET = "of-the-benchmark-alone"
CONNECTIONS = 32


@dataclass(slots=True)
class Sent:
    """What became of the requests. `waits`: seconds from when each was due to its answer."""

    waits: list[float] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: int = 0
    broken: int = 0


def event(number: int, run: str) -> dict[str, object]:
    """One event as the CRM sends it."""
    return {"eventId": f"{run}-{number}", "event": "message.received",
            "timestamp": dt.datetime.now(dt.UTC).isoformat(), "chatId": f"chat-{number % 10_000}",
            "messageId": f"{run}-m{number}", "data": {"type": "text", "from": f"+2547{number % 10**8:08}"}}  # fmt: skip


def request(events: list[dict[str, object]], port: int) -> bytes:
    """One signed request, to the byte."""
    body = json.dumps(events if len(events) > 1 else events[0]).encode()
    signed = hmac.digest(SECRET.encode(), body, "sha256").hex()
    head = (f"POST /webhooks/crm HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: sha256={signed}\r\nContent-Length: {len(body)}\r\n\r\n")  # fmt: skip
    return head.encode() + body


async def send(port: int, *, per_second: float, seconds: float, batch: int, run: str) -> Sent:
    """Send so many events a second for so long, over a few connections that stay open."""
    sent, numbers = Sent(), iter(range(10**9))
    began = time.perf_counter()
    due = iter(range(int(per_second * seconds / batch)))

    async def one_connection() -> None:
        writer = None
        for place in due:  # shared: whoever is free takes the next
            due_at = began + place * batch / per_second
            if (early := due_at - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            events = [event(next(numbers), run) for _ in range(batch)]
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request(events, port))
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(size)
            except (OSError, asyncio.IncompleteReadError):
                sent.broken += 1
                writer = None
                await asyncio.sleep(0.1)
                continue
            if head.split(b" ", 2)[1] == b"200":
                sent.waits.append(time.perf_counter() - due_at)
                sent.kept += [str(one["messageId"]) for one in events]
            else:
                sent.refused += 1

    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    return sent


@contextlib.contextmanager
def receiving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the receiver on a data folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crm_platform.cli", "events", "serve", "--port", str(port)],
        env={**environment_with(), "CRM_DATA_DIR": str(folder), "CRM_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await_port(port)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def bare(folder: Path, rows: int = 20_000, at_once: int = 50) -> float:
    """Rows a second that one loop writes to SQLite with an fsync for each `at_once`."""
    with contextlib.closing(sqlite3.connect(folder / "bare.sqlite", isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("create table events (id text unique, body text)")
        began = time.perf_counter()
        for first in range(0, rows, at_once):
            db.execute("begin")
            db.executemany("insert into events values (?, ?)",
                           [(str(n), json.dumps(event(n, "bare"))) for n in range(first, first + at_once)])  # fmt: skip
            db.execute("commit")
        return rows / (time.perf_counter() - began)


def in_inbox(folder: Path) -> set[str]:
    """The messages that the kept events tell of, one each."""
    with contextlib.closing(sqlite3.connect(folder / "inbox.sqlite")) as db:
        return {row[0] for row in db.execute("select message_id from events")}


def main() -> None:
    """Run it once and print rates and waits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--per-second", type=float, default=2_000.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"the bare loop: {bare(folder):,.0f} rows a second, one fsync for 50")
        port = free_port()
        for batch in (1, 20):
            with receiving(folder, port) as process:
                before, began = cpu_of(process.pid), time.perf_counter()
                sent = asyncio.run(send(port, per_second=chosen.per_second, seconds=chosen.seconds, batch=batch,
                                        run=f"of{batch}"))  # fmt: skip
                took, cpu = time.perf_counter() - began, cpu_of(process.pid) - before
            count = len(sent.kept)
            lost = set(sent.kept) - in_inbox(folder)
            print(f"{batch:2} a request: {count:,} events in {took:.1f} s, {count / took:,.0f} a second "
                  f"({chosen.per_second:,.0f} asked for); waits p50 {percentile(sent.waits, 0.5) * 1000:.0f} ms, "
                  f"p99 {percentile(sent.waits, 0.99) * 1000:.0f} ms, longest {max(sent.waits) * 1000:.0f} ms; "
                  f"the receiver took {cpu / count * 1e6:.0f} µs of CPU an event; {sent.refused} refused, "
                  f"{sent.broken} broken, {len(lost)} lost")  # fmt: skip
        asyncio.run(killed(folder, port, chosen.per_second))


async def killed(folder: Path, port: int, per_second: float) -> None:
    """Kill the receiver under load, three times; every event that was acknowledged is there."""
    sending = asyncio.create_task(send(port, per_second=per_second, seconds=20, batch=1, run="killed"))
    for _ in range(3):
        with receiving(folder, port) as process:
            await asyncio.sleep(4)
            process.send_signal(signal.SIGKILL)
    with receiving(folder, port):
        sent = await sending
    lost = set(sent.kept) - in_inbox(folder)
    print(f"three SIGKILLs: {len(sent.kept):,} acknowledged, {sent.broken} requests broken, {len(lost)} lost")


if __name__ == "__main__":
    main()
