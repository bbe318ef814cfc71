"""A real redis-server for tests: on a free port of loopback, with a folder of its own, ended by its process id."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crm_platform.redis_server import RedisServer
from crm_platform.settings import Settings


@dataclass
class RedisProcess:
    """`options`: of the command line, such as `--requirepass`. It keeps nothing on disk unless they say so."""

    folder: Path
    options: tuple[str, ...] = ()
    password: str | None = None
    port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        with contextlib.closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"
        config.write_text(f"requirepass {self.password}\n" if self.password else "")
        command = [program, str(config), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--save", "", "--maxmemory-policy", "noeviction", *self.options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2) as asked:
                asked.sendall(b"PING\r\n")
                if asked.recv(8)[:1] in {b"+", b"-"}:
                    asked.close()
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.01)
        raise AssertionError("redis-server did not start")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()


@contextlib.contextmanager
def running(folder: Path, *options: str, password: str | None = None) -> Iterator[RedisProcess]:
    server = RedisProcess(folder, options, password)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def connected(server: RedisProcess, *, patience: float = 5.0, **settings: object) -> RedisServer:
    """A connection to it, of a CRM that is the sandbox."""
    return RedisServer(Settings(redis_url=server.url, **settings), patience=patience)
