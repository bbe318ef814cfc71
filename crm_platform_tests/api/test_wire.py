"""The way to the CRM: what a wrong certificate, a wrong port, a wrong proxy and a hostile server come to."""

from __future__ import annotations

import gzip
import itertools
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from crm_platform.api import CrmClient, Fetch
from crm_platform.api.wire import LARGEST_ANSWER, Deadline, TooLargeError, body_of, proxy_of
from crm_platform.errors import FixConfiguration, RejectedRequest, ServerUnavailable, WriteUncertain
from crm_platform_tests.api.inprocess import connect

PROXIES = [f"{name}_{which}" for name in ("http", "https", "all", "no") for which in ("proxy", "PROXY")]
EMPTY = b'{"success": true, "data": [], "pagination": {"page": 1, "limit": 100, "total": 0}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(EMPTY), EMPTY)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """A server of one function a connection; gives its port and what the requests began with."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    heard.append(connection.recv(65536))
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def reading(url: str, *, retries: int = 4, naps: list[float] | None = None, **options) -> Exception | None:
    """What a list of contacts ends with; the client never sleeps for real."""
    naps = [] if naps is None else naps
    with CrmClient(url, SecretStr("key-7f3a"), retries=retries, sleep=naps.append, **options) as client:
        try:
            client.list_contacts()
        except Exception as problem:  # noqa: BLE001 - the test says which it must be
            return problem
    return None


# What a setting has to mend.


def test_a_certificate_that_nobody_vouches_for_is_told_at_once():
    """Field case 22: certificate errors are not retried, and the text names the setting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    naps: list[float] = []
    fetches: list[Fetch] = []

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, pytest.raises(OSError):
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    problem = reading(f"https://127.0.0.1:{listener.getsockname()[1]}", naps=naps, on_fetch=fetches.append)
    thread.join(10)
    listener.close()
    assert type(problem) is FixConfiguration
    assert "certificate" in str(problem)
    assert "CRM_BASE_URL" in str(problem)
    assert (len(fetches), naps) == (1, [])


def test_plain_http_behind_https_is_told_at_once():
    """Field case 22."""
    with server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as (port, heard):
        problem = reading(f"https://127.0.0.1:{port}")
    assert type(problem) is FixConfiguration
    assert "does not speak TLS" in str(problem)
    assert len(heard) == 1


def test_certificates_that_cannot_be_read_are_named(monkeypatch, tmp_path):
    """A variant of field case 22: the file of one's own authority is not there, or holds something else."""
    (tmp_path / "odd.pem").write_text("no certificate")
    for name in ("missing.pem", "odd.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        with pytest.raises(FixConfiguration, match="SSL_CERT_FILE"):
            CrmClient("https://crm.example", SecretStr("key-7f3a"))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "SOCKS"),
        ("HTTP_PROXY", "http://127.0.0.1:notaport", "cannot be used"),
        ("http_proxy", "http://127.0.0.1:99999", "cannot be used"),
        ("HTTP_PROXY", "ftp://127.0.0.1:21", "cannot be used"),
        ("HTTP_PROXY", "http://", "cannot be used"),
        ("ALL_PROXY", "http://us er:secret-word@[::1:80", "cannot be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(monkeypatch, variable, value, words):
    """Field case 23, and variants of it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(FixConfiguration) as caught:
        CrmClient("http://crm.example", SecretStr("key-7f3a"))
    assert variable.upper() in str(caught.value)
    assert words in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_proxy_is_obeyed_and_left_out_where_it_says_so(monkeypatch):
    """Field case 22: HTTP_PROXY is obeyed, and so is NO_PROXY; a CRM on this machine needs none."""
    with server(lambda connection: connection.sendall(OK)) as (port, heard):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        assert reading("http://crm.example:8080") is None
    assert heard[0].startswith(b"GET http://crm.example:8080/crm/chat?")
    for url in ("http://127.0.0.1:1", "http://localhost", "https://crm.example"):
        assert proxy_of(url) is None
    for left_out in ("crm.example", ".example", "*", "crm.example:8080"):
        monkeypatch.setenv("NO_PROXY", left_out)
        assert proxy_of("http://crm.example:8080") is None
    monkeypatch.setenv("NO_PROXY", "crm.example:8081")
    assert proxy_of("http://crm.example:8080") == (f"http://127.0.0.1:{port}", "HTTP_PROXY")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(407, FixConfiguration, "user and a password"), (403, FixConfiguration, "refuses"), (502, ServerUnavailable, "")],
)
def test_a_proxy_that_refuses_is_named_and_not_asked_again(monkeypatch, status, error, words):
    """Field case 22: a refused proxy."""
    with server(lambda one: one.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as (port, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"http://name:word-9@127.0.0.1:{port}")
        problem = reading("https://crm.example")
    assert type(problem) is error
    assert words in str(problem)
    assert "word-9" not in str(problem)
    if error is FixConfiguration:
        assert "HTTPS_PROXY" in str(problem)
        assert len(heard) == 1


def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    """Field case 22."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("ALL_PROXY", f"http://name:word-9@127.0.0.1:{port}")
    problem = reading("https://crm.example")
    assert type(problem) is FixConfiguration
    assert f"ALL_PROXY (127.0.0.1:{port})" in str(problem)


# Bounds.


class Ticking:
    """A clock that moves by `step` seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self._moments = itertools.count()
        self._step = step

    def __call__(self) -> float:
        return next(self._moments) * self._step


@pytest.mark.slow
@pytest.mark.parametrize(
    "trickle",
    [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_a_server_that_trickles_is_a_time_out(trickle):
    """Field case 66: a head a byte at a time, `100 Continue` for ever, and a body for ever."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(trickle)
        while True:
            connection.sendall(trickle[:25] if b"100" in trickle else b"a")

    with server(answer) as (port, _):
        problem = reading(f"http://127.0.0.1:{port}", retries=0, clock=Ticking(0.01), timeout=5)
    assert type(problem) is ServerUnavailable


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"X: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_server_that_trickles_slowly_is_a_time_out_by_the_real_clock(piece):
    """Field case 66."""
    pause = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else piece)
        while not pause.wait(0.2):
            connection.sendall(piece)

    with server(answer) as (port, _):
        problem = reading(f"http://127.0.0.1:{port}", retries=0, timeout=1)
        pause.set()
    assert type(problem) is ServerUnavailable
    assert "Timeout" in str(problem)


