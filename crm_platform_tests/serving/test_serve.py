"""`crm serve` as a process: where it listens, what it says, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import SECRETS, publish_rows
from crm_platform_tests.serving.running import SERVE, environment, running_server


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_when_told(tmp_path: Path, ending: signal.Signals):
    publish_rows(load_settings(data_dir=tmp_path))
    with running_server(tmp_path) as running:
        process, address = running.process, running.url
        assert "open: this machine only" in running.words
        answer = httpx.get(f"{address}/api/v1/kpis/response_times_daily?limit=1")
        assert answer.json()["total_rows"] == 40
        assert "server" not in answer.headers
        process.send_signal(ending)
        process.wait(timeout=60)
        assert process.stdout is not None
        assert process.stdout.read() == ""  # no line a request
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)


@pytest.mark.slow
def test_with_a_secret_it_serves_others_too(tmp_path: Path):
    with running_server(tmp_path, "--host", "0.0.0.0", **SECRETS) as running:
        assert "log in as viewer, analyst, admin" in running.words
        assert "crm refresh" in running.words  # nothing is published yet
        local = running.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{local}/metrics").status_code == 401
        token = {"authorization": f"Bearer {SECRETS['admin_secret']}", "x-forwarded-proto": "https"}
        answer = httpx.get(f"{local}/metrics", headers=token)
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers  # a proxy on this machine is believed


@pytest.mark.slow
def test_without_a_secret_it_does_not_leave_this_machine(tmp_path: Path):
    done = subprocess.run(
        [*SERVE, "--host", "0.0.0.0", "--port", "0"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "CRM_VIEWER_SECRET" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_port_in_use_is_said(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*SERVE, "--port", str(port)], env=environment(tmp_path), capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr
