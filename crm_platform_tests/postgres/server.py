"""A Postgres of the tests' own: a cluster in a folder of its own, on a free port of loopback, ended by its process id.

What belongs here: making, starting and killing it, a database for a test, and what its log says. What does not: what is
kept there.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr

_USER = "crm"
_STARTING = 60.0  # seconds: a killed one looks through its log first


def _programs() -> Path:
    """Where Debian keeps them, or whoever else installed them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    there = found[-1] if found else Path(shutil.which("postgres") or "")
    if not there.is_file():
        raise RuntimeError("Postgres is not installed: apt-get install postgresql")
    return there.parent


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _STARTING
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


class PostgresServer:
    """`password` holds every character that a URL must quote."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = f"p:{secrets.token_hex(8)}@/ %ä"
        self.log = folder / "log"
        self._data = folder / "data"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        # Postgres refuses to run as root.
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            who = pwd.getpwnam("nobody")
            self._as = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            os.chown(folder, who.pw_uid, who.pw_gid)

    def make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password, encoding="utf-8")
        secret.chmod(0o644)  # in a folder that is its owner's alone
        command = [_programs() / "initdb", "-D", self._data, "-U", _USER, "--auth=scram-sha-256", "--no-sync"]
        command += [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder, **self._as)

    def start(self) -> None:
        """Run it until it answers. After a kill it may find the last one's memory still in use for a moment."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "log_connections": "on",
            "shared_buffers": "16MB",
        }
        command = [str(_programs() / "postgres"), "-D", str(self._data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + _STARTING
        while True:
            if self._process is None or self._process.poll() is not None:
                with self.log.open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._as)
            with contextlib.suppress(Exception):
                self.query("select 1")
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres does not start:\n{self.log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """As a machine that loses its power: no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def url(self, database: str = "postgres") -> SecretStr:
        return SecretStr(f"postgresql://{_USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}")

    def new_database(self) -> SecretStr:
        """Make a database of a test's own; returns its URL."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.query(f"create database {name}")
        return self.url(name)

    @contextlib.contextmanager
    def pooled(self, url: SecretStr, *, ignored: str = "") -> Iterator[SecretStr]:
        """Run PgBouncer before it, by transactions; gives the URL through it. `ignored`: what it says nothing of."""
        port, database = free_port(), url.get_secret_value().rpartition("/")[2]
        configuration = self._folder / "pgbouncer.ini"
        users = self._folder / "users.txt"
        users.write_text(f'"{_USER}" "{self.password}"\n', encoding="utf-8")
        configuration.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
            f"pool_mode = transaction\nignore_startup_parameters = extra_float_digits,{ignored}\n",
            encoding="utf-8",
        )
        for file in (users, configuration):  # whatever umask this process has by now
            file.chmod(0o644)
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise RuntimeError("PgBouncer is not installed: apt-get install pgbouncer")
        with self.log.open("ab") as log:
            process = subprocess.Popen([program, configuration], stdout=log, stderr=log, **self._as)
        try:
            _wait_for(port)
            yield SecretStr(url.get_secret_value().replace(f":{self.port}/{database}", f":{port}/{database}"))
        finally:
            process.terminate()
            process.wait(30)

    def query(self, sql: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        import psycopg2

        session = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=_USER, password=self.password, dbname=database, connect_timeout=5
        )
        with contextlib.closing(session), session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def connections(self, database: str) -> int:
        """How often somebody was let in to a database so far."""
        return self.log.read_text(encoding="utf-8").count(f"connection authorized: user={_USER} database={database}")


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Make one and run it while the block does."""
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()