class Zeros(httpx.SyncByteStream):
    """A body without an end."""

    def __init__(self, packed: bytes | None = None) -> None:
        self.given = 0
        self._piece = packed or bytes(1 << 20)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.given += len(self._piece)
            yield self._piece


def bomb(kind: int) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, kind)
    return b"".join(engine.compress(bytes(1 << 20)) for _ in range(80)) + engine.flush()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packing", "kind"),
    [
        ("identity", None),
        ("gzip", 31),
        ("deflate", 15),
        ("deflate", -15),
    ],
)
def test_no_answer_is_read_or_unpacked_beyond_its_bound(packing, kind):
    """Field case 66: 5 GB, a packed bomb."""
    stream = Zeros() if kind is None else httpx.ByteStream(bomb(kind))
    response = httpx.Response(200, headers={"content-encoding": packing}, stream=stream)
    with pytest.raises(TooLargeError):
        body_of(response, Deadline())
    if isinstance(stream, Zeros):
        assert stream.given <= LARGEST_ANSWER + (1 << 20)


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", " GZIP", "deflate", "raw", "utf-8", ""])
def test_packed_bodies_are_read(packing):
    body = {"raw": zlib.compress(EMPTY)[2:-4], "deflate": zlib.compress(EMPTY)}.get(packing, EMPTY)
    body = gzip.compress(EMPTY) if "gzip" in packing.lower() else body
    pieces = [body[place : place + 7] for place in range(0, len(body), 7)]
    headers = {"content-encoding": packing.replace("raw", "deflate")}
    response = httpx.Response(200, headers=headers, content=iter(pieces))
    assert body_of(response, Deadline()) == EMPTY


def test_a_packed_body_that_is_cut_is_not_taken_for_whole():
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, content=iter([gzip.compress(EMPTY)[:-9]]))
    with pytest.raises(httpx.DecodingError):
        body_of(response, Deadline())


class Large(httpx.BaseTransport):
    def __init__(self, status: int) -> None:
        self.status = status
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(self.status, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb(31)))


@pytest.mark.slow
def test_an_answer_too_large_is_not_asked_for_again():
    """Field case 66."""
    large = Large(200)
    with connect(large) as client:
        with pytest.raises(RejectedRequest, match="larger than 50 MB"):
            client.list_contacts()
        assert large.requests == 1
        with pytest.raises(WriteUncertain, match="larger than 50 MB"):
            client.delete_contact("c1")
    with connect(Large(503), retries=0) as client, pytest.raises(ServerUnavailable, match="HTTP 503"):
        client.list_contacts()


class Down(httpx.BaseTransport):
    requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(503)


def test_a_call_says_how_often_it_is_tried():
    """The crawler asks again at the end of its run, and not inside the call."""
    down = Down()
    with connect(down) as client:
        calls = (
            lambda: client.list_contacts(retries=0),
            lambda: client.list_messages("c1", retries=0),
            lambda: client.list_campaigns(retries=0),
            lambda: client.campaign_report("k1", retries=0),
        )
        for number, call in enumerate(calls, start=1):
            with pytest.raises(ServerUnavailable):
                call()
            assert down.requests == number
        with pytest.raises(ServerUnavailable):
            client.campaign_report("k1", retries=2)
    assert down.requests == 7
