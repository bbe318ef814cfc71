"""Servers on loopback that are not the CRM, or a broken one: what `crm doctor` has to tell apart.

What belongs here: the other end of a connection. What does not: what is expected of the doctor.

expired.pem and elsewhere.pem are keys and certificates made for these tests alone; they protect nothing.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from crm_platform_tests.alerts.mailbox import CERTIFICATE

HERE = Path(__file__).parent
SELF_SIGNED = CERTIFICATE
EXPIRED = HERE / "expired.pem"
ELSEWHERE = HERE / "elsewhere.pem"

CONTACTS = b'{"success": true, "data": [{"chat_id": "c1"}], "pagination": {"page": 1, "limit": 1, "total": 1}}'


def answer(status: str, body: bytes, *headers: str, form: str = "application/json") -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {form}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


WELL = answer("200 OK", CONTACTS)


@contextlib.contextmanager
def serving(said: bytes, *, certificate: Path | None = None) -> Iterator[str]:
    """Answer every request with these bytes; with a certificate, over TLS. Gives the address."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection = self.request
            with contextlib.suppress(OSError):
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True)
                asked = b""
                while b"\r\n\r\n" not in asked and (more := connection.recv(65_536)):
                    asked += more
                    if context is None and asked[:1] == b"\x16":  # a TLS hello to a server that speaks none
                        break
                connection.sendall(said)
            connection.close()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def trickling() -> Iterator[str]:
    """Send a byte of a head now and then, for ever: no time-out of one wait ends that."""
    over = threading.Event()

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.1):
                    self.request.sendall(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def tarpit() -> Iterator[str]:
    """Take connections, and never say a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
