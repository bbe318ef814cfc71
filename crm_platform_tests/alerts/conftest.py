"""A webhook's other end on loopback, and a clock that a test sets."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from crm_platform.alerts import Alert

START = dt.datetime(2026, 11, 22, 8, 0, tzinfo=dt.UTC)
PATH = "/services/T000/B000/SECRETSECRET"
FAILED = Alert("job:refresh_all", "refresh_all failed", "step raw__messages: the CRM answered 500")


@dataclass
class Receiver:
    """A webhook's other end. `status`: what it answers next."""

    url: str = ""
    status: int = 200
    received: list[dict] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        return [one["blocks"][0]["text"]["text"] for one in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == PATH
            if made.status == 0:  # drop the connection
                self.close_connection = True
                return
            made.received.append(content)
            self.send_response(made.status)
            if made.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}{PATH}"
        yield made
        server.shutdown()
        thread.join()


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_time(self, **elapsed: float) -> None:
        self.now += dt.timedelta(**elapsed)


@pytest.fixture
def clock() -> Clock:
    return Clock()
