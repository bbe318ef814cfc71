"""Posting webhooks: a thread of its own.

What belongs here: connections, trying again, pauses. What does not: what is posted (`webhooks.py`).

Bodies go out one after the other, so that a receiver that is away misses none: the thread tries the same body until it
is accepted or refused for good, and meanwhile makes no further events; the world keeps them. So what waits is bounded,
and the sandbox's answers never wait for a receiver.
"""

from __future__ import annotations

import http.client
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from crm_platform.sandbox.app import Sandbox
from crm_platform.sandbox.webhooks import SIGNATURE, TIMESTAMP, Posting, signature

_LOOK_EVERY: Final = 0.2  # seconds
_GIVE_WAY: Final = 0.002  # seconds between two pieces of work, in which requests are answered
_TIMEOUT: Final = 30.0  # seconds for an answer
_FIRST_PAUSE: Final = 0.5  # seconds; each further one is twice as long
_LONGEST_PAUSE: Final = 30.0
_LONGEST_RETRY_AFTER: Final = 300.0
_TRY_AGAIN: Final = frozenset({408, 429})  # and every 5xx, and no answer


class Delivery:
    """Posts a sandbox's webhooks while its block runs. Nothing happens for a sandbox without a receiver."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._secret = sandbox.options.webhook_secret
        parts = urlsplit(sandbox.options.webhook_url or "")
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname or "", parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __enter__(self) -> None:
        if self._sandbox.webhooks is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(1)  # an answer that is waited for longer dies with the process

    def _run(self) -> None:
        while not self._stopping.is_set():
            postings, is_more = self._sandbox.postings()
            for posting in postings:
                self._deliver(posting)
            self._stopping.wait(_GIVE_WAY if is_more else _LOOK_EVERY)

    def _deliver(self, posting: Posting) -> None:
        webhooks = self._sandbox.webhooks
        pause = _FIRST_PAUSE
        while webhooks is not None and not self._stopping.is_set():
            status, retry_after = self._post(posting.body)
            if not (status == 0 or status in _TRY_AGAIN or status >= 500):
                webhooks.answered(posting, is_accepted=200 <= status < 300)
                return
            webhooks.counts.retried += 1
            self._stopping.wait(max(pause, retry_after))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _post(self, body: bytes) -> tuple[int, float]:
        """The answer's status, 0 where none came, and the seconds after which it asks to be tried again."""
        headers = {"Content-Type": "application/json", TIMESTAMP: str(int(time.time()))}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body)
        # A connection for each: one that is kept may be closed by the other side just when it is needed.
        connection = self._connection(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
            retry_after = answer.getheader("Retry-After", "")
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0, 0.0
        finally:
            connection.close()
        is_seconds = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 12
        return answer.status, min(float(retry_after), _LONGEST_RETRY_AFTER) if is_seconds else 0.0
