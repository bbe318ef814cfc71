"""`crm demo`: what stands before the first request, on which ports, and that it ends all that it began."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from crm_platform.cli.demo import demo
from crm_platform.errors import FixConfiguration
from crm_platform.settings import environment_with

# What the demo runs, without their work. Each notes itself with what it was given; those with a port listen on it and
# stay, and the refresh notes whether the others listened when it began.
PLAY = """
import json, os, pathlib, socket, sys, time

folder, name, *arguments = sys.argv[1:]
mine = {"pid": os.getpid(), "arguments": arguments, "environment": {k: v for k, v in os.environ.items() if "CRM" in k}}
if "--port" in arguments:
    time.sleep(0.5)
    listening = socket.create_server(("127.0.0.1", int(arguments[arguments.index("--port") + 1])))
    print("next: what", name, "says", flush=True)
else:
    up = {}
    for note in pathlib.Path(folder).glob("*.json"):
        port = json.loads(note.read_text())["port"]
        with socket.socket() as probe:
            up[note.stem] = probe.connect_ex(("127.0.0.1", port)) == 0
    mine["up"] = up
mine["port"] = listening.getsockname()[1] if "--port" in arguments else 0
note = pathlib.Path(folder, name + ".json")
note.with_suffix(".tmp").write_text(json.dumps(mine))
note.with_suffix(".tmp").replace(note)
if "--port" in arguments or os.environ.get("PLAY_STAYS"):
    time.sleep(120)
sys.exit(int(os.environ.get("PLAY_CODE", "0")))
"""

DEMO = f"""
import pathlib, signal, sys
from crm_platform.cli import demo, main

signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell begins what runs in its background
demo._crm = lambda *arguments: [sys.executable, "-c", {PLAY!r}, sys.argv[1], *arguments]
main(["demo", *sys.argv[2:]])
"""


PORTS = ("--port", "--dashboards-port", "--events-port")


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def ports() -> list[str]:
    """Free ones for all that the demo starts but the sandbox, as options."""
    return [word for pair in zip(PORTS, map(str, free_ports(len(PORTS))), strict=True) for word in pair]


class Demo:
    """The demo at play, in a process of its own."""

    def __init__(self, folder: Path, *options: str, own_crm: bool = True, **environment: str) -> None:
        own = {name: value for name, value in environment_with().items() if not name.startswith("CRM_")}
        crm = {"CRM_BASE_URL": "http://127.0.0.1:9", "CRM_API_KEY": "k"} if own_crm else {}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", DEMO, str(folder), *options],
            env={**own, **crm, "CRM_DATA_DIR": str(folder / "data"), **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def note(self, name: str) -> dict:
        path = self.folder / f"{name}.json"
        deadline = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < deadline
            assert self.process.poll() is None or path.exists(), self.process.communicate()
            time.sleep(0.02)
        return json.loads(path.read_text())


@pytest.fixture
def play(tmp_path) -> Iterator:
    begun: list[Demo] = []

    def begin(*options: str, own_crm: bool = True, **environment: str) -> Demo:
        begun.append(Demo(tmp_path, *options, own_crm=own_crm, **environment))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.terminate()
        one.process.communicate(timeout=30)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stays", ["", "while it loads"])
def test_nothing_of_it_goes_on_when_it_is_ended(play, how, stays):
    begun = play(*ports(), PLAY_STAYS=stays)
    children = [
        begun.note(name)["pid"] for name in ("serve", "dev", "events", "refresh", *(() if stays else ("live",)))
    ]
    begun.process.send_signal(how)
    begun.process.communicate(timeout=30)
    assert not any(is_running(pid) for pid in children)


@pytest.mark.slow
def test_the_pages_and_the_dagster_ui_are_up_before_the_first_request(play):
    """Kind 15: until then nobody fetches."""
    begun = play(*ports())
    assert begun.note("refresh")["up"] == {"serve": True, "dev": True, "events": True}


@pytest.mark.slow
def test_other_ports_are_known_throughout(play):
    """Kind 15: the links of the Dagster UI, the refresh and the sandbox follow the ports."""
    ui, pages, hooks, crm = free_ports(4)
    given = {"--port": ui, "--dashboards-port": pages, "--events-port": hooks, "--sandbox-port": crm}
    begun = play(*(str(word) for pair in given.items() for word in pair), own_crm=False, PLAY_STAYS="1")
    refresh = begun.note("refresh")
    assert refresh["up"] == {"sandbox": True, "serve": True, "dev": True, "events": True}
    assert refresh["environment"]["CRM_SANDBOX_PORT"] == str(crm)
    for name, port in (("serve", pages), ("dev", ui), ("events", hooks), ("sandbox", crm)):
        told = begun.note(name)
        assert told["port"] == port
        assert told["environment"]["CRM_SERVE_URL"] == f"http://127.0.0.1:{pages}"
    begun.process.send_signal(signal.SIGINT)
    said, _ = begun.process.communicate(timeout=30)
    assert f"dashboards http://127.0.0.1:{pages} · Dagster UI http://127.0.0.1:{ui}" in said
    assert f"sandbox CRM http://127.0.0.1:{crm}" in said
    assert "next: what" not in said.replace("next: what dev", ""), "nobody is sent to a refresh that begins by itself"


@pytest.mark.slow
def test_an_address_of_the_pages_that_was_set_stays(play):
    begun = play(*ports(), CRM_SERVE_URL="https://kpi.example.com")
    assert begun.note("dev")["environment"]["CRM_SERVE_URL"] == "https://kpi.example.com"


def test_once_needs_no_pages_and_ends_with_the_kpis(play):
    begun = play("--once")
    assert begun.note("refresh")["up"] == {}
    assert begun.process.wait(30) == 0


@pytest.mark.parametrize("once", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_it_ends_as_the_refresh_does(play, once):
    begun = play(*(["--once"] * once), *ports(), PLAY_CODE="75")
    assert begun.process.wait(30) == 75


@pytest.mark.parametrize("option", [*PORTS, "--sandbox-port"])
def test_a_port_in_use_is_told_before_anything_starts(tmp_path, monkeypatch, option):
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("crm_platform.cli.demo._crm", lambda *_: pytest.fail("something was started"))
    options = dict(zip((*PORTS, "--sandbox-port"), map(str, free_ports(4)), strict=True))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(demo, [word for pair in (options | {option: str(port)}).items() for word in pair])
    assert isinstance(result.exception, FixConfiguration)
    assert f"port {port}" in str(result.exception)
    assert f"another {option}" in str(result.exception)
    assert not (tmp_path / "data").exists()


def test_one_port_for_two_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "data"))
    port = str(free_ports(1)[0])
    result = CliRunner().invoke(demo, ["--port", port, "--dashboards-port", port])
    assert isinstance(result.exception, FixConfiguration)
    assert "cannot both have port" in str(result.exception)
