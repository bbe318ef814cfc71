"""The sandbox over real HTTP, in a process of its own."""

import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from crm_platform.settings import load_settings
from crm_platform_tests.sandbox.desk import START, Desk
from crm_platform_tests.sandbox.running import running_sandbox


def client(crm):
    return httpx.Client(base_url=crm.url, headers={"API-KEY": crm.key})


@pytest.fixture(scope="module")
def crm():
    with running_sandbox(contacts=40, days=60, start=START, clock="manual", key="s3cret") as running:
        yield running


@pytest.mark.slow
def test_http_gives_what_the_core_gives(crm):
    desk = Desk(key="s3cret")
    with client(crm) as http:
        for path, query in (
            ("/crm/chat", {"limit": 100}),
            ("/crm/campaign", {"limit": 100}),
            (f"/crm/chat/{desk.contacts()[-2]['chat_id']}/messages", {"sort": "oldest"}),
        ):
            assert http.get(path, params=query).content == desk.answer("GET", path, **query).body
        assert http.get("/crm/chat", headers={"API-KEY": "no"}).status_code == 401
        assert http.delete("/crm/chat/nobody").status_code == 404


@pytest.mark.slow
def test_the_truth_streams_and_the_clock_can_be_set(crm):
    before = sum(1 for _ in crm.truth())
    crm.advance(7 * 86_400)
    crm.set_clock(START + dt.timedelta(days=8))
    assert sum(1 for _ in crm.truth()) > before
    assert sum(1 for _ in crm.truth(START)) == before
    with client(crm) as http:
        made = http.post("/crm/chat", json={"whatsapp_number": "+254712000001"})
        assert made.status_code == 201
        assert http.get("/crm/chat").json()["data"][0] == made.json()["data"]
        assert http.post("/sandbox/clock", json={"now": START.isoformat()}).status_code == 422
        assert http.post("/sandbox/clock", json={"advance": "x"}).status_code == 422
    assert crm.stats()["by_route"]["create_contact"] == 1


@pytest.mark.slow
def test_drops_delays_and_a_running_clock():
    with running_sandbox(contacts=10, days=5, fault_rate=1, faults="drop", latency=30, speed=3600) as crm:
        started = time.monotonic()
        with client(crm) as http, pytest.raises(httpx.RemoteProtocolError):
            http.get("/crm/chat")
        assert time.monotonic() - started > 0.03
        assert crm.stats()["by_status"] == {"0": 1}
        with client(crm) as http:
            assert http.post("/sandbox/clock", json={"advance": 1}).status_code == 422


@pytest.mark.slow
def test_time_runs_at_the_speed_asked_for():
    at_first = max(one["created_at"] for one in Desk().truth("campaign"))
    # A campaign every four days, and a second is eleven and a half.
    with running_sandbox(contacts=40, days=60, start=START, speed=1_000_000) as crm, client(crm) as http:
        started = time.monotonic()
        while http.get("/crm/campaign").json()["data"][0]["created_at"] == at_first:
            assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_million_contacts_start_at_once_and_stay_small():
    with running_sandbox(contacts=1_000_000) as crm:
        user, system = Path(f"/proc/{crm.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        with client(crm) as http:
            page = http.get("/crm/chat", params={"page": 5_000, "limit": 100}).json()
            assert page["pagination"]["total"] >= 1_000_000
            for contact in page["data"]:
                assert http.get(f"/crm/chat/{contact['chat_id']}/messages").json()["success"]
            assert len(http.get("/crm/campaign").json()["data"]) == 20
        memory = Path(f"/proc/{crm.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    # Seconds of CPU, imports included: what a start takes on a machine that does nothing else.
    assert (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") < 2
    assert int(memory) < 200_000  # kB; the interpreter and its libraries are 45,000


@pytest.mark.slow
def test_a_port_in_use_is_one_line_and_exit_code_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", "from crm_platform.cli import main; main()", "sandbox", "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"crm: port {port} is in use")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--port", "0")])
def test_what_comes_next_is_told_for_the_port_it_is_on(arguments):
    """Kind 15: `crm refresh` asks where CRM_SANDBOX_PORT says."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    sandbox = subprocess.Popen(
        [sys.executable, "-u", "-m", "crm_platform.cli", "sandbox", "--contacts", "10", "--days", "2", *arguments],
        env={**os.environ, "CRM_SANDBOX_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [sandbox.stdout.readline() for _ in range(5)]
        own = lines[0].split("127.0.0.1:")[1].split()[0]
        # It answers: from here on SIGTERM ends it. Before that, it ignores what its parent ignores, and test workers
        # ignore SIGTERM.
        assert httpx.get(f"http://127.0.0.1:{own}/crm/chat", timeout=120).status_code == 401
    finally:
        sandbox.terminate()
        sandbox.communicate(timeout=120)
    assert (f"http://127.0.0.1:{port} " in lines[0]) == (not arguments)
    assert f"CRM_SANDBOX_PORT={own} crm refresh" in lines[4]
    assert load_settings(sandbox_port=int(own), base_url=None).crm_url == f"http://127.0.0.1:{own}"


@pytest.mark.slow
def test_it_ends_quietly_when_interrupted():
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from crm_platform.cli import main; main()", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(5)]
    assert "crm refresh" in lines[-1]
    address = lines[0].split(" at ")[1].split()[0]
    assert httpx.get(address).status_code == 401  # the words come just before the server is up
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_help_names_every_option_and_shape():
    from click.testing import CliRunner

    from crm_platform.cli.sandbox import sandbox
    from crm_platform.sandbox import FAULTS, SHAPES
    from crm_platform.sandbox.options import WEBHOOK_IDS, WEBHOOK_SHAPES

    text = CliRunner().invoke(sandbox, ["--help"]).output
    words = (*WEBHOOK_SHAPES.values(), *WEBHOOK_IDS.values())
    for word in (*FAULTS, *SHAPES, *words, "--tier", "--began", "/sandbox/truth", "/sandbox/events"):
        assert word in text
    for option in ("url", "secret", "shape", "ids", "lost", "doubled", "delayed", "reordered"):
        assert f"--webhook-{option}" in text
    assert CliRunner().invoke(sandbox, ["--faults", "404"]).exit_code == 2
    assert CliRunner().invoke(sandbox, ["--start", "soon"]).exit_code == 2
