"""Processes, watched from outside: the sandbox that serves, and a command with its time and its tree's memory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEY = "benchmark"
_SAMPLE_SECONDS = 0.25
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox."""

    url: str

    def requests(self) -> int:
        """Requests that reached it."""
        request = urllib.request.Request(f"{self.url}/sandbox/stats", headers={"API-KEY": KEY})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["requests"]


@contextlib.contextmanager
def sandbox(*, contacts: int, days: int, start: str, seed: int) -> Iterator[Sandbox]:
    """Serve a world that stands still at `start`: whoever asks finds the same, however long it takes."""
    options = {"--port": 0, "--contacts": contacts, "--days": days, "--start": start, "--seed": seed, "--key": KEY}
    command = [sys.executable, "-m", "crm_platform.cli", "sandbox", "--clock", "manual"]
    command += [str(part) for option in options.items() for part in option]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if found := re.search(r"http://[\d.]+:\d+", line):
                break
        else:
            raise SystemExit("the sandbox did not start")
        timer.cancel()
        threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
        yield Sandbox(found[0])
    finally:
        timer.cancel()
        process.terminate()
        process.wait(timeout=10)


@dataclass(frozen=True, slots=True)
class Run:
    """What a command took. Memory is the largest sum over its process tree, in MB: PSS counts shared pages once.

    `cpu_seconds`: of the command and all that it waited for, in user and system mode.
    """

    seconds: float
    cpu_seconds: float
    peak_pss_mb: float
    peak_rss_mb: float
    output: str


def run(command: Sequence[str], *, environment: Mapping[str, str], timeout: float, log: Path) -> Run:
    """Run a command to its end, sampling the memory of its tree. Its last words are in `log` when it fails."""
    began, cpu_began = time.perf_counter(), _cpu_of_children()
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()))
        reader.start()
        peak_pss = peak_rss = 0
        while process.poll() is None:
            pss, rss = _memory(process.pid)
            peak_pss, peak_rss = max(peak_pss, pss), max(peak_rss, rss)
            if time.perf_counter() - began > timeout:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise SystemExit(f"{command[0]} took more than {timeout:.0f} s; see {log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_SAMPLE_SECONDS)
        seconds = time.perf_counter() - began
        reader.join()
    if process.returncode:
        raise SystemExit(
            f"{' '.join(command)} failed ({process.returncode}):\n{''.join(output)}{log.read_text()}"[-3000:]
        )
    return Run(seconds, _cpu_of_children() - cpu_began, peak_pss / 1024, peak_rss / 1024, "".join(output))


def _cpu_of_children() -> float:
    """Seconds of every process that has ended and been waited for; a sandbox that still serves is not among them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _memory(pid: int) -> tuple[int, int]:
    """PSS and RSS of a process and all below it, in kB; what ends meanwhile counts 0."""
    pss = rss = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", rollup, flags=re.MULTILINE))
        pss += int(found.get("Pss", 0))
        rss += int(found.get("Rss", 0))
    return pss, rss
