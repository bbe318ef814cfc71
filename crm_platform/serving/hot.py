"""Answers of the KPI API that stand ready in Redis: those of the current snapshot, put there by who published it.

What belongs here: putting all answers of a snapshot there in one step, reading one, saying that a snapshot stands. What
does not: what the answers are (kpi_api.py), who hears that one stands (notices.py).

A snapshot's answers are one hash under its version, so nobody reads two snapshots at once, and an answer from Redis is
the bytes that the snapshot's file would give. Where Redis is away, empty, or has another snapshot's answers, the file
is read; nobody waits for it twice in five seconds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from crm_platform.errors import CrmPlatformError
from crm_platform.redis_server import RedisServer, Rests
from crm_platform.serving.caching import KeptAnswer

if TYPE_CHECKING:
    from crm_platform.settings import Settings

MOST_BYTES: Final = 32 << 20
"""Of one snapshot's answers; what a table has beyond is read from the file."""

TURNED: Final = "turned"
"""The channel where a new snapshot is told."""

_log = logging.getLogger(__name__)

_PATIENCE: Final = 0.25  # seconds that a reader waits for Redis, once
_WRITING: Final = 5.0  # seconds that who publishes waits
_OLD: Final = 60  # seconds that the answers of the snapshot before stay: for readers that have not turned
_LIVES: Final = 7 * 86_400  # seconds: longer than any current snapshot, so that nothing stays for ever
_FILLS_EVERY: Final = 60.0  # seconds between two attempts of a reader to put answers where there are none

Answers = Mapping[str, KeptAnswer]


class Hot:
    """The answers in Redis, as one process reads them. Threads may share it; without a Redis it is empty."""

    def __init__(self, settings: Settings) -> None:
        server = RedisServer(settings, patience=_PATIENCE) if settings.redis_url else None
        self._settings = settings
        self._key = server.key if server else str
        self._rests = Rests(server) if server else None
        self._filled_at = -_FILLS_EVERY
        self._lock = threading.Lock()

    def get(self, version: str, place: str, *, otherwise: Callable[[], Answers]) -> KeptAnswer | None:
        """The answer of a place of a snapshot's version; None where it has to be made.

        `otherwise`: gives all answers of that version. They are put into a Redis that has none of it, so one that came
        back empty is soon full again.
        """
        if self._rests is None:
            return None
        name = self._key(_hash_of(version))
        told = self._rests.ask(lambda client: client.hget(name, place))
        if told is not None:
            return _read(told)
        if self._rests.ask(lambda client: client.exists(name)) == 0:
            self._fill(version, otherwise)
        return None

    def _fill(self, version: str, answers: Callable[[], Answers]) -> None:
        with self._lock:
            if time.monotonic() - self._filled_at < _FILLS_EVERY:
                return
            self._filled_at = time.monotonic()

        def fill() -> None:
            try:
                put(self._settings, version, answers())
            except CrmPlatformError as problem:
                _log.info("answers are not put into Redis: %s", problem)

        threading.Thread(target=fill, daemon=True).start()


def put(settings: Settings, version: str, answers: Answers, *, turned: str | None = None) -> None:
    """Put all answers of a snapshot's version into Redis in one step.

    `turned`: the snapshot's id, to tell that it stands. Raises as RedisServer.asking does.
    """
    server = RedisServer(settings, patience=_WRITING)
    name, pointer = server.key(_hash_of(version)), server.key("answers")
    try:
        with server.asking() as client:
            before = client.get(pointer)
            with client.pipeline(transaction=True) as step:
                step.delete(name)
                if answers:
                    step.hset(name, mapping={place: _written(answer) for place, answer in answers.items()})
                    step.expire(name, _LIVES)
                if before is not None and before.decode() != name:
                    step.expire(before, _OLD)
                step.set(pointer, name, ex=_LIVES)
                if turned is not None:
                    step.publish(server.key(TURNED), turned)
                step.execute()
    finally:
        server.close()


def place_of(key: tuple[str, str]) -> str:
    """Where an answer stands: a digest of what decides it."""
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()


def _hash_of(version: str) -> str:
    return f"answers:{hashlib.sha256(version.encode()).hexdigest()[:32]}"


def _written(answer: KeptAnswer) -> bytes:
    return json.dumps(dict(answer.headers)).encode() + b"\n" + answer.body


def _read(told: bytes) -> KeptAnswer:
    headers, _, body = told.partition(b"\n")
    return KeptAnswer(body, json.loads(headers))
