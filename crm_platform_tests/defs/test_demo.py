"""`crm demo` ends all that it began, however it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm_platform.settings import environment_with

# What the demo runs, without their work: one that ends at once, two that stay and say who they are.
PLAY = """
import pathlib, signal, sys
from crm_platform.cli import demo

signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell begins what runs in its background

def command(name, *_):
    stays = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
    return [sys.executable, "-c", "pass" if name == "refresh" else stays, str(pathlib.Path(sys.argv[1]) / name)]

demo._crm = command
demo.require_free = lambda *_, **__: None
demo.demo([])
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_of_it_goes_on_when_it_is_ended(tmp_path: Path, how: signal.Signals):
    environment = {**environment_with(), "CRM_BASE_URL": "http://127.0.0.1:9", "CRM_API_KEY": "k"}
    demo = subprocess.Popen(
        [sys.executable, "-c", PLAY, str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    notes = [tmp_path / "serve", tmp_path / "dev"]
    deadline = time.monotonic() + 30
    while not all(note.exists() and note.read_text() for note in notes):
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = [int(note.read_text()) for note in notes]
    demo.send_signal(how)
    demo.wait(30)
    assert [is_running(pid) for pid in children] == [False, False]
