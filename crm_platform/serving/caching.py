"""Not doing work twice: ETags, for what a client already has, and answers that were given before.

What belongs here: making and comparing tags, keeping answers. What does not: what they say.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import Request


_MOST_ANSWERS: Final = 4096  # however small: each takes some memory beside its bytes


def tag(*parts: str) -> str:
    """A weak ETag (an answer may be compressed on its way) of what decides an answer."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f'W/"{hashlib.sha256(joined).hexdigest()[:24]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this tag, or any."""
    given = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in {one.removeprefix("W/") for one in given}


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer's body and headers."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.body) + sum(map(len, self.headers.values()))


class Kept:
    """Answers by what decides them; those not asked for longest go first. Threads may share it.

    Nothing in here grows old: a snapshot never changes, and its id is part of every key. Of a key, which holds what
    clients have sent, only a digest stays.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: OrderedDict[bytes, KeptAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> KeptAnswer | None:
        """The answer that was kept; None when there is none, or none any more."""
        place = _place(key)
        with self._lock:
            found = self._answers.get(place)
            if found is not None:
                self._answers.move_to_end(place)
            return found

    def put(self, key: tuple[object, ...], answer: KeptAnswer) -> None:
        """Keep an answer, unless it would take more than a tenth of the room."""
        if answer.size * 10 > self._most_bytes:
            return
        place = _place(key)
        with self._lock:
            if place not in self._answers:
                self._answers[place] = answer
                self._bytes += answer.size
            while self._bytes > self._most_bytes or len(self._answers) > _MOST_ANSWERS:
                _, oldest = self._answers.popitem(last=False)
                self._bytes -= oldest.size

    def clear(self) -> None:
        """Forget all: another snapshot is shown."""
        with self._lock:
            self._answers.clear()
            self._bytes = 0


def _place(key: tuple[object, ...]) -> bytes:
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).digest()
