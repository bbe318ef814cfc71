"""A real ClickHouse server on loopback, out of chdb-core's wheel: users with passwords, query log, its own data folder.

What belongs here: starting it, waiting for it, ending it. What does not: what is asked of it.

The wheel is made for engines inside a process; that it can listen is documented nowhere. Where it cannot, `start`
raises: nothing passes for tested that was not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "platform", "correct horse & battery: staple/1"

_BEGINS_WITHIN = 60.0  # seconds; alone it takes less than one

_CONFIG = """<clickhouse>
    <logger><level>warning</level><errorlog>{folder}/server.err</errorlog><log>{folder}/server.log</log></logger>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{http}</http_port>
    <tcp_port>{tcp}</tcp_port>
    <users_config>users.xml</users_config>
    <user_directories><users_xml><path>{folder}/users.xml</path></users_xml></user_directories>
    <query_log>
        <database>system</database><table>query_log</table>
        <flush_interval_milliseconds>500</flush_interval_milliseconds>
    </query_log>
    <mark_cache_size>67108864</mark_cache_size>
    <background_pool_size>2</background_pool_size>
</clickhouse>"""

_USERS = """<clickhouse>
    <profiles><default/><reader><readonly>2</readonly></reader></profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
            <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
        </default>
        <{user}>
            <password><![CDATA[{password}]]></password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile><quota>default</quota>
        </{user}>
        <reader>
            <password><![CDATA[{password}]]></password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>reader</profile><quota>default</quota>
        </reader>
    </users>
</clickhouse>"""

# The process works as the user `default`, who may listen, and nothing else.
# It blocks in this statement until it is told to end.
_LISTEN = """
import sys
from chdb import _chdb
_chdb.query(
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(3) FROM numbers(1000000) "
    "SETTINGS function_sleep_max_microseconds_per_block=0, max_block_size=1, max_threads=1 FORMAT Null",
    "TabSeparated", path=sys.argv[1],
)
"""


@dataclass(slots=True)
class Server:
    """A server that runs."""

    folder: Path
    http: int
    process: subprocess.Popen[bytes]

    def url(self, database: str, *, user: str = USER) -> str:
        """Where it is, as CRM_WAREHOUSE_URL says it, without the password."""
        return f"clickhouse://{user}@127.0.0.1:{self.http}/{database}"

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """On the same data folder and port."""
        self.process = _listening(self.folder, self.http)


def start(folder: Path) -> Server:
    """Start one whose data is kept in a folder. Raises RuntimeError when it does not answer."""
    http, tcp = _free_ports()
    (folder / "config.xml").write_text(_CONFIG.format(folder=folder, http=http, tcp=tcp), encoding="utf-8")
    (folder / "users.xml").write_text(_USERS.format(user=USER, password=PASSWORD), encoding="utf-8")
    return Server(folder, http, _listening(folder, http))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Have one for as long as the block runs."""
    server = start(folder)
    try:
        yield server
    finally:
        server.end()


def _listening(folder: Path, http: int) -> subprocess.Popen[bytes]:
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _LISTEN, str(folder / "data")],
            cwd=folder,
            stdout=output,
            stderr=output,
            env=os.environ | {"TZ": "UTC"},
        )
    give_up_at = time.monotonic() + _BEGINS_WITHIN
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/ping", timeout=2) as answer:
                if answer.read().strip() == b"Ok.":
                    return process
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    process.kill()
    process.wait()
    said = (folder / "output").read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"ClickHouse's server does not answer on port {http}; it said: {said}")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
