"""The promise of the gate that several hosts share, as a server counts, while processes and Redis itself come to harm.

Dozens of workers are killed in the middle of requests. Redis is killed and comes back with the state of its own file,
is emptied, is frozen, and its clock is set back. The server counts each request at some moment while it is under way.
"""

from __future__ import annotations

import bisect
import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm_platform_tests.redis_process import RedisProcess, connected, running

pytestmark = [pytest.mark.services, pytest.mark.slow]

LONGEST = 0.25  # seconds that a request takes
TIMEOUT = 1.5  # seconds after which none is under way: it, Redis's patience, and a busy machine's pauses
PATIENCE = 0.5
UNCOMMITTED = 10  # requests of a host that may be under way, and are not on record

WORKER = f"""
import datetime as dt, random, sys, threading, time
from pathlib import Path
from crm_platform.api.redis_gate import RedisGate
from crm_platform.errors import CrmPlatformError
from crm_platform.redis_server import RedisServer
from crm_platform.settings import Settings

url, host, minute, day, seconds, per_minute, per_day = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:8])
sent = Path(sys.argv[8])
out = (sent / f"{{host}}.{{time.time()}}").open("a", buffering=1)
until = time.monotonic() + seconds

def history():  # what a host has on record of its own: ops.fetches
    texts = [path.read_text() for path in sent.glob(f"{{host}}.*")]
    lines = [line for text in texts for line in text.split("\\n") if len(line.partition(".")[2]) == 6]
    return [dt.datetime.fromtimestamp(float(line), dt.UTC) for line in lines]

gate = RedisGate(
    RedisServer(Settings(redis_url=url), patience={PATIENCE}), per_minute=int(per_minute), per_day=int(per_day) or None,
    timeout_seconds={TIMEOUT}, max_wait=1e6, windows=(minute, day), host=host, history=history,
    uncommitted={UNCOMMITTED}, sleep=lambda s: time.sleep(min(s, 0.05)),
)

def work(seed):
    chance = random.Random(seed)
    while time.monotonic() < until:
        try:
            slot = gate.acquire("x")
        except CrmPlatformError:
            time.sleep(0.05)
            continue
        lasts = chance.random() * {LONGEST}
        counted = chance.random() * lasts
        time.sleep(counted)
        out.write(f"{{time.time():.6f}}\\n")  # the server counts it here
        time.sleep(lasts - counted)
        chance.choice([lambda: slot.release({{}}, 200)] * 5 + [lambda: slot.release(None, None), lambda: None])()

threads = [threading.Thread(target=work, args=(f"{{host}} {{n}} {{time.time()}}",), daemon=True) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


class Workers:
    """Processes that send through one gate. `folder`: where each writes when its requests were counted."""

    def __init__(self, folder: Path, process: RedisProcess, *, windows, limits, seconds: float) -> None:
        self.folder = folder
        self.until = time.monotonic() + seconds
        self._process = process
        self._windows, self._limits = windows, limits
        self.alive: list[subprocess.Popen[bytes]] = []

    def start(self, host: str) -> None:
        numbers = [*self._windows, max(0.1, self.until - time.monotonic()), *self._limits]
        command = [sys.executable, "-c", WORKER, self._process.url, host, *map(str, numbers), str(self.folder)]
        self.alive.append(subprocess.Popen(command))

    def kill_one(self, chance: random.Random) -> None:
        one = self.alive.pop(chance.randrange(len(self.alive)))
        one.send_signal(signal.SIGKILL)
        one.wait()

    def end(self) -> None:
        for one in self.alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(timeout=20)
            one.kill()
            one.wait()

    def counted(self, host: str = "") -> list[float]:
        lines = [
            line for path in self.folder.glob(f"{host}.*" if host else "*") for line in path.read_text().split("\n")
        ]
        return sorted(float(line) for line in lines if len(line.partition(".")[2]) == 6)


def most_in(moments: list[float], window: float) -> int:
    """The largest number of moments in any window that includes both its ends."""
    return max((index + 1 - bisect.bisect_left(moments, end - window) for index, end in enumerate(moments)), default=0)


def test_no_window_ever_holds_more_than_the_limit_whatever_breaks(tmp_path):
    """30 workers killed, 12 at a time, while Redis comes to harm: 12 in a second, and 60 in 8 seconds."""
    windows, limits = (1.0, 8.0), (12, 60)
    chance = random.Random(4)
    (tmp_path / "sent").mkdir()
    losses: list[float] = []
    durable = ("--appendonly", "yes", "--appendfsync", "everysec")
    with running(tmp_path / "redis", *durable) as process:
        server = connected(process, patience=5.0)
        workers = Workers(tmp_path / "sent", process, windows=windows, limits=limits, seconds=40.0)

        def harm(how: str) -> None:
            if how == "freeze":
                process.signal(signal.SIGSTOP)
                time.sleep(1.2)
                process.signal(signal.SIGCONT)
                return
            if how == "restart":  # what its own file has comes back: that of a second ago
                process.restart()
            else:
                with server.asking() as client:
                    if how == "empty":
                        client.flushall()
                    else:  # its clock is set back, which is the same as a state from later
                        client.hincrby(server.key("gate"), "at", 3_600_000_000)
            losses.append(time.time())
            server.close()

        for number in range(12):
            workers.start(f"host{number % 2}")
        for how in ("freeze", "empty", "restart", "clock", "freeze", "restart"):
            for _ in range(5):
                time.sleep(0.9)
                workers.kill_one(chance)
                workers.start(f"host{chance.randrange(2)}")
            harm(how)
        workers.end()
    moments = workers.counted()
    assert len(moments) > limits[1], "it opened again after the losses"
    assert most_in(moments, windows[0]) <= limits[0]
    assert most_in(moments, windows[1]) <= limits[1]
    for loss in losses:  # those under way end, and nobody else sends
        assert not [moment for moment in moments if loss + LONGEST + 1 < moment < loss + TIMEOUT + windows[0]]


def test_two_hosts_share_a_limit_and_both_go_on_when_one_is_killed(tmp_path):
    """120 a minute, 30 times as fast: 120 in 2 s; one host's process is killed with -9 in the middle and comes back."""
    windows, limits = (2.0, 86_400.0), (120, 0)
    (tmp_path / "sent").mkdir()
    with running(tmp_path / "redis") as process:
        workers = Workers(tmp_path / "sent", process, windows=windows, limits=limits, seconds=16.0)
        for host in ("first", "second"):
            workers.start(host)
            workers.start(host)
        time.sleep(8.0)
        workers.kill_one(random.Random(0))
        killed_at = time.time()
        workers.start("first")
        workers.end()
    moments = workers.counted()
    assert most_in(moments, windows[0]) <= limits[0]
    for host in ("first", "second"):
        assert any(moment > killed_at + 3 for moment in workers.counted(host)), f"{host} goes on"
    assert len(moments) > 3 * limits[0], "what the limit allows is used"
