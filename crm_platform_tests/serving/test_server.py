"""The server under connections that say nothing, or too much, and too many of them (field case 70)."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crm_platform.serving import server
from crm_platform.serving.server import Patient, Room, most_connections
from crm_platform.settings import load_settings
from crm_platform_tests.serving.published import publish_rows
from crm_platform_tests.serving.running import SERVE, running_server

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "

# A server whose patience is shorter than ours, so that a test need not wait for it.
HASTY = """
import sys
from crm_platform.serving import server
server.RECEIVING = 1.0
server.ANSWERING = 2.0
from crm_platform.cli import main
sys.argv[0] = "crm"
main()
"""


def answer(host: str, port: int, sent: bytes, *, wait: float = 10) -> bytes:
    """All that the server says to some bytes, until it hangs up."""
    with socket.create_connection((host, port), timeout=wait) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it hung up before it had all of it
            connection.sendall(sent)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                said += part
        return said


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    root = tmp_path_factory.mktemp("hasty")
    publish_rows(load_settings(data_dir=root))
    with running_server(root, command=[sys.executable, "-c", HASTY, "serve"]) as running:
        yield running.place
        assert running.process.poll() is None, "it died"


def test_the_bound_follows_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch):
    """Field case 70."""
    for soft in (64, 256, 1024, 4096, 1_048_576, resource.RLIM_INFINITY):
        monkeypatch.setattr(server.resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        most = most_connections()
        assert 8 <= most <= 2000
        if soft != resource.RLIM_INFINITY:
            assert most <= soft * 3 / 4


class Connection:
    is_gone = False

    def leave(self) -> None:
        self.is_gone = True


def test_one_too_many_takes_the_place_of_the_longest_silent(caplog: pytest.LogCaptureFixture):
    """Field case 70."""
    room, many = Room(3), [Connection() for _ in range(6)]
    for count, one in enumerate(many[:3], start=1):
        room.enter(one, count=count, now=0)
    room.waits_no_more(many[0])  # it is being answered
    room.enter(many[3], count=4, now=1)
    assert [one.is_gone for one in many[:4]] == [False, True, False, False]
    room.waits_no_more(many[1])
    for one in many[2:4]:
        room.waits_no_more(one)
    room.enter(many[4], count=4, now=2)  # nobody waits: the new one goes
    assert many[4].is_gone
    assert len(caplog.records) == 1
    room.enter(many[5], count=4, now=server._EVERY + 1)
    assert len(caplog.records) == 2
    assert "ulimit -n" in caplog.text
    assert issubclass(Patient, server.HttpToolsProtocol)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        HEAD,
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nsecret=",
        b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HEAD,
    ],
)
def test_who_does_not_finish_is_hung_up_on(hasty: tuple[str, int], sent: bytes):
    """Field case 70: a head, a body, or a second request that never ends."""
    began = time.monotonic()
    said = answer(*hasty, sent)
    assert time.monotonic() - began < 9
    assert said.count(b"HTTP/1.1 500") == 0


@pytest.mark.slow
def test_a_head_without_end_is_refused(hasty: tuple[str, int]):
    said = answer(*hasty, HEAD + b"x" * 3_000_000)
    assert said == b"" or said.split()[1] in {b"431", b"400"}  # a reset may overtake the words


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /x?\xff\xe2\x80\xa8 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /a%E2%80%A8b%00%FF HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.test/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(hasty: tuple[str, int], sent: bytes):
    """Field case 63."""
    said = answer(*hasty, sent)
    for status in re.findall(rb"HTTP/1\.[01] (\d+)", said):
        assert 300 <= int(status) < 500, said
    assert b"Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("files", [256, 1024])
def test_half_open_connections_keep_nobody_out(tmp_path: Path, files: int):
    """Field case 70: more of them than files may be open."""
    publish_rows(load_settings(data_dir=tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        few_files = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *SERVE]
        with running_server(tmp_path, command=few_files) as running, contextlib.ExitStack() as open_ones:
            for _ in range(files + 100):
                one = open_ones.enter_context(socket.create_connection(running.place, timeout=10))
                with contextlib.suppress(OSError):
                    one.send(HEAD)
            for _ in range(3):  # while it lasts
                assert httpx.get(f"{running.url}/healthz", timeout=20).json()["status"] == "unwell"
            open_ones.close()
            assert httpx.get(f"{running.url}/api/v1/kpis", timeout=20).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in (tmp_path / "server.log").read_text()
