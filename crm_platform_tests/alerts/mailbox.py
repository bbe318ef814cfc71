"""A mail server on loopback: enough of SMTP (RFC 5321), STARTTLS and AUTH to take a message, or to refuse it.

What belongs here: the server's side of the conversation. What does not: what is expected of the client.

localhost.pem is a key and a certificate made for this server alone, valid from 2020 to 2120; it protects nothing.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@dataclass
class Mailbox:
    """The server's settings and what it has taken. `refuses`: code a command is answered with, by the command."""

    port: int = 0
    login: tuple[str, str] | None = None
    refuses: dict[str, int] = field(default_factory=dict)
    refused_readers: tuple[str, ...] = ()
    hangs_up_on: str = ""
    received: list[EmailMessage] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    was_encrypted: bool = False

    @property
    def subjects(self) -> list[str]:
        return [str(one["Subject"]) for one in self.received]


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class _HangUp(Exception):
    pass


class _Conversation(socketserver.StreamRequestHandler):
    box: Mailbox
    tls: Literal["", "starttls", "at once"]

    def handle(self) -> None:
        self.is_encrypted = self.is_logged_in = False
        with contextlib.suppress(_HangUp, OSError):
            if self.tls == "at once":
                self.encrypt()
            self.say("220 mailbox")
            while line := self.rfile.readline():
                self.answer(line.decode().strip())

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def encrypt(self) -> None:
        self.connection = _context().wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.is_encrypted = True

    def answer(self, line: str) -> None:
        command = line.partition(" ")[0].upper()
        if command == self.box.hangs_up_on:
            raise _HangUp
        if command in self.box.refuses:
            self.say(f"{self.box.refuses[command]} refused: {line}")
        elif command in {"EHLO", "HELO"}:
            offers = ["STARTTLS"] if self.tls == "starttls" and not self.is_encrypted else []
            offers += ["AUTH PLAIN"] if self.box.login else []
            self.say("250-mailbox", *(f"250-{offer}" for offer in offers), "250 8BITMIME")
        elif command == "STARTTLS":
            self.say("220 go ahead")
            self.encrypt()
        elif command == "AUTH":
            _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
            self.is_logged_in = (user, password) == self.box.login
            self.say("235 welcome" if self.is_logged_in else f"535 {user} is not known by {password}")
        elif command == "MAIL" and self.box.login and not self.is_logged_in:
            self.say("530 log in first")
        elif command == "RCPT":
            reader = line.partition("<")[2].partition(">")[0]
            is_refused = reader in self.box.refused_readers
            if not is_refused:
                self.box.readers.append(reader)
            self.say(f"550 no {reader} here" if is_refused else "250 ok")
        elif command == "DATA":
            self.take()
        elif command == "QUIT":
            self.say("221 bye")
            raise _HangUp
        else:
            self.say("250 ok")

    def take(self) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines).replace(b"\r\n", b"\n"), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.box.received.append(message)
        self.box.was_encrypted = self.is_encrypted
        self.say("250 taken")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    block_on_close = True


@contextlib.contextmanager
def running_mailbox(tls: Literal["", "starttls", "at once"] = "") -> Iterator[Mailbox]:
    """Run a mail server on a free port of loopback."""
    box = Mailbox()
    handler = type("Conversation", (_Conversation,), {"box": box, "tls": tls})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        box.port = server.server_address[1]
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
